// The erased core under the typed front: expressions append to the builder of the running trace.
#pragma once

#include <string>
#include <utility>

#include "octile/codegen/ir/builder.hpp"
#include "octile/dsl/axis.hpp"

namespace octile::detail {

/// The builder that expressions append to while a kernel's body runs; null outside of one.
inline thread_local ir::Builder* current_builder = nullptr;

inline ir::Builder& builder() {
  if (current_builder == nullptr) {
    throw ir::Error(
        "octile: tile expressions are only meaningful inside the function given to kernel()");
  }
  return *current_builder;
}

/// Makes `b` the current builder for a scope.
class TraceScope {
 public:
  explicit TraceScope(ir::Builder& b) : saved_(std::exchange(current_builder, &b)) {}
  ~TraceScope() { current_builder = saved_; }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  ir::Builder* saved_;
};

template <class A>
ir::AxisId axis_id() {
  return builder().axis(std::string(A::name), A::extent);
}

}  // namespace octile::detail
