#include "octile/codegen/cpu/llvm/lowering.hpp"

#include <algorithm>
#include <unordered_set>

namespace octile::cpu {

using ir::AxisId;
using ir::Op;
using ir::OpKind;
using llvm::Value;

namespace {

constexpr int kLanes = 16;  ///< of f32: fixed, so that sums are the same on every machine
constexpr int kVectorBytes = 64;

}  // namespace

/// Bytes per lane that `value` itself takes in a nest vectorised along `axis`.
int Lowering::element_bytes(const ir::Value* value, AxisId axis) const {
  if (!value->type.has_axis(axis)) return 1;
  // Indices of blocks stay ramps, which take no room.
  if (value->type.element == ElementType::i64 && Plan::is_block_index(value)) return 1;
  const int bytes = std::min(size_in_bytes(value->type.element), 4);
  if (plan_.is_buffer(value)) return bytes;
  switch (value->def->kind) {
    case OpKind::load:
      // Lanes that are loaded one by one gain nothing from there being more of them.
      return plan_.is_contiguous(*value->def, axis) ? bytes : 4;
    case OpKind::select:
    case OpKind::bitcast:
      return bytes;
    default:
      return 4;  // conversions and comparisons compute in 32 bits
  }
}

/// The most that any value computed inline for `value` takes.
int Lowering::widest_element(const ir::Value* value, AxisId axis) const {
  std::vector<const ir::Value*> open = {value};
  std::unordered_set<const ir::Value*> seen = {value};
  int bytes = 1;
  while (!open.empty()) {
    const ir::Value* next = open.back();
    open.pop_back();
    if (!next->type.has_axis(axis)) continue;
    bytes = std::max(bytes, element_bytes(next, axis));
    if (bytes == 4) return bytes;
    if (plan_.is_buffer(next)) continue;
    for (const ir::Value* operand : next->def->operands) {
      if (seen.insert(operand).second) open.push_back(operand);
    }
  }
  return bytes;
}

int Lowering::width(const std::vector<const ir::Value*>& values, AxisId axis) const {
  if (frame_.checked()) return 1;
  int bytes = 1;
  for (const ir::Value* value : values) {
    const bool inlined = !value->type.is_scalar() && !plan_.is_buffer(value);
    const bool is_index = value->type.element == ElementType::i64 && Plan::is_block_index(value);
    if (!is_index) bytes = std::max(bytes, std::min(size_in_bytes(value->type.element), 4));
    if (inlined) bytes = std::max(bytes, widest_element(value, axis));
  }
  const int lanes = std::max(kVectorBytes / bytes, kLanes);
  int width = 1;
  while (width < lanes && width < frame_.extent(axis)) width *= 2;
  return width;
}

Storage Lowering::destination(const ir::Value* value) {
  const int next = plan_.forwarded(value);
  if (next >= 0) return folds_.back().next[static_cast<std::size_t>(next)];
  return frame_.allocate(value->type.element, plan_.layout(value));
}

void Lowering::emit(const ir::Region& region) {
  for (const Op* op : region.ops) {
    if (op->kind != OpKind::yield && !plan_.is_absorbed(op)) emit(*op);
  }
}

void Lowering::emit(const Op& op) {
  switch (op.kind) {
    case OpKind::store:
      return store(op);
    case OpKind::fold:
      return fold(op);
    case OpKind::dot:
      return dot(op);
    case OpKind::reduce:
      return reduce(op);
    default:
      break;
  }
  if (op.result()->type.is_scalar()) return scalar(op);
  if (plan_.is_buffer(op.result())) materialise(op);
}

void Lowering::scalar(const Op& op) {
  frame_.set_scalar(op.result(), scalar_lane(op));
}

Lane Lowering::scalar_constant(const Op& op) {
  const ElementType type = op.result()->type.element;
  llvm::Type* llvm_type = ops_.element(type);
  if (type == ElementType::f32) {
    return {llvm::ConstantFP::get(llvm_type, op.attr.float_value), 0, false, {}};
  }
  auto* value = llvm::ConstantInt::get(llvm_type, static_cast<std::uint64_t>(op.attr.int_value));
  return {value, 0, false, facts_of_constant(op.attr.int_value)};
}

Lane Lowering::scalar_lane(const Op& op) {
  const ElementType type = op.result()->type.element;
  switch (op.kind) {
    case OpKind::constant:
      return scalar_constant(op);
    case OpKind::scalar_param: {
      Value* loaded =
          b_.CreateAlignedLoad(ops_.storage(type), frame_.data(op.attr.index), llvm::Align(1));
      return {ops_.from_storage(type, loaded), 0, false, {}};
    }
    case OpKind::dim:
      return {frame_.dim(op.attr.index), 0, false, {1, true}};
    case OpKind::axis_extent: {
      const std::int64_t extent = frame_.extent(op.attr.axis);
      return {b_.getInt64(static_cast<std::uint64_t>(extent)), 0, false, facts_of_constant(extent)};
    }
    case OpKind::grid_index:
      return {frame_.grid_index(op.attr.index), 0, false, {1, true}};
    case OpKind::load:
      return Nest(frame_).evaluate(op);
    default:
      return scalar_elementwise(op);
  }
}

Lane Lowering::scalar_elementwise(const Op& op) {
  Lane out = Nest(frame_).evaluate(op);
  const auto known = [&](int i) { return frame_.scalar(op.operand(i)).facts.nonnegative; };
  // Sizes and block numbers stay known not to be negative.
  if (op.kind == OpKind::min || op.kind == OpKind::ceil_div) {
    out.facts.nonnegative = known(0) && known(1);
  } else if (op.kind == OpKind::max) {
    out.facts.nonnegative = known(0) || known(1);
  } else if (op.kind == OpKind::select) {
    out.facts.nonnegative = known(1) && known(2);
  }
  if (op.result()->type.element != ElementType::i64) out.facts = {};
  return out;
}

/// Evaluates a value into its buffer.
void Lowering::materialise(const Op& op) {
  const ir::Value* value = op.result();
  const Storage storage = destination(value);
  const AxisId axis = storage.layout.back();
  std::vector<const ir::Value*> values = {op.operands.begin(), op.operands.end()};
  values.push_back(value);
  int lanes = width(values, axis);
  // The operation itself computes; only moving bytes is done in vectors of bytes.
  if (ir::info(op.kind).elementwise) lanes = std::min(lanes, kLanes);
  Nest nest(frame_);
  nest.each(storage.layout, axis, lanes, [&] { nest.store_buffer(storage, nest.evaluate(op)); });
  frame_.set_storage(value, storage);
}

/// Evaluates `value` into `to`, broadcast and converted to f32 if that is what `to` holds.
void Lowering::copy(const ir::Value* value, const Storage& to) {
  const AxisId axis = to.layout.back();
  const ElementType from = value->type.element;
  const int lanes =
      from == to.element ? width({value}, axis) : std::min(width({value}, axis), kLanes);
  Nest nest(frame_);
  nest.each(to.layout, axis, lanes, [&] {
    Lane lane = nest.get(value);
    if (from != to.element) {
      lane = {ops_.cast(from, to.element, lane.value), 0, lane.is_vector, {}};
    }
    nest.store_buffer(to, lane);
  });
}

void Lowering::store(const Op& op) {
  std::vector<AxisId> axes;
  std::vector<const ir::Value*> values;
  for (const ir::Value* operand : op.operands) {
    axes = ir::union_axes(axes, operand->type.axes);
    values.push_back(operand);
  }
  AxisId axis = axes.empty() ? -1 : axes.back();
  for (const AxisId candidate : axes) {
    if (plan_.is_contiguous(op, candidate)) axis = candidate;
  }
  Nest nest(frame_);
  int lanes = axes.empty() ? 1 : width(values, axis);
  if (!axes.empty() && !plan_.is_contiguous(op, axis)) lanes = std::min(lanes, kLanes);
  nest.each(axes, axis, lanes, [&] { nest.store(op); });
}

Lowered lower(const ir::Function& function, const std::vector<int>& contiguous_dims, bool checked) {
  Lowered out;
  out.context = std::make_unique<llvm::LLVMContext>();
  out.module = std::make_unique<llvm::Module>(function.name, *out.context);
  out.entry = function.name;
  const Plan plan(function, contiguous_dims);
  Frame frame(function, plan, contiguous_dims, checked, *out.module);
  Lowering(frame).run();
  frame.finish();
  out.dots = std::move(frame.dots);
  out.sites = std::move(frame.sites);
  out.scratch_bytes = frame.arena().bytes();
  return out;
}

}  // namespace octile::cpu
