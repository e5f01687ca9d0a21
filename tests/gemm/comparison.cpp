#include "octile/tests/gemm/comparison.hpp"

#include <fmt/format.h>

#include <cmath>

#include "octile/codegen/ir/numerics.hpp"

namespace octile::test {
namespace {

/// Multiplications of one reference: all rows of small products, some of large ones.
constexpr std::int64_t kReferenceBudget = std::int64_t{1} << 28;
constexpr double kRelativeL2 = 1e-3;
/// Rounding to bf16 alone is 1.66e-3 of a normal output.
constexpr double kRelativeL2Bf16 = 2.2e-3;

float element(const Guarded& d, std::int64_t i, std::int64_t j) {
  if (d.view().element == ElementType::f32) return d.row<float>(i)[j];
  return numerics::decode(ElementType::bf16, d.row<std::uint16_t>(i)[j]);
}

}  // namespace

Comparison::Comparison(const Problem& problem) : problem_(problem) {
  for (const std::int64_t i : sample_rows(problem.shape(), kReferenceBudget)) {
    rows_.push_back(i);
    reference_.push_back(problem.reference_row(i));
  }
}

std::string Comparison::mismatch(const Guarded& d) const {
  const bool narrow = d.view().element == ElementType::bf16;
  double error = 0, size = 0;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::int64_t j = 0; j < d.columns(); ++j) {
      const double want = reference_[r].value[static_cast<std::size_t>(j)];
      double bound = reference_[r].bound[static_cast<std::size_t>(j)];
      if (narrow) bound += 0x1p-8 * (std::abs(want) + bound);
      const double difference = std::abs(element(d, rows_[r], j) - want);
      if (!(difference <= bound)) {
        return fmt::format("row {}, column {}: got {}, expected {} within {}", rows_[r], j,
                           element(d, rows_[r], j), want, bound);
      }
      error += difference * difference;
      size += want * want;
    }
  }
  const double relative = std::sqrt(error / size);
  if (relative < (narrow ? kRelativeL2Bf16 : kRelativeL2)) return {};
  return fmt::format("relative L2 {} over {} rows", relative, rows_.size());
}

}  // namespace octile::test
