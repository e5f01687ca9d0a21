#include "octile/codegen/ir/builder.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "octile/codegen/ir/infer.hpp"
#include "octile/codegen/ir/merge_table.hpp"
#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/ir/walk.hpp"

namespace octile::ir {

struct Builder::Scope {
  MergeTable table;
};

Builder::Builder(Function& function) : function_(function), region_(function.body) {
  scopes_.push_back(std::make_unique<Scope>());
  MergeTable& table = scopes_.back()->table;
  table.enter();
  for (const Op* op : function.body->ops) {
    if (op->results.size() == 1 && is_mergeable(function, *op)) table.insert(*op);
  }
}

Builder::~Builder() = default;

AxisId Builder::axis(const std::string& name, std::int64_t literal_extent) {
  if (!is_identifier(name)) {
    throw Error(fmt::format("axis '{}': expected a name of letters, digits and '_'", name));
  }
  if (literal_extent < 0) {
    throw Error(
        fmt::format("axis '{}': expected an extent of 1 or more, got {}", name, literal_extent));
  }
  const AxisId found = function_.find_axis(name);
  if (found < 0) {
    function_.axes.push_back(Axis{name, literal_extent, literal_extent > 0});
    return static_cast<AxisId>(function_.axes.size()) - 1;
  }
  const Axis& known = function_.axes[static_cast<std::size_t>(found)];
  if (literal_extent > 0 && (!known.is_literal || known.extent != literal_extent)) {
    throw Error(fmt::format(
        "axis '{}': declared {}, then with extent {}: use one name per extent", name,
        known.is_literal ? fmt::format("with extent {}", known.extent) : "for the schedule to bind",
        literal_extent));
  }
  return found;
}

DimId Builder::dim(const std::string& name) {
  if (!is_identifier(name)) {
    throw Error(fmt::format("dim '{}': expected a name of letters, digits and '_'", name));
  }
  const DimId found = function_.find_dim(name);
  if (found >= 0) return found;
  function_.dims.push_back(name);
  return static_cast<DimId>(function_.dims.size()) - 1;
}

ParamId Builder::tensor(Param param) {
  check_param(function_, param);
  const ParamId found = function_.find_param(param.name);
  if (found < 0) {
    function_.params.push_back(std::move(param));
    return static_cast<ParamId>(function_.params.size()) - 1;
  }
  const Param& known = function_.params[static_cast<std::size_t>(found)];
  if (known.is_tensor != param.is_tensor || known.element != param.element ||
      known.access != param.access || known.shape != param.shape) {
    throw Error(
        fmt::format("parameter '{}' is declared twice, differently: rename one", param.name));
  }
  return found;
}

ParamId Builder::scalar(const std::string& name, ElementType element) {
  return tensor(Param{name, element, false, Access::in, {}});
}

void Builder::set_grid(std::vector<Value*> extents) {
  check_grid(function_, extents);
  function_.grid = std::move(extents);
}

Value* Builder::emit(OpKind kind, std::vector<Value*> operands, const Attributes& attr,
                     TileType type) {
  Op probe;
  probe.kind = kind;
  probe.attr = attr;
  const bool mergeable = kind != OpKind::store && is_mergeable(function_, probe);
  MergeTable& table = scopes_.back()->table;
  if (mergeable) {
    if (Value* equal = table.find(kind, operands, attr, type.element)) return equal;
  }
  Op* op = function_.make_op(kind, region_);
  op->operands = std::move(operands);
  op->attr = attr;
  op->location = location_;
  region_->ops.push_back(op);
  if (kind == OpKind::store) return nullptr;
  op->results.push_back(function_.make_value(std::move(type), op, region_, 0));
  if (mergeable) table.insert(*op);
  return op->result();
}

Value* Builder::append(OpKind kind, const std::vector<Value*>& operands, const Attributes& attr,
                       ElementType result_element) {
  const std::optional<TileType> type = infer_type(function_, kind, operands, attr, result_element);
  for (const Value* operand : operands) check_in_scope(info(kind).name, operand);
  return emit(kind, operands, attr, type.value_or(TileType{}));
}

void Builder::check_in_scope(std::string_view where, const Value* value) const {
  if (encloses(value->region, region_)) return;
  throw Error(
      fmt::format("{}: value '{}' was made inside a fold and is used outside it: return it "
                  "from the fold's body",
                  where, value->name.empty() ? std::to_string(value->id) : value->name));
}

Value* Builder::constant(ElementType element, double value) {
  if (element != ElementType::f32) {
    // 2^63 as a double is the first value that i64 can't hold.
    if (!(std::abs(value) < 0x1p63) || value != std::trunc(value)) {
      throw Error(
          fmt::format("constant: {} is not a value of {}", value, octile::info(element).name));
    }
    return constant_int(element, static_cast<std::int64_t>(value));
  }
  Attributes attr;
  attr.float_value = static_cast<float>(value);
  if (std::isnan(value)) attr.float_value = std::numeric_limits<float>::quiet_NaN();
  return append(OpKind::constant, {}, attr, element);
}

Value* Builder::constant_int(ElementType element, std::int64_t value) {
  if (element == ElementType::f32) return constant(element, static_cast<double>(value));
  const std::int64_t low = element == ElementType::i64   ? std::numeric_limits<std::int64_t>::min()
                           : element == ElementType::i32 ? std::numeric_limits<std::int32_t>::min()
                                                         : 0;
  const std::int64_t high = element == ElementType::i64
                                ? std::numeric_limits<std::int64_t>::max()
                                : static_cast<std::int64_t>(octile::info(element).max_finite);
  if (!octile::is_float(element) && (value < low || value > high)) {
    throw Error(
        fmt::format("constant: {} is not a value of {}", value, octile::info(element).name));
  }
  Attributes attr;
  attr.int_value = value;
  return append(OpKind::constant, {}, attr, element);
}

Value* Builder::scalar_param(ParamId param) {
  Attributes attr;
  attr.index = param;
  return append(OpKind::scalar_param, {}, attr, ElementType::f32);
}

Value* Builder::dim_value(DimId dim) {
  Attributes attr;
  attr.index = dim;
  return append(OpKind::dim, {}, attr, ElementType::i64);
}

Value* Builder::axis_extent(AxisId axis) {
  Attributes attr;
  attr.axis = axis;
  return append(OpKind::axis_extent, {}, attr, ElementType::i64);
}

Value* Builder::grid_index(int position) {
  Attributes attr;
  attr.index = position;
  return append(OpKind::grid_index, {}, attr, ElementType::i64);
}

Value* Builder::iota(AxisId axis) {
  Attributes attr;
  attr.axis = axis;
  return append(OpKind::iota, {}, attr, ElementType::i64);
}

Value* Builder::unary(OpKind kind, Value* x) {
  if (!info(kind).elementwise || info(kind).operands != 1) {
    throw Error(fmt::format("{}: not an operation of one operand", info(kind).name));
  }
  if (kind == OpKind::cast || kind == OpKind::bitcast) {
    throw Error(fmt::format("{}: the element type is missing: call {}(type, x)", info(kind).name,
                            info(kind).name));
  }
  return append(kind, {x}, {}, ElementType::f32);
}

Value* Builder::binary(OpKind kind, Value* x, Value* y) {
  if (!info(kind).elementwise || info(kind).operands != 2) {
    throw Error(fmt::format("{}: not an operation of two operands", info(kind).name));
  }
  return append(kind, {x, y}, {}, ElementType::f32);
}

Value* Builder::fma(Value* a, Value* b, Value* c) {
  return append(OpKind::fma, {a, b, c}, {}, ElementType::f32);
}

Value* Builder::select(Value* condition, Value* x, Value* y) {
  return append(OpKind::select, {condition, x, y}, {}, ElementType::f32);
}

Value* Builder::cast(ElementType to, Value* x) {
  if (x != nullptr && x->type.element == to) return x;
  return append(OpKind::cast, {x}, {}, to);
}

Value* Builder::bitcast(ElementType to, Value* x) {
  if (x != nullptr && x->type.element == to) return x;
  return append(OpKind::bitcast, {x}, {}, to);
}

Value* Builder::load(ParamId tensor, std::vector<Value*> indices, Value* other) {
  Attributes attr;
  attr.index = tensor;
  attr.has_other = other != nullptr;
  if (other != nullptr) indices.push_back(other);
  return append(OpKind::load, indices, attr, ElementType::f32);
}

void Builder::store(ParamId tensor, std::vector<Value*> indices, Value* value, Value* mask) {
  Attributes attr;
  attr.index = tensor;
  attr.has_mask = mask != nullptr;
  indices.push_back(value);
  if (mask != nullptr) indices.push_back(mask);
  append(OpKind::store, indices, attr, ElementType::f32);
}

Value* Builder::dot(Value* a, Value* b, AxisId axis, bool fast_accumulate) {
  Attributes attr;
  attr.axis = axis;
  attr.fast_accumulate = fast_accumulate;
  return append(OpKind::dot, {a, b}, attr, ElementType::f32);
}

Value* Builder::reduce(ReduceKind kind, Value* x, AxisId axis, std::int64_t group) {
  Attributes attr;
  attr.reduce = kind;
  attr.axis = axis;
  attr.group = group;
  return append(OpKind::reduce, {x}, attr, ElementType::f32);
}

std::vector<Value*> Builder::trace_body(Op* op, const std::vector<TileType>& carried,
                                        const FoldBody& body) {
  Region* outer = region_;
  MergeTable& table = scopes_.back()->table;
  Region* region = function_.make_region(op);
  op->regions = {region};
  region->args.push_back(function_.make_value({ElementType::i64, {}}, nullptr, region, 0));
  std::vector<Value*> args;
  for (const TileType& type : carried) {
    const int index = static_cast<int>(region->args.size());
    region->args.push_back(function_.make_value(type, nullptr, region, index));
    args.push_back(region->args.back());
  }
  region_ = region;
  table.enter();
  // The builder is back outside whether or not `body` throws.
  struct Restore {
    Builder& builder;
    Region* outer;
    MergeTable& table;
    ~Restore() {
      builder.region_ = outer;
      table.leave();
    }
  } restore{*this, outer, table};
  std::vector<Value*> results = body(region->args[0], args);
  for (const Value* result : results) {
    if (result == nullptr) throw Error("fold: the body returned a null value");
    check_in_scope("fold", result);
  }
  return results;
}

std::vector<Value*> Builder::fold(Value* trip_count, const std::vector<Value*>& init,
                                  const FoldBody& body) {
  if (trip_count == nullptr || trip_count->type != TileType{ElementType::i64, {}}) {
    throw Error(
        fmt::format("fold: expected an i64 scalar trip count, got {}",
                    trip_count == nullptr ? "null" : to_string(function_, trip_count->type)));
  }
  check_in_scope("fold", trip_count);
  Op* op = function_.make_op(OpKind::fold, region_);
  op->location = location_;
  op->operands = {trip_count};
  std::vector<TileType> carried;
  for (Value* value : init) {
    if (value == nullptr) throw Error("fold: an initial value is null");
    check_in_scope("fold", value);
    op->operands.push_back(value);
    carried.push_back(value->type);
  }
  // A carried value that grows in the body is traced again, with the wider argument.
  std::vector<Value*> yielded;
  for (bool stable = false; !stable;) {
    yielded = trace_body(op, carried, body);
    stable = widen(carried, yielded);
  }
  Region* region = op->regions[0];
  Op* yield = function_.make_op(OpKind::yield, region);
  yield->operands = yielded;
  yield->location = location_;
  region->ops.push_back(yield);
  for (std::size_t i = 0; i < carried.size(); ++i) {
    op->results.push_back(function_.make_value(carried[i], op, region_, static_cast<int>(i)));
    op->results.back()->name = region->args[i + 1]->name;
  }
  region_->ops.push_back(op);
  return op->results;
}

bool Builder::widen(std::vector<TileType>& carried, const std::vector<Value*>& yielded) const {
  if (yielded.size() != carried.size()) {
    throw Error(
        fmt::format("fold: expected the body to return {} values, as many as it carries, "
                    "got {}",
                    carried.size(), yielded.size()));
  }
  bool stable = true;
  for (std::size_t i = 0; i < carried.size(); ++i) {
    if (yielded[i]->type.element != carried[i].element) {
      throw Error(
          fmt::format("fold: carried value {} starts as {} and the body returns {}: cast "
                      "one of them",
                      i, to_string(function_, carried[i]), to_string(function_, yielded[i]->type)));
    }
    if (is_subset(yielded[i]->type.axes, carried[i].axes)) continue;
    carried[i].axes = union_axes(carried[i].axes, yielded[i]->type.axes);
    stable = false;
  }
  return stable;
}

}  // namespace octile::ir
