#include "octile/codegen/ir/ir.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "octile/codegen/ir/walk.hpp"

namespace octile::ir {
namespace {

// Columns: kind, name, operands, pure, elementwise, function. Rows in the order of OpKind.
constexpr std::array<OpInfo, kOpKindCount> kTable{{
    {OpKind::constant, "constant", 0, true, false},
    {OpKind::scalar_param, "scalar_param", 0, true, false},
    {OpKind::dim, "dim", 0, true, false},
    {OpKind::axis_extent, "axis_extent", 0, true, false},
    {OpKind::grid_index, "grid_index", 0, true, false},
    {OpKind::iota, "iota", 0, true, false},
    {OpKind::neg, "neg", 1, true, true},
    {OpKind::abs, "abs", 1, true, true},
    {OpKind::exp, "exp", 1, true, true, true},
    {OpKind::exp2, "exp2", 1, true, true, true},
    {OpKind::log, "log", 1, true, true, true},
    {OpKind::log2, "log2", 1, true, true, true},
    {OpKind::sqrt, "sqrt", 1, true, true},
    {OpKind::rsqrt, "rsqrt", 1, true, true},
    {OpKind::tanh, "tanh", 1, true, true, true},
    {OpKind::sigmoid, "sigmoid", 1, true, true, true},
    {OpKind::erf, "erf", 1, true, true, true},
    {OpKind::floor, "floor", 1, true, true},
    {OpKind::logical_not, "logical_not", 1, true, true},
    {OpKind::add, "add", 2, true, true},
    {OpKind::sub, "sub", 2, true, true},
    {OpKind::mul, "mul", 2, true, true},
    {OpKind::div, "div", 2, true, true},
    {OpKind::rem, "rem", 2, true, true},
    {OpKind::min, "min", 2, true, true},
    {OpKind::max, "max", 2, true, true},
    {OpKind::ceil_div, "ceil_div", 2, true, true},
    {OpKind::logical_and, "logical_and", 2, true, true},
    {OpKind::logical_or, "logical_or", 2, true, true},
    {OpKind::cmp_eq, "cmp_eq", 2, true, true},
    {OpKind::cmp_ne, "cmp_ne", 2, true, true},
    {OpKind::cmp_lt, "cmp_lt", 2, true, true},
    {OpKind::cmp_le, "cmp_le", 2, true, true},
    {OpKind::cmp_gt, "cmp_gt", 2, true, true},
    {OpKind::cmp_ge, "cmp_ge", 2, true, true},
    {OpKind::fma, "fma", 3, true, true},
    {OpKind::select, "select", 3, true, true},
    {OpKind::cast, "cast", 1, true, true},
    {OpKind::bitcast, "bitcast", 1, true, true},
    {OpKind::load, "load", -1, false, false},
    {OpKind::store, "store", -1, false, false},
    {OpKind::dot, "dot", 2, true, false},
    {OpKind::reduce, "reduce", 1, true, false},
    {OpKind::fold, "fold", -1, false, false},
    {OpKind::yield, "yield", -1, false, false},
}};

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (kTable[i].kind != static_cast<OpKind>(i)) return false;
  }
  return true;
}
static_assert(rows_in_order());

class Cloner {
 public:
  Cloner(const Function& from, Function& to) : from_(from), to_(to) {}

  void run() {
    to_.axes = from_.axes;
    to_.dims = from_.dims;
    to_.params = from_.params;
    copy_region(*from_.body, *to_.body);
    for (const Value* extent : from_.grid) to_.grid.push_back(values_.at(extent));
  }

 private:
  Value* copy_value(const Value& value, Op* def, Region* region) {
    Value* copy = to_.make_value(value.type, def, region, value.index);
    copy->name = value.name;
    values_[&value] = copy;
    return copy;
  }

  void copy_region(const Region& region, Region& copy) {
    for (const Value* arg : region.args) copy.args.push_back(copy_value(*arg, nullptr, &copy));
    for (const Op* op : region.ops) {
      Op* twin = to_.make_op(op->kind, &copy);
      twin->attr = op->attr;
      twin->location = op->location;
      for (const Value* operand : op->operands) twin->operands.push_back(values_.at(operand));
      for (const Region* nested : op->regions) {
        Region* nested_copy = to_.make_region(twin);
        twin->regions.push_back(nested_copy);
        copy_region(*nested, *nested_copy);
      }
      for (const Value* result : op->results) {
        twin->results.push_back(copy_value(*result, twin, &copy));
      }
      copy.ops.push_back(twin);
    }
  }

  const Function& from_;
  Function& to_;
  std::unordered_map<const Value*, Value*> values_;
};

std::int64_t wrap(ElementType element, std::int64_t value) {
  return element == ElementType::i32 ? static_cast<std::int32_t>(value) : value;
}

}  // namespace

const OpInfo& info(OpKind kind) {
  return kTable[static_cast<std::size_t>(kind)];
}

std::string_view name(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::sum:
      return "sum";
    case ReduceKind::max:
      return "max";
    case ReduceKind::min:
      return "min";
  }
  return "?";
}

bool TileType::has_axis(AxisId axis) const {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

AxisId Function::find_axis(std::string_view axis_name) const {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].name == axis_name) return static_cast<AxisId>(i);
  }
  return -1;
}

DimId Function::find_dim(std::string_view dim_name) const {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == dim_name) return static_cast<DimId>(i);
  }
  return -1;
}

ParamId Function::find_param(std::string_view param_name) const {
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (params[i].name == param_name) return static_cast<ParamId>(i);
  }
  return -1;
}

Region* Function::make_region(Op* owner) {
  Region& region = regions_.emplace_back();
  region.owner = owner;
  return &region;
}

Op* Function::make_op(OpKind kind, Region* parent) {
  Op& op = ops_.emplace_back();
  op.kind = kind;
  op.parent = parent;
  return &op;
}

Value* Function::make_value(TileType type, Op* def, Region* region, int index) {
  Value& value = values_.emplace_back();
  value.type = std::move(type);
  value.def = def;
  value.region = region;
  value.index = index;
  value.id = static_cast<int>(values_.size()) - 1;
  return &value;
}

std::vector<AxisId> union_axes(const std::vector<AxisId>& a, const std::vector<AxisId>& b) {
  std::vector<AxisId> all = a;
  for (AxisId axis : b) {
    if (std::find(a.begin(), a.end(), axis) == a.end()) all.push_back(axis);
  }
  return all;
}

std::unique_ptr<Function> clone(const Function& function) {
  auto copy = std::make_unique<Function>(function.name);
  Cloner(function, *copy).run();
  return copy;
}

std::int64_t evaluate_scalar(const Function& function, const Value* value,
                             const std::vector<std::int64_t>& dim_values) {
  const Op* op = value->def;
  const auto refuse = [&](std::string_view why) {
    throw Error(
        fmt::format("{}: cannot evaluate a size before launch: {}; expected i64 arithmetic "
                    "over constants, dims and bound axis extents",
                    function.name, why));
  };
  if (op == nullptr) refuse("it depends on a fold's index or carried value");
  if (!value->type.is_scalar() ||
      (value->type.element != ElementType::i64 && value->type.element != ElementType::i32)) {
    refuse(fmt::format("'{}' is not an integer scalar", info(op->kind).name));
  }
  const auto operand = [&](int i) { return evaluate_scalar(function, op->operand(i), dim_values); };
  switch (op->kind) {
    case OpKind::constant:
      return op->attr.int_value;
    case OpKind::dim: {
      const auto index = static_cast<std::size_t>(op->attr.index);
      if (index >= dim_values.size()) {
        refuse(fmt::format("dim '{}' has no value", function.dims[index]));
      }
      return dim_values[index];
    }
    case OpKind::axis_extent: {
      const Axis& axis = function.axes[static_cast<std::size_t>(op->attr.axis)];
      if (!axis.is_bound()) refuse(fmt::format("axis '{}' is not bound", axis.name));
      return axis.extent;
    }
    case OpKind::cast:
      return wrap(value->type.element, operand(0));
    default:
      break;
  }
  const int count = info(op->kind).operands;
  std::int64_t out = 0;
  if (!info(op->kind).elementwise || count > 2 || count < 1) {
    refuse(fmt::format("it uses '{}'", info(op->kind).name));
  }
  const std::int64_t x = operand(0);
  const std::int64_t y = count == 2 ? operand(1) : 0;
  if (!fold_integer(op->kind, value->type.element, x, y, out)) {
    refuse(fmt::format("'{}' of {} and {} has no value", info(op->kind).name, x, y));
  }
  return out;
}

std::int64_t evaluate_extent(const Extent& extent, const std::vector<std::int64_t>& dim_values) {
  std::int64_t base = extent.constant;
  if (extent.dim >= 0) {
    const auto index = static_cast<std::size_t>(extent.dim);
    if (index >= dim_values.size()) {
      throw Error(fmt::format("a tensor extent needs the value of dim {}, got {} dim values",
                              extent.dim, dim_values.size()));
    }
    base = dim_values[index];
  }
  return base / extent.divisor + (base % extent.divisor > 0 ? 1 : 0);
}

}  // namespace octile::ir
