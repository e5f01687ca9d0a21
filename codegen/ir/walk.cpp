#include "octile/codegen/ir/walk.hpp"

#include <algorithm>

namespace octile::ir {

bool is_subset(const std::vector<AxisId>& inner, const std::vector<AxisId>& outer) {
  return std::all_of(inner.begin(), inner.end(), [&](AxisId axis) {
    return std::find(outer.begin(), outer.end(), axis) != outer.end();
  });
}

bool same_shape(const TileType& a, const TileType& b) {
  return a.element == b.element && a.axes.size() == b.axes.size() && is_subset(a.axes, b.axes);
}

bool is_mergeable(const Function& function, const Op& op) {
  if (op.kind != OpKind::load) return info(op.kind).pure;
  return function.params[static_cast<std::size_t>(op.attr.index)].access == Access::in;
}

bool has_effect(const Op& op) {
  if (op.kind == OpKind::store) return true;
  for (const Region* region : op.regions) {
    for (const Op* nested : region->ops) {
      if (has_effect(*nested)) return true;
    }
  }
  return false;
}

bool encloses(const Region* outer, const Region* inner) {
  while (inner != nullptr && inner != outer) {
    inner = inner->owner == nullptr ? nullptr : inner->owner->parent;
  }
  return inner == outer;
}

bool fold_integer(OpKind kind, ElementType element, std::int64_t x, std::int64_t y,
                  std::int64_t& out) {
  // Arithmetic wraps, as on every target; it is done unsigned, where wrapping is defined.
  const auto ux = static_cast<std::uint64_t>(x);
  const auto uy = static_cast<std::uint64_t>(y);
  const auto value = [&](std::uint64_t v) {
    out = element == ElementType::i32 ? static_cast<std::int32_t>(v) : static_cast<std::int64_t>(v);
    return true;
  };
  switch (kind) {
    case OpKind::neg:
      return value(0 - ux);
    case OpKind::abs:
      return value(x < 0 ? 0 - ux : ux);
    case OpKind::add:
      return value(ux + uy);
    case OpKind::sub:
      return value(ux - uy);
    case OpKind::mul:
      return value(ux * uy);
    case OpKind::div:
      if (y == 0) return false;
      return value(y == -1 ? 0 - ux : static_cast<std::uint64_t>(x / y));
    case OpKind::rem:
      if (y == 0) return false;
      return value(y == -1 ? 0 : static_cast<std::uint64_t>(x % y));
    case OpKind::ceil_div:
      if (y <= 0 || x < 0) return false;
      return value(static_cast<std::uint64_t>(x / y + (x % y != 0 ? 1 : 0)));
    case OpKind::min:
      return value(x < y ? ux : uy);
    case OpKind::max:
      return value(x > y ? ux : uy);
    case OpKind::cmp_eq:
      return value(x == y);
    case OpKind::cmp_ne:
      return value(x != y);
    case OpKind::cmp_lt:
      return value(x < y);
    case OpKind::cmp_le:
      return value(x <= y);
    case OpKind::cmp_gt:
      return value(x > y);
    case OpKind::cmp_ge:
      return value(x >= y);
    default:
      return false;
  }
}

std::unordered_map<const Value*, int> count_uses(const Function& function) {
  std::unordered_map<const Value*, int> uses;
  for_each_op(*function.body, [&](const Op& op) {
    for (const Value* operand : op.operands) ++uses[operand];
  });
  for (const Value* extent : function.grid) ++uses[extent];
  return uses;
}

}  // namespace octile::ir
