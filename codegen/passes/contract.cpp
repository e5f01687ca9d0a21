#include <unordered_map>

#include "octile/codegen/ir/walk.hpp"
#include "octile/codegen/passes/passes.hpp"

namespace octile::passes {
namespace {

using ir::Op;
using ir::OpKind;
using ir::Region;
using ir::Value;

/// True when `inner` has some of `outer`'s axes, or none, but not all, and no others.
bool on_fewer_axes(const Value* inner, const Value* outer) {
  return inner->type.axes.size() < outer->type.axes.size() &&
         ir::is_subset(inner->type.axes, outer->type.axes);
}

class Contraction {
 public:
  explicit Contraction(ir::Function& function)
      : function_(function), uses_(ir::count_uses(function)) {}

  void run(Region& region) {
    // Rebuilt as it goes, since regrouping puts a new product before the one it changes.
    std::vector<Op*> ops;
    for (Op* op : region.ops) {
      for (Region* nested : op->regions) run(*nested);
      if (op->kind == OpKind::mul) regroup(*op, ops);
      if (op->kind == OpKind::add) fuse(*op);
      ops.push_back(op);
    }
    region.ops = std::move(ops);
  }

 private:
  /// The product that defines `value`, if this operation, in the same region, is its only use.
  Op* single_product(const Value* value, const Region* region) const {
    Op* def = value->def;
    if (def == nullptr || def->kind != OpKind::mul || def->parent != region) return nullptr;
    if (value->type.element != ElementType::f32 || uses_.at(value) != 1) return nullptr;
    return def;
  }

  /// (d * x) * y becomes d * (x * y): one operation per element of d instead of two.
  void regroup(Op& op, std::vector<Op*>& ops) {
    if (op.result()->type.element != ElementType::f32) return;
    for (int side = 0; side < 2; ++side) {
      const Op* inner = single_product(op.operand(side), op.parent);
      if (inner == nullptr) continue;
      Value* y = op.operand(1 - side);
      for (int wide = 0; wide < 2; ++wide) {
        Value* d = inner->operand(wide);
        Value* x = inner->operand(1 - wide);
        if (!on_fewer_axes(x, d) || !on_fewer_axes(y, d)) continue;
        Op* product = function_.make_op(OpKind::mul, op.parent);
        product->operands = {x, y};
        product->location = op.location;
        ir::TileType type{ElementType::f32, ir::union_axes(x->type.axes, y->type.axes)};
        product->results = {function_.make_value(std::move(type), product, op.parent, 0)};
        ops.push_back(product);
        // The inner product is left without a use, for dead code removal; d, x and y are each
        // used as often as before.
        uses_[inner->result()] = 0;
        uses_[product->result()] = 1;
        op.operands = {d, product->result()};
        return;
      }
    }
  }

  /// c + a * b becomes fma(a, b, c); of two products the right one is fused.
  void fuse(Op& op) {
    if (op.result()->type.element != ElementType::f32) return;
    for (int side = 1; side >= 0; --side) {
      const Op* product = single_product(op.operand(side), op.parent);
      if (product == nullptr) continue;
      Value* a = product->operand(0);
      Value* b = product->operand(1);
      Value* c = op.operand(1 - side);
      uses_[product->result()] = 0;
      op.kind = OpKind::fma;
      op.operands = {a, b, c};
      return;
    }
  }

  ir::Function& function_;
  std::unordered_map<const Value*, int> uses_;
};

}  // namespace

void contract(ir::Function& function) {
  Contraction(function).run(*function.body);
}

}  // namespace octile::passes
