// Every element-wise operation against the interpreter, for every element type it takes.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "octile/codegen/ir/printer.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

/// d[n] = kind(x[n], y[n], ...) over blocks of 37: whole vectors and a tail.
void check(OpKind kind, ElementType type, ElementType result, Fill how, int operands) {
  SCOPED_TRACE(std::string(ir::info(kind).name) + " " + std::string(info(type).name));
  Function function("elementwise");
  Builder b(function);
  const AxisId axis = b.axis("BN");
  Value* index = block_index(b, b.grid_index(0), axis);
  std::vector<Value*> values;
  std::vector<Tensor> args;
  std::mt19937 random(7);
  const std::int64_t count = 1000;
  for (int i = 0; i < operands; ++i) {
    const std::string name(1, static_cast<char>('x' + i));
    values.push_back(b.load(add_tensor(b, name, type, ir::Access::in, {"N"}), {index}));
    args.push_back(tensor(type, {count}));
    fill(args.back(), random, how);
  }
  const ParamId d = add_tensor(b, "d", result, ir::Access::out, {"N"});
  b.store(d, {index}, b.append(kind, values, {}, result));
  b.set_grid({blocks(b, "N", axis)});
  args.push_back(tensor(result, {count}));
  expect_same(function, args, {count}, {{{"BN", 37}}});
}

TEST(Elementwise, FloatArithmeticIsExact) {
  for (const OpKind kind : {OpKind::add, OpKind::sub, OpKind::mul, OpKind::div}) {
    check(kind, ElementType::f32, ElementType::f32, Fill::any_bits, 2);
    check(kind, ElementType::f32, ElementType::f32, Fill::normal, 2);
  }
  for (const OpKind kind : {OpKind::min, OpKind::max}) {
    check(kind, ElementType::f32, ElementType::f32, Fill::any_bits, 2);
  }
  for (const OpKind kind : {OpKind::neg, OpKind::abs, OpKind::floor, OpKind::sqrt, OpKind::rsqrt}) {
    check(kind, ElementType::f32, ElementType::f32, Fill::any_bits, 1);
    check(kind, ElementType::f32, ElementType::f32, Fill::normal, 1);
  }
  check(OpKind::fma, ElementType::f32, ElementType::f32, Fill::any_bits, 3);
  check(OpKind::fma, ElementType::f32, ElementType::f32, Fill::normal, 3);
}

TEST(Elementwise, IntegerArithmeticWrapsAndNeverTraps) {
  for (const ElementType type : {ElementType::i32, ElementType::i64}) {
    for (const OpKind kind : {OpKind::add, OpKind::sub, OpKind::mul, OpKind::div, OpKind::rem,
                              OpKind::min, OpKind::max}) {
      check(kind, type, type, Fill::any_bits, 2);
      check(kind, type, type, Fill::small_integers, 2);
    }
    for (const OpKind kind : {OpKind::neg, OpKind::abs}) {
      check(kind, type, type, Fill::any_bits, 1);
    }
  }
}

TEST(Elementwise, Comparisons) {
  for (const OpKind kind : {OpKind::cmp_eq, OpKind::cmp_ne, OpKind::cmp_lt, OpKind::cmp_le,
                            OpKind::cmp_gt, OpKind::cmp_ge}) {
    for (const ElementType type : {ElementType::f32, ElementType::i32, ElementType::i64}) {
      check(kind, type, ElementType::b1, Fill::any_bits, 2);
      check(kind, type, ElementType::b1, Fill::small_integers, 2);
    }
  }
}

TEST(Elementwise, Booleans) {
  check(OpKind::logical_not, ElementType::b1, ElementType::b1, Fill::any_bits, 1);
  check(OpKind::logical_and, ElementType::b1, ElementType::b1, Fill::any_bits, 2);
  check(OpKind::logical_or, ElementType::b1, ElementType::b1, Fill::any_bits, 2);
}

double exact(OpKind kind, double x) {
  switch (kind) {
    case OpKind::exp:
      return std::exp(x);
    case OpKind::exp2:
      return std::exp2(x);
    case OpKind::log:
      return std::log(x);
    case OpKind::log2:
      return std::log2(x);
    case OpKind::tanh:
      return std::tanh(x);
    case OpKind::sigmoid:
      return 1 / (1 + std::exp(-x));
    default:
      return std::erf(x);
  }
}

/// A number per float, in order, so that neighbours differ by 1.
std::int64_t rank_of(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  return bits < 0 ? -std::int64_t{bits & 0x7FFFFFFF} : bits;
}

TEST(Elementwise, FunctionsAreTheRoundedFloat64Ones) {
  // A million floats of every exponent, and as many of everyday size.
  const std::int64_t count = 1 << 20;
  Tensor x = tensor(ElementType::f32, {2 * count});
  std::mt19937 random(2);
  for (std::int64_t i = 0; i < count; ++i) {
    x.at<float>(i) = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    x.at<float>(count + i) = static_cast<float>(random()) / 0x1p28f - 8.0f;
  }
  for (const OpKind kind : {OpKind::exp, OpKind::exp2, OpKind::log, OpKind::log2, OpKind::tanh,
                            OpKind::sigmoid, OpKind::erf}) {
    SCOPED_TRACE(std::string(ir::info(kind).name));
    Function function("math");
    Builder b(function);
    const AxisId axis = b.axis("BN", 4000);
    Value* n = block_index(b, b.grid_index(0), axis);
    Value* loaded = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"N"}), {n});
    const ParamId d = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"N"});
    b.store(d, {n}, b.unary(kind, loaded));
    b.set_grid({blocks(b, "N", axis)});
    std::vector<Tensor> args = {x, tensor(ElementType::f32, {2 * count})};
    run(function, args, {2 * count});
    std::int64_t off_by_one = 0;
    for (std::int64_t i = 0; i < 2 * count; ++i) {
      const float got = args[1].at<float>(i);
      const float wanted = static_cast<float>(exact(kind, x.at<float>(i)));
      if (std::isnan(wanted)) {
        ASSERT_TRUE(std::isnan(got)) << x.at<float>(i);
        continue;
      }
      const std::int64_t distance = std::abs(rank_of(got) - rank_of(wanted));
      ASSERT_LE(distance, 1) << "of " << x.at<float>(i) << ": got " << got << ", expected "
                             << wanted;
      off_by_one += distance;
    }
    EXPECT_LE(off_by_one, 20);
  }
}

TEST(Elementwise, SelectOnEveryType) {
  for (int i = 0; i < kElementTypeCount; ++i) {
    const auto type = static_cast<ElementType>(i);
    SCOPED_TRACE(std::string(info(type).name));
    Function function("pick");
    Builder b(function);
    const AxisId axis = b.axis("BN");
    Value* index = block_index(b, b.grid_index(0), axis);
    Value* mask = b.load(add_tensor(b, "m", ElementType::b1, ir::Access::in, {"N"}), {index});
    Value* x = b.load(add_tensor(b, "x", type, ir::Access::in, {"N"}), {index});
    Value* y = b.load(add_tensor(b, "y", type, ir::Access::in, {"N"}), {index});
    b.store(add_tensor(b, "d", type, ir::Access::out, {"N"}), {index}, b.select(mask, x, y));
    b.set_grid({blocks(b, "N", axis)});
    std::mt19937 random(3);
    std::vector<Tensor> args = {tensor(ElementType::b1, {333}), tensor(type, {333}),
                                tensor(type, {333}), tensor(type, {333})};
    for (Tensor& arg : args) fill(arg, random, Fill::any_bits);
    expect_same(function, args, {333}, {{{"BN", 100}}});
  }
}

}  // namespace
}  // namespace octile::test
