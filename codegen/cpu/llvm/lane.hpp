// A value inside a nest's loops: one number, consecutive numbers, or a vector.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <optional>

#include "octile/codegen/ir/ir.hpp"

namespace octile::cpu {

/// What is known of an i64 number at compile time.
struct Facts {
  std::int64_t multiple = 1;  ///< it is a multiple of this
  bool nonnegative = false;   ///< of a ramp: every lane is
};

struct Lane {
  llvm::Value* value = nullptr;  ///< a scalar, or a vector when is_vector
  std::int64_t stride = 0;       ///< of a ramp: lane l is value + l * stride
  bool is_vector = false;
  Facts facts = {};

  bool is_uniform() const { return !is_vector && stride == 0; }
  bool is_ramp() const { return !is_vector && stride != 0; }
};

Facts facts_of_constant(std::int64_t value);

/// An i64 operation on numbers and ramps of `width` lanes whose result is one again, with what is
/// known of it; nothing where only a vector holds the result. For one operand, y is x.
std::optional<Lane> index_operation(llvm::IRBuilder<>& b, ir::OpKind kind, const Lane& x,
                                    const Lane& y, int width);

}  // namespace octile::cpu
