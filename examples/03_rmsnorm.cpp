// Lesson 3: a fold, scalars and narrow types.
//
// A row too long for one tile is walked in blocks: `sum(extent, f)` adds f(0), f(1), ... The second
// loop is a fold too: it carries nothing useful, its stores are the point. Arithmetic is defined on
// f32, so bf16 is cast on the way in and out. `eps` is a scalar parameter.
#include "common.hpp"

using namespace octile;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

int main() {
  auto rmsnorm = kernel("rmsnorm", in<bf16>("x", M, N), in<bf16>("w", N), scalar<f32>("eps"),
                        out<bf16>("y", M, N), [](auto x, auto w, auto eps, auto y) {
                          return grid(M / BM, [=](auto i) {
                            auto squares = sum(N / BN, [=](auto j) {
                              auto v = cast<f32>(x(BM[i], BN[j]));
                              return sum(v * v, BN);
                            });
                            auto scale = rsqrt(squares / cast<f32>(N) + eps);
                            fold(N / BN, 0, [=](auto j, auto carried) {
                              auto v = cast<f32>(x(BM[i], BN[j])) * scale * cast<f32>(w(BN[j]));
                              store(y(BM[i], BN[j]), cast<bf16>(v));
                              return carried;
                            });
                            return stored{};
                          });
                        });

  const Stream stream = default_stream();
  const std::int64_t m = 257, n = 3000;
  const float eps = 1e-6f;
  const Tensor x = example::random_tensor(stream, ElementType::bf16, {m, n}, 1);
  const Tensor w = example::random_tensor(stream, ElementType::bf16, {n}, 2);
  const Tensor y = example::poisoned(stream, ElementType::bf16, {m, n});
  rmsnorm(stream, x, w, eps, y);
  stream.synchronize();

  const std::vector<float> v = x.to_floats(), u = w.to_floats();
  std::vector<double> want(v.size());
  for (std::int64_t i = 0; i < m; ++i) {
    double squares = 0;
    for (std::int64_t j = 0; j < n; ++j)
      squares += static_cast<double>(v[i * n + j]) * v[i * n + j];
    const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + eps);
    for (std::int64_t j = 0; j < n; ++j) want[i * n + j] = v[i * n + j] * scale * u[j];
  }
  return example::report("RMSNorm", stream, y.to_floats(), want, 0x1p-8);
}
