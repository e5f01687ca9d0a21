// Which folds have their sums and products in registers that PTX names, and what is printed then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "octile/octile.hpp"
#include "octile/tests/cuda/lowering.hpp"

namespace octile::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const auto kNamed = HasSubstr("asm volatile(\".reg .f32 acc0_<");

// A product whose sums are what `next` makes of the sum so far and the trip's product.
template <class Next>
std::string text_of(Next next) {
  const auto k = kernel("k", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c), in<e4m3>("b", N, K),
                        out<f32>("d", M, N), [=](auto a, auto sa, auto b, auto d) {
                          return grid(M / BM, N / BN, [=](auto i, auto j) {
                            auto acc = fold(K / BK, 0.0f, [=](auto k, auto acc) {
                              return next(acc, dot(a(BM[i], BK[k]), b(BN[j], BK[k])), sa(BM[i], k));
                            });
                            return store(d(BM[i], BN[j]), acc);
                          });
                        });
  return k.with({BM(128), BN(128)}).emit(kSizes);
}

TEST(Accumulators, OfLargeTilesHaveNamesInPtx) {
  const std::string text = fp8_text({BM(256), BN(128)});
  // Two blocks of sums, and products of the first trip and of four in the loop.
  EXPECT_THAT(text,
              HasSubstr("asm volatile(\".reg .f32 acc0_<64>, acc1_<64>, acc2_<64>, acc3_<64>, "
                        "acc4_<64>, acc5_<64>, acc6_<64>;\");"));
  EXPECT_THAT(text, HasSubstr("wgmma_m64n128k128_e4m3_e4m3<2>(a, b, 0);"));
  EXPECT_THAT(text, HasSubstr("wgmma_m64n128k128_e4m3_e4m3<6>(a, b, 0);"));
  // The first trip's sums begin at zero, the others' at what they were.
  EXPECT_THAT(text, HasSubstr("fma.rn.f32 acc%0_63, acc%1_63, %3, 0f00000000;"));
  EXPECT_THAT(text, HasSubstr("fma.rn.f32 acc%0_63, acc%1_63, %3, acc%0_63;"));
  EXPECT_THAT(text, ContainsRegex("promote_0<0, 2>\\(.*\n(.*\n)*.*promote_0<1, 2>\\("));
  EXPECT_THAT(text, ContainsRegex("promote_1<0, 6>\\(.*\n(.*\n)*.*promote_1<1, 6>\\("));
  EXPECT_THAT(text, AllOf(HasSubstr("read_64<0, 0>(fold_"), HasSubstr("read_64<1, 64>(fold_")));
  EXPECT_THAT(text, Not(HasSubstr("pin_registers(dot")));
}

TEST(Accumulators, InPlaceHaveThemToo) {
  const std::string text = tensor_wise().with({BM(128), BN(160), consumers(1)}).emit(kSizes);
  EXPECT_THAT(text, HasSubstr("asm volatile(\".reg .f32 acc0_<80>, acc1_<80>;\");"));
  EXPECT_THAT(text, HasSubstr("wgmma_m64n160k128_e4m3_e4m3<1>(a, b, 1);"));
  EXPECT_THAT(text, AllOf(HasSubstr("clear_80<1>();"), HasSubstr("read_80<1, 80>(")));
  EXPECT_THAT(text, Not(HasSubstr("  pin_registers(")));
}

TEST(Accumulators, OfOuterProductsChangePlacesWithNeighbours) {
  const std::string text =
      weight_gradient().with({BM(128), BN(128), outer_products()}).emit(kSizes);
  EXPECT_THAT(text, kNamed);
  EXPECT_THAT(text, HasSubstr("wgmma_outer_n128<2>(rows, lane, 0, b);"));
  EXPECT_THAT(text, HasSubstr("fma.rn.f32 acc%0_6, acc%1_6, acc%2_7, acc%0_6;"));
  EXPECT_THAT(text, HasSubstr("fma.rn.f32 acc%0_7, acc%1_7, acc%2_6, acc%0_7;"));
}

// NVRTC takes little for few, and pieces of a fold begin with sums from elsewhere.
TEST(Accumulators, AreArraysOfSmallTilesAndPieces) {
  for (const std::string& text :
       {fp8_text({BM(64), BN(64)}), fp8_text({BM(256), BN(128), stream_fold()})}) {
    EXPECT_THAT(text, Not(kNamed));
    EXPECT_THAT(text, HasSubstr("pin_registers(dot"));
  }
}

TEST(Accumulators, TakeSumsOfFewOperations) {
  // Half of the sum so far is part of the statement, not of what the trip computes before.
  const std::string decayed =
      text_of([](auto acc, auto product, auto s) { return acc * 0.5f - product * s; });
  EXPECT_THAT(decayed, kNamed);
  EXPECT_THAT(decayed, HasSubstr("mul.rn.f32 t0, acc%0_0, %2;"));
  EXPECT_THAT(decayed, HasSubstr("mul.rn.f32 t1, acc%1_0, %3;"));
  EXPECT_THAT(decayed, HasSubstr("sub.rn.f32 acc%0_0, t0, t1;"));
  EXPECT_THAT(decayed, Not(ContainsRegex("float mul_[0-9]+\\[")));
  // What isn't one instruction of f32 is printed as C++.
  EXPECT_THAT(text_of([](auto acc, auto product, auto s) { return acc + abs(product) * s; }),
              Not(kNamed));
  EXPECT_THAT(text_of([](auto acc, auto product, auto s) { return max(acc, product * s); }),
              Not(kNamed));
}

// Each is computed of what both were before.
TEST(Accumulators, OfSeveralSumsAreReadBeforeAnyIsWritten) {
  const auto k =
      kernel("two", in<bf16>("a", M, K), in<bf16>("b", N, K), in<bf16>("c", N, K),
             out<f32>("d", M, N), [](auto a, auto b, auto c, auto d) {
               constexpr auto BK = 64_c;
               return grid(M / BM, N / BN, [=](auto i, auto j) {
                 auto [x, y] = fold(K / BK, tuple(0.0f, 0.0f), [=](auto k, auto x, auto y) {
                   auto rows = a(BM[i], BK[k]);
                   return tuple(y + dot(rows, b(BN[j], BK[k])), x - dot(rows, c(BN[j], BK[k])));
                 });
                 return store(d(BM[i], BN[j]), x + y);
               });
             });
  const std::string text = k.with({BM(64), BN(64)}).emit(kSizes);
  EXPECT_THAT(text, kNamed);
  EXPECT_THAT(text,
              ContainsRegex("add.rn.f32 t0, acc%[0-9]_0, acc%[0-9]_0;\\\\n\"\n *\"sub.rn.f32 "
                            "t1, acc%[0-9]_0, acc%[0-9]_0;\\\\n\"\n *\"mov.b32 acc%0_0, t0;"));
}

}  // namespace
}  // namespace octile::test
