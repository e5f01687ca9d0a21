// Tiles in scratch memory, read and written at the indices of a nest's loops.
#include <algorithm>

#include "octile/codegen/cpu/llvm/nest.hpp"
#include "octile/codegen/cpu/llvm/nest_level.hpp"

namespace octile::cpu {

using llvm::Value;

namespace {

llvm::Align align_of(ElementType type) {
  return llvm::Align(static_cast<std::uint64_t>(size_in_bytes(type)));
}

}  // namespace

/// Offset in elements of lane 0, and the distance between lanes (0: all lanes read one element).
std::pair<Value*, std::int64_t> Nest::buffer_offset(const Storage& storage) {
  Value* offset = b_.getInt64(0);
  std::int64_t stride = 1;
  std::int64_t lane_stride = 0;
  for (auto axis = storage.layout.rbegin(); axis != storage.layout.rend(); ++axis) {
    const Lane lane = index(*axis);
    lane_stride += lane.stride * stride;
    Value* part = b_.CreateMul(lane.value, b_.getInt64(static_cast<std::uint64_t>(stride)));
    offset = b_.CreateAdd(offset, part);
    stride *= frame_.extent(*axis);
  }
  return {offset, lane_stride};
}

Lane Nest::load_buffer(const Storage& storage, int level) {
  const At at(*this, level);
  const auto [offset, stride] = buffer_offset(storage);
  llvm::Type* type = ops_.storage(storage.element);
  if (stride != 0 && stride != 1) {
    return {gather_buffer(storage, offset, stride), 0, true, {}};
  }
  // The last vector of a row may read past it: the arena has slack, and those lanes are not used.
  llvm::Type* wide =
      stride == 0 ? type : llvm::FixedVectorType::get(type, static_cast<unsigned>(width()));
  Value* address = b_.CreateGEP(type, storage.address, offset);
  Value* loaded = b_.CreateAlignedLoad(wide, address, align_of(storage.element));
  return {ops_.from_storage(storage.element, loaded), 0, stride != 0, {}};
}

Value* Nest::gather_buffer(const Storage& storage, Value* offset, std::int64_t stride) {
  llvm::Type* type = ops_.storage(storage.element);
  std::vector<llvm::Constant*> steps;
  for (int i = 0; i < width(); ++i) {
    steps.push_back(b_.getInt64(static_cast<std::uint64_t>(i < active() ? i * stride : 0)));
  }
  Value* offsets = b_.CreateAdd(splat(offset), llvm::ConstantVector::get(steps));
  Value* loaded = gather_lanes(storage.address, offsets, active_mask(), type, nullptr);
  return ops_.from_storage(storage.element, loaded);
}

void Nest::store_buffer(const Storage& storage, const Lane& lane) {
  const At at(*this, static_cast<int>(levels_.size()) - 1);
  frame_.arena().touch(storage.buffer);
  const auto [offset, stride] = buffer_offset(storage);
  llvm::Type* type = ops_.storage(storage.element);
  const llvm::Align align = align_of(storage.element);
  Value* address = b_.CreateGEP(type, storage.address, offset);
  if (stride == 0) {
    b_.CreateAlignedStore(ops_.to_storage(storage.element, lane.value), address, align);
    return;
  }
  Value* value = ops_.to_storage(storage.element, to_vector(lane));
  if (stride == 1) {
    if (active() == width()) {
      b_.CreateAlignedStore(value, address, align);
    } else {
      b_.CreateMaskedStore(value, address, align, active_mask());
    }
    return;
  }
  std::vector<llvm::Constant*> steps;
  for (int i = 0; i < width(); ++i) {
    steps.push_back(b_.getInt64(static_cast<std::uint64_t>(i * stride)));
  }
  Value* offsets = b_.CreateAdd(splat(offset), llvm::ConstantVector::get(steps));
  store_lanes(storage.address, offsets, value, active_mask(), type);
}

/// One element per lane where `mask` holds, elsewhere `other` (null: zero).
Value* Nest::gather_lanes(Value* base, Value* offsets, Value* mask, llvm::Type* type,
                          Value* other) {
  auto* wide = llvm::FixedVectorType::get(type, static_cast<unsigned>(width()));
  Value* elsewhere = other == nullptr ? llvm::Constant::getNullValue(wide) : splat(other);
  const unsigned bits = type->getScalarSizeInBits();
  const llvm::Align align(bits / 8);
  if (bits >= 32) {
    Value* addresses = b_.CreateGEP(type, base, offsets);
    return b_.CreateMaskedGather(wide, addresses, align, mask, elsewhere);
  }
  // No machine gathers narrow elements: one by one, from a zero where the mask is off.
  Value* result = elsewhere;
  for (int i = 0; i < active(); ++i) {
    Value* on = b_.CreateExtractElement(mask, static_cast<std::uint64_t>(i));
    Value* offset = b_.CreateExtractElement(offsets, static_cast<std::uint64_t>(i));
    Value* address = b_.CreateSelect(on, b_.CreateGEP(type, base, offset), frame_.zeros());
    Value* loaded = b_.CreateAlignedLoad(type, address, align);
    if (other != nullptr) loaded = b_.CreateSelect(on, loaded, other);
    result = b_.CreateInsertElement(result, loaded, static_cast<std::uint64_t>(i));
  }
  return result;
}

/// Lane by lane, the first first, where `mask` holds.
void Nest::store_lanes(Value* base, Value* offsets, Value* value, Value* mask, llvm::Type* type) {
  const llvm::Align align(type->getScalarSizeInBits() / 8);
  b_.CreateMaskedScatter(value, b_.CreateGEP(type, base, offsets), align, mask);
}

}  // namespace octile::cpu
