// Every program in one place: on the CPU, compiled without a GPU, for sm_90a and for targets
// without wgmma, on a GPU, or on the host as emitted for sm_89.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "octile/codegen/cuda/target.hpp"
#include "octile/tests/programs/support.hpp"

namespace octile::test {

// GoogleTest's name for what a test is given.
void PrintTo(const Program& program, std::ostream* out) {
  *out << program.name;
}

namespace {

#if defined(OCTILE_PROGRAMS_EMULATED)
constexpr Where kWhere = Where::emulated;
// OCTILE_TEST_ON=cpu runs the GPU's tests on the CPU back end: a check of the tests.
#elif defined(OCTILE_PROGRAMS_ON_GPU)
const char* const kAsked = std::getenv("OCTILE_TEST_ON");
const Where kWhere =
    kAsked != nullptr && std::string_view(kAsked) == "cpu" ? Where::cpu : Where::gpu;
#elif defined(OCTILE_PROGRAMS_BY_NVRTC)
constexpr Where kWhere = Where::nvrtc;
#else
constexpr Where kWhere = Where::cpu;
#endif

class Programs : public testing::TestWithParam<Program> {};

TEST_P(Programs, AreCorrect) {
  if (kWhere == Where::gpu) {
    if (const std::string problem = gpu_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
  if (kWhere == Where::cpu && !cpu::available()) GTEST_SKIP() << "built without the CPU back end";
#if defined(OCTILE_PROGRAMS_EMULATED)
  Trial trial(kWhere, MmaSync{cuda::target_named("sm_89")});
#else
  Trial trial(kWhere);
#endif
  GetParam().run(trial);
  for (const std::string& problem : trial.finish()) ADD_FAILURE() << problem;
  if (kWhere == Where::emulated && trial.runs() == 0) GTEST_SKIP() << "no dot for the tensor core";
  EXPECT_GT(trial.runs(), 0);
}

#if defined(OCTILE_PROGRAMS_ON_GPU)
TEST_P(Programs, AreCorrectByMmaSync) {
  if (const std::string problem = gpu_problem(); !problem.empty()) GTEST_SKIP() << problem;
  Trial trial(kWhere, MmaSync{});
  GetParam().run(trial);
  for (const std::string& problem : trial.finish()) ADD_FAILURE() << problem;
  if (trial.runs() == 0) GTEST_SKIP() << "no dot for the tensor core";
}
#elif defined(OCTILE_PROGRAMS_BY_NVRTC)
TEST_P(Programs, CompileForMmaSync) {
  for (const char* arch : {"sm_89", "sm_120a"}) {
    SCOPED_TRACE(arch);
    Trial trial(kWhere, MmaSync{cuda::target_named(arch)});
    GetParam().run(trial);
    for (const std::string& problem : trial.finish()) ADD_FAILURE() << problem;
    EXPECT_GT(trial.runs(), 0);
  }
}
#endif

// Named by where they run: ctest tells tests apart, and labels them, by their names.
#define OCTILE_PROGRAMS_IN(place)                                          \
  INSTANTIATE_TEST_SUITE_P(place, Programs, testing::ValuesIn(programs()), \
                           [](const auto& info) { return info.param.name; })
#if defined(OCTILE_PROGRAMS_EMULATED)
OCTILE_PROGRAMS_IN(Emulated);
#elif defined(OCTILE_PROGRAMS_ON_GPU)
OCTILE_PROGRAMS_IN(Gpu);
#elif defined(OCTILE_PROGRAMS_BY_NVRTC)
OCTILE_PROGRAMS_IN(Nvrtc);
#else
OCTILE_PROGRAMS_IN(Cpu);
#endif

}  // namespace
}  // namespace octile::test
