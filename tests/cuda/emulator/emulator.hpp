// Runs an emitted kernel on the host: its text is compiled by the host's compiler with device.hpp
// in place of the prelude.
#pragma once

#include <string>
#include <vector>

#include "octile/codegen/cuda/program.hpp"

namespace octile::test {

/// A row-major tensor argument.
struct EmulatedTensor {
  void* data = nullptr;
  std::vector<std::int64_t> extents;
};

/// Runs `program` on tensors in parameter order, problem sizes in the order of the kernel's dims,
/// and tiles per grid extent. Throws std::runtime_error with the compiler's words; a mistake in the
/// use of shared memory, such as an address out of bounds, ends the process.
void emulate(const cuda::CudaProgram& program, const std::vector<EmulatedTensor>& tensors,
             const std::vector<std::int64_t>& dims, const std::vector<int>& tiles);

}  // namespace octile::test
