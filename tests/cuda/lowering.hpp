// What tests of the lowering lower: problem sizes and the products of several of them.
#pragma once

#include <string>

#include "octile/kernels/gemm.hpp"
#include "octile/tests/cuda/kernels.hpp"

namespace octile::test {

inline const ProblemSizes kSizes = {{"M", 4096}, {"N", 4096}, {"K", 4096}};

inline auto tensor_wise() {
  return kernels::gemm<e4m3>("tensor_wise", kernels::per_tensor(fast_accumulate),
                             kernels::to<bf16>());
}

inline auto weight_gradient() {
  return kernels::gemm<e4m3>("weight_gradient", kernels::scale_1x128_1x128,
                             kernels::accumulate<f32>());
}

inline auto tensor_wise_gelu() {
  return kernels::gemm<e4m3>("tensor_wise_gelu", kernels::per_tensor(fast_accumulate),
                             kernels::with_bias<bf16>(kernels::gelu_tanh));
}

inline std::string fp8_text(std::initializer_list<Knob> knobs) {
  return fp8_gemm().with(knobs).emit(kSizes);
}

}  // namespace octile::test
