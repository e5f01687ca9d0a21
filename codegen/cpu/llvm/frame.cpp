#include "octile/codegen/cpu/llvm/frame.hpp"

#include <fmt/format.h>

namespace octile::cpu {
namespace {

using llvm::Value;

constexpr int kMostDims = 5;

llvm::Function* declare(llvm::Module& module, const std::string& name) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* pointer = llvm::PointerType::getUnqual(context);
  llvm::Type* i64 = llvm::Type::getInt64Ty(context);
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       {pointer, i64, i64, i64, pointer}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
  const char* names[] = {"env", "i", "j", "k", "scratch"};
  for (unsigned n = 0; n < 5; ++n) function->getArg(n)->setName(names[n]);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  return function;
}

}  // namespace

Frame::Frame(const ir::Function& function, const Plan& plan,
             const std::vector<int>& contiguous_dims, bool checked, llvm::Module& module)
    : function_(function),
      plan_(plan),
      contiguous_dims_(contiguous_dims),
      checked_(checked),
      env_layout_(function),
      b_(module.getContext()),
      ops_(b_),
      llvm_function_(declare(module, function.name)),
      entry_(llvm::BasicBlock::Create(module.getContext(), "entry", llvm_function_)),
      body_(llvm::BasicBlock::Create(module.getContext(), "body", llvm_function_)),
      env_(llvm_function_->getArg(0)),
      scratch_(llvm_function_->getArg(4)) {
  b_.SetInsertPoint(body_);
}

std::int64_t Frame::extent(ir::AxisId axis) const {
  const ir::Axis& found = function_.axes[static_cast<std::size_t>(axis)];
  if (!found.is_bound()) {
    throw ir::Error(fmt::format(
        "cpu: axis '{}' of program '{}' is not bound: give it an extent in the schedule",
        found.name, function_.name));
  }
  return found.extent;
}

std::int64_t Frame::elements(const std::vector<ir::AxisId>& axes) const {
  std::int64_t count = 1;
  for (const ir::AxisId axis : axes) {
    if (__builtin_mul_overflow(count, extent(axis), &count) || count > (std::int64_t{1} << 40)) {
      throw ir::Error(
          fmt::format("cpu: a tile of program '{}' has over 2^40 elements: bind its "
                      "axes to smaller extents",
                      function_.name));
    }
  }
  return count;
}

/// Reads a word of the environment once, in the entry block.
Value* Frame::word(int number) {
  Value*& value = words_[number];
  if (value == nullptr) {
    llvm::IRBuilder<> entry(entry_);
    Value* address = entry.CreateConstInBoundsGEP1_64(entry.getInt64Ty(), env_,
                                                      static_cast<std::uint64_t>(number));
    value = entry.CreateLoad(entry.getInt64Ty(), address);
  }
  return value;
}

Value* Frame::pointer_word(int number) {
  const int key = -1 - number;
  Value*& value = words_[key];
  if (value == nullptr) {
    llvm::IRBuilder<> entry(entry_);
    Value* address = entry.CreateConstInBoundsGEP1_64(entry.getInt64Ty(), env_,
                                                      static_cast<std::uint64_t>(number));
    value = entry.CreateLoad(entry.getPtrTy(), address);
  }
  return value;
}

Value* Frame::data(ir::ParamId param) {
  return pointer_word(env_layout_.data(param));
}

Value* Frame::tensor_extent(ir::ParamId param, int dim) {
  return word(env_layout_.extent(param, dim));
}

int Frame::contiguous_dim(ir::ParamId param) const {
  return contiguous_dims_[static_cast<std::size_t>(param)];
}

Value* Frame::tensor_stride(ir::ParamId param, int dim) {
  if (contiguous_dim(param) == dim) return b_.getInt64(1);
  return word(env_layout_.stride(param, dim));
}

Value* Frame::dim(ir::DimId dim) {
  return word(env_layout_.dim(dim));
}

Value* Frame::grid_index(int position) {
  return llvm_function_->getArg(static_cast<unsigned>(position) + 1);
}

Value* Frame::allocate_bytes(std::int64_t bytes, int& buffer) {
  buffer = arena_.add(bytes);
  llvm::IRBuilder<> entry(entry_);
  auto* address = llvm::GetElementPtrInst::Create(entry.getInt8Ty(), scratch_, {entry.getInt64(0)},
                                                  "buffer", entry_);
  addresses_.emplace_back(address, buffer);
  return address;
}

Storage Frame::allocate(ElementType element, std::vector<ir::AxisId> layout) {
  Storage storage;
  storage.element = element;
  storage.layout = std::move(layout);
  storage.address =
      allocate_bytes(elements(storage.layout) * size_in_bytes(element), storage.buffer);
  return storage;
}

const Storage& Frame::storage(const ir::Value* value) {
  const Storage& found = storage_.at(value);
  arena_.touch(found.buffer);
  return found;
}

Value* Frame::index_array() {
  if (index_array_ == nullptr) {
    llvm::IRBuilder<> entry(entry_);
    index_array_ = entry.CreateAlloca(entry.getInt64Ty(), entry.getInt64(kMostDims));
  }
  return index_array_;
}

Value* Frame::dot_shape(const DotShape& shape) {
  dots.push_back(shape);
  Value* table = pointer_word(env_layout_.dot_shapes());
  const std::size_t offset = (dots.size() - 1) * sizeof(DotShape);
  return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), table, offset);
}

std::int64_t Frame::check_site(const ir::Op& access) {
  const auto [found, is_new] = site_of_.emplace(&access, static_cast<std::int64_t>(sites.size()));
  if (is_new) {
    const std::size_t rank =
        function_.params[static_cast<std::size_t>(access.attr.index)].shape.size();
    CheckSite site;
    site.param = access.attr.index;
    site.is_store = access.kind == ir::OpKind::store;
    site.has_other = access.attr.has_other;
    site.location = access.location;
    for (std::size_t i = 0; i < rank; ++i) {
      const ir::Value* index = access.operands[i];
      site.is_block.push_back(!index->type.is_scalar() && Plan::is_block_index(index));
    }
    sites.push_back(std::move(site));
  }
  return found->second;
}

llvm::BasicBlock* Frame::block(const char* name) {
  return llvm::BasicBlock::Create(b_.getContext(), name, llvm_function_);
}

void Frame::finish() {
  b_.CreateRetVoid();
  llvm::IRBuilder<>(entry_).CreateBr(body_);
  const std::vector<std::int64_t> offsets = arena_.place();
  for (const auto& [address, buffer] : addresses_) {
    const std::int64_t offset = offsets[static_cast<std::size_t>(buffer)];
    address->setOperand(1, b_.getInt64(static_cast<std::uint64_t>(offset)));
  }
}

}  // namespace octile::cpu
