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
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
}
// Matrix descriptor of a K-major tile swizzled over Swizzle bytes; add (bytes >> 4) to move along
// K.
template <int Swizzle>
__device__ __forceinline__ u64 matrix_descriptor(u32 address) {
  constexpr u64 layout = Swizzle == 128 ? 1 : Swizzle == 64 ? 2 : 3;
  return (layout << 62) | (u64(Swizzle * 8 / 16) << 32) | (u64(1) << 16) |
         ((address & 0x3ffff) >> 4);
}
// Byte offset of (row, byte) in such a tile.
template <int Swizzle>
__device__ __forceinline__ u32 swizzled_offset(u32 row, u32 byte) {
  u32 offset = row * Swizzle + byte;
  return offset ^ (((offset >> 7) & (Swizzle / 16 - 1)) << 4);
}
