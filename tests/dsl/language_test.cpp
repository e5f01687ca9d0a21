// The code of docs/language.md: it compiles as it stands on the page and gives what the page says.
#include <cmath>
#include <vector>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/octile.hpp"
#include "octile/tests/dsl/support.hpp"
#include "octile/tests/reference/interpreter.hpp"

namespace octile::test {
namespace {

#include "language_1.inc"

using reference::packed;

std::uint8_t e4m3_bits(float value) {
  return static_cast<std::uint8_t>(numerics::encode(ElementType::e4m3, value));
}

std::vector<std::uint8_t> e4m3_of(const std::vector<float>& values) {
  std::vector<std::uint8_t> bytes;
  for (const float v : values) bytes.push_back(e4m3_bits(v));
  return bytes;
}

TEST(LanguagePage, BlockScaledProduct) {
  const std::int64_t m = 3, n = 130, k = 150;
  std::vector<float> a(m * k), b(n * k), sa(m * 2), sb(2 * 2);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 5) - 2;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 3) - 1;
  for (std::size_t i = 0; i < sa.size(); ++i) sa[i] = i % 2 == 0 ? 0.5F : 2;
  for (std::size_t i = 0; i < sb.size(); ++i) sb[i] = i < 2 ? 1 : 4;
  std::vector<std::uint8_t> a8 = e4m3_of(a), b8 = e4m3_of(b);
  std::vector<std::uint16_t> d(m * n, 0x7FFF);
  const auto f = ir::clone(fp8_gemm.ir());
  passes::bind_axes(*f, {{"BM", 2}, {"BN", 64}});
  reference::interpret(
      *f,
      {packed(a8.data(), ElementType::e4m3, {m, k}), packed(sa.data(), ElementType::f32, {m, 2}),
       packed(b8.data(), ElementType::e4m3, {n, k}), packed(sb.data(), ElementType::f32, {2, 2}),
       packed(d.data(), ElementType::bf16, {m, n})},
      {m, k, n});
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      float want = 0;
      for (std::int64_t c = 0; c < k; ++c)
        want += a[i * k + c] * b[j * k + c] * sa[i * 2 + c / 128] * sb[j / 128 * 2 + c / 128];
      ASSERT_EQ(d[i * n + j], numerics::encode(ElementType::bf16, want)) << i << ", " << j;
    }
  }
}

TEST(LanguagePage, RunsOf128) {
  const auto quantize = kernel("quantize", in<f32>("x", M, N), out<f32>("s", M, N / 128_c),
                               out<e4m3>("q", M, N), [](auto x, auto s, auto q) {
                                 return grid(M / BM, N / BN, [=](auto i, auto j) {
                                   auto v = x(BM[i], BN[j]);
#include "language_2.inc"
                                 });
                               });
  const auto f = ir::clone(quantize.ir());
  passes::bind_axes(*f, {{"BM", 2}, {"BN", 256}});
  const std::int64_t m = 3, n = 200;
  std::vector<float> x(m * n), s(m * 2, -1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  std::vector<std::uint8_t> q(m * n, 0x7F);
  reference::interpret(
      *f,
      {packed(x.data(), ElementType::f32, {m, n}), packed(s.data(), ElementType::f32, {m, 2}),
       packed(q.data(), ElementType::e4m3, {m, n})},
      {m, n});
  for (std::int64_t i = 0; i < m; ++i) {
    EXPECT_EQ(s[i * 2], static_cast<float>(i * n + 127) / 448);
    EXPECT_EQ(s[i * 2 + 1], static_cast<float>(i * n + n - 1) / 448);
    EXPECT_EQ(q[i * n + 127], e4m3_bits(448));
    EXPECT_EQ(q[i * n + n - 1], e4m3_bits(448));
  }
}

TEST(LanguagePage, FoldOfATuple) {
  const auto sums = kernel("log_sum_exp", in<f32>("x", M, N), out<f32>("d", M), [](auto x, auto d) {
    return grid(M / BM, [=](auto i) {
#include "language_3.inc"
      return store(d(BM[i]), top + log(total));
    });
  });
  const auto f = ir::clone(sums.ir());
  passes::bind_axes(*f, {{"BM", 2}, {"BN", 4}});
  const std::int64_t m = 3, n = 10;
  std::vector<float> x(m * n), d(m, -1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
  reference::interpret(
      *f, {packed(x.data(), ElementType::f32, {m, n}), packed(d.data(), ElementType::f32, {m})},
      {m, n});
  for (std::int64_t i = 0; i < m; ++i) {
    double total = 0;
    for (std::int64_t j = 0; j < n; ++j) total += std::exp(static_cast<double>(x[i * n + j]));
    EXPECT_NEAR(d[i], std::log(total), 1e-5);
  }
}

}  // namespace
}  // namespace octile::test
