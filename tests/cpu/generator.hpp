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

/// The same program for the same seed.
RandomProgram random_program(std::uint32_t seed);

}  // namespace octile::test
