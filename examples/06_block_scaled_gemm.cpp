// Lesson 6: DeepSeek-V3's product. Activations carry a scale per 1x128, weights one per 128x128;
// the partial sums of each block of 128 are scaled as they are promoted to f32.
//
// `BN[j] / 128_c` is the row of weight scales that a column of the tile needs; the compiler knows
// it is constant over runs. `with` sets the schedule; without it a cost model chooses.
#include "common.hpp"

using namespace octile;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 128_c;

int main() {
  auto fp8_gemm = kernel(
      "fp8_gemm", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c), in<e4m3>("b", N, K),
      in<f32>("sb", N / 128_c, K / 128_c), out<bf16>("d", M, N),
      [](auto a, auto sa, auto b, auto sb, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK, [=](auto k) {
            return dot(a(BM[i], BK[k]), b(BN[j], BK[k]))   // contracts over the axis both share
                   * sa(BM[i], k) * sb(BN[j] / 128_c, k);  // broadcasts by axis name
          });
          return store(d(BM[i], BN[j]), cast<bf16>(acc));
        });
      });

  const Stream stream = default_stream();
  const std::int64_t m = 200, n = 264, k = 1024, runs = k / 128, blocks = (n + 127) / 128;
  const Tensor a = example::random_tensor(stream, ElementType::e4m3, {m, k}, 1);
  const Tensor b = example::random_tensor(stream, ElementType::e4m3, {n, k}, 2);
  const Tensor sa = example::random_tensor(stream, ElementType::f32, {m, runs}, 3);
  const Tensor sb = example::random_tensor(stream, ElementType::f32, {blocks, runs}, 4);
  const Tensor d = example::poisoned(stream, ElementType::bf16, {m, n});
  fp8_gemm(stream, a, sa, b, sb, d);                          // a chosen schedule
  fp8_gemm.with({BM(128), BN(64)})(stream, a, sa, b, sb, d);  // or this one
  stream.synchronize();

  const std::vector<float> x = a.to_floats(), y = b.to_floats(), p = sa.to_floats(),
                           q = sb.to_floats();
  std::vector<double> want(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t c = 0; c < k; ++c) {
        const double scale =
            static_cast<double>(p[i * runs + c / 128]) * q[j / 128 * runs + c / 128];
        want[i * n + j] += scale * x[i * k + c] * y[j * k + c];
      }
    }
  }
  return example::report("block-scaled GEMM", stream, d.to_floats(), want, 2e-2);
}
