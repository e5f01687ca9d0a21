// Loads and stores: bounds, strides, gathers, coarser indices, masks, several stores.
#include <gtest/gtest.h>

#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

Value* integer(Builder& b, std::int64_t value) {
  return b.constant_int(ElementType::i64, value);
}

/// d(M, N) = x(M + shift, N + shift), in blocks that go over every edge.
void check_shift(ElementType type, std::int64_t shift, bool x_columns, bool d_columns,
                 bool with_other, std::int64_t m = 21, std::int64_t n = 45) {
  Function function("shift");
  Builder b(function);
  const AxisId BM = b.axis("BM"), BN = b.axis("BN");
  const ParamId px = add_tensor(b, "x", type, ir::Access::in, {"M", "N"});
  const ParamId pd = add_tensor(b, "d", type, ir::Access::out, {"M", "N"});
  Value* row = block_index(b, b.grid_index(0), BM);
  Value* column = block_index(b, b.grid_index(1), BN);
  Value* other = with_other ? b.cast(type, b.constant_int(ElementType::i32, 3)) : nullptr;
  Value* x = b.load(px,
                    {b.binary(OpKind::add, row, integer(b, shift)),
                     b.binary(OpKind::add, column, integer(b, shift))},
                    other);
  b.store(pd, {row, column}, x);
  b.set_grid({blocks(b, "M", BM), blocks(b, "N", BN)});
  std::mt19937 random(1);
  std::vector<Tensor> args = {x_columns ? column_major(type, {m, n}) : tensor(type, {m, n}),
                              d_columns ? column_major(type, {m, n}) : tensor(type, {m, n})};
  fill(args[0], random, Fill::any_bits);
  fill_bytes(args[1], 0xFF);
  expect_same(function, args, {m, n}, {{{"BM", 8}, {"BN", 32}}});
}

TEST(Memory, EdgesForEveryTypeAndOrder) {
  for (int i = 0; i < kElementTypeCount; ++i) {
    const auto type = static_cast<ElementType>(i);
    SCOPED_TRACE(std::string(info(type).name));
    for (const std::int64_t shift : {0, 1, -1, -40, 100}) {
      check_shift(type, shift, false, false, shift == 1 && type != ElementType::b1);
    }
    check_shift(type, -2, true, false, true);
    check_shift(type, 3, false, true, false);
    check_shift(type, 0, true, true, false);
  }
}

TEST(Memory, OneElementAndEmptyTensors) {
  check_shift(ElementType::f32, 0, false, false, false, 1, 1);
  check_shift(ElementType::f32, 0, false, false, false, 0, 5);
  check_shift(ElementType::f32, 0, false, false, false, 5, 0);
}

TEST(Memory, NoDimensionIsContiguous) {
  Function function("strided");
  Builder b(function);
  const AxisId N = b.axis("N", 40);
  const ParamId px = add_tensor(b, "x", ElementType::bf16, ir::Access::in, {"n"});
  const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"n"});
  b.store(pd, {b.iota(N)}, b.cast(ElementType::f32, b.load(px, {b.iota(N)})));
  b.set_grid({integer(b, 1)});
  std::mt19937 random(1);
  Tensor x = tensor(ElementType::bf16, {38 * 3});
  fill(x, random, Fill::normal);
  x.extents = {38};
  x.strides = {3};
  Tensor d = tensor(ElementType::f32, {38 * 2});
  d.extents = {38};
  d.strides = {2};
  std::vector<Tensor> args = {x, d};
  expect_same(function, args, {38});
}

TEST(Memory, TheUntouchedStaysUntouched) {
  // d has 5 more columns than the program stores to, and a guard on both sides.
  Function function("guarded");
  Builder b(function);
  const AxisId BN = b.axis("BN");
  const ParamId pd = add_tensor(b, "d", ElementType::u8, ir::Access::out, {"M", "N"});
  Value* row = b.grid_index(0);
  Value* column = block_index(b, b.grid_index(1), BN);
  b.store(pd, {row, column}, b.cast(ElementType::u8, column));
  b.set_grid({b.dim_value(b.dim("M")), blocks(b, "N", BN)});
  passes::prepare(function, {{"BN", 64}});
  std::vector<std::uint8_t> memory(16 + 3 * 105 + 16, 0xEE);
  const std::vector<cpu::Arg> args = {{memory.data() + 16, {3, 100}, {105, 1}, nullptr}};
  cpu::compile(function, {})->run(args, {3, 100});
  for (std::size_t i = 0; i < memory.size(); ++i) {
    const std::size_t at = i - 16;
    const bool inside = i >= 16 && at < 3 * 105 && at % 105 < 100;
    ASSERT_EQ(memory[i], inside ? at % 105 : 0xEE) << "byte " << i;
  }
}

TEST(Memory, GatherAndScatter) {
  for (const ElementType type : {ElementType::f32, ElementType::e4m3, ElementType::i64}) {
    Function function("gather");
    Builder b(function);
    const AxisId N = b.axis("N", 50), C = b.axis("C", 20);
    const ParamId pi = add_tensor(b, "i", ElementType::i64, ir::Access::in, {"n"});
    const ParamId px = add_tensor(b, "x", type, ir::Access::in, {"r", "c"});
    const ParamId pd = add_tensor(b, "d", type, ir::Access::out, {"n", "c"});
    const ParamId pe = add_tensor(b, "e", type, ir::Access::out, {"r", "c"});
    Value* rows = b.load(pi, {b.iota(N)});
    Value* x = b.load(px, {rows, b.iota(C)});
    b.store(pd, {b.iota(N), b.iota(C)}, x);
    b.store(pe, {rows, b.iota(C)}, x);
    b.set_grid({integer(b, 1)});
    std::mt19937 random(1);
    std::vector<Tensor> args = {tensor(ElementType::i64, {50}), tensor(type, {30, 20}),
                                tensor(type, {50, 20}), tensor(type, {30, 20})};
    fill(args[1], random, Fill::any_bits);
    for (std::int64_t i = 0; i < 50; ++i) {
      args[0].at<std::int64_t>(i) = static_cast<std::int64_t>(random() % 36) - 3;  // some outside
    }
    expect_same(function, args, {50, 30, 20});
  }
}

TEST(Memory, CoarserIndicesAreConstantOverRuns) {
  // d(N) = x(N) * s((j * BN + n) / 128), and q((j * BN + n) / 128) = s: as block scales are.
  for (const std::int64_t extent : {128, 64, 256, 96, 5}) {
    Function function("coarse");
    Builder b(function);
    const AxisId BN = b.axis("BN");
    const ParamId px = add_tensor(b, "x", ElementType::f32, ir::Access::in, {"N"});
    const ParamId ps = add_tensor(b, "s", ElementType::f32, ir::Access::in, {"S"});
    const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"N"});
    const ParamId pq = add_tensor(b, "q", ElementType::f32, ir::Access::out, {"S"});
    Value* n = block_index(b, b.grid_index(0), BN);
    Value* coarse = b.binary(OpKind::div, n, integer(b, 128));
    Value* within = b.binary(OpKind::rem, n, integer(b, 128));
    Value* scale = b.load(ps, {coarse});
    Value* x = b.binary(OpKind::mul, b.load(px, {n}), scale);
    b.store(pd, {n}, b.binary(OpKind::add, x, b.cast(ElementType::f32, within)));
    b.store(pq, {coarse}, b.binary(OpKind::add, scale, scale));
    b.set_grid({blocks(b, "N", BN)});
    std::mt19937 random(1);
    std::vector<Tensor> args = {tensor(ElementType::f32, {700}), tensor(ElementType::f32, {6}),
                                tensor(ElementType::f32, {700}), tensor(ElementType::f32, {6})};
    fill(args[0], random, Fill::normal);
    fill(args[1], random, Fill::normal);
    expect_same(function, args, {700, 6}, {{{"BN", extent}}});
  }
}

TEST(Memory, MasksOfEveryShape) {
  Function function("masks");
  Builder b(function);
  const AxisId M = b.axis("M", 7), N = b.axis("N", 35);
  const auto output = [&](const std::string& name, const std::vector<std::string>& dims) {
    return add_tensor(b, name, ElementType::i32, ir::Access::inout, dims);
  };
  const ParamId pd = output("d", {"m", "n"}), pe = output("e", {"m", "n"}),
                pf = output("f", {"n", "m"}), pg = output("g", {"one"});
  Value* m = b.iota(M);
  Value* n = b.iota(N);
  Value* sum = b.cast(ElementType::i32, b.binary(OpKind::add, m, n));
  Value* odd = b.binary(OpKind::cmp_eq, b.binary(OpKind::rem, n, integer(b, 3)), integer(b, 1));
  Value* row = b.binary(OpKind::cmp_gt, m, integer(b, 2));
  b.store(pd, {m, n}, sum, odd);
  b.store(pe, {m, n}, sum, row);
  b.store(pf, {n, m}, sum, b.binary(OpKind::logical_and, odd, row));
  // All lanes store to one element; the last one whose mask holds stays.
  b.store(pg, {b.binary(OpKind::mul, n, integer(b, 0))}, b.cast(ElementType::i32, n), odd);
  b.set_grid({integer(b, 1)});
  std::vector<Tensor> args = {tensor(ElementType::i32, {7, 35}), tensor(ElementType::i32, {7, 35}),
                              tensor(ElementType::i32, {35, 7}), tensor(ElementType::i32, {1})};
  for (Tensor& arg : args) fill_bytes(arg, 0x11);
  expect_same(function, args, {7, 35, 1});
}

TEST(Memory, TransposesAndBroadcasts) {
  Function function("transpose");
  Builder b(function);
  const AxisId M = b.axis("M", 21), N = b.axis("N", 35);
  const ParamId px = add_tensor(b, "x", ElementType::f32, ir::Access::in, {"m", "n"});
  const ParamId pv = add_tensor(b, "v", ElementType::bf16, ir::Access::in, {"m"});
  const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"n", "m"});
  const ParamId pe = add_tensor(b, "e", ElementType::f32, ir::Access::out, {"m", "n"});
  Value* x = b.load(px, {b.iota(M), b.iota(N)});
  Value* v = b.unary(OpKind::sqrt, b.cast(ElementType::f32, b.load(pv, {b.iota(M)})));
  b.store(pd, {b.iota(N), b.iota(M)}, b.binary(OpKind::add, x, v));
  b.store(pe, {b.iota(M), b.iota(N)}, v);
  b.set_grid({integer(b, 1)});
  std::mt19937 random(1);
  std::vector<Tensor> args = {tensor(ElementType::f32, {21, 35}), tensor(ElementType::bf16, {21}),
                              tensor(ElementType::f32, {35, 21}),
                              tensor(ElementType::f32, {21, 35})};
  fill(args[0], random, Fill::normal);
  fill(args[1], random, Fill::normal);
  expect_same(function, args, {21, 35});
}

TEST(Memory, FiveDimensionsAndThreeGridExtents) {
  Function function("five");
  Builder b(function);
  const AxisId P = b.axis("P", 2), Q = b.axis("Q", 17);
  const std::vector<std::string> dims = {"a", "b", "c", "p", "q"};
  const ParamId px = add_tensor(b, "x", ElementType::i32, ir::Access::in, dims);
  const ParamId pd = add_tensor(b, "d", ElementType::i32, ir::Access::out, dims);
  const std::vector<Value*> index = {b.grid_index(0), b.grid_index(1), b.grid_index(2), b.iota(P),
                                     b.iota(Q)};
  Value* at =
      b.binary(OpKind::add, b.binary(OpKind::mul, index[0], integer(b, 100)),
               b.binary(OpKind::add, b.binary(OpKind::mul, index[1], integer(b, 10)), index[2]));
  b.store(pd, index, b.binary(OpKind::add, b.load(px, index), b.cast(ElementType::i32, at)));
  b.set_grid({b.dim_value(0), b.dim_value(1), b.dim_value(2)});
  std::mt19937 random(1);
  const std::vector<std::int64_t> extents = {3, 4, 5, 2, 17};
  std::vector<Tensor> args = {tensor(ElementType::i32, extents), tensor(ElementType::i32, extents)};
  fill(args[0], random, Fill::any_bits);
  expect_same(function, args, extents);
}

}  // namespace
}  // namespace octile::test
