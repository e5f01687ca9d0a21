// Which values get scratch memory, in which order, and along which axis nests are vectorised.
#include "octile/codegen/cpu/plan.hpp"

#include <gtest/gtest.h>

#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using cpu::Plan;

std::vector<int> row_major(const Function& function) {
  std::vector<int> dims;
  for (const ir::Param& param : function.params) {
    dims.push_back(static_cast<int>(param.shape.size()) - 1);
  }
  return dims;
}

struct TwoAxes {
  Function function{"plan"};
  Builder b{function};
  AxisId M = b.axis("M", 8), N = b.axis("N", 32), K = b.axis("K", 64);
  Value* m = b.iota(M);
  Value* n = b.iota(N);
  Value* input(const char* name, std::vector<Value*> indices, ElementType type = ElementType::f32) {
    std::vector<std::string> dims;
    for (std::size_t i = 0; i < indices.size(); ++i) dims.push_back(name + std::to_string(i));
    return b.load(add_tensor(b, name, type, ir::Access::in, dims), std::move(indices));
  }
  void output(const char* name, std::vector<Value*> indices, Value* value) {
    std::vector<std::string> dims;
    for (std::size_t i = 0; i < indices.size(); ++i) dims.push_back(name + std::to_string(i));
    const ParamId d = add_tensor(b, name, value->type.element, ir::Access::out, dims);
    b.store(d, std::move(indices), value);
  }
  Plan plan() {
    dims_ = row_major(function);
    return Plan(function, dims_);
  }
  std::vector<int> dims_;
};

TEST(Plan, OneUseIsComputedInline) {
  TwoAxes p;
  Value* x = p.input("x", {p.m, p.n});
  Value* y = p.b.unary(OpKind::exp, x);
  p.output("d", {p.m, p.n}, y);
  const Plan plan = p.plan();
  EXPECT_FALSE(plan.is_buffer(x));
  EXPECT_FALSE(plan.is_buffer(y));
}

TEST(Plan, WhatTwoNestsUseIsKept) {
  TwoAxes p;
  Value* x = p.input("x", {p.m, p.n});
  Value* power = p.b.unary(OpKind::exp, x);
  Value* total = p.b.reduce(ir::ReduceKind::sum, power, p.N);
  p.output("d", {p.m, p.n}, p.b.binary(OpKind::div, power, total));
  const Plan plan = p.plan();
  EXPECT_FALSE(plan.is_buffer(x)) << "a plain load is cheap enough to do again";
  EXPECT_TRUE(plan.is_buffer(power));
  EXPECT_TRUE(plan.is_buffer(total));
  EXPECT_EQ(plan.layout(power), (std::vector<AxisId>{p.M, p.N}));
}

TEST(Plan, BroadcastWorkIsDoneOncePerElement) {
  TwoAxes p;
  Value* v = p.b.unary(OpKind::exp, p.input("v", {p.n}));
  p.output("d", {p.m, p.n}, p.b.binary(OpKind::mul, p.input("x", {p.m, p.n}), v));
  EXPECT_TRUE(p.plan().is_buffer(v));
}

TEST(Plan, NestsFollowTheMemory) {
  TwoAxes p;
  Value* x = p.input("x", {p.n, p.m});  // contiguous along M
  Value* total = p.b.reduce(ir::ReduceKind::sum, x, p.N);
  p.output("d", {p.m}, total);
  EXPECT_EQ(p.plan().vector_axis(x), p.M);
}

TEST(Plan, AFoldsNewValueIsMadeInPlace) {
  TwoAxes p;
  Value* k = p.b.iota(p.K);
  Value* product = nullptr;
  const auto out =
      p.b.fold(p.b.constant_int(ElementType::i64, 2), {p.b.constant(ElementType::f32, 0)},
               [&](Value*, const std::vector<Value*>&) -> std::vector<Value*> {
                 product = p.b.dot(p.input("a", {p.m, k}), p.input("b", {p.n, k}), p.K);
                 return {product};
               });
  p.output("d", {p.m, p.n}, out[0]);
  EXPECT_EQ(p.plan().forwarded(product), 0);
}

TEST(Plan, FastDotsThatAccumulateAreChained) {
  for (const bool fast : {true, false}) {
    TwoAxes p;
    Value* k = p.b.iota(p.K);
    Value* product = nullptr;
    Value* sum = nullptr;
    const auto out =
        p.b.fold(p.b.constant_int(ElementType::i64, 2), {p.b.constant(ElementType::f32, 0)},
                 [&](Value*, const std::vector<Value*>& c) -> std::vector<Value*> {
                   product = p.b.dot(p.input("a", {p.m, k}, ElementType::e4m3),
                                     p.input("b", {p.n, k}, ElementType::e4m3), p.K, fast);
                   sum = p.b.binary(OpKind::add, c[0], product);
                   return {sum};
                 });
    p.output("d", {p.m, p.n}, out[0]);
    const Plan plan = p.plan();
    EXPECT_EQ(plan.chained(product->def), fast ? 0 : -1);
    EXPECT_EQ(plan.is_absorbed(sum->def), fast);
  }
}

TEST(Plan, BlockIndicesAreMadeOfIotaAndScalars) {
  TwoAxes p;
  Value* shifted = p.b.binary(OpKind::add, p.n, p.b.grid_index(0));
  Value* read = p.input("i", {p.n}, ElementType::i64);
  EXPECT_TRUE(Plan::is_block_index(shifted));
  EXPECT_TRUE(Plan::is_block_index(p.b.grid_index(0)));
  EXPECT_FALSE(Plan::is_block_index(p.b.binary(OpKind::add, shifted, read)));
}

}  // namespace
}  // namespace octile::test
