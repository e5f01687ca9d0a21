// Runs an emitted kernel on the host: its text is compiled by the host's compiler with device.hpp
// in place of the prelude.
#pragma once

#include <span>

#include "octile/codegen/cuda/program.hpp"
#include "octile/runtime/argument.hpp"

namespace octile::test {

/// Lowers `function` under `schedule` for `target`, a target without wgmma, and runs it on
/// arguments in host memory. Throws octile::Error for a refused schedule, std::runtime_error with
/// the compiler's words; a mistake in the use of shared memory, such as an address out of bounds,
/// ends the process.
void emulate(const ir::Function& function, const Schedule& schedule, const cuda::Target& target,
             std::span<const runtime::Argument> arguments);

}  // namespace octile::test
