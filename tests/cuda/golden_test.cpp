// The emitted CUDA of six small kernels, in golden/, the prelude left out.
// OCTILE_UPDATE_GOLDEN=1 rewrites the files: read the difference before committing it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "octile/codegen/cuda/prelude.hpp"
#include "octile/codegen/cuda/target.hpp"
#include "octile/tests/cuda/kernels.hpp"

namespace octile::test {
namespace {

void expect_golden(const std::string& name, std::string text) {
  const bool portable = text.find(cuda::portable_prelude()) != std::string::npos;
  const std::string& prelude = portable ? cuda::portable_prelude() : cuda::prelude();
  const std::size_t at = text.find(prelude);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, prelude.size(), "// ... the prelude ...\n");
  if (const std::size_t stream = text.find(cuda::stream_prelude()); stream != std::string::npos)
    text.erase(stream, cuda::stream_prelude().size());
  const std::string path = std::string(OCTILE_GOLDEN_DIR) + "/" + name + ".cu";
  if (std::getenv("OCTILE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << "no golden file " << path << "; write it with OCTILE_UPDATE_GOLDEN=1";
  std::ostringstream wanted;
  wanted << file.rdbuf();
  EXPECT_EQ(wanted.str(), text) << "differs from " << path
                                << "; if that is meant, run again with OCTILE_UPDATE_GOLDEN=1";
}

TEST(Golden, VectorAdd) {
  expect_golden("vector_add", vector_add().with({BM(1024), warps(4)}).emit({{"M", 4096}}));
}

TEST(Golden, RowSoftmax) {
  const auto kernel = row_softmax().with({BM(2), BN(512), warps(4)});
  expect_golden("row_softmax", kernel.emit({{"M", 64}, {"N", 512}}));
}

TEST(Golden, Quantize) {
  const auto kernel = quantize().with({BM(8), BN(256), warps(4)});
  expect_golden("quantize_1x128", kernel.emit({{"M", 64}, {"K", 1024}}));
}

TEST(Golden, BlockScaledGemm) {
  const auto kernel = fp8_gemm().with({BM(128), BN(64), stages(4), consumers(2)});
  expect_golden("fp8_gemm", kernel.emit({{"M", 256}, {"N", 512}, {"K", 1024}}));
}

TEST(Golden, BlockScaledGemmThatIsStreamed) {
  const auto kernel = fp8_gemm().with({BM(128), BN(64), stages(4), consumers(2), stream_fold()});
  expect_golden("fp8_gemm_streamed", kernel.emit({{"M", 256}, {"N", 512}, {"K", 1024}}));
}

TEST(Golden, BlockScaledGemmByMmaSync) {
  const auto kernel = fp8_gemm().with({BM(64), BN(48), stages(3), warps(4)});
  expect_golden("fp8_gemm_sm_89",
                kernel.emit({{"M", 256}, {"N", 512}, {"K", 1024}}, cuda::target_named("sm_89")));
}

TEST(Golden, EmissionIsDeterministic) {
  const ProblemSizes sizes = {{"M", 1024}, {"N", 2112}, {"K", 7168}};
  EXPECT_EQ(fp8_gemm().emit(sizes), fp8_gemm().emit(sizes));
  EXPECT_EQ(gemm_bias_gelu().emit(sizes), gemm_bias_gelu().emit(sizes));
}

}  // namespace
}  // namespace octile::test
