// Conversions between f32 and the narrow formats, against tables made with ml_dtypes.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "octile/codegen/ir/numerics.hpp"

namespace octile::numerics {
namespace {

/// What tests/data/<type>.txt holds, one entry per pair.
struct Table {
  struct Pair {
    std::uint32_t from;
    std::uint32_t to;
  };
  std::uint32_t nan = 0;
  std::vector<Pair> decode;  ///< code to f32 bits
  std::vector<Pair> encode;  ///< f32 bits to code
};

Table read_table(const std::string& name) {
  Table table;
  std::ifstream file(std::string(OCTILE_DATA_DIR) + "/" + name + ".txt");
  std::string word;
  while (file >> word) {
    if (word == "nan") {
      file >> std::hex >> table.nan;
      continue;
    }
    std::int64_t count = 0;
    std::int64_t from = 0;
    std::int64_t from_step = 0;
    std::int64_t to = 0;
    std::int64_t to_step = 0;
    file >> std::dec >> count >> std::hex >> from >> from_step >> to >> to_step;
    auto& pairs = word == "decode" ? table.decode : table.encode;
    for (std::int64_t i = 0; i < count; ++i) {
      pairs.push_back({static_cast<std::uint32_t>(from + i * from_step),
                       static_cast<std::uint32_t>(to + i * to_step)});
    }
  }
  return table;
}

class Conversion : public ::testing::TestWithParam<ElementType> {
 protected:
  ElementType type = GetParam();
  Table table = read_table(std::string(info(type).name));
};

TEST_P(Conversion, DecodesEveryCode) {
  ASSERT_EQ(table.decode.size(), std::size_t{1} << info(type).bits);
  std::uint32_t expected_code = 0;
  for (const auto& [code, bits] : table.decode) {
    ASSERT_EQ(code, expected_code++);
    const float value = decode(type, code);
    if (std::isnan(std::bit_cast<float>(bits))) {
      ASSERT_TRUE(std::isnan(value)) << code;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(value), bits) << code;
    }
  }
}

TEST_P(Conversion, EncodesEveryCodeBack) {
  for (const auto& [code, bits] : table.decode) {
    const float value = std::bit_cast<float>(bits);
    // Infinity has no code of its own where FP8 saturates.
    if (std::isinf(value) && is_fp8(type)) continue;
    ASSERT_EQ(encode(type, value), std::isnan(value) ? table.nan : code) << code;
  }
}

// ue8m0 rounds up, see Ue8m0 below.
class NearestEven : public Conversion {};

TEST_P(NearestEven, EncodesTiesNeighboursAndLimits) {
  ASSERT_GT(table.encode.size(), std::size_t{4} << (info(type).bits - 1));
  for (const auto& [bits, code] : table.encode) {
    ASSERT_EQ(encode(type, std::bit_cast<float>(bits)), code) << std::hex << bits;
  }
}

std::string type_name(const ::testing::TestParamInfo<ElementType>& test) {
  return std::string(octile::info(test.param).name);
}

INSTANTIATE_TEST_SUITE_P(Types, Conversion,
                         ::testing::Values(ElementType::e4m3, ElementType::e5m2, ElementType::ue8m0,
                                           ElementType::f16, ElementType::bf16),
                         type_name);
INSTANTIATE_TEST_SUITE_P(Types, NearestEven,
                         ::testing::Values(ElementType::e4m3, ElementType::e5m2, ElementType::f16,
                                           ElementType::bf16),
                         type_name);

TEST(Fp8, Saturates) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (float big : {449.0f, 464.0f, 465.0f, 480.0f, 1e30f, infinity}) {
    EXPECT_EQ(encode(ElementType::e4m3, big), 0x7Eu);
    EXPECT_EQ(encode(ElementType::e4m3, -big), 0xFEu);
  }
  for (float big : {57345.0f, 61440.0f, 65536.0f, infinity}) {
    EXPECT_EQ(encode(ElementType::e5m2, big), 0x7Bu);
    EXPECT_EQ(encode(ElementType::e5m2, -big), 0xFBu);
  }
  EXPECT_EQ(encode(ElementType::e4m3, -std::numeric_limits<float>::quiet_NaN()), 0x7Fu);
  EXPECT_EQ(encode(ElementType::e5m2, std::numeric_limits<float>::quiet_NaN()), 0x7Fu);
}

TEST(Ue8m0, RoundsUpToAPowerOfTwo) {
  // Every binade, by frexp: |x| = m * 2^e with m in [0.5, 1), so the scale is 2^e unless m is 0.5.
  for (int exponent = -126; exponent < 127; ++exponent) {
    const float power = std::ldexp(1.0f, exponent);
    const auto code = static_cast<std::uint32_t>(exponent + 127);
    EXPECT_EQ(encode(ElementType::ue8m0, power), code);
    EXPECT_EQ(encode(ElementType::ue8m0, -power), code);
    EXPECT_EQ(encode(ElementType::ue8m0, std::nextafter(power, INFINITY)), code + 1);
    EXPECT_EQ(encode(ElementType::ue8m0, std::nextafter(power, 0.0f)), code) << exponent;
  }
  EXPECT_EQ(encode(ElementType::ue8m0, 0.0f), 0u);
  EXPECT_EQ(encode(ElementType::ue8m0, 0x1p-149f), 0u);
  EXPECT_EQ(encode(ElementType::ue8m0, 0x1p-127f), 0u);
  EXPECT_EQ(encode(ElementType::ue8m0, std::nextafter(0x1p-127f, 1.0f)), 1u);
  EXPECT_EQ(encode(ElementType::ue8m0, 0x1p127f), 0xFEu);
  EXPECT_EQ(encode(ElementType::ue8m0, 0x1.8p127f), 0xFEu);
  EXPECT_EQ(encode(ElementType::ue8m0, INFINITY), 0xFEu);
  EXPECT_EQ(encode(ElementType::ue8m0, NAN), 0xFFu);
}

TEST(ToInteger, TruncatesAndSaturates) {
  EXPECT_EQ(to_integer(ElementType::i32, 2.9f), 2);
  EXPECT_EQ(to_integer(ElementType::i32, -2.9f), -2);
  EXPECT_EQ(to_integer(ElementType::i32, 0x1p31f), 2147483647);
  EXPECT_EQ(to_integer(ElementType::i32, -0x1p31f), -2147483648LL);
  EXPECT_EQ(to_integer(ElementType::i32, -INFINITY), -2147483648LL);
  EXPECT_EQ(to_integer(ElementType::i32, NAN), 0);
  EXPECT_EQ(to_integer(ElementType::i64, 0x1p62f), std::int64_t{1} << 62);
  EXPECT_EQ(to_integer(ElementType::i64, 0x1p63f), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(to_integer(ElementType::i64, -0x1p70f), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(to_integer(ElementType::i64, NAN), 0);
  EXPECT_EQ(to_integer(ElementType::u8, 255.9f), 255);
  EXPECT_EQ(to_integer(ElementType::u8, 256.0f), 255);
  EXPECT_EQ(to_integer(ElementType::u8, -1.0f), 0);
}

}  // namespace
}  // namespace octile::numerics
