#include "octile/tests/reference/interpreter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/reference/tile.hpp"

namespace octile::reference {
namespace {

using ir::Op;
using ir::OpKind;
using ir::Region;
using ir::Value;

/// Runs one program of the grid.
class Program {
 public:
  Program(const ir::Function& function, const std::vector<Arg>& args,
          const std::vector<std::int64_t>& dim_values, const std::array<std::int64_t, 3>& place)
      : function_(function), args_(args), dim_values_(dim_values), place_(place) {}

  void run(const Region& region) {
    for (const Op* op : region.ops) run(*op);
  }

 private:
  const Tile& value(const Value* value) const { return tiles_.at(value); }

  Tile make(const ir::TileType& type) const { return Tile(type, function_.axes); }

  void visit(const std::vector<ir::AxisId>& axes, const std::function<void(Point&)>& visit) const {
    for_each_point(axes, function_.axes, visit);
  }

  void run(const Op& op) {
    if (op.kind == OpKind::store) return store(op);
    if (op.kind == OpKind::fold) return fold(op);
    if (op.kind == OpKind::yield) return;
    tiles_[op.result()] = compute(op);
  }

  Tile compute(const Op& op) const {
    if (ir::info(op.kind).elementwise) return elementwise(op);
    switch (op.kind) {
      case OpKind::load:
        return load(op);
      case OpKind::dot:
        return dot(op);
      case OpKind::reduce:
        return reduce(op);
      default:
        return leaf(op);
    }
  }

  Tile leaf(const Op& op) const {
    Tile tile = make(op.result()->type);
    const auto index = static_cast<std::size_t>(op.attr.index);
    visit(tile.type().axes, [&](Point& point) {
      Cell& cell = tile.at(point);
      switch (op.kind) {
        case OpKind::constant:
          cell = is_float(tile.element())
                     ? from_float(tile.element(), static_cast<float>(op.attr.float_value))
                     : op.attr.int_value;
          return;
        case OpKind::scalar_param:
          cell = read(tile.element(), static_cast<const std::byte*>(args_[index].data));
          return;
        case OpKind::dim:
          cell = dim_values_[index];
          return;
        case OpKind::grid_index:
          cell = place_[index];
          return;
        case OpKind::axis_extent:
          cell = function_.axes[static_cast<std::size_t>(op.attr.axis)].extent;
          return;
        case OpKind::iota:
          cell = point[static_cast<std::size_t>(op.attr.axis)];
          return;
        default:
          throw ir::Error("reference: operation without a rule");
      }
    });
    return tile;
  }

  Tile elementwise(const Op& op) const {
    Tile tile = make(op.result()->type);
    std::vector<const Tile*> operands;
    std::vector<ElementType> types;
    for (const Value* operand : op.operands) {
      operands.push_back(&value(operand));
      types.push_back(operand->type.element);
    }
    std::vector<Cell> cells(operands.size());
    visit(tile.type().axes, [&](Point& point) {
      for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = operands[i]->at(point);
      tile.at(point) = apply(op.kind, tile.element(), types, cells);
    });
    return tile;
  }

  /// Address of the element that the leading operands index at `point`; null out of bounds.
  std::byte* address(const Op& op, const Point& point) const {
    const Arg& arg = args_[static_cast<std::size_t>(op.attr.index)];
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < arg.extents.size(); ++i) {
      const std::int64_t index = value(op.operands[i]).at(point);
      if (index < 0 || index >= arg.extents[i]) return nullptr;
      offset += index * arg.strides[i];
    }
    return static_cast<std::byte*>(arg.data) + offset * size_in_bytes(arg.element);
  }

  static Cell read(ElementType type, const std::byte* from) {
    switch (size_in_bytes(type)) {
      case 1:
        return static_cast<std::uint8_t>(*from);
      case 2:
        return copy<std::uint16_t>(from);
      case 4:
        return type == ElementType::i32 ? copy<std::int32_t>(from) : copy<std::uint32_t>(from);
      default:
        return copy<std::int64_t>(from);
    }
  }

  template <typename Bits>
  static Cell copy(const std::byte* from) {
    Bits bits{};
    std::memcpy(&bits, from, sizeof(bits));
    return static_cast<Cell>(bits);
  }

  Tile load(const Op& op) const {
    Tile tile = make(op.result()->type);
    visit(tile.type().axes, [&](Point& point) {
      const std::byte* from = address(op, point);
      if (from != nullptr) {
        tile.at(point) = read(tile.element(), from);
      } else {
        // All bits zero is zero in every format but ue8m0, whose zero rounds to 2^-127: bits 0 too.
        tile.at(point) = op.attr.has_other ? value(op.operands.back()).at(point) : 0;
      }
    });
    return tile;
  }

  void store(const Op& op) const {
    const std::size_t rank = args_[static_cast<std::size_t>(op.attr.index)].extents.size();
    std::vector<ir::AxisId> axes;
    for (std::size_t i = 0; i < rank; ++i) axes = ir::union_axes(axes, op.operands[i]->type.axes);
    const Tile& source = value(op.operands[rank]);
    visit(axes, [&](Point& point) {
      if (op.attr.has_mask && value(op.operands.back()).at(point) == 0) return;
      std::byte* to = address(op, point);
      if (to == nullptr) return;
      // Little-endian: the low bytes come first.
      const Cell cell = source.at(point);
      std::memcpy(to, &cell, static_cast<std::size_t>(size_in_bytes(source.element())));
    });
  }

  Tile dot(const Op& op) const {
    const Tile& a = value(op.operand(0));
    const Tile& b = value(op.operand(1));
    const auto axis = static_cast<std::size_t>(op.attr.axis);
    const std::int64_t extent = function_.axes[axis].extent;
    const bool fp8 = is_fp8(a.element());
    Tile tile = make(op.result()->type);
    std::vector<std::uint8_t> bits_a(static_cast<std::size_t>(extent));
    std::vector<std::uint8_t> bits_b(static_cast<std::size_t>(extent));
    visit(tile.type().axes, [&](Point& point) {
      double sum = 0;
      for (std::int64_t k = 0; k < extent; ++k) {
        point[axis] = k;
        const Cell x = a.at(point);
        const Cell y = b.at(point);
        bits_a[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(x);
        bits_b[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(y);
        if (!fp8) sum += double{to_float(a.element(), x)} * double{to_float(b.element(), y)};
      }
      point[axis] = 0;
      const float result =
          fp8 ? numerics::fp8_dot(a.element(), bits_a, b.element(), bits_b, op.attr.fast_accumulate)
              : static_cast<float>(sum);
      tile.at(point) = from_float(ElementType::f32, result);
    });
    return tile;
  }

  Tile reduce(const Op& op) const {
    const Tile& source = value(op.operand(0));
    const auto axis = static_cast<std::size_t>(op.attr.axis);
    const std::int64_t extent = function_.axes[axis].extent;
    const std::int64_t run = op.attr.group == 0 ? extent : op.attr.group;
    const OpKind combine = op.attr.reduce == ir::ReduceKind::sum   ? OpKind::add
                           : op.attr.reduce == ir::ReduceKind::max ? OpKind::max
                                                                   : OpKind::min;
    const ElementType type = source.element();
    Tile tile = make(op.result()->type);
    visit(tile.type().axes, [&](Point& point) {
      const std::int64_t place = point[axis];
      const std::int64_t first = place / run * run;
      point[axis] = first;
      Cell total = source.at(point);
      for (std::int64_t i = first + 1; i < first + run; ++i) {
        point[axis] = i;
        total = apply(combine, type, {type, type}, {total, source.at(point)});
      }
      point[axis] = place;
      tile.at(point) = total;
    });
    return tile;
  }

  /// `source` repeated over the axes that only `type` has.
  Tile broadcast(const Tile& source, const ir::TileType& type) const {
    Tile tile = make(type);
    visit(type.axes, [&](Point& point) { tile.at(point) = source.at(point); });
    return tile;
  }

  void fold(const Op& op) {
    const Region& body = *op.regions[0];
    const Cell trips = value(op.operand(0)).at(Point(function_.axes.size(), 0));
    std::vector<Tile> carried;
    for (std::size_t i = 1; i < body.args.size(); ++i) {
      carried.push_back(broadcast(value(op.operands[i]), body.args[i]->type));
    }
    for (Cell trip = 0; trip < trips; ++trip) {
      Tile index = make({ElementType::i64, {}});
      index.at({}) = trip;
      tiles_[body.args[0]] = index;
      for (std::size_t i = 0; i < carried.size(); ++i) tiles_[body.args[i + 1]] = carried[i];
      run(body);
      const Op& yield = *body.ops.back();
      for (std::size_t i = 0; i < carried.size(); ++i) {
        carried[i] = broadcast(value(yield.operands[i]), body.args[i + 1]->type);
      }
    }
    for (std::size_t i = 0; i < carried.size(); ++i) {
      tiles_[op.results[i]] = broadcast(carried[i], op.results[i]->type);
    }
  }

  const ir::Function& function_;
  const std::vector<Arg>& args_;
  const std::vector<std::int64_t>& dim_values_;
  std::array<std::int64_t, 3> place_;
  std::unordered_map<const Value*, Tile> tiles_;
};

void check_arguments(const ir::Function& function, const std::vector<Arg>& args,
                     const std::vector<std::int64_t>& dim_values) {
  if (args.size() != function.params.size() || dim_values.size() != function.dims.size()) {
    throw ir::Error(
        fmt::format("reference: program '{}' takes {} arguments and {} dims, got {} "
                    "and {}",
                    function.name, function.params.size(), function.dims.size(), args.size(),
                    dim_values.size()));
  }
  for (std::size_t i = 0; i < args.size(); ++i) {
    const ir::Param& param = function.params[i];
    std::vector<std::int64_t> extents;
    for (const ir::Extent& extent : param.shape) {
      extents.push_back(ir::evaluate_extent(extent, dim_values));
    }
    if (args[i].element != param.element || args[i].extents != extents ||
        args[i].strides.size() != extents.size()) {
      throw ir::Error(fmt::format("reference: argument '{}' has {} [{}], expected {} [{}]",
                                  param.name, info(args[i].element).name,
                                  fmt::join(args[i].extents, ", "), info(param.element).name,
                                  fmt::join(extents, ", ")));
    }
  }
}

}  // namespace

Arg packed(void* data, ElementType element, std::vector<std::int64_t> extents) {
  std::vector<std::int64_t> strides(extents.size(), 1);
  for (std::size_t i = extents.size(); i > 1; --i) strides[i - 2] = strides[i - 1] * extents[i - 1];
  return {data, element, std::move(extents), std::move(strides)};
}

void interpret(const ir::Function& function, const std::vector<Arg>& args,
               const std::vector<std::int64_t>& dim_values) {
  check_arguments(function, args, dim_values);
  std::array<std::int64_t, 3> extents{1, 1, 1};
  for (std::size_t i = 0; i < function.grid.size(); ++i) {
    extents[i] = ir::evaluate_scalar(function, function.grid[i], dim_values);
  }
  for (std::int64_t i = 0; i < extents[0]; ++i) {
    for (std::int64_t j = 0; j < extents[1]; ++j) {
      for (std::int64_t k = 0; k < extents[2]; ++k) {
        Program(function, args, dim_values, {i, j, k}).run(*function.body);
      }
    }
  }
}

}  // namespace octile::reference
