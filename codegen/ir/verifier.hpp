// Checks that a function is well formed. Builder can only make such; passes must keep it so.
#pragma once

#include <string_view>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

/// Throws Error, naming `after` (the pass that ran last) and the offending operation with its
/// number and location, unless: declarations are distinct and complete; every value is defined
/// once, before its uses, in a region that encloses them; every result has the type its operation
/// implies; folds carry what they start with and yield; the grid is 1 to 3 launch-time sizes.
void verify(const Function& function, std::string_view after = "");

}  // namespace octile::ir
