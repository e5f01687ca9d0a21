// Places in tensors: blocks, offsets, coarser indices, gathers; loads and stores.
#include "octile/tests/dsl/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr axis<"H", 64> H;

// A kernel over blocks of M that stores what `f` gives, all along BM.
template <class F>
auto of_rows(const F& f) {
  return define_kernel("rows", in<f32>("x", M, N), in<i32>("at", M), out<f32>("d", M),
                       [f](auto x, auto at, auto d) {
                         return grid(M / BM, [=](auto i) { return store(d(BM[i]), f(x, at, i)); });
                       });
}

TEST(Index, BlocksOfAnAxis) {
  EXPECT_EQ(body(of_rows([](auto x, auto, auto i) { return x(BM[i], 3); })), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i64 = constant 3
  %8: f32[BM] = load x[%6, %7]
  store d[%6], %8
  grid %2
)");
}

TEST(Index, FixedExtentsAreConstants) {
  const auto k =
      define_kernel("fixed", in<f32>("x", M, N), out<f32>("d", M, N), [](auto x, auto d) {
        return grid(M / H, N / 32_c,
                    [=](auto i, auto j) { return store(d(H[i], 32_c [j]), x(H[i], 32_c [j])); });
      });
  EXPECT_EQ(text(k), R"(program "fixed"
dim M
dim N
axis _32 = 32 literal
axis H = 64 literal
in x: f32[M, N]
out d: f32[M, N]
{
  %0: i64 = constant 64
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = constant 32
  %4: i64 = dim N
  %5: i64 = ceil_div %4, %3
  %6: i64 = grid_index 0
  %7: i64 = grid_index 1
  %8: i64 = axis_extent _32
  %9: i64 = mul %7, %8
  %10: i64[_32] = iota _32
  %11: i64[_32] = add %9, %10
  %12: i64 = axis_extent H
  %13: i64 = mul %6, %12
  %14: i64[H] = iota H
  %15: i64[H] = add %13, %14
  %16: f32[H, _32] = load x[%15, %11]
  store d[%15, %11], %16
  grid %2, %5
}
)");
}

TEST(Index, SpansStartAnywhere) {
  EXPECT_EQ(body(of_rows([](auto x, auto, auto i) { return sum(x(BM[i], H.at(i * 2 - 1)), H); })),
            R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = constant 2
  %5: i64 = mul %3, %4
  %6: i64 = constant 1
  %7: i64 = sub %5, %6
  %8: i64[H] = iota H
  %9: i64[H] = add %7, %8
  %10: i64 = mul %3, %0
  %11: i64[BM] = iota BM
  %12: i64[BM] = add %10, %11
  %13: f32[BM, H] = load x[%12, %9]
  %14: f32[BM] = reduce sum %13 over H
  store d[%12], %14
  grid %2
)");
}

TEST(Index, BlockAtZeroIsTheSpanFromZero) {
  const auto block = of_rows([](auto x, auto, auto i) { return sum(x(BM[i], H[0]), H); });
  const auto span = of_rows([](auto x, auto, auto i) { return sum(x(BM[i], H.at(0)), H); });
  EXPECT_EQ(body(span), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = constant 0
  %5: i64[H] = iota H
  %6: i64[H] = add %4, %5
  %7: i64 = mul %3, %0
  %8: i64[BM] = iota BM
  %9: i64[BM] = add %7, %8
  %10: f32[BM, H] = load x[%9, %6]
  %11: f32[BM] = reduce sum %10 over H
  store d[%9], %11
  grid %2
)");
  EXPECT_EQ(body(block), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = constant 0
  %5: i64 = axis_extent H
  %6: i64 = mul %4, %5
  %7: i64[H] = iota H
  %8: i64[H] = add %6, %7
  %9: i64 = mul %3, %0
  %10: i64[BM] = iota BM
  %11: i64[BM] = add %9, %10
  %12: f32[BM, H] = load x[%11, %8]
  %13: f32[BM] = reduce sum %12 over H
  store d[%11], %13
  grid %2
)");
}

TEST(Index, CoarserBlocksDivide) {
  EXPECT_EQ(body(of_rows([](auto x, auto, auto i) { return x(BM[i] / 128_c, 0); })), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i64 = constant 128
  %8: i64[BM] = div %6, %7
  %9: i64 = constant 0
  %10: f32[BM] = load x[%8, %9]
  store d[%6], %10
  grid %2
)");
  // An axis of fixed extent divides like its extent, and any integer tile by any other.
  EXPECT_EQ(body(of_rows([](auto x, auto, auto i) { return x(BM[i] / axis<"G", 128>{}, 0); })),
            body(of_rows([](auto x, auto, auto i) { return x(BM[i] / 128_c, 0); })));
}

TEST(Index, CoarserBlocksBelowZeroRoundDown) {
  EXPECT_EQ(body(of_rows([](auto x, auto, auto i) { return x(BM.at(i - 5) / 4_c, 0); })),
            R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = constant 5
  %5: i64 = sub %3, %4
  %6: i64[BM] = iota BM
  %7: i64[BM] = add %5, %6
  %8: i64 = constant 4
  %9: i64[BM] = div %7, %8
  %10: i64 = constant 3
  %11: i64[BM] = sub %7, %10
  %12: i64 = constant 0
  %13: b1[BM] = cmp_lt %7, %12
  %14: i64[BM] = div %11, %8
  %15: i64[BM] = select %13, %14, %9
  %16: f32[BM] = load x[%15, %12]
  %17: i64 = mul %3, %0
  %18: i64[BM] = add %17, %6
  store d[%18], %16
  grid %2
)");
}

TEST(Index, TilesGather) {
  EXPECT_EQ(body(of_rows([](auto x, auto at, auto i) { return x(at(BM[i]), 1); })), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i32[BM] = load at[%6]
  %8: i64 = constant 1
  %9: i64[BM] = cast %7
  %10: f32[BM] = load x[%9, %8]
  store d[%6], %10
  grid %2
)");
}

TEST(Index, DiagonalsNameTheirAxisOnce) {
  const auto k = of_rows([](auto x, auto, auto i) { return x(BM[i], index(BM[i]) + 1); });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i64 = constant 1
  %8: i64[BM] = add %6, %7
  %9: f32[BM] = load x[%6, %8]
  store d[%6], %9
  grid %2
)");
}

TEST(Index, ConstantsAndSizes) {
  const auto k = of_rows([](auto x, auto, auto) { return x(7_c, value(N) - 1); });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = dim N
  %5: i64 = constant 1
  %6: i64 = sub %4, %5
  %7: i64 = constant 7
  %8: f32 = load x[%7, %6]
  %9: i64 = mul %3, %0
  %10: i64[BM] = iota BM
  %11: i64[BM] = add %9, %10
  store d[%11], %8
  grid %2
)");
}

TEST(Load, OtherInBothForms) {
  const auto method = of_rows([](auto x, auto, auto i) { return x(BM[i], 0).other(-1e30f); });
  const auto argument = of_rows([](auto x, auto, auto i) { return x(BM[i], 0, other(-1e30f)); });
  EXPECT_EQ(body(method), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i64 = constant 0
  %8: f32 = constant -1e+30
  %9: f32[BM] = load x[%6, %7] other %8
  store d[%6], %9
  grid %2
)");
  EXPECT_EQ(body(method), body(argument));
}

TEST(Load, OtherTakesTheTensorsElement) {
  const auto k = define_kernel("narrow", in<e4m3>("x", M), out<e4m3>("d", M), [](auto x, auto d) {
    return grid(M / BM, [=](auto i) { return store(d(BM[i]), x(BM[i], other(1))); });
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: f32 = constant 1.0
  %8: e4m3 = cast %7
  %9: e4m3[BM] = load x[%6] other %8
  store d[%6], %9
  grid %2
)");
}

TEST(Load, HappensWhereTheTensorIsCalled) {
  // The old value is stored, not the 1 that the first store leaves.
  const auto k = define_kernel("swap", inout<f32>("x", M), [](auto x) {
    return grid(M / BM, [=](auto i) {
      auto old = x(BM[i]);
      return stores(store(x(BM[i]), 1), store(x(BM[i]), old));
    });
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: f32[BM] = load x[%6]
  %8: f32 = constant 1.0
  store x[%6], %8
  store x[%6], %7
  grid %2
)");
}

TEST(Store, BroadcastsAndDropsAxes) {
  const auto k = define_kernel("fill", out<f32>("d", M, N), [](auto d) {
    return grid(M / BM, N / BN, [=](auto i, auto j) {
      return stores(store(d(BM[i], BN[j]), 0), store(d(BM[i], 0), cast<f32>(iota(BM))));
    });
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = axis_extent BN
  %4: i64 = dim N
  %5: i64 = ceil_div %4, %3
  %6: i64 = grid_index 0
  %7: i64 = grid_index 1
  %8: i64[BM] = iota BM
  %9: i64 = mul %6, %0
  %10: i64[BM] = add %9, %8
  %11: i64 = mul %7, %3
  %12: i64[BN] = iota BN
  %13: i64[BN] = add %11, %12
  %14: f32 = constant 0.0
  store d[%10, %13], %14
  %15: f32[BM] = cast %8
  %16: i64 = constant 0
  store d[%10, %16], %15
  grid %2, %5
)");
}

// The places that a kernel of one output stores to, in order.
template <class F>
std::vector<std::int64_t> places(const F& f) {
  const auto k = define_kernel("order", inout<f32>("d", M), [&](auto d) {
    return grid(1, [&](auto) { return f([=](auto n) { return store(d(n), n); }, d); });
  });
  std::vector<std::int64_t> result;
  for (const ir::Op* op : k.ir().body->ops) {
    if (op->kind == ir::OpKind::fold) op = op->regions[0]->ops.rbegin()[1];  // before the yield
    if (op->kind == ir::OpKind::store) result.push_back(op->operand(0)->def->attr.int_value);
  }
  return result;
}

TEST(Store, TakesEffectInTheOrderOfTheProgram) {
  using testing::ElementsAre;
  EXPECT_THAT(places([](auto s, auto) { return stores(s(1), s(2), s(3)); }), ElementsAre(1, 2, 3));
  EXPECT_THAT(places([](auto s, auto) { return s(1), s(2), s(3); }), ElementsAre(1, 2, 3));
  EXPECT_THAT(places([](auto s, auto) { return stores(s(1), stores(s(2), s(3)), s(4)); }),
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(places([](auto s, auto) { return stores((s(1), s(2)), stores(s(3), s(4))); }),
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(places([](auto s, auto) {
                auto first = s(1);
                s(2);
                return stores(first, s(3));
              }),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(places([](auto s, auto d) {
                return stores(for_each(3, [=](auto) { return store(d(1), 0); }), s(2));
              }),
              ElementsAre(1, 2));
}

TEST(Store, GuardsInBothForms) {
  const auto make = [](auto statement) {
    return define_kernel("guard", in<f32>("x", M), out<f32>("d", M), [=](auto x, auto d) {
      return grid(M / BM, [=](auto i) { return statement(d(BM[i]), x(BM[i])); });
    });
  };
  const auto argument = make([](auto d, auto v) { return store(d, v, when(v > 0)); });
  const auto method = make([](auto d, auto v) { return store(d.when(v > 0), v); });
  EXPECT_EQ(body(argument), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: f32[BM] = load x[%6]
  %8: f32 = constant 0.0
  %9: b1[BM] = cmp_gt %7, %8
  store d[%6], %7 mask %9
  grid %2
)");
  EXPECT_EQ(body(argument), body(method));
}

TEST(Store, NumbersTakeTheTensorsElement) {
  const auto k = define_kernel("numbers", out<bf16>("a", M), out<i64>("b", M), out<u8>("c", M),
                               out<b1>("e", M), [](auto a, auto b, auto c, auto e) {
                                 return grid(M, [=](auto i) {
                                   store(a(i), 0.5), store(b(i), 7_c), store(c(i), 255);
                                   return store(e(i), true);
                                 });
                               });
  EXPECT_EQ(body(k), R"(
  %0: i64 = dim M
  %1: i64 = grid_index 0
  %2: f32 = constant 0.5
  %3: bf16 = cast %2
  store a[%1], %3
  %4: i64 = constant 7
  store b[%1], %4
  %5: u8 = constant 255
  store c[%1], %5
  %6: b1 = constant 1
  store e[%1], %6
  grid %0
)");
}

}  // namespace
}  // namespace octile::test
