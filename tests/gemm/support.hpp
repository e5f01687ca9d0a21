// What the tests of the FP8 product share: where they run, and compiling ahead on all cores.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "octile/tests/gemm/problem.hpp"

namespace octile::test {

/// Skips where there is no GPU. With OCTILE_TEST_ON=cpu the tests run on the CPU back end, shapes
/// that it is too slow for left out: a check of the tests themselves.
class GemmTest : public testing::Test {
 protected:
  void SetUp() override;
  static Stream stream();
  static bool on_gpu();
  /// Whether the machine is fast enough for the product.
  static bool affordable(const Shape& shape);
};

/// A product to be launched under a schedule.
struct Launch {
  const Gemm* gemm = nullptr;
  Schedule schedule;
  Shape shape;
};

/// Compiles everything that `runs` launch, on all cores. Refusals show again at the launch.
void compile_ahead(const std::vector<Launch>& runs);

/// Launches `gemm` and waits; returns the exception's words, or "". With OCTILE_TEST_VERBOSE set,
/// says on stderr what is launched, to find the one that hangs.
std::string launch(const Stream& stream, const Launch& run, const Operands& operands);

/// Runs `run` on `problem`; returns what is wrong with the f32 output of `Fill::integers`, or "".
/// `bf16_run`, where it has a gemm, has to give the same, rounded.
std::string check_exact(const Stream& stream, const Problem& problem, const Launch& run,
                        const Launch& bf16_run);

/// The first row in which two outputs of elements of so many bytes differ, or -1.
std::int64_t first_difference(const Guarded& a, const Guarded& b, const Shape& shape, int bytes);

}  // namespace octile::test
