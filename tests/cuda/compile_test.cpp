// Every kernel of examples/ compiles for sm_90a without a GPU: no spills, no wgmma that ptxas
// serialises, and FP8 dots are FP8 wgmma.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "octile/kernels/gemm.hpp"
#include "octile/tests/cuda/kernels.hpp"
#include "octile/tests/cuda/nvrtc_text.hpp"

namespace octile::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// One kernel to compile, and what came of it.
struct Job {
  std::string what;
  std::function<CompiledVariant()> compile;
  CompiledVariant variant = {};
  std::string error = {};
};

template <class Kernel>
Job job(const Kernel& kernel, const ProblemSizes& sizes, std::initializer_list<Knob> knobs = {}) {
  const Kernel scheduled = kernel.with(knobs);
  std::string what = kernel.name();
  for (const auto& [name, size] : sizes) what += " " + name + "=" + std::to_string(size);
  what += " [" + to_string(scheduled.schedule()) + "]";
  return {what, [=] { return scheduled.compile_for(sizes); }};
}

void compile_all(std::vector<Job>& jobs) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      try {
        jobs[i].variant = jobs[i].compile();
      } catch (const std::exception& error) {
        jobs[i].error = error.what();
      }
    }
  };
  std::vector<std::jthread> pool;
  for (unsigned t = 1; t < std::thread::hardware_concurrency(); ++t) pool.emplace_back(work);
  work();
}

/// What ptxas advises; the C++ front end's remarks on unused names are not counted.
std::vector<std::string> ptxas_warnings(const PtxasReport& report) {
  std::vector<std::string> lines = report.warnings;
  std::erase_if(lines, [](const std::string& line) {
    return line.find(": warning #") != std::string::npos || line.rfind("Remark:", 0) == 0;
  });
  return lines;
}

void expect_clean(std::vector<Job> jobs) {
  compile_all(jobs);
  for (const Job& j : jobs) {
    const PtxasReport& report = j.variant.kernel.report;
    SCOPED_TRACE(j.what + " as [" + to_string(j.variant.schedule) + "]");
    EXPECT_EQ(j.error, "");
    if (!j.error.empty()) continue;
    EXPECT_GT(report.registers, 0) << j.variant.kernel.log;
    EXPECT_EQ(report.spill_store_bytes, 0);
    EXPECT_EQ(report.spill_load_bytes, 0);
    EXPECT_FALSE(report.wgmma_serialized) << j.variant.kernel.log;
    EXPECT_THAT(ptxas_warnings(report), IsEmpty());
  }
}

ProblemSizes sizes(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {{"M", m}, {"N", n}, {"K", k}};
}

TEST(Compile, EveryExample) {
  std::vector<Job> jobs = {
      job(vector_add(), {{"M", 1000003}}),
      job(vector_add(), {{"M", 16}}),
      job(row_softmax(), {{"M", 300}, {"N", 1000}}),
      job(row_softmax(), {{"M", 8192}, {"N", 4096}}),
      job(rmsnorm(), {{"M", 257}, {"N", 3000}}),
      job(rmsnorm(), {{"M", 4096}, {"N", 7168}}),
      job(quantize(), {{"M", 300}, {"K", 1536}}),
      job(quantize(), {{"M", 4096}, {"K", 7168}}),
      job(quantize(), {{"M", 7}, {"K", 72}}),
      job(plain_fp8_gemm(), sizes(200, 136, 512)),
      job(plain_fp8_gemm(), sizes(4096, 4096, 4096)),
      job(gemm_bias_gelu(), sizes(130, 200, 384)),
      job(gemm_bias_gelu(), sizes(4096, 7168, 2048)),
      job(gemm_bias_gelu(), sizes(4100, 4104, 2048)),
  };
  // K that TMA can't address, and less than one block of it.
  for (const std::int64_t k : {72, 200, 1000, 16}) {
    jobs.push_back(job(plain_fp8_gemm(), sizes(129, 264, k)));
    jobs.push_back(job(fp8_gemm(), sizes(129, 264, k)));
    jobs.push_back(job(gemm_bias_gelu(), sizes(129, 264, k)));
  }
  expect_clean(std::move(jobs));
}

TEST(Compile, TheDenseTablesSchedules) {
  // The shapes of bench/peers_h200.json.
  constexpr std::int64_t kM[] = {1, 64, 128, 1024, 4096};
  constexpr std::int64_t kNk[][2] = {{2112, 7168},  {576, 7168},  {24576, 1536}, {32768, 512},
                                     {7168, 16384}, {4096, 7168}, {7168, 2048}};
  const auto gemm = fp8_gemm();  // shared, so that equal schedules are compiled once
  std::vector<Job> jobs;
  for (const std::int64_t m : kM) {
    for (const auto& [n, k] : kNk) jobs.push_back(job(gemm, sizes(m, n, k)));
  }
  jobs.push_back(job(gemm, sizes(4096, 4096, 4096)));
  jobs.push_back(job(gemm, sizes(8192, 8192, 8192)));
  jobs.push_back(job(gemm, sizes(6000, 5120, 5120)));
  jobs.push_back(job(gemm_bias_gelu(), sizes(4096, 24576, 1536)));
  jobs.push_back(job(gemm_bias_gelu(), sizes(4096, 2112, 7168)));
  expect_clean(std::move(jobs));
  EXPECT_GT(gemm.statistics().compiles, 5);
}

// What is chosen has registers for an epilogue of many instructions.
TEST(Compile, LongEpilogues) {
  const auto by_erf = [](auto x) { return 0.5f * x * (1.0f + erf(x * 0.70710678f)); };
  std::vector<Job> jobs;
  const auto add = [&](const auto& gemm) {
    for (const ProblemSizes& shape : {sizes(4096, 24576, 1536), sizes(1024, 7168, 16384),
                                      sizes(4096, 32768, 512), sizes(1024, 4096, 7168)})
      jobs.push_back(job(gemm, shape));
  };
  const auto each = [&](const char* scaled, const auto& scaling) {
    using kernels::with_bias;
    const std::string name = scaled;
    add(kernels::gemm<e4m3>((name + "_gelu").c_str(), scaling, with_bias<bf16>(kernels::gelu)));
    add(kernels::gemm<e4m3>((name + "_erf").c_str(), scaling, with_bias<bf16>(by_erf)));
  };
  each("tensor_wise", kernels::per_tensor(fast_accumulate));
  each("block_wise", kernels::scale_1x128_128x128);
  expect_clean(std::move(jobs));
}

TEST(Compile, ExplicitSchedules) {
  const auto gemm = fp8_gemm();
  const ProblemSizes shape = sizes(1024, 2112, 7168), few = sizes(64, 2112, 7168);
  std::vector<Job> jobs = {
      job(gemm, shape, {BM(64), BN(16)}),
      job(gemm, shape, {BM(64), BN(72), stages(3)}),
      job(gemm, shape, {BM(64), BN(128)}),
      job(gemm, shape, {BM(128), BN(56), consumers(1)}),
      job(gemm, shape, {BM(128), BN(128), stages(5)}),
      job(gemm, shape, {BM(128), BN(136)}),
      job(gemm, shape, {BM(128), BN(160), tma_store(false)}),
      job(gemm, shape, {BM(128), BN(192), tma_store(true)}),
      job(gemm, shape, {BM(192), BN(96), consumers(3)}),
      job(gemm, shape, {BM(128), BN(64), accumulators(2)}),
      job(gemm, shape, {BM(128), BN(104), accumulators(2), tma_store(false)}),
      job(gemm, shape, {BM(128), BN(128), order_consumers()}),
      job(gemm, shape, {BM(128), BN(128), cluster(2, BM)}),
      job(gemm, shape, {BM(128), BN(128), cluster(2, BN), persistent(false)}),
      job(gemm, shape, {BM(64), BN(128), cluster(4, BM)}),
      job(gemm, shape, {BM(128), BN(96), stages(2), unroll(2)}),
      job(gemm, shape, {BM(128), BN(112), dependent_launch()}),
      job(gemm, shape, {BM(128), BN(128), transpose_panels()}),
      job(gemm, shape, {BM(256), BN(128), consumers(2), transpose_panels()}),
      job(gemm, shape, {BM(64), BN(128), ctas_per_sm(2), transpose_panels()}),
      job(gemm, shape, {BM(64), BN(40), ctas_per_sm(4), transpose_panels()}),
      job(outer_scaled_gemm(), shape, {BM(128), BN(136), outer_products()}),
      job(outer_scaled_gemm(), shape, {BM(256), BN(88), outer_products()}),
      job(outer_scaled_gemm(), shape, {BM(128), BN(128), outer_products(), stream_fold()}),
      job(outer_scaled_gemm(), few, {BM(16), BN(128), outer_products(), swap_operands()}),
      job(gemm, shape, {BM(128), BN(128), ping_pong()}),
      job(gemm, shape, {BM(64), BN(128), ping_pong(), accumulators(2)}),
      job(gemm, shape, {BM(256), BN(128), consumers(2), epilogue_overlap(false)}),
      job(plain_fp8_gemm(), shape, {BM(128), BN(128), ping_pong()}),
      job(gemm, few, {BM(8), BN(64), swap_operands()}),
      job(gemm, few, {BM(64), BN(128), swap_operands()}),
      job(gemm, few, {BM(16), BN(128), swap_operands(), split_fold(4)}),
      job(gemm, few, {BM(64), BN(64), split_fold(8)}),
      job(gemm, few, {BM(64), BN(72), fold_teams(2)}),
      job(gemm, few, {BM(64), BN(64), fold_teams(4), split_fold(2)}),
      job(gemm, shape, {BM(128), BN(144), fold_teams(2)}),
      job(gemm, shape, {BM(128), BN(64), fold_teams(2), consumers(4)}),
      job(tensor_scaled_gemm(), shape, {BM(128), BN(128), fold_teams(2)}),
      job(gemm, shape, {BM(128), BN(128), stream_fold()}),
      job(gemm, shape, {BM(128), BN(160), stream_fold()}),
      job(gemm, shape, {BM(128), BN(192), stream_fold()}),
      job(gemm, shape, {BM(256), BN(128), consumers(2), stream_fold()}),
      job(gemm, shape, {BM(256), BN(112), consumers(2), stream_fold()}),
      job(gemm, shape, {BM(128), BN(128), accumulators(2), stream_fold()}),
      job(gemm, shape, {BM(128), BN(128), order_consumers(), stream_fold()}),
      job(gemm, shape, {BM(128), BN(96), consumers(1), ctas_per_sm(2), stream_fold()}),
      job(gemm, few, {BM(64), BN(128), swap_operands(), stream_fold()}),
      job(gemm, few, {BM(16), BN(128), swap_operands(), stream_fold()}),
      job(gemm, shape, {stream_fold()}),
      job(tensor_scaled_gemm(), shape, {BM(128), BN(256), unroll(3)}),
      job(tensor_scaled_gemm(), shape, {BM(128), BN(256), stream_fold()}),
      job(tensor_scaled_gemm(), shape, {BM(256), BN(128), consumers(2), stream_fold()}),
      job(tensor_scaled_gemm(), shape, {BM(128), BN(256), order_consumers()}),
      job(tensor_scaled_gemm(), shape, {BM(192), BN(176), order_consumers()}),
      job(tensor_scaled_gemm(), shape, {BM(256), BN(128), consumers(2), order_consumers()}),
      job(gemm_bias_gelu(), shape, {BM(128), BN(128), stream_fold()}),
      job(gemm_bias_gelu(), shape, {BM(128), BN(128)}),
      job(gemm_bias_gelu(), shape, {BM(128), BN(128), tma_store(false), cluster(2, BM)}),
      job(plain_fp8_gemm(), shape, {BM(128), BN(128)}),
      // Rows that TMA can't read: threads copy operands, which takes registers.
      job(gemm, sizes(1000, 3000, 1000)),
      job(tensor_scaled_gemm(), sizes(1000, 3000, 1000)),
      job(gemm_bias_gelu(), sizes(4096, 4096, 1000)),
      job(plain_fp8_gemm(), few, {BM(16), BN(64), swap_operands(), split_fold(8)}),
      job(rmsnorm(), {{"M", 4096}, {"N", 7168}}, {BM(1), BN(1024), warps(4)}),
      job(row_softmax(), {{"M", 4096}, {"N", 2048}}, {BM(2), BN(2048), warps(8)}),
      job(quantize(), {{"M", 4096}, {"K", 7168}}, {BM(16), BN(256), warps(8)}),
  };
  expect_clean(std::move(jobs));
}

/// Lines with `what`, and `types` after it.
int count_lines(const std::string& text, const std::string& what, const std::string& types) {
  int count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    count += line.find(types) != std::string::npos;
  }
  return count;
}

TEST(Compile, Fp8DotsAreFp8Wgmma) {
  const ProblemSizes tma = sizes(1024, 2112, 7168), threads = sizes(129, 264, 200);
  std::vector<Job> jobs = {job(fp8_gemm(), tma),
                           job(fp8_gemm(), threads),
                           job(plain_fp8_gemm(), tma),
                           job(plain_fp8_gemm(), threads),
                           job(gemm_bias_gelu(), tma),
                           job(gemm_bias_gelu(), threads),
                           job(fp8_gemm(), tma, {BM(16), BN(64), swap_operands(), split_fold(8)})};
  compile_all(jobs);
  for (const Job& j : jobs) {
    SCOPED_TRACE(j.what);
    ASSERT_EQ(j.error, "");
    const cuda::CudaProgram& program = j.variant.program;
    std::vector<std::string> options = {"--gpu-architecture=compute_90a", "-std=c++17"};
    options.insert(options.end(), program.options.begin(), program.options.end());
    const NvrtcResult result = run_nvrtc(program.source, options);
    ASSERT_TRUE(result.ok) << result.log;
    const int wgmmas = count_lines(result.ptx, "wgmma.mma_async", "");
    // A block of 128 is 4 instructions of k32.
    EXPECT_GE(count_lines(result.ptx, "wgmma.mma_async", "k32.f32.e4m3.e4m3"), 4);
    EXPECT_EQ(count_lines(result.ptx, "wgmma.mma_async", "k32.f32.e4m3.e4m3"), wgmmas);
    const std::string sass = disassemble(j.variant.kernel.cubin);
    if (!sass.empty()) {
      EXPECT_THAT(sass, HasSubstr("QGMMA"));
    }
  }
}

}  // namespace
}  // namespace octile::test
