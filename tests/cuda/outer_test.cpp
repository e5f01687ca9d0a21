// What values of scales are split into: the device's own code, run on the host.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace octile::test {
namespace {

using u32 = unsigned int;
struct float4 {
  float x, y, z, w;
};
#define __device__
#define __forceinline__ inline
#define __float_as_uint std::bit_cast<u32>
#define __uint_as_float std::bit_cast<float>
#include "octile/codegen/cuda/device/outer.cuh"
#undef __device__
#undef __forceinline__
#undef __float_as_uint
#undef __uint_as_float

// tf32 has 10 bits after the first.
bool is_tf32(float x) {
  return (std::bit_cast<u32>(x) & 0x1fffu) == 0;
}

TEST(Outer, TwoPartsMakeAValueButForItsLastBit) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> mantissa(1, 2);
  std::uniform_int_distribution<int> exponent(-90, 126), sign(0, 1);
  int exact = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const float x =
        std::ldexp(sign(random) ? mantissa(random) : -mantissa(random), exponent(random));
    const Parts p = parts_of(x);
    ASSERT_TRUE(is_tf32(p.high) && is_tf32(p.low)) << x;
    const double off = std::abs(double{p.high} + double{p.low} - double{x});
    ASSERT_LE(off, std::ldexp(1.0, std::ilogb(x) - 23)) << x;
    exact += off == 0;
  }
  EXPECT_GT(exact, kCount / 2);
}

TEST(Outer, FewBitsAreTheHighPart) {
  for (float x : {1.0f, 0.0f, -0.5f, 0x1.ffcp+3f, 0x1.004p-30f, 0x1p-126f}) {
    EXPECT_EQ(parts_of(x).high, x);
    EXPECT_EQ(parts_of(x).low, 0.0f);
  }
}

// Rounding could carry a NaN's bits into its sign; one of the parts keeps it.
// The largest values are infinite once rounded.
TEST(Outer, WhatIsNotFiniteGivesNan) {
  for (u32 bits : {0x7fffffffu, 0xffffffffu, 0x7fc00000u, 0x7f800001u, 0x7f800000u, 0xff800000u,
                   0x7f7fffffu}) {
    const Parts p = parts_of(std::bit_cast<float>(bits));
    EXPECT_TRUE(std::isnan(p.high * 1.5f + p.low * 1.5f)) << std::hex << bits;
  }
}

TEST(Outer, ColumnsTakeTwoPlacesForEachTrip) {
  float4 places{};
  put_column(&places, 1 + 0x1p-20f, 3 + 0x1p-19f);
  EXPECT_EQ(places.x, 1);
  EXPECT_EQ(places.y, 0x1p-20f);
  EXPECT_EQ(places.z, 3);
  EXPECT_EQ(places.w, 0x1p-19f);
}

// Of four threads, the first two have what even trips multiply, the others what odd ones do; what
// they have of other trips' is nothing, even if the row's value is not finite.
TEST(Outer, RowsMeetTheirTripsColumns) {
  const float x = 1 + 0x1p-20f, infinity = std::numeric_limits<float>::infinity();
  for (int trip = 0; trip < 4; ++trip) {
    for (int lane = 0; lane < 32; ++lane) {
      const bool meets = lane % 4 / 2 == trip % 2;
      const Parts p = row_parts(x, lane, trip);
      EXPECT_EQ(p.high, meets ? 1 : 0);
      EXPECT_EQ(p.low, meets ? 0x1p-20f : 0);
      EXPECT_EQ(row_parts(infinity, lane, trip).high == 0, !meets);
    }
  }
}

}  // namespace
}  // namespace octile::test
