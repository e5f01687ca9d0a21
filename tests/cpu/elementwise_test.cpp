// Every element-wise operation against the interpreter, for every element type it takes.
#include <gtest/gtest.h>

#include "octile/codegen/ir/printer.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

/// d[n] = kind(x[n], y[n], ...) over blocks of 37: whole vectors and a tail.
void check(OpKind kind, ElementType type, ElementType result, Fill how, int operands,
           double tolerance = 0) {
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
  expect_same(function, args, {count}, {{{"BN", 37}}, false, tolerance == 0, tolerance});
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

TEST(Elementwise, FunctionsAreTheRoundedFloat64Ones) {
  for (const OpKind kind : {OpKind::exp, OpKind::exp2, OpKind::log, OpKind::log2, OpKind::tanh,
                            OpKind::sigmoid, OpKind::erf}) {
    // Half an ulp is 6e-8: a wrong last bit is allowed for, a wrong second-last one is not.
    check(kind, ElementType::f32, ElementType::f32, Fill::any_bits, 1, 1.2e-7);
    check(kind, ElementType::f32, ElementType::f32, Fill::normal, 1, 1.2e-7);
    check(kind, ElementType::f32, ElementType::f32, Fill::small_integers, 1, 1.2e-7);
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
