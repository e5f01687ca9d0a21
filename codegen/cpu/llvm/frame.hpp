// The LLVM function under construction and what every part of the lowering needs of it: arguments,
// scalars, scratch memory.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "octile/codegen/cpu/abi.hpp"
#include "octile/codegen/cpu/arena.hpp"
#include "octile/codegen/cpu/llvm/lane.hpp"
#include "octile/codegen/cpu/llvm/ops.hpp"
#include "octile/codegen/cpu/plan.hpp"

namespace octile::cpu {

/// Where a tile value lies in scratch memory.
struct Storage {
  llvm::Value* address = nullptr;
  int buffer = -1;  ///< in the arena
  ElementType element = ElementType::f32;
  std::vector<ir::AxisId> layout;  ///< outermost first, dense
};

class Frame {
 public:
  Frame(const ir::Function& function, const Plan& plan, const std::vector<int>& contiguous_dims,
        bool checked, llvm::Module& module);

  const ir::Function& function() const { return function_; }
  const Plan& plan() const { return plan_; }
  bool checked() const { return checked_; }
  llvm::IRBuilder<>& builder() { return b_; }
  Ops& ops() { return ops_; }
  Arena& arena() { return arena_; }

  std::int64_t extent(ir::AxisId axis) const;
  std::int64_t elements(const std::vector<ir::AxisId>& axes) const;

  // Arguments.
  llvm::Value* data(ir::ParamId param);
  llvm::Value* tensor_extent(ir::ParamId param, int dim);
  llvm::Value* tensor_stride(ir::ParamId param, int dim);
  int contiguous_dim(ir::ParamId param) const;
  llvm::Value* dim(ir::DimId dim);
  llvm::Value* grid_index(int position);
  llvm::Value* pointer_word(int word);

  // Values without axes.
  void set_scalar(const ir::Value* value, Lane lane) { scalars_[value] = lane; }
  const Lane& scalar(const ir::Value* value) const { return scalars_.at(value); }

  // Scratch memory.
  Storage allocate(ElementType element, std::vector<ir::AxisId> layout);
  /// `bytes` of memory; the address is fixed when the function is finished.
  llvm::Value* allocate_bytes(std::int64_t bytes, int& buffer);
  void set_storage(const ir::Value* value, Storage storage) {
    storage_[value] = std::move(storage);
  }
  const Storage& storage(const ir::Value* value);
  llvm::Value* zeros() { return scratch_; }

  /// Room for one i64 per dimension of a tensor.
  llvm::Value* index_array();

  // Tables that go with the function.
  llvm::Value* dot_shape(const DotShape& shape);
  std::int64_t check_site(const ir::Op& access);

  llvm::BasicBlock* block(const char* name);

  /// Ends the function and fixes the addresses of scratch memory.
  void finish();

  std::vector<DotShape> dots;
  std::vector<CheckSite> sites;

 private:
  llvm::Value* word(int number);

  const ir::Function& function_;
  const Plan& plan_;
  const std::vector<int>& contiguous_dims_;
  bool checked_;
  EnvLayout env_layout_;
  llvm::IRBuilder<> b_;
  Ops ops_;
  Arena arena_;
  llvm::Function* llvm_function_;
  llvm::BasicBlock* entry_;  ///< arguments and addresses; branches to the body when finished
  llvm::BasicBlock* body_;
  llvm::Value* env_;
  llvm::Value* scratch_;
  llvm::Value* index_array_ = nullptr;
  std::unordered_map<int, llvm::Value*> words_;
  std::unordered_map<const ir::Value*, Lane> scalars_;
  std::unordered_map<const ir::Value*, Storage> storage_;
  std::unordered_map<const ir::Op*, std::int64_t> site_of_;
  std::vector<std::pair<llvm::GetElementPtrInst*, int>> addresses_;
};

}  // namespace octile::cpu
