// What a schedule costs where dots are multiplied by mma.sync; used to choose tile shapes.
#pragma once

#include <cstdint>
#include <optional>

#include "octile/codegen/cuda/program.hpp"

namespace octile::cuda {

/// A dot's tiles as far as their price depends on them.
struct MmaTiles {
  std::int64_t m = 0, n = 0;  ///< extents on either side of the tensor core
  double k_bytes = 0;         ///< of one trip
  double trips = 1, tiles = 1;
  double bytes = 0;  ///< from and to memory in all
  int dots = 1;      ///< of the tensor core in the program
  bool fp8 = false;
  bool promoted = false;  ///< FP8 sums leave the accumulator after every block of K
};

/// Clocks of one launch, comparable with each other only; nothing for shapes that waste more than
/// they compute or whose accumulators don't fit. Not calibrated: derived from the tensor core's
/// rate on Ada.
std::optional<double> mma_cost(const MmaTiles& t, const Schedule& schedule, const Target& target);

}  // namespace octile::cuda
