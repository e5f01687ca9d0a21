// What a consumer does first: a kernel, run where this machine can, its result checked.
#include <cstdio>
#include <octile/octile.hpp>
#include <vector>

using namespace octile;

namespace {

constexpr dim<"N"> N;
constexpr axis<"BN"> BN;

const auto scale_and_add = kernel(
    "scale_and_add", in<f32>("x", N), in<f32>("y", N), scalar<f32>("factor"), out<f32>("z", N),
    [](auto x, auto y, auto factor, auto z) {
      return grid(N / BN, [=](auto i) { return store(z(BN[i]), x(BN[i]) * factor + y(BN[i])); });
    });

}  // namespace

int main() {
  const std::int64_t count = 1000;  // no multiple of any tile
  const Stream stream = default_stream();
  std::vector<float> x(count), y(count);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i);
    y[i] = static_cast<float>(i % 7);
  }
  Tensor tx = Tensor::empty(stream, ElementType::f32, {count}), ty = tx.to(stream),
         tz = tx.to(stream);
  tx.copy_from(x);
  ty.copy_from(y);
  tz.fill_bytes(0xFF);
  scale_and_add(stream, tx, ty, 3.0f, tz);
  stream.synchronize();

  const std::vector<float> z = tz.to_floats();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (z[i] != 3 * x[i] + y[i]) {
      std::printf("element %zu: expected %g, got %g\n", i, 3 * x[i] + y[i], z[i]);
      return 1;
    }
  }
  std::printf("%lld elements are right\n", static_cast<long long>(count));
  return 0;
}
