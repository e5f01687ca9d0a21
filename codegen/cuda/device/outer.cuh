// Products of float32 values by the tensor core, from parts of 11 bits, which tf32 holds exactly:
// x y = (h + l) (h' + l'). A column's 16 bytes have h' and l' of two trips, and are read twice: of
// the eight places of K, four have h h', h l', l h', l l', and those of the other trip nothing. A
// value is its parts' sum or, of every second one, off by a unit in its last place.
struct Parts {
  float high, low;
};
// The high bits are rounded, so that as many as can be are left to the low ones; these keep a NaN,
// which rounding could carry into the sign.
__device__ __forceinline__ Parts parts_of(float x) {
  const float high = __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u);
  return {high, __uint_as_float(__float_as_uint(x - high) & 0xffffe000u)};
}
// A column's for an even trip and the one behind it.
__device__ __forceinline__ void put_column(void* to, float even, float odd) {
  const Parts p = parts_of(even), q = parts_of(odd);
  *static_cast<float4*>(to) = {p.high, p.low, q.high, q.low};
}
// A row's: of four threads, two have the places of even trips, two those of odd ones, the high part
// in the first half of K, the low part in the second (PTX ISA 9.7.15.5.1, fragments of A for
// .tf32).
__device__ __forceinline__ Parts row_parts(float x, int lane, int trip) {
  return parts_of(lane / 2 % 2 == trip % 2 ? x : 0.0f);
}
