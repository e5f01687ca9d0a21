// The type rules of every operation, in one place: used to build, parse and verify.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

/// Type of the result of an operation (none for `store`). `result_element` is read where operands
/// don't fix it: constant, cast and bitcast. Throws Error, naming the operation, what it expects
/// and what it got, when operands or attributes don't fit. Not for `fold` and `yield`.
std::optional<TileType> infer_type(const Function& function, OpKind kind,
                                   const std::vector<Value*>& operands, const Attributes& attr,
                                   ElementType result_element);

/// Checks that a fold's initial or yielded value (`what`) number `i` can be broadcast to the type
/// it is carried with. Throws Error.
void check_carried(const Function& function, std::string_view what, std::size_t i,
                   const TileType& got, const TileType& carried);

/// True when `text` can name a dim, axis or parameter: a letter or '_', then letters, digits, '_'.
bool is_identifier(std::string_view text);

/// Checks a parameter's name, rank (1 to 5) and extents. Throws Error.
void check_param(const Function& function, const Param& param);

/// Checks that `extents` are 1 to 3 i64 scalars over constants, dims and axis extents. Throws
/// Error.
void check_grid(const Function& function, const std::vector<Value*>& extents);

}  // namespace octile::ir
