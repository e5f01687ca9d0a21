#include "octile/tests/reference/tile.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/codegen/ir/walk.hpp"

namespace octile::reference {
namespace {

using ir::OpKind;

float unary_f32(OpKind kind, float x) {
  const double d = x;
  switch (kind) {
    case OpKind::neg:
      return -x;
    case OpKind::abs:
      return std::fabs(x);
    case OpKind::floor:
      return std::floor(x);
    case OpKind::sqrt:
      return std::sqrt(x);
    case OpKind::exp:
      return static_cast<float>(std::exp(d));
    case OpKind::exp2:
      return static_cast<float>(std::exp2(d));
    case OpKind::log:
      return static_cast<float>(std::log(d));
    case OpKind::log2:
      return static_cast<float>(std::log2(d));
    case OpKind::rsqrt:
      return static_cast<float>(1 / std::sqrt(d));
    case OpKind::tanh:
      return static_cast<float>(std::tanh(d));
    case OpKind::sigmoid:
      return static_cast<float>(1 / (1 + std::exp(-d)));
    case OpKind::erf:
      return static_cast<float>(std::erf(d));
    default:
      throw ir::Error("reference: not a float operation of one operand");
  }
}

float binary_f32(OpKind kind, float x, float y) {
  switch (kind) {
    case OpKind::add:
      return x + y;
    case OpKind::sub:
      return x - y;
    case OpKind::mul:
      return x * y;
    case OpKind::div:
      return x / y;
    case OpKind::min:
      return std::fmin(x, y);
    case OpKind::max:
      return std::fmax(x, y);
    default:
      throw ir::Error("reference: not a float operation of two operands");
  }
}

template <typename Number>
bool compare(OpKind kind, Number x, Number y) {
  switch (kind) {
    case OpKind::cmp_eq:
      return x == y;
    case OpKind::cmp_ne:
      return x != y;
    case OpKind::cmp_lt:
      return x < y;
    case OpKind::cmp_le:
      return x <= y;
    case OpKind::cmp_gt:
      return x > y;
    default:
      return x >= y;
  }
}

bool is_comparison(OpKind kind) {
  return kind >= OpKind::cmp_eq && kind <= OpKind::cmp_ge;
}

Cell integer(ElementType type, Cell value) {
  switch (type) {
    case ElementType::b1:
      return value != 0 ? 1 : 0;
    case ElementType::u8:
      return static_cast<std::uint8_t>(value);
    case ElementType::i32:
      return static_cast<std::int32_t>(value);
    default:
      return value;
  }
}

Cell cast(ElementType to, ElementType from, Cell cell) {
  if (!is_float(from)) {
    return is_float(to) ? from_float(to, static_cast<float>(cell)) : integer(to, cell);
  }
  const float value = to_float(from, cell);
  if (is_float(to)) return from_float(to, value);
  return to == ElementType::b1 ? (value != 0 ? 1 : 0) : numerics::to_integer(to, value);
}

/// The bits of `from` read as `to`, of the same width.
Cell bitcast(ElementType to, ElementType from, Cell cell) {
  const int bits = info(from).bits;
  const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  const auto raw = static_cast<Cell>(static_cast<std::uint64_t>(cell) & mask);
  return is_float(to) ? raw : integer(to, raw);
}

}  // namespace

Cell from_float(ElementType type, float value) {
  return static_cast<Cell>(numerics::encode(type, value));
}

float to_float(ElementType type, Cell cell) {
  return numerics::decode(type, static_cast<std::uint32_t>(cell));
}

Tile::Tile(const ir::TileType& type, const std::vector<ir::Axis>& axes) : type_(type) {
  std::size_t size = 1;
  for (ir::AxisId id : type.axes) {
    const ir::Axis& axis = axes[static_cast<std::size_t>(id)];
    if (!axis.is_bound()) {
      throw ir::Error("reference: axis " + axis.name + " is not bound: bind every axis first");
    }
    extents_.push_back(axis.extent);
    size *= static_cast<std::size_t>(axis.extent);
  }
  cells_.resize(size);
}

std::size_t Tile::offset(const Point& point) const {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < extents_.size(); ++i) {
    offset = offset * extents_[i] + point[static_cast<std::size_t>(type_.axes[i])];
  }
  return static_cast<std::size_t>(offset);
}

void for_each_point(const std::vector<ir::AxisId>& axes, const std::vector<ir::Axis>& all,
                    const std::function<void(Point&)>& visit) {
  Point point(all.size(), 0);
  std::size_t level = 0;
  do {
    visit(point);
    for (level = axes.size(); level > 0; --level) {
      const auto axis = static_cast<std::size_t>(axes[level - 1]);
      if (++point[axis] < all[axis].extent) break;
      point[axis] = 0;
    }
  } while (level > 0);
}

Cell apply(OpKind kind, ElementType result, const std::vector<ElementType>& types,
           const std::vector<Cell>& cells) {
  switch (kind) {
    case OpKind::cast:
      return cast(result, types[0], cells[0]);
    case OpKind::bitcast:
      return bitcast(result, types[0], cells[0]);
    case OpKind::select:
      return cells[0] != 0 ? cells[1] : cells[2];
    case OpKind::logical_not:
      return cells[0] == 0 ? 1 : 0;
    case OpKind::logical_and:
      return cells[0] & cells[1];
    case OpKind::logical_or:
      return cells[0] | cells[1];
    default:
      break;
  }
  if (types[0] == ElementType::f32) {
    const auto f32 = [&](std::size_t i) { return to_float(ElementType::f32, cells[i]); };
    if (is_comparison(kind)) return compare(kind, f32(0), f32(1)) ? 1 : 0;
    if (kind == OpKind::fma) {
      return from_float(ElementType::f32, std::fma(f32(0), f32(1), f32(2)));
    }
    return from_float(ElementType::f32, cells.size() == 1 ? unary_f32(kind, f32(0))
                                                          : binary_f32(kind, f32(0), f32(1)));
  }
  if (is_comparison(kind)) return compare(kind, cells[0], cells[1]) ? 1 : 0;
  // Division by zero gives an unspecified value; here 0.
  Cell out = 0;
  ir::fold_integer(kind, result, cells[0], cells.size() > 1 ? cells[1] : 0, out);
  return out;
}

}  // namespace octile::reference
