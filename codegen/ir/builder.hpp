// The one checked way to make tile IR: infers types, checks operands, merges equal pure operations.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

/// Appends operations to a function. Every method throws `Error` when operands don't fit; the
/// message says what was expected and what was got. A value may be used in the region it was made
/// in and in regions nested inside that one.
class Builder {
 public:
  explicit Builder(Function& function);
  ~Builder();
  Function& function() { return function_; }

  // Declarations. Adding a name that exists returns the existing entry if it agrees, else throws.
  AxisId axis(const std::string& name, std::int64_t literal_extent = 0);
  DimId dim(const std::string& name);
  ParamId tensor(Param param);
  ParamId scalar(const std::string& name, ElementType element);
  void set_grid(std::vector<Value*> extents);

  /// Source location recorded on the operations that follow.
  void set_location(std::string location) { location_ = std::move(location); }

  // Leaves.
  Value* constant(ElementType element, double value);  ///< f32 and, exactly, integers
  Value* constant_int(ElementType element, std::int64_t value);
  Value* scalar_param(ParamId param);
  Value* dim_value(DimId dim);
  Value* axis_extent(AxisId axis);
  Value* grid_index(int position);
  Value* iota(AxisId axis);

  // Element-wise.
  Value* unary(OpKind kind, Value* x);
  Value* binary(OpKind kind, Value* x, Value* y);
  Value* fma(Value* a, Value* b, Value* c);
  Value* select(Value* condition, Value* x, Value* y);
  Value* cast(ElementType to, Value* x);
  Value* bitcast(ElementType to, Value* x);

  // Memory. Indices: one i64 per dimension of the tensor.
  Value* load(ParamId tensor, std::vector<Value*> indices, Value* other = nullptr);
  void store(ParamId tensor, std::vector<Value*> indices, Value* value, Value* mask = nullptr);

  // Over an axis.
  Value* dot(Value* a, Value* b, AxisId axis, bool fast_accumulate = false);
  Value* reduce(ReduceKind kind, Value* x, AxisId axis, std::int64_t group = 0);

  /// Opens a fold, calls `body(index, carried)` with the builder inside its region, and closes it
  /// with what `body` returns (as many values as `init`, of types with the same element; axes of a
  /// carried value are widened to those the body returns). Returns the fold's results.
  /// Where the returned axes are wider than a carried value's, the region is discarded and `body`
  /// called again with wider arguments: it may be called more than once and must only build.
  using FoldBody = std::function<std::vector<Value*>(Value*, const std::vector<Value*>&)>;
  std::vector<Value*> fold(Value* trip_count, const std::vector<Value*>& init,
                           const FoldBody& body);

  // Used by the parser and by passes that copy operations: appends an operation with given
  // operands and attributes after checking it as the methods above do. Not for `fold`.
  Value* append(OpKind kind, const std::vector<Value*>& operands, const Attributes& attr,
                ElementType result_element);

  Region* insertion_region() const { return region_; }

 private:
  struct Scope;
  Value* emit(OpKind kind, std::vector<Value*> operands, const Attributes& attr, TileType type);
  void check_in_scope(std::string_view where, const Value* value) const;
  std::vector<Value*> trace_body(Op* op, const std::vector<TileType>& carried,
                                 const FoldBody& body);
  /// Adds the axes of `yielded` to `carried`; true when there was nothing to add.
  bool widen(std::vector<TileType>& carried, const std::vector<Value*>& yielded) const;

  Function& function_;
  Region* region_;
  std::string location_;
  std::vector<std::unique_ptr<Scope>> scopes_;
};

}  // namespace octile::ir
