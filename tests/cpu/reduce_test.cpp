// Reductions over axes, runs and element types.
#include <gtest/gtest.h>

#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using ir::ReduceKind;

/// d = reduce(x(A, B, C)) over the axis called `over`, in runs of `group` (0: all of it).
void check(ReduceKind kind, ElementType type, const std::string& over, std::int64_t group, Fill how,
           std::int64_t ea, std::int64_t eb, std::int64_t ec) {
  SCOPED_TRACE(std::string(ir::name(kind)) + " over " + over + " by " + std::to_string(group));
  Function function("reduction");
  Builder b(function);
  const AxisId A = b.axis("A", ea), B = b.axis("B", eb), C = b.axis("C", ec);
  const ParamId px = add_tensor(b, "x", type, ir::Access::in, {"a", "b", "c"});
  Value* x = b.load(px, {b.iota(A), b.iota(B), b.iota(C)});
  const AxisId axis = function.find_axis(over);
  Value* reduced = b.reduce(kind, x, axis, group);
  std::vector<std::string> dims;
  std::vector<Value*> indices;
  std::vector<std::int64_t> extents;
  const char* names[] = {"a", "b", "c"};
  const std::int64_t all[] = {ea, eb, ec};
  for (int i = 0; i < 3; ++i) {
    if (!reduced->type.has_axis(i)) continue;
    dims.emplace_back(names[i]);
    indices.push_back(b.iota(i));
    extents.push_back(all[i]);
  }
  b.store(add_tensor(b, "d", type, ir::Access::out, dims), indices, reduced);
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  std::mt19937 random(1);
  std::vector<Tensor> args = {tensor(type, {ea, eb, ec}), tensor(type, extents)};
  fill(args[0], random, how);
  expect_same(function, args, {ea, eb, ec});
}

TEST(Reduce, EveryAxisKindAndType) {
  for (const char* over : {"A", "B", "C"}) {
    for (const ReduceKind kind : {ReduceKind::sum, ReduceKind::max, ReduceKind::min}) {
      check(kind, ElementType::f32, over, 0, Fill::small_integers, 5, 7, 50);
      check(kind, ElementType::i32, over, 0, Fill::any_bits, 5, 20, 3);
      check(kind, ElementType::i64, over, 0, Fill::any_bits, 4, 9, 33);
      if (kind != ReduceKind::sum) {
        check(kind, ElementType::f32, over, 0, Fill::any_bits, 6, 6, 37);
      }
    }
  }
}

TEST(Reduce, RunsKeepTheAxis) {
  for (const ReduceKind kind : {ReduceKind::sum, ReduceKind::max}) {
    for (const std::int64_t group : {1, 3, 4, 16, 24, 48}) {
      check(kind, ElementType::f32, "C", group, Fill::small_integers, 3, 4, 48);
      check(kind, ElementType::f32, "A", group, Fill::small_integers, 48, 3, 5);
    }
  }
}

TEST(Reduce, OneElementAndOneLane) {
  check(ReduceKind::sum, ElementType::f32, "C", 0, Fill::normal, 1, 1, 1);
  check(ReduceKind::max, ElementType::f32, "A", 0, Fill::normal, 1, 1, 17);
}

TEST(Reduce, SumsAlongOtherAxesAddInOrder) {
  check(ReduceKind::sum, ElementType::f32, "A", 0, Fill::normal, 20, 3, 40);
  check(ReduceKind::sum, ElementType::f32, "B", 0, Fill::normal, 3, 20, 40);
}

TEST(Reduce, ToAScalarThatTheProgramUses) {
  // d(n) = x(n) / max(x), e = max(x).
  Function function("normalise");
  Builder b(function);
  const AxisId N = b.axis("N", 77);
  const ParamId px = add_tensor(b, "x", ElementType::f32, ir::Access::in, {"n"});
  Value* x = b.load(px, {b.iota(N)});
  Value* most = b.reduce(ReduceKind::max, x, N);
  b.store(add_tensor(b, "d", ElementType::f32, ir::Access::out, {"n"}), {b.iota(N)},
          b.binary(OpKind::div, x, most));
  b.store(add_tensor(b, "e", ElementType::f32, ir::Access::out, {"one"}),
          {b.constant_int(ElementType::i64, 0)}, most);
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  std::mt19937 random(2);
  std::vector<Tensor> args = {tensor(ElementType::f32, {77}), tensor(ElementType::f32, {77}),
                              tensor(ElementType::f32, {1})};
  fill(args[0], random, Fill::normal);
  expect_same(function, args, {77, 1});
}

TEST(Reduce, RowSoftmax) {
  Function function("softmax");
  Builder b(function);
  const AxisId BM = b.axis("BM"), BN = b.axis("BN");
  Value* row = block_index(b, b.grid_index(0), BM);
  Value* column = b.iota(BN);
  const ParamId px = add_tensor(b, "x", ElementType::f32, ir::Access::in, {"M", "N"});
  const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"M", "N"});
  Value* inside = b.binary(OpKind::cmp_lt, column, b.dim_value(b.dim("N")));
  Value* x = b.select(inside, b.load(px, {row, column}), b.constant(ElementType::f32, -1e30));
  Value* most = b.reduce(ReduceKind::max, x, BN);
  Value* power = b.unary(OpKind::exp, b.binary(OpKind::sub, x, most));
  Value* total = b.reduce(ReduceKind::sum, power, BN);
  b.store(pd, {row, column}, b.binary(OpKind::div, power, total));
  b.set_grid({blocks(b, "M", BM)});
  std::mt19937 random(2);
  std::vector<Tensor> args = {tensor(ElementType::f32, {13, 300}),
                              tensor(ElementType::f32, {13, 300})};
  fill(args[0], random, Fill::normal);
  expect_same(function, args, {13, 300}, {{{"BM", 4}, {"BN", 333}}, false, false, 1e-6});
}

}  // namespace
}  // namespace octile::test
