// The device headers in device/, in one text, as every emitted kernel starts with them.
#pragma once

#include <string>

namespace octile::cuda {

/// For kernels that may use TMA and wgmma.
const std::string& prelude();
/// For kernels that multiply with mma.sync, and for targets that have neither.
const std::string& portable_prelude();
/// After the first, for kernels whose CTAs share a fold through global memory.
const std::string& stream_prelude();

}  // namespace octile::cuda
