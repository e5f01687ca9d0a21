// Warpgroup matrix multiply (PTX ISA 9.7.15). The instruction itself is printed per shape.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int Pending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}
// Keeps the compiler from moving accumulator registers across an asynchronous wgmma.
template <int N>
__device__ __forceinline__ void pin_registers(float (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i]));
}
// Matrix descriptor of a K-major tile swizzled over Swizzle bytes, in two words; the low one counts
// in 16 bytes, along K and from stage to stage. Shared memory ends below 2^18.
__device__ __forceinline__ u32 descriptor_low(u32 address) {
  return (1u << 16) | (address >> 4);
}
template <int Swizzle>
__device__ constexpr u32 descriptor_high() {
  constexpr u32 layout = Swizzle == 128 ? 1 : Swizzle == 64 ? 2 : 3;
  return (layout << 30) | (Swizzle * 8 / 16);
}
// Stores 8x8 matrices of 2-byte elements, of which each lane holds a pair; lanes 8 i and on give
// the addresses of the rows of matrix i (PTX ISA 9.7.14.5.16, stmatrix).
__device__ __forceinline__ void store_matrices(u32 to, const u32 (&x)[2]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(to), "r"(x[0]),
               "r"(x[1])
               : "memory");
}
__device__ __forceinline__ void store_matrices(u32 to, const u32 (&x)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to),
               "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3])
               : "memory");
}
