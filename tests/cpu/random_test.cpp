// Random programs: the CPU back end equals the interpreter to the bit.
#include <gtest/gtest.h>

#include <cstdlib>

#include "octile/tests/cpu/generator.hpp"

namespace octile::test {
namespace {

/// OCTILE_TEST_SEED=n draws other programs than those of every run.
std::uint32_t first_seed() {
  const char* text = std::getenv("OCTILE_TEST_SEED");
  return text == nullptr ? 0 : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

class RandomPrograms : public testing::TestWithParam<int> {};

TEST_P(RandomPrograms, EqualTheInterpreter) {
  constexpr int kPerTest = 40;
  for (int i = 0; i < kPerTest; ++i) {
    const auto seed = first_seed() + static_cast<std::uint32_t>(GetParam() * kPerTest + i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomProgram program = random_program(seed);
    RunOptions options;
    options.axes = program.axes;
    expect_same(*program.function, program.args, program.dims, options);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPrograms, testing::Range(0, 10));

#ifdef __x86_64__
TEST(RandomPrograms, OtherInstructionSetsComputeTheSame) {
  for (const char* cpu : {"x86-64", "x86-64-v2", "x86-64-v3"}) {
    if (std::string(cpu) == "x86-64-v3" && !__builtin_cpu_supports("avx2")) continue;
    for (std::uint32_t seed = 6000; seed < 6030; ++seed) {
      SCOPED_TRACE(std::string(cpu) + " seed " + std::to_string(first_seed() + seed));
      RandomProgram program = random_program(first_seed() + seed);
      RunOptions options;
      options.axes = program.axes;
      options.cpu = cpu;
      expect_same(*program.function, program.args, program.dims, options);
      if (HasFailure()) return;
    }
  }
}
#endif

TEST(RandomPrograms, CheckedModeComputesTheSame) {
  int checked = 0;
  for (std::uint32_t seed = 5000; seed < 5040; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomProgram program = random_program(seed);
    RunOptions options;
    options.axes = program.axes;
    options.checked = true;
    try {
      expect_same(*program.function, program.args, program.dims, options);
      ++checked;
    } catch (const cpu::CheckError&) {
      // Programs are drawn without regard to bounds; the report is right.
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(checked, 5);
}

}  // namespace
}  // namespace octile::test
