// Tile IR to LLVM IR: walks a program's operations in order and emits each one's nests and calls.
#pragma once

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <string>
#include <vector>

#include "octile/codegen/cpu/llvm/frame.hpp"
#include "octile/codegen/cpu/llvm/nest.hpp"

namespace octile::cpu {

/// LLVM IR of one program and the tables that go with it.
struct Lowered {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::string entry;
  std::vector<DotShape> dots;
  std::vector<CheckSite> sites;
  std::int64_t scratch_bytes = 0;
};

/// Lowers `function` for tensors whose dimension `contiguous_dims[param]` has stride 1 (-1: none
/// has). Throws ir::Error where an axis has no extent.
Lowered lower(const ir::Function& function, const std::vector<int>& contiguous_dims, bool checked);

class Lowering {
 public:
  explicit Lowering(Frame& frame)
      : frame_(frame), plan_(frame.plan()), b_(frame.builder()), ops_(frame.ops()) {}

  void run() { emit(*frame_.function().body); }

 private:
  /// The fold being emitted: where its next carried values go.
  struct OpenFold {
    const ir::Region* body;
    std::vector<Storage> next;  ///< per carried value; scalars have none
  };

  void emit(const ir::Region& region);
  void emit(const ir::Op& op);
  void scalar(const ir::Op& op);
  Lane scalar_lane(const ir::Op& op);
  Lane scalar_constant(const ir::Op& op);
  Lane scalar_elementwise(const ir::Op& op);
  void materialise(const ir::Op& op);
  void store(const ir::Op& op);

  void reduce(const ir::Op& op);
  Lane reduce_run(Nest& nest, const ir::Op& op, const Lane& first, std::int64_t count, int width);
  llvm::Value* across_lanes(const ir::Op& op, llvm::Value* vector);

  void dot(const ir::Op& op);
  struct Operand {
    Storage storage;
    std::int64_t outer_stride = 0, k_stride = 0;
  };
  Operand dot_operand(const ir::Op& op, int number);
  std::vector<ir::AxisId> operand_layout(const ir::Op& op, const ir::Value* value, bool k_last);

  void fold(const ir::Op& op);
  void start_carried(const ir::Op& op, std::vector<Storage>& now, std::vector<Storage>& next);
  std::vector<llvm::Value*> yield(const ir::Op& op);
  void yield_tiles(const ir::Op& yield);

  /// Where the value goes that `op` makes: scratch memory of its own, or a fold's next value.
  Storage destination(const ir::Value* value);
  void copy(const ir::Value* value, const Storage& to);
  /// Lanes along `axis` for a nest that evaluates `values`.
  int width(const std::vector<const ir::Value*>& values, ir::AxisId axis) const;
  int widest_element(const ir::Value* value, ir::AxisId axis) const;
  int element_bytes(const ir::Value* value, ir::AxisId axis) const;

  Frame& frame_;
  const Plan& plan_;
  llvm::IRBuilder<>& b_;
  Ops& ops_;
  std::vector<OpenFold> folds_;
};

}  // namespace octile::cpu
