// A schedule: how a tile program is mapped to a machine. Plain values, comparable and printable; it
// never changes what is computed, beyond the order and rounding of float operations documented per
// knob.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace octile {

/// Schedule knobs. 0 or `automatic` lets the back end choose; a back end refuses a knob it can't
/// honour (codegen/cuda/legality.hpp) and never ignores one silently. Knobs of the pipelined fold
/// (stages, accumulators, unroll, order_consumers, stagger_consumers, registers) shape its ring;
/// where a tensor's strides rule the ring out (rows that aren't 16-byte aligned) there is none to
/// shape.
struct Schedule {
  static constexpr int automatic = 0;

  std::map<std::string, std::int64_t> axes;  ///< tile axis name -> extent

  int stages = automatic;      ///< depth of the shared-memory ring of a pipelined fold
  int consumers = automatic;   ///< consumer warpgroups (128 threads each); without a dot: warps / 4
  int warps = automatic;       ///< warps of a kernel without a dot, or of one with mma_sync
  bool ping_pong = false;      ///< two consumers take tiles in turn instead of sharing each
  int order_consumers = -1;    ///< consumers take turns at the tensor core: per block, or with sums
                               ///< in place at the end of a tile; -1 automatic
  int stagger_consumers = -1;  ///< 1: of consumers that waited for the same operands, each goes on
                               ///< the time of a product after the one before it; -1 automatic
  int accumulators = automatic;  ///< sets: 2 issues a block of 64 rows before promoting the last
  int unroll = automatic;        ///< blocks of the pipelined fold per loop iteration
  int cluster = 1;               ///< CTAs per cluster along `cluster_axis`
  std::string cluster_axis;      ///< tile axis whose neighbours share a cluster (operand multicast)
  std::string fastest_axis;      ///< rasterisation: grid axis that varies fastest inside a group
  int group_width = automatic;   ///< rasterisation: blocks of the fastest axis per group
  int persistent = -1;           ///< 1: one CTA per SM loops over tiles; 0: a CTA per tile; -1 auto
  int ctas_per_sm = automatic;   ///< CTAs that share an SM's memory and registers; automatic: 1
  int split_fold = 1;            ///< CTAs of a cluster that share one fold, summed in CTA order
  int fold_teams = 1;           ///< teams of consumers take a fold's trips in turn, summed in order
  bool stream_fold = false;     ///< persistent CTAs share the trips of left-over tiles, in order
  int swap_operands = -1;       ///< 1: the dot's first operand on wgmma's N side; -1 automatic
  int mma_sync = -1;            ///< 1: warps multiply with mma.sync, not wgmma; -1: if need be
  int transpose_panels = -1;    ///< 1: loader warps read panels of scales, 0: TMA; -1 automatic
  bool outer_products = false;  ///< the tensor core makes products of a value per row and one per
                                ///< column, a few units in the last place from the rounded ones
  int tile_pieces = -1;       ///< 1: tiles in pieces that no block of scales ends in; -1 automatic
  int tma_store = -1;         ///< 1: stores through shared memory and TMA; 0: direct; -1 automatic
  int epilogue_overlap = -1;  ///< 1: a TMA store stages a whole tile, which drains under the next
                              ///< fold; 0: the room goes to the ring, parts of the tile take turns
                              ///< or, of persistent=0, it is staged in the ring; -1 automatic
  int stores_apart = -1;      ///< 1: consumers that stage parts in turn wait for their own copies
                              ///< alone; 0: for those of all, which one warp sends off; -1
                              ///< automatic
  int producer_registers = automatic;
  int consumer_registers = automatic;
  bool dependent_launch = false;  ///< programmatic dependent launch

  bool operator==(const Schedule&) const = default;
};

/// One line, "BM=128 BN=160 stages=5": only knobs that differ from their default.
std::string to_string(const Schedule& schedule);

}  // namespace octile
