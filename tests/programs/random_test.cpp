// Random programs (tests/cpu/generator.hpp) through the CUDA back end: they compile for sm_90a, and
// on a GPU give what the interpreter gives, to the bit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/octile.hpp"
#include "octile/tests/cpu/generator.hpp"
#include "octile/tests/gemm/parallel.hpp"

namespace octile::test {
namespace {

/// OCTILE_TEST_SEED=n draws other programs than those of every run.
std::uint32_t first_seed() {
  const char* text = std::getenv("OCTILE_TEST_SEED");
  return text == nullptr ? 0 : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

/// A random program as a kernel under the extents that were drawn for its axes.
struct Drawn {
  explicit Drawn(std::uint32_t seed_in) : seed(seed_in) {
    RandomProgram program = random_program(seed, {.gpu = true});
    function = std::move(program.function);
    args = std::move(program.args);
    dims = std::move(program.dims);
    schedule.axes = std::move(program.axes);
    kernel = std::make_unique<runtime::KernelState>(function);
  }

  /// The arguments with their memory at `place`, from the matching of `memory` where given.
  std::vector<runtime::Argument> arguments(Place place, const std::vector<octile::Tensor>& memory) {
    std::vector<runtime::Argument> list;
    for (std::size_t i = 0; i < args.size(); ++i) {
      void* data = memory.empty() ? args[i].data() : memory[i].data();
      list.emplace_back(
          view(data, args[i].element, Dims(args[i].extents), Dims(args[i].strides), place));
    }
    return list;
  }

  std::uint32_t seed;
  std::shared_ptr<const ir::Function> function;
  std::vector<Tensor> args;
  std::vector<std::int64_t> dims;
  Schedule schedule;
  std::unique_ptr<runtime::KernelState> kernel;
};

#ifndef OCTILE_PROGRAMS_ON_GPU

TEST(RandomPrograms, CompileForHopper) {
  constexpr int kSeeds = 24;
  std::vector<std::string> problems(kSeeds);
  parallel_for(kSeeds, 1, [&](std::int64_t i) {
    std::string& problem = problems[static_cast<std::size_t>(i)];
    std::unique_ptr<Drawn> drawn;
    try {
      drawn = std::make_unique<Drawn>(first_seed() + static_cast<std::uint32_t>(i));
      runtime::Dispatch& dispatch = drawn->kernel->dispatch(drawn->schedule);
      const auto arguments = drawn->arguments(Place::any, {});
      const CompiledVariant variant = drawn->kernel->compile_call(dispatch, arguments, {});
      if (variant.kernel.report.registers == 0) problem = "ptxas reports no registers";
    } catch (const std::exception& error) {
      problem = error.what();
      if (drawn != nullptr) problem += "\n" + ir::to_string(*drawn->function);
    }
  });
  for (std::size_t i = 0; i < problems.size(); ++i) {
    EXPECT_EQ(problems[i], "") << "seed " << first_seed() + i;
  }
}

#else

class RandomPrograms : public testing::TestWithParam<int> {};

TEST_P(RandomPrograms, EqualTheInterpreter) {
  if (const std::string problem = gpu_problem(); !problem.empty()) GTEST_SKIP() << problem;
  Drawn drawn(first_seed() + static_cast<std::uint32_t>(GetParam()));
  SCOPED_TRACE("seed " + std::to_string(drawn.seed));
  const Stream stream = Stream::gpu();
  std::vector<octile::Tensor> memory;
  for (Tensor& arg : drawn.args) {
    const auto size = static_cast<std::int64_t>(arg.bytes.size());
    memory.push_back(octile::Tensor::empty(stream, ElementType::u8, {size}));
    memory.back().copy_from(std::span<const std::byte>(arg.bytes));
  }
  const std::vector<Tensor> before = drawn.args;
  try {
    drawn.kernel->launch(drawn.kernel->dispatch(drawn.schedule), stream,
                         drawn.arguments(Place::device, memory));
    stream.synchronize();
  } catch (const std::exception& error) {
    FAIL() << error.what();
  }
  for (std::size_t i = 0; i < memory.size(); ++i) drawn.args[i].bytes = memory[i].to_bytes();
  const std::unique_ptr<ir::Function> prepared = ir::clone(*drawn.function);
  passes::prepare(*prepared, drawn.schedule.axes);
  expect_interpreted(*prepared, before, drawn.args, drawn.dims);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPrograms, testing::Range(0, 64));

#endif

}  // namespace
}  // namespace octile::test
