// The reference interpreter, on programs whose results are known without it.
#include "octile/tests/reference/interpreter.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/codegen/ir/parser.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/ir/support.hpp"

namespace octile::reference {
namespace {

using octile::testing::error_of;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename Number>
Arg row_major(std::vector<Number>& data, ElementType element, std::vector<std::int64_t> extents) {
  return packed(data.data(), element, std::move(extents));
}

TEST(Interpreter, BlockScaledProduct) {
  const auto f = octile::testing::block_scaled_product();
  passes::prepare(*f, {{"BM", 4}, {"BN", 8}});
  const std::int64_t m = 5, n = 11, k = 200;
  // Small integers: every sum is exact.
  std::vector<std::uint8_t> a(static_cast<std::size_t>(m * k));
  std::vector<std::uint8_t> b(static_cast<std::size_t>(n * k));
  const auto number = [](std::size_t i, int salt) {
    return static_cast<float>(static_cast<int>(i * 7 + static_cast<std::size_t>(salt)) % 5 - 2);
  };
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<std::uint8_t>(numerics::encode(ElementType::e4m3, number(i, 1)));
  }
  for (std::size_t i = 0; i < b.size(); ++i) {
    b[i] = static_cast<std::uint8_t>(numerics::encode(ElementType::e4m3, number(i, 3)));
  }
  std::vector<float> sa(static_cast<std::size_t>(m * 2));
  for (std::size_t i = 0; i < sa.size(); ++i) sa[i] = i % 2 == 0 ? 2.0f : 0.5f;
  std::vector<float> sb{4, 1};
  std::vector<std::uint16_t> d(static_cast<std::size_t>(m * n), 0x7FFF);
  interpret(*f,
            {row_major(a, ElementType::e4m3, {m, k}), row_major(sa, ElementType::f32, {m, 2}),
             row_major(b, ElementType::e4m3, {n, k}), row_major(sb, ElementType::f32, {1, 2}),
             row_major(d, ElementType::bf16, {m, n})},
            {m, n, k});
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        const double scale = l < 128 ? 8 : 0.5;
        sum += scale * number(static_cast<std::size_t>(i * k + l), 1) *
               number(static_cast<std::size_t>(j * k + l), 3);
      }
      EXPECT_EQ(d[static_cast<std::size_t>(i * n + j)],
                numerics::encode(ElementType::bf16, static_cast<float>(sum)));
    }
  }
}

TEST(Interpreter, RowSoftmax) {
  const auto f = octile::testing::row_softmax();
  passes::prepare(*f, {{"BM", 2}, {"BN", 4}});
  const std::int64_t m = 3, n = 7;
  std::vector<float> x(static_cast<std::size_t>(m * n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 37) % 11) - 5.0f;
  std::vector<float> y(x.size(), NAN);
  interpret(*f, {row_major(x, ElementType::f32, {m, n}), row_major(y, ElementType::f32, {m, n})},
            {m, n});
  for (std::size_t i = 0; i < x.size(); i += static_cast<std::size_t>(n)) {
    double total = 0;
    for (std::size_t j = i; j < i + static_cast<std::size_t>(n); ++j)
      total += std::exp(double{x[j]});
    for (std::size_t j = i; j < i + static_cast<std::size_t>(n); ++j) {
      EXPECT_NEAR(y[j], std::exp(double{x[j]}) / total, 1e-6);
    }
  }
}

/// A one-program grid over i64 index tiles, with `body` storing to d[M].
std::unique_ptr<ir::Function> program(const std::string& element, const std::string& body) {
  return ir::parse("program \"p\"\ndim M\naxis BM = 8\nin a: " + element +
                   "[M]\ninout d: " + element +
                   "[M]\n{ %one: i64 = constant 1 grid %one %i: i64[BM] = iota BM " + body + "}");
}

TEST(Interpreter, BoundsAndMasks) {
  std::vector<float> a{1, 2, 3, 4, 5};
  std::vector<float> d(5, -1);
  const std::vector<Arg> args{row_major(a, ElementType::f32, {5}),
                              row_major(d, ElementType::f32, {5})};
  // Reads a[i + 2]: past the end zero, or the other value; stores past the end are dropped.
  const std::string shifted = "%two: i64 = constant 2 %j: i64[BM] = add %i, %two ";
  interpret(*program("f32", shifted + "%x: f32[BM] = load a[%j] store d[%i], %x"), args, {5});
  EXPECT_THAT(d, ElementsAre(3, 4, 5, 0, 0));
  interpret(*program("f32", shifted + "%o: f32 = constant 9.0 %x: f32[BM] = load a[%j] other %o "
                                      "store d[%i], %x"),
            args, {5});
  EXPECT_THAT(d, ElementsAre(3, 4, 5, 9, 9));
  interpret(*program("f32", shifted + "%m: b1[BM] = cmp_eq %i, %one %x: f32[BM] = load a[%i] "
                                      "store d[%i], %x mask %m"),
            args, {5});
  EXPECT_THAT(d, ElementsAre(3, 2, 5, 9, 9));
  // Negative indices are out of bounds too; a value without the indices' axes is repeated.
  interpret(*program("f32", "%n: i64[BM] = sub %i, %one %x: f32 = constant 7.0 store d[%n], %x"),
            args, {5});
  EXPECT_THAT(d, Each(7.0f));
}

TEST(Interpreter, Strides) {
  std::vector<float> a{1, -1, 2, -1, 3, -1};
  std::vector<float> d(3, 0);
  const Arg spread{a.data(), ElementType::f32, {3}, {2}};
  const Arg reversed{d.data() + 2, ElementType::f32, {3}, {-1}};
  interpret(*program("f32", "%x: f32[BM] = load a[%i] store d[%i], %x"), {spread, reversed}, {3});
  EXPECT_THAT(d, ElementsAre(3, 2, 1));
}

TEST(Interpreter, GroupedReductions) {
  std::vector<std::int32_t> a{3, 1, 4, 1, 5, 9, 2, 6};
  std::vector<std::int32_t> d(8, -1);
  const std::vector<Arg> args{row_major(a, ElementType::i32, {8}),
                              row_major(d, ElementType::i32, {8})};
  const auto run = [&](const std::string& reduce) {
    interpret(*program("i32", "%x: i32[BM] = load a[%i] " + reduce + " store d[%i], %r"), args,
              {8});
  };
  run("%r: i32[BM] = reduce max %x over BM by 4");
  EXPECT_THAT(d, ElementsAre(4, 4, 4, 4, 9, 9, 9, 9));
  run("%r: i32[BM] = reduce sum %x over BM by 2");
  EXPECT_THAT(d, ElementsAre(4, 4, 5, 5, 14, 14, 8, 8));
  run("%r: i32 = reduce min %x over BM");
  EXPECT_THAT(d, Each(1));
}

TEST(Interpreter, FoldsCountAndCarry) {
  std::vector<std::int64_t> a(8, 0);
  std::vector<std::int64_t> d(8, -1);
  const std::vector<Arg> args{row_major(a, ElementType::i64, {8}),
                              row_major(d, ElementType::i64, {8})};
  const auto run = [&](const std::string& trips) {
    interpret(*program("i64", "%n: i64 = constant " + trips +
                                  " %s: i64[BM], %l: i64 = fold %n (%k: i64, %c: i64[BM] = %one, "
                                  "%p: i64 = %one) { %t: i64[BM] = mul %c, %i yield %t, %k } "
                                  "%r: i64[BM] = add %s, %l store d[%i], %r"),
              args, {8});
  };
  run("3");
  EXPECT_THAT(d, ElementsAre(2, 3, 10, 29, 66, 127, 218, 345));
  run("0");
  EXPECT_THAT(d, Each(2));
  run("-4");
  EXPECT_THAT(d, Each(2));
}

TEST(Interpreter, Casts) {
  std::vector<float> a{2.9f, -2.9f, 1e20f, NAN, 0.0f, -0.0f, 300.5f, 1e-9f};
  std::vector<float> d(8, NAN);
  const std::vector<Arg> args{row_major(a, ElementType::f32, {8}),
                              row_major(d, ElementType::f32, {8})};
  const auto through = [&](const std::string& type) {
    interpret(*program("f32", "%x: f32[BM] = load a[%i] %y: " + type +
                                  "[BM] = cast %x %z: f32[BM] = cast %y store d[%i], %z"),
              args, {8});
  };
  through("i32");
  EXPECT_THAT(d, ElementsAre(2, -2, 2147483648.0f, 0, 0, 0, 300, 0));
  through("u8");
  EXPECT_THAT(d, ElementsAre(2, 0, 255, 0, 0, 0, 255, 0));
  through("b1");
  EXPECT_THAT(d, ElementsAre(1, 1, 1, 1, 0, 0, 1, 1));
  through("e4m3");
  EXPECT_EQ(d[2], 448.0f);
  EXPECT_TRUE(std::isnan(d[3]));
  EXPECT_TRUE(std::signbit(d[5]));
  through("f16");
  EXPECT_EQ(d[2], INFINITY);
}

TEST(Interpreter, IntegerCastsWrap) {
  std::vector<std::int64_t> a{255, 256, -1, 1LL << 32, 5000000000LL, 0, 1, 2};
  std::vector<std::int64_t> d(8, -1);
  const std::vector<Arg> args{row_major(a, ElementType::i64, {8}),
                              row_major(d, ElementType::i64, {8})};
  const auto through = [&](const std::string& type) {
    interpret(*program("i64", "%x: i64[BM] = load a[%i] %y: " + type +
                                  "[BM] = cast %x %z: i64[BM] = cast %y store d[%i], %z"),
              args, {8});
  };
  through("u8");
  EXPECT_THAT(d, ElementsAre(255, 0, 255, 0, 0, 0, 1, 2));
  through("i32");
  EXPECT_THAT(d, ElementsAre(255, 256, -1, 0, 705032704, 0, 1, 2));
}

TEST(Interpreter, RefusesWrongArguments) {
  const auto f = program("f32", "");
  std::vector<float> a(5);
  const Arg good = row_major(a, ElementType::f32, {5});
  EXPECT_THAT(error_of([&] { interpret(*f, {good}, {5}); }),
              HasSubstr("takes 2 arguments and 1 dims, got 1 and 1"));
  EXPECT_THAT(error_of([&] {
                interpret(*f, {good, row_major(a, ElementType::f32, {4})}, {5});
              }),
              HasSubstr("argument 'd' has f32 [4], expected f32 [5]"));
  const auto unbound = octile::testing::row_softmax();
  EXPECT_THAT(
      error_of([&] {
        std::vector<float> x(6);
        interpret(*unbound,
                  {row_major(x, ElementType::f32, {2, 3}), row_major(x, ElementType::f32, {2, 3})},
                  {2, 3});
      }),
      HasSubstr("is not bound"));
}

}  // namespace
}  // namespace octile::reference
