// Lesson 4: groups of an axis, two stores, FP8.
//
// `within(BN, 128_c)` reduces over runs of 128 elements; the axis stays, with the result constant
// along each run, so it can divide the tile it came from. Stored through `BN[j] / 128_c`, the index
// of the run, it becomes one scale per 1x128. The cast rounds to nearest even and saturates.
#include "common.hpp"

using namespace octile;

constexpr dim<"M"> M;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

int main() {
  auto quantize = kernel("quantize_1x128", in<bf16>("x", M, K), out<e4m3>("q", M, K),
                         out<f32>("s", M, K / 128_c), [](auto x, auto q, auto s) {
                           return grid(M / BM, K / BN, [=](auto i, auto j) {
                             auto v = cast<f32>(x(BM[i], BN[j]));
                             auto scale = max(max(abs(v), within(BN, 128_c)), 1e-10f) / 448.0f;
                             return stores(store(s(BM[i], BN[j] / 128_c), scale),
                                           store(q(BM[i], BN[j]), cast<e4m3>(v / scale)));
                           });
                         });

  const Stream stream = default_stream();
  const std::int64_t m = 300, k = 1536, runs = k / 128;
  const Tensor x = example::random_tensor(stream, ElementType::bf16, {m, k}, 1);
  const Tensor q = example::poisoned(stream, ElementType::e4m3, {m, k});
  const Tensor s = example::poisoned(stream, ElementType::f32, {m, runs});
  quantize(stream, x, q, s);
  stream.synchronize();

  // The quantised value times its scale is within half a step of the input: 1/16 of its magnitude.
  const std::vector<float> v = x.to_floats(), scale = s.to_floats();
  std::vector<float> restored = q.to_floats();
  for (std::int64_t i = 0; i < m * k; ++i) restored[i] *= scale[i / k * runs + i % k / 128];
  const std::vector<double> want(v.begin(), v.end());
  return example::report("quantize 1x128", stream, restored, want, 1.0 / 16);
}
