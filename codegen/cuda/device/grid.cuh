// Which blocks of a grid a tile is. Plain C++ but for __clz.
//
// a / b, at once where `a` is the smaller or `b` a power of two: else some twenty instructions that
// wait for each other, before a CTA's first copies.
__device__ __forceinline__ u32 quotient(u32 a, u32 b) {
  if (a < b) return 0;
  if ((b & (b - 1)) == 0) return a >> (31 - __clz(b));
  return a / b;
}

struct GridPlace {
  u32 fast, other;  // blocks along the two extents
};

// Tiles count groups of `width` blocks of the fastest extent, all blocks of the other one inside a
// group; the last group has what is left.
__device__ __forceinline__ GridPlace grid_place(u32 tile, u32 fast_extent, u32 other_extent,
                                                u32 width) {
  const u32 group = width * other_extent, nth_group = quotient(tile, group);
  const u32 first = width * nth_group, in_group = tile - nth_group * group;
  const u32 rest = fast_extent - first, columns = width < rest ? width : rest;
  const u32 other = quotient(in_group, columns);
  return {first + in_group - other * columns, other};
}
