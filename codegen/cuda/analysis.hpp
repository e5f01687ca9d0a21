// Facts about values of a tile program that the lowering decides on: affine indices, divisibility,
// runs of equal elements, dependence on grid positions. All are conservative.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "octile/codegen/cuda/layout.hpp"
#include "octile/codegen/ir/ir.hpp"

namespace octile::cuda {

/// floor((sum of scalars + coordinate along `axis`) / divisor); axis -1: no tile part.
struct AffineIndex {
  struct Term {
    const ir::Value* value = nullptr;
    bool negative = false;
  };
  std::vector<Term> terms;
  ir::AxisId axis = -1;
  std::int64_t divisor = 1;
};

class Analysis {
 public:
  explicit Analysis(const ir::Function& function) : function_(function) {}

  /// The affine form of an index, if it has one.
  std::optional<AffineIndex> affine(const ir::Value* index) const;
  /// A number that divides the scalar; 0 when the scalar is 0.
  std::int64_t divisor_of(const ir::Value* scalar) const;
  /// Same for the sum of the form's scalar terms.
  std::int64_t divisor_of(const AffineIndex& index) const;
  /// Along `axis`, `value` is constant over aligned runs of this length (the axis' extent if it
  /// doesn't vary at all).
  std::int64_t run_length(const ir::Value* value, ir::AxisId axis);
  Runs runs(const ir::Value* value);
  Runs runs(const std::vector<ir::Value*>& values, const std::vector<ir::AxisId>& axes);
  /// Bit p set: depends on grid position p. kFoldArguments: on the arguments of some fold.
  static constexpr unsigned kFoldArguments = 8u;
  unsigned dependences(const ir::Value* value);
  /// An integer's magnitude is below 2 to this power, sizes of problems and grids being what fits
  /// in memory; more than its type's width minus 1: it may wrap.
  int magnitude_bits(const ir::Value* value);
  /// Computed from loads of `in` tensors, leaves and element-wise operations alone, so that any
  /// thread can evaluate any element of it by itself.
  bool is_pointwise(const ir::Value* value);

  std::int64_t extent(ir::AxisId axis) const {
    return function_.axes[static_cast<std::size_t>(axis)].extent;
  }

 private:
  const ir::Function& function_;
  std::unordered_map<const ir::Value*, Runs> runs_;
  std::unordered_map<const ir::Value*, unsigned> dependences_;
  std::unordered_map<const ir::Value*, bool> pointwise_;
  std::unordered_map<const ir::Value*, int> bits_;
};

/// Axes of all indices of a load or store, in order of first appearance.
std::vector<ir::AxisId> index_axes(const ir::Op& op, std::size_t rank);

/// Instructions of one element of a tile, outside of folds: about so many.
int epilogue_instructions(const ir::Function& function);
/// Of an epilogue that is little more than scales and a cast.
inline constexpr int kShortEpilogue = 8;

}  // namespace octile::cuda
