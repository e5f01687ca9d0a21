// Lesson 7: functions make kernels. An epilogue is a lambda that the product's maker takes; it sees
// the f32 tile in registers and the block indices, and becomes part of the same kernel.
#include "common.hpp"

using namespace octile;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 128_c;

// d = epilogue(a * b^T, bias of the columns), operands block-scaled.
auto make_gemm(const char* name, auto epilogue) {
  return kernel(name, in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c), in<e4m3>("b", N, K),
                in<f32>("sb", N / 128_c, K / 128_c), in<f32>("bias", N), out<bf16>("d", M, N),
                [=](auto a, auto sa, auto b, auto sb, auto bias, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sa(BM[i], k) *
                             sb(BN[j] / 128_c, k);
                    });
                    return store(d(BM[i], BN[j]), cast<bf16>(epilogue(acc, bias(BN[j]))));
                  });
                });
}

int main() {
  auto gemm = make_gemm("gemm_bias_gelu", [](auto acc, auto bias) {
    auto x = acc + bias;
    return 0.5f * x * (1.0f + erf(x * 0.70710678f));
  });

  const Stream stream = default_stream();
  const std::int64_t m = 130, n = 200, k = 384, runs = k / 128, blocks = (n + 127) / 128;
  const Tensor a = example::random_tensor(stream, ElementType::e4m3, {m, k}, 1);
  const Tensor b = example::random_tensor(stream, ElementType::e4m3, {n, k}, 2);
  const Tensor sa = example::random_tensor(stream, ElementType::f32, {m, runs}, 3);
  const Tensor sb = example::random_tensor(stream, ElementType::f32, {blocks, runs}, 4);
  const Tensor bias = example::random_tensor(stream, ElementType::f32, {n}, 5);
  const Tensor d = example::poisoned(stream, ElementType::bf16, {m, n});
  gemm(stream, a, sa, b, sb, bias, d);
  stream.synchronize();

  const std::vector<float> x = a.to_floats(), y = b.to_floats(), p = sa.to_floats(),
                           q = sb.to_floats(), c0 = bias.to_floats();
  std::vector<double> want(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double v = c0[j];
      for (std::int64_t c = 0; c < k; ++c) {
        const double scale =
            static_cast<double>(p[i * runs + c / 128]) * q[j / 128 * runs + c / 128];
        v += scale * x[i * k + c] * y[j * k + c];
      }
      want[i * n + j] = 0.5 * v * (1 + std::erf(v * 0.70710678118654752));
    }
  }
  return example::report("GEMM + bias + GELU", stream, d.to_floats(), want, 2e-2);
}
