// Which inner kernels this machine runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "octile/codegen/cpu/dot/dot.hpp"
#include "octile/codegen/cpu/dot/kernels.hpp"

namespace octile::cpu {

const Fp8Kernels& fp8_kernels();
const F32Kernels& f32_kernels();

/// Those that this machine can run, fastest first.
const std::vector<const Fp8Kernels*>& all_fp8_kernels();

std::size_t fp8_dot_scratch_bytes(const DotShape& shape);
void fp8_dot(const DotShape& shape, const std::uint8_t* a, const std::uint8_t* b,
             const float* start, float* out, std::byte* scratch);
std::size_t f32_dot_scratch_bytes(const DotShape& shape);
void f32_dot(const DotShape& shape, const float* a, const float* b, float* out, std::byte* scratch);

}  // namespace octile::cpu
