// Folds: tuples, swaps, nesting, scalars, trip counts.
#include <gtest/gtest.h>

#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using Values = std::vector<Value*>;

/// A program over one axis N of 50 elements: x is its load of x, d its output.
struct OneAxis {
  Function function{"fold"};
  Builder b{function};
  AxisId N = b.axis("N", 50);
  Value* n = b.iota(N);
  Value* x = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"n"}), {n});
  ParamId d = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"n"});

  Value* trips(std::int64_t count) { return b.constant_int(ElementType::i64, count); }
  Value* number(double value) { return b.constant(ElementType::f32, value); }

  void check(const RunOptions& options = {}) {
    b.set_grid({b.constant_int(ElementType::i64, 1)});
    std::mt19937 random(1);
    std::vector<Tensor> args = {tensor(ElementType::f32, {50}), tensor(ElementType::f32, {50})};
    fill(args[0], random, Fill::normal);
    expect_same(function, args, {50}, options);
  }
};

TEST(Fold, SwapsItsCarriedTiles) {
  OneAxis p;
  // Fibonacci of tiles: each new value needs both old ones.
  const Values out = p.b.fold(p.trips(7), {p.x, p.number(1)}, [&](Value*, const Values& c) {
    return Values{c[1], p.b.binary(OpKind::add, c[0], c[1])};
  });
  p.b.store(p.d, {p.n}, p.b.binary(OpKind::sub, out[0], out[1]));
  p.check();
}

TEST(Fold, NoTripsAndNegativeTrips) {
  for (const std::int64_t trips : {0, -3}) {
    OneAxis p;
    const Values out = p.b.fold(p.trips(trips), {p.x}, [&](Value*, const Values& c) {
      return Values{p.b.binary(OpKind::add, c[0], p.number(1))};
    });
    p.b.store(p.d, {p.n}, out[0]);
    p.check();
  }
}

TEST(Fold, ScalarsAndTilesTogether) {
  OneAxis p;
  const Values out = p.b.fold(p.trips(5), {p.number(2), p.x}, [&](Value* i, const Values& c) {
    Value* index = p.b.cast(ElementType::f32, i);
    Value* total = p.b.reduce(ir::ReduceKind::max, c[1], p.N);
    return Values{p.b.binary(OpKind::add, p.b.binary(OpKind::mul, c[0], index), total),
                  p.b.binary(OpKind::sub, c[1], c[0])};
  });
  p.b.store(p.d, {p.n}, p.b.binary(OpKind::add, out[0], out[1]));
  p.check();
}

TEST(Fold, NestedOverTheOuterIndex) {
  OneAxis p;
  const Values out = p.b.fold(p.trips(4), {p.x}, [&](Value* i, const Values& outer) {
    const Values inner = p.b.fold(
        p.b.binary(OpKind::add, i, p.trips(1)), {outer[0], p.number(0)},
        [&](Value* j, const Values& c) {
          Value* k = p.b.cast(ElementType::f32, p.b.binary(OpKind::sub, i, j));
          return Values{p.b.binary(OpKind::add, c[0], k), p.b.binary(OpKind::mul, c[0], c[1])};
        });
    return Values{p.b.binary(OpKind::add, inner[0], inner[1])};
  });
  p.b.store(p.d, {p.n}, out[0]);
  p.check();
}

TEST(Fold, CarriedTilesGrowAndSharedWorkIsDoneOnce) {
  OneAxis p;
  const AxisId M = p.b.axis("M", 6);
  // max and sum of x scaled per row, as in a running softmax.
  Value* row = p.b.cast(ElementType::f32, p.b.iota(M));
  const Values out =
      p.b.fold(p.trips(3), {p.number(-1e30), p.number(0)}, [&](Value* i, const Values& c) {
        Value* scale = p.b.binary(OpKind::add, row, p.b.cast(ElementType::f32, i));
        Value* scaled = p.b.binary(OpKind::mul, p.x, scale);
        Value* most = p.b.binary(OpKind::max, c[0], p.b.reduce(ir::ReduceKind::max, scaled, p.N));
        Value* power = p.b.unary(OpKind::exp, p.b.binary(OpKind::sub, scaled, most));
        Value* rescale = p.b.unary(OpKind::exp, p.b.binary(OpKind::sub, c[0], most));
        Value* total = p.b.reduce(ir::ReduceKind::sum, power, p.N);
        return Values{most, p.b.fma(c[1], rescale, total)};
      });
  Value* per_row = p.b.binary(OpKind::div, out[0], out[1]);
  Value* spread = p.b.binary(OpKind::add, p.x, p.b.reduce(ir::ReduceKind::sum, per_row, M));
  p.b.store(p.d, {p.n}, spread);
  p.check({{}, false, false, 1e-5});
}

TEST(Fold, StoresAndLoadsOfOneTensorKeepTheirOrder) {
  Function function("in_place");
  Builder b(function);
  const AxisId N = b.axis("N", 40);
  const ParamId d = add_tensor(b, "d", ElementType::f32, ir::Access::inout, {"n"});
  // Every trip reads the tensor backwards and writes it forwards.
  Value* n = b.iota(N);
  Value* back = b.binary(OpKind::sub, b.constant_int(ElementType::i64, 39), n);
  b.fold(b.constant_int(ElementType::i64, 3), {b.constant(ElementType::f32, 0)},
         [&](Value*, const Values& c) {
           Value* x = b.load(d, {back});
           b.store(d, {n}, b.binary(OpKind::mul, x, b.constant(ElementType::f32, 2)));
           Value* y = b.load(d, {n});
           b.store(d, {n}, b.binary(OpKind::add, y, x));
           return Values{c[0]};
         });
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  std::mt19937 random(8);
  std::vector<Tensor> args = {tensor(ElementType::f32, {40})};
  fill(args[0], random, Fill::normal);
  expect_same(function, args, {40});
}

TEST(Fold, YieldsWhatLiesOutsideOfIt) {
  OneAxis p;
  Value* doubled = p.b.binary(OpKind::add, p.x, p.x);
  const Values out = p.b.fold(p.trips(3), {p.number(0), p.x, p.x}, [&](Value*, const Values& c) {
    return Values{doubled, c[0], c[2]};
  });
  p.b.store(p.d, {p.n}, p.b.fma(out[0], out[1], out[2]));
  p.check();
}

}  // namespace
}  // namespace octile::test
