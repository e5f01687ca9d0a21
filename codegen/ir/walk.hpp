// Small questions about operations that builder, verifier and passes share.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

/// True when every axis of `inner` is one of `outer`.
bool is_subset(const std::vector<AxisId>& inner, const std::vector<AxisId>& outer);

/// True when both have one element type and the same axes, in whatever order.
bool same_shape(const TileType& a, const TileType& b);

/// True when two operations equal to `op` (same operands and attributes) always give one value: the
/// pure operations, and loads from parameters that are only read.
bool is_mergeable(const Function& function, const Op& op);

/// True when `op`, or an operation in its regions, writes memory.
bool has_effect(const Op& op);

/// True when `outer` is `inner` or encloses it.
bool encloses(const Region* outer, const Region* inner);

/// Integer arithmetic as the IR defines it: wraps to `element` (i32 or i64). For one operand `y` is
/// ignored. Returns false, and leaves `out`, where there is no value (division by zero) or `kind`
/// is not integer arithmetic.
bool fold_integer(OpKind kind, ElementType element, std::int64_t x, std::int64_t y,
                  std::int64_t& out);

/// How many operands of operations, yields and grid extents each value is.
std::unordered_map<const Value*, int> count_uses(const Function& function);

/// Calls `visit(Op&)` for every operation, outer before inner, in program order. `visit` must not
/// change the list it is in.
template <typename Visit>
void for_each_op(const Region& region, const Visit& visit) {
  for (Op* op : region.ops) {
    visit(*op);
    for (const Region* nested : op->regions) for_each_op(*nested, visit);
  }
}

}  // namespace octile::ir
