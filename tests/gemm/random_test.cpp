// The block-scaled product of random data, against float64.
#include <fmt/format.h>

#include <cmath>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/octile.hpp"
#include "octile/tests/gemm/shapes.hpp"
#include "octile/tests/gemm/support.hpp"

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

/// Compares sampled rows of several outputs of one problem with one reference.
class Comparison {
 public:
  explicit Comparison(const Problem& problem) : problem_(problem) {
    for (const std::int64_t i : sample_rows(problem.shape(), kReferenceBudget)) {
      rows_.push_back(i);
      reference_.push_back(problem.reference_row(i));
    }
  }

  /// What is wrong with `d`, or "".
  std::string mismatch(const Guarded& d) const {
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

 private:
  const Problem& problem_;
  std::vector<std::int64_t> rows_;
  std::vector<Problem::Row> reference_;
};

class Random : public GemmTest {};

TEST_F(Random, EveryShapeIsNearFloat64) {
  const std::vector<const Gemm*> gemms = {&block_scaled(ElementType::f32),
                                          &block_scaled(ElementType::bf16)};
  std::vector<Launch> runs;
  for (const Shape& shape : product_shapes()) {
    if (!affordable(shape)) continue;
    for (const Gemm* gemm : gemms) runs.push_back({gemm, {}, shape});
  }
  compile_ahead(runs);
  for (std::size_t r = 0; r < runs.size(); r += gemms.size()) {
    const Problem problem(stream(), runs[r].shape, Fill::normals);
    const Comparison comparison(problem);
    for (std::size_t g = 0; g < gemms.size(); ++g) {
      const Launch& run = runs[r + g];
      SCOPED_TRACE(fmt::format("{} to {}", to_string(run.shape), info(run.gemm->d).name));
      Guarded d = problem.output(stream(), run.gemm->d);
      ASSERT_EQ(launch(stream(), run, problem.operands(d)), "");
      EXPECT_EQ(d.download(), "");
      EXPECT_EQ(comparison.mismatch(d), "");
    }
  }
}

}  // namespace
}  // namespace octile::test
