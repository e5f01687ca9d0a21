#include "octile/codegen/cuda/plan_mma.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/target.hpp"

namespace octile::cuda {

using ir::OpKind;

namespace {

constexpr int kAlignment = 128;  // a row of all banks

int ceil_div(int a, int b) {
  return (a + b - 1) / b;
}

int round_up(int x, int to) {
  return ceil_div(x, to) * to;
}

int uses_in(const ir::Region& region, const ir::Value* value) {
  int n = 0;
  ir::for_each_op(region, [&](const ir::Op& op) {
    n += static_cast<int>(std::count(op.operands.begin(), op.operands.end(), value));
  });
  return n;
}

/// How cp.async brings the operand; nothing if it can't: K not contiguous, less than 4 bytes
/// aligned, an index that a thread can't compute ahead by itself, a value other than zero out of
/// bounds.
std::optional<CopyLoad> copy_form(const ir::Function& function, const LowerRequest& request,
                                  Analysis& analysis, const ir::Value* value, ir::AxisId row_axis,
                                  ir::AxisId k_axis) {
  const ir::Op* load = value->def;
  if (load == nullptr || load->kind != OpKind::load || load->attr.has_other) return {};
  const ir::Param& param = function.params[static_cast<std::size_t>(load->attr.index)];
  const TensorFacts& facts = request.tensors[static_cast<std::size_t>(load->attr.index)];
  if (param.access != ir::Access::in || facts.contiguous_dim < 0) return {};
  CopyLoad c{load, row_axis, k_axis, facts.contiguous_dim};
  for (int d = 0; d < static_cast<int>(param.shape.size()); ++d) {
    const ir::Value* index = load->operand(d);
    if (!analysis.is_pointwise(index)) return {};
    if (d != c.k_dim && index->type.has_axis(k_axis)) return {};
  }
  auto form = analysis.affine(load->operand(c.k_dim));
  if (!form || form->axis != k_axis || form->divisor != 1) return {};
  const int bytes = size_in_bytes(param.element);
  const std::int64_t base = analysis.divisor_of(*form) * bytes;
  while (c.width > facts.alignment || base % c.width != 0) c.width /= 2;
  if (c.width < 4) return {};
  c.rows = static_cast<int>(analysis.extent(row_axis));
  return c;
}

/// Dots of the fold's body that can add into what it carries: the sum is the only use of both, and
/// the accumulator may hold all of K.
void find_in_place(const Plan& plan, FoldPlan& f) {
  const ir::Region& body = *f.fold->regions[0];
  const ir::Op& yield = *body.ops.back();
  for (std::size_t i = 0; i < f.fold->results.size(); ++i) {
    const ir::Value* carried = body.args[i + 1];
    const ir::Op* sum = yield.operands[i]->def;
    if (sum == nullptr || sum->kind != OpKind::add || sum->parent != &body ||
        uses_in(body, carried) != 1 || uses_in(body, sum->result()) != 1) {
      continue;
    }
    const ir::Value* term = sum->operand(0) == carried   ? sum->operand(1)
                            : sum->operand(1) == carried ? sum->operand(0)
                                                         : nullptr;
    if (term == nullptr || term->def == nullptr || uses_in(body, term) != 1) continue;
    const DotPlan* d = plan.find_dot(term->def);
    if (d == nullptr || !d->tensor_core || d->op->parent != &body) continue;
    if (is_fp8(d->op->operand(0)->type.element) && !d->op->attr.fast_accumulate) continue;
    f.in_place_dots[d->op] = i;
  }
}

bool is_inside_planned_fold(const Plan& plan, const ir::Op& op) {
  for (const ir::Op* owner = op.parent->owner; owner != nullptr; owner = owner->parent->owner) {
    if (plan.find_fold(owner) != nullptr) return true;
  }
  return false;
}

int add_copy(Plan& plan, const CopyLoad& copy) {
  for (std::size_t i = 0; i < plan.copies.size(); ++i) {
    const CopyLoad& c = plan.copies[i];
    if (c.load == copy.load && c.row_axis == copy.row_axis && c.k_axis == copy.k_axis)
      return static_cast<int>(i);
  }
  plan.copies.push_back(copy);
  return static_cast<int>(plan.copies.size()) - 1;
}

/// A reduction along an axis, in groups if `group` > 0.
struct Reduction {
  ir::AxisId axis = -1;
  std::int64_t group = 0;
};

std::vector<Reduction> reductions(const ir::Function& function) {
  std::vector<Reduction> list;
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    if (op.kind == OpKind::reduce) list.push_back({op.attr.axis, op.attr.group});
  });
  return list;
}

/// Prices of a warp grid, in clocks of a trip; only their order matters.
constexpr double kMmaClocks = 32, kSharedBytesPerClock = 128, kExchangeClocks = 60;
constexpr double kRegisterPrice = 1e6, kUnfitPrice = 1e9;
// Where FP8 operands are converted to f16 on the way, these take many.
constexpr int kOtherRegisters = 90, kEmulationRegisters = 60;

double reduction_cost(const AxisLayout& plain, const Reduction& r, int results) {
  AxisLayout layout = plain;
  if (r.group > 0) split_at_run(layout, r.group);
  const std::int64_t group = r.group > 0 ? r.group : layout.padded;
  double cost = 0;
  for (const Factor& f : layout.factors) {
    if (f.size == 1 || f.place >= group) continue;
    if (std::int64_t{f.place} * f.size > group) return kUnfitPrice;
    if (f.kind == Factor::Kind::thread && f.stride >= 32) cost += kExchangeClocks * results;
  }
  return cost;
}

double grid_cost(const Plan& plan, const Target& target, const Analysis& analysis,
                 const std::vector<Reduction>& reduce, const WarpGrid& grid) {
  const int warps = grid.m * grid.n;
  double cost = 0;
  int registers = 0;
  bool emulated = false;
  for (const DotPlan& d : plan.dots) {
    if (!d.tensor_core) continue;
    const int m_extent = static_cast<int>(analysis.extent(d.m.axis)),
              n_extent = static_cast<int>(analysis.extent(d.n.axis));
    const int m = ceil_div(m_extent, 16 * grid.m), n = ceil_div(n_extent, 8 * grid.n);
    const int steps = ceil_div(d.k_extent * size_in_bytes(d.m.value->type.element), 32);
    cost += kMmaClocks * m * n * steps * ceil_div(warps, 4);
    cost += 0.5 * warps * (16 * m + 8 * n) * 32.0 * steps / kSharedBytesPerClock;
    registers += 8 * m * n;
    emulated |= is_fp8(d.m.value->type.element) && !features_of(target).fp8_mma;
    for (const Reduction& r : reduce) {
      if (r.axis == d.m.axis)
        cost += reduction_cost(warp_m_layout(r.axis, "", m_extent, grid), r, 2 * n);
      if (r.axis == d.n.axis)
        cost += reduction_cost(warp_n_layout(r.axis, "", n_extent, grid), r, 2 * m);
    }
  }
  const int room = std::min(255, 65536 / grid.threads()) - kOtherRegisters -
                   (emulated ? kEmulationRegisters : 0);
  return cost + kRegisterPrice * std::max(0, registers - room);
}

void shape_dot(DotPlan& d, const Analysis& analysis, Plan& plan) {
  d.m.rows = round_up(static_cast<int>(analysis.extent(d.m.axis)), 16 * plan.warps.m);
  d.n.rows = round_up(static_cast<int>(analysis.extent(d.n.axis)), 8 * plan.warps.n);
  const int k_bytes = d.k_extent * size_in_bytes(d.m.value->type.element);
  d.swizzle = k_bytes > 64 ? 128 : k_bytes > 32 ? 64 : 32;
  d.chunks = ceil_div(k_bytes, d.swizzle);
  d.chained = !is_fp8(d.m.value->type.element) || d.op->attr.fast_accumulate || d.chunks == 1;
  for (const Operand* o : {&d.m, &d.n}) {
    if (o->copy < 0) continue;
    CopyLoad& c = plan.copies[static_cast<std::size_t>(o->copy)];
    c.padded_rows = o->rows;
    c.swizzle = d.swizzle;
    c.chunks = d.chunks;
  }
}

}  // namespace

void find_copies(const ir::Function& function, const LowerRequest& request, Analysis& analysis,
                 Plan& plan) {
  for (DotPlan& d : plan.dots) {
    if (!d.tensor_core) continue;
    for (Operand* o : {&d.m, &d.n}) {
      if (auto form = copy_form(function, request, analysis, o->value, o->axis, d.k_axis))
        o->copy = add_copy(plan, *form);
      o->early = o->value->def != nullptr && o->value->def->parent != d.op->parent &&
                 analysis.is_pointwise(o->value);
    }
  }
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    if (op.kind != OpKind::fold || is_inside_planned_fold(plan, op)) return;
    FoldPlan f;
    f.fold = &op;
    for (DotPlan& d : plan.dots) {
      if (!d.tensor_core || d.op->parent != op.regions[0]) continue;
      for (Operand* o : {&d.m, &d.n}) {
        if (o->copy < 0 || o->value->def->parent != op.regions[0]) continue;
        o->in_ring = true;
        if (std::find(f.copies.begin(), f.copies.end(), o->copy) == f.copies.end())
          f.copies.push_back(o->copy);
      }
    }
    if (f.copies.empty()) return;
    find_in_place(plan, f);
    plan.folds.push_back(f);
  });
}

std::string arrange_warps(const ir::Function& function, const LowerRequest& request,
                          const Analysis& analysis, Plan& plan) {
  std::vector<int> counts = {1, 2, 4, 8, 16};
  if (const int warps = plan.schedule.warps; warps > 0) {
    if (warps > 16 || (warps & (warps - 1)) != 0)
      return fmt::format("warps={} must be a power of two up to 16 with mma.sync", warps);
    counts = {warps};
  }
  const std::vector<Reduction> reduce = reductions(function);
  double best = std::numeric_limits<double>::infinity();
  for (int warps : counts) {
    for (int m = warps; m >= 1; m /= 2) {
      const WarpGrid grid{m, warps / m};
      const double cost = grid_cost(plan, request.target, analysis, reduce, grid);
      if (cost < best) {
        best = cost;
        plan.warps = grid;
      }
    }
  }
  plan.compute_threads = plan.threads = plan.warps.threads();
  plan.consumers = ceil_div(plan.threads, 128);
  for (DotPlan& d : plan.dots) {
    if (d.tensor_core) shape_dot(d, analysis, plan);
  }
  return {};
}

std::string plan_copy_ring(const ir::Function& function, const LowerRequest& request,
                           Analysis& analysis, int other_bytes, Plan& plan) {
  constexpr int kMostStages = 4;
  for (FoldPlan& f : plan.folds) {
    find_small_loads(function, analysis, plan, f);
    int offset = 0;
    for (int i : f.copies) {
      CopyLoad& c = plan.copies[static_cast<std::size_t>(i)];
      c.offset = offset;
      offset += round_up(c.padded_rows * c.swizzle * c.chunks, kAlignment);
    }
    for (SmallLoad& s : f.small) {
      s.offset = offset;
      offset += round_up(4 * s.count, 16);
    }
    plan.stage_bytes = std::max(plan.stage_bytes, round_up(offset, kAlignment));
  }
  if (plan.folds.empty()) return {};
  const int room = request.target.shared_bytes_per_block - other_bytes;
  const int fit = std::max(0, room / plan.stage_bytes);
  const int wanted = plan.schedule.stages;
  if (fit < 1) return fmt::format("one stage takes {} bytes, {} are left", plan.stage_bytes, room);
  if (wanted > fit) {
    return fmt::format("stages={} of {} bytes need {}, {} are left; {} stages would fit", wanted,
                       plan.stage_bytes, wanted * plan.stage_bytes, room, fit);
  }
  plan.stages = wanted > 0 ? wanted : std::min(fit, kMostStages);
  return {};
}

}  // namespace octile::cuda
