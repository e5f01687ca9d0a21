// Lesson 5: dot.
//
// `dot` contracts over the one axis that both tiles have, here the 128 elements of block k: no
// transposes, the layout follows from how a tensor is declared. FP8 products are summed by the
// tensor core in blocks of 128 and promoted to f32; the CPU computes the same bits.
#include "common.hpp"

using namespace octile;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 128_c;

int main() {
  auto gemm = kernel("plain_fp8_gemm", in<e4m3>("a", M, K), in<e4m3>("b", N, K),
                     out<f32>("d", M, N), [](auto a, auto b, auto d) {
                       return grid(M / BM, N / BN, [=](auto i, auto j) {
                         auto acc = sum(
                             K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
                         return store(d(BM[i], BN[j]), acc);
                       });
                     });

  const Stream stream = default_stream();
  const std::int64_t m = 200, n = 136, k = 512;
  const Tensor a = example::random_tensor(stream, ElementType::e4m3, {m, k}, 1);
  const Tensor b = example::random_tensor(stream, ElementType::e4m3, {n, k}, 2);
  const Tensor d = example::poisoned(stream, ElementType::f32, {m, n});
  gemm(stream, a, b, d);
  stream.synchronize();

  const std::vector<float> x = a.to_floats(), y = b.to_floats();
  std::vector<double> want(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t c = 0; c < k; ++c)
        want[i * n + j] += static_cast<double>(x[i * k + c]) * y[j * k + c];
    }
  }
  // The tensor core cuts each product off 13 bits below the largest one of its 32.
  return example::report("FP8 GEMM", stream, d.to_floats(), want, 2e-2);
}
