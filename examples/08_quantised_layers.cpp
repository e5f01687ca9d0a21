// Lesson 8: products that come with the library. A scaling and an epilogue make a kernel; here two
// layers stay in FP8: the first one's epilogue applies GELU and quantises its result with a scale
// per 1x128, which is what the second one takes.
#include "common.hpp"
#include "octile/kernels/gemm.hpp"

using namespace octile;

int main() {
  const auto up = kernels::gemm<e4m3>("up", kernels::scale_1x128_128x128,
                                      kernels::requantise_1x128(kernels::gelu));
  const auto down = kernels::gemm<e4m3>("down", kernels::scale_1x128_128x128, kernels::to<bf16>());

  const Stream stream = default_stream();
  const std::int64_t m = 100, n = 136, hidden = 384, k = 256;
  const auto blocks = [](std::int64_t extent) { return (extent + 127) / 128; };
  const Tensor x = example::random_tensor(stream, ElementType::e4m3, {m, k}, 1);
  const Tensor w1 = example::random_tensor(stream, ElementType::e4m3, {hidden, k}, 2);
  const Tensor w2 = example::random_tensor(stream, ElementType::e4m3, {n, hidden}, 3);
  const Tensor sx = example::random_tensor(stream, ElementType::f32, {m, blocks(k)}, 4);
  const Tensor s1 =
      example::random_tensor(stream, ElementType::f32, {blocks(hidden), blocks(k)}, 5);
  const Tensor s2 =
      example::random_tensor(stream, ElementType::f32, {blocks(n), blocks(hidden)}, 6);
  const Tensor h = example::poisoned(stream, ElementType::e4m3, {m, hidden});
  const Tensor sh = example::poisoned(stream, ElementType::f32, {m, blocks(hidden)});
  const Tensor y = example::poisoned(stream, ElementType::bf16, {m, n});
  up(stream, x, sx, w1, s1, h, sh);  // h, sh = quantised gelu(x * w1^T)
  down(stream, h, sh, w2, s2, y);    // y = h * w2^T
  stream.synchronize();

  // Against what the second layer was given: quantising h is the first layer's business.
  const std::vector<float> a = h.to_floats(), sa = sh.to_floats(), b = w2.to_floats(),
                           sb = s2.to_floats();
  std::vector<double> want(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t c = 0; c < hidden; ++c) {
        const double scale = static_cast<double>(sa[i * blocks(hidden) + c / 128]) *
                             sb[j / 128 * blocks(hidden) + c / 128];
        want[i * n + j] += scale * a[i * hidden + c] * b[j * hidden + c];
      }
    }
  }
  // Sums that cancel keep the error of their largest products (lesson 5).
  return example::report("two FP8 layers", stream, y.to_floats(), want, 5e-2);
}
