// The block-scaled product of random data, against float64.
#include <fmt/format.h>

#include "octile/octile.hpp"
#include "octile/tests/gemm/comparison.hpp"
#include "octile/tests/gemm/shapes.hpp"
#include "octile/tests/gemm/support.hpp"

namespace octile::test {
namespace {

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
