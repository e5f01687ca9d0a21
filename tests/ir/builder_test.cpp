// Builder: types, the words of its errors, merging of equal operations and its scope, folds.
#include <gmock/gmock.h>

#include <cmath>

#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/ir/verifier.hpp"
#include "octile/tests/ir/support.hpp"

namespace octile::ir {
namespace {

using octile::testing::count;
using octile::testing::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BuilderTest : public ::testing::Test {
 protected:
  Value* tile(ElementType element, std::initializer_list<AxisId> axes) {
    Value* sum = b.constant_int(ElementType::i64, 0);
    for (AxisId axis : axes) sum = b.binary(OpKind::add, sum, b.iota(axis));
    return b.cast(element, sum);
  }
  std::string type(const Value* value) const { return to_string(f, value->type); }

  Function f{"test"};
  Builder b{f};
  AxisId bm = b.axis("BM");
  AxisId bn = b.axis("BN");
  AxisId bk = b.axis("BK", 128);
  ParamId x = b.tensor(octile::testing::tensor(b, "x", ElementType::e4m3, {"M", "N"}));
  ParamId y = b.tensor(octile::testing::tensor(b, "y", ElementType::f32, {"M", "N"}, Access::out));
  ParamId z =
      b.tensor(octile::testing::tensor(b, "z", ElementType::f32, {"M", "N"}, Access::inout));
  ParamId s = b.scalar("s", ElementType::bf16);
};

TEST_F(BuilderTest, InfersTypes) {
  EXPECT_EQ(type(b.iota(bm)), "i64[BM]");
  EXPECT_EQ(type(b.scalar_param(s)), "bf16");
  Value* wide = b.binary(OpKind::add, b.iota(bm), b.iota(bn));
  EXPECT_EQ(type(wide), "i64[BM, BN]");
  EXPECT_EQ(type(b.binary(OpKind::cmp_lt, b.iota(bn), b.iota(bm))), "b1[BN, BM]");
  EXPECT_EQ(type(b.select(b.binary(OpKind::cmp_lt, b.iota(bn), b.iota(bm)),
                          b.constant(ElementType::f32, 1), b.constant(ElementType::f32, 2))),
            "f32[BN, BM]");
  EXPECT_EQ(type(b.load(x, {b.iota(bm), b.iota(bk)})), "e4m3[BM, BK]");
  EXPECT_EQ(type(b.load(x, {b.iota(bm), b.grid_index(0)})), "e4m3[BM]");
  Value* left = b.load(x, {b.iota(bm), b.iota(bk)});
  Value* right = b.cast(ElementType::e5m2, b.load(x, {b.iota(bn), b.iota(bk)}));
  EXPECT_EQ(type(b.dot(left, right, bk)), "f32[BM, BN]");
  Value* numbers = tile(ElementType::f32, {bm, bk});
  EXPECT_EQ(type(b.reduce(ReduceKind::max, numbers, bk)), "f32[BM]");
  EXPECT_EQ(type(b.reduce(ReduceKind::max, numbers, bk, 32)), "f32[BM, BK]");
  EXPECT_EQ(type(b.bitcast(ElementType::i32, numbers)), "i32[BM, BK]");
}

TEST_F(BuilderTest, RefusesOperandsThatDontFit) {
  Value* f32 = tile(ElementType::f32, {bm});
  Value* e4m3 = tile(ElementType::e4m3, {bm, bk});
  EXPECT_EQ(error_of([&] { b.binary(OpKind::add, f32, b.iota(bn)); }),
            "add: expected operands of one element type, got f32[BM] and i64[BN]: cast one of "
            "them");
  EXPECT_EQ(error_of([&] { b.binary(OpKind::mul, e4m3, e4m3); }),
            "mul: expected f32, i32 or i64, got e4m3[BM, BK]: cast it first");
  EXPECT_EQ(error_of([&] { b.unary(OpKind::exp, b.iota(bm)); }),
            "exp: expected operand 0 of element type f32, got i64[BM]: cast it");
  EXPECT_EQ(error_of([&] { b.select(f32, f32, f32); }),
            "select: expected operand 0 of element type b1, got f32[BM]: compare it");
  EXPECT_EQ(error_of([&] { b.binary(OpKind::rem, f32, f32); }),
            "rem: expected i32 or i64, got f32[BM]");
  EXPECT_EQ(error_of([&] { b.bitcast(ElementType::i64, f32); }),
            "bitcast: expected element types of one width and no b1, got f32[BM] to i64");
  EXPECT_EQ(error_of([&] { b.unary(OpKind::add, f32); }), "add: not an operation of one operand");
  EXPECT_EQ(error_of([&] { b.unary(OpKind::exp, nullptr); }), "exp: operand 0 is null");
  EXPECT_EQ(error_of([&] { b.grid_index(3); }),
            "grid_index: expected a grid position below 3, got 3");
  EXPECT_EQ(error_of([&] { b.iota(7); }), "iota: axis 7 is not declared; the program has 3 axes");
}

TEST_F(BuilderTest, RefusesWrongMemoryAccess) {
  Value* i = b.iota(bm);
  Value* j = b.iota(bn);
  Value* f32 = tile(ElementType::f32, {bm, bn});
  EXPECT_EQ(error_of([&] { b.load(x, {i}); }), "load: 'x' has 2 dimensions, got 1 indices");
  EXPECT_EQ(error_of([&] {
              b.load(x, {i, f32});
            }),
            "load: expected an i64 index for dimension 1 of 'x', got f32[BM, BN]");
  EXPECT_EQ(error_of([&] {
              b.load(y, {i, j});
            }),
            "load: 'y' is an out parameter: declare it inout to read it");
  EXPECT_EQ(error_of([&] {
              b.load(x, {i, j}, b.constant(ElementType::f32, 0));
            }),
            "load: expected the out-of-bounds value of 'x' to be a scalar e4m3, got f32");
  EXPECT_EQ(error_of([&] { b.load(s, {i}); }),
            "load: expected a tensor parameter, got the scalar 's'");
  EXPECT_EQ(error_of([&] {
              b.store(x, {i, j}, f32);
            }),
            "store: 'x' is an in parameter: declare it out or inout to write it");
  EXPECT_EQ(error_of([&] {
              b.store(y, {i, j}, b.iota(bm));
            }),
            "store: 'y' has elements of f32, got a value of i64[BM]: cast it");
  EXPECT_EQ(error_of([&] {
              b.store(y, {i, b.grid_index(0)}, f32);
            }),
            "store: the value stored to 'y' has axis BN, which none of the indices has: reduce "
            "over it or index with it");
  EXPECT_EQ(error_of([&] {
              b.store(y, {i, j}, f32, f32);
            }),
            "store: expected operand 3 of element type b1, got f32[BM, BN]: compare it");
}

TEST_F(BuilderTest, RefusesWrongDotsAndReductions) {
  Value* a = tile(ElementType::e4m3, {bm, bk});
  Value* c = tile(ElementType::e4m3, {bn, bk});
  EXPECT_EQ(error_of([&] { b.dot(a, c, bm); }),
            "dot: expected both operands to have axis BM, got e4m3[BM, BK] and e4m3[BN, BK]");
  EXPECT_EQ(error_of([&] { b.dot(a, a, bk); }),
            "dot: expected one shared axis, got e4m3[BM, BK] and e4m3[BM, BK], which also share "
            "BM");
  EXPECT_THAT(error_of([&] {
                b.dot(a, tile(ElementType::bf16, {bn, bk}), bk);
              }),
              HasSubstr("got e4m3[BM, BK] and bf16[BN, BK]: cast them to one type"));
  EXPECT_EQ(error_of([&] { b.reduce(ReduceKind::sum, b.iota(bm), bn); }),
            "reduce: expected a tile with axis BN, got i64[BM]");
  EXPECT_EQ(error_of([&] { b.reduce(ReduceKind::sum, b.iota(bk), bk, 48); }),
            "reduce: runs of 48 don't divide axis BK of extent 128: bind it to a multiple of 48");
}

TEST_F(BuilderTest, RefusesDeclarationsThatDisagree) {
  EXPECT_EQ(b.axis("BM"), bm);
  EXPECT_EQ(b.axis("BK", 128), bk);
  EXPECT_EQ(error_of([&] { b.axis("BK", 64); }),
            "axis 'BK': declared with extent 128, then with extent 64: use one name per extent");
  EXPECT_EQ(error_of([&] { b.axis("BM", 64); }),
            "axis 'BM': declared for the schedule to bind, then with extent 64: use one name per "
            "extent");
  EXPECT_EQ(error_of([&] { b.axis("B M"); }),
            "axis 'B M': expected a name of letters, digits and '_'");
  EXPECT_EQ(error_of([&] { b.scalar("x", ElementType::f32); }),
            "parameter 'x' is declared twice, differently: rename one");
  EXPECT_EQ(error_of([&] {
              b.tensor({"t", ElementType::f32, true, Access::in, {}});
            }),
            "parameter 't': expected 1 to 5 dimensions, got 0");
  EXPECT_THAT(error_of([&] { b.set_grid({b.grid_index(0)}); }),
              HasSubstr("depends on 'grid_index'"));
  EXPECT_EQ(error_of([&] { b.set_grid({}); }), "grid: expected 1 to 3 extents, got 0");
}

TEST_F(BuilderTest, ChecksConstants) {
  EXPECT_EQ(b.constant(ElementType::f32, 0.1)->def->attr.float_value, double{0.1f});
  EXPECT_EQ(b.constant(ElementType::i32, 7), b.constant_int(ElementType::i32, 7));
  EXPECT_EQ(error_of([&] { b.constant(ElementType::i32, 2.5); }),
            "constant: 2.5 is not a value of i32");
  EXPECT_EQ(error_of([&] { b.constant_int(ElementType::u8, 256); }),
            "constant: 256 is not a value of u8");
  EXPECT_EQ(error_of([&] { b.constant(ElementType::i64, 0x1p63); }),
            "constant: 9.223372036854776e+18 is not a value of i64");
  EXPECT_EQ(error_of([&] { b.constant_int(ElementType::e4m3, 1); }),
            "constant: expected f32, i32, i64, u8 or b1, got e4m3: make an f32 constant and cast "
            "it");
}

TEST_F(BuilderTest, MergesEqualPureOperations) {
  EXPECT_EQ(b.iota(bm), b.iota(bm));
  EXPECT_NE(b.iota(bm), b.iota(bn));
  Value* i = b.iota(bm);
  EXPECT_EQ(b.binary(OpKind::add, i, i), b.binary(OpKind::add, i, i));
  EXPECT_EQ(b.load(x, {i, i}), b.load(x, {i, i}));
  EXPECT_EQ(b.cast(ElementType::i64, i), i);
  EXPECT_NE(b.cast(ElementType::e4m3, i), b.cast(ElementType::e5m2, i));
  EXPECT_NE(b.reduce(ReduceKind::max, i, bm), b.reduce(ReduceKind::min, i, bm));
  // By bits: NaN is itself, the zeros differ.
  EXPECT_EQ(b.constant(ElementType::f32, NAN), b.constant(ElementType::f32, NAN));
  EXPECT_NE(b.constant(ElementType::f32, 0.0), b.constant(ElementType::f32, -0.0));
}

TEST_F(BuilderTest, KeepsLoadsFromWhatIsWrittenApart) {
  Value* i = b.iota(bm);
  EXPECT_NE(b.load(z, {i, i}), b.load(z, {i, i}));
  b.store(y, {i, i}, b.load(z, {i, i}));
  b.store(y, {i, i}, b.load(z, {i, i}));
  EXPECT_EQ(count(f, OpKind::store), 2);
}

TEST_F(BuilderTest, ReusesOuterValuesInsideButNotInnerOnesOutside) {
  Value* outer = b.iota(bm);
  Value* inner = nullptr;
  Value* seen = nullptr;
  Value* trips = b.constant_int(ElementType::i64, 3);
  b.fold(trips, {trips}, [&](Value* index, const auto& carried) {
    seen = b.iota(bm);
    inner = b.iota(bn);
    EXPECT_EQ(b.insertion_region(), index->region);
    return std::vector<Value*>{carried[0]};
  });
  EXPECT_EQ(seen, outer);
  EXPECT_NE(b.iota(bn), inner);
  inner->name = "inner";
  EXPECT_EQ(error_of([&] { b.unary(OpKind::neg, inner); }),
            "neg: value 'inner' was made inside a fold and is used outside it: return it from the "
            "fold's body");
}

TEST_F(BuilderTest, FoldWidensCarriedValues) {
  int traced = 0;
  Value* zero = b.constant(ElementType::f32, 0);
  Value* trips = b.constant_int(ElementType::i64, 3);
  const auto results = b.fold(trips, {zero, zero}, [&](Value*, const auto& carried) {
    ++traced;
    // The second value takes the first one's axes, so two passes are needed to settle.
    Value* first = b.binary(OpKind::add, carried[0], tile(ElementType::f32, {bm}));
    return std::vector<Value*>{first, b.binary(OpKind::add, carried[1], carried[0])};
  });
  EXPECT_EQ(traced, 3);
  EXPECT_EQ(type(results[0]), "f32[BM]");
  EXPECT_EQ(type(results[1]), "f32[BM]");
  EXPECT_EQ(type(results[0]->def->regions[0]->args[2]), "f32[BM]");
  // What was traced before is gone from the program.
  EXPECT_EQ(count(f, OpKind::yield), 1);
  b.set_grid({trips});
  EXPECT_NO_THROW(verify(f));
}

TEST_F(BuilderTest, FoldRefusesWhatItCantCarry) {
  Value* zero = b.constant(ElementType::f32, 0);
  Value* trips = b.constant_int(ElementType::i64, 3);
  const auto none = [](Value*, const std::vector<Value*>&) { return std::vector<Value*>{}; };
  EXPECT_EQ(error_of([&] { b.fold(zero, {}, none); }),
            "fold: expected an i64 scalar trip count, got f32");
  EXPECT_EQ(error_of([&] { b.fold(trips, {zero}, none); }),
            "fold: expected the body to return 1 values, as many as it carries, got 0");
  EXPECT_EQ(error_of([&] {
              b.fold(trips, {zero}, [](Value* i, const auto&) { return std::vector<Value*>{i}; });
            }),
            "fold: carried value 0 starts as f32 and the body returns i64: cast one of them");
  // A throwing body leaves the builder outside.
  EXPECT_EQ(b.insertion_region(), f.body);
}

TEST_F(BuilderTest, AppendChecksAsTheMethodsDo) {
  EXPECT_EQ(b.append(OpKind::add, {b.iota(bm), b.iota(bn)}, {}, ElementType::i64),
            b.binary(OpKind::add, b.iota(bm), b.iota(bn)));
  EXPECT_EQ(error_of([&] { b.append(OpKind::add, {b.iota(bm)}, {}, ElementType::i64); }),
            "add: expected 2 operands, got 1");
  EXPECT_EQ(error_of([&] { b.append(OpKind::fold, {}, {}, ElementType::i64); }),
            "fold: it has no type of its own");
}

TEST_F(BuilderTest, KnowsWhatAnEarlierBuilderMade) {
  Value* i = b.iota(bm);
  Builder again(f);
  EXPECT_EQ(again.iota(bm), i);
}

TEST(Evaluate, SizesBeforeLaunch) {
  Function f("sizes");
  Builder b(f);
  const AxisId bm = b.axis("BM", 64);
  Value* m = b.dim_value(b.dim("M"));
  Value* blocks = b.binary(OpKind::ceil_div, m, b.axis_extent(bm));
  EXPECT_EQ(evaluate_scalar(f, blocks, {129}), 3);
  EXPECT_EQ(evaluate_scalar(f, blocks, {0}), 0);
  Value* two = b.constant_int(ElementType::i64, 2);
  EXPECT_EQ(evaluate_scalar(f, b.binary(OpKind::min, blocks, two), {1000}), 2);
  EXPECT_THAT(error_of([&] { evaluate_scalar(f, b.grid_index(0), {1}); }),
              HasSubstr("cannot evaluate a size before launch: it uses 'grid_index'"));
  EXPECT_THAT(error_of([&] { evaluate_scalar(f, m, {}); }), HasSubstr("dim 'M' has no value"));
  Value* by_zero = b.binary(OpKind::div, two, m);
  EXPECT_THAT(error_of([&] { evaluate_scalar(f, by_zero, {0}); }),
              HasSubstr("'div' of 2 and 0 has no value"));
  EXPECT_EQ(evaluate_extent({0, 0, 128}, {129}), 2);
  EXPECT_EQ(evaluate_extent({0, 0, 128}, {0}), 0);
  EXPECT_EQ(evaluate_extent({-1, 7, 1}, {}), 7);
}

TEST(Clone, IsEqualAndApart) {
  const auto f = octile::testing::block_scaled_product();
  const auto copy = clone(*f);
  EXPECT_EQ(to_string(*copy), to_string(*f));
  EXPECT_NO_THROW(verify(*copy));
  copy->body->ops.clear();
  copy->grid.clear();
  EXPECT_NO_THROW(verify(*f));
  EXPECT_THAT(union_axes({2, 0}, {1, 0}), ElementsAre(2, 0, 1));
}

}  // namespace
}  // namespace octile::ir
