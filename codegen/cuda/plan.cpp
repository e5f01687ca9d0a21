#include "octile/codegen/cuda/plan.hpp"

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

const DotPlan* Plan::find_dot(const ir::Op* op) const {
  for (const DotPlan& d : dots) {
    if (d.op == op) return &d;
  }
  return nullptr;
}

const FoldPlan* Plan::find_fold(const ir::Op* op) const {
  for (const FoldPlan& f : folds) {
    if (f.fold == op) return &f;
  }
  return nullptr;
}

const TmaStore* Plan::find_store(const ir::Op* op) const {
  for (const TmaStore& s : stores) {
    if (s.store == op) return &s;
  }
  return nullptr;
}

bool Plan::is_staged(const ir::Op* load) const {
  return std::any_of(stores.begin(), stores.end(),
                     [&](const TmaStore& s) { return s.staged == load || s.added == load; });
}

int Plan::stage_lanes() const {
  return loader_warps() > 0 && cluster_position < 0 ? 32 : 1;
}

// The producer warpgroup's first warp copies operands, the second panels, the others small tiles;
// where there are none, the third may make columns of outer products, and the last ones store.
int Plan::loader_warps() const {
  const bool any =
      std::any_of(folds.begin(), folds.end(), [](const FoldPlan& f) { return !f.small.empty(); });
  return !any ? 0 : panel_bytes > 0 ? 2 : 3;
}

int Plan::panel_warps() const {
  if (panel_bytes == 0) return 0;
  return transposes() && loader_warps() == 0 && outer_bytes == 0 ? 2 : 1;
}

int Plan::spare_warps() const {
  return kProducerWarps - 1 - panel_warps() - loader_warps() - (outer_bytes > 0 ? 1 : 0);
}

std::string Plan::why_not_staggered() const {
  if (consumers < 2) return "a tile has 1";
  std::string why = "none has products of what TMA brings";
  for (const FoldPlan& f : folds) {
    if (f.pipelined_dots.empty()) continue;
    if (!f.in_place && f.sets == 1) return {};
    why = f.in_place ? "fast accumulation never waits for a promotion"
                     : "accumulators=2 issues them ahead";
  }
  return why;
}

bool Plan::orders_blocks() const {
  return schedule.order_consumers == 1 && consumers > 1 &&
         std::any_of(folds.begin(), folds.end(), [](const FoldPlan& f) { return !f.in_place; });
}

// One stage at least is left for the next tile's first trip. Where the first trip isn't known,
// ptxas serialises wgmma.
int Plan::trips_in_turn(const FoldPlan& fold) const {
  constexpr int kTrips = 3;
  if (schedule.order_consumers != 1 || schedule.stream_fold || !fold.in_place) return 0;
  return std::min(kTrips, stages - 1);
}

bool Plan::stages_loads() const {
  return std::any_of(stores.begin(), stores.end(),
                     [](const TmaStore& s) { return s.staged != nullptr; });
}

namespace {

template <class Panel, class Fold>
std::vector<Panel*> panels_of(Fold& f) {
  std::vector<Panel*> all;
  for (Panel& p : f.panels) all.push_back(&p);
  if (f.outer) all.push_back(&f.outer->columns);
  return all;
}

}  // namespace

std::vector<PanelLoad*> FoldPlan::all_panels() {
  return panels_of<PanelLoad>(*this);
}

std::vector<const PanelLoad*> FoldPlan::all_panels() const {
  return panels_of<const PanelLoad>(*this);
}

bool Plan::transposes() const {
  return std::any_of(folds.begin(), folds.end(), [](const FoldPlan& f) {
    const auto panels = f.all_panels();
    return std::any_of(panels.begin(), panels.end(),
                       [](const PanelLoad* p) { return p->transposed; });
  });
}

int Plan::slice_vectors(const ir::Value* sum) const {
  return (outer.register_count(sum->type.axes, {}) + 3) / 4;
}

int Plan::slice_vectors(const FoldPlan& fold) const {
  int vectors = 0;
  for (const ir::Value* sum : fold.fold->results) vectors += slice_vectors(sum);
  return vectors;
}

int Plan::sum_registers(const FoldPlan& fold) const {
  int count = 0;
  for (const ir::Value* sum : fold.fold->results)
    count += family.register_count(sum->type.axes, {});
  return count;
}

int Plan::team_sums_bytes() const {
  return 4 * sum_registers(folds[0]) * compute_threads * (schedule.fold_teams - 1);
}

Plan Planner::run() {
  if (std::string problem = value_problem(schedule()); !problem.empty()) refuse(problem);
  if (std::string problem = target_problem(schedule(), request_.target); !problem.empty())
    refuse(problem);
  ir::for_each_op(*function_.body, [&](const ir::Op& op) {
    if (op.kind == OpKind::dot) plan_dot(op);
  });
  choose_instruction();
  plan_folds();
  plan_threads();
  build_family();
  check_groups();
  plan_grid();
  plan_pieces();
  plan_stores();
  plan_shared_memory();
  if (function_.grid.size() < 2 && schedule().group_width > 0) {
    refuse("group_width needs a grid of two extents or more; leave it out");
  }
  if (std::string ignored = ignored_knob(plan_); !ignored.empty()) refuse(ignored);
  return std::move(plan_);
}

void Planner::refuse(const std::string& why) const {
  throw ir::Error(fmt::format("kernel '{}': schedule [{}] is not legal: {}", function_.name,
                              to_string(request_.schedule), why));
}

void Planner::choose_instruction() {
  plan_.mma_sync = uses_mma_sync(schedule(), request_.target) &&
                   std::any_of(plan_.dots.begin(), plan_.dots.end(),
                               [](const DotPlan& d) { return d.tensor_core; });
  if (!plan_.mma_sync) return;
  plan_.shared_alignment = 128;
  if (std::string problem = wgmma_knob(schedule()); !problem.empty()) refuse(problem);
}

void Planner::plan_dot(const ir::Op& op) {
  DotPlan d;
  d.op = &op;
  d.k_axis = op.attr.axis;
  d.k_extent = extent(d.k_axis);
  const ir::Value *a = op.operand(0), *b = op.operand(1);
  d.tensor_core = tensor_core_types(a->type.element, b->type.element) && a->type.axes.size() == 2 &&
                  b->type.axes.size() == 2;
  if (d.tensor_core) assign_sides(d, a, b);
  plan_.dots.push_back(d);
}

// The M side of wgmma takes multiples of 64 rows, that of mma.sync of 16, the N side multiples of
// 8 columns.
void Planner::assign_sides(DotPlan& d, const ir::Value* a, const ir::Value* b) {
  ir::AxisId x = other_axis(a, d.k_axis), y = other_axis(b, d.k_axis);
  bool swap = schedule().swap_operands == 1;
  const int rows = uses_mma_sync(schedule(), request_.target) ? 16 : 64;
  if (schedule().swap_operands < 0) swap = extent(x) % rows != 0 && extent(y) % rows == 0;
  if (m_axes_.count(x) || n_axes_.count(y)) swap = false;
  if (m_axes_.count(y) || n_axes_.count(x)) swap = true;
  d.m.value = swap ? b : a;
  d.m.axis = swap ? y : x;
  d.n.value = swap ? a : b;
  d.n.axis = swap ? x : y;
  if (n_axes_.count(d.m.axis) || m_axes_.count(d.n.axis)) {
    refuse(fmt::format("dots need axis '{}' on both sides of the tensor core",
                       axis_name(n_axes_.count(d.m.axis) ? d.m.axis : d.n.axis)));
  }
  m_axes_.insert(d.m.axis);
  n_axes_.insert(d.n.axis);
}

void Planner::plan_folds() {
  if (plan_.mma_sync) return find_copies(function_, request_, analysis_, plan_);
  for (const ir::Op* op : function_.body->ops) {
    if (op->kind != OpKind::fold) continue;
    FoldPlan f;
    f.fold = op;
    f.splittable = is_sum_from_zero(*op);
    for (DotPlan& d : plan_.dots) {
      if (d.op->parent != op->regions[0] || !d.tensor_core) continue;
      d.m.tma = add_tma(f, d, d.m);
      d.n.tma = add_tma(f, d, d.n);
    }
    if (!f.tma.empty()) plan_.folds.push_back(f);
  }
  plan_.specialized = !plan_.folds.empty();
}

int Planner::add_tma(FoldPlan& f, const DotPlan& d, const Operand& operand) {
  const ir::Op* load = operand.value->def;
  if (load == nullptr || load->kind != OpKind::load || load->parent != f.fold->regions[0]) {
    return -1;
  }
  auto form = tma_form(function_, analysis_, request_, *load, operand.axis, d.k_axis);
  if (!form) return -1;
  for (std::size_t i = 0; i < f.tma.size(); ++i) {
    if (f.tma[i].load == load) return static_cast<int>(i);
  }
  form->boxes[0].map = static_cast<int>(plan_.tensor_maps.size());
  plan_.tensor_maps.push_back({});
  f.tma.push_back(*form);
  return static_cast<int>(f.tma.size()) - 1;
}

void Planner::plan_threads() {
  bool any = std::any_of(plan_.dots.begin(), plan_.dots.end(),
                         [](const DotPlan& d) { return d.tensor_core; });
  if (!any) {
    plan_.compute_threads = blocked_threads();
    plan_.consumers = (plan_.compute_threads + 127) / 128;
    plan_.threads = plan_.compute_threads;
    return;
  }
  if (plan_.mma_sync) {
    if (std::string problem = arrange_warps(function_, request_, analysis_, plan_);
        !problem.empty())
      refuse(problem);
    return;
  }
  int blocks = 1 << 20;
  for (ir::AxisId m : m_axes_) blocks = std::min(blocks, (extent(m) + 63) / 64);
  const int consumers = wgmma_consumers(64 * std::int64_t{blocks}, schedule());
  plan_.teams = schedule().ping_pong ? 2 : schedule().fold_teams;
  if (schedule().ping_pong && schedule().consumers > 0 && schedule().consumers != 2) {
    refuse(
        fmt::format("ping_pong has 2 consumers, with a tile each in turn, not {}; leave consumers "
                    "out",
                    schedule().consumers));
  }
  if (schedule().fold_teams > 1 && schedule().consumers % schedule().fold_teams != 0) {
    refuse(fmt::format("consumers={} are to be shared by fold_teams={}: use a multiple of it",
                       schedule().consumers, schedule().fold_teams));
  }
  const int all_consumers = plan_.teams * consumers;
  if (all_consumers > 4) refuse(fmt::format("consumers={} is above the limit of 4", all_consumers));
  if (blocks % consumers != 0) {
    refuse(fmt::format("consumers={} doesn't divide the tile's {} blocks of 64 rows; use {}",
                       consumers, blocks, std::gcd(consumers, blocks)));
  }
  plan_.consumers = consumers;
  plan_.compute_threads = 128 * consumers;
  plan_.threads = plan_.teams * plan_.compute_threads + (plan_.specialized ? 128 : 0);
  plan_registers();
  for (DotPlan& d : plan_.dots) {
    if (d.tensor_core) shape_dot(d);
  }
}

// Producers need few registers and leave the rest to consumers. What a CTA is launched with is
// all that setmaxnreg can hand out.
void Planner::plan_registers() {
  const int consumers = plan_.teams * plan_.consumers;
  plan_.ctas_per_sm = std::max(1, schedule().ctas_per_sm);
  const RegisterShares shares = share_registers(consumers, plan_.specialized, plan_.ctas_per_sm);
  launched_registers_ = shares.launched;
  const int pool = shares.launched * plan_.threads;
  plan_.producer_registers = shares.producer;
  if (schedule().producer_registers) plan_.producer_registers = schedule().producer_registers;
  plan_.consumer_registers = std::min(
      kMostConsumerRegisters, (pool - 128 * plan_.producer_registers) / (128 * consumers) / 8 * 8);
  if (schedule().consumer_registers) plan_.consumer_registers = schedule().consumer_registers;
  int total = 128 * (consumers * plan_.consumer_registers + plan_.producer_registers);
  if (plan_.specialized && (total > pool || plan_.consumer_registers < 24)) {
    refuse(
        fmt::format("{} registers per consumer and {} per producer thread need {} registers of {}",
                    plan_.consumer_registers, plan_.producer_registers, total, pool));
  }
}

void Planner::shape_dot(DotPlan& d) {
  d.shape.warpgroups = plan_.consumers;
  int m_blocks = (extent(d.m.axis) + 63) / 64;
  if (m_blocks % plan_.consumers != 0) {
    refuse(fmt::format("axis '{}' has {} blocks of 64 rows for {} consumers", axis_name(d.m.axis),
                       m_blocks, plan_.consumers));
  }
  d.shape.m_blocks = m_blocks / plan_.consumers;
  int n = round_up(extent(d.n.axis), 8);
  d.shape.n_blocks = (n + 255) / 256;
  d.shape.n = round_up((n + d.shape.n_blocks - 1) / d.shape.n_blocks, 8);
  d.m.rows = 64 * m_blocks;
  d.n.rows = d.shape.n * d.shape.n_blocks;
  int k_bytes = d.k_extent * size_in_bytes(d.m.value->type.element);
  d.swizzle = k_bytes > 64 ? 128 : k_bytes > 32 ? 64 : 32;
  d.chunks = (k_bytes + d.swizzle - 1) / d.swizzle;
  bool fp8 = is_fp8(d.m.value->type.element);
  d.chained = !fp8 || d.op->attr.fast_accumulate || d.chunks == 1;
  d.pipelined = d.m.tma >= 0 && d.n.tma >= 0 && d.chained;
}

int Planner::blocked_threads() {
  if (schedule().warps > 0) {
    if (schedule().warps > 32 || (schedule().warps & (schedule().warps - 1)) != 0) {
      refuse(fmt::format("warps={} must be a power of two up to 32", schedule().warps));
    }
    return 32 * schedule().warps;
  }
  std::int64_t elements = 1;
  for (const ir::Value* v : family_values(function_, plan_, analysis_)) {
    std::int64_t n = 1;
    for (ir::AxisId axis : v->type.axes) n *= extent(axis);
    elements = std::max(elements, n);
  }
  int threads = 128;
  while (threads < 1024 && threads * 16 < elements) threads *= 2;
  return threads;
}

void Planner::build_family() {
  std::set<ir::AxisId> needed;
  for (const ir::Value* v : family_values(function_, plan_, analysis_)) {
    needed.insert(v->type.axes.begin(), v->type.axes.end());
  }
  plan_.family.threads = plan_.compute_threads;
  if (m_axes_.empty()) {
    std::vector<AxisLayout> axes;
    int vector = 1;
    for (ir::AxisId axis : memory_order(function_, request_, analysis_, needed, vector)) {
      axes.push_back({axis, emitted_axis_name(function_, axis), extent(axis), extent(axis), {}});
    }
    plan_.family = blocked_family(axes, plan_.compute_threads, vector);
  } else {
    for (const DotPlan& d : plan_.dots) {
      if (!d.tensor_core) continue;
      if (plan_.mma_sync) {
        add_warp_axis(d.m.axis, true);
        add_warp_axis(d.n.axis, false);
        continue;
      }
      add_mma_axis(d.m.axis, true, d.shape);
      add_mma_axis(d.n.axis, false, d.shape);
    }
    for (ir::AxisId axis : needed) add_other_axis(axis);
  }
  split_runs();
  plan_.outer = plan_.family;
}

void Planner::add_mma_axis(ir::AxisId axis, bool m_side, const MmaShape& shape) {
  if (plan_.family.has(axis)) return;
  std::string name = emitted_axis_name(function_, axis);
  plan_.family.add(m_side ? mma_m_layout(axis, name, extent(axis), shape)
                          : mma_n_layout(axis, name, extent(axis), shape));
}

void Planner::add_warp_axis(ir::AxisId axis, bool m_side) {
  if (plan_.family.has(axis)) return;
  std::string name = emitted_axis_name(function_, axis);
  plan_.family.add(m_side ? warp_m_layout(axis, name, extent(axis), plan_.warps)
                          : warp_n_layout(axis, name, extent(axis), plan_.warps));
}

// Axes that no dot produces: on the side that the tiles they meet in leave free.
void Planner::add_other_axis(ir::AxisId axis) {
  if (plan_.family.has(axis)) return;
  bool meets_m = false, meets_n = false;
  for (const ir::Value* v : family_values(function_, plan_, analysis_)) {
    if (!v->type.has_axis(axis)) continue;
    for (ir::AxisId other : v->type.axes) {
      meets_m |= m_axes_.count(other) != 0;
      meets_n |= n_axes_.count(other) != 0;
    }
  }
  std::string name = emitted_axis_name(function_, axis);
  MmaShape shape;
  if (plan_.mma_sync && extent(axis) >= 8 && (!meets_n || !meets_m)) {
    add_warp_axis(axis, meets_n);
  } else if (!meets_n && extent(axis) >= 8) {
    shape.n = std::min(256, round_up(extent(axis), 8));
    shape.n_blocks = (extent(axis) + shape.n - 1) / shape.n;
    plan_.family.add(mma_n_layout(axis, name, extent(axis), shape));
  } else if (!meets_m && extent(axis) >= 8) {
    shape.warpgroups = plan_.consumers;
    shape.m_blocks = (extent(axis) + 64 * plan_.consumers - 1) / (64 * plan_.consumers);
    plan_.family.add(mma_m_layout(axis, name, extent(axis), shape));
  } else {
    AxisLayout layout{axis, name, extent(axis), extent(axis), {}};
    layout.factors = {{Factor::Kind::reg, extent(axis), 1, 1, 200000 + axis, name + "_1"}};
    plan_.family.add(layout);
  }
}

void Planner::split_runs() {
  for (const ir::Value* v : family_values(function_, plan_, analysis_)) {
    for (auto [axis, run] : analysis_.runs(v)) split_at_run(plan_.family.at(axis), run);
    if (v->def != nullptr && v->def->kind == OpKind::reduce && v->def->attr.group > 0) {
      split_at_run(plan_.family.at(v->def->attr.axis), v->def->attr.group);
    }
  }
}

// A reduction's groups consist of whole digits, but for neighbours in one digit of registers.
void Planner::check_groups() const {
  ir::for_each_op(*function_.body, [&](const ir::Op& op) {
    if (op.kind != OpKind::reduce || op.attr.group == 0) return;
    const AxisLayout& layout = plan_.family.at(op.attr.axis);
    const std::int64_t group = op.attr.group;
    for (const Factor& f : layout.factors) {
      const bool holds_several = f.kind == Factor::Kind::reg && f.place == 1;
      if (f.size == 1 || f.place >= group || f.place * std::int64_t{f.size} <= group ||
          holds_several)
        continue;
      refuse(fmt::format(
          "groups of {} along axis '{}' (extent {}) don't fit the tensor core's layout; "
          "use groups of 2, 4 or a multiple of 8 that divides the extent, or another side "
          "of the tensor core (swap_operands)",
          group, layout.name, layout.extent));
    }
  });
}

void Planner::plan_grid() {
  int rank = static_cast<int>(function_.grid.size());
  plan_.fastest_position = 0;
  if (!schedule().fastest_axis.empty())
    plan_.fastest_position = position_of(schedule().fastest_axis);
  if (schedule().cluster > 1) {
    if (!schedule().cluster_axis.empty()) {
      plan_.cluster_position = position_of(schedule().cluster_axis);
    } else {
      plan_.cluster_position = 0;
    }
    plan_.fastest_position = plan_.cluster_position;
    if (schedule().split_fold > 1) refuse("cluster and split_fold can't be combined");
    if (schedule().cluster > 8) refuse(fmt::format("cluster={} is above 8", schedule().cluster));
  }
  plan_.group_width = schedule().group_width > 0 ? schedule().group_width : (rank > 1 ? 8 : 1);
  if (schedule().cluster > 1) plan_.group_width = round_up(plan_.group_width, schedule().cluster);
  plan_.persistent = schedule().persistent == 1;
  if (schedule().persistent < 0) {
    plan_.persistent =
        plan_.specialized && schedule().split_fold == 1 && schedule().fold_teams == 1;
  }
  if (schedule().ping_pong) plan_.persistent = true;
  if (schedule().split_fold > 1) plan_split();
  if (schedule().fold_teams > 1) plan_fold_teams();
  if (schedule().stream_fold) plan_stream();
  plan_multicast();
}

void Planner::plan_split() {
  if (schedule().split_fold > 8) {
    refuse(fmt::format("split_fold={} is above the portable cluster size of 8",
                       schedule().split_fold));
  }
  require_one_sum("split_fold");
  plan_.persistent = false;
  plan_slice();
}

// A team counts its trips from the fold's first one, and doesn't count on to a next tile's.
void Planner::plan_fold_teams() {
  if (schedule().ping_pong) refuse("fold_teams and ping_pong can't be combined: leave one out");
  if (schedule().stream_fold) refuse("fold_teams and stream_fold can't be combined: leave one out");
  if (schedule().order_consumers == 1)
    refuse("fold_teams and order_consumers can't be combined: leave one out");
  if (schedule().persistent == 1)
    refuse("fold_teams is for CTAs of one tile, but persistent=1; leave one out");
  require_one_sum("fold_teams");
  require_no_store_before("fold_teams");
}

// For knobs that share a fold's trips out and add up what each has.
void Planner::require_one_sum(const std::string& knob) const {
  if (plan_.folds.size() != 1 || !plan_.folds[0].splittable)
    refuse(knob + " needs exactly one pipelined fold that is a sum; leave it out");
  for (const ir::Value* v : plan_.folds[0].fold->results) {
    if (v->type.element == ElementType::f32 && !v->type.is_scalar()) continue;
    refuse(fmt::format("{} adds sums up that are tiles of f32, one is {} of {}; leave it out", knob,
                       v->type.is_scalar() ? "a scalar" : "a tile", info(v->type.element).name));
  }
}

// For those whose sharers all run what is before the fold.
void Planner::require_no_store_before(const std::string& knob) const {
  for (const ir::Op* op : function_.body->ops) {
    if (op == plan_.folds[0].fold) return;
    if (has_store(*op)) {
      refuse(knob +
             " runs what is before the fold several times, a store among it; store after the fold "
             "or leave it out");
    }
  }
}

// The outermost digit that as many CTAs as can be divide, so that each has neighbouring rows or
// columns. What is combined across a tile later has to be with one CTA.
void Planner::plan_slice() {
  const FoldPlan& fold = plan_.folds[0];
  std::set<ir::AxisId> whole_axes;
  for (const ir::Op* op : function_.body->ops) {
    if (op == fold.fold) continue;
    if (op->kind == OpKind::dot || op->kind == OpKind::fold) return;
    if (op->kind == OpKind::reduce) whole_axes.insert(op->attr.axis);
  }
  std::vector<ir::AxisId> axes;
  for (ir::AxisId axis : fold.fold->results[0]->type.axes) {
    if (whole_axes.count(axis) == 0) axes.push_back(axis);
  }
  Slice& slice = plan_.slice;
  const Factor* chosen = nullptr;
  for (const Factor* f : plan_.family.registers(axes, {})) {
    const int ranks = std::gcd(f->size, schedule().split_fold);
    if (ranks == 1 || ranks < slice.ranks || (ranks == slice.ranks && f->place < chosen->place))
      continue;
    chosen = f;
    slice.ranks = ranks;
  }
  if (chosen == nullptr) return;
  slice.digit = chosen->var;
  slice.digits = chosen->size / slice.ranks;
  slice.span = chosen->place * slice.digits;
  for (const auto& [axis, layout] : plan_.family.axes()) {
    std::vector<Factor>& factors = plan_.outer.at(axis).factors;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      if (factors[i].var != slice.digit) continue;
      slice.axis = axis;
      factors[i].size = slice.digits;
      factors.push_back({Factor::Kind::cta, slice.ranks, slice.span, 1, 0, {}});
      return;
    }
  }
}

// Grid position whose index multiplies the axis' extent in some index of the program.
int Planner::position_of(const std::string& name) const {
  ir::AxisId axis = function_.find_axis(name);
  if (axis < 0) refuse(fmt::format("there is no axis '{}'", name));
  for (std::size_t p = 0; p < function_.grid.size(); ++p) {
    if (grid_position_uses(function_, static_cast<int>(p), axis)) return static_cast<int>(p);
  }
  refuse(fmt::format("no grid extent is counted in blocks of axis '{}'", name));
}

void Planner::plan_multicast() {
  if (schedule().cluster <= 1) return;
  for (FoldPlan& f : plan_.folds) {
    for (TmaLoad& t : f.tma) {
      unsigned bits = 0;
      for (const ir::Value* v : t.load->operands) bits |= analysis_.dependences(v);
      if (bits & (1u << plan_.cluster_position)) continue;
      const int rows = t.boxes[0].rows;
      if (rows % (8 * schedule().cluster) != 0) {
        refuse(fmt::format("cluster={} must divide a shared tile of {} rows into multiples of 8",
                           schedule().cluster, rows));
      }
      t.multicast = true;
    }
  }
}

Plan make_plan(const ir::Function& function, const LowerRequest& request, Analysis& analysis) {
  return Planner(function, request, analysis).run();
}

}  // namespace octile::cuda
