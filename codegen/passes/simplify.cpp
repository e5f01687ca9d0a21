#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "octile/codegen/ir/merge_table.hpp"
#include "octile/codegen/ir/numerics.hpp"
#include "octile/codegen/ir/walk.hpp"
#include "octile/codegen/passes/passes.hpp"

namespace octile::passes {
namespace {

using ir::Op;
using ir::OpKind;
using ir::Region;
using ir::Value;

const Op* constant_of(const Value* value) {
  return value->def != nullptr && value->def->kind == OpKind::constant ? value->def : nullptr;
}

bool is_integer(ElementType element) {
  return element == ElementType::i32 || element == ElementType::i64;
}

bool is_int(const Value* value, std::int64_t wanted) {
  const Op* op = constant_of(value);
  return op != nullptr && !is_float(value->type.element) && op->attr.int_value == wanted;
}

/// Compares bits: +0 is not -0.
bool is_f32(const Value* value, float wanted) {
  const Op* op = constant_of(value);
  return op != nullptr && value->type.element == ElementType::f32 &&
         std::bit_cast<std::uint32_t>(static_cast<float>(op->attr.float_value)) ==
             std::bit_cast<std::uint32_t>(wanted);
}

/// What an f32 operation on constants gives where IEEE 754 fixes every bit of it; false elsewhere
/// (exp, tanh, ...: each back end has its own last bit).
bool fold_f32(OpKind kind, float x, float y, float& out) {
  switch (kind) {
    case OpKind::neg:
      out = -x;
      return true;
    case OpKind::abs:
      out = std::fabs(x);
      return true;
    case OpKind::floor:
      out = std::floor(x);
      return true;
    case OpKind::sqrt:
      out = std::sqrt(x);
      return true;
    case OpKind::add:
      out = x + y;
      return true;
    case OpKind::sub:
      out = x - y;
      return true;
    case OpKind::mul:
      out = x * y;
      return true;
    case OpKind::div:
      out = x / y;
      return true;
    case OpKind::min:
      out = std::fmin(x, y);
      return x != y || std::isnan(x);
    case OpKind::max:
      out = std::fmax(x, y);
      return x != y || std::isnan(x);
    default:
      return false;
  }
}

bool compare_f32(OpKind kind, float x, float y, bool& out) {
  switch (kind) {
    case OpKind::cmp_eq:
      out = x == y;
      return true;
    case OpKind::cmp_ne:
      out = x != y;
      return true;
    case OpKind::cmp_lt:
      out = x < y;
      return true;
    case OpKind::cmp_le:
      out = x <= y;
      return true;
    case OpKind::cmp_gt:
      out = x > y;
      return true;
    case OpKind::cmp_ge:
      out = x >= y;
      return true;
    default:
      return false;
  }
}

class Simplifier {
 public:
  explicit Simplifier(ir::Function& function) : function_(function) {}

  void run() {
    run(*function_.body);
    for (Value*& extent : function_.grid) extent = replacement(extent);
  }

 private:
  void run(Region& region) {
    table_.enter();
    for (Op* op : region.ops) {
      for (Value*& operand : op->operands) operand = replacement(operand);
      for (Region* nested : op->regions) run(*nested);
      if (op->results.size() != 1 || !op->regions.empty()) continue;
      fold_constants(*op);
      if (Value* same = identity(*op)) {
        replace(op->result(), same);
        continue;
      }
      if (!ir::is_mergeable(function_, *op)) continue;
      Value* equal = table_.find(op->kind, op->operands, op->attr, op->result()->type.element);
      if (equal != nullptr) {
        replace(op->result(), equal);
      } else {
        table_.insert(*op);
      }
    }
    table_.leave();
  }

  Value* replacement(Value* value) const {
    const auto found = replaced_.find(value);
    return found == replaced_.end() ? value : found->second;
  }

  void replace(Value* from, Value* to) {
    replaced_[from] = to;
    if (to->name.empty()) to->name = from->name;
  }

  // Constants are scalars, so a folded operation is one too and becomes a constant in place.
  void become_int(Op& op, std::int64_t value) {
    op.kind = OpKind::constant;
    op.operands.clear();
    op.attr = {};
    op.attr.int_value = value;
  }

  void become_f32(Op& op, float value) {
    become_int(op, 0);
    op.attr.float_value = std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : value;
  }

  void fold_constants(Op& op) {
    if (!ir::info(op.kind).elementwise || op.operands.size() > 2) return;
    for (const Value* operand : op.operands) {
      if (constant_of(operand) == nullptr) return;
    }
    const Op* x = op.operand(0)->def;
    const Op* y = op.operands.size() == 2 ? op.operand(1)->def : x;
    const ElementType from = op.operand(0)->type.element;
    if (op.kind == OpKind::cast) return fold_cast(op, *x, from);
    if (is_integer(from)) {
      std::int64_t out = 0;
      if (ir::fold_integer(op.kind, from, x->attr.int_value, y->attr.int_value, out)) {
        become_int(op, out);
      }
    } else if (from == ElementType::f32) {
      const auto xf = static_cast<float>(x->attr.float_value);
      const auto yf = static_cast<float>(y->attr.float_value);
      float out = 0;
      bool holds = false;
      if (compare_f32(op.kind, xf, yf, holds)) {
        become_int(op, holds ? 1 : 0);
      } else if (fold_f32(op.kind, xf, yf, out)) {
        become_f32(op, out);
      }
    } else if (from == ElementType::b1) {
      const bool xb = x->attr.int_value != 0;
      const bool yb = y->attr.int_value != 0;
      if (op.kind == OpKind::logical_not) become_int(op, xb ? 0 : 1);
      if (op.kind == OpKind::logical_and) become_int(op, xb && yb ? 1 : 0);
      if (op.kind == OpKind::logical_or) become_int(op, xb || yb ? 1 : 0);
    }
  }

  void fold_cast(Op& op, const Op& x, ElementType from) {
    const ElementType to = op.result()->type.element;
    if (from == ElementType::f32) {
      const auto value = static_cast<float>(x.attr.float_value);
      if (is_integer(to) || to == ElementType::u8) become_int(op, numerics::to_integer(to, value));
      return;
    }
    const std::int64_t value = x.attr.int_value;
    switch (to) {
      case ElementType::f32:
        return become_f32(op, static_cast<float>(value));
      case ElementType::i64:
        return become_int(op, value);
      case ElementType::i32:
        return become_int(op, static_cast<std::int32_t>(value));
      case ElementType::u8:
        return become_int(op, static_cast<std::uint8_t>(value));
      case ElementType::b1:
        return become_int(op, value != 0 ? 1 : 0);
      default:
        return;  // narrow floats have no constants
    }
  }

  /// An operand that the result equals for every input, shape included; null when there is none.
  Value* identity(const Op& op) const {
    Value* same = nullptr;
    switch (op.kind) {
      case OpKind::cast:
      case OpKind::bitcast:
        same = op.operand(0);
        break;
      case OpKind::neg:
      case OpKind::logical_not:
        same = undone(op);
        break;
      case OpKind::select:
        same = chosen(op);
        break;
      default:
        same = neutral(op);
        break;
    }
    return same != nullptr && ir::same_shape(same->type, op.result()->type) ? same : nullptr;
  }

  static Value* undone(const Op& op) {
    const Op* inner = op.operand(0)->def;
    return inner != nullptr && inner->kind == op.kind ? inner->operand(0) : nullptr;
  }

  static Value* chosen(const Op& op) {
    if (is_int(op.operand(0), 1) || op.operand(1) == op.operand(2)) return op.operand(1);
    return is_int(op.operand(0), 0) ? op.operand(2) : nullptr;
  }

  /// x where the other operand changes nothing: x + 0, x * 1, x && true ...
  static Value* neutral(const Op& op) {
    if (!ir::info(op.kind).elementwise || op.operands.size() != 2) return nullptr;
    Value* x = op.operand(0);
    Value* y = op.operand(1);
    if (x == y) {
      const bool idempotent = (op.kind == OpKind::min || op.kind == OpKind::max ||
                               op.kind == OpKind::logical_and || op.kind == OpKind::logical_or);
      return idempotent ? x : nullptr;
    }
    if (is_neutral(op.kind, y)) return x;
    const bool commutes = op.kind == OpKind::add || op.kind == OpKind::mul ||
                          op.kind == OpKind::logical_and || op.kind == OpKind::logical_or;
    return commutes && is_neutral(op.kind, x) ? y : nullptr;
  }

  static bool is_neutral(OpKind kind, const Value* y) {
    switch (kind) {
      // -0 + +0 is +0, so of the float zeros only -0 is neutral in a sum.
      case OpKind::add:
        return is_int(y, 0) || is_f32(y, -0.0f);
      case OpKind::sub:
        return is_int(y, 0) || is_f32(y, 0.0f);
      case OpKind::mul:
      case OpKind::div:
        return is_int(y, 1) || is_f32(y, 1.0f);
      case OpKind::ceil_div:
        return is_int(y, 1);
      case OpKind::logical_and:
        return is_int(y, 1);
      case OpKind::logical_or:
        return is_int(y, 0);
      default:
        return false;
    }
  }

  ir::Function& function_;
  ir::MergeTable table_;
  std::unordered_map<const Value*, Value*> replaced_;
};

/// Keeps what writes memory, what the grid is made of, and what those need.
class DeadCode {
 public:
  explicit DeadCode(ir::Function& function) : function_(function) {}

  void run() {
    for (const Value* extent : function_.grid) need(extent);
    mark_effects(*function_.body);
    sweep(*function_.body);
  }

 private:
  void mark_effects(const Region& region) {
    for (const Op* op : region.ops) {
      if (ir::has_effect(*op)) keep(*op);
    }
  }

  void keep(const Op& op) {
    if (!live_.insert(&op).second) return;
    for (const Value* operand : op.operands) need(operand);
    for (const Region* nested : op.regions) {
      mark_effects(*nested);
      keep(*nested->ops.back());
    }
  }

  void need(const Value* value) {
    if (value->def != nullptr) keep(*value->def);
  }

  void sweep(Region& region) {
    std::erase_if(region.ops, [&](const Op* op) { return live_.count(op) == 0; });
    for (Op* op : region.ops) {
      for (Region* nested : op->regions) sweep(*nested);
    }
  }

  ir::Function& function_;
  std::unordered_set<const Op*> live_;
};

}  // namespace

void simplify(ir::Function& function) {
  Simplifier(function).run();
  DeadCode(function).run();
}

}  // namespace octile::passes
