// What one launch of tiles on wgmma costs, without measuring: the model by which choose_schedule
// ranks tile shapes.
#pragma once

#include <cstdint>
#include <optional>

#include "octile/codegen/cuda/program.hpp"

namespace octile::cuda {

/// Tiles as the tensor core sees them, and the problem they cover.
struct WgmmaTiles {
  std::int64_t m = 64, n = 8;  ///< of one tile, on the tensor core's sides
  double k_bytes = 128;        ///< of one trip
  double trips = 1;            ///< of the whole fold
  double tiles = 1;
  double bytes = 0;               ///< that the whole launch has to read and write at the least
  double outside = 0;             ///< rows of the last tiles' operands that no tensor has
  int out_bytes = 2;              ///< of an element that is stored
  std::int64_t scale_run = 0;     ///< columns that share a scale of a trip; 0: all do
  bool by_tma = true;             ///< else threads copy the operands, through registers
  bool promoted = false;          ///< sums leave the tensor core after every trip
  bool bulk_store = true;         ///< results can leave by TMA, unless the fold is split
  bool scales_on_n = false;       ///< each column of N has a scale of its own
  bool scales_in_pairs = false;   ///< those of neighbouring columns are neighbours in memory
  bool scales_by_tma = true;      ///< else threads read them, with addresses of their own
  bool epilogue_tiles = false;    ///< whole tiles are loaded or reduced beside the sums
  bool epilogue_columns = false;  ///< a value per column is loaded beside the sums
  int epilogue_instructions = 0;  ///< of one element, from its sum to where it is stored
};

/// Consumer warpgroups of a tile of `m` rows, of one team, unless the schedule says how many.
int wgmma_consumers(std::int64_t m, const Schedule& schedule);

inline constexpr int kMostConsumerRegisters = 240;  // beyond, setmaxnreg leaves producers too few

/// Consumers of a CTA that is left its only tile: with three, no registers are left for its place.
inline constexpr int kMostConsumersOfOneTile = 2;

/// What a ring asks for ahead, of a CTA that has its SM and a tile of one block of rows, unless its
/// operands are shared (settle_schedule.cpp).
inline constexpr int kMostBytesAhead = 144 * 1024;

/// Registers per thread: what all are launched with, and what setmaxnreg makes of it.
struct RegisterShares {
  int launched = 0, producer = 0, consumer = 0;
};

/// Those of a CTA of `consumers` warpgroups and, in a pipelined fold, a producer one, `ctas_per_sm`
/// of them to an SM. Producers need few registers and leave the rest to consumers; `sparing`, they
/// keep the fewest that they can do with.
RegisterShares share_registers(int consumers, bool pipelined, int ctas_per_sm,
                               bool sparing = false);

/// Microseconds; nothing for shapes that the tensor core or the registers don't take, or that
/// split a fold into parts not worth it.
std::optional<double> wgmma_cost(const WgmmaTiles& tiles, const Schedule& schedule,
                                 const Target& target);

}  // namespace octile::cuda
