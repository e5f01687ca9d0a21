// `dot` as compiled programs call it: FP8 as Hopper's tensor core adds it up, and f32. Operands are
// dense tiles in scratch memory; each instruction set has its own inner kernels, chosen at run
// time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "octile/codegen/ir/element_type.hpp"

namespace octile::cpu {

/// Shape of one `dot`, known when the program is compiled. Strides in elements. The result is
/// dense, [m][n]. For FP8 the operands are storage bytes, otherwise f32.
struct DotShape {
  ElementType a_type = ElementType::f32;
  ElementType b_type = ElementType::f32;
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t a_row = 0, a_k = 0;  ///< strides of a along its rows and along k
  std::int64_t b_col = 0, b_k = 0;  ///< strides of b along its columns and along k
  bool one_chain = false;           ///< FP8: the whole k is one chain of tensor core steps
};

/// Bytes of scratch memory that `dot` needs, 64-byte aligned.
std::size_t dot_scratch_bytes(const DotShape& shape);

/// out = a . b. `start` (dense [m][n], or null for zero) is what an FP8 chain starts from; only
/// with `one_chain`. f32: out = fma over k in ascending order, from zero.
void dot(const DotShape& shape, const void* a, const void* b, const float* start, float* out,
         std::byte* scratch);

/// Inner kernels in use: "avx512", "avx2" or "portable".
const char* dot_instruction_set();

/// Chooses the inner kernels by name, for tests; false when this machine can't run them.
bool set_dot_instruction_set(const char* name);

}  // namespace octile::cpu
