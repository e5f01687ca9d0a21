// A tile's contents in the interpreter, and arithmetic on its cells.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::reference {

/// One element: the value of an integer or boolean, the storage bits of a float.
using Cell = std::int64_t;

Cell from_float(ElementType type, float value);
float to_float(ElementType type, Cell cell);

/// One value for every axis of the program; those that a tile doesn't have are ignored.
using Point = std::vector<std::int64_t>;

class Tile {
 public:
  Tile() = default;
  /// `axes` are the program's; all those of `type` must be bound.
  Tile(const ir::TileType& type, const std::vector<ir::Axis>& axes);

  ElementType element() const { return type_.element; }
  const ir::TileType& type() const { return type_; }
  Cell& at(const Point& point) { return cells_[offset(point)]; }
  Cell at(const Point& point) const { return cells_[offset(point)]; }

 private:
  std::size_t offset(const Point& point) const;

  ir::TileType type_;
  std::vector<std::int64_t> extents_;
  std::vector<Cell> cells_;
};

/// Calls `visit(point)` for every point over `axes`, the last varying fastest.
void for_each_point(const std::vector<ir::AxisId>& axes, const std::vector<ir::Axis>& all,
                    const std::function<void(Point&)>& visit);

/// An element-wise operation on one cell per operand, of the operands' element types.
Cell apply(ir::OpKind kind, ElementType result, const std::vector<ElementType>& types,
           const std::vector<Cell>& cells);

}  // namespace octile::reference
