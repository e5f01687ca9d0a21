// What a target's architecture can do, as far as the lowering depends on it.
#pragma once

#include <string>
#include <string_view>

#include "octile/codegen/cuda/program.hpp"

namespace octile::cuda {

/// Instructions and launch features that some targets lack.
struct TargetFeatures {
  bool wgmma = false;             ///< warpgroup matrix multiply, and the TMA ring that feeds it
  bool fp8_mma = false;           ///< mma.sync of FP8 is one instruction, not emulated by f16's
  bool dependent_launch = false;  ///< programmatic dependent launch
};

/// Throws ir::Error for an architecture that no code is generated for: one that isn't named
/// "sm_<number>[a]", or one before sm_89, which has no FP8.
TargetFeatures features_of(const Target& target);

/// A target by its architecture alone, for compiling without the device: sm_90a is an H200, sm_89
/// an RTX 4090, sm_120a an RTX 5090. Throws ir::Error for any other.
Target target_named(std::string_view arch);

/// Whether tensor-core dots become mma.sync: the schedule asks for it or the target has no wgmma.
bool uses_mma_sync(const Schedule& schedule, const Target& target);

/// Why `schedule` can't be had on `target`, whatever the program; "" if nothing speaks against it.
std::string target_problem(const Schedule& schedule, const Target& target);

}  // namespace octile::cuda
