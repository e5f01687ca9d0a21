// Dot kernels for any machine; the fallback where no faster set is found at run time.
#include <cmath>

#include "octile/codegen/cpu/dot/kernels.hpp"

namespace octile::cpu {
namespace {

constexpr int kLanes = 4;
#include "octile/codegen/cpu/dot/fp8_generic.inl"

void block(const float* a, const float* b, std::int64_t kc, float* c, std::int64_t stride) {
  for (std::int64_t k = 0; k < kc; ++k, a += 4, b += kPanel) {
    for (std::int64_t r = 0; r < 4; ++r) {
      for (int n = 0; n < kPanel; ++n) {
        c[r * stride + n] = std::fma(a[r], b[n], c[r * stride + n]);
      }
    }
  }
}

}  // namespace

const Fp8Kernels kFp8Portable{"portable", sizeof(RowA), sizeof(PanelB), decode_a, decode_b, step};
const F32Kernels kF32Portable{"portable", block};

}  // namespace octile::cpu
