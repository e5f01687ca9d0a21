// Folds: a loop at the program's level. Every carried tile has two buffers that swap roles, so that
// a new value never overwrites what another new value still needs.
#include "octile/codegen/cpu/llvm/lowering.hpp"

namespace octile::cpu {

using ir::Op;
using llvm::Value;

/// Buffers of the carried tiles, the first ones filled with the initial values.
void Lowering::start_carried(const Op& op, std::vector<Storage>& now, std::vector<Storage>& next) {
  const ir::Region& body = *op.regions[0];
  for (std::size_t i = 1; i < body.args.size(); ++i) {
    const ir::Value* arg = body.args[i];
    if (arg->type.is_scalar()) {
      now.emplace_back();
      next.emplace_back();
      continue;
    }
    // One buffer of twice the size: after the loop the result may be in either half.
    const std::int64_t bytes = frame_.elements(arg->type.axes) * size_in_bytes(arg->type.element);
    const std::int64_t half =
        (bytes + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment;
    Storage first;
    first.element = arg->type.element;
    first.layout = plan_.layout(arg);
    first.address = frame_.allocate_bytes(2 * half, first.buffer);
    copy(op.operands[i], first);
    Storage second = first;
    second.address =
        b_.CreateGEP(b_.getInt8Ty(), first.address, b_.getInt64(static_cast<std::uint64_t>(half)));
    now.push_back(first);
    next.push_back(second);
  }
}

void Lowering::fold(const Op& op) {
  const ir::Region& body = *op.regions[0];
  std::vector<Storage> now, next;
  start_carried(op, now, next);
  frame_.arena().enter_loop();
  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::BasicBlock* header = frame_.block("fold");
  llvm::BasicBlock* inside = frame_.block("trip");
  llvm::BasicBlock* after = frame_.block("folded");
  b_.CreateBr(header);
  b_.SetInsertPoint(header);
  auto* trip = b_.CreatePHI(b_.getInt64Ty(), 2);
  trip->addIncoming(b_.getInt64(0), before);
  frame_.set_scalar(body.args[0], {trip, 0, false, {1, true}});
  struct Phis {
    llvm::PHINode* first;
    llvm::PHINode* second;  ///< tiles: the other buffer
  };
  std::vector<Phis> phis;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const ir::Value* arg = body.args[i + 1];
    if (arg->type.is_scalar()) {
      Value* init = frame_.scalar(op.operands[i + 1]).value;
      auto* phi = b_.CreatePHI(init->getType(), 2);
      phi->addIncoming(init, before);
      frame_.set_scalar(arg, {phi, 0, false, {}});
      phis.push_back({phi, nullptr});
      continue;
    }
    auto* current = b_.CreatePHI(b_.getPtrTy(), 2);
    auto* other = b_.CreatePHI(b_.getPtrTy(), 2);
    current->addIncoming(now[i].address, before);
    other->addIncoming(next[i].address, before);
    now[i].address = current;
    next[i].address = other;
    frame_.set_storage(arg, now[i]);
    phis.push_back({current, other});
  }
  b_.CreateCondBr(b_.CreateICmpSLT(trip, frame_.scalar(op.operand(0)).value), inside, after);
  b_.SetInsertPoint(inside);
  folds_.push_back({&body, next});
  emit(body);
  const std::vector<Value*> yielded = yield(*body.ops.back());
  folds_.pop_back();
  // Both halves of a carried buffer stay until the loop ends.
  for (const Storage& storage : now) {
    if (storage.buffer >= 0) frame_.arena().touch(storage.buffer);
  }
  llvm::BasicBlock* latch = b_.GetInsertBlock();
  trip->addIncoming(b_.CreateAdd(trip, b_.getInt64(1)), latch);
  b_.CreateBr(header);
  for (std::size_t i = 0; i < phis.size(); ++i) {
    if (phis[i].second == nullptr) {
      phis[i].first->addIncoming(yielded[i], latch);
    } else {
      phis[i].first->addIncoming(next[i].address, latch);
      phis[i].second->addIncoming(now[i].address, latch);
    }
  }
  b_.SetInsertPoint(after);
  frame_.arena().leave_loop();
  for (std::size_t i = 0; i < op.results.size(); ++i) {
    if (phis[i].second == nullptr) {
      frame_.set_scalar(op.results[i], {phis[i].first, 0, false, {}});
    } else {
      frame_.set_storage(op.results[i], now[i]);
    }
  }
}

/// The carried scalars' next values (null for tiles), and the tiles' in their buffers.
std::vector<Value*> Lowering::yield(const Op& op) {
  yield_tiles(op);
  std::vector<Value*> scalars;
  for (const ir::Value* operand : op.operands) {
    const bool carried_scalar = op.parent->args[scalars.size() + 1]->type.is_scalar();
    scalars.push_back(carried_scalar ? frame_.scalar(operand).value : nullptr);
  }
  return scalars;
}

void Lowering::yield_tiles(const Op& yield) {
  const std::vector<ir::Value*>& args = yield.parent->args;
  const std::vector<Storage> next = folds_.back().next;
  std::vector<bool> done(yield.operands.size(), false);
  for (std::size_t i = 0; i < yield.operands.size(); ++i) {
    const std::vector<ir::AxisId>& axes = args[i + 1]->type.axes;
    if (axes.empty() || done[i]) continue;
    // Tiles of the same axes in one nest, so that what they share is computed once.
    std::vector<std::size_t> group;
    std::vector<const ir::Value*> values;
    for (std::size_t j = i; j < yield.operands.size(); ++j) {
      if (args[j + 1]->type.axes != axes) continue;
      done[j] = true;
      const ir::Value* value = yield.operands[j];
      const bool in_place = !value->type.is_scalar() && value->region == yield.parent &&
                            plan_.forwarded(value) == static_cast<int>(j);
      if (in_place) continue;
      group.push_back(j);
      values.push_back(value);
    }
    if (group.empty()) continue;
    const ir::AxisId axis = next[group[0]].layout.back();
    Nest nest(frame_);
    nest.each(next[group[0]].layout, axis, width(values, axis), [&] {
      // All values first: they read the current buffers.
      std::vector<Lane> lanes;
      for (const ir::Value* value : values) lanes.push_back(nest.get(value));
      for (std::size_t j = 0; j < group.size(); ++j) nest.store_buffer(next[group[j]], lanes[j]);
    });
  }
}

}  // namespace octile::cpu
