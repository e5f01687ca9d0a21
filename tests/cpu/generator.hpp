// Draws random tile programs whose results are the same to the bit on every correct back end: float
// sums and wide dots are only taken of small integers, and functions that back ends round
// differently are left out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "octile/tests/cpu/support.hpp"

namespace octile::test {

struct RandomProgram {
  std::unique_ptr<Function> function;  ///< not prepared
  std::vector<Tensor> args;
  std::vector<std::int64_t> dims;
  std::map<std::string, std::int64_t> axes;
};

/// What programs are drawn for.
struct GeneratorOptions {
  /// Nothing that a GPU may round or define in another way: no rsqrt, no integer division by zero,
  /// and FP8 dots that aren't the tensor core's of integers small enough for exact sums.
  bool gpu = false;
};

/// The same program for the same seed and options.
RandomProgram random_program(std::uint32_t seed, const GeneratorOptions& options = {});

}  // namespace octile::test
