#include "octile/codegen/cuda/legality.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace octile::cuda {
namespace {

std::string out_of_range(std::string_view knob, int value, std::string_view expected) {
  return fmt::format("{}={} is out of range: expected {}", knob, value, expected);
}

bool is_register_count(int count) {
  return count == Schedule::automatic || (count >= 24 && count <= 256 && count % 8 == 0);
}

}  // namespace

std::string value_problem(const Schedule& s) {
  constexpr std::string_view kCount = "1 or more, or 0 for automatic";
  constexpr std::string_view kRegisters =
      "a multiple of 8 from 24 to 256 (what setmaxnreg takes), or 0 for automatic";
  constexpr std::string_view kSwitch = "0, 1, or -1 for automatic";
  if (s.stages < 0) return out_of_range("stages", s.stages, kCount);
  if (s.consumers < 0) return out_of_range("consumers", s.consumers, kCount);
  if (s.warps < 0) return out_of_range("warps", s.warps, kCount);
  if (s.unroll < 0) return out_of_range("unroll", s.unroll, kCount);
  if (s.group_width < 0) return out_of_range("group_width", s.group_width, kCount);
  if (s.accumulators < 0 || s.accumulators > 2)
    return out_of_range("accumulators", s.accumulators, "1 or 2, or 0 for automatic");
  if (s.accumulators == 2 && s.stages == 1) {
    return "accumulators=2 holds two stages at a time, but stages=1; use stages=2 or more";
  }
  if (s.cluster < 1) return out_of_range("cluster", s.cluster, "1 to 8");
  if (s.ctas_per_sm < 0 || s.ctas_per_sm > 4)
    return out_of_range("ctas_per_sm", s.ctas_per_sm, "1 to 4, or 0 for automatic");
  if (s.split_fold < 1) return out_of_range("split_fold", s.split_fold, "1 to 8");
  if (s.fold_teams < 1 || s.fold_teams > 4)
    return out_of_range("fold_teams", s.fold_teams, "1 to 4");
  if (!is_register_count(s.producer_registers))
    return out_of_range("producer_registers", s.producer_registers, kRegisters);
  if (!is_register_count(s.consumer_registers))
    return out_of_range("consumer_registers", s.consumer_registers, kRegisters);
  for (const auto& [knob, value] : {std::pair{"order_consumers", s.order_consumers},
                                    {"stagger_consumers", s.stagger_consumers},
                                    {"persistent", s.persistent},
                                    {"swap_operands", s.swap_operands},
                                    {"mma_sync", s.mma_sync},
                                    {"transpose_panels", s.transpose_panels},
                                    {"tile_pieces", s.tile_pieces},
                                    {"tma_store", s.tma_store},
                                    {"epilogue_overlap", s.epilogue_overlap},
                                    {"stores_apart", s.stores_apart}}) {
    if (value < -1 || value > 1) return out_of_range(knob, value, kSwitch);
  }
  return {};
}

std::string wgmma_knob(const Schedule& s) {
  const std::pair<std::string, bool> knobs[] = {
      {fmt::format("consumers={} counts warpgroups of wgmma; use warps", s.consumers),
       s.consumers > 0},
      {fmt::format(
           "accumulators={} hides the wait for wgmma, which mma.sync doesn't have; leave it "
           "out",
           s.accumulators),
       s.accumulators > 1},
      {"order_consumers=1 orders warpgroups at wgmma; leave it out", s.order_consumers == 1},
      {"stagger_consumers=1 is for warpgroups of wgmma; leave it out", s.stagger_consumers == 1},
      {fmt::format("cluster={} shares tiles that TMA loads, but mma.sync's are copied by threads; "
                   "leave it out",
                   s.cluster),
       s.cluster > 1},
      {fmt::format(
           "ctas_per_sm={} divides an SM among wgmma's roles; choose warps and tiles instead",
           s.ctas_per_sm),
       s.ctas_per_sm > 1},
      {fmt::format("split_fold={} sums over a cluster, which is lowered for wgmma alone; leave it "
                   "out",
                   s.split_fold),
       s.split_fold > 1},
      {"ping_pong gives tiles to warpgroups in turn; leave it out", s.ping_pong},
      {fmt::format("fold_teams={} gives trips to warpgroups of wgmma in turn; leave it out",
                   s.fold_teams),
       s.fold_teams > 1},
      {"epilogue_overlap is for stores through shared memory and TMA; leave it out",
       s.epilogue_overlap >= 0},
      {"stores_apart is for stores through shared memory and TMA; leave it out",
       s.stores_apart >= 0},
      {"stream_fold=1 shares out trips of wgmma's ring, which mma.sync doesn't have; leave it out",
       s.stream_fold},
      {"tile_pieces=1 is for scales of wgmma's pipelined folds; leave it out", s.tile_pieces == 1},
      {"outer_products=1 is for scales of wgmma's pipelined folds; leave it out", s.outer_products},
      {"tma_store=1 stages warpgroups' tiles; stores of mma.sync's go straight to memory; leave it "
       "out",
       s.tma_store == 1},
      {fmt::format(
           "producer_registers={} is for a producer warpgroup, which mma.sync doesn't have; "
           "leave it out",
           s.producer_registers),
       s.producer_registers > 0},
      {fmt::format("consumer_registers={} is for consumer warpgroups, which mma.sync doesn't have; "
                   "leave it out",
                   s.consumer_registers),
       s.consumer_registers > 0}};
  for (const auto& [why, set] : knobs) {
    if (set) return "with mma.sync, " + why;
  }
  return {};
}

std::string ignored_knob(const Plan& plan) {
  const Schedule& s = plan.schedule;
  const bool any_dot = std::any_of(plan.dots.begin(), plan.dots.end(),
                                   [](const DotPlan& d) { return d.tensor_core; });
  bool in_place = false, two_sets = plan.specialized;
  for (const FoldPlan& f : plan.folds) {
    in_place |= f.in_place;
    two_sets &= !f.in_place && !f.pipelined_dots.empty() && !f.stage_used_late;
  }
  if (s.ping_pong) {
    if (!plan.specialized)
      return "ping_pong is for kernels with a pipelined fold of tensor-core dots; leave it out";
    if (s.persistent == 0) return "ping_pong takes tiles in turn, but persistent=0; leave that out";
    if (s.split_fold > 1) return "ping_pong and split_fold can't be combined: leave one out";
    if (s.order_consumers == 1)
      return "ping_pong and order_consumers can't be combined: leave one out";
    if (plan.scratch_bytes > 0)
      return "ping_pong needs dots whose operands TMA brings; leave it out";
  }
  if (s.fold_teams > 1 && plan.scratch_bytes > 0)
    return "fold_teams needs dots whose operands TMA brings; leave it out";
  if (s.epilogue_overlap == 0 && !plan.stores_in_parts && !plan.stores_in_ring) {
    int most = 0;
    for (const TmaStore& t : plan.stores) most = std::max(most, t.parts());
    return fmt::format(
        "epilogue_overlap=0 needs TMA stores of 3 or more parts of 64 rows by 128 bytes or what is "
        "left of a row, or persistent=0, over tiles that nothing is computed from, but {}; leave "
        "it out",
        most == 0 ? "there is no TMA store" : fmt::format("each store has {} at most", most));
  }
  if (s.epilogue_overlap == 1 && plan.stores.empty())
    return "epilogue_overlap=1 is for TMA stores, of which there are none; leave it out";
  if (any_dot && s.warps > 0 && !plan.mma_sync)
    return fmt::format("warps={} is for kernels without a tensor-core dot; use consumers", s.warps);
  if (!any_dot) {
    if (s.consumers > 0) return "consumers is for tensor-core dots; use warps";
    if (s.swap_operands >= 0) return "swap_operands is for tensor-core dots; leave it out";
    if (s.mma_sync >= 0) return "mma_sync is for tensor-core dots; leave it out";
  }
  // Rows that aren't 16-byte aligned only rule out the ring for these strides: no reason to refuse.
  if (!any_dot) {
    constexpr std::string_view kWhy =
        "is for the pipelined fold of a tensor-core dot, which this program doesn't have; leave it "
        "out";
    const std::pair<std::string_view, bool> knobs[] = {
        {"stages", s.stages > 0},
        {"accumulators", s.accumulators > 0},
        {"unroll", s.unroll > 0},
        {"ctas_per_sm", s.ctas_per_sm > 1},
        {"transpose_panels", s.transpose_panels >= 0},
        {"outer_products", s.outer_products},
        {"order_consumers", s.order_consumers >= 0},
        {"stagger_consumers", s.stagger_consumers >= 0},
        {"consumer_registers", s.consumer_registers > 0},
        {"producer_registers", s.producer_registers > 0}};
    for (const auto& [knob, set] : knobs) {
      if (set) return fmt::format("{} {}", knob, kWhy);
    }
  }
  if (s.order_consumers == 1 && plan.consumers < 2)
    return "order_consumers=1 needs 2 consumers or more, there is 1";
  if (s.order_consumers == 1 && in_place && s.stream_fold)
    return "stream_fold and order_consumers can't be combined where dots are added in place: leave "
           "one out";
  if (s.stagger_consumers == 1) {
    if (s.order_consumers == 1)
      return "order_consumers and stagger_consumers can't be combined: leave one out";
    if (const std::string why = plan.why_not_staggered(); !why.empty())
      return fmt::format(
          "stagger_consumers=1 needs consumers that wait for their products before the next ones, "
          "but {}; leave it out",
          why);
  }
  if (s.accumulators == 2 && plan.specialized && !two_sets) {
    return "accumulators=2 needs dots that come from the ring and are added outside of the tensor "
           "core; leave it out";
  }
  if (s.unroll > 0 && (s.accumulators == 2 || (in_place && s.stream_fold)))
    return fmt::format("unroll={} has no effect on this fold's loop; leave it out", s.unroll);
  if (s.transpose_panels == 1 && !plan.transposes())
    return "transpose_panels=1 needs tiles loaded in the fold whose rows hold the elements of "
           "several trips side by side, at 16-byte addresses, and more of them than are chosen "
           "from; there are none, leave it out";
  if (s.persistent == 1 && s.split_fold > 1)
    return "persistent=1 and split_fold can't be combined: leave one out";
  if (s.cluster > 1) {
    bool shared = false;
    for (const FoldPlan& f : plan.folds) {
      for (const TmaLoad& t : f.tma) shared |= t.multicast;
    }
    if (!shared) {
      return fmt::format(
          "cluster={} shares nothing: no tile that TMA loads is the same for "
          "neighbours along the cluster's axis; leave it out",
          s.cluster);
    }
    if (!s.fastest_axis.empty() && s.fastest_axis != s.cluster_axis) {
      return fmt::format("fastest_axis={} with cluster_axis={}: a cluster's axis is the fastest",
                         s.fastest_axis, s.cluster_axis);
    }
  }
  if (s.cluster == 1 && !s.cluster_axis.empty())
    return fmt::format("cluster_axis={} needs cluster=2 or more", s.cluster_axis);
  return {};
}

}  // namespace octile::cuda
