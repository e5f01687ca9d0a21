// Dot kernels for AVX2 with FMA. Compiled for that set: see kernels.hpp on what it may include.
#include <immintrin.h>

#include "octile/codegen/cpu/dot/kernels.hpp"

namespace octile::cpu {
namespace {

constexpr int kLanes = 8;
#include "octile/codegen/cpu/dot/fp8_generic.inl"

void block(const float* a, const float* b, std::int64_t kc, float* c, std::int64_t stride) {
  for (int n = 0; n < kPanel; n += 16) {
    __m256 sum[4][2];
    for (int r = 0; r < 4; ++r) {
      for (int v = 0; v < 2; ++v) sum[r][v] = _mm256_loadu_ps(c + r * stride + n + v * 8);
    }
    for (std::int64_t k = 0; k < kc; ++k) {
      for (int v = 0; v < 2; ++v) {
        const __m256 column = _mm256_loadu_ps(b + k * kPanel + n + v * 8);
        for (int r = 0; r < 4; ++r) {
          sum[r][v] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + k * 4 + r), column, sum[r][v]);
        }
      }
    }
    for (int r = 0; r < 4; ++r) {
      for (int v = 0; v < 2; ++v) _mm256_storeu_ps(c + r * stride + n + v * 8, sum[r][v]);
    }
  }
}

}  // namespace

const Fp8Kernels kFp8Avx2{"avx2", sizeof(RowA), sizeof(PanelB), decode_a, decode_b, step};
const F32Kernels kF32Avx2{"avx2", block};

}  // namespace octile::cpu
