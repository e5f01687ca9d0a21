// Questions the plan asks about the program: which loads TMA can bring, which folds are sums, which
// axis is contiguous in memory.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "octile/codegen/cuda/plan.hpp"
#include "octile/codegen/ir/walk.hpp"

namespace octile::cuda {

/// True for operand types that wgmma multiplies: FP8 in any pair, f16 or bf16 with itself.
bool tensor_core_types(ElementType a, ElementType b);

/// The axis of a two-axis tile that isn't `axis`.
ir::AxisId other_axis(const ir::Value* tile, ir::AxisId axis);

/// A name for C++: "BM", and "ax128" for a literal axis named by its extent.
std::string emitted_axis_name(const ir::Function& function, ir::AxisId axis);

/// Every carried value starts at zero and is carried + something independent of it.
bool is_sum_from_zero(const ir::Op& fold);

/// A store, or an operation with one in its regions.
bool has_store(const ir::Op& op);

/// The fold carries one value and yields add(carried, dot) with the dot used nowhere else.
bool adds_in_place(const ir::Op& fold, const ir::Op* dot);

/// How TMA brings the tile that `load` reads, with `k_axis` innermost; nothing if it can't: an
/// index that isn't affine, K not contiguous, an alignment below 16 bytes, a K extent that doesn't
/// fill the swizzle, a value other than zero out of bounds.
std::optional<TmaLoad> tma_form(const ir::Function& function, const Analysis& analysis,
                                const LowerRequest& request, const ir::Op& load,
                                ir::AxisId row_axis, ir::AxisId k_axis);

/// How TMA writes the tile that `store` holds in accumulator registers; nothing if it can't.
std::optional<TmaStore> tma_store_form(const ir::Function& function, const Analysis& analysis,
                                       const LowerRequest& request, const Plan& plan,
                                       const ir::Op& store);

/// The only other access to the tensor that `store` writes, a load of the same tile whose result
/// reaches the store through single uses and nothing else; null if there is none. Of 4-byte
/// elements, which a thread stages pair by pair.
const ir::Op* load_stored_over(const ir::Function& function, const ir::Op& store);

/// Axes in the order of a blocked layout: first the one that is contiguous in most accesses, then
/// the rest; `vector` becomes the elements of it that fill 16 bytes.
std::vector<ir::AxisId> memory_order(const ir::Function& function, const LowerRequest& request,
                                     const Analysis& analysis, const std::set<ir::AxisId>& axes,
                                     int& vector);

/// True if some access steps along `axis` in blocks counted by grid position `position`.
bool grid_position_uses(const ir::Function& function, int position, ir::AxisId axis);

/// Fills `fold.small`: loads of 4-byte elements in the fold's body, with affine indices, that are
/// small enough to travel through the ring.
void find_small_loads(const ir::Function& function, Analysis& analysis, const Plan& plan,
                      FoldPlan& fold);

/// The pieces of a tile of `extent` elements, of powers of two up to `most`; none where they are
/// too many or too small.
std::vector<TilePieces::Piece> pieces_of_tile(std::int64_t extent, std::int64_t most);

/// How `load`, an operation of `fold`'s body, is a panel; nothing if it can't be one.
std::optional<PanelLoad> panel_form(const ir::Function& function, const Analysis& analysis,
                                    const LowerRequest& request, const TilePieces& tile_pieces,
                                    const ir::Op& fold, const ir::Op& load);

}  // namespace octile::cuda
