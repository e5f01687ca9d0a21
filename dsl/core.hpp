// The erased core under the typed front: what appends to the IR of the kernel being traced.
// Compiled once, in core.cpp, so that a user's file holds types and checks only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::detail {

/// What an expression holds. Valid while the kernel that made it is being traced.
using handle = ir::Value*;

/// An axis without its type; extent 0 is left to the schedule.
struct axis_key {
  std::string_view name;
  std::int64_t extent = 0;
};

/// A reference to a callable, valid while that lives.
template <class R, class... A>
class callback {
 public:
  template <class F>
  explicit callback(const F& f)
      : object_(&f), call_([](const void* object, A... arguments) -> R {
          return (*static_cast<const F*>(object))(arguments...);
        }) {}
  R operator()(A... arguments) const { return call_(object_, arguments...); }

 private:
  const void* object_;
  R (*call_)(const void*, A...);
};

/// Extent of a tensor dimension as declared: ceil(base / divisor), base a dim (if named) or a
/// constant.
struct extent_spec {
  std::string_view dim;
  std::int64_t constant = 0;
  std::int64_t divisor = 1;
};

/// A carried value of a fold: where it starts, and the axes it has when the body runs.
struct carried_spec {
  handle init = nullptr;
  const axis_key* axes = nullptr;
  std::size_t axis_count = 0;
};

// All of these throw ir::Error where the operands don't fit, and outside of a trace.
namespace core {

/// Runs `body`, whose expressions append to a new function, and returns that. Throws ir::Error with
/// the kernel's name and the place in the user's program where `body` or its result is wrong.
std::shared_ptr<const ir::Function> trace(std::string name, const callback<void>& body);

/// The statement that following operations belong to.
void here(const std::source_location& location);

/// Parameters; a name may be declared once.
ir::ParamId declare_tensor(std::string_view name, ElementType element, ir::Access access,
                           const extent_spec* shape, std::size_t rank);
handle declare_scalar(std::string_view name, ElementType element);
void set_grid(const handle* extents, std::size_t count);

/// A constant of any element type; narrow floats are cast from f32.
handle number(ElementType element, double value);
handle integer(ElementType element, std::int64_t value);
handle dim_value(std::string_view name);
handle axis_extent(axis_key axis);
handle grid_index(int position);
handle iota(axis_key axis);
/// start + 0, 1, ..., extent - 1.
handle span_from(axis_key axis, handle start);
/// The same from block * extent.
handle block(axis_key axis, handle block);
/// floor(x / divisor), also for negative x.
handle floor_div(handle x, std::int64_t divisor);

handle unary(ir::OpKind kind, handle x);
handle binary(ir::OpKind kind, handle x, handle y);
handle fma(handle a, handle b, handle c);
handle select(handle condition, handle x, handle y);
handle cast(ElementType to, handle x);
handle bitcast(ElementType to, handle x);

/// `indices` has one entry per dimension of the tensor.
handle load(ir::ParamId tensor, const handle* indices, std::size_t rank, handle other);
ir::Op* store(ir::ParamId tensor, const handle* indices, std::size_t rank, handle value,
              handle mask);
/// The lists' statements, one list after the other, which is the order of the user's program. Those
/// of one region that were appended against it move behind those that they follow; what was
/// computed for them alone goes along.
std::vector<ir::Op*> in_order(std::initializer_list<const std::vector<ir::Op*>*> lists);

handle dot(handle a, handle b, axis_key axis, bool fast_accumulate);
handle reduce(ir::ReduceKind kind, handle x, axis_key axis, std::int64_t group);

/// Calls body(index, arguments, results) once, inside the loop, to fill `results`; leaves the
/// values after the last trip in `last`. Each array has `count` entries. Gives the loop.
using fold_body = callback<void, handle, const handle*, handle*>;
ir::Op* fold(handle trip_count, const carried_spec* carried, std::size_t count,
             const fold_body& body, handle* last);

}  // namespace core
}  // namespace octile::detail
