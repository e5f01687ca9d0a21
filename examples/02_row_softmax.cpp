// Lesson 2: reductions over a named axis, and broadcasting by name.
//
// `BN.at(0)` starts at column 0 and has no block index, so the axis spans the whole row. `max(v,
// BN)` has the axis BM alone; subtracting it from v broadcasts it along BN, because that is the
// axis it lacks. `other` gives what lies beyond the row's end a value that doesn't disturb the
// maximum.
#include "common.hpp"

using namespace octile;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

int main() {
  auto softmax = kernel("row_softmax", in<f32>("x", M, N), out<f32>("y", M, N), [](auto x, auto y) {
    return grid(M / BM, [=](auto i) {
      auto v = x(BM[i], BN.at(0)).other(-1e30f);
      auto e = exp(v - max(v, BN));
      return store(y(BM[i], BN.at(0)), e / sum(e, BN));
    });
  });

  const Stream stream = default_stream();
  const std::int64_t m = 300, n = 1000;
  const Tensor x = example::random_tensor(stream, ElementType::f32, {m, n}, 1);
  const Tensor y = example::poisoned(stream, ElementType::f32, {m, n});
  softmax(stream, x, y);
  stream.synchronize();

  const std::vector<float> v = x.to_floats();
  std::vector<double> want(v.size());
  for (std::int64_t i = 0; i < m; ++i) {
    double total = 0;
    for (std::int64_t j = 0; j < n; ++j) total += std::exp(static_cast<double>(v[i * n + j]));
    for (std::int64_t j = 0; j < n; ++j)
      want[i * n + j] = std::exp(static_cast<double>(v[i * n + j])) / total;
  }
  return example::report("row softmax", stream, y.to_floats(), want, 1e-6);
}
