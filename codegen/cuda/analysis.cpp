#include "octile/codegen/cuda/analysis.hpp"

#include <algorithm>
#include <numeric>

namespace octile::cuda {

using ir::OpKind;

std::optional<AffineIndex> Analysis::affine(const ir::Value* index) const {
  if (index->type.is_scalar()) return AffineIndex{{{index, false}}, -1, 1};
  if (index->def == nullptr) return std::nullopt;
  const ir::Op& op = *index->def;
  if (op.kind == OpKind::iota) return AffineIndex{{}, op.attr.axis, 1};
  if (op.kind == OpKind::add || op.kind == OpKind::sub) {
    auto x = affine(op.operand(0)), y = affine(op.operand(1));
    bool subtract = op.kind == OpKind::sub;
    if (!x || !y || x->divisor != 1 || y->divisor != 1) return std::nullopt;
    if ((x->axis >= 0 && y->axis >= 0) || (subtract && y->axis >= 0)) return std::nullopt;
    AffineIndex sum{x->terms, x->axis >= 0 ? x->axis : y->axis, 1};
    for (AffineIndex::Term t : y->terms) sum.terms.push_back({t.value, t.negative != subtract});
    return sum;
  }
  if (op.kind == OpKind::div && op.operand(1)->def != nullptr &&
      op.operand(1)->def->kind == OpKind::constant && op.operand(1)->def->attr.int_value > 0) {
    auto x = affine(op.operand(0));
    if (!x) return std::nullopt;
    x->divisor *= op.operand(1)->def->attr.int_value;
    return x;
  }
  return std::nullopt;
}

std::int64_t Analysis::divisor_of(const ir::Value* scalar) const {
  if (scalar->def == nullptr) return 1;
  const ir::Op& op = *scalar->def;
  switch (op.kind) {
    case OpKind::constant:
      return std::abs(op.attr.int_value);
    case OpKind::axis_extent:
      return extent(op.attr.axis);
    case OpKind::mul:
      return divisor_of(op.operand(0)) * divisor_of(op.operand(1));
    case OpKind::add:
    case OpKind::sub:
      return std::gcd(divisor_of(op.operand(0)), divisor_of(op.operand(1)));
    default:
      return 1;
  }
}

std::int64_t Analysis::divisor_of(const AffineIndex& index) const {
  std::int64_t d = 0;
  for (const AffineIndex::Term& t : index.terms) d = std::gcd(d, divisor_of(t.value));
  return d;
}

std::int64_t Analysis::run_length(const ir::Value* value, ir::AxisId axis) {
  if (!value->type.has_axis(axis)) return extent(axis);
  Runs all = runs(value);
  auto it = all.find(axis);
  return it == all.end() ? 1 : it->second;
}

Runs Analysis::runs(const std::vector<ir::Value*>& values, const std::vector<ir::AxisId>& axes) {
  Runs out;
  for (ir::AxisId axis : axes) {
    std::int64_t run = 0;
    for (const ir::Value* v : values) {
      if (v->type.has_axis(axis)) run = std::gcd(run, run_length(v, axis));
    }
    if (run > 1) out[axis] = run;
  }
  return out;
}

Runs Analysis::runs(const ir::Value* value) {
  auto known = runs_.find(value);
  if (known != runs_.end()) return known->second;
  Runs out;
  if (value->def != nullptr && !value->type.is_scalar()) {
    const ir::Op& op = *value->def;
    if (auto form = affine(value); form && form->axis >= 0 && form->divisor > 1) {
      // floor((base + i) / d) is constant over runs of gcd(base, d), cut to the axis.
      std::int64_t run = std::gcd(divisor_of(*form), form->divisor);
      run = std::gcd(run, extent(form->axis));
      if (run > 1) out[form->axis] = run;
    } else if (op.kind == OpKind::reduce && op.attr.group > 0) {
      out = runs(op.operand(0));
      out[op.attr.axis] = op.attr.group;
    } else if (op.kind == OpKind::reduce) {
      out = runs(op.operand(0));
      out.erase(op.attr.axis);
    } else if (ir::info(op.kind).elementwise || op.kind == OpKind::load) {
      out = runs(op.operands, value->type.axes);
    }
  }
  return runs_[value] = out;
}

unsigned Analysis::dependences(const ir::Value* value) {
  auto known = dependences_.find(value);
  if (known != dependences_.end()) return known->second;
  unsigned bits = 0;
  if (value->def == nullptr) {
    bits = kFoldArguments;
  } else {
    const ir::Op& op = *value->def;
    if (op.kind == OpKind::grid_index) bits |= 1u << op.attr.index;
    if (op.kind == OpKind::fold) bits |= 15u;
    for (const ir::Value* v : op.operands) bits |= dependences(v);
  }
  return dependences_[value] = bits;
}

namespace {

// 2^n is above the magnitude of a constant for n this many.
int constant_bits(std::int64_t value) {
  auto rest = static_cast<std::uint64_t>(value < 0 ? -(value + 1) : value);
  int bits = 1;
  while (rest >>= 1) ++bits;
  return bits;
}

}  // namespace

int Analysis::magnitude_bits(const ir::Value* value) {
  constexpr int kIndexBits = 40;  // a size, a trip or a place in the grid
  auto known = bits_.find(value);
  if (known != bits_.end()) return known->second;
  int all = 8 * size_in_bytes(value->type.element), bits = all;
  if (value->def == nullptr) {
    if (value->index == 0) bits = kIndexBits;
    return bits_[value] = bits;
  }
  const ir::Op& op = *value->def;
  auto x = [&](int i) { return magnitude_bits(op.operand(i)); };
  switch (op.kind) {
    case OpKind::constant:
      bits = constant_bits(op.attr.int_value);
      break;
    case OpKind::dim:
    case OpKind::axis_extent:
    case OpKind::grid_index:
    case OpKind::iota:
      bits = kIndexBits;
      break;
    case OpKind::neg:
    case OpKind::abs:
    case OpKind::div:
    case OpKind::ceil_div:
      bits = x(0);
      break;
    case OpKind::rem:
      bits = std::min(x(0), x(1));
      break;
    case OpKind::add:
    case OpKind::sub:
      bits = std::max(x(0), x(1)) + 1;
      break;
    case OpKind::mul:
      bits = x(0) + x(1);
      break;
    case OpKind::min:
    case OpKind::max:
      bits = std::max(x(0), x(1));
      break;
    case OpKind::select:
      bits = std::max(x(1), x(2));
      break;
    case OpKind::cast:
      if (op.operand(0)->type.element == ElementType::i32) bits = std::min(bits, 32);
      break;
    default:
      break;
  }
  return bits_[value] = bits;
}

bool Analysis::is_pointwise(const ir::Value* value) {
  auto known = pointwise_.find(value);
  if (known != pointwise_.end()) return known->second;
  bool ok = false;
  if (value->def == nullptr) {
    ok = value->index == 0;  // a fold's index; what it carries is computed where the fold is
  } else if (value->def->kind != OpKind::fold) {
    const ir::Op& op = *value->def;
    // What the kernel writes too is read where the program reads it.
    ok = op.kind == OpKind::load
             ? function_.params[static_cast<std::size_t>(op.attr.index)].access == ir::Access::in
             : op.operands.empty() || ir::info(op.kind).elementwise;
    for (const ir::Value* v : op.operands) ok = ok && is_pointwise(v);
  }
  return pointwise_[value] = ok;
}

std::vector<ir::AxisId> index_axes(const ir::Op& op, std::size_t rank) {
  std::vector<ir::AxisId> axes;
  for (std::size_t i = 0; i < rank; ++i) axes = ir::union_axes(axes, op.operands[i]->type.axes);
  return axes;
}

namespace {

// Instructions of one element's operation, about; a special function counts for the wait for its
// unit.
int instructions(OpKind kind) {
  switch (kind) {
    case OpKind::erf:
      return 25;
    case OpKind::tanh:
      return 12;
    case OpKind::exp2:
      return 3;
    case OpKind::sigmoid:
    case OpKind::div:
      return 8;
    default:
      return ir::info(kind).function ? 6 : 1;
  }
}

}  // namespace

int epilogue_instructions(const ir::Function& function) {
  int count = 0;
  for (const ir::Op* op : function.body->ops) {
    if (ir::info(op->kind).elementwise && op->result()->type.axes.size() > 1)
      count += instructions(op->kind);
  }
  return count;
}

}  // namespace octile::cuda
