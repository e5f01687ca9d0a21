// Conversions in compiled code against numerics, over every value of the narrow formats and a walk
// over f32 that meets every rounding case.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

/// Casts every element of `x` by a compiled program.
Tensor cast(Tensor x, ElementType to) {
  Function function("convert");
  Builder b(function);
  const AxisId axis = b.axis("BN");
  Value* index = block_index(b, b.grid_index(0), axis);
  Value* loaded = b.load(add_tensor(b, "x", x.element, ir::Access::in, {"N"}), {index});
  const ParamId d = add_tensor(b, "d", to, ir::Access::out, {"N"});
  b.store(d, {index}, b.cast(to, loaded));
  b.set_grid({blocks(b, "N", axis)});
  passes::prepare(function, {{"BN", 1021}});
  const std::int64_t count = x.count();
  std::vector<Tensor> args = {std::move(x), tensor(to, {count})};
  run(function, args, {count});
  return args[1];
}

const std::vector<ElementType> kNarrow = {ElementType::e4m3, ElementType::e5m2, ElementType::ue8m0,
                                          ElementType::f16, ElementType::bf16};

bool same(float x, float y) {
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
}

std::uint32_t code(Tensor& tensor, std::int64_t i) {
  return size_in_bytes(tensor.element) == 1 ? tensor.at<std::uint8_t>(i)
                                            : tensor.at<std::uint16_t>(i);
}

TEST(Convert, DecodesEveryCode) {
  for (const ElementType type : kNarrow) {
    SCOPED_TRACE(std::string(info(type).name));
    const std::int64_t codes = std::int64_t{1} << info(type).bits;
    Tensor all = tensor(type, {codes});
    for (std::int64_t i = 0; i < codes; ++i) {
      if (info(type).bits == 8) {
        all.at<std::uint8_t>(i) = static_cast<std::uint8_t>(i);
      } else {
        all.at<std::uint16_t>(i) = static_cast<std::uint16_t>(i);
      }
    }
    Tensor decoded = cast(all, ElementType::f32);
    for (std::int64_t i = 0; i < codes; ++i) {
      const float wanted = numerics::decode(type, static_cast<std::uint32_t>(i));
      ASSERT_TRUE(same(decoded.at<float>(i), wanted)) << "code " << i;
    }
  }
}

/// Every sign and exponent with mantissas around every halfway point, and random ones.
Tensor rounding_cases() {
  std::vector<std::uint32_t> bits;
  std::mt19937 random(11);
  for (std::uint32_t high = 0; high < 512; ++high) {
    for (std::uint32_t m = 0; m < 64; ++m) {
      const std::uint32_t base = (high << 23) + (m << 17);
      for (const std::uint32_t offset : {0u, 1u, 0xFFFFu, 0x10000u, 0x10001u, 0x1FFFFu}) {
        bits.push_back(base + offset);
      }
      bits.push_back(base + (random() & 0x1FFFF));
    }
    for (const std::uint32_t m : {0x7FFFu, 0x8000u, 0x8001u, 0xFFFu, 0x1000u, 0x1001u, 0x3000u}) {
      bits.push_back((high << 23) + m);
    }
  }
  Tensor out = tensor(ElementType::f32, {static_cast<std::int64_t>(bits.size())});
  std::memcpy(out.data(), bits.data(), bits.size() * 4);
  return out;
}

TEST(Convert, EncodesWithRoundToNearestEven) {
  Tensor values = rounding_cases();
  for (const ElementType type : kNarrow) {
    SCOPED_TRACE(std::string(info(type).name));
    Tensor encoded = cast(values, type);
    for (std::int64_t i = 0; i < values.count(); ++i) {
      const float value = values.at<float>(i);
      ASSERT_EQ(code(encoded, i), numerics::encode(type, value))
          << value << " 0x" << std::hex << std::bit_cast<std::uint32_t>(value);
    }
  }
}

TEST(Convert, FloatToIntegerTruncatesAndSaturates) {
  Tensor values = rounding_cases();
  Tensor as_u8 = cast(values, ElementType::u8);
  Tensor as_i32 = cast(values, ElementType::i32);
  Tensor as_i64 = cast(values, ElementType::i64);
  Tensor as_b1 = cast(values, ElementType::b1);
  for (std::int64_t i = 0; i < values.count(); ++i) {
    const float value = values.at<float>(i);
    ASSERT_EQ(as_u8.at<std::uint8_t>(i), numerics::to_integer(ElementType::u8, value)) << value;
    ASSERT_EQ(as_i32.at<std::int32_t>(i), numerics::to_integer(ElementType::i32, value)) << value;
    ASSERT_EQ(as_i64.at<std::int64_t>(i), numerics::to_integer(ElementType::i64, value)) << value;
    ASSERT_EQ(as_b1.at<std::uint8_t>(i), value != 0 ? 1 : 0) << value;
  }
}

TEST(Convert, EveryPairOfTypesAgreesWithTheInterpreter) {
  for (int i = 0; i < kElementTypeCount; ++i) {
    for (int j = 0; j < kElementTypeCount; ++j) {
      if (i == j) continue;
      const auto from = static_cast<ElementType>(i);
      const auto to = static_cast<ElementType>(j);
      SCOPED_TRACE(std::string(info(from).name) + " to " + std::string(info(to).name));
      Function function("convert");
      Builder b(function);
      const AxisId axis = b.axis("BN");
      Value* index = block_index(b, b.grid_index(0), axis);
      Value* x = b.load(add_tensor(b, "x", from, ir::Access::in, {"N"}), {index});
      b.store(add_tensor(b, "d", to, ir::Access::out, {"N"}), {index}, b.cast(to, x));
      if (info(from).bits == info(to).bits && from != ElementType::b1 && to != ElementType::b1) {
        b.store(add_tensor(b, "e", to, ir::Access::out, {"N"}), {index}, b.bitcast(to, x));
      } else {
        b.store(add_tensor(b, "e", from, ir::Access::out, {"N"}), {index}, x);
      }
      b.set_grid({blocks(b, "N", axis)});
      std::mt19937 random(5);
      std::vector<Tensor> args = {tensor(from, {500}), tensor(to, {500}),
                                  tensor(function.params[2].element, {500})};
      fill(args[0], random, Fill::any_bits);
      expect_same(function, args, {500}, {{{"BN", 200}}});
    }
  }
}

}  // namespace
}  // namespace octile::test
