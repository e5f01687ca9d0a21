// Tiles in shared memory whose rows are Swizzle bytes (16, 32, 64 or 128), every 16 of them moved
// so that the same 16 of eight neighbouring rows lie in different banks. Plain arithmetic: tests
// include it.

// Byte offset of (row, byte) in such a tile.
template <int Swizzle>
__device__ __forceinline__ u32 swizzled_offset(u32 row, u32 byte) {
  u32 offset = row * Swizzle + byte;
  return offset ^ (((offset >> 7) & (Swizzle / 16 - 1)) << 4);
}

// Where a lane reads fragments in a tile swizzled over Swizzle bytes, whose rows `row` and on it
// wants: byte offsets for the first 32 bytes of K; step s of 32 bytes is `^ 32 s`, and rows on by
// a multiple of 8 keep the swizzle. An m16 fragment is four matrices: rows 0-7 and 8-15 of the
// first 16 bytes, then of the next.
template <int Swizzle>
__device__ __forceinline__ u32 m_fragment(int row, int lane) {
  return swizzled_offset<Swizzle>(row + lane % 16, lane / 16 * 16);
}
// Two n8 fragments: the first and next 16 bytes of rows 0-7, then of rows 8-15.
template <int Swizzle>
__device__ __forceinline__ u32 n_fragment(int row, int lane) {
  return swizzled_offset<Swizzle>(row + lane % 8 + lane / 16 * 8, lane / 8 % 2 * 16);
}
