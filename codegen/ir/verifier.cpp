#include "octile/codegen/ir/verifier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_set>

#include "octile/codegen/ir/infer.hpp"
#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/ir/walk.hpp"

namespace octile::ir {
namespace {

class Verifier {
 public:
  Verifier(const Function& function, std::string_view after) : function_(function), after_(after) {}

  void run() {
    check_declarations();
    if (function_.body == nullptr || function_.body->owner != nullptr)
      fail("the body has an owner");
    if (!function_.body->args.empty()) fail("the body has arguments");
    if (function_.grid.empty()) fail("the program has no grid: set 1 to 3 extents");
    check_region(*function_.body, nullptr);
    rethrow([&] { check_grid(function_, function_.grid); });
    for (const Value* extent : function_.grid) check_visible(extent, "the grid");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    std::string where;
    if (op_ != nullptr) {
      where = fmt::format(" at operation {} ({})", number_, info(op_->kind).name);
      if (!op_->location.empty()) where += " from " + op_->location;
    }
    throw Error(fmt::format("program '{}' is malformed{}{}: {}", function_.name,
                            after_.empty() ? "" : fmt::format(" after {}", after_), where, what));
  }

  template <typename Check>
  void rethrow(const Check& check) const {
    try {
      check();
    } catch (const Error& error) {
      fail(error.what());
    }
  }

  void check_declarations() const {
    std::unordered_set<std::string> seen;
    for (const Axis& axis : function_.axes) {
      if (!is_identifier(axis.name)) fail(fmt::format("axis name '{}'", axis.name));
      if (!seen.insert(axis.name).second) fail(fmt::format("two axes named {}", axis.name));
      if (axis.extent < 0 || (axis.is_literal && axis.extent == 0)) {
        fail(fmt::format("axis {} has extent {}", axis.name, axis.extent));
      }
    }
    seen.clear();
    for (const std::string& dim : function_.dims) {
      if (!is_identifier(dim)) fail(fmt::format("dim name '{}'", dim));
      if (!seen.insert(dim).second) fail(fmt::format("two dims named {}", dim));
    }
    seen.clear();
    for (const Param& param : function_.params) {
      rethrow([&] { check_param(function_, param); });
      if (!seen.insert(param.name).second) fail(fmt::format("two parameters named {}", param.name));
    }
  }

  void check_type(const TileType& type) const {
    for (std::size_t i = 0; i < type.axes.size(); ++i) {
      const AxisId axis = type.axes[i];
      if (axis < 0 || static_cast<std::size_t>(axis) >= function_.axes.size()) {
        fail(fmt::format("a value has the undeclared axis {}", axis));
      }
      if (std::find(type.axes.begin(), type.axes.begin() + static_cast<std::ptrdiff_t>(i), axis) !=
          type.axes.begin() + static_cast<std::ptrdiff_t>(i)) {
        fail("a value has an axis twice");
      }
    }
  }

  void define(const Value* value, const Op* def, const Region* region, std::size_t index) {
    if (value == nullptr) fail("a result or argument is null");
    if (value->def != def || value->region != region || value->index != static_cast<int>(index)) {
      fail("a value doesn't point back to what defines it");
    }
    check_type(value->type);
    if (!visible_.insert(value).second) fail("a value is defined twice");
  }

  void check_visible(const Value* value, std::string_view user) const {
    if (value == nullptr) fail(fmt::format("{} has a null operand", user));
    if (visible_.count(value) == 0) {
      fail(fmt::format("{} uses value '{}', which is not defined before it in an enclosing region",
                       user, value->name.empty() ? std::to_string(value->id) : value->name));
    }
  }

  void check_region(const Region& region, const Op* owner) {
    if (region.owner != owner) fail("a region doesn't point back to its operation");
    for (std::size_t i = 0; i < region.args.size(); ++i)
      define(region.args[i], nullptr, &region, i);
    for (std::size_t i = 0; i < region.ops.size(); ++i) {
      const Op* op = region.ops[i];
      if (op == nullptr) fail("an operation is null");
      op_ = op;
      ++number_;
      const bool last = i + 1 == region.ops.size();
      if ((op->kind == OpKind::yield) != (last && owner != nullptr)) {
        fail("yield must be the last operation of a fold's region, and nowhere else");
      }
      check_op(*op, region);
    }
    if (owner != nullptr && region.ops.empty()) fail("a fold's region has no yield");
    // Values of a region are out of sight once it ends.
    for (const Value* arg : region.args) visible_.erase(arg);
    if (owner == nullptr) return;
    for (const Op* op : region.ops) {
      for (const Value* result : op->results) visible_.erase(result);
    }
  }

  void check_op(const Op& op, const Region& region) {
    if (op.parent != &region) fail("an operation doesn't point back to its region");
    for (const Value* operand : op.operands) check_visible(operand, info(op.kind).name);
    if (op.kind == OpKind::fold) {
      check_fold(op);
      op_ = &op;
    } else if (op.kind == OpKind::yield) {
      if (!op.results.empty()) fail("yield has results");
    } else {
      check_result(op);
    }
    if (op.kind != OpKind::fold && !op.regions.empty()) fail("only a fold has a region");
    for (std::size_t i = 0; i < op.results.size(); ++i) define(op.results[i], &op, &region, i);
  }

  void check_result(const Op& op) const {
    const std::size_t wanted = op.kind == OpKind::store ? 0 : 1;
    if (op.results.size() != wanted || (wanted == 1 && op.results[0] == nullptr)) {
      fail(fmt::format("expected {} results, got {}", wanted, op.results.size()));
    }
    const ElementType element = wanted == 1 ? op.result()->type.element : ElementType::f32;
    std::optional<TileType> type;
    rethrow([&] { type = infer_type(function_, op.kind, op.operands, op.attr, element); });
    if (!type) return;
    if (op.kind == OpKind::grid_index && op.attr.index >= static_cast<int>(function_.grid.size())) {
      fail(fmt::format("grid position {} of a grid of {} extents", op.attr.index,
                       function_.grid.size()));
    }
    const TileType& got = op.result()->type;
    check_type(got);
    if (!same_shape(got, *type)) {
      fail(fmt::format("expected a result of {}, got {}", to_string(function_, *type),
                       to_string(function_, got)));
    }
  }

  void check_fold(const Op& op) {
    if (op.operands.empty()) fail("a fold needs a trip count");
    if (op.operands[0]->type != TileType{ElementType::i64, {}}) {
      fail(fmt::format("expected an i64 scalar trip count, got {}",
                       to_string(function_, op.operands[0]->type)));
    }
    if (op.regions.size() != 1 || op.regions[0] == nullptr) fail("a fold has one region");
    const Region& body = *op.regions[0];
    if (body.args.size() != op.operands.size() || op.results.size() + 1 != op.operands.size()) {
      fail(fmt::format("a fold of {} initial values has {} region arguments and {} results",
                       op.operands.size() - 1, body.args.size(), op.results.size()));
    }
    if (body.args[0]->type != TileType{ElementType::i64, {}}) {
      fail("the first region argument is the i64 scalar index");
    }
    for (std::size_t i = 1; i < op.operands.size(); ++i) {
      rethrow([&] {
        check_carried(function_, "initial value", i - 1, op.operands[i]->type, body.args[i]->type);
      });
      if (op.results[i - 1]->type != body.args[i]->type) {
        fail(fmt::format("carried value {} is {} in the region and {} as a result", i - 1,
                         to_string(function_, body.args[i]->type),
                         to_string(function_, op.results[i - 1]->type)));
      }
    }
    check_region(body, &op);
    const Op& yield = *body.ops.back();
    if (yield.operands.size() != op.results.size()) {
      fail(fmt::format("expected a yield of {} values, got {}", op.results.size(),
                       yield.operands.size()));
    }
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      rethrow([&] {
        check_carried(function_, "yielded value", i, yield.operands[i]->type, op.results[i]->type);
      });
    }
  }

  const Function& function_;
  std::string_view after_;
  const Op* op_ = nullptr;
  int number_ = 0;
  std::unordered_set<const Value*> visible_;
};

}  // namespace

void verify(const Function& function, std::string_view after) {
  Verifier(function, after).run();
}

}  // namespace octile::ir
