#include "octile/codegen/cuda/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "octile/codegen/cuda/legality.hpp"
#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/plan_mma.hpp"
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

namespace {

constexpr int kMostStages = 24;        // where the schedule leaves it open
constexpr int kStageAlignment = 1024;  // the swizzle atom: 8 rows of 128 bytes

int round_up(int x, int to) {
  return (x + to - 1) / to * to;
}

class Planner {
 public:
  Planner(const ir::Function& function, const LowerRequest& request, Analysis& analysis)
      : function_(function), request_(request), analysis_(analysis) {
    plan_.schedule = request.schedule;
  }

  Plan run() {
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
    plan_grid();
    plan_stores();
    plan_shared_memory();
    if (function_.grid.size() < 2 && schedule().group_width > 0) {
      refuse("group_width needs a grid of two extents or more; leave it out");
    }
    if (std::string ignored = ignored_knob(plan_); !ignored.empty()) refuse(ignored);
    return std::move(plan_);
  }

 private:
  const Schedule& schedule() const { return plan_.schedule; }
  int extent(ir::AxisId axis) const { return static_cast<int>(analysis_.extent(axis)); }
  const std::string& axis_name(ir::AxisId axis) const {
    return function_.axes[static_cast<std::size_t>(axis)].name;
  }
  [[noreturn]] void refuse(const std::string& why) const {
    throw ir::Error(fmt::format("kernel '{}': schedule [{}] is not legal: {}", function_.name,
                                to_string(request_.schedule), why));
  }

  void choose_instruction() {
    plan_.mma_sync = uses_mma_sync(schedule(), request_.target) &&
                     std::any_of(plan_.dots.begin(), plan_.dots.end(),
                                 [](const DotPlan& d) { return d.tensor_core; });
    if (!plan_.mma_sync) return;
    plan_.shared_alignment = 128;
    if (std::string problem = wgmma_knob(schedule()); !problem.empty()) refuse(problem);
  }

  void plan_dot(const ir::Op& op) {
    DotPlan d;
    d.op = &op;
    d.k_axis = op.attr.axis;
    d.k_extent = extent(d.k_axis);
    const ir::Value *a = op.operand(0), *b = op.operand(1);
    d.tensor_core = tensor_core_types(a->type.element, b->type.element) &&
                    a->type.axes.size() == 2 && b->type.axes.size() == 2;
    if (d.tensor_core) assign_sides(d, a, b);
    plan_.dots.push_back(d);
  }

  // The M side of wgmma takes multiples of 64 rows, that of mma.sync of 16, the N side multiples of
  // 8 columns.
  void assign_sides(DotPlan& d, const ir::Value* a, const ir::Value* b) {
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

  void plan_folds() {
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

  int add_tma(FoldPlan& f, const DotPlan& d, const Operand& operand) {
    const ir::Op* load = operand.value->def;
    if (load == nullptr || load->kind != OpKind::load || load->parent != f.fold->regions[0]) {
      return -1;
    }
    auto form = tma_form(function_, analysis_, request_, *load, operand.axis, d.k_axis);
    if (!form) return -1;
    for (std::size_t i = 0; i < f.tma.size(); ++i) {
      if (f.tma[i].load == load) return static_cast<int>(i);
    }
    form->map = static_cast<int>(plan_.tensor_maps.size());
    plan_.tensor_maps.push_back({});
    f.tma.push_back(*form);
    return static_cast<int>(f.tma.size()) - 1;
  }

  void plan_threads() {
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
    int consumers = schedule().consumers;
    if (consumers == 0) consumers = blocks % 2 == 0 ? 2 : blocks % 3 == 0 ? 3 : 1;
    if (consumers > 4) refuse(fmt::format("consumers={} is above the limit of 4", consumers));
    if (blocks % consumers != 0) {
      refuse(fmt::format("consumers={} doesn't divide the tile's {} blocks of 64 rows; use {}",
                         consumers, blocks, std::gcd(consumers, blocks)));
    }
    plan_.consumers = consumers;
    plan_.compute_threads = 128 * consumers;
    plan_.threads = plan_.compute_threads + (plan_.specialized ? 128 : 0);
    plan_registers();
    for (DotPlan& d : plan_.dots) {
      if (d.tensor_core) shape_dot(d);
    }
  }

  // Producers need few registers and leave the rest to consumers. What a CTA is launched with is
  // all that setmaxnreg can hand out.
  void plan_registers() {
    constexpr int kRegistersPerSm = 65536, kMost = 240;
    constexpr int kProducer[] = {0, 96, 56, 56, 32}, kSharedProducer[] = {0, 48, 48, 32, 24};
    const int consumers = plan_.consumers;
    plan_.ctas_per_sm = std::max(1, schedule().ctas_per_sm);
    int launched = std::min(255, kRegistersPerSm / plan_.ctas_per_sm / plan_.threads) / 8 * 8;
    int pool = launched * plan_.threads;
    launched_registers_ = launched;
    plan_.producer_registers = (plan_.ctas_per_sm > 1 ? kSharedProducer : kProducer)[consumers];
    plan_.producer_registers = std::min(plan_.producer_registers, launched);
    if (schedule().producer_registers) plan_.producer_registers = schedule().producer_registers;
    plan_.consumer_registers =
        std::min(kMost, (pool - 128 * plan_.producer_registers) / (128 * consumers) / 8 * 8);
    if (schedule().consumer_registers) plan_.consumer_registers = schedule().consumer_registers;
    int total = plan_.consumer_registers * plan_.compute_threads + plan_.producer_registers * 128;
    if (plan_.specialized && (total > pool || plan_.consumer_registers < 24)) {
      refuse(fmt::format(
          "{} registers per consumer and {} per producer thread need {} registers of {}",
          plan_.consumer_registers, plan_.producer_registers, total, pool));
    }
  }

  void shape_dot(DotPlan& d) {
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

  int blocked_threads() {
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

  void build_family() {
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

  void add_mma_axis(ir::AxisId axis, bool m_side, const MmaShape& shape) {
    if (plan_.family.has(axis)) return;
    std::string name = emitted_axis_name(function_, axis);
    plan_.family.add(m_side ? mma_m_layout(axis, name, extent(axis), shape)
                            : mma_n_layout(axis, name, extent(axis), shape));
  }

  void add_warp_axis(ir::AxisId axis, bool m_side) {
    if (plan_.family.has(axis)) return;
    std::string name = emitted_axis_name(function_, axis);
    plan_.family.add(m_side ? warp_m_layout(axis, name, extent(axis), plan_.warps)
                            : warp_n_layout(axis, name, extent(axis), plan_.warps));
  }

  // Axes that no dot produces: on the side that the tiles they meet in leave free.
  void add_other_axis(ir::AxisId axis) {
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

  void split_runs() {
    for (const ir::Value* v : family_values(function_, plan_, analysis_)) {
      for (auto [axis, run] : analysis_.runs(v)) split_at_run(plan_.family.at(axis), run);
      if (v->def != nullptr && v->def->kind == OpKind::reduce && v->def->attr.group > 0) {
        split_at_run(plan_.family.at(v->def->attr.axis), v->def->attr.group);
      }
    }
  }

  void plan_grid() {
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
    if (schedule().persistent < 0)
      plan_.persistent = plan_.specialized && schedule().split_fold == 1;
    if (schedule().split_fold > 1) plan_split();
    plan_multicast();
  }

  void plan_split() {
    if (schedule().split_fold > 8) {
      refuse(fmt::format("split_fold={} is above the portable cluster size of 8",
                         schedule().split_fold));
    }
    if (plan_.folds.size() != 1 || !plan_.folds[0].splittable) {
      refuse("split_fold needs exactly one pipelined fold that is a sum");
    }
    plan_.persistent = false;
  }

  // Grid position whose index multiplies the axis' extent in some index of the program.
  int position_of(const std::string& name) const {
    ir::AxisId axis = function_.find_axis(name);
    if (axis < 0) refuse(fmt::format("there is no axis '{}'", name));
    for (std::size_t p = 0; p < function_.grid.size(); ++p) {
      if (grid_position_uses(function_, static_cast<int>(p), axis)) return static_cast<int>(p);
    }
    refuse(fmt::format("no grid extent is counted in blocks of axis '{}'", name));
  }

  void plan_multicast() {
    if (schedule().cluster <= 1) return;
    for (FoldPlan& f : plan_.folds) {
      for (TmaLoad& t : f.tma) {
        unsigned bits = 0;
        for (const ir::Value* v : t.load->operands) bits |= analysis_.dependences(v);
        if (bits & (1u << plan_.cluster_position)) continue;
        if (t.box_rows % (8 * schedule().cluster) != 0) {
          refuse(fmt::format("cluster={} must divide a shared tile of {} rows into multiples of 8",
                             schedule().cluster, t.box_rows));
        }
        t.multicast = true;
      }
    }
  }

  void plan_stores() {
    if (!plan_.specialized || schedule().tma_store == 0 || schedule().split_fold > 1) {
      if (schedule().tma_store == 1) refuse("tma_store=1 needs a pipelined fold that isn't split");
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
      form->map = static_cast<int>(plan_.tensor_maps.size());
      TensorMap map;
      map.param = op.attr.index;
      map.dim_order = form->dim_order;
      map.swizzle_bytes = form->swizzle;
      map.box.assign(form->dim_order.size(), 1);
      map.box[0] = form->chunk_elements;
      map.box[1] = form->rows;
      plan_.tensor_maps.push_back(map);
      plan_.store_bytes = std::max(plan_.store_bytes, form->rows * form->chunks * form->swizzle);
      plan_.stores.push_back(*form);
    });
  }

  void plan_shared_memory() {
    int ring = plan_ring();
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
    plan_.store_offset = ring + scratch;
    plan_.reduce_offset = plan_.store_offset + plan_.store_bytes * plan_.consumers;
    // Cross-warp reductions: one f32 or i32 per warp and register, at most 16 registers at a time.
    int reduce_bytes = 32 * 4 * 32;
    plan_.panel_offset = plan_.reduce_offset + (uses_reduce() ? reduce_bytes : 0);
    if (plan_.panel_bytes > 0) plan_.panel_offset = round_up(plan_.panel_offset, kStageAlignment);
    plan_.barrier_offset = plan_.panel_offset + kPanelSlots * plan_.panel_bytes;
    int barriers = 2 * plan_.stages + (plan_.panel_bytes > 0 ? 2 * kPanelSlots : 0);
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

  bool uses_reduce() const {
    bool any = false;
    ir::for_each_op(*function_.body, [&](const ir::Op& op) { any |= op.kind == OpKind::reduce; });
    return any;
  }

  int copy_ring() {
    int other = plan_.shared_alignment + (uses_reduce() ? 4096 : 0);
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

  int plan_ring() {
    if (plan_.mma_sync) return copy_ring();
    if (!plan_.specialized) return 0;
    for (FoldPlan& f : plan_.folds) {
      find_small_loads(function_, analysis_, plan_, f);
      find_pipelined_dots(f);
      plan_panels(f);
      plan_blocks(f);
    }
    for (FoldPlan& f : plan_.folds) lay_out_stage(f);
    for (const FoldPlan& f : plan_.folds) check_registers(f);
    choose_panel_trips();
    for (FoldPlan& f : plan_.folds) map_panels(f);
    int fit = stages_that_fit();
    plan_.stages = schedule().stages > 0 ? schedule().stages : std::min(fit, kMostStages);
    if (plan_.stages < 1)
      refuse(fmt::format("one stage takes {} bytes, {} are left", plan_.stage_bytes, ring_room()));
    if (plan_.stages > fit) {
      refuse(fmt::format("stages={} of {} bytes need {}, {} are left; {} stages would fit",
                         plan_.stages, plan_.stage_bytes, plan_.stages * plan_.stage_bytes,
                         ring_room(), fit));
    }
    return plan_.stages * plan_.stage_bytes;
  }

  // Bytes of shared memory that one CTA may have, of those that share an SM; the driver keeps 1 KiB
  // of each.
  int shared_limit() const {
    constexpr int kReserved = 1024;
    int sm = request_.target.shared_bytes_per_block + kReserved;
    return sm / plan_.ctas_per_sm - kReserved;
  }

  // Bytes of shared memory that are left for stages.
  int ring_room() const {
    int scratch = 0;
    for (const DotPlan& d : plan_.dots) {
      if (!d.tensor_core) continue;
      for (const Operand* o : {&d.m, &d.n}) {
        if (o->tma < 0) scratch += round_up(o->rows * d.swizzle * d.chunks, kStageAlignment);
      }
    }
    return shared_limit() - 2 * kStageAlignment - scratch - (uses_reduce() ? 4096 : 0) -
           plan_.store_bytes * plan_.consumers - kPanelSlots * plan_.panel_bytes;
  }
  int stages_that_fit() const { return std::max(0, ring_room()) / plan_.stage_bytes; }

  // As many trips per copy as cost no stage. Threads that read many rows want them at a fixed
  // pitch, one address for all, which swizzled rows don't have.
  void choose_panel_trips() {
    bool many_rows = std::any_of(plan_.folds.begin(), plan_.folds.end(), [](const FoldPlan& f) {
      return !f.panels.empty() && !f.panels_ahead;
    });
    int best = -1;
    for (int trips : kPanelTrips) {
      if (many_rows && 4 * trips == kSwizzledPanelBytes) continue;
      plan_.panel_bytes = panel_bytes(trips);
      int fit =
          std::min(stages_that_fit(), schedule().stages > 0 ? schedule().stages : kMostStages);
      if (fit <= best) continue;
      best = fit;
      plan_.panel_trips = trips;
    }
    plan_.panel_bytes = panel_bytes(plan_.panel_trips);
  }

  // One slot of the panels' ring; lays the panels out in it.
  int panel_bytes(int trips) {
    constexpr int kPanelAlignment = 512;  // the swizzle atom of 64-byte rows
    int most = 0;
    for (FoldPlan& f : plan_.folds) {
      int offset = 0;
      for (PanelLoad& p : f.panels) {
        p.offset = offset;
        offset += round_up(4 * trips * p.rows, kPanelAlignment);
      }
      most = std::max(most, offset);
    }
    return most;
  }

  void find_pipelined_dots(FoldPlan& f) {
    for (const ir::Op* op : f.fold->regions[0]->ops) {
      const DotPlan* d = op->kind == OpKind::dot ? plan_.find_dot(op) : nullptr;
      if (d == nullptr) continue;
      if (d->pipelined) f.pipelined_dots.push_back(op);
      if (!d->pipelined && (d->m.tma >= 0 || d->n.tma >= 0)) f.stage_used_late = true;
    }
    f.in_place = f.pipelined_dots.size() == 1 && adds_in_place(*f.fold, f.pipelined_dots[0]);
  }

  void lay_out_stage(FoldPlan& f) {
    int offset = 0;
    for (TmaLoad& t : f.tma) {
      t.offset = offset;
      offset += round_up(t.rows * t.swizzle * t.chunks, kStageAlignment);
      TensorMap& map = plan_.tensor_maps[static_cast<std::size_t>(t.map)];
      map.param = t.load->attr.index;
      map.dim_order = t.dim_order;
      map.swizzle_bytes = t.swizzle;
      map.l2_promotion_bytes = 256;
      map.box.assign(t.dim_order.size(), 1);
      map.box[0] = t.chunk_elements;
      map.box[1] = t.multicast ? t.box_rows / schedule().cluster : t.box_rows;
    }
    for (SmallLoad& s : f.small) {
      s.offset = offset;
      offset += round_up(4 * s.count, 16);
    }
    plan_.stage_bytes = std::max(plan_.stage_bytes, round_up(offset, kStageAlignment));
  }

  void map_panels(FoldPlan& f) {
    int bytes = 4 * plan_.panel_trips;
    for (PanelLoad& p : f.panels) {
      p.map = static_cast<int>(plan_.tensor_maps.size());
      TensorMap map;
      map.param = p.load->attr.index;
      map.dim_order = p.dim_order;
      map.swizzle_bytes = bytes == kSwizzledPanelBytes ? bytes : 0;
      map.box.assign(p.dim_order.size(), 1);
      map.box[0] = plan_.panel_trips;
      if (p.has_rows) map.box[1] = p.rows;
      plan_.tensor_maps.push_back(map);
    }
  }

  void plan_panels(FoldPlan& f) {
    if (f.in_place) return;
    std::erase_if(f.small, [&](const SmallLoad& s) {
      auto form = panel_form(function_, analysis_, request_, *f.fold, *s.load);
      if (form) f.panels.push_back(*form);
      return form.has_value();
    });
    constexpr int kMostRegisters = 8;  // that two trips' elements may take twice
    int registers = 0;
    for (const PanelLoad& p : f.panels) {
      const ir::Value* v = p.load->result();
      registers +=
          p.chooses_rows() ? p.rows : plan_.family.register_count(v->type.axes, analysis_.runs(v));
    }
    f.panels_ahead = !f.panels.empty() && registers <= kMostRegisters;
  }

  // A trip's blocks of 64 rows can be computed one after the other, each with the same few
  // accumulators, where all that follows from its dots is element by element.
  void plan_blocks(FoldPlan& f) {
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

  // Accumulators that no consumer can hold would spill, or make ptxas give up.
  void check_registers(const FoldPlan& f) {
    constexpr int kOther = 12;  // addresses, scales and counters at the least
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
    int sums = 0, dots = 0;
    for (const ir::Value* v : f.fold->results) sums += register_count(v);
    for (const ir::Op* op : f.pipelined_dots)
      dots += f.in_place ? 0 : register_count(op->result()) / f.blocks;
    int need = sums + f.sets * dots + kOther;
    if (need <= plan_.consumer_registers) return;
    refuse(fmt::format(
        "a consumer thread needs {} registers for sums, {} for dots under way and {} for the rest, "
        "{} over its {}; use smaller tiles{}{}",
        sums, f.sets * dots, kOther, need - plan_.consumer_registers, plan_.consumer_registers,
        f.sets > 1 ? ", accumulators=1" : "", plan_.ctas_per_sm > 1 ? ", fewer ctas_per_sm" : ""));
  }

  int register_count(const ir::Value* v) {
    return plan_.family.register_count(v->type.axes, analysis_.runs(v));
  }

  bool is_row_wise(const FoldPlan& f) const {
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

  const ir::Function& function_;
  const LowerRequest& request_;
  Analysis& analysis_;
  Plan plan_;
  std::set<ir::AxisId> m_axes_, n_axes_;
  int launched_registers_ = 0;
};

}  // namespace

Plan make_plan(const ir::Function& function, const LowerRequest& request, Analysis& analysis) {
  return Planner(function, request, analysis).run();
}

}  // namespace octile::cuda
