// Narrow floats, by PTX cvt (ISA section 9.7.9.22). FP8 saturates to the largest finite value.
__device__ __forceinline__ u32 pack_e4m3x2(float lo, float hi) {
  unsigned short r;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(hi), "f"(lo));
  return r;
}
__device__ __forceinline__ u32 pack_e5m2x2(float lo, float hi) {
  unsigned short r;
  asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(r) : "f"(hi), "f"(lo));
  return r;
}
__device__ __forceinline__ u32 pack_bf16x2(float lo, float hi) {
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
  return r;
}
__device__ __forceinline__ u32 pack_f16x2(float lo, float hi) {
  u32 r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
  return r;
}
__device__ __forceinline__ unsigned char f32_to_e4m3(float x) {
  return (unsigned char)pack_e4m3x2(x, 0.0f);
}
__device__ __forceinline__ unsigned char f32_to_e5m2(float x) {
  return (unsigned char)pack_e5m2x2(x, 0.0f);
}
__device__ __forceinline__ unsigned short f32_to_bf16(float x) {
  unsigned short r;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(x));
  return r;
}
__device__ __forceinline__ unsigned short f32_to_f16(float x) {
  unsigned short r;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x));
  return r;
}
// Power of two at or above |x|; a scale must not be rounded down below what it has to cover.
__device__ __forceinline__ unsigned char f32_to_ue8m0(float x) {
  u32 bits = __float_as_uint(x) & 0x7fffffffu;
  if (bits > 0x7f800000u) return 0xff;
  u32 e = bits >> 23, m = bits & 0x7fffffu;
  if (e == 0) return m > 0x400000u ? 1 : 0;
  e += m != 0;
  return (unsigned char)(e > 254 ? 254 : e);
}
__device__ __forceinline__ float f16_to_f32(unsigned short x) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x));
  return r;
}
__device__ __forceinline__ float bf16_to_f32(unsigned short x) {
  return __uint_as_float(u32(x) << 16);
}
__device__ __forceinline__ float e4m3_to_f32(unsigned char x) {
  u32 r;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(r) : "h"((unsigned short)x));
  return f16_to_f32((unsigned short)r);
}
__device__ __forceinline__ float e5m2_to_f32(unsigned char x) {
  return f16_to_f32((unsigned short)(x << 8));
}
__device__ __forceinline__ float ue8m0_to_f32(unsigned char x) {
  if (x == 0xff) return __uint_as_float(0x7fffffffu);
  return __uint_as_float(x == 0 ? 0x00400000u : u32(x) << 23);
}
// Zero below 2^-126. One instruction; exp2f, whose results are subnormal there, is five.
__device__ __forceinline__ float power_of_2(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
// Off by (6 - x) 2^-23 of the value at most where x < 0, by 2^-21 where not: the exponent is
// rounded once. Four instructions; with expf, which is exact far below zero too, it is a dozen.
__device__ __forceinline__ float sigmoidf(float x) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(1.0f + power_of_2(-1.44269504f * x)));
  return r;
}
