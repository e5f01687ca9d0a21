// Loads from and stores to tensors. Out of bounds nothing is touched: whole vectors in bounds take
// the plain path, others a masked one.
#include <algorithm>

#include "octile/codegen/cpu/llvm/nest.hpp"
#include "octile/codegen/cpu/llvm/nest_level.hpp"

namespace octile::cpu {
namespace {

using llvm::Value;

llvm::Align align_of(const ir::Param& param) {
  return llvm::Align(static_cast<std::uint64_t>(size_in_bytes(param.element)));
}

const ir::Param& param_of(const Frame& frame, const ir::Op& op) {
  return frame.function().params[static_cast<std::size_t>(op.attr.index)];
}

/// a and b, either of which may be null for true.
Value* both(llvm::IRBuilder<>& b, Value* x, Value* y) {
  if (x == nullptr || y == nullptr) return x == nullptr ? y : x;
  return b.CreateAnd(x, y);
}

}  // namespace

Nest::Address Nest::locate(const ir::Op& op, const std::vector<Lane>& indices) {
  Address address;
  address.offset = b_.getInt64(0);
  std::vector<int> varying;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const int dim = static_cast<int>(i);
    if (!indices[i].is_uniform()) {
      varying.push_back(dim);
      continue;
    }
    // Unsigned: a negative index is a large one.
    Value* extent = frame_.tensor_extent(op.attr.index, dim);
    Value* inside = b_.CreateICmpULT(indices[i].value, extent);
    address.in_bounds = both(b_, address.in_bounds, inside);
    Value* stride = frame_.tensor_stride(op.attr.index, dim);
    address.offset = b_.CreateAdd(address.offset, b_.CreateMul(indices[i].value, stride));
  }
  if (varying.empty()) return address;
  const auto last = static_cast<std::size_t>(varying[0]);
  if (varying.size() == 1 && varying[0] == frame_.contiguous_dim(op.attr.index) &&
      indices[last].is_ramp() && indices[last].stride == 1) {
    address.shape = Address::Shape::contiguous;
    address.first = indices[last];
    address.extent = frame_.tensor_extent(op.attr.index, varying[0]);
    address.offset = b_.CreateAdd(address.offset, address.first.value);
    return address;
  }
  scatter_indices(address, op, indices, varying);
  return address;
}

/// Masks and offsets lane by lane, for the dimensions `dims` whose index differs between lanes.
void Nest::scatter_indices(Address& address, const ir::Op& op, const std::vector<Lane>& indices,
                           const std::vector<int>& dims) {
  address.shape = Address::Shape::scattered;
  address.mask = active_mask();
  if (address.in_bounds != nullptr) {
    address.mask = b_.CreateAnd(address.mask, splat(address.in_bounds));
  }
  address.offsets = splat(address.offset);
  for (const int dim : dims) {
    Value* index = to_vector(indices[static_cast<std::size_t>(dim)]);
    Value* extent = splat(frame_.tensor_extent(op.attr.index, dim));
    address.mask = b_.CreateAnd(address.mask, b_.CreateICmpULT(index, extent));
    Value* stride = splat(frame_.tensor_stride(op.attr.index, dim));
    address.offsets = b_.CreateAdd(address.offsets, b_.CreateMul(index, stride));
  }
}

/// Whether all lanes of a contiguous access are in bounds.
Value* Nest::all_in_bounds(const Address& address) {
  Value* last = b_.CreateSub(address.extent, b_.getInt64(static_cast<std::uint64_t>(width())));
  Value* inside = both(b_, address.in_bounds, b_.CreateICmpSLE(address.first.value, last));
  if (address.first.facts.nonnegative) return inside;
  return b_.CreateAnd(inside, b_.CreateICmpSGE(address.first.value, b_.getInt64(0)));
}

/// The lanes of a contiguous access that are active and in bounds.
Value* Nest::contiguous_mask(const Address& address) {
  const auto clamp = [&](Value* x, int high) {
    Value* zero = b_.getInt64(0);
    Value* most = b_.getInt64(static_cast<std::uint64_t>(high));
    x = b_.CreateSelect(b_.CreateICmpSLT(x, zero), zero, x);
    x = b_.CreateSelect(b_.CreateICmpSGT(x, most), most, x);
    return b_.CreateTrunc(x, b_.getInt8Ty());
  };
  std::vector<llvm::Constant*> numbers;
  for (int i = 0; i < width(); ++i) {
    numbers.push_back(b_.getInt8(static_cast<std::uint8_t>(i)));
  }
  Value* lanes = llvm::ConstantVector::get(numbers);
  Value* end = clamp(b_.CreateSub(address.extent, address.first.value), active());
  if (address.in_bounds != nullptr) {
    end = b_.CreateSelect(address.in_bounds, end, b_.getInt8(0));
  }
  Value* mask = b_.CreateICmpULT(lanes, splat(end));
  if (address.first.facts.nonnegative) return mask;
  Value* begin = clamp(b_.CreateNeg(address.first.value), width());
  return b_.CreateAnd(mask, b_.CreateICmpUGE(lanes, splat(begin)));
}

Value* Nest::load_uniform(const Address& address, const ir::Op& op, Value* other) {
  llvm::Type* type = ops_.storage(param_of(frame_, op).element);
  Value* from = b_.CreateGEP(type, frame_.data(op.attr.index), address.offset);
  // Out of bounds reads a zero that is always there, so no branch is needed.
  from = b_.CreateSelect(address.in_bounds, from, frame_.zeros());
  Value* loaded = b_.CreateAlignedLoad(type, from, align_of(param_of(frame_, op)));
  return other == nullptr ? loaded : b_.CreateSelect(address.in_bounds, loaded, other);
}

Value* Nest::load_contiguous(const Address& address, const ir::Op& op, Value* other) {
  llvm::Type* type = ops_.storage(param_of(frame_, op).element);
  auto* wide = llvm::FixedVectorType::get(type, static_cast<unsigned>(width()));
  const llvm::Align align = align_of(param_of(frame_, op));
  Value* from = b_.CreateGEP(type, frame_.data(op.attr.index), address.offset);
  Value* elsewhere = other == nullptr ? llvm::Constant::getNullValue(wide) : splat(other);
  if (active() < width()) {
    return b_.CreateMaskedLoad(wide, from, align, contiguous_mask(address), elsewhere);
  }
  llvm::BasicBlock* plain = frame_.block("inside");
  llvm::BasicBlock* masked = frame_.block("edge");
  llvm::BasicBlock* join = frame_.block("loaded");
  b_.CreateCondBr(all_in_bounds(address), plain, masked);
  b_.SetInsertPoint(plain);
  Value* whole = b_.CreateAlignedLoad(wide, from, align);
  b_.CreateBr(join);
  b_.SetInsertPoint(masked);
  Value* part = b_.CreateMaskedLoad(wide, from, align, contiguous_mask(address), elsewhere);
  b_.CreateBr(join);
  b_.SetInsertPoint(join);
  auto* loaded = b_.CreatePHI(wide, 2);
  loaded->addIncoming(whole, plain);
  loaded->addIncoming(part, masked);
  return loaded;
}

Value* Nest::load_scattered(const Address& address, const ir::Op& op, Value* other) {
  llvm::Type* type = ops_.storage(param_of(frame_, op).element);
  return gather_lanes(frame_.data(op.attr.index), address.offsets, address.mask, type, other);
}

Lane Nest::load(const ir::Op& op, int level) {
  const ir::Param& param = param_of(frame_, op);
  std::vector<Lane> indices;
  for (std::size_t i = 0; i < param.shape.size(); ++i) indices.push_back(get(op.operands[i]));
  const At at(*this, level);
  Value* other = nullptr;
  if (op.attr.has_other) {
    other = ops_.to_storage(param.element, frame_.scalar(op.operands.back()).value);
  }
  if (frame_.checked()) check(op, indices, b_.getInt64(0), b_.getTrue());
  const Address address = locate(op, indices);
  Value* loaded = nullptr;
  switch (address.shape) {
    case Address::Shape::uniform:
      loaded = load_uniform(address, op, other);
      break;
    case Address::Shape::contiguous:
      loaded = load_contiguous(address, op, other);
      break;
    case Address::Shape::scattered:
      loaded = load_scattered(address, op, other);
      break;
  }
  const bool is_vector = address.shape != Address::Shape::uniform;
  return {ops_.from_storage(param.element, loaded), 0, is_vector, {}};
}

void Nest::store_uniform(const Address& address, const ir::Op& op, const Lane& value, Value* mask) {
  const ir::Param& param = param_of(frame_, op);
  Value* stored = value.value;
  // All lanes write one element: the last one's value stays.
  if (!value.is_uniform()) {
    stored = b_.CreateExtractElement(to_vector(value), static_cast<std::uint64_t>(active() - 1));
  }
  llvm::BasicBlock* inside = frame_.block("store");
  llvm::BasicBlock* after = frame_.block("stored");
  b_.CreateCondBr(both(b_, address.in_bounds, mask), inside, after);
  b_.SetInsertPoint(inside);
  llvm::Type* type = ops_.storage(param.element);
  Value* to = b_.CreateGEP(type, frame_.data(op.attr.index), address.offset);
  b_.CreateAlignedStore(ops_.to_storage(param.element, stored), to, align_of(param));
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void Nest::store_contiguous(const Address& address, const ir::Op& op, Value* value, Value* mask) {
  const ir::Param& param = param_of(frame_, op);
  Value* to = b_.CreateGEP(ops_.storage(param.element), frame_.data(op.attr.index), address.offset);
  const auto masked_store = [&] {
    b_.CreateMaskedStore(value, to, align_of(param), both(b_, contiguous_mask(address), mask));
  };
  if (mask != nullptr || active() < width()) return masked_store();
  llvm::BasicBlock* plain = frame_.block("inside");
  llvm::BasicBlock* edge = frame_.block("edge");
  llvm::BasicBlock* join = frame_.block("stored");
  b_.CreateCondBr(all_in_bounds(address), plain, edge);
  b_.SetInsertPoint(plain);
  b_.CreateAlignedStore(value, to, align_of(param));
  b_.CreateBr(join);
  b_.SetInsertPoint(edge);
  masked_store();
  b_.CreateBr(join);
  b_.SetInsertPoint(join);
}

void Nest::store_scattered(const Address& address, const ir::Op& op, Value* value, Value* mask) {
  llvm::Type* type = ops_.storage(param_of(frame_, op).element);
  store_lanes(frame_.data(op.attr.index), address.offsets, value, both(b_, address.mask, mask),
              type);
}

void Nest::store(const ir::Op& op) {
  const ir::Param& param = param_of(frame_, op);
  const std::size_t rank = param.shape.size();
  std::vector<Lane> indices;
  for (std::size_t i = 0; i < rank; ++i) indices.push_back(get(op.operands[i]));
  const Lane value = get(op.operands[rank]);
  Lane mask;
  if (op.attr.has_mask) mask = get(op.operands[rank + 1]);
  const At at(*this, static_cast<int>(levels_.size()) - 1);
  if (frame_.checked()) {
    llvm::Type* bits = b_.getIntNTy(static_cast<unsigned>(info(param.element).bits));
    Value* stored = b_.CreateBitCast(ops_.to_storage(param.element, value.value), bits);
    check(op, indices, b_.CreateZExt(stored, b_.getInt64Ty()),
          mask.value == nullptr ? b_.getTrue() : mask.value);
  }
  Address address = locate(op, indices);
  const bool lanes_differ = mask.is_vector && address.shape == Address::Shape::uniform;
  if (lanes_differ) scatter_indices(address, op, indices, {});
  if (address.shape == Address::Shape::uniform) {
    return store_uniform(address, op, value, mask.value);
  }
  Value* stored = ops_.to_storage(param.element, to_vector(value));
  Value* lanes = mask.value == nullptr ? nullptr : to_vector(mask);
  if (address.shape == Address::Shape::contiguous) {
    store_contiguous(address, op, stored, lanes);
  } else {
    store_scattered(address, op, stored, lanes);
  }
}

/// Checked mode: tells the engine of an access before it happens.
void Nest::check(const ir::Op& op, const std::vector<Lane>& indices, Value* bits, Value* active) {
  Value* array = frame_.index_array();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    b_.CreateStore(indices[i].value, b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), array, i));
  }
  const EnvLayout layout(frame_.function());
  auto* type = llvm::FunctionType::get(
      b_.getVoidTy(),
      {b_.getPtrTy(), b_.getInt64Ty(), b_.getPtrTy(), b_.getInt64Ty(), b_.getInt32Ty()}, false);
  const auto site = static_cast<std::uint64_t>(frame_.check_site(op));
  b_.CreateCall(type, frame_.pointer_word(layout.check_function()),
                {frame_.pointer_word(layout.check_context()), b_.getInt64(site), array, bits,
                 b_.CreateZExt(active, b_.getInt32Ty())});
}

}  // namespace octile::cpu
