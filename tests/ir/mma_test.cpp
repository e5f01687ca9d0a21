// Hopper's FP8 tensor core as numerics models it, against cases worked by hand from the rule:
// 33 terms are cut to multiples of 2^(emax - 13), toward zero, added exactly, and the sum cut to 14
// significant bits.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <random>

#include "octile/codegen/ir/numerics.hpp"

namespace octile::numerics {
namespace {

constexpr ElementType kE4M3 = ElementType::e4m3;
constexpr ElementType kE5M2 = ElementType::e5m2;

/// 32 codes, zero but for the given values, which must be exact in `type`.
std::array<std::uint8_t, 32> row(ElementType type, std::initializer_list<float> values) {
  std::array<std::uint8_t, 32> codes{};
  std::size_t i = 0;
  for (float value : values) {
    codes[i] = static_cast<std::uint8_t>(encode(type, value));
    EXPECT_EQ(decode(type, codes[i]), value) << "not exact";
    ++i;
  }
  return codes;
}

float mma(std::initializer_list<float> a, std::initializer_list<float> b, float c,
          ElementType type_a = kE4M3, ElementType type_b = kE4M3) {
  return fp8_mma_k32(type_a, row(type_a, a), type_b, row(type_b, b), c);
}

std::uint32_t bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

TEST(Fp8Mma, ExactWhereEverythingFits) {
  EXPECT_EQ(mma({1, 2, 3}, {4, 5, 6}, 7), 39.0f);
  EXPECT_EQ(mma({-1, 2}, {4, 5}, 0), 6.0f);
  EXPECT_EQ(mma({448}, {448}, 0), 200704.0f);
  EXPECT_EQ(mma({1.5f}, {3}, 0.25f, kE5M2, kE4M3), 4.75f);
  EXPECT_EQ(mma({1.5f}, {3}, 0.25f, kE4M3, kE5M2), 4.75f);
  EXPECT_EQ(mma({57344}, {57344}, 0, kE5M2, kE5M2), 57344.0f * 57344.0f);
}

TEST(Fp8Mma, CutsTermsBelowTheLargest) {
  // emax 0: units of 2^-13. 1 + 2^-13 is kept, 1 + 2^-14 is not.
  EXPECT_EQ(mma({1}, {1}, 0x1p-13f), 1.0f + 0x1p-13f);
  EXPECT_EQ(mma({1}, {1}, 0x1p-14f), 1.0f);
  EXPECT_EQ(mma({1}, {1}, 0x1.8p-13f), 1.0f + 0x1p-13f);
  // Each term is cut by itself: two halves of a unit give nothing, where a wide sum would.
  EXPECT_EQ(mma({1, 0x1p-7f, 0x1p-7f}, {1, 0x1p-7f, 0x1p-7f}, 0), 1.0f);
  // Toward zero, for either sign: -2^-14 vanishes, so 1 stays 1.
  EXPECT_EQ(mma({1}, {1}, -0x1p-14f), 1.0f);
  EXPECT_EQ(mma({1}, {1}, -0x1.8p-13f), 1.0f - 0x1p-13f);
}

TEST(Fp8Mma, TheLargestExponentIsThatOfUnnormalisedProducts) {
  // 1.875 * 1.875 = 3.515625 has exponent 0, not 1: units of 2^-13, and 2^-13 is kept.
  EXPECT_EQ(mma({1.875f, -1.875f}, {1.875f, 1.875f}, 0x1p-13f), 0x1p-13f);
  // The same with a C of exponent 1: units of 2^-12.
  EXPECT_EQ(mma({0x1p-7f, 1}, {0x1p-6f, -2}, 2), 0.0f);
  EXPECT_EQ(mma({0x1p-6f, 1}, {0x1p-6f, -2}, 2), 0x1p-12f);
}

TEST(Fp8Mma, Cancellation) {
  EXPECT_EQ(bits(mma({448, -448}, {448, 448}, 0)), bits(0.0f));
  EXPECT_EQ(bits(mma({1}, {-1}, 1)), bits(0.0f));
  // What cancels still sets the exponent, so the small term is lost...
  EXPECT_EQ(bits(mma({16, -16, 0x1p-4f}, {16, 16, 0x1p-4f}, 0)), bits(0.0f));
  // ... or kept, one step further up: emax 8, units of 2^-5.
  EXPECT_EQ(mma({16, -16, 0x1p-2f}, {16, 16, 0x1p-3f}, 0), 0x1p-5f);
}

TEST(Fp8Mma, SumIsCutToFourteenBits) {
  // 16,385 units of emax 0 need 15 bits; the last is dropped, toward zero.
  EXPECT_EQ(mma({1, 1}, {1, 1}, 0x1p-13f), 2.0f);
  EXPECT_EQ(mma({-1, -1}, {1, 1}, -0x1p-13f), -2.0f);
  EXPECT_EQ(mma({1, 1}, {1, 1}, 0x1p-12f), 2.0f + 0x1p-12f);
  // C alone is cut to 14 bits as well.
  EXPECT_EQ(mma({}, {}, 1.0f + 0x1p-13f), 1.0f + 0x1p-13f);
  EXPECT_EQ(mma({}, {}, 1.0f + 0x1p-14f), 1.0f);
}

TEST(Fp8Mma, Zeros) {
  EXPECT_EQ(bits(mma({}, {}, 0.0f)), bits(0.0f));
  EXPECT_EQ(bits(mma({}, {}, -0.0f)), bits(0.0f));
  EXPECT_EQ(bits(mma({-0.0f}, {1}, -0.0f)), bits(0.0f));
  // A zero product doesn't count for the largest exponent, whatever its factors'.
  EXPECT_EQ(mma({0, 0x1p-9f}, {448, 0x1p-9f}, 0), 0x1p-18f);
}

TEST(Fp8Mma, Subnormals) {
  // e4m3's smallest is 2^-9 = 1 * 2^(-6 - 3): exponent -6, not renormalised.
  EXPECT_EQ(mma({0x1p-9f}, {0x1p-9f}, 0), 0x1p-18f);
  // Its product with 1 has exponent -6 though it is 2^-9: C of 2^-20 is below 2^(-6 - 13).
  EXPECT_EQ(mma({0x1p-9f}, {1}, 0x1p-20f), 0x1p-9f);
  EXPECT_EQ(mma({0x1p-9f}, {1}, 0x1p-19f), 0x1p-9f + 0x1p-19f);
  // Renormalised, the exponent would be -9 and 2^-22 kept.
  EXPECT_EQ(mma({0x1p-9f}, {1}, 0x1p-22f), 0x1p-9f);
  EXPECT_EQ(mma({0x1p-16f}, {0x1p-16f}, 0, kE5M2, kE5M2), 0x1p-32f);
  // f32's smallest subnormals: units of 2^(-126 - 13).
  EXPECT_EQ(mma({}, {}, 0x1p-139f), 0x1p-139f);
  EXPECT_EQ(mma({}, {}, 0x1p-140f), 0.0f);
}

TEST(Fp8Mma, FarApartTermsVanish) {
  EXPECT_EQ(mma({1}, {1}, 0x1p60f), 0x1p60f);
  EXPECT_EQ(mma({448}, {448}, 0x1p-100f), 200704.0f);
  EXPECT_EQ(mma({1}, {1}, 0x1p-149f), 1.0f);
}

TEST(Fp8Mma, NanAndInfinity) {
  constexpr std::uint32_t kNan = 0x7FFFFFFF;
  const float inf = std::numeric_limits<float>::infinity();
  auto a = row(kE4M3, {1, 1});
  const auto b = row(kE4M3, {1, 0});
  a[1] = 0xFF;  // NaN, times zero
  EXPECT_EQ(bits(fp8_mma_k32(kE4M3, a, kE4M3, b, 0)), kNan);
  EXPECT_EQ(bits(mma({1}, {1}, NAN)), kNan);
  EXPECT_EQ(bits(mma({1}, {1}, inf)), bits(inf));
  EXPECT_EQ(bits(mma({1}, {1}, -inf)), bits(-inf));

  std::array<std::uint8_t, 32> wide{};
  const auto ones = row(kE5M2, {1, 1, -1});
  wide[0] = 0x7C;  // +Inf
  EXPECT_EQ(bits(fp8_mma_k32(kE5M2, wide, kE5M2, ones, 0)), bits(inf));
  EXPECT_EQ(bits(fp8_mma_k32(kE5M2, wide, kE5M2, ones, -inf)), kNan);
  wide[2] = 0xFC;  // -Inf * -1
  EXPECT_EQ(bits(fp8_mma_k32(kE5M2, wide, kE5M2, ones, 0)), bits(inf));
  wide[2] = 0x7C;  // +Inf * -1
  EXPECT_EQ(bits(fp8_mma_k32(kE5M2, wide, kE5M2, ones, 0)), kNan);
  wide[2] = 0;
  wide[3] = 0x7C;  // Inf * 0
  EXPECT_EQ(bits(fp8_mma_k32(kE5M2, wide, kE5M2, ones, 0)), kNan);
  wide[3] = 0x7D;  // NaN
  EXPECT_EQ(bits(fp8_mma_k32(kE5M2, wide, kE5M2, ones, 0)), kNan);
}

TEST(Fp8Mma, OverflowsToInfinity) {
  const float top = 0x1.fffp127f;  // 13 bits: one unit more, two, ... stay below 2^128
  EXPECT_EQ(mma({}, {}, top), top);
  EXPECT_EQ(mma({448}, {448}, top), top);
  EXPECT_EQ(mma({}, {}, std::numeric_limits<float>::max()), 0x1.fff8p127f);
}

/// The same rule written once more, on terms as whole numbers of 2^-200 in double-width words would
/// be too wide; so on doubles, whose 53 bits hold every cut term exactly.
float mma_by_doubles(ElementType type_a, const std::array<std::uint8_t, 32>& a, ElementType type_b,
                     const std::array<std::uint8_t, 32>& b, float c) {
  const auto exponent = [](float x, int lowest) {
    return x == 0 ? lowest : std::max(std::ilogb(x), lowest);
  };
  std::array<double, 33> terms{};
  int emax = -1000;
  for (std::size_t i = 0; i < 32; ++i) {
    const float x = decode(type_a, a[i]);
    const float y = decode(type_b, b[i]);
    terms[i] = double{x} * double{y};
    if (terms[i] == 0) continue;
    emax = std::max(
        emax, exponent(x, type_a == kE4M3 ? -6 : -14) + exponent(y, type_b == kE4M3 ? -6 : -14));
  }
  terms[32] = c;
  if (c != 0) emax = std::max(emax, exponent(c, -126));
  double sum = 0;
  for (double term : terms) sum += std::trunc(std::ldexp(term, 13 - emax));
  if (sum == 0) return 0.0f;
  const int excess = std::max(std::ilogb(sum) - 13, 0);
  return static_cast<float>(std::ldexp(std::trunc(std::ldexp(sum, -excess)), excess + emax - 13));
}

TEST(Fp8Mma, AgreesWithASecondWriting) {
  std::mt19937 random(5);
  const auto code = [&](ElementType type) {
    // Finite codes only; a third of them subnormal or zero.
    const std::uint32_t largest = type == kE4M3 ? 0x7E : 0x7B;
    const std::uint32_t magnitude = random() % 3 == 0 ? random() % 8 : random() % (largest + 1);
    return static_cast<std::uint8_t>(magnitude | (random() & 1) << 7);
  };
  for (int trial = 0; trial < 20000; ++trial) {
    const ElementType type_a = random() % 2 == 0 ? kE4M3 : kE5M2;
    const ElementType type_b = random() % 2 == 0 ? kE4M3 : kE5M2;
    std::array<std::uint8_t, 32> a{};
    std::array<std::uint8_t, 32> b{};
    const std::size_t used = 1 + random() % 32;
    for (std::size_t i = 0; i < used; ++i) {
      a[i] = code(type_a);
      b[i] = code(type_b);
    }
    const float c = random() % 3 == 0 ? 0.0f
                                      : std::ldexp(static_cast<float>(random()) - 0x1p31f,
                                                   static_cast<int>(random() % 60) - 50);
    const float got = fp8_mma_k32(type_a, a, type_b, b, c);
    ASSERT_EQ(bits(got), bits(mma_by_doubles(type_a, a, type_b, b, c))) << trial;
  }
}

TEST(Fp8Dot, BlocksOf128AreAddedInF32) {
  // Two blocks: 2^14 and 1. One chain would cut the 1 to a multiple of 2, in f32 it is kept.
  std::vector<std::uint8_t> a(256, 0);
  std::vector<std::uint8_t> b(256, 0);
  a[0] = b[0] = static_cast<std::uint8_t>(encode(kE4M3, 128));
  a[128] = b[128] = static_cast<std::uint8_t>(encode(kE4M3, 1));
  EXPECT_EQ(fp8_dot(kE4M3, a, kE4M3, b), 16385.0f);
  EXPECT_EQ(fp8_dot(kE4M3, a, kE4M3, b, true), 16384.0f);
  // Inside one block they are one chain.
  std::swap(a[128], a[127]);
  std::swap(b[128], b[127]);
  EXPECT_EQ(fp8_dot(kE4M3, a, kE4M3, b), 16384.0f);
}

TEST(Fp8Dot, AnyLength) {
  EXPECT_EQ(bits(fp8_dot(kE4M3, {}, kE4M3, {})), bits(0.0f));
  for (std::size_t k : {1, 31, 32, 33, 127, 128, 129, 300}) {
    const std::vector<std::uint8_t> ones(k, static_cast<std::uint8_t>(encode(kE4M3, 1)));
    EXPECT_EQ(fp8_dot(kE4M3, ones, kE4M3, ones), static_cast<float>(k));
  }
}

}  // namespace
}  // namespace octile::numerics
