// The numerics contract in scalar form: exact conversions between f32 and the narrow formats, and
// Hopper's FP8 tensor core to the bit. The reference that every back end is tested against.
#pragma once

#include <cstdint>
#include <span>

#include "octile/codegen/ir/element_type.hpp"

namespace octile::numerics {

/// Decodes the storage bits of a narrow float (e4m3, e5m2, ue8m0, f16, bf16) or of an f32.
float decode(ElementType type, std::uint32_t bits);

/// Encodes with round to nearest even. FP8 saturates to the largest finite value and keeps NaN
/// (PTX cvt.rn.satfinite); f16 and bf16 overflow to infinity. A NaN encodes as the positive NaN
/// with every mantissa bit set (0x7F, 0x7FFF). ue8m0 takes the smallest power of two not below
/// |value| (PTX cvt.rp.satfinite), clamped to [2^-127, 2^127]; zero gives 0x00, NaN 0xFF.
std::uint32_t encode(ElementType type, float value);

/// f32 to i32, i64 or u8: truncates toward zero, saturates, NaN gives 0 (PTX cvt.rzi).
std::int64_t to_integer(ElementType type, float value);

/// One wgmma m64nNk32 output: C and 32 exact products as one truncated fused sum, E8M13 result.
/// `a` and `b` are FP8 storage bits of `type_a` and `type_b` (e4m3 or e5m2), 32 each; c must itself
/// be E8M13 or any f32 (its low bits are truncated in alignment). See DESIGN section 7.
float fp8_mma_k32(ElementType type_a, std::span<const std::uint8_t, 32> a, ElementType type_b,
                  std::span<const std::uint8_t, 32> b, float c);

/// An FP8 `dot` over any K: blocks of 128 are chains of four k32 steps from zero (the last block
/// zero-extended); the block results are added in f32, round to nearest, in order. With
/// `fast_accumulate` the whole K is one chain.
float fp8_dot(ElementType type_a, std::span<const std::uint8_t> a, ElementType type_b,
              std::span<const std::uint8_t> b, bool fast_accumulate = false);

}  // namespace octile::numerics
