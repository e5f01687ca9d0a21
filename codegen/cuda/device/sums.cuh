// Sums that threads put down for others that have the same elements of a tile.

// Registers of all threads, so many at a time that a warp's accesses are whole lines.
template <int N>
__device__ __forceinline__ void write_sums(float* to, int thread, int threads,
                                           const float (&x)[N]) {
  constexpr int width = N % 4 == 0 ? 4 : 1;
#pragma unroll
  for (int i = 0; i < N; i += width)
    copy_bytes<4 * width>(to + i * threads + thread * width, &x[i]);
}
// Adds those at `from`, which are in shared memory.
template <int N>
__device__ __forceinline__ void add_sums(const float* from, int thread, int threads,
                                         float (&x)[N]) {
  constexpr int width = N % 4 == 0 ? 4 : 1;
#pragma unroll
  for (int i = 0; i < N; i += width) {
    alignas(4 * width) float sums[width];
    copy_bytes<4 * width>(sums, from + i * threads + thread * width);
#pragma unroll
    for (int j = 0; j < width; ++j) x[i + j] += sums[j];
  }
}
