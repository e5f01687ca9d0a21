// Passes over the tile IR. Each is a free function in a file of its own; the verifier holds before
// and after. They require nothing of a target.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "octile/codegen/ir/ir.hpp"

namespace octile::passes {

/// Binds tile axes to extents (schedule's `axes`) and folds `axis_extent`. Throws ir::Error for an
/// unknown axis, an extent below 1, or a literal axis bound to something else.
void bind_axes(ir::Function& function, const std::map<std::string, std::int64_t>& extents);

/// Constant folding, integer identities (x*1, x+0, ...), float identities that are exact for every
/// input (x*1, -(-x), select of equal arms), cast of cast to the same type; then removes dead code
/// and merges equal pure operations.
void simplify(ir::Function& function);

/// Fixes the float contractions that every back end must share: `(d * x) * y` with x and y on fewer
/// axes than d becomes `d * (x * y)`, and `c + a * b` (the product used once) becomes `fma(a, b,
/// c)`. After this pass back ends evaluate float operations one by one, exactly as written.
void contract(ir::Function& function);

/// bind_axes, simplify, contract, simplify; verifies after each.
void prepare(ir::Function& function, const std::map<std::string, std::int64_t>& extents);

}  // namespace octile::passes
