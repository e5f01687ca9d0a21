// Operators, functions, casts: the operation each makes, its operands, and the axes and the element
// type of what it gives.
#include "octile/tests/dsl/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
using Bm = axis<"BM">;
using Bn = axis<"BN">;

// How the IR names the value of an operand, as far as its definition goes.
std::string definition(const std::string& all, const std::string& value) {
  const std::size_t at = all.find("  %" + value + ": ");
  const std::size_t first = at + value.size() + 5;
  return all.substr(first, all.find('\n', at) - first);
}

// "type = operation %operands" of what f makes of x f32[BM, BN], y f32[BM], n i32[BM], p b1[BN].
template <class F>
std::string made(const F& f) {
  using Result =
      std::invoke_result_t<F, expr<f32, Bm, Bn>, expr<f32, Bm>, expr<i32, Bm>, expr<b1, Bn>>;
  const auto k = define_kernel(
      "made", in<f32>("x", M, N), in<f32>("y", M), in<i32>("n", M), in<b1>("p", N),
      out<typename Result::element>("d", M, N), [&](auto x, auto y, auto n, auto p, auto d) {
        return grid(1, [&](auto) {
          const auto named = [](auto tile, const char* name) {
            auto value = tile.load();
            value.value->name = name;
            return value;
          };
          expr<f32, Bm, Bn> a(named(x(BM[0], BN[0]), "x").value);
          return store(d(BM[0], BN[0]),
                       f(a, named(y(BM[0]), "y"), named(n(BM[0]), "n"), named(p(BN[0]), "p")));
        });
      });
  const std::string all = body(k);
  const std::size_t at = all.rfind("], %") + 4;
  return definition(all, all.substr(at, all.find('\n', at) - at));
}
// The same of expressions in the names x, y, n and p.
#define MADE(...)                                                                    \
  made([]([[maybe_unused]] auto x, [[maybe_unused]] auto y, [[maybe_unused]] auto n, \
          [[maybe_unused]] auto p) { return __VA_ARGS__; })

TEST(Elementwise, OperatorsOfTwoTiles) {
  EXPECT_EQ(MADE(x + y), "f32[BM, BN] = add %x, %y");
  EXPECT_EQ(MADE(x - y), "f32[BM, BN] = sub %x, %y");
  EXPECT_EQ(MADE(x * y), "f32[BM, BN] = mul %x, %y");
  EXPECT_EQ(MADE(x / y), "f32[BM, BN] = div %x, %y");
  EXPECT_EQ(MADE(n % n), "i32[BM] = rem %n, %n");
  EXPECT_EQ(MADE(x == y), "b1[BM, BN] = cmp_eq %x, %y");
  EXPECT_EQ(MADE(x != y), "b1[BM, BN] = cmp_ne %x, %y");
  EXPECT_EQ(MADE(x < y), "b1[BM, BN] = cmp_lt %x, %y");
  EXPECT_EQ(MADE(x <= y), "b1[BM, BN] = cmp_le %x, %y");
  EXPECT_EQ(MADE(x > y), "b1[BM, BN] = cmp_gt %x, %y");
  EXPECT_EQ(MADE(x >= y), "b1[BM, BN] = cmp_ge %x, %y");
  EXPECT_EQ(MADE(p && p), "b1[BN] = logical_and %p, %p");
  EXPECT_EQ(MADE(p || p), "b1[BN] = logical_or %p, %p");
}

TEST(Elementwise, FunctionsOfTwoTiles) {
  EXPECT_EQ(MADE(min(x, y)), "f32[BM, BN] = min %x, %y");
  EXPECT_EQ(MADE(max(x, y)), "f32[BM, BN] = max %x, %y");
  EXPECT_EQ(MADE(max(y, y)), "f32[BM] = max %y, %y");
  EXPECT_EQ(MADE(ceil_div(n, n)), "i32[BM] = ceil_div %n, %n");
}

TEST(Elementwise, FunctionsOfOneTile) {
  EXPECT_EQ(MADE(-y), "f32[BM] = neg %y");
  EXPECT_EQ(MADE(-n), "i32[BM] = neg %n");
  EXPECT_EQ(MADE(!p), "b1[BN] = logical_not %p");
  EXPECT_EQ(MADE(abs(n)), "i32[BM] = abs %n");
  EXPECT_EQ(MADE(abs(y)), "f32[BM] = abs %y");
  EXPECT_EQ(MADE(exp(y)), "f32[BM] = exp %y");
  EXPECT_EQ(MADE(exp2(y)), "f32[BM] = exp2 %y");
  EXPECT_EQ(MADE(log(y)), "f32[BM] = log %y");
  EXPECT_EQ(MADE(log2(y)), "f32[BM] = log2 %y");
  EXPECT_EQ(MADE(sqrt(y)), "f32[BM] = sqrt %y");
  EXPECT_EQ(MADE(rsqrt(y)), "f32[BM] = rsqrt %y");
  EXPECT_EQ(MADE(tanh(y)), "f32[BM] = tanh %y");
  EXPECT_EQ(MADE(sigmoid(y)), "f32[BM] = sigmoid %y");
  EXPECT_EQ(MADE(erf(y)), "f32[BM] = erf %y");
  EXPECT_EQ(MADE(floor(y)), "f32[BM] = floor %y");
  EXPECT_EQ(MADE(-(+y)), "f32[BM] = neg %y");
}

TEST(Elementwise, FunctionsOfThreeTiles) {
  EXPECT_EQ(MADE(fma(y, x, y)), "f32[BM, BN] = fma %y, %x, %y");
  EXPECT_EQ(MADE(select(p, y, y + x)).substr(0, 26), "f32[BN, BM] = select %p, %");
  EXPECT_EQ(MADE(select(p, n, n)), "i32[BN, BM] = select %p, %n, %n");
  EXPECT_EQ(MADE(select(p, p, p)), "b1[BN] = select %p, %p, %p");
}

TEST(Elementwise, BroadcastsByName) {
  // The union of the operands' axes, in the order of the operands.
  EXPECT_EQ(MADE(y < x), "b1[BM, BN] = cmp_lt %y, %x");
  EXPECT_EQ(MADE(select(p, y, y)), "f32[BN, BM] = select %p, %y, %y");
  EXPECT_EQ(MADE(select(p, n, n) + n).substr(0, 16), "i32[BN, BM] = ad");
}

TEST(Elementwise, CastsAndBits) {
  EXPECT_EQ(MADE(cast<e4m3>(x)), "e4m3[BM, BN] = cast %x");
  EXPECT_EQ(MADE(cast<ue8m0>(y)), "ue8m0[BM] = cast %y");
  EXPECT_EQ(MADE(cast<i64>(n)), "i64[BM] = cast %n");
  EXPECT_EQ(MADE(cast<u8>(p)), "u8[BN] = cast %p");
  EXPECT_EQ(MADE(bitcast<f32>(n)), "f32[BM] = bitcast %n");
  EXPECT_EQ(MADE(bitcast<i32>(x)), "i32[BM, BN] = bitcast %x");
  // A cast to the type that a tile has is the tile.
  EXPECT_EQ(MADE(cast<f32>(x) + y), "f32[BM, BN] = add %x, %y");
}

// The text of a kernel that stores f(i) to one place, i the index of the grid.
template <class T, class F>
std::string scalar_text(const F& f) {
  return body(define_kernel("scalar", scalar<T>("s"), out<T>("d", 8_c), [&](auto s, auto d) {
    return grid(8, [&](auto i) { return store(d(i), f(s, i)); });
  }));
}

TEST(Literal, TakesTheElementOfItsPartner) {
  EXPECT_EQ(scalar_text<f32>([](auto s, auto) { return s + 2; }), R"(
  %0: f32 = scalar_param s
  %1: i64 = constant 8
  %2: i64 = grid_index 0
  %3: f32 = constant 2.0
  %4: f32 = add %0, %3
  store d[%2], %4
  grid %1
)");
  EXPECT_EQ(scalar_text<f32>([](auto s, auto) { return 0.1 * s; }), R"(
  %0: f32 = scalar_param s
  %1: i64 = constant 8
  %2: i64 = grid_index 0
  %3: f32 = constant 0.1
  %4: f32 = mul %3, %0
  store d[%2], %4
  grid %1
)");
  EXPECT_EQ(scalar_text<i32>([](auto s, auto) { return max(s, 3LL); }), R"(
  %0: i32 = scalar_param s
  %1: i64 = constant 8
  %2: i64 = grid_index 0
  %3: i32 = constant 3
  %4: i32 = max %0, %3
  store d[%2], %4
  grid %1
)");
  EXPECT_EQ(scalar_text<i64>([](auto, auto i) { return select(i < 4_c, 1, i); }), R"(
  %0: i64 = constant 8
  %1: i64 = grid_index 0
  %2: i64 = constant 4
  %3: b1 = cmp_lt %1, %2
  %4: i64 = constant 1
  %5: i64 = select %3, %4, %1
  store d[%1], %5
  grid %0
)");
  EXPECT_EQ(scalar_text<f32>([](auto s, auto) { return fma(s, 2, 1_c); }), R"(
  %0: f32 = scalar_param s
  %1: i64 = constant 8
  %2: i64 = grid_index 0
  %3: f32 = constant 2.0
  %4: f32 = constant 1.0
  %5: f32 = fma %0, %3, %4
  store d[%2], %5
  grid %1
)");
  EXPECT_EQ(scalar_text<b1>([](auto s, auto) { return s && true; }), R"(
  %0: b1 = scalar_param s
  %1: i64 = constant 8
  %2: i64 = grid_index 0
  %3: b1 = constant 1
  %4: b1 = logical_and %0, %3
  store d[%2], %4
  grid %1
)");
}

TEST(Literal, AloneHasTheElementOfItsCppType) {
  // Two numbers in a select: f32 where one has a fraction, else by their width.
  EXPECT_EQ(scalar_text<f32>([](auto, auto i) { return select(i > 3, 1, 0.5); }), R"(
  %0: i64 = constant 8
  %1: i64 = grid_index 0
  %2: i64 = constant 3
  %3: b1 = cmp_gt %1, %2
  %4: f32 = constant 1.0
  %5: f32 = constant 0.5
  %6: f32 = select %3, %4, %5
  store d[%1], %6
  grid %0
)");
  EXPECT_EQ(scalar_text<i32>([](auto, auto i) { return select(i > 3, 1, 0); }), R"(
  %0: i64 = constant 8
  %1: i64 = grid_index 0
  %2: i64 = constant 3
  %3: b1 = cmp_gt %1, %2
  %4: i32 = constant 1
  %5: i32 = constant 0
  %6: i32 = select %3, %4, %5
  store d[%1], %6
  grid %0
)");
  EXPECT_EQ(scalar_text<i64>([](auto, auto i) { return select(i > 3, 1LL, 0LL); }), R"(
  %0: i64 = constant 8
  %1: i64 = grid_index 0
  %2: i64 = constant 3
  %3: b1 = cmp_gt %1, %2
  %4: i64 = constant 1
  %5: i64 = constant 0
  %6: i64 = select %3, %4, %5
  store d[%1], %6
  grid %0
)");
}

TEST(Literal, CastGivesAnyElement) {
  EXPECT_EQ(scalar_text<e5m2>([](auto, auto) { return cast<e5m2>(1.5); }), R"(
  %0: i64 = constant 8
  %1: i64 = grid_index 0
  %2: f32 = constant 1.5
  %3: e5m2 = cast %2
  store d[%1], %3
  grid %0
)");
  EXPECT_EQ(scalar_text<i32>([](auto, auto) { return cast<i32>(-7); }), R"(
  %0: i64 = constant 8
  %1: i64 = grid_index 0
  %2: i32 = constant -7
  store d[%1], %2
  grid %0
)");
}

TEST(Size, DimsAxesAndTheirQuotients) {
  const auto k = define_kernel("sizes", in<f32>("x", M), out<i64>("d", 6_c), [](auto, auto d) {
    return grid(1, [=](auto) {
      store(d(0), M), store(d(1), BM), store(d(2), M / BM), store(d(3), M / 128_c);
      return stores(store(d(4), value(BM) * 2 + M % 7), store(d(5), ceil_div(M, BM * 2)));
    });
  });
  EXPECT_EQ(body(k), R"(
  %0: i64 = constant 1
  %1: i64 = constant 0
  %2: i64 = dim M
  store d[%1], %2
  %3: i64 = axis_extent BM
  store d[%0], %3
  %4: i64 = constant 2
  %5: i64 = ceil_div %2, %3
  store d[%4], %5
  %6: i64 = constant 3
  %7: i64 = constant 128
  %8: i64 = ceil_div %2, %7
  store d[%6], %8
  %9: i64 = mul %3, %4
  %10: i64 = constant 7
  %11: i64 = rem %2, %10
  %12: i64 = add %9, %11
  %13: i64 = constant 4
  store d[%13], %12
  %14: i64 = ceil_div %2, %9
  %15: i64 = constant 5
  store d[%15], %14
  grid %0
)");
}

TEST(Size, ConstantsCombine) {
  static_assert(std::is_same_v<decltype(2_c * 64_c), constant<128>>);
  static_assert(std::is_same_v<decltype(1'000_c + 24_c - 1_c), constant<1023>>);
  static_assert(std::is_same_v<decltype(100_c / 8_c), constant<12>>);
  constexpr auto BK = 2_c * 64_c;
  const auto k = define_kernel("k", in<f32>("x", M), out<f32>("d", 1_c), [=](auto x, auto d) {
    return grid(1, [=](auto) { return store(d(0), sum(x(BK[0]), BK)); });
  });
  EXPECT_THAT(head(k), testing::HasSubstr("axis _128 = 128 literal\n"));
}

TEST(Element, WidthsAreThoseOfTheTable) {
  const auto check = [](auto tag) {
    EXPECT_EQ(decltype(tag)::bits, info(decltype(tag)::type).bits)
        << info(decltype(tag)::type).name;
  };
  check(b1{}), check(u8{}), check(i32{}), check(i64{}), check(e4m3{});
  check(e5m2{}), check(ue8m0{}), check(f16{}), check(bf16{}), check(f32{});
}

}  // namespace
}  // namespace octile::test
