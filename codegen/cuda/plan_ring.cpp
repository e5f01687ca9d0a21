// The part of a plan that a pipelined fold's ring is made of: stages, panels, blocks of rows, and
// the registers and bytes that they take.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "octile/codegen/cuda/choose_wgmma.hpp"
#include "octile/codegen/cuda/legality.hpp"
#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/plan_mma.hpp"
#include "octile/codegen/cuda/planner.hpp"
#include "octile/codegen/cuda/target.hpp"

namespace octile::cuda {

using ir::OpKind;

void Planner::plan_shared_memory() {
  int ring = plan_ring();
  choose_store_warps();
  plan_.scratch_offset = ring;
  int scratch = 0;
  for (DotPlan& d : plan_.dots) {
    if (!d.tensor_core) continue;
    for (Operand* o : {&d.m, &d.n}) {
      if (o->tma >= 0 || o->in_ring) continue;
      o->scratch = scratch;
      scratch += o->rows * d.swizzle * d.chunks;
      scratch = round_up(scratch, plan_.shared_alignment);
    }
  }
  plan_.scratch_bytes = scratch;
  plan_.store_offset = plan_.stores_in_ring ? 0 : ring + scratch;
  plan_.reduce_offset = ring + scratch + staging_bytes();
  // Panels, which aren't smaller, come behind what is read twice: memcheck takes the second half of
  // K to be behind the first.
  plan_.outer_offset = plan_.reduce_offset + reduce_bytes();
  if (plan_.outer_bytes > 0) plan_.outer_offset = round_up(plan_.outer_offset, 8 * kOuterBytes);
  plan_.panel_offset = plan_.outer_offset + plan_.outer_slots() * plan_.outer_bytes;
  if (plan_.panel_bytes > 0) plan_.panel_offset = round_up(plan_.panel_offset, panel_alignment());
  plan_.barrier_offset = plan_.panel_offset + kPanelSlots * plan_.panel_bytes;
  if (plan_.sums_apart) {
    plan_.sums_offset = round_up(plan_.barrier_offset, 16);
    plan_.barrier_offset = plan_.sums_offset + plan_.sums_bytes;
  }
  int barriers = 2 * plan_.stages + (plan_.panel_bytes > 0 ? 2 * kPanelSlots : 0) +
                 (plan_.stages_loads() ? plan_.teams * plan_.consumers : 0);
  plan_.store_barrier_offset = plan_.barrier_offset + 8 * barriers;
  if (plan_.store_warps > 0) barriers += 2 * plan_.staging_slots() * plan_.consumers;
  if (plan_.lends_stage) ++barriers;
  plan_.sums_barrier_offset = plan_.barrier_offset + 8 * barriers;
  if (schedule().split_fold > 1) ++barriers;
  plan_.shared_bytes = plan_.barrier_offset + (plan_.specialized ? 8 * barriers : 0);
  if (plan_.shared_bytes > 0)
    plan_.shared_bytes += plan_.shared_alignment;  // the base may need aligning
  int limit = shared_limit();
  if (plan_.shared_bytes > limit) {
    refuse(fmt::format("{} bytes of shared memory, {} over the limit of {}{}", plan_.shared_bytes,
                       plan_.shared_bytes - limit, limit,
                       plan_.stages > 1
                           ? fmt::format("; {} stages of {} bytes would fit",
                                         std::max(0, (limit - (plan_.shared_bytes - ring)) /
                                                         std::max(1, plan_.stage_bytes)),
                                         plan_.stage_bytes)
                           : std::string{}));
  }
}

bool Planner::uses_reduce() const {
  bool any = false;
  ir::for_each_op(*function_.body, [&](const ir::Op& op) { any |= op.kind == OpKind::reduce; });
  return any;
}

// Cross-warp reductions: one f32 or i32 per warp and register, at most 16 registers at a time.
int Planner::reduce_bytes() const {
  return uses_reduce() ? plan_.teams * kReduceBytes : 0;
}

int Planner::copy_ring() {
  int other = plan_.shared_alignment + reduce_bytes();
  for (const DotPlan& d : plan_.dots) {
    if (!d.tensor_core) continue;
    for (const Operand* o : {&d.m, &d.n}) {
      if (!o->in_ring) other += round_up(o->rows * d.swizzle * d.chunks, plan_.shared_alignment);
    }
  }
  std::string problem = plan_copy_ring(function_, request_, analysis_, other, plan_);
  if (!problem.empty()) refuse(problem);
  return plan_.stages * plan_.stage_bytes;
}

int Planner::plan_ring() {
  if (plan_.mma_sync) return copy_ring();
  if (!plan_.specialized) return 0;
  for (FoldPlan& f : plan_.folds) {
    find_small_loads(function_, analysis_, plan_, f);
    find_pipelined_dots(f);
    plan_panels(f);
    if (plan_.tile_pieces.axis >= 0) check_pieces(f);
    plan_blocks(f);
    choose_unroll(f);
  }
  for (FoldPlan& f : plan_.folds) lay_out_stage(f);
  choose_staging();
  for (const FoldPlan& f : plan_.folds) check_registers(f);
  choose_panel_trips();
  for (FoldPlan& f : plan_.folds) map_panels(f);
  if (schedule().split_fold > 1) place_sums();
  // A stage is one team's own: its phase's parity says nothing to a team a round of the ring ahead.
  const auto whole = [&](int stages) {
    return stages / schedule().fold_teams * schedule().fold_teams;
  };
  if (schedule().stages != whole(schedule().stages)) {
    refuse(fmt::format("stages={} can't be shared evenly by fold_teams={}; use a multiple of it",
                       schedule().stages, schedule().fold_teams));
  }
  const int fit = whole(stages_that_fit());
  plan_.stages = schedule().stages > 0 ? schedule().stages : whole(std::min(fit, most_stages()));
  const int held = most_held_stages();
  const std::string of_each = plan_.shares_trips() ? ", of each team," : "";
  if (schedule().stages > 0 && schedule().stages < held) {
    refuse(
        fmt::format("stages={}, but {} are held at a time, as the next product is issued before "
                    "the last is waited for; use stages={} or more",
                    schedule().stages, held, held));
  }
  if (plan_.stages < held) {
    refuse(fmt::format("{} take {} bytes{}, {} are left",
                       held > schedule().fold_teams ? "two stages" : "one stage",
                       held / schedule().fold_teams * plan_.stage_bytes, of_each, ring_room()));
  }
  if (plan_.stages > fit) {
    refuse(fmt::format("stages={} of {} bytes need {}, {} are left; {} stages would fit",
                       plan_.stages, plan_.stage_bytes, plan_.stages * plan_.stage_bytes,
                       ring_room(), fit));
  }
  const int ring = plan_.stages * plan_.stage_bytes;
  if (plan_.shares_trips()) check_team_sums(ring);
  if (!plan_.sums_apart && plan_.sums_bytes > ring) {
    refuse(
        fmt::format("split_fold needs {} bytes to exchange sums, the ring has {}; use more "
                    "stages, a smaller tile, or a split_fold that divides its blocks of 8 columns",
                    plan_.sums_bytes, ring));
  }
  return ring;
}

// Stages that consumers hold at a time, those of all teams: fewer would never be full again.
int Planner::most_held_stages() const {
  const bool issues_ahead =
      std::any_of(plan_.folds.begin(), plan_.folds.end(),
                  [](const FoldPlan& f) { return f.in_place || f.sets == 2; });
  return schedule().fold_teams * (issues_ahead ? 2 : 1);
}

// Teams put their sums down where the ring was.
void Planner::check_team_sums(int ring) const {
  const int bytes = plan_.team_sums_bytes();
  if (bytes > ring) {
    refuse(
        fmt::format("fold_teams={} need {} bytes to add their sums up, the ring has {}; use more "
                    "stages or a smaller tile",
                    schedule().fold_teams, bytes, ring));
  }
}

// CTAs needn't wait until the others' rings are empty where sums have room of their own.
void Planner::place_sums() {
  constexpr int kEnoughStages = 6;
  plan_.sums_bytes = 16 * plan_.slice_vectors(plan_.folds[0]) * plan_.compute_threads *
                     (schedule().split_fold - 1);
  plan_.sums_apart = true;
  plan_.sums_apart =
      stages_that_fit() >=
      (schedule().stages > 0 ? schedule().stages : std::min(kEnoughStages, most_stages()));
}

// A tile of one block of rows is as fast as its operands come, and all SMs ask for them at once:
// with more under way, those of the first tile came later.
int Planner::most_stages() const {
  const bool alone = plan_.teams * plan_.consumers * plan_.ctas_per_sm == 1;
  return alone ? std::clamp(kMostBytesAhead / plan_.stage_bytes, 2, kMostStages) : kMostStages;
}

// Bytes of shared memory that one CTA may have, of those that share an SM; the driver keeps 1 KiB
// of each.
int Planner::shared_limit() const {
  constexpr int kReserved = 1024;
  int sm = request_.target.shared_bytes_per_block + kReserved;
  return sm / plan_.ctas_per_sm - kReserved;
}

// Bytes of shared memory that are left for stages.
int Planner::ring_room() const {
  int scratch = 0;
  for (const DotPlan& d : plan_.dots) {
    if (!d.tensor_core) continue;
    for (const Operand* o : {&d.m, &d.n}) {
      if (o->tma < 0) scratch += round_up(o->rows * d.swizzle * d.chunks, kStageAlignment);
    }
  }
  constexpr int kBarriers = 640;  // at the most, and what else is rounded up
  int others = reduce_bytes() + staging_bytes();
  if (plan_.panel_bytes > 0) others = round_up(others, kStageAlignment);
  if (plan_.outer_bytes > 0) others += panel_alignment() - kCopyAlignment;
  return shared_limit() - kStageAlignment - kBarriers - scratch - others -
         kPanelSlots * plan_.panel_bytes - (plan_.sums_apart ? plan_.sums_bytes : 0);
}

// Panels have to reach as far ahead as stages: a ring of few stages has the shortest, which bring
// the least that isn't used and need no counting; else long ones, if they cost no stage that
// matters. Threads that read many rows want them at a fixed pitch, one address for all, which
// swizzled rows don't have.
void Planner::choose_panel_trips() {
  constexpr int kFewStages = 6, kManyStages = 12;
  const int wanted =
      schedule().stages > 0 ? schedule().stages : std::min(most_stages(), kManyStages);
  bool many_rows = std::any_of(plan_.folds.begin(), plan_.folds.end(), [](const FoldPlan& f) {
    return !f.panels_ahead && std::any_of(f.panels.begin(), f.panels.end(), [](const PanelLoad& p) {
      return !p.rows_side_by_side();
    });
  });
  const auto stages_with = [&](int trips) {
    plan_.panel_trips = trips;
    plan_.panel_bytes = panel_bytes(trips);
    return std::min(stages_that_fit(), wanted);
  };
  const int most = stages_with(kPanelAlignedTrips);
  if (most <= kFewStages || many_rows) return;
  if (stages_with(kLongPanelTrips) != most) stages_with(kPanelAlignedTrips);
}

int Planner::panel_alignment() const {
  return plan_.panel_trips == kPanelAlignedTrips ? kCopyAlignment : kSwizzledAlignment;
}

// One slot of the panels' ring; lays the panels out in it.
int Planner::panel_bytes(int trips) {
  const bool long_rows = trips != kPanelAlignedTrips;
  int most = 0;
  for (FoldPlan& f : plan_.folds) {
    int offset = 0;
    for (PanelLoad* panel : f.all_panels()) {
      PanelLoad& p = *panel;
      p.offset = offset;
      // Threads whose rows pad the tile read on behind it.
      int padding = 0;
      if (p.has_rows) {
        const AxisLayout& rows = plan_.family.at(p.load->result()->type.axes[0]);
        padding = rows.padded - rows.extent;
      }
      const int rows = (p.rows - 1) * p.row_step(trips) + 1 + padding;
      offset += round_up(4 * trips * rows, long_rows ? kSwizzledAlignment : kCopyAlignment);
    }
    most = std::max(most, offset);
  }
  return most;
}

void Planner::find_pipelined_dots(FoldPlan& f) {
  for (const ir::Op* op : f.fold->regions[0]->ops) {
    const DotPlan* d = op->kind == OpKind::dot ? plan_.find_dot(op) : nullptr;
    if (d == nullptr) continue;
    if (d->pipelined) f.pipelined_dots.push_back(op);
    if (!d->pipelined && (d->m.tma >= 0 || d->n.tma >= 0)) f.stage_used_late = true;
  }
  f.in_place = f.pipelined_dots.size() == 1 && adds_in_place(*f.fold, f.pipelined_dots[0]);
}

void Planner::lay_out_stage(FoldPlan& f) {
  int offset = 0;
  for (TmaLoad& t : f.tma) {
    t.offset = offset;
    offset += round_up(t.rows * t.swizzle * t.chunks, kStageAlignment);
    for (const TmaLoad::Box& box : t.boxes) {
      TensorMap& map = plan_.tensor_maps[static_cast<std::size_t>(box.map)];
      map.param = t.load->attr.index;
      map.dim_order = t.dim_order;
      map.swizzle_bytes = t.swizzle;
      map.l2_promotion_bytes = 256;
      map.shared_along = grid_positions_without(*t.load);
      map.box.assign(t.dim_order.size(), 1);
      map.box[0] = t.chunk_elements;
      map.box[1] = t.multicast ? box.rows / schedule().cluster : box.rows;
    }
  }
  for (SmallLoad& s : f.small) {
    s.offset = offset;
    offset += round_up(4 * s.count, 16);
  }
  plan_.stage_bytes = std::max(plan_.stage_bytes, round_up(offset, kStageAlignment));
}

// The grid positions that the place of a load's tile doesn't depend on.
unsigned Planner::grid_positions_without(const ir::Op& load) {
  unsigned used = 0;
  for (const ir::Value* index : load.operands) used |= analysis_.dependences(index);
  return ~used & ((1u << function_.grid.size()) - 1);
}

void Planner::map_panels(FoldPlan& f) {
  for (PanelLoad* panel : f.all_panels()) {
    PanelLoad& p = *panel;
    if (p.transposed) continue;
    p.map = static_cast<int>(plan_.tensor_maps.size());
    TensorMap map;
    map.param = p.load->attr.index;
    map.dim_order = p.dim_order;
    map.swizzle_bytes = plan_.panel_swizzle(p);
    map.box.assign(p.dim_order.size(), 1);
    map.box[p.rows_adjacent ? 1 : 0] = plan_.panel_trips;
    if (p.has_rows) map.box[p.rows_adjacent ? 0 : 1] = p.in_pieces ? 1 : p.rows;
    plan_.tensor_maps.push_back(map);
  }
}

void Planner::plan_panels(FoldPlan& f) {
  if (f.in_place) return plan_outer_product(f);  // refuses it
  std::erase_if(f.small, [&](const SmallLoad& s) {
    auto form = panel_form(function_, analysis_, request_, plan_.tile_pieces, *f.fold, *s.load);
    if (form) f.panels.push_back(*form);
    return form.has_value();
  });
  plan_outer_product(f);
  constexpr int kMostRegisters = 8;  // that two trips' elements may take twice
  f.panels_ahead = !f.panels.empty() && panel_registers(f) <= kMostRegisters;
}

// What isn't a panel would be read where a contiguous tile is.
void Planner::check_pieces(const FoldPlan& f) const {
  for (const ir::Op* op : f.fold->regions[0]->ops) {
    if (op->kind != OpKind::load || is_only_multiplied(*op) ||
        !op->result()->type.has_axis(plan_.tile_pieces.axis))
      continue;
    const bool is_panel = std::any_of(f.panels.begin(), f.panels.end(),
                                      [&](const PanelLoad& p) { return p.load == op; });
    if (is_panel) continue;
    refuse(fmt::format("'{}' can't be read in pieces along '{}'; use tile_pieces=0",
                       function_.params[static_cast<std::size_t>(op->attr.index)].name,
                       axis_name(plan_.tile_pieces.axis)));
  }
}

// That the panels' elements of one trip take.
int Planner::panel_registers(const FoldPlan& f) {
  int registers = 0;
  for (const PanelLoad& p : f.panels) {
    const ir::Value* v = p.load->result();
    registers +=
        p.chooses_rows() ? p.rows : plan_.family.register_count(v->type.axes, analysis_.runs(v));
  }
  return registers;
}

// The registers that a trip reads from panels and computes from them and from its products.
int Planner::registers_of_a_trip(const FoldPlan& f) {
  int registers = panel_registers(f);
  for (const ir::Op* op : f.fold->regions[0]->ops) {
    if (!ir::info(op->kind).elementwise) continue;
    const auto& axes = op->result()->type.axes;  // a dot's K has no registers
    if (std::all_of(axes.begin(), axes.end(), [&](auto axis) { return plan_.family.has(axis); }))
      registers += register_count(op->result());
  }
  return registers;
}

// Sums needn't be zeroed before the first product, where its trip is known. Steps of trips share
// the bookkeeping of panels, pairs of them where trips are long, sums many or an epilogue long, and
// NVRTC takes its time; behind a long epilogue, and beside outer products, the first trip isn't
// worth a copy of its own. Where there are no panels, large tiles gain from a few trips per
// iteration. More of them only compile longer, as do pieces of a fold; without panels, ptxas spills
// instead. Sums in place gain from two where they are few, and where more than two consumers share
// the tensor core.
void Planner::choose_unroll(FoldPlan& f) {
  constexpr int kLargeSums = 96, kMostSums = 128, kSmallSums = 32, kTrips = 3;
  constexpr int kLongTrip = 280, kLongEpilogue = 1500;
  f.unroll = std::max(1, schedule().unroll);
  if (schedule().stream_fold) return;  // with a first trip that isn't known, ptxas serialises wgmma
  const int sums = plan_.sum_registers(f);
  if (f.in_place && schedule().unroll == 0 && (sums <= kSmallSums || plan_.consumers > 2))
    f.unroll = 2;
  f.starts_by_product = f.in_place && f.splittable;
  if (f.panels.empty()) return;
  const bool has_one_set = f.splittable && f.sets == 1;
  const bool ends_long = sums * epilogue_instructions(function_) > kLongEpilogue;
  f.peeled = has_one_set && !ends_long && !f.outer;
  const bool alternates = f.sets == 2 && f.blocks == 1 && f.panels_ahead;
  // Two halves of a fold can begin where a panel may, without much for one to wait for the other.
  if ((has_one_set || alternates) && schedule().unroll == 0 && schedule().split_fold <= 2 &&
      !plan_.shares_trips())
    f.panel_step = ends_long || sums > kMostSums || registers_of_a_trip(f) > kLongTrip
                       ? 2
                       : kPanelAlignedTrips;
  if (f.panel_step > 0 || schedule().unroll > 0 || plan_.shares_trips()) return;
  if (sums >= kLargeSums) f.unroll = kTrips;
}

// A trip's blocks of 64 rows can be computed one after the other, each with the same few
// accumulators, where all that follows from its dots is element by element.
void Planner::plan_blocks(FoldPlan& f) {
  if (f.in_place || f.pipelined_dots.empty()) return;
  if (f.stage_used_late || !is_row_wise(f)) {
    f.sets = schedule().accumulators == 2 && !f.stage_used_late ? 2 : 1;
    return;
  }
  const DotPlan& d = *plan_.find_dot(f.pipelined_dots[0]);
  f.blocks = d.shape.m_blocks;
  f.sets = std::max(1, schedule().accumulators);
  if (f.sets == 2 && f.blocks > 1 && f.blocks % 2 != 0) {
    refuse(
        fmt::format("accumulators=2 needs 1 block of 64 rows per consumer or an even number, "
                    "there are {}",
                    f.blocks));
  }
}

// Accumulators that no consumer can hold would spill, or make ptxas give up. Where these and their
// scales are more than usual, producers keep only what they can't do without.
void Planner::check_registers(const FoldPlan& f) {
  constexpr int kOther = 12;  // addresses, scales and counters at the least
  constexpr int kManySums = 128;
  for (const ir::Op* op : f.pipelined_dots) {
    // ptxas holds one instruction to the registers that a thread is launched with.
    constexpr int kBeside = 26;
    const int n = plan_.find_dot(op)->shape.n;
    if (n / 2 + kBeside <= launched_registers_) continue;
    refuse(fmt::format(
        "one product of {} columns takes {} registers and {} for the rest, a thread is launched "
        "with {}; use tiles of {} columns or fewer consumers",
        n, n / 2, kBeside, launched_registers_, (launched_registers_ - kBeside) * 2 / 8 * 8));
  }
  const int sums = plan_.sum_registers(f);
  int dots = 0;
  for (const ir::Op* op : f.pipelined_dots)
    dots += f.in_place ? 0 : register_count(op->result()) / f.blocks;
  if (f.outer) dots += register_count(f.outer->op->result()) / f.blocks;
  int need = sums + f.sets * dots + kOther;
  // A team has whole tiles of sums and needs room for its epilogue.
  const bool fills = plan_.teams > 1 && sums > kManySums;
  if (fills || need + panel_registers(f) > plan_.consumer_registers) spare_registers();
  if (need <= plan_.consumer_registers) return;
  refuse(fmt::format(
      "a consumer thread needs {} registers for sums, {} for dots under way and {} for the rest, "
      "{} over its {}; use smaller tiles{}{}",
      sums, f.sets * dots, kOther, need - plan_.consumer_registers, plan_.consumer_registers,
      f.sets > 1 ? ", accumulators=1" : "", plan_.ctas_per_sm > 1 ? ", fewer ctas_per_sm" : ""));
}

void Planner::spare_registers() {
  if (schedule().producer_registers > 0 || schedule().consumer_registers > 0) return;
  const RegisterShares shares =
      share_registers(plan_.teams * plan_.consumers, true, plan_.ctas_per_sm, true);
  plan_.producer_registers = shares.producer;
  plan_.consumer_registers = shares.consumer;
}

bool Planner::is_row_wise(const FoldPlan& f) const {
  const DotPlan& first = *plan_.find_dot(f.pipelined_dots[0]);
  std::set<const ir::Value*> late;
  for (const ir::Op* op : f.pipelined_dots) {
    const DotPlan& d = *plan_.find_dot(op);
    if (d.m.axis != first.m.axis || d.shape.m_blocks != first.shape.m_blocks) return false;
    late.insert(op->result());
  }
  const ir::Region& body = *f.fold->regions[0];
  for (const ir::Op* op : body.ops) {
    bool uses = std::any_of(op->operands.begin(), op->operands.end(),
                            [&](const ir::Value* v) { return late.count(v) != 0; });
    if (!uses || op->kind == OpKind::yield) continue;
    if (!ir::info(op->kind).elementwise || op->results.size() != 1) return false;
    if (!op->result()->type.has_axis(first.m.axis)) return false;
    late.insert(op->result());
  }
  const auto& yielded = body.ops.back()->operands;
  return std::all_of(yielded.begin(), yielded.end(), [&](const ir::Value* v) {
    return v->type.has_axis(first.m.axis) && late.count(v) != 0;
  });
}

}  // namespace octile::cuda
