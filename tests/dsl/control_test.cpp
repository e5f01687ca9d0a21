// Loops, reductions, dot, let and the grid.
#include "octile/tests/dsl/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr axis<"BK", 32> BK;

// A kernel that stores f(x, i), a tile over BM, for blocks i of x's rows.
template <class F>
auto of_rows(const F& f) {
  return define_kernel("rows", in<f32>("x", M, N), out<f32>("d", M), [&](auto x, auto d) {
    return grid(M / BM, [&](auto i) { return store(d(BM[i]), f(x, i)); });
  });
}

TEST(Fold, CarriesOneValue) {
  EXPECT_EQ(body(of_rows([](auto x, auto i) {
              return fold(N / BN, -1e30f,
                          [=](auto j, auto top) { return max(top, max(x(BM[i], BN[j]), BN)); });
            })),
            R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: f32 = constant -1e+30
  %5: i64 = axis_extent BN
  %6: i64 = dim N
  %7: i64 = ceil_div %6, %5
  %8: f32[BM] = fold %7 (%9: i64, %10: f32[BM] = %4) {
    %11: i64 = mul %9, %5
    %12: i64[BN] = iota BN
    %13: i64[BN] = add %11, %12
    %14: i64 = mul %3, %0
    %15: i64[BM] = iota BM
    %16: i64[BM] = add %14, %15
    %17: f32[BM, BN] = load x[%16, %13]
    %18: f32[BM] = reduce max %17 over BN
    %19: f32[BM] = max %10, %18
    yield %19
  }
  %20: i64 = mul %3, %0
  %21: i64[BM] = iota BM
  %22: i64[BM] = add %20, %21
  store d[%22], %8
  grid %2
)");
}

TEST(Fold, CarriesATuple) {
  EXPECT_EQ(body(of_rows([](auto x, auto i) {
              auto [total, last] = fold(3, tuple(0.0f, x(BM[i], 0)), [=](auto k, auto a, auto b) {
                return tuple(a + b, x(BM[i], k));
              });
              return total - last;
            })),
            R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i64 = constant 0
  %8: f32[BM] = load x[%6, %7]
  %9: f32 = constant 0.0
  %10: i64 = constant 3
  %11: f32[BM], %12: f32[BM] = fold %10 (%13: i64, %14: f32[BM] = %9, %15: f32[BM] = %8) {
    %16: f32[BM] = load x[%6, %13]
    %17: f32[BM] = add %14, %15
    yield %17, %16
  }
  %18: f32[BM] = sub %11, %12
  store d[%6], %18
  grid %2
)");
}

TEST(Fold, TakesTheAxesThatItsBodyAdds) {
  // The second value becomes a tile over BM only after the first has: the types are a fixed point.
  const auto k = of_rows([](auto x, auto i) {
    auto [p, q] = fold(4_c, tuple(0.0f, 1.0f),
                       [=](auto k, auto p, auto q) { return tuple(p + x(BM[i], k), p * q); });
    static_assert(std::is_same_v<decltype(q), expr<f32, axis<"BM">>>);
    return p + q;
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: f32 = constant 0.0
  %5: f32 = constant 1.0
  %6: i64 = constant 4
  %7: f32[BM], %8: f32[BM] = fold %6 (%9: i64, %10: f32[BM] = %4, %11: f32[BM] = %5) {
    %12: f32[BM] = mul %10, %11
    %13: i64 = mul %3, %0
    %14: i64[BM] = iota BM
    %15: i64[BM] = add %13, %14
    %16: f32[BM] = load x[%15, %9]
    %17: f32[BM] = add %10, %16
    yield %17, %12
  }
  %18: f32[BM] = add %7, %8
  %19: i64 = mul %3, %0
  %20: i64[BM] = iota BM
  %21: i64[BM] = add %19, %20
  store d[%21], %18
  grid %2
)");
}

TEST(Fold, NumbersTakeTheCarriedElement) {
  const auto k = of_rows([](auto, auto) { return fold(4_c, 0.0f, [=](auto, auto) { return 1; }); });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: f32 = constant 0.0
  %5: i64 = constant 4
  %6: f32 = fold %5 (%7: i64, %8: f32 = %4) {
    %9: f32 = constant 1.0
    yield %9
  }
  %10: i64 = mul %3, %0
  %11: i64[BM] = iota BM
  %12: i64[BM] = add %10, %11
  store d[%12], %6
  grid %2
)");
}

TEST(Fold, ExtentsAreAnyScalar) {
  const auto k = define_kernel("k", in<i32>("count", M), scalar<i64>("n"), out<f32>("d", M),
                               [](auto count, auto n, auto d) {
                                 return grid(M, [=](auto i) {
                                   auto a = sum(count(i), [](auto k) { return cast<f32>(k); });
                                   auto b = sum(n + BM, [](auto) { return cast<f32>(1); });
                                   return store(d(i), a + b);
                                 });
                               });
  EXPECT_EQ(body(k), R"(
  %0: i64 = scalar_param n
  %1: i64 = dim M
  %2: i64 = grid_index 0
  %3: i32 = load count[%2]
  %4: f32 = constant 0.0
  %5: i64 = cast %3
  %6: f32 = fold %5 (%7: i64, %8: f32 = %4) {
    %9: f32 = cast %7
    %10: f32 = add %8, %9
    yield %10
  }
  %11: i64 = axis_extent BM
  %12: i64 = add %0, %11
  %13: f32 = fold %12 (%14: i64, %15: f32 = %4) {
    %16: f32 = constant 1.0
    %17: f32 = add %15, %16
    yield %17
  }
  %18: f32 = add %6, %13
  store d[%2], %18
  grid %1
)");
}

TEST(Sum, IsAFoldFromZero) {
  const auto total = of_rows(
      [](auto x, auto i) { return sum(N / BN, [=](auto j) { return sum(x(BM[i], BN[j]), BN); }); });
  const auto folded = of_rows([](auto x, auto i) {
    return fold(N / BN, 0.0f, [=](auto j, auto total) { return total + sum(x(BM[i], BN[j]), BN); });
  });
  EXPECT_EQ(body(total), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: f32 = constant 0.0
  %5: i64 = axis_extent BN
  %6: i64 = dim N
  %7: i64 = ceil_div %6, %5
  %8: f32[BM] = fold %7 (%9: i64, %10: f32[BM] = %4) {
    %11: i64 = mul %9, %5
    %12: i64[BN] = iota BN
    %13: i64[BN] = add %11, %12
    %14: i64 = mul %3, %0
    %15: i64[BM] = iota BM
    %16: i64[BM] = add %14, %15
    %17: f32[BM, BN] = load x[%16, %13]
    %18: f32[BM] = reduce sum %17 over BN
    %19: f32[BM] = add %10, %18
    yield %19
  }
  %20: i64 = mul %3, %0
  %21: i64[BM] = iota BM
  %22: i64[BM] = add %20, %21
  store d[%22], %8
  grid %2
)");
  EXPECT_EQ(body(total), body(folded));
}

TEST(Sum, OfIntegers) {
  const auto k = define_kernel("k", out<i64>("d", 1_c), [](auto d) {
    return grid(1, [=](auto) { return store(d(0), sum(5, [](auto k) { return k * k; })); });
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = constant 1
  %1: i64 = constant 0
  %2: i64 = constant 5
  %3: i64 = fold %2 (%4: i64, %5: i64 = %1) {
    %6: i64 = mul %4, %4
    %7: i64 = add %5, %6
    yield %7
  }
  store d[%1], %3
  grid %0
)");
}

TEST(ForEach, CarriesNothing) {
  const auto k = define_kernel("k", out<f32>("d", M, N), [](auto d) {
    return grid(
        M, [=](auto i) { return for_each(N / BN, [=](auto j) { return store(d(i, BN[j]), 1); }); });
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = dim M
  %1: i64 = grid_index 0
  %2: i64 = axis_extent BN
  %3: i64 = dim N
  %4: i64 = ceil_div %3, %2
  fold %4 (%5: i64) {
    %6: i64 = mul %5, %2
    %7: i64[BN] = iota BN
    %8: i64[BN] = add %6, %7
    %9: f32 = constant 1.0
    store d[%1, %8], %9
    yield
  }
  grid %0
)");
}

TEST(Reduce, OverAnAxis) {
  const auto line = [](auto reduce) {
    const std::string all = body(of_rows([=](auto x, auto i) { return reduce(x(BM[i], BN[2])); }));
    const std::size_t at = all.find("reduce");
    return all.substr(all.rfind(':', at) + 2, all.find('\n', at) - all.rfind(':', at) - 2);
  };
  EXPECT_EQ(line([](auto v) { return sum(v, BN); }), "f32[BM] = reduce sum %12 over BN");
  EXPECT_EQ(line([](auto v) { return max(v, BN); }), "f32[BM] = reduce max %12 over BN");
  EXPECT_EQ(line([](auto v) { return min(v, BN); }), "f32[BM] = reduce min %12 over BN");
  EXPECT_EQ(line([](auto v) { return sum(sum(v, BM), BN); }), "f32[BN] = reduce sum %12 over BM");
}

TEST(Reduce, OverGroupsKeepsTheAxis) {
  const auto k = define_kernel("k", in<f32>("x", M, N), out<f32>("d", M, N), [](auto x, auto d) {
    return grid(M / BM, N / BN, [=](auto i, auto j) {
      auto v = x(BM[i], BN[j]);
      auto top = max(v, within(BN, 16_c));
      static_assert(std::is_same_v<decltype(top), expr<f32, axis<"BM">, axis<"BN">>> ||
                    std::is_same_v<decltype(top), expr<f32, axis<"BN">, axis<"BM">>>);
      return store(d(BM[i], BN[j]), v / top + sum(v, within(BM, axis<"G", 4>{})));
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
  %8: i64 = mul %7, %3
  %9: i64[BN] = iota BN
  %10: i64[BN] = add %8, %9
  %11: i64 = mul %6, %0
  %12: i64[BM] = iota BM
  %13: i64[BM] = add %11, %12
  %14: f32[BM, BN] = load x[%13, %10]
  %15: f32[BM, BN] = reduce max %14 over BN by 16
  %16: f32[BM, BN] = reduce sum %14 over BM by 4
  %17: f32[BM, BN] = div %14, %15
  %18: f32[BM, BN] = add %17, %16
  store d[%13, %10], %18
  grid %2, %5
)");
}

TEST(Dot, ContractsTheSharedAxis) {
  const auto k =
      define_kernel("k", in<e4m3>("a", M, K), in<e5m2>("b", K, N), out<f32>("d", N, M),
                    out<f32>("e", M), [](auto a, auto b, auto d, auto e) {
                      return grid(M / BM, N / BN, [=](auto i, auto j) {
                        auto v = a(BM[i], BK[0]);
                        return stores(store(d(BN[j], BM[i]), dot(v, b(BK[0], BN[j]))),
                                      store(e(BM[i]), dot(v, b(BK[0], 0), fast_accumulate)));
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
  %8: i64 = constant 0
  %9: i64 = axis_extent BK
  %10: i64 = mul %8, %9
  %11: i64[BK] = iota BK
  %12: i64[BK] = add %10, %11
  %13: i64 = mul %6, %0
  %14: i64[BM] = iota BM
  %15: i64[BM] = add %13, %14
  %16: e4m3[BM, BK] = load a[%15, %12]
  %17: i64 = mul %7, %3
  %18: i64[BN] = iota BN
  %19: i64[BN] = add %17, %18
  %20: e5m2[BK, BN] = load b[%12, %19]
  %21: f32[BM, BN] = dot %16, %20 over BK
  store d[%19, %15], %21
  %22: e5m2[BK] = load b[%12, %8]
  %23: f32[BM] = dot %16, %22 over BK fast
  store e[%15], %23
  grid %2, %5
)");
}

TEST(Iota, CountsAlongAnAxis) {
  EXPECT_EQ(body(of_rows([](auto, auto) { return cast<f32>(iota(BM)); })), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64[BM] = iota BM
  %5: f32[BM] = cast %4
  %6: i64 = mul %3, %0
  %7: i64[BM] = add %6, %4
  store d[%7], %5
  grid %2
)");
}

TEST(Let, NamesAValue) {
  const auto named =
      of_rows([](auto x, auto i) { return let(x(BM[i], 0) * 2, [](auto v) { return v * v; }); });
  const auto plain = of_rows([](auto x, auto i) {
    auto v = x(BM[i], 0) * 2;
    return v * v;
  });
  EXPECT_EQ(body(named), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i64 = constant 0
  %8: f32[BM] = load x[%6, %7]
  %9: f32 = constant 2.0
  %10: f32[BM] = mul %8, %9
  %11: f32[BM] = mul %10, %10
  store d[%6], %11
  grid %2
)");
  EXPECT_EQ(body(named), body(plain));
}

TEST(Merge, EqualExpressionsAreOneValue) {
  const auto twice = of_rows([](auto x, auto i) { return exp(x(BM[i], 0)) * exp(x(BM[i], 0)); });
  const auto once = of_rows([](auto x, auto i) {
    auto e = exp(x(BM[i], 0));
    return e * e;
  });
  EXPECT_EQ(body(twice), body(once));
}

TEST(Grid, OneToThreeExtents) {
  const auto one = define_kernel("k", out<i64>("d", M), [](auto d) {
    return grid(M, [=](auto i) { return store(d(i), i); });
  });
  EXPECT_EQ(body(one), R"(
  %0: i64 = dim M
  %1: i64 = grid_index 0
  store d[%1], %1
  grid %0
)");
  const auto two = define_kernel("k", out<i64>("d", M, N), [](auto d) {
    return grid(M / BM, N, [=](auto i, auto j) { return store(d(BM[i], j), j); });
  });
  EXPECT_EQ(body(two), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = dim N
  %4: i64 = grid_index 0
  %5: i64 = grid_index 1
  %6: i64 = mul %4, %0
  %7: i64[BM] = iota BM
  %8: i64[BM] = add %6, %7
  store d[%8, %5], %5
  grid %2, %3
)");
  const auto three = define_kernel("k", out<i64>("d", M, N, K), [](auto d) {
    return grid(M / 4_c, 2 * N, 3, [=](auto i, auto j, auto k) { return store(d(i, j, k), k); });
  });
  EXPECT_EQ(body(three), R"(
  %0: i64 = constant 2
  %1: i64 = dim N
  %2: i64 = mul %0, %1
  %3: i64 = constant 4
  %4: i64 = dim M
  %5: i64 = ceil_div %4, %3
  %6: i64 = constant 3
  %7: i64 = grid_index 0
  %8: i64 = grid_index 1
  %9: i64 = grid_index 2
  store d[%7, %8, %9], %9
  grid %5, %2, %6
)");
}

TEST(Grid, BodiesMayReturnNothing) {
  const auto silent = define_kernel("k", out<f32>("d", M), [](auto d) {
    grid(M, [=](auto i) { store(d(i), 1), store(d(i), 2); });
  });
  const auto returned = define_kernel("k", out<f32>("d", M), [](auto d) {
    return grid(M, [=](auto i) { return store(d(i), 1), store(d(i), 2); });
  });
  const auto several = define_kernel("k", out<f32>("d", M), [](auto d) {
    return grid(M, [=](auto i) {
      auto first = store(d(i), 1);
      return stores(first, store(d(i), 2));
    });
  });
  EXPECT_EQ(body(silent), R"(
  %0: i64 = dim M
  %1: i64 = grid_index 0
  %2: f32 = constant 1.0
  store d[%1], %2
  %3: f32 = constant 2.0
  store d[%1], %3
  grid %0
)");
  EXPECT_EQ(body(returned), body(silent));
  EXPECT_EQ(body(several), body(silent));
}

TEST(Kernel, LoopsOfCppUnroll) {
  // A variable takes another tile of its own type; the loop runs while the kernel is traced.
  const auto k = of_rows([](auto x, auto i) {
    auto power = x(BM[i], 0) * 1;
    for (int n = 0; n < 3; ++n) power = power * power;
    return power;
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = axis_extent BM
  %1: i64 = dim M
  %2: i64 = ceil_div %1, %0
  %3: i64 = grid_index 0
  %4: i64 = mul %3, %0
  %5: i64[BM] = iota BM
  %6: i64[BM] = add %4, %5
  %7: i64 = constant 0
  %8: f32[BM] = load x[%6, %7]
  %9: f32 = constant 1.0
  %10: f32[BM] = mul %8, %9
  %11: f32[BM] = mul %10, %10
  %12: f32[BM] = mul %11, %11
  %13: f32[BM] = mul %12, %12
  store d[%6], %13
  grid %2
)");
}

TEST(Kernel, FunctionsMakeKernels) {
  const auto with = [](auto epilogue) {
    return define_kernel("k", in<f32>("x", M), out<f32>("d", M), [=](auto x, auto d) {
      return grid(M / BM, [=](auto i) { return store(d(BM[i]), epilogue(x(BM[i]))); });
    });
  };
  EXPECT_THAT(body(with([](auto v) { return max(v, 0); })), testing::HasSubstr("f32[BM] = max"));
  EXPECT_THAT(body(with([](auto v) { return tanh(v); })), testing::HasSubstr("f32[BM] = tanh"));
}

}  // namespace
}  // namespace octile::test
