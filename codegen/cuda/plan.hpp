// The plan: every decision of the lowering, made and checked before a line is printed. It knows
// folds, dots, tiles and axes, and turns a schedule into roles, layouts and shared memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "octile/codegen/cuda/analysis.hpp"
#include "octile/codegen/cuda/layout.hpp"
#include "octile/codegen/cuda/program.hpp"

namespace octile::cuda {

/// How tiles of an axis are put together where blocks of scales would end inside of them. Of T
/// tiles, piece p of tile t is the `size` elements from T * first + t * size on, and lies at
/// `first` in the tile. Sizes are powers of two, the largest first, so that a piece starts at a
/// multiple of its size: it is part of one block, and which elements of a tile share a block is
/// known whatever the tile.
struct TilePieces {
  struct Piece {
    int first = 0, size = 0;
  };
  ir::AxisId axis = -1;  ///< -1: all tiles are contiguous
  int position = 0;      ///< of the grid, that counts the axis's tiles
  std::vector<Piece> pieces;
  bool cover(ir::AxisId of) const { return axis >= 0 && axis == of; }
};

/// A dot operand that TMA brings into a stage of the ring, swizzled, K-major.
struct TmaLoad {
  const ir::Op* load = nullptr;
  /// The rows of one copy: all of them, or a piece.
  struct Box {
    int first = 0, rows = 0;  ///< of the tile's
    int map = 0;              ///< index into CudaProgram::tensor_maps
  };
  std::vector<Box> boxes;      ///< one, or one for each of TilePieces::pieces
  std::vector<int> dim_order;  ///< tensor dimensions, innermost first
  int rows = 0;                ///< padded rows in shared memory
  int chunks = 1;              ///< copies along K, one swizzle width each
  int chunk_elements = 0;
  int swizzle = 128;
  int offset = 0;          ///< bytes from the start of a stage
  int bytes = 0;           ///< that land in one CTA's stage
  bool multicast = false;  ///< same tile for every CTA of the cluster
  /// By which the tile is known: that of its first box.
  int map() const { return boxes[0].map; }
};

/// A small tile (scales) that loader warps read and put into a stage, densely packed.
struct SmallLoad {
  const ir::Op* load = nullptr;
  std::vector<ir::AxisId> axes;
  std::vector<std::int64_t> counts;  ///< stored elements per axis
  std::vector<std::int64_t> runs;    ///< run length per axis
  int count = 1;
  int offset = 0;
};

/// Panels have a ring of their own, which reaches further ahead than the stages' ring.
inline constexpr int kPanelSlots = 2;

/// Warps of the producer: a warpgroup, as setmaxnreg takes.
inline constexpr int kProducerWarps = 4;

/// A copy starts at a multiple of this: 16 bytes, as TMA refuses other places of 4-byte elements.
inline constexpr int kPanelAlignedTrips = 4;
/// Trips that one copy of a panel may bring instead: 64 bytes of each row, swizzled.
inline constexpr int kLongPanelTrips = 16;

/// A small tile of which one dimension is indexed by the fold's trip alone: TMA brings it for
/// several trips at once, and consumers read one column, that of a trip, at a time. Gathering such
/// elements with threads, trip by trip, takes issue slots and shared memory's bandwidth from the
/// tensor core.
struct PanelLoad {
  const ir::Op* load = nullptr;
  int map = 0;  ///< index into CudaProgram::tensor_maps
  /// Tensor dimensions, innermost first: that of the trip, that of the rows if any, the others; or
  /// the rows first where their elements are neighbours in memory.
  std::vector<int> dim_order;
  bool has_rows = false;
  bool rows_adjacent = false;
  /// Rows that lie apart, of some elements each, cost TMA and the L2 as much as rows of 128 bytes.
  /// Loader warps read them as vectors instead, and put them down with rows next to each other.
  bool transposed = false;
  int rows = 1;              ///< distinct rows that the tile touches
  bool in_pieces = false;    ///< these are one of each piece of the tile, copied one by one
  std::int64_t divisor = 1;  ///< element c is row (first + c) / divisor
  int offset = 0;            ///< bytes from the start of a slot

  /// Where many elements share a few rows, these are read once and chosen from.
  bool chooses_rows() const {
    constexpr int kMostChoices = 4;
    return !has_rows || (divisor > 1 && rows <= kMostChoices);
  }
  int row_dim() const { return dim_order[rows_adjacent ? 0 : 1]; }
  /// Rows of `trips` elements from one that was copied to the next: copies go to multiples of 128
  /// bytes.
  int row_step(int trips) const { return in_pieces ? std::max(1, 128 / (4 * trips)) : 1; }
  /// Whether a trip's rows are neighbours in shared memory.
  bool rows_side_by_side() const { return rows_adjacent || transposed; }
};

/// The product of a value per row and one per column of a fold's dots, which the tensor core makes
/// beside these from parts of 11 bits (tf32; device/outer.cuh). A warp of the producer puts those
/// of the columns down for two trips at a time, in a ring of their own.
struct OuterProduct {
  const ir::Op* op = nullptr;
  const ir::Value* rows = nullptr;  ///< in registers
  PanelLoad columns;                ///< not among FoldPlan::panels, as no consumer reads it
  const ir::Op* dot = nullptr;      ///< whose accumulators are laid out like the products
};

/// Bytes of a column's parts for two trips.
inline constexpr int kOuterBytes = 16;

/// A dot operand that all threads copy with cp.async, swizzled, K-major: into a stage of the ring,
/// or to where the dot's operand lies.
struct CopyLoad {
  const ir::Op* load = nullptr;
  ir::AxisId row_axis = -1, k_axis = -1;
  int k_dim = -1;       ///< the tensor's dimension along K, contiguous
  int width = 16;       ///< bytes of one copy
  int rows = 0;         ///< in the tile
  int padded_rows = 0;  ///< in shared memory
  int swizzle = 128, chunks = 1;
  int offset = 0;  ///< bytes from the start of a stage
};

/// Shared memory of one team's reductions across warps.
inline constexpr int kReduceBytes = 4096;

/// Where a tensor-core operand lies in shared memory when the dot runs.
struct Operand {
  const ir::Value* value = nullptr;
  ir::AxisId axis = -1;  ///< the axis that isn't contracted
  int rows = 0;          ///< padded
  int tma = -1;          ///< index into FoldPlan::tma, or
  int scratch = -1;      ///< byte offset in the scratch area that threads fill before the dot
  int copy = -1;         ///< index into Plan::copies
  bool in_ring = false;  ///< that copy goes to the ring
  bool early = false;    ///< filled where the value is defined, outside of the dot's loop
};

struct DotPlan {
  const ir::Op* op = nullptr;
  bool tensor_core = false;
  Operand m, n;
  ir::AxisId k_axis = -1;
  int k_extent = 0;
  int swizzle = 128;
  int chunks = 1;  ///< swizzle widths along K
  MmaShape shape;
  bool chained = true;     ///< one accumulator chain over all chunks; else promoted per chunk
  bool pipelined = false;  ///< both operands come from the ring: issued first, waited for later
};

struct FoldPlan {
  const ir::Op* fold = nullptr;
  std::vector<TmaLoad> tma;
  std::vector<SmallLoad> small;
  std::vector<const ir::Op*> pipelined_dots;
  bool in_place = false;  ///< the only carried value is add(carried, dot): wgmma adds into it
  std::vector<PanelLoad> panels;
  std::optional<OuterProduct> outer;
  bool panels_ahead = false;       ///< consumers read a trip's elements under the trip before it
  int blocks = 1;                  ///< blocks of 64 rows that a trip computes one after the other
  int sets = 1;                    ///< accumulator sets: blocks that are under way at a time
  int unroll = 1;                  ///< trips per iteration of the consumers' loop
  bool starts_by_product = false;  ///< in place: the first product overwrites what wgmma adds into
  bool peeled = false;             ///< the first trip stands before the loop
  /// Trips of an iteration, where each one's column of panels is known from the iteration's; or 0.
  int panel_step = 0;
  bool stage_used_late = false;  ///< something after the dots still reads the stage
  bool splittable = false;       ///< every carried value is a sum from zero: trips can be divided
  std::vector<int> copies;       ///< of Plan::copies, that go through the ring
  std::map<const ir::Op*, std::size_t> in_place_dots;  ///< mma.sync: adds into this carried value

  /// Those that consumers read, and that of the outer product.
  std::vector<PanelLoad*> all_panels();
  std::vector<const PanelLoad*> all_panels() const;
};

/// Sums of a thread; beside more of them, a longer epilogue than `kShortEpilogue` has no registers
/// to spare.
inline constexpr int kManySums = 112;

/// Rows of a part of what is stored through shared memory.
inline constexpr int kPartRows = 64;

/// Bytes of a row's parts, the widest first: 128, and what is left in fewer and fewer.
std::vector<int> part_widths(int row_bytes);

/// The same with wide ones between narrow ones.
template <class Part>
std::vector<Part> alternated(const std::vector<Part>& widest_first) {
  std::vector<Part> parts = widest_first;
  const std::size_t wide = (parts.size() + 1) / 2;
  for (std::size_t i = 0; i < parts.size(); ++i)
    parts[i] = widest_first[i % 2 == 0 ? i / 2 : wide + i / 2];
  return parts;
}

/// Bytes of a row that each of two slots has room for, which the parts of `blocks` blocks of rows
/// take in turn.
std::array<int, 2> slot_widths(const std::vector<int>& widths, int blocks);

/// A store that goes through shared memory and TMA: every warpgroup puts its tile into swizzled
/// parts of 64 rows, and one thread sends them off.
struct TmaStore {
  /// Some bytes of each row: 128, or what is left of the row in fewer and fewer.
  struct Columns {
    int first = 0, width = 128;  ///< bytes
    int map = 0;                 ///< index into CudaProgram::tensor_maps
    int piece = 0, within = 0;   ///< the piece of the tile that has them; their first byte there
    int swizzle() const { return width > 16 ? width : 0; }
  };
  const ir::Op* store = nullptr;
  std::vector<int> dim_order;  ///< tensor dimensions, innermost first
  ir::AxisId row_axis = -1, column_axis = -1;
  int rows = kPartRows;   ///< per warpgroup
  int pitch = kPartRows;  ///< rows from one warpgroup's to the next
  int row_bytes = 0, element_bytes = 2;
  std::vector<Columns> columns;  ///< of a row; 64 rows of each are a part
  /// The load of the very tile that is stored over, where nothing else uses it: TMA brings it to
  /// where the result is staged, under the fold, and each thread adds to its elements there.
  const ir::Op* staged = nullptr;
  /// The same where the result is just its sum with `value`: TMA adds to it, nobody loads it.
  const ir::Op* added = nullptr;
  const ir::Value* value = nullptr;  ///< what is staged: what is stored, or added

  int parts() const { return rows / kPartRows * static_cast<int>(columns.size()); }
  const Columns& columns_of(int part) const {
    return columns[static_cast<std::size_t>(part) % columns.size()];
  }
  int block_of(int part) const { return part / static_cast<int>(columns.size()); }
  /// From the start of the staging area, where it holds all parts.
  int place_of(int part) const {
    return kPartRows * (block_of(part) * row_bytes + columns_of(part).first);
  }
};

/// How the CTAs of a split fold share its sums out, by a register digit: each goes on with a part
/// of the tile. Of one rank, the first CTA has all.
struct Slice {
  int ranks = 1;  ///< CTAs that go on
  ir::AxisId axis = -1;
  std::string digit;  ///< its loop variable
  int digits = 0;     ///< of its values, those of one rank
  int span = 0;       ///< elements of the axis from one rank's part to the next
};

struct Plan {
  Schedule schedule;
  Family family;  ///< inside folds and, without split_fold, everywhere
  Family outer;   ///< behind a split fold: a rank's slice
  Slice slice;
  TilePieces tile_pieces;
  std::vector<DotPlan> dots;
  std::vector<FoldPlan> folds;
  std::vector<TmaStore> stores;
  std::vector<TensorMap> tensor_maps;
  std::vector<CopyLoad> copies;
  bool mma_sync = false;      ///< tensor-core dots by mma.sync: every thread copies and multiplies
  WarpGrid warps;             ///< then
  bool specialized = false;   ///< has a producer warpgroup
  int consumers = 1;          ///< warpgroups that compute one tile
  int teams = 1;              ///< of so many consumers, which take tiles or trips in turn
  int compute_threads = 128;  ///< of one team
  int threads = 128;
  int stages = 0, stage_bytes = 0;
  int panel_trips = 16;                   ///< that one copy of a panel brings
  int panel_bytes = 0, panel_offset = 0;  ///< one slot of the panels' ring; where the ring begins
  int outer_offset = 0, outer_bytes = 0;  ///< an outer product's columns, for two trips
  int scratch_offset = 0, scratch_bytes = 0, reduce_offset = 0, barrier_offset = 0;
  int store_barrier_offset = 0;
  int store_offset = 0, store_bytes = 0;  ///< staging of TMA stores, bytes per warpgroup
  bool stores_in_parts = false;           ///< staging has two slots, which parts take in turn
  int second_slot = 0;                    ///< its first byte
  bool stores_in_ring = false;            ///< staging is where the ring was, of a CTA's only tile
  /// Warps of the producer that send off what is staged, so that consumers go on to the next tile:
  /// none, one, or one for each consumer.
  int store_warps = 0;
  /// Of the parts that would wait for a slot, the first ones are staged in the stage of the tile's
  /// last trip, which the ring has back once they were read; or, of a CTA's last tile, all where
  /// the ring was. `own_turns` of both slots have room there.
  bool lends_stage = false, last_in_ring = false;
  int own_turns = 0;
  /// Where the parts of a split fold's sums come together: apart from the ring, or in it.
  int sums_offset = 0, sums_bytes = 0, sums_barrier_offset = 0;
  bool sums_apart = false;
  int shared_bytes = 0;
  int shared_alignment = 1024;  ///< of the ring, its stages and scratch
  int producer_registers = 0, consumer_registers = 0;
  int cluster_position = -1;  ///< grid position whose neighbours form a cluster
  int fastest_position = 0;
  int group_width = 1;
  bool persistent = false;
  int ctas_per_sm = 1;

  /// Whether consumers take turns at the tensor core, block by block.
  bool orders_blocks() const;
  /// The last trips of a fold with sums in place, which each consumer multiplies by itself, in
  /// turn, so that its epilogue comes under the others' products; 0: all at the same time.
  int trips_in_turn(const FoldPlan& fold) const;
  int consumer_warps() const { return teams * compute_threads / 32; }
  /// Whether teams take the trips of each tile in turn; the first one goes on with the sums.
  bool shares_trips() const { return schedule.fold_teams > 1; }
  int storing_teams() const { return shares_trips() ? 1 : teams; }
  int staging_slots() const { return stores_in_parts ? 2 : 1; }
  /// Pairs of trips whose columns of an outer product are held: as many as `stages` can be of,
  /// with one more that is being written, where two pairs are of a single trip.
  static int outer_slots(int stages) { return (stages + 4) / 2; }
  int outer_slots() const { return outer_slots(stages); }
  /// Stages that fit into `room`, with an outer product's columns of `pair` bytes.
  static int stages_in(int room, int stage, int pair) {
    int stages = std::max(0, room) / stage;
    while (stages > 0 && stages * stage + outer_slots(stages) * pair > room) --stages;
    return stages;
  }
  bool sends_parts() const { return stores_in_parts || stores_in_ring; }  ///< one by one
  /// Byte of a warpgroup's staging area that a part begins at.
  int place_of(const TmaStore& store, int part) const {
    return stores_in_parts ? part % 2 * second_slot : store.place_of(part);
  }
  /// Whether what was staged before is in the other slot: every store begins with the first.
  bool other_slot_precedes(const TmaStore& store, int part) const;
  std::string why_not_staggered() const;  ///< what rules out `stagger_consumers`, or nothing
  std::string why_not_apart() const;      ///< what keeps consumers from `stores_apart`, or nothing
  /// Bytes that a panel's rows are swizzled over, or 0.
  int panel_swizzle(const PanelLoad& panel) const {
    return panel.rows_side_by_side() || panel_trips == kPanelAlignedTrips ? 0 : 4 * panel_trips;
  }
  const DotPlan* find_dot(const ir::Op* op) const;
  const FoldPlan* find_fold(const ir::Op* op) const;
  const TmaStore* find_store(const ir::Op* op) const;
  bool is_staged(const ir::Op* load) const;  ///< or added to: threads don't load it
  bool stages_loads() const;
  int loader_warps() const;  ///< of the producer, that gather small tiles
  int panel_warps() const;   ///< of the producer, that bring panels
  int spare_warps() const;   ///< of the producer, for stores
  /// Whether a part needs no slot, in a CTA's last tile or in all.
  bool has_own_place(int part) const { return part >= 2 && part / 2 <= own_turns; }
  /// Where in the ring or the lent stage the first warpgroup stages the parts of a turn at both
  /// slots, from 1 on; those of turn 0 have the slots.
  int own_place(int turn) const { return (turn - 1) * consumers * store_bytes; }
  bool transposes() const;  ///< some panel
  /// Of a warp that frees a stage, the lanes that speak for themselves: racecheck wants each
  /// reader's word for what lanes of loader warps put there.
  int stage_lanes() const;
  /// Vectors of four registers that each thread has of a slice of a split fold's sum, and of all.
  int slice_vectors(const ir::Value* sum) const;
  int slice_vectors(const FoldPlan& fold) const;
  int sum_registers(const FoldPlan& fold) const;  ///< that a thread has of its results
  int team_sums_bytes() const;                    ///< of what teams that share trips put down
};

/// Throws ir::Error naming the limit, the amount and what would fit.
Plan make_plan(const ir::Function& function, const LowerRequest& request, Analysis& analysis);

/// Values whose elements live in registers, evaluated in the family (dot operands that shared
/// memory holds are not among them).
std::unordered_set<const ir::Value*> family_values(const ir::Function& function, const Plan& plan,
                                                   Analysis& analysis);

}  // namespace octile::cuda
