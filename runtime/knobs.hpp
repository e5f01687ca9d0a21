// Schedules as values: one function per knob of `Schedule`, for `kernel.with({BM(128),
// stages(5)})`.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "octile/codegen/schedule.hpp"
#include "octile/dsl/axis.hpp"

namespace octile {

/// One setting of a schedule: a knob below, or an axis' extent (`BM(128)`).
class Knob {
 public:
  using Apply = void (*)(Schedule&, const Knob&);

  Knob(Apply apply, std::int64_t value, std::string name = {})
      : apply_(apply), value_(value), name_(std::move(name)) {}
  Knob(axis_binding binding)  // NOLINT: BM(128) is a knob
      : Knob([](Schedule& s, const Knob& k) { s.axes[k.name_] = k.value_; }, binding.extent,
             std::move(binding.name)) {}

  void apply(Schedule& schedule) const { apply_(schedule, *this); }
  std::int64_t value() const { return value_; }
  int number() const { return static_cast<int>(value_); }
  bool flag() const { return value_ != 0; }
  const std::string& name() const { return name_; }

 private:
  Apply apply_;
  std::int64_t value_;
  std::string name_;
};

/// The schedule that `knobs` make of `base`; later ones win.
inline Schedule apply_knobs(Schedule base, std::initializer_list<Knob> knobs) {
  for (const Knob& knob : knobs) knob.apply(base);
  return base;
}

namespace detail {

/// The name of an axis given as `BM` or as text.
template <class A>
std::string knob_axis(const A& named) {
  if constexpr (axis_like<A>) {
    return std::string(axis_of_t<A>::name);
  } else if constexpr (std::is_convertible_v<const A&, std::string_view>) {
    return std::string(std::string_view(named));
  } else {
    static_assert(axis_like<A>,
                  "octile: this knob names a tile axis: pass the axis, for instance fastest(BM)");
    return {};
  }
}

}  // namespace detail

/// Depth of the shared-memory ring of a pipelined fold.
inline Knob stages(int count) {
  return {[](Schedule& s, const Knob& k) { s.stages = k.number(); }, count};
}
/// Consumer warpgroups of 128 threads.
inline Knob consumers(int count) {
  return {[](Schedule& s, const Knob& k) { s.consumers = k.number(); }, count};
}
/// Warps of a kernel without a dot, or of one that multiplies with mma.sync.
inline Knob warps(int count) {
  return {[](Schedule& s, const Knob& k) { s.warps = k.number(); }, count};
}
/// Two consumers take tiles in turn instead of sharing each: one's epilogue passes under the
/// other's products.
inline Knob ping_pong(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.ping_pong = k.flag(); }, on};
}
/// Consumers take turns at the tensor core, block by block. With sums in place (fast
/// accumulation), each multiplies a tile's last trips by itself, in turn, and its epilogue passes
/// under the others' products.
inline Knob order_consumers(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.order_consumers = k.number(); }, on};
}
/// Of consumers that waited for the same operands, each goes on when the product of the one before
/// it should be done, so that one promotes its sums while the other has the tensor core. Unlike
/// `order_consumers`, no consumer waits for another.
inline Knob stagger_consumers(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.stagger_consumers = k.number(); }, on};
}
/// Accumulator sets: 2 issues a block before the last one is promoted.
inline Knob accumulators(int count) {
  return {[](Schedule& s, const Knob& k) { s.accumulators = k.number(); }, count};
}
/// Blocks of the pipelined fold per loop iteration.
inline Knob unroll(int count) {
  return {[](Schedule& s, const Knob& k) { s.unroll = k.number(); }, count};
}
/// CTAs per cluster; neighbours along `along` share operands by multicast.
template <class A>
Knob cluster(int count, const A& along) {
  return {[](Schedule& s, const Knob& k) {
            s.cluster = k.number();
            s.cluster_axis = k.name();
          },
          count, detail::knob_axis(along)};
}
/// CTAs per cluster without multicast, for split_fold.
inline Knob cluster(int count) {
  return {[](Schedule& s, const Knob& k) { s.cluster = k.number(); }, count};
}
/// The grid axis that varies fastest inside a group of tiles. Where it isn't given, it is that of
/// the grid's first extent; the second's, if more is stored than loaded and tiles lie side by side
/// then, or if all tiles run at the same time and share the larger operand of a dot then.
template <class A>
Knob fastest(const A& along) {
  return {[](Schedule& s, const Knob& k) { s.fastest_axis = k.name(); }, 0,
          detail::knob_axis(along)};
}
/// Blocks of the fastest axis per group of tiles.
inline Knob group_width(int count) {
  return {[](Schedule& s, const Knob& k) { s.group_width = k.number(); }, count};
}
/// One CTA per SM that loops over tiles (true), or a CTA per tile (false). Where it isn't given, a
/// kernel with a pipelined fold has a CTA per tile if all of them run at the same time.
inline Knob persistent(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.persistent = k.number(); }, on};
}
/// CTAs that share an SM: each gets its part of the shared memory and registers, and one computes
/// while another stores.
inline Knob ctas_per_sm(int count) {
  return {[](Schedule& s, const Knob& k) { s.ctas_per_sm = k.number(); }, count};
}
/// CTAs of a cluster that share one fold; their parts are added in CTA order. Each goes on with a
/// slice of the tile where the count divides its blocks of 8 columns or a consumer's of 64 rows;
/// as many as a common divisor do otherwise.
inline Knob split_fold(int count) {
  return {[](Schedule& s, const Knob& k) { s.split_fold = k.number(); }, count};
}
/// Teams of consumers, of a warpgroup each unless `consumers` gives them more, that take the trips
/// of a tile's fold in turn: one promotes its products under the other's. Each has sums of the
/// whole tile, which are added in team order. For tiles that have a CTA each.
inline Knob fold_teams(int count) {
  return {[](Schedule& s, const Knob& k) { s.fold_teams = k.number(); }, count};
}
/// Persistent CTAs share the trips of the tiles that whole waves leave over (stream-K). Where there
/// are as many tiles as CTAs, or more, the sums are in the order of trips, to the bit as without;
/// where there are fewer, parts of a tile's sum are added in the order of trips, so the bits depend
/// on the number of CTAs.
inline Knob stream_fold(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.stream_fold = k.flag(); }, on};
}
/// The dot's first operand on the N side of the tensor core, for few rows.
inline Knob swap_operands(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.swap_operands = k.number(); }, on};
}
/// Tensor-core dots by mma.sync and cp.async, the way of targets without wgmma (true), or by wgmma
/// (false). Their FP8 sums differ in their last bits: see docs/targets.md.
inline Knob mma_sync(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.mma_sync = k.number(); }, on};
}
/// Scales of which a row holds those of several trips: loader warps read rows as vectors and put
/// them into shared memory with rows next to each other (true), or TMA copies them (false). Short
/// rows are fetched in fewer pieces by loader warps, long ones cost less shared-memory time by TMA.
inline Knob transpose_panels(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.transpose_panels = k.number(); }, on};
}
/// Products of a value per row and one per column, by which a fold scales its dots (scales of
/// 1x128 on both sides), come from the tensor core: threads neither read what belongs to columns
/// nor multiply. They are off by 2^-21 of themselves at most (of values of 2^-100 and more)
/// and exact where values have 11 bits; of an infinite value, they are NaN. Where rows of scales
/// aren't at multiples of 16 bytes, threads multiply as without it. See docs/targets.md.
inline Knob outer_products(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.outer_products = k.flag(); }, on};
}
/// Where a tile of columns spans blocks of scales that end somewhere else in each tile: it is put
/// together of pieces of powers of two (136 columns of 128 and 8), each from its own region of the
/// axis, so that no block ends inside of one and all tiles look alike (true), or is contiguous, and
/// scales are chosen column by column (false). See docs/runtime.md.
inline Knob tile_pieces(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.tile_pieces = k.number(); }, on};
}
/// Stores through shared memory and TMA (true), or straight from registers (false).
inline Knob tma_store(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.tma_store = k.number(); }, on};
}
/// A TMA store stages a whole tile and drains under the next tile's fold (true), or leaves more
/// shared memory for stages (false): it stages two parts of the tile in turn or, with
/// persistent(false), uses the stages' memory once the fold is done.
inline Knob epilogue_overlap(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.epilogue_overlap = k.number(); }, on};
}
/// Of TMA stores whose parts take turns (`epilogue_overlap(false)`): each consumer waits for its
/// own copies alone (true). A warp of the producer sends them off or, where these have something
/// else to do, the consumer's own thread, which keeps no part of a CTA's last tile waiting. Or one
/// warp sends off those of all, and they wait for each other (false). The first ends a tile sooner,
/// which shows where CTAs have few; over many, consumers that wait for each other keep CTAs
/// together, and what several of them read at the same time comes from the L2 once.
///
/// Where a warp sends them off, parts behind the first two needn't wait: they are staged in the
/// stage of the tile's last trip, and the ring has it back once they were read. Of consumers that
/// store apart, all have to have room there; of others, as many as do. Not where consumers end a
/// tile in turn (`order_consumers`), nor of up to four parts that one warp adds to what is there.
inline Knob stores_apart(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.stores_apart = k.number(); }, on};
}
/// Registers per thread of the producer warpgroup.
inline Knob producer_registers(int count) {
  return {[](Schedule& s, const Knob& k) { s.producer_registers = k.number(); }, count};
}
/// Registers per thread of a consumer warpgroup.
inline Knob consumer_registers(int count) {
  return {[](Schedule& s, const Knob& k) { s.consumer_registers = k.number(); }, count};
}
/// Programmatic dependent launch: starts while the stream's previous kernel drains.
inline Knob dependent_launch(bool on = true) {
  return {[](Schedule& s, const Knob& k) { s.dependent_launch = k.flag(); }, on};
}

}  // namespace octile
