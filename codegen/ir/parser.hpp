// Reads the textual form of the IR (docs/ir.md).
#pragma once

#include <memory>
#include <string_view>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

/// The program that `text` holds, verified; printing it gives `text` again, up to blanks, comments
/// and numbering. Operations are taken as written, equal ones are not merged. Throws Error with
/// line, column, what was expected and what was got.
std::unique_ptr<Function> parse(std::string_view text);

}  // namespace octile::ir
