// Stores through shared memory: which ones TMA does, and where their results are staged, whole or
// in parts that take turns.
#include <fmt/format.h>

#include <algorithm>

#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/planner.hpp"

namespace octile::cuda {

using ir::OpKind;

std::vector<int> part_widths(int row_bytes) {
  std::vector<int> widths;
  for (int width = 128; row_bytes > 0; row_bytes -= width) {
    while (width > row_bytes) width /= 2;
    widths.push_back(width);
  }
  return widths;
}

std::array<int, 2> slot_widths(const std::vector<int>& widths, int blocks) {
  std::array<int, 2> slots{};
  for (std::size_t part = 0; part < widths.size() * static_cast<std::size_t>(blocks); ++part)
    slots[part % 2] = std::max(slots[part % 2], widths[part % widths.size()]);
  return slots;
}

bool Plan::other_slot_precedes(const TmaStore& store, int part) const {
  const TmaStore& last = &store == &stores.front() ? stores.back() : *(&store - 1);
  return stores_in_parts && (part > 0 || last.parts() % 2 == 0);
}

std::string Plan::why_not_apart() const {
  if (stores.size() != 1) return fmt::format("there are {}", stores.size());
  if (!persistent) return "each CTA has one tile";
  if (schedule.stream_fold) return "stream_fold=1 shares tiles out";
  if (teams > 1) return fmt::format("{} teams have a tile each", teams);
  if (!stores_in_parts)
    return fmt::format("all of its parts, {}, are staged at the same time", stores[0].parts());
  return {};
}

namespace {

// Lays a row's columns out anew, wide ones between narrow ones.
void alternate_widths(TmaStore& t) {
  if (t.columns.back().piece > 0) return;
  t.columns = alternated(t.columns);
  int first = 0;
  for (TmaStore::Columns& c : t.columns) {
    c.first = c.within = first;
    first += c.width;
  }
}

}  // namespace

void Planner::plan_stores() {
  if (!plan_.specialized || schedule().tma_store == 0) {
    if (schedule().tma_store == 1) refuse("tma_store=1 needs a pipelined fold");
    return;
  }
  ir::for_each_op(*function_.body, [&](const ir::Op& op) {
    if (op.kind != OpKind::store) return;
    auto form = tma_store_form(function_, analysis_, request_, plan_, op);
    if (!form && schedule().tma_store == 1) {
      refuse(
          fmt::format("tma_store=1, but the store to '{}' can't be a TMA copy: it needs a tile "
                      "of two axes, the "
                      "contiguous one on the tensor core's N side, 16-byte strides and no mask",
                      function_.params[static_cast<std::size_t>(op.attr.index)].name));
    }
    if (!form) return;
    int width = 0;
    for (TmaStore::Columns& c : form->columns) {
      if (c.width != width) {
        TensorMap map;
        map.param = op.attr.index;
        map.dim_order = form->dim_order;
        map.swizzle_bytes = c.swizzle();
        map.box.assign(form->dim_order.size(), 1);
        map.box[0] = c.width / form->element_bytes;
        map.box[1] = kPartRows;
        plan_.tensor_maps.push_back(map);
        width = c.width;
      }
      c.map = static_cast<int>(plan_.tensor_maps.size()) - 1;
    }
    plan_.store_bytes = std::max(plan_.store_bytes, form->rows * form->row_bytes);
    plan_.stores.push_back(*form);
  });
  for (TmaStore& t : plan_.stores) plan_stored_over(t);
}

// A sum with what is there is left to TMA; what is computed from it otherwise, to threads.
void Planner::plan_stored_over(TmaStore& t) {
  t.value = t.store->operand(static_cast<int>(t.dim_order.size()));
  // Of a streamed tile, only the last piece is stored; of a split one, each CTA has a slice. Teams
  // all begin the fold, under which it would be brought.
  if (schedule().stream_fold || schedule().split_fold > 1) return;
  const ir::Op* load = load_stored_over(function_, *t.store);
  if (load == nullptr) return;
  const ir::Op* last = t.value->def;
  const bool adds = last->kind == OpKind::add && t.value->type.element == ElementType::f32 &&
                    (last->operand(0) == load->result()) != (last->operand(1) == load->result());
  if (adds) {
    t.added = load;
    t.value = last->operand(last->operand(0) == load->result() ? 1 : 0);
  } else if (plan_.stores.size() == 1 && !plan_.shares_trips()) {
    t.staged = load;
  }
}

// Whether a warp that has nothing else to do can send off tiles, and there is a next tile to go on
// to: it must find their place by itself. Teams have their epilogues under each other's products.
bool Planner::stores_by_warp() {
  if (plan_.stores.empty() || !plan_.persistent || plan_.teams > 1 || schedule().stream_fold ||
      plan_.loader_warps() > 0)
    return false;
  for (const TmaStore& t : plan_.stores) {
    for (std::size_t d = 0; d < t.dim_order.size(); ++d) {
      const std::optional<AffineIndex> place = analysis_.affine(t.store->operand(d));
      for (const AffineIndex::Term& term : place->terms) {
        if (!analysis_.is_pointwise(term.value)) return false;
      }
    }
  }
  return true;
}

// As a store begins anew with the first slot, a warp of all frees slots when all have staged a
// part; consumers apart go on at their own pace.
void Planner::choose_store_warps() {
  const bool by_warp = stores_by_warp(), apart = schedule().stores_apart == 1;
  if (schedule().stores_apart >= 0) {
    const std::string missing = plan_.why_not_apart();
    if (!missing.empty() || (!apart && !by_warp))
      refuse(
          fmt::format("stores_apart={} needs one TMA store in parts that take turns, of CTAs of "
                      "several tiles, but {}; leave it out",
                      schedule().stores_apart,
                      missing.empty() ? "no warp of the producer can send it off" : missing));
  }
  const int each = plan_.consumers <= plan_.spare_warps() ? plan_.consumers : 0;
  plan_.store_warps = !by_warp ? 0 : apart ? each : 1;
  if (plan_.why_not_apart().empty() && stores_follow_fold() && plan_.cluster_position < 0)
    choose_own_places();
}

// Which parts behind the first two needn't wait for a slot. Consumers that end a tile in turn would
// have the first of them wait for those that still read the ring. Beside many sums and a long
// epilogue, the place of the stage would spill. One warp for all has been measured with stages that
// some of the parts have room in, and slower (up to 1.6 %) where TMA adds four parts.
void Planner::choose_own_places() {
  const FoldPlan& fold = plan_.folds[0];
  if (plan_.trips_in_turn(fold) > 0) return;
  const TmaStore& store = plan_.stores[0];
  const int turns = (store.parts() - 1) / 2;  // at both slots, behind the first one
  const auto turns_in = [&](int bytes) {
    return std::min(turns, bytes / (plan_.consumers * plan_.store_bytes));
  };
  const bool apart = schedule().stores_apart == 1;
  const bool has_registers =
      plan_.sum_registers(fold) <= kManySums || epilogue_instructions(function_) <= kShortEpilogue;
  const int lent = turns_in(plan_.stage_bytes);
  const bool gains = apart ? lent == turns : lent > 0 && (store.added == nullptr || turns > 1);
  if (plan_.store_warps > 0 && has_registers && gains) {
    plan_.lends_stage = true;
    plan_.own_turns = lent;
  } else if (apart && turns_in(plan_.stages * plan_.stage_bytes) == turns) {
    plan_.last_in_ring = true;
    plan_.own_turns = turns;
  }
}

// Bytes of shared memory that stores have for themselves.
int Planner::staging_bytes() const {
  return plan_.stores_in_ring ? 0 : plan_.store_bytes * plan_.storing_teams() * plan_.consumers;
}

// Whether nothing of its tile comes into the ring any more once there is something to store.
bool Planner::stores_follow_fold() const {
  if (schedule().split_fold > 1 || plan_.folds.size() != 1) return false;
  if (plan_.stages_loads()) return false;
  const auto& ops = function_.body->ops;
  const auto fold = std::find(ops.begin(), ops.end(), plan_.folds[0].fold);
  return std::all_of(plan_.stores.begin(), plan_.stores.end(), [&](const TmaStore& t) {
    return std::find(fold, ops.end(), t.store) != ops.end();
  });
}

// A whole tile is stored with the least waiting, but a ring of few stages needs its room, and has
// it where a CTA has no other tile.
void Planner::choose_staging() {
  constexpr int kEnoughStages = 5;
  if (schedule().epilogue_overlap != 1 && !plan_.stores.empty() && !plan_.persistent &&
      stores_follow_fold()) {
    plan_.panel_bytes = panel_bytes(kPanelAlignedTrips);
    const int whole = staging_bytes();
    plan_.stores_in_ring = true;
    const int stages =
        schedule().stages > 0 ? schedule().stages : std::min(stages_that_fit(), most_stages());
    plan_.stores_in_ring = stages * plan_.stage_bytes >= whole;
    if (plan_.stores_in_ring) return;
  }
  if (plan_.stores.empty() || plan_.stages_loads() ||
      std::any_of(plan_.stores.begin(), plan_.stores.end(),
                  [](const TmaStore& t) { return t.parts() <= 2; }))
    return;
  plan_.panel_bytes = panel_bytes(kPanelAlignedTrips);
  const int whole = plan_.store_bytes, fit = stages_that_fit();
  const int overlap = schedule().epilogue_overlap;
  if (overlap == 1 ||
      (overlap < 0 && fit >= (schedule().stages > 0 ? schedule().stages : kEnoughStages)))
    return;
  const std::vector<TmaStore> widest_first = plan_.stores;
  lay_out_slots();
  const int fit_in_parts = stages_that_fit();
  for (TmaStore& t : plan_.stores) alternate_widths(t);
  lay_out_slots();
  if (stages_that_fit() == fit_in_parts) {
    plan_.stores = widest_first;
    lay_out_slots();
  }
  plan_.stores_in_parts = overlap == 0 || stages_that_fit() > fit;
  if (plan_.stores_in_parts) return;
  plan_.stores = widest_first;
  plan_.store_bytes = whole;
}

// Room for the widest of the parts that take each slot.
void Planner::lay_out_slots() {
  int first = 0, second = 0;
  for (const TmaStore& t : plan_.stores) {
    std::vector<int> widths;
    for (const TmaStore::Columns& c : t.columns) widths.push_back(c.width);
    const auto slots = slot_widths(widths, t.rows / kPartRows);
    first = std::max(first, kPartRows * slots[0]);
    second = std::max(second, kPartRows * slots[1]);
  }
  plan_.second_slot = first;
  plan_.store_bytes = first + second;
}

}  // namespace octile::cuda
