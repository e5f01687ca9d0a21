// Reductions and dots.
#include <algorithm>

#include "octile/codegen/cpu/llvm/lowering.hpp"

namespace octile::cpu {

using ir::AxisId;
using ir::Op;
using llvm::Value;

namespace {

constexpr int kLanes = 16;

std::vector<AxisId> without(std::vector<AxisId> axes, AxisId axis) {
  axes.erase(std::remove(axes.begin(), axes.end(), axis), axes.end());
  return axes;
}

}  // namespace

/// Combines the lanes of a vector in halves: lane i with lane i + n/2.
Value* Lowering::across_lanes(const Op& op, Value* vector) {
  const ElementType type = op.result()->type.element;
  auto lanes = llvm::cast<llvm::FixedVectorType>(vector->getType())->getNumElements();
  while (lanes > 1) {
    lanes /= 2;
    std::vector<int> low, high;
    for (unsigned i = 0; i < lanes; ++i) {
      low.push_back(static_cast<int>(i));
      high.push_back(static_cast<int>(i + lanes));
    }
    vector = ops_.combine(op.attr.reduce, type, b_.CreateShuffleVector(vector, low),
                          b_.CreateShuffleVector(vector, high));
  }
  return b_.CreateExtractElement(vector, std::uint64_t{0});
}

/// Reduces elements [first, first + count) of the axis, `width` lanes at once.
Lane Lowering::reduce_run(Nest& nest, const Op& op, const Lane& first, std::int64_t count,
                          int width) {
  const ElementType type = op.result()->type.element;
  const bool along_lanes = width > 1;
  llvm::Constant* identity = ops_.identity(op.attr.reduce, type);
  const int lanes = along_lanes ? width : nest.width();
  if (lanes > 1) {
    identity = llvm::ConstantVector::getSplat(
        llvm::ElementCount::getFixed(static_cast<unsigned>(lanes)), identity);
  }
  const Nest::Loop loop{op.attr.axis, count, width, first};
  const Nest::Carried result = nest.loop(loop, {identity}, [&](const Nest::Carried& carried) {
    Value* element = nest.to_vector(nest.get(op.operand(0)));
    Value* combined = ops_.combine(op.attr.reduce, type, carried[0], element);
    if (along_lanes && nest.active() < nest.width()) {
      combined = b_.CreateSelect(nest.active_mask(), combined, carried[0]);
    }
    return Nest::Carried{combined};
  });
  if (along_lanes) return {across_lanes(op, result[0]), 0, false, {}};
  return {result[0], 0, nest.width() > 1, {}};
}

void Lowering::reduce(const Op& op) {
  const ir::Value* source = op.operand(0);
  const AxisId axis = op.attr.axis;
  const AxisId vector_axis = plan_.vector_axis(source);
  const std::int64_t extent = frame_.extent(axis);
  const std::int64_t group = op.attr.group;
  const std::int64_t run = group == 0 ? extent : group;
  int lanes = std::min(width({source}, vector_axis), kLanes);
  if (vector_axis == axis) {
    while (lanes > run) lanes /= 2;
  }
  const int along = vector_axis == axis ? lanes : 1;
  const ir::Value* result = op.result();
  Storage storage;
  if (!result->type.is_scalar()) storage = destination(result);

  Nest nest(frame_);
  nest.each(without(source->type.axes, axis), vector_axis, lanes, [&] {
    if (group == 0) {
      const Lane total = reduce_run(nest, op, {}, run, along);
      if (result->type.is_scalar()) {
        frame_.set_scalar(result, total);
      } else {
        nest.store_buffer(storage, total);
      }
      return;
    }
    nest.loop({-1, extent / group, 1, {}}, {}, [&](const Nest::Carried&) {
      const Lane scaled{b_.getInt64(static_cast<std::uint64_t>(group)), 0, false,
                        facts_of_constant(group)};
      const Lane first =
          *index_operation(b_, ir::OpKind::mul, nest.index(-1), scaled, nest.width());
      const Lane total = reduce_run(nest, op, first, run, along);
      // Every element of the run holds its result.
      nest.loop({axis, run, along, first}, {}, [&](const Nest::Carried&) {
        nest.store_buffer(storage, total);
        return Nest::Carried{};
      });
      return Nest::Carried{};
    });
  });
  if (!result->type.is_scalar()) frame_.set_storage(result, storage);
}

/// The operand's other axes in the order of the result, and the contracted one last or first.
std::vector<AxisId> Lowering::operand_layout(const Op& op, const ir::Value* value, bool k_last) {
  std::vector<AxisId> layout = without(value->type.axes, op.attr.axis);
  layout.insert(k_last ? layout.end() : layout.begin(), op.attr.axis);
  return layout;
}

/// The operand in memory as the dot kernels read it: FP8 bytes or f32, rows or columns dense.
Lowering::Operand Lowering::dot_operand(const Op& op, int number) {
  const ir::Value* value = op.operand(number);
  const ElementType element = is_fp8(value->type.element) ? value->type.element : ElementType::f32;
  bool k_last = plan_.vector_axis(value) == op.attr.axis;
  Operand out;
  const bool in_memory = plan_.is_buffer(value) && value->type.element == element;
  if (in_memory && plan_.layout(value) == operand_layout(op, value, true)) {
    k_last = true;
    out.storage = frame_.storage(value);
  } else if (in_memory && plan_.layout(value) == operand_layout(op, value, false)) {
    k_last = false;
    out.storage = frame_.storage(value);
  } else {
    out.storage = frame_.allocate(element, operand_layout(op, value, k_last));
    copy(value, out.storage);
  }
  const std::int64_t k = frame_.extent(op.attr.axis);
  const std::int64_t outer = frame_.elements(without(value->type.axes, op.attr.axis));
  out.outer_stride = k_last ? k : 1;
  out.k_stride = k_last ? 1 : outer;
  return out;
}

void Lowering::dot(const Op& op) {
  const Operand a = dot_operand(op, 0);
  const Operand b = dot_operand(op, 1);
  DotShape shape;
  shape.a_type = a.storage.element;
  shape.b_type = b.storage.element;
  shape.m = frame_.elements(without(op.operand(0)->type.axes, op.attr.axis));
  shape.n = frame_.elements(without(op.operand(1)->type.axes, op.attr.axis));
  shape.k = frame_.extent(op.attr.axis);
  shape.a_row = a.outer_stride;
  shape.a_k = a.k_stride;
  shape.b_col = b.outer_stride;
  shape.b_k = b.k_stride;
  shape.one_chain = op.attr.fast_accumulate;

  const int chained = plan_.chained(&op);
  Value* start = llvm::ConstantPointerNull::get(b_.getPtrTy());
  Storage out;
  if (chained >= 0) {
    const auto carried = static_cast<std::size_t>(chained);
    out = folds_.back().next[carried];
    start = frame_.storage(folds_.back().body->args[carried + 1]).address;
  } else {
    out = destination(op.result());
  }
  int scratch_buffer = 0;
  Value* scratch =
      frame_.allocate_bytes(static_cast<std::int64_t>(dot_scratch_bytes(shape)), scratch_buffer);
  for (const int buffer : {a.storage.buffer, b.storage.buffer, out.buffer, scratch_buffer}) {
    frame_.arena().touch(buffer);
  }
  llvm::Type* pointer = b_.getPtrTy();
  auto* type = llvm::FunctionType::get(
      b_.getVoidTy(), {pointer, pointer, pointer, pointer, pointer, pointer}, false);
  const EnvLayout layout(frame_.function());
  b_.CreateCall(
      type, frame_.pointer_word(layout.dot_function()),
      {frame_.dot_shape(shape), a.storage.address, b.storage.address, start, out.address, scratch});
  if (chained >= 0) {
    // The addition that follows is done: its result is the chain's.
    const Op& yield = *folds_.back().body->ops.back();
    frame_.set_storage(yield.operands[static_cast<std::size_t>(chained)], out);
  } else if (op.result()->type.is_scalar()) {
    Value* loaded = b_.CreateAlignedLoad(b_.getFloatTy(), out.address, llvm::Align(4));
    frame_.set_scalar(op.result(), {loaded, 0, false, {}});
  } else {
    frame_.set_storage(op.result(), out);
  }
}

}  // namespace octile::cpu
