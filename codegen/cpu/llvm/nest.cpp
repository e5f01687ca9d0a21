#include "octile/codegen/cpu/llvm/nest.hpp"

#include <algorithm>

#include "octile/codegen/cpu/llvm/nest_level.hpp"

namespace octile::cpu {

using ir::OpKind;
using llvm::Value;

llvm::BasicBlock*& Nest::block_of(int level) {
  return level < 0 ? outside_ : levels_[static_cast<std::size_t>(level)].block;
}

int Nest::vector_level() const {
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    if (levels_[i].width > 1) return static_cast<int>(i);
  }
  return -1;
}

int Nest::width() const {
  const int level = vector_level();
  return level < 0 ? 1 : levels_[static_cast<std::size_t>(level)].width;
}

int Nest::active() const {
  const int level = vector_level();
  return level < 0 ? 1 : levels_[static_cast<std::size_t>(level)].active;
}

int Nest::level_of(const ir::Value* value) const {
  for (int level = static_cast<int>(levels_.size()) - 1; level >= 0; --level) {
    const ir::AxisId axis = levels_[static_cast<std::size_t>(level)].axis;
    if (value->type.has_axis(axis)) return level;
  }
  return -1;
}

Lane Nest::index(ir::AxisId axis) const {
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    if (level->axis == axis) return level->index;
  }
  throw ir::Error("cpu: internal: a value is used outside of the loops over its axes");
}

/// Emits the body once, in a block of its own, for elements [at, at + active).
Nest::Carried Nest::run_block(const Loop& loop, std::int64_t at, int active, const Carried& in,
                              const Body& body) {
  llvm::BasicBlock* block = b_.GetInsertBlock();
  Lane index{b_.getInt64(static_cast<std::uint64_t>(at)), 0, false, facts_of_constant(at)};
  if (loop.first.value != nullptr) {
    index = *index_operation(b_, OpKind::add, loop.first, index, 1);
  }
  if (loop.width > 1) index.stride = 1;
  levels_.push_back({loop.axis, index, loop.width, active, block, {}});
  Carried out = body(in);
  levels_.pop_back();
  return out;
}

Nest::Carried Nest::loop(const Loop& loop, const Carried& init, const Body& body) {
  const int parent = static_cast<int>(levels_.size()) - 1;
  block_of(parent) = b_.GetInsertBlock();
  const std::int64_t whole = loop.count / loop.width;
  const int rest = static_cast<int>(loop.count % loop.width);
  llvm::BasicBlock* start = frame_.block("loop");
  std::vector<llvm::PHINode*> phis;
  Carried carried = init;
  b_.SetInsertPoint(start);
  if (whole > 1) {
    auto* number = b_.CreatePHI(b_.getInt64Ty(), 2);
    phis.push_back(number);
    for (Value*& value : carried) {
      auto* phi = b_.CreatePHI(value->getType(), 2);
      phis.push_back(phi);
      value = phi;
    }
    Lane index{number, 0, false, {loop.width, true}};
    if (loop.first.value != nullptr)
      index = *index_operation(b_, OpKind::add, loop.first, index, 1);
    if (loop.width > 1) index.stride = 1;
    levels_.push_back({loop.axis, index, loop.width, loop.width, start, {}});
    carried = body(carried);
    levels_.pop_back();
    // The latch: on to the next `width` elements.
    Value* next = b_.CreateAdd(number, b_.getInt64(static_cast<std::uint64_t>(loop.width)));
    Value* more =
        b_.CreateICmpNE(next, b_.getInt64(static_cast<std::uint64_t>(whole * loop.width)));
    llvm::BasicBlock* latch = b_.GetInsertBlock();
    llvm::BasicBlock* after = frame_.block("after");
    b_.CreateCondBr(more, start, after);
    phis[0]->addIncoming(next, latch);
    for (std::size_t i = 0; i < carried.size(); ++i) phis[i + 1]->addIncoming(carried[i], latch);
    b_.SetInsertPoint(after);
  } else if (whole == 1) {
    carried = run_block(loop, 0, loop.width, carried, body);
  }
  if (rest > 0) {
    if (whole > 0) {
      llvm::BasicBlock* tail = frame_.block("tail");
      b_.CreateBr(tail);
      b_.SetInsertPoint(tail);
    }
    carried = run_block(loop, whole * loop.width, rest, carried, body);
  }
  // Code that inner loops put before themselves has come to the parent's block by now.
  llvm::BasicBlock* end = b_.GetInsertBlock();
  llvm::BasicBlock*& block = block_of(parent);
  b_.SetInsertPoint(block);
  b_.CreateBr(start);
  if (!phis.empty()) phis[0]->addIncoming(b_.getInt64(0), block);
  for (std::size_t i = 1; i < phis.size(); ++i) phis[i]->addIncoming(init[i - 1], block);
  block = end;
  b_.SetInsertPoint(end);
  return carried;
}

void Nest::each(std::vector<ir::AxisId> axes, ir::AxisId vector_axis, int width,
                const std::function<void()>& body) {
  const auto found = std::find(axes.begin(), axes.end(), vector_axis);
  if (found != axes.end()) std::rotate(found, found + 1, axes.end());
  const std::function<void(std::size_t)> nested = [&](std::size_t i) {
    if (i == axes.size()) return body();
    const Loop spec{axes[i], frame_.extent(axes[i]), axes[i] == vector_axis ? width : 1, {}};
    loop(spec, {}, [&](const Carried&) {
      nested(i + 1);
      return Carried{};
    });
  };
  nested(0);
}

Value* Nest::splat(Value* scalar) {
  return b_.CreateVectorSplat(static_cast<unsigned>(width()), scalar);
}

Value* Nest::to_vector(const Lane& lane) {
  if (lane.is_vector || width() == 1) return lane.value;
  Value* all = splat(lane.value);
  if (lane.stride == 0) return all;
  std::vector<llvm::Constant*> steps;
  for (int i = 0; i < width(); ++i) {
    // As all integers do, a ramp wraps.
    steps.push_back(
        b_.getInt64(static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(lane.stride)));
  }
  return b_.CreateAdd(all, llvm::ConstantVector::get(steps));
}

Value* Nest::active_mask() {
  std::vector<llvm::Constant*> lanes;
  for (int i = 0; i < width(); ++i) lanes.push_back(b_.getInt1(i < active()));
  return llvm::ConstantVector::get(lanes);
}

Lane Nest::get(const ir::Value* value) {
  if (value->type.is_scalar()) return frame_.scalar(value);
  const int level = level_of(value);
  if (level < 0) throw ir::Error("cpu: internal: a tile is used outside of its loops");
  auto& memo = levels_[static_cast<std::size_t>(level)].memo;
  if (const auto found = memo.find(value); found != memo.end()) return found->second;
  const Lane lane = frame_.plan().is_buffer(value) ? load_buffer(frame_.storage(value), level)
                                                   : compute(*value->def, level);
  memo[value] = lane;
  return lane;
}

Lane Nest::evaluate(const ir::Op& op) {
  return compute(op, op.results.empty() ? -1 : level_of(op.result()));
}

Lane Nest::compute(const ir::Op& op, int level) {
  switch (op.kind) {
    case OpKind::iota:
      return index(op.attr.axis);
    case OpKind::load:
      return load(op, level);
    default:
      return elementwise(op, level);
  }
}

Lane Nest::elementwise(const ir::Op& op, int level) {
  std::vector<Lane> lanes;
  for (const ir::Value* operand : op.operands) lanes.push_back(get(operand));
  const At at(*this, level);
  const ElementType type = op.result()->type.element;
  const ElementType from = op.operand(0)->type.element;
  const bool all_uniform =
      std::all_of(lanes.begin(), lanes.end(), [](const Lane& lane) { return lane.is_uniform(); });
  if (from == ElementType::i64 && type == ElementType::i64 && lanes.size() <= 2) {
    if (auto lane = index_operation(b_, op.kind, lanes[0], lanes.back(), width())) return *lane;
  }
  std::vector<Value*> values;
  for (const Lane& lane : lanes) values.push_back(all_uniform ? lane.value : to_vector(lane));
  Lane out;
  out.is_vector = !all_uniform;
  switch (op.kind) {
    case OpKind::cast:
      out.value = ops_.cast(from, type, values[0]);
      break;
    case OpKind::bitcast:
      out.value = ops_.bitcast(from, type, values[0]);
      break;
    case OpKind::fma:
      out.value = ops_.fma(values[0], values[1], values[2]);
      break;
    case OpKind::select:
      out.value = ops_.select(values[0], values[1], values[2]);
      break;
    default:
      out.value = values.size() == 1 ? ops_.unary(op.kind, from, values[0])
                                     : ops_.binary(op.kind, from, values[0], values[1]);
  }
  return out;
}

}  // namespace octile::cpu
