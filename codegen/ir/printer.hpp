// The textual form of the IR. docs/ir.md is its reference; parser.hpp reads it back.
#pragma once

#include <string>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

/// The whole program as text. Values carry the names of the user's program, made distinct; those
/// without a name are numbered in order. Parsing the text gives an equal program.
std::string to_string(const Function& function);

/// "f32[BM, BN]", or "f32" for a scalar.
std::string to_string(const Function& function, const TileType& type);

/// "M", "ceil(K / 128)", "7".
std::string to_string(const Function& function, const Extent& extent);

std::string_view to_string(Access access);

}  // namespace octile::ir
