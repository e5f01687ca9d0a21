// The floating-point environment that programs are defined in.
#pragma once

#ifdef __SSE2__
#include <xmmintrin.h>
#endif
#include <cfenv>

namespace octile::cpu {

/// While alive: round to nearest even, subnormals kept, no traps; whatever the caller had set.
class FloatMode {
 public:
#ifdef __SSE2__
  FloatMode() : saved_(_mm_getcsr()) {
    _mm_setcsr(0x1F80);
  }
  ~FloatMode() {
    _mm_setcsr(saved_);
  }
#else
  FloatMode() {
    std::feholdexcept(&saved_);
    std::fesetround(FE_TONEAREST);
  }
  ~FloatMode() {
    std::fesetenv(&saved_);
  }
#endif
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
#ifdef __SSE2__
  unsigned saved_;
#else
  std::fenv_t saved_;
#endif
};

}  // namespace octile::cpu
