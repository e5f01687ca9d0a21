// What the plan decides anew where dots are multiplied by mma.sync: which loads are copied ahead,
// how warps share a tile, how deep the ring is.
#pragma once

#include <string>

#include "octile/codegen/cuda/plan.hpp"

namespace octile::cuda {

/// Fills `plan.copies`, and `plan.folds` with the folds that have a ring: those with a copied
/// operand in their body, none inside another.
void find_copies(const ir::Function& function, const LowerRequest& request, Analysis& analysis,
                 Plan& plan);

/// Chooses `plan.warps`, with `plan.schedule.warps` warps where that is given, and sets the number
/// of threads and the shape in shared memory of every dot. Returns why it can't, or "".
std::string arrange_warps(const ir::Function& function, const LowerRequest& request,
                          const Analysis& analysis, Plan& plan);

/// Lays out a stage of the ring and chooses the number of stages; `other_bytes` of shared memory
/// are taken. Returns why it can't, or "".
std::string plan_copy_ring(const ir::Function& function, const LowerRequest& request,
                           Analysis& analysis, int other_bytes, Plan& plan);

}  // namespace octile::cuda
