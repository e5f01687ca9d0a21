#include "octile/codegen/ir/infer.hpp"

#include <fmt/format.h>

#include <cctype>

#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/ir/walk.hpp"

namespace octile::ir {
namespace {

/// Checks one operation; its members are the rules, one per family of operations.
class Rules {
 public:
  Rules(const Function& function, OpKind kind, const std::vector<Value*>& operands,
        const Attributes& attr, ElementType element)
      : function_(function), kind_(kind), operands_(operands), attr_(attr), element_(element) {}

  std::optional<TileType> run() const {
    check_operands();
    switch (kind_) {
      case OpKind::constant:
        return constant();
      case OpKind::scalar_param:
        return scalar_param();
      case OpKind::dim:
        return index_below(function_.dims.size(), "dim");
      case OpKind::grid_index:
        return index_below(3, "grid position");
      case OpKind::axis_extent:
        check_axis();
        return TileType{ElementType::i64, {}};
      case OpKind::iota:
        check_axis();
        return TileType{ElementType::i64, {attr_.axis}};
      case OpKind::neg:
      case OpKind::abs:
        return elementwise(arithmetic(0));
      case OpKind::exp:
      case OpKind::exp2:
      case OpKind::log:
      case OpKind::log2:
      case OpKind::sqrt:
      case OpKind::rsqrt:
      case OpKind::tanh:
      case OpKind::sigmoid:
      case OpKind::erf:
      case OpKind::floor:
        return elementwise(only(0, ElementType::f32));
      case OpKind::logical_not:
        return elementwise(only(0, ElementType::b1));
      case OpKind::add:
      case OpKind::sub:
      case OpKind::mul:
      case OpKind::div:
      case OpKind::min:
      case OpKind::max:
        one_element(0, 1);
        return elementwise(arithmetic(0));
      case OpKind::rem:
      case OpKind::ceil_div:
        one_element(0, 1);
        return elementwise(integer(0));
      case OpKind::logical_and:
      case OpKind::logical_or:
        only(0, ElementType::b1);
        return elementwise(only(1, ElementType::b1));
      case OpKind::cmp_eq:
      case OpKind::cmp_ne:
      case OpKind::cmp_lt:
      case OpKind::cmp_le:
      case OpKind::cmp_gt:
      case OpKind::cmp_ge:
        one_element(0, 1);
        arithmetic(0);
        return elementwise(ElementType::b1);
      case OpKind::fma:
        only(0, ElementType::f32);
        only(1, ElementType::f32);
        return elementwise(only(2, ElementType::f32));
      case OpKind::select:
        only(0, ElementType::b1);
        one_element(1, 2);
        return elementwise(type(1).element);
      case OpKind::cast:
        return elementwise(element_);
      case OpKind::bitcast:
        return bitcast();
      case OpKind::load:
        return load();
      case OpKind::store:
        store();
        return std::nullopt;
      case OpKind::dot:
        return dot();
      case OpKind::reduce:
        return reduce();
      case OpKind::fold:
      case OpKind::yield:
        break;
    }
    fail("it has no type of its own");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{}: {}", info(kind_).name, what));
  }

  const TileType& type(std::size_t i) const { return operands_[i]->type; }
  std::string text(std::size_t i) const { return to_string(function_, type(i)); }
  const std::string& axis_name(AxisId axis) const {
    return function_.axes[static_cast<std::size_t>(axis)].name;
  }

  void check_operands() const {
    for (std::size_t i = 0; i < operands_.size(); ++i) {
      if (operands_[i] == nullptr) fail(fmt::format("operand {} is null", i));
    }
    const int expected = info(kind_).operands;
    if (expected >= 0 && static_cast<int>(operands_.size()) != expected) {
      fail(fmt::format("expected {} operands, got {}", expected, operands_.size()));
    }
  }

  void check_axis() const {
    if (attr_.axis < 0 || static_cast<std::size_t>(attr_.axis) >= function_.axes.size()) {
      fail(fmt::format("axis {} is not declared; the program has {} axes", attr_.axis,
                       function_.axes.size()));
    }
  }

  const Param& param(bool tensor) const {
    if (attr_.index < 0 || static_cast<std::size_t>(attr_.index) >= function_.params.size()) {
      fail(fmt::format("parameter {} is not declared; the program has {} parameters", attr_.index,
                       function_.params.size()));
    }
    const Param& found = function_.params[static_cast<std::size_t>(attr_.index)];
    if (found.is_tensor != tensor) {
      fail(fmt::format("expected a {} parameter, got the {} '{}'", tensor ? "tensor" : "scalar",
                       found.is_tensor ? "tensor" : "scalar", found.name));
    }
    return found;
  }

  TileType index_below(std::size_t count, std::string_view what) const {
    if (attr_.index < 0 || static_cast<std::size_t>(attr_.index) >= count) {
      fail(fmt::format("expected a {} below {}, got {}", what, count, attr_.index));
    }
    return TileType{ElementType::i64, {}};
  }

  TileType constant() const {
    if (!is_arithmetic(element_) && element_ != ElementType::u8 && element_ != ElementType::b1) {
      fail(fmt::format("expected f32, i32, i64, u8 or b1, got {}: make an f32 constant and cast it",
                       info_name(element_)));
    }
    return TileType{element_, {}};
  }

  TileType scalar_param() const { return TileType{param(false).element, {}}; }

  static std::string_view info_name(ElementType element) { return octile::info(element).name; }

  ElementType only(std::size_t i, ElementType wanted) const {
    if (type(i).element != wanted) {
      fail(fmt::format("expected operand {} of element type {}, got {}{}", i, info_name(wanted),
                       text(i), wanted == ElementType::b1 ? ": compare it" : ": cast it"));
    }
    return wanted;
  }

  ElementType arithmetic(std::size_t i) const {
    if (!is_arithmetic(type(i).element)) {
      fail(fmt::format("expected f32, i32 or i64, got {}: cast it first", text(i)));
    }
    return type(i).element;
  }

  ElementType integer(std::size_t i) const {
    if (type(i).element != ElementType::i32 && type(i).element != ElementType::i64) {
      fail(fmt::format("expected i32 or i64, got {}", text(i)));
    }
    return type(i).element;
  }

  void one_element(std::size_t i, std::size_t j) const {
    if (type(i).element != type(j).element) {
      fail(fmt::format("expected operands of one element type, got {} and {}: cast one of them",
                       text(i), text(j)));
    }
  }

  TileType elementwise(ElementType element) const {
    TileType result{element, {}};
    for (const Value* operand : operands_) {
      result.axes = union_axes(result.axes, operand->type.axes);
    }
    return result;
  }

  TileType bitcast() const {
    const ElementType from = type(0).element;
    if (octile::info(from).bits != octile::info(element_).bits || from == ElementType::b1 ||
        element_ == ElementType::b1) {
      fail(fmt::format("expected element types of one width and no b1, got {} to {}", text(0),
                       info_name(element_)));
    }
    return elementwise(element_);
  }

  /// Checks the leading index operands and returns their common axes.
  std::vector<AxisId> indices(const Param& tensor, std::size_t others) const {
    const std::size_t rank = tensor.shape.size();
    if (operands_.size() != rank + others) {
      const std::size_t got = operands_.size() < others ? 0 : operands_.size() - others;
      fail(fmt::format("'{}' has {} dimensions, got {} indices", tensor.name, rank, got));
    }
    std::vector<AxisId> axes;
    for (std::size_t i = 0; i < rank; ++i) {
      if (type(i).element != ElementType::i64) {
        fail(fmt::format("expected an i64 index for dimension {} of '{}', got {}", i, tensor.name,
                         text(i)));
      }
      axes = union_axes(axes, type(i).axes);
    }
    return axes;
  }

  TileType load() const {
    const Param& tensor = param(true);
    if (tensor.access == Access::out) {
      fail(fmt::format("'{}' is an out parameter: declare it inout to read it", tensor.name));
    }
    TileType result{tensor.element, indices(tensor, attr_.has_other ? 1 : 0)};
    if (attr_.has_other) {
      const TileType& other = operands_.back()->type;
      if (other != TileType{tensor.element, {}}) {
        fail(fmt::format("expected the out-of-bounds value of '{}' to be a scalar {}, got {}",
                         tensor.name, info_name(tensor.element), to_string(function_, other)));
      }
    }
    return result;
  }

  void store() const {
    const Param& tensor = param(true);
    if (tensor.access == Access::in) {
      fail(
          fmt::format("'{}' is an in parameter: declare it out or inout to write it", tensor.name));
    }
    const std::vector<AxisId> axes = indices(tensor, attr_.has_mask ? 2 : 1);
    const std::size_t rank = tensor.shape.size();
    if (type(rank).element != tensor.element) {
      fail(fmt::format("'{}' has elements of {}, got a value of {}: cast it", tensor.name,
                       info_name(tensor.element), text(rank)));
    }
    check_covered(tensor, "value", type(rank), axes);
    if (attr_.has_mask) {
      only(rank + 1, ElementType::b1);
      check_covered(tensor, "mask", type(rank + 1), axes);
    }
  }

  void check_covered(const Param& tensor, std::string_view what, const TileType& got,
                     const std::vector<AxisId>& axes) const {
    for (AxisId axis : got.axes) {
      if (!TileType{ElementType::i64, axes}.has_axis(axis)) {
        fail(
            fmt::format("the {} stored to '{}' has axis {}, which none of the indices has: reduce "
                        "over it or index with it",
                        what, tensor.name, axis_name(axis)));
      }
    }
  }

  TileType dot() const {
    check_axis();
    const ElementType a = type(0).element;
    const ElementType b = type(1).element;
    const bool plain =
        a == b && (a == ElementType::f16 || a == ElementType::bf16 || a == ElementType::f32);
    if (!plain && !(is_fp8(a) && is_fp8(b))) {
      fail(
          fmt::format("expected two FP8 tiles, or two of f16, bf16 or f32; got {} and {}: cast "
                      "them to one type",
                      text(0), text(1)));
    }
    TileType result{ElementType::f32, {}};
    for (std::size_t i = 0; i < 2; ++i) {
      if (!type(i).has_axis(attr_.axis)) {
        fail(fmt::format("expected both operands to have axis {}, got {} and {}",
                         axis_name(attr_.axis), text(0), text(1)));
      }
      for (AxisId axis : type(i).axes) {
        if (axis == attr_.axis) continue;
        if (result.has_axis(axis)) {
          fail(fmt::format("expected one shared axis, got {} and {}, which also share {}", text(0),
                           text(1), axis_name(axis)));
        }
        result.axes.push_back(axis);
      }
    }
    return result;
  }

  TileType reduce() const {
    check_axis();
    arithmetic(0);
    if (!type(0).has_axis(attr_.axis)) {
      fail(fmt::format("expected a tile with axis {}, got {}", axis_name(attr_.axis), text(0)));
    }
    if (attr_.group < 0) fail(fmt::format("expected a run of 1 or more, got {}", attr_.group));
    TileType result = type(0);
    if (attr_.group == 0) {
      std::erase(result.axes, attr_.axis);
      return result;
    }
    const Axis& axis = function_.axes[static_cast<std::size_t>(attr_.axis)];
    if (axis.is_bound() && axis.extent % attr_.group != 0) {
      fail(fmt::format("runs of {} don't divide axis {} of extent {}: bind it to a multiple of {}",
                       attr_.group, axis.name, axis.extent, attr_.group));
    }
    return result;
  }

  const Function& function_;
  OpKind kind_;
  const std::vector<Value*>& operands_;
  const Attributes& attr_;
  ElementType element_;
};

/// Only arithmetic over constants, dims and axis extents is known when a program is launched.
void check_launch_scalar(const Value* value) {
  const Op* op = value->def;
  const bool leaf = op != nullptr && (op->kind == OpKind::constant || op->kind == OpKind::dim ||
                                      op->kind == OpKind::axis_extent);
  if (leaf) return;
  if (op == nullptr || !info(op->kind).elementwise) {
    throw Error(
        fmt::format("grid: expected extents over constants, dims and axis extents, got one "
                    "that depends on '{}'",
                    op == nullptr ? "a fold's index" : info(op->kind).name));
  }
  for (const Value* operand : op->operands) check_launch_scalar(operand);
}

}  // namespace

std::optional<TileType> infer_type(const Function& function, OpKind kind,
                                   const std::vector<Value*>& operands, const Attributes& attr,
                                   ElementType result_element) {
  return Rules(function, kind, operands, attr, result_element).run();
}

void check_carried(const Function& function, std::string_view what, std::size_t i,
                   const TileType& got, const TileType& carried) {
  if (got.element == carried.element && is_subset(got.axes, carried.axes)) return;
  throw Error(fmt::format("fold: {} {} is {}, which can't be broadcast to {}", what, i,
                          to_string(function, got), to_string(function, carried)));
}

bool is_identifier(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) return false;
  for (char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  }
  return true;
}

void check_param(const Function& function, const Param& param) {
  const auto fail = [&](const std::string& what) {
    throw Error(fmt::format("parameter '{}': {}", param.name, what));
  };
  if (!is_identifier(param.name)) fail("expected a name of letters, digits and '_'");
  if (!param.is_tensor) {
    if (!param.shape.empty()) fail("a scalar has no dimensions");
    if (param.access != Access::in) fail("a scalar can only be read: declare it in");
    return;
  }
  if (param.shape.empty() || param.shape.size() > 5) {
    fail(fmt::format("expected 1 to 5 dimensions, got {}", param.shape.size()));
  }
  for (const Extent& extent : param.shape) {
    if (extent.dim >= static_cast<DimId>(function.dims.size())) {
      fail(fmt::format("dim {} is not declared", extent.dim));
    }
    if (extent.divisor < 1) {
      fail(fmt::format("expected an extent's divisor of 1 or more, got {}", extent.divisor));
    }
    if (extent.dim < 0 && extent.constant < 0) {
      fail(fmt::format("expected an extent of 0 or more, got {}", extent.constant));
    }
  }
}

void check_grid(const Function& function, const std::vector<Value*>& extents) {
  if (extents.empty() || extents.size() > 3) {
    throw Error(fmt::format("grid: expected 1 to 3 extents, got {}", extents.size()));
  }
  for (const Value* extent : extents) {
    if (extent == nullptr) throw Error("grid: an extent is null");
    if (extent->type != TileType{ElementType::i64, {}}) {
      throw Error(fmt::format("grid: expected i64 scalar extents, got {}",
                              to_string(function, extent->type)));
    }
    if (extent->region != function.body) {
      throw Error("grid: expected extents made outside every fold");
    }
    check_launch_scalar(extent);
  }
}

}  // namespace octile::ir
