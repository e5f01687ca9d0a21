// Products of float32 values by the tensor core, from parts of 11 bits, which tf32 holds exactly:
// x y = (h + l) (h' + l'), of which four places of K have h h', h l', l h', l l', and the other
// four nothing. A value is its parts' sum or, of every second one, off by a unit in its last place.
struct Parts {
  float high, low;
};
// The high bits are rounded, so that as many as can be are left to the low ones; these keep a NaN,
// which rounding could carry into the sign.
__device__ __forceinline__ Parts parts_of(float x) {
  const float high = __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u);
  return {high, __uint_as_float(__float_as_uint(x - high) & 0xffffe000u)};
}
// A column's; the other 16 bytes of its row stay zero.
__device__ __forceinline__ void put_column(void* to, float x) {
  const Parts p = parts_of(x);
  *static_cast<float4*>(to) = {p.high, p.low, p.high, p.low};
}
// A row's, of which each of four threads has one (PTX ISA 9.7.15.5.1, fragments of A for .tf32).
__device__ __forceinline__ u32 row_part(float x, int quarter) {
  const Parts p = parts_of(x);
  return __float_as_uint(quarter < 2 ? p.high : p.low);
}
