#include "octile/codegen/cpu/plan.hpp"

#include <algorithm>
#include <unordered_set>

#include "octile/codegen/ir/walk.hpp"

namespace octile::cpu {
namespace {

using ir::AxisId;
using ir::Op;
using ir::OpKind;
using ir::Region;
using ir::Value;

/// A value that costs more than this many simple operations per element isn't computed twice.
constexpr int kCheap = 4;
constexpr int kMostCost = 1000;

bool same_axes(const std::vector<AxisId>& a, const std::vector<AxisId>& b) {
  return a.size() == b.size() && ir::is_subset(a, b);
}

void add_unique(std::vector<int>& list, int entry) {
  if (std::find(list.begin(), list.end(), entry) == list.end()) list.push_back(entry);
}

/// The axes of `axes` with `last` moved to the end.
std::vector<AxisId> ending_with(std::vector<AxisId> axes, AxisId last) {
  const auto found = std::find(axes.begin(), axes.end(), last);
  if (found != axes.end()) std::rotate(found, found + 1, axes.end());
  return axes;
}

bool is_constant(const Value* value) {
  return value->def != nullptr && value->def->kind == OpKind::constant;
}

int elementwise_cost(const Op& op) {
  switch (op.kind) {
    case OpKind::div:
    case OpKind::rem:
    case OpKind::ceil_div:
      if (op.result()->type.element == ElementType::f32) return 4;
      return is_constant(op.operand(1)) ? 3 : 20;
    case OpKind::sqrt:
      return 5;
    case OpKind::rsqrt:
      return 20;
    case OpKind::cast: {
      const ElementType to = op.result()->type.element;
      if (is_fp8(to)) return 8;
      if (to == ElementType::bf16 || to == ElementType::f16) return 4;
      return is_fp8(op.operand(0)->type.element) ? 3 : 1;
    }
    default:
      return ir::info(op.kind).function ? 20 : 1;
  }
}

}  // namespace

Plan::Plan(const ir::Function& function, const std::vector<int>& contiguous_dims)
    : function_(function), contiguous_dims_(contiguous_dims), uses_(ir::count_uses(function)) {
  find_chains(*function.body);
  measure(*function.body);
  place(*function.body);
  lay_out(*function.body);
}

bool Plan::is_buffer(const Value* value) const {
  return info_.at(value).buffer;
}

const std::vector<AxisId>& Plan::layout(const Value* value) const {
  return info_.at(value).layout;
}

AxisId Plan::vector_axis(const Value* value) const {
  const AxisId preferred = info_.at(value).preferred;
  return value->type.has_axis(preferred) ? preferred : value->type.axes.back();
}

int Plan::forwarded(const Value* value) const {
  return info_.at(value).forward;
}

int Plan::chained(const Op* dot) const {
  const auto found = chained_.find(dot);
  return found == chained_.end() ? -1 : found->second;
}

bool Plan::is_absorbed(const Op* op) const {
  return op->results.size() == 1 && info_.at(op->result()).absorbed;
}

bool Plan::is_block_index(const Value* index) {
  // Every value once: a program may use one twice at every step of a long chain.
  std::vector<const Value*> open = {index};
  std::unordered_set<const Value*> seen = {index};
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (value->type.is_scalar()) continue;
    const Op* op = value->def;
    if (op == nullptr) return false;
    if (op->kind == OpKind::iota) continue;
    if (!ir::info(op->kind).elementwise) return false;
    for (const Value* operand : op->operands) {
      if (seen.insert(operand).second) open.push_back(operand);
    }
  }
  return true;
}

bool Plan::is_contiguous(const Op& access, AxisId axis) const {
  const auto param = static_cast<std::size_t>(access.attr.index);
  const int contiguous = contiguous_dims_[param];
  const std::size_t rank = function_.params[param].shape.size();
  for (std::size_t i = 0; i < rank; ++i) {
    const Value* index = access.operands[i];
    const bool wanted = static_cast<int>(i) == contiguous;
    if (index->type.has_axis(axis) != wanted) return false;
    if (wanted && !is_block_index(index)) return false;
  }
  return contiguous >= 0;
}

/// Finds add(carried, dot) with fast_accumulate in folds: the dot's chain goes on from the carried
/// value.
void Plan::find_chains(const Region& region) {
  ir::for_each_op(region, [&](const Op& fold) {
    if (fold.kind != OpKind::fold) return;
    const Region& body = *fold.regions[0];
    const Op& yield = *body.ops.back();
    for (std::size_t i = 0; i < yield.operands.size(); ++i) {
      const Op* add = yield.operands[i]->def;
      if (add == nullptr || add->kind != OpKind::add || add->parent != &body) continue;
      const Value* carried = body.args[i + 1];
      const int side = add->operand(0) == carried ? 1 : 0;
      const Op* dot = add->operand(side)->def;
      if (add->operand(1 - side) != carried || dot == nullptr) continue;
      const bool fits =
          dot->kind == OpKind::dot && dot->attr.fast_accumulate && dot->parent == &body &&
          uses_.at(dot->result()) == 1 && is_fp8(dot->operand(0)->type.element) &&
          dot->result()->type.axes == carried->type.axes && !carried->type.is_scalar();
      if (!fits) continue;
      chained_[dot] = static_cast<int>(i);
      Info& sum = of(add->result());
      sum.absorbed = true;
      sum.forward = static_cast<int>(i);
    }
  });
}

AxisId Plan::preferred_axis(const Op& op) {
  const Value& result = *op.result();
  if (op.kind == OpKind::load) {
    const auto& axes = result.type.axes;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      if (is_contiguous(op, *axis)) return *axis;
    }
    return -1;
  }
  if (op.kind == OpKind::dot) return result.type.axes.empty() ? -1 : result.type.axes.back();
  AxisId found = -1;
  std::size_t most = 0;
  for (const Value* operand : op.operands) {
    if (operand->type.is_scalar()) continue;
    const AxisId axis = of(operand).preferred;
    if (!result.type.has_axis(axis) || operand->type.axes.size() <= most) continue;
    found = axis;
    most = operand->type.axes.size();
  }
  return found;
}

int Plan::own_cost(const Op& op, AxisId axis) const {
  if (op.kind == OpKind::load) return is_contiguous(op, axis) ? 1 : 10;
  return ir::info(op.kind).elementwise ? elementwise_cost(op) : 0;
}

/// In program order: what a value costs per element if all of it is computed inline, and along
/// which axis its memory is contiguous.
void Plan::measure(const Region& region) {
  for (const Value* arg : region.args) {
    if (arg->type.is_scalar()) continue;
    of(arg).buffer = true;
    of(arg).layout = arg->type.axes;
    of(arg).preferred = arg->type.axes.back();
  }
  for (const Op* op : region.ops) {
    for (const Region* nested : op->regions) measure(*nested);
    for (const Value* result : op->results) {
      Info& info = of(result);
      if (result->type.is_scalar()) continue;
      info.buffer = op->kind == OpKind::dot || op->kind == OpKind::reduce ||
                    op->kind == OpKind::fold || info.absorbed;
      if (op->kind == OpKind::fold) {
        info.preferred = result->type.axes.back();
        continue;
      }
      info.preferred = preferred_axis(*op);
      if (info.buffer) continue;
      int cost = own_cost(*op, info.preferred);
      for (const Value* operand : op->operands) {
        if (operand->type.is_scalar()) continue;
        if (op->kind == OpKind::load && is_block_index(operand)) continue;
        cost += of(operand).cost;
      }
      of(result).cost = std::min(cost, kMostCost);
    }
  }
}

int Plan::new_nest(std::vector<AxisId> axes, const Region* region, bool packs) {
  nests_.push_back({std::move(axes), region, packs});
  return static_cast<int>(nests_.size()) - 1;
}

void Plan::use(const Value* value, int nest, bool direct) {
  if (value->type.is_scalar()) return;
  Info& info = of(value);
  add_unique(info.nests, nest);
  if (direct) add_unique(info.direct, nest);
}

void Plan::use_yield(const Op& yield) {
  const std::vector<Value*>& args = yield.parent->args;
  std::vector<int> made;
  for (std::size_t i = 0; i < yield.operands.size(); ++i) {
    const std::vector<AxisId>& axes = args[i + 1]->type.axes;
    if (axes.empty()) continue;
    // Carried values of the same axes are made in one nest and share what they compute.
    const auto same = std::find_if(made.begin(), made.end(), [&](int nest) {
      return nests_[static_cast<std::size_t>(nest)].axes == axes;
    });
    const int nest = same != made.end() ? *same : new_nest(axes, yield.parent);
    if (same == made.end()) made.push_back(nest);
    use(yield.operands[i], nest);
  }
}

/// From the last operation to the first, so that every use of a value is known when it is placed.
void Plan::place(const Region& region) {
  for (auto it = region.ops.rbegin(); it != region.ops.rend(); ++it) place_op(**it);
}

void Plan::place_op(const Op& op) {
  const auto count = op.operands.size();
  if (op.kind == OpKind::fold) {
    place(*op.regions[0]);
    for (std::size_t i = 1; i < count; ++i) {
      const std::vector<AxisId>& axes = op.regions[0]->args[i]->type.axes;
      if (!axes.empty()) use(op.operands[i], new_nest(axes, op.parent));
    }
    return;
  }
  if (op.kind == OpKind::yield) return use_yield(op);
  if (op.kind == OpKind::store) {
    std::vector<AxisId> axes;
    for (const Value* operand : op.operands) axes = ir::union_axes(axes, operand->type.axes);
    const int nest = new_nest(axes, op.parent);
    for (const Value* operand : op.operands) use(operand, nest);
    return;
  }
  const Value& result = *op.result();
  if (op.kind == OpKind::dot || op.kind == OpKind::reduce) {
    for (const Value* operand : op.operands) {
      use(operand, new_nest(operand->type.axes, op.parent, op.kind == OpKind::dot));
    }
    return;
  }
  if (result.type.is_scalar()) return;
  Info& info = of(&result);
  if (info.absorbed) return;
  info.buffer = needs_buffer(result, info);
  const std::vector<int> nests =
      info.buffer ? std::vector<int>{new_nest(result.type.axes, op.parent)} : info.nests;
  for (const Value* operand : op.operands) {
    for (const int nest : nests) use(operand, nest, false);
  }
}

bool Plan::needs_buffer(const Value& value, const Info& info) const {
  // What is loaded from memory that the program writes is read where the program says.
  const Op& op = *value.def;
  if (op.kind == OpKind::load) {
    const ir::Param& param = function_.params[static_cast<std::size_t>(op.attr.index)];
    if (param.access != ir::Access::in) return true;
  }
  int packs = 0;
  for (const int id : info.direct) {
    const Nest& nest = nests_[static_cast<std::size_t>(id)];
    if (!nest.packs) continue;
    // An operand packed in a loop that doesn't change it, or packed twice, is packed once.
    if (nest.region != value.region || ++packs > 1) return true;
  }
  if (info.cost <= kCheap) return false;
  if (info.nests.size() > 1) return true;
  return std::any_of(info.nests.begin(), info.nests.end(), [&](int id) {
    const Nest& nest = nests_[static_cast<std::size_t>(id)];
    return nest.axes.size() > value.type.axes.size() || nest.region != value.region;
  });
}

/// In program order: the order of axes in memory.
void Plan::lay_out(const Region& region) {
  for (const Op* op : region.ops) {
    if (op->kind == OpKind::fold) {
      lay_out_fold(*op);
    } else {
      lay_out_result(*op);
    }
  }
}

void Plan::lay_out_result(const Op& op) {
  if (op.results.empty() || op.result()->type.is_scalar()) return;
  Info& info = of(op.result());
  const std::vector<AxisId>& axes = op.result()->type.axes;
  // A dot writes its rows, then its columns, whatever is read next.
  if (info.buffer) {
    const bool fixed = op.kind == OpKind::dot || info.absorbed;
    info.layout = fixed ? axes : ending_with(axes, vector_axis(op.result()));
    info.preferred = info.layout.back();
  }
}

void Plan::lay_out_fold(const Op& op) {
  lay_out(*op.regions[0]);
  forward_yields(op);
  for (const Value* result : op.results) {
    if (result->type.is_scalar()) continue;
    of(result).layout = result->type.axes;
  }
}

/// A yielded value that has a buffer of its own is computed straight into the fold's next one.
void Plan::forward_yields(const Op& fold) {
  const Region& body = *fold.regions[0];
  const Op& yield = *body.ops.back();
  for (std::size_t i = 0; i < yield.operands.size(); ++i) {
    const Value* value = yield.operands[i];
    if (value->type.is_scalar() || value->def == nullptr || value->region != &body) continue;
    Info& info = of(value);
    const bool free = info.buffer && info.forward < 0 && value->def->kind != OpKind::fold;
    if (free && info.layout == of(body.args[i + 1]).layout &&
        same_axes(value->type.axes, body.args[i + 1]->type.axes)) {
      info.forward = static_cast<int>(i);
    }
  }
}

}  // namespace octile::cpu
