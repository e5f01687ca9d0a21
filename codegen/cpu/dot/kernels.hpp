// The seam between the dot drivers (compiled for any machine) and the inner kernels (each compiled
// for one instruction set). Only plain types: an inline function of the standard library compiled
// for a newer instruction set could be the copy the linker keeps for everyone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octile::cpu {

inline constexpr int kStep = 32;             ///< k elements that one tensor core step adds up
inline constexpr int kPanel = 64;            ///< columns of b that a kernel works on
inline constexpr int kZeroExponent = -64;    ///< exponent of a zero operand, below every sum of two
inline constexpr int kLowestExponent = -28;  ///< smallest exponent of a product that isn't zero

/// How to take an FP8 byte apart: |x| = decode, exponent as in DESIGN section 7 rule 1.
struct Fp8Format {
  int mantissa_bits;  ///< 3 or 2
  int bias;           ///< 7 or 15
};

/// Inner kernels of the FP8 dot. Decoded operands are opaque to the driver.
struct Fp8Kernels {
  const char* name;
  std::size_t row_bytes;    ///< decoded size of one row of a: kStep elements
  std::size_t panel_bytes;  ///< decoded size of kStep x kPanel of b
  /// Decodes `rows` rows of kStep bytes each.
  void (*decode_a)(Fp8Format format, const std::uint8_t* bytes, std::int64_t rows, std::byte* out);
  /// Decodes [kStep][kPanel] bytes.
  void (*decode_b)(Fp8Format format, const std::uint8_t* bytes, std::byte* out);
  /// One tensor core step for `rows` rows and the first `columns` columns (rounded up to 16) of the
  /// panel: chain = step(chain or zero). `chain` has rows of `stride` floats.
  void (*step)(const std::byte* a, const std::byte* b, std::int64_t rows, std::int64_t columns,
               float* chain, std::int64_t stride, bool from_zero);
};

/// Inner kernel of the f32 dot: adds kc terms to 4 x kPanel results. a is packed [kc][4], b
/// [kc][kPanel]; c has rows of `stride` floats, all of them valid to read and write.
struct F32Kernels {
  const char* name;
  void (*block)(const float* a, const float* b, std::int64_t kc, float* c, std::int64_t stride);
};

extern const Fp8Kernels kFp8Portable;
extern const F32Kernels kF32Portable;
#ifdef OCTILE_DOT_X86
extern const Fp8Kernels kFp8Avx2;
extern const F32Kernels kF32Avx2;
extern const Fp8Kernels kFp8Avx512;
extern const F32Kernels kF32Avx512;
#endif

}  // namespace octile::cpu
