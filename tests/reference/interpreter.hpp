// A plain interpreter of tile programs: runs them element by element, in the order they are
// written, with no cleverness. It is what every back end is compared with.
//
// FP8 dots follow numerics::fp8_dot to the bit. Dots of other types accumulate in float64 and round
// once; exp, tanh and their like are computed in float64 and rounded once; a float sum over an axis
// adds from index 0 up. Everything else is f32 or integer arithmetic, one rounding per operation.
#pragma once

#include <cstdint>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::reference {

/// One argument, in parameter order. Strides in elements. A scalar has no extents and no strides,
/// and `data` points to its value.
struct Arg {
  void* data = nullptr;
  ElementType element = ElementType::f32;
  std::vector<std::int64_t> extents = {};
  std::vector<std::int64_t> strides = {};
};

/// A row-major argument over memory that is packed without gaps.
Arg packed(void* data, ElementType element, std::vector<std::int64_t> extents);

/// Runs every program of the grid, first grid position outermost. `dim_values` has one entry per
/// Function::dims. Throws ir::Error for an axis that isn't bound, and for arguments that don't
/// match the parameters in number, element type, rank or extents.
void interpret(const ir::Function& function, const std::vector<Arg>& args,
               const std::vector<std::int64_t>& dim_values);

}  // namespace octile::reference
