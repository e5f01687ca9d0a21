// The tile IR: a small typed SSA with regions. It says what a tile program computes and knows
// nothing of CUDA, LLVM or the C++ front end.
//
// A `Function` is one tile program: it runs once for every point of its grid. Values are tiles with
// *named axes* (a scalar is a tile with no axes). Broadcasting is by axis name: the result of an
// element-wise operation has the union of its operands' axes.
//
// Pure operations are hash-consed by `Builder` (builder.hpp), so structurally equal expressions in
// scope are one value. `verify` (verifier.hpp) holds after every pass.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "octile/codegen/ir/element_type.hpp"

namespace octile::ir {

using AxisId = int;   ///< index into Function::axes
using DimId = int;    ///< index into Function::dims
using ParamId = int;  ///< index into Function::params

/// A tile axis. Its extent is a literal of the program or bound by the schedule (0 until then).
struct Axis {
  std::string name;
  std::int64_t extent = 0;
  bool is_literal = false;  ///< fixed by the program text; a schedule can't rebind it

  bool is_bound() const { return extent > 0; }
};

/// Type of a value: an element type and a list of distinct axes. Operations go by axis name, so
/// their order means nothing to what is computed; it is the order of the user's operands.
struct TileType {
  ElementType element = ElementType::f32;
  std::vector<AxisId> axes;

  bool is_scalar() const { return axes.empty(); }
  bool has_axis(AxisId axis) const;
  bool operator==(const TileType&) const = default;
};

enum class OpKind : std::uint8_t {
  // Leaves.
  constant,      ///< attr float_value or int_value, by element type; scalar
  scalar_param,  ///< attr index = ParamId; scalar
  dim,           ///< attr index = DimId; i64 scalar: a problem size
  axis_extent,   ///< attr axis; i64 scalar, a constant once the axis is bound
  grid_index,    ///< attr index = 0..2; i64 scalar: this program's place in the grid
  iota,          ///< attr axis; i64 tile over `axis`: 0, 1, ..., extent-1
  // Element-wise, one operand. `neg abs floor` also on f32 only; integers take neg and abs.
  neg,
  abs,
  exp,
  exp2,
  log,
  log2,
  sqrt,
  rsqrt,
  tanh,
  sigmoid,
  erf,
  floor,
  logical_not,  ///< b1
  // Element-wise, two operands of one element type. Integer div and rem truncate, as in C++.
  // min and max on f32 return the other operand when one is NaN, as CUDA's fminf and fmaxf.
  add,
  sub,
  mul,
  div,
  rem,
  min,
  max,
  ceil_div,
  logical_and,
  logical_or,  ///< b1
  cmp_eq,
  cmp_ne,
  cmp_lt,
  cmp_le,
  cmp_gt,
  cmp_ge,  ///< result b1
  // Element-wise, three operands.
  fma,     ///< f32 a * b + c, rounded once
  select,  ///< (b1 condition, x, y): x where condition holds, else y
  // Conversions.
  cast,     ///< to the result's element type: round to nearest even; f32 to FP8, int saturating
  bitcast,  ///< same width
  // Memory. attr index = ParamId; operands are one i64 index (scalar or tile) per dimension.
  load,   ///< result axes: union of the indices' axes. Out of bounds gives the operand after the
          ///< indices (a scalar of the element type) if there is one, else zero
  store,  ///< operands: indices, value, then optionally a b1 mask. Out of bounds is dropped; the
          ///< value is broadcast over axes that only the indices have. No result
  // Over an axis.
  dot,     ///< (a, b), attr axis: contracts the one shared axis; f32; axes a\axis then b\axis
  reduce,  ///< attr axis, group, reduce: over the whole axis (group 0: the axis goes away) or over
           ///< runs of `group` elements (the axis stays, the result constant along each run)
  // Control.
  fold,   ///< operands: i64 trip count, initial values; region arguments: i64 index, carried
          ///< values; the region ends in `yield`; results: the carried values after the last trip
  yield,  ///< operands: the region's results
};

inline constexpr int kOpKindCount = static_cast<int>(OpKind::yield) + 1;

enum class ReduceKind : std::uint8_t { sum, max, min };

/// Attributes of an operation; which ones count is in `OpInfo`.
struct Attributes {
  double float_value = 0;
  std::int64_t int_value = 0;
  int index = 0;  ///< parameter, dimension or grid position
  AxisId axis = -1;
  std::int64_t group = 0;  ///< reduce: run length, 0 for the whole axis
  ReduceKind reduce = ReduceKind::sum;
  bool fast_accumulate = false;  ///< dot: may stay in the tensor core's accumulator across blocks
  bool has_other = false;        ///< load: the last operand is the out-of-bounds value
  bool has_mask = false;         ///< store: the last operand is the mask
  bool operator==(const Attributes&) const = default;
};

struct Op;
struct Region;

/// One SSA value: a result of an operation or an argument of a region.
struct Value {
  TileType type;
  Op* def = nullptr;         ///< null for a region argument
  Region* region = nullptr;  ///< the region it is defined in
  int index = 0;             ///< which result or argument
  int id = 0;                ///< unique in its function
  std::string name;          ///< a hint from the user's program; may be empty
};

struct Op {
  OpKind kind = OpKind::constant;
  std::vector<Value*> operands;
  std::vector<Value*> results;
  Attributes attr;
  std::vector<Region*> regions;
  Region* parent = nullptr;
  std::string location;  ///< "file:line" of the user's statement; may be empty

  Value* result(int i = 0) const { return results[static_cast<std::size_t>(i)]; }
  Value* operand(int i) const { return operands[static_cast<std::size_t>(i)]; }
};

/// A straight list of operations with arguments. The function's body has neither owner nor yield.
struct Region {
  Op* owner = nullptr;
  std::vector<Value*> args;
  std::vector<Op*> ops;
};

/// Extent of a tensor dimension: ceil(base / divisor), base a named problem size or a constant.
struct Extent {
  DimId dim = -1;  ///< -1: `constant` is the base
  std::int64_t constant = 0;
  std::int64_t divisor = 1;
  bool operator==(const Extent&) const = default;
};

enum class Access : std::uint8_t { in, out, inout };

/// A parameter of the program: a strided tensor in memory, or a scalar.
struct Param {
  std::string name;
  ElementType element = ElementType::f32;
  bool is_tensor = true;
  Access access = Access::in;
  std::vector<Extent> shape;  ///< one per dimension, outermost first; empty for a scalar
};

/// One tile program. Owns all its operations, regions and values.
class Function {
 public:
  explicit Function(std::string name_in) : name(std::move(name_in)) { body = make_region(nullptr); }
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;

  std::string name;
  std::vector<Axis> axes;
  std::vector<std::string> dims;  ///< names of the problem sizes
  std::vector<Param> params;
  std::vector<Value*> grid;  ///< 1 to 3 i64 scalars over constants, dims and axis extents
  Region* body = nullptr;

  AxisId find_axis(std::string_view axis_name) const;  ///< -1 when there is none
  DimId find_dim(std::string_view dim_name) const;     ///< -1 when there is none
  ParamId find_param(std::string_view param_name) const;

  // Unchecked construction, for Builder and passes.
  Region* make_region(Op* owner);
  Op* make_op(OpKind kind, Region* parent);  ///< not yet in parent->ops
  Value* make_value(TileType type, Op* def, Region* region, int index);

 private:
  std::deque<Op> ops_;
  std::deque<Region> regions_;
  std::deque<Value> values_;
};

/// What holds for every operation of one kind.
struct OpInfo {
  OpKind kind;
  std::string_view name;  ///< in the textual form
  int operands;           ///< -1: variable
  bool pure;              ///< no effect, no region: may be merged, moved and removed
  bool elementwise;       ///< result axes are the union of the operands' axes
  bool function = false;  ///< exp and the like: computed by many instructions
};
const OpInfo& info(OpKind kind);
std::string_view name(ReduceKind kind);

/// A mistake in a tile program found while building or transforming it.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Ordered union of axes: `a`'s, then those only `b` has.
std::vector<AxisId> union_axes(const std::vector<AxisId>& a, const std::vector<AxisId>& b);

/// A deep copy, values numbered afresh.
std::unique_ptr<Function> clone(const Function& function);

/// Value of an i64 scalar built from constants, dims and bound axis extents (grid extents, trip
/// counts). `dim_values` has one entry per Function::dims. Throws Error for anything else.
std::int64_t evaluate_scalar(const Function& function, const Value* value,
                             const std::vector<std::int64_t>& dim_values);

/// Elements of a tensor dimension for the given problem sizes.
std::int64_t evaluate_extent(const Extent& extent, const std::vector<std::int64_t>& dim_values);

}  // namespace octile::ir
