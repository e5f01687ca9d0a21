// Lesson 1: a kernel is a C++ expression over tiles.
//
// `M` is a problem size; `BM` a tile axis, whose extent the schedule binds. The body runs once for
// every point of the grid: here for every block of BM elements. Any M works: loads past the end
// give zero, stores past the end are dropped.
#include "common.hpp"

using namespace octile;

constexpr dim<"M"> M;
constexpr axis<"BM"> BM;

int main() {
  auto vector_add = kernel(
      "vector_add", in<f32>("x", M), in<f32>("y", M), out<f32>("z", M), [](auto x, auto y, auto z) {
        return grid(M / BM, [=](auto i) { return store(z(BM[i]), x(BM[i]) + y(BM[i])); });
      });

  const Stream stream = default_stream();
  const std::int64_t m = 1000003;
  const Tensor x = example::random_tensor(stream, ElementType::f32, {m}, 1);
  const Tensor y = example::random_tensor(stream, ElementType::f32, {m}, 2);
  const Tensor z = example::poisoned(stream, ElementType::f32, {m});
  vector_add(stream, x, y, z);
  stream.synchronize();

  const std::vector<float> a = x.to_floats(), b = y.to_floats();
  std::vector<double> want(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) want[i] = a[i] + b[i];
  return example::report("vector add", stream, z.to_floats(), want, 0);
}
