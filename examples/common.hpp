// What every example does around its kernel: random input, a float64 check, one line of result.
#pragma once

#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "octile/octile.hpp"

namespace example {

using octile::Dims;
using octile::ElementType;
using octile::Stream;
using octile::Tensor;

inline std::vector<float> random_normals(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

/// A tensor where `stream` runs, filled with random normals rounded to its element type.
inline Tensor random_tensor(const Stream& stream, ElementType element, const Dims& extents,
                            unsigned seed) {
  Tensor t = Tensor::empty(stream, element, extents);
  t.copy_from(random_normals(t.view().element_count(), seed));
  return t;
}

/// An output full of NaN, so that what a kernel fails to write shows.
inline Tensor poisoned(const Stream& stream, ElementType element, const Dims& extents) {
  Tensor t = Tensor::empty(stream, element, extents);
  t.fill_bytes(0xFF);
  return t;
}

/// Prints the largest error, relative to `want` above 1 and absolute below; 0 if within `bound`.
inline int report(const char* name, const Stream& stream, const std::vector<float>& got,
                  const std::vector<double>& want, double bound) {
  double worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double error = std::abs(got[i] - want[i]) / std::max(1.0, std::abs(want[i]));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  const bool ok = got.size() == want.size() && worst <= bound;
  std::printf("%s on the %s: largest error %.2e (bound %.0e): %s\n", name,
              stream.is_gpu() ? "GPU" : "CPU", worst, bound, ok ? "correct" : "WRONG");
  return ok ? 0 : 1;
}

}  // namespace example
