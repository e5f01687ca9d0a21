// Every program in one place: on the CPU, compiled for sm_90a without a GPU, or on a GPU.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "octile/tests/programs/support.hpp"

namespace octile::test {

// GoogleTest's name for what a test is given.
void PrintTo(const Program& program, std::ostream* out) {
  *out << program.name;
}

namespace {

// OCTILE_TEST_ON=cpu runs the GPU's tests on the CPU back end: a check of the tests.
#if defined(OCTILE_PROGRAMS_ON_GPU)
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
  Trial trial(kWhere);
  GetParam().run(trial);
  for (const std::string& problem : trial.finish()) ADD_FAILURE() << problem;
  EXPECT_GT(trial.runs(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, Programs, testing::ValuesIn(programs()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace octile::test
