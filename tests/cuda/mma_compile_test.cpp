// The same kernels by mma.sync: compiled for sm_89 and sm_120a, and for sm_90a where a schedule
// asks for it. No spills, FP8 dots are FP8 mma.sync, and nothing that the target lacks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "octile/codegen/cuda/target.hpp"
#include "octile/codegen/ir/walk.hpp"
#include "octile/tests/cuda/mma_kernels.hpp"
#include "octile/tests/cuda/nvrtc_text.hpp"
#include "octile/tests/gemm/parallel.hpp"

namespace octile::test {
namespace {

using testing::HasSubstr;
using testing::Not;

ProblemSizes sizes(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {{"M", m}, {"N", n}, {"K", k}};
}

/// One kernel to compile for a target, and what came of it.
struct Job {
  std::string what;
  std::function<CompiledVariant()> compile;
  CompiledVariant variant = {};
  std::string error = {};
};

template <class Kernel>
void add(std::vector<Job>& jobs, const cuda::Target& target, const Kernel& kernel,
         const ProblemSizes& sizes, Schedule schedule = {}) {
  bool has_dot = false;
  ir::for_each_op(*kernel.ir().body,
                  [&](const ir::Op& op) { has_dot |= op.kind == ir::OpKind::dot; });
  if (target.arch == "sm_90a" && has_dot) schedule.mma_sync = 1;
  const Kernel scheduled = kernel.with(schedule);
  std::string what = target.arch + " " + kernel.name();
  for (const auto& [name, size] : sizes) what += " " + name + "=" + std::to_string(size);
  jobs.push_back({what + " [" + to_string(schedule) + "]",
                  [=] { return scheduled.compile_for(sizes, target); }});
}

void compile_all(std::vector<Job>& jobs) {
  parallel_for(static_cast<std::int64_t>(jobs.size()), 1, [&](std::int64_t i) {
    Job& j = jobs[static_cast<std::size_t>(i)];
    try {
      j.variant = j.compile();
    } catch (const std::exception& error) {
      j.error = error.what();
    }
  });
}

/// `chosen`: the schedules are the compiler's own.
void expect_clean(std::vector<Job> jobs, bool chosen) {
  compile_all(jobs);
  for (const Job& j : jobs) {
    const PtxasReport& report = j.variant.kernel.report;
    SCOPED_TRACE(j.what + " as [" + to_string(j.variant.schedule) + "]");
    EXPECT_EQ(j.error, "");
    if (!j.error.empty()) continue;
    EXPECT_GT(report.registers, 0) << j.variant.kernel.log;
    // Hopper converts FP8 operands on the way, which takes registers that no one has counted.
    if (j.variant.program.arch != "sm_90a" || chosen) {
      EXPECT_EQ(report.spill_store_bytes, 0) << report.registers << " registers";
      EXPECT_EQ(report.spill_load_bytes, 0);
    }
    EXPECT_EQ(j.variant.program.tensor_maps.size(), 0u);
    EXPECT_EQ(j.variant.program.cluster, 1);
  }
}

class MmaCompile : public testing::TestWithParam<const char*> {
 protected:
  const cuda::Target target_ = cuda::target_named(GetParam());
};

TEST_P(MmaCompile, ShippedKernels) {
  std::vector<Job> jobs;
  for (const ProblemSizes& shape :
       {sizes(4096, 4096, 7168), sizes(1, 576, 7168), sizes(64, 2112, 7168), sizes(129, 264, 200),
        sizes(200, 136, 72), sizes(129, 264, 16)}) {
    add(jobs, target_, fp8_gemm(), shape);
    add(jobs, target_, plain_fp8_gemm(), shape);
    add(jobs, target_, gemm_bias_gelu(), shape);
    add(jobs, target_, half_gemm<bf16>("bf16_gemm"), shape);
  }
  add(jobs, target_, half_gemm<f16>("f16_gemm"), sizes(1024, 1024, 1024));
  add(jobs, target_, attention(), {{"M", 1024}, {"N", 1000}});
  add(jobs, target_, attention(), {{"M", 16384}, {"N", 4096}});
  add(jobs, target_, attention(), {{"M", 65}, {"N", 72}}, apply_knobs({}, {BM(64)}));
  add(jobs, target_, vector_add(), {{"M", 1000003}});
  add(jobs, target_, row_softmax(), {{"M", 300}, {"N", 1000}});
  add(jobs, target_, rmsnorm(), {{"M", 4096}, {"N", 7168}});
  add(jobs, target_, quantize(), {{"M", 4096}, {"K", 7168}});
  expect_clean(std::move(jobs), true);
}

TEST_P(MmaCompile, ExplicitSchedules) {
  const auto gemm = fp8_gemm();
  const ProblemSizes shape = sizes(1024, 2112, 7168);
  std::vector<Job> jobs;
  const auto with = [](std::initializer_list<Knob> knobs) { return apply_knobs({}, knobs); };
  for (const Schedule& schedule :
       {with({BM(128), BN(128), stages(3)}), with({BM(64), BN(64), warps(4), stages(1)}),
        with({BM(64), BN(64), warps(8), stages(2)}), with({BM(16), BN(8), warps(1)}),
        with({BM(48), BN(24), warps(2)}), with({BM(96), BN(160), persistent()}),
        with({BM(8), BN(64), swap_operands(), stages(4)}),
        with({BM(100), BN(100), group_width(2), fastest(BN)}),
        with({BM(64), BN(128), unroll(2)})}) {
    add(jobs, target_, gemm, shape, schedule);
  }
  expect_clean(std::move(jobs), false);
}

int count(const std::string& text, const std::string& what) {
  int n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST_P(MmaCompile, HasNothingThatTheTargetLacks) {
  std::vector<Job> jobs;
  add(jobs, target_, fp8_gemm(), sizes(1024, 2112, 7168));
  add(jobs, target_, fp8_gemm(), sizes(129, 264, 200));
  add(jobs, target_, plain_fp8_gemm(), sizes(1024, 2112, 7168));
  add(jobs, target_, gemm_bias_gelu(), sizes(1, 2112, 7168));
  add(jobs, target_, half_gemm<bf16>("bf16_gemm"), sizes(1024, 2112, 7168));
  add(jobs, target_, attention(), {{"M", 1024}, {"N", 1000}});
  add(jobs, target_, quantize(), {{"M", 4096}, {"K", 7168}});
  compile_all(jobs);
  for (const Job& j : jobs) {
    SCOPED_TRACE(j.what);
    ASSERT_EQ(j.error, "");
    const cuda::CudaProgram& program = j.variant.program;
    std::vector<std::string> options = {"--gpu-architecture=compute_" + target_.arch.substr(3),
                                        "-std=c++17"};
    options.insert(options.end(), program.options.begin(), program.options.end());
    const NvrtcResult result = run_nvrtc(program.source, options);
    ASSERT_TRUE(result.ok) << result.log;
    if (program.entry != "quantize_1x128") {
      const bool fp8 = program.source.find("multiply<MmaE4m3E4m3") != std::string::npos;
      const int mmas = count(result.ptx, "mma.sync.aligned");
      EXPECT_GE(mmas, 4);
      EXPECT_EQ(mmas,
                count(result.ptx, fp8 ? "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32"
                                      : "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"));
      EXPECT_THAT(result.ptx, HasSubstr("ldmatrix.sync.aligned.m8n8.x4.shared.b16"));
      EXPECT_THAT(result.ptx, HasSubstr("cp.async"));
    }
    for (const char* word : {"wgmma", "cp.async.bulk", "tensormap", "mbarrier", "setmaxnreg",
                             "cluster", "griddepcontrol", "fence.proxy"}) {
      EXPECT_THAT(result.ptx, Not(HasSubstr(word)));
    }
  }
}

TEST_P(MmaCompile, TheSourceNamesNoTma) {
  Schedule schedule;
  if (target_.arch == "sm_90a") schedule.mma_sync = 1;
  const std::string source = fp8_gemm().with(schedule).emit(sizes(1024, 2112, 7168), target_);
  EXPECT_THAT(source, Not(HasSubstr("tma_")));
  EXPECT_THAT(source, Not(HasSubstr("wgmma")));
}

INSTANTIATE_TEST_SUITE_P(Targets, MmaCompile, testing::Values("sm_89", "sm_90a", "sm_120a"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace octile::test
