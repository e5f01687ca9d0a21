// Dot kernels for AVX-512 (F, BW, DQ, VL, VNNI). Compiled for that set: see kernels.hpp on what it
// may include.
//
// FP8: with M = 2^(emax + 10), the f32 number |a*b| + M rounded toward zero is M + t * 2^(emax-13),
// and t, the truncated term, stands in the low mantissa bits (t < 2^15). One fused multiply-add
// makes it, and one integer dot product with (+-1, 0) pairs adds it with its sign.
#include <immintrin.h>

#include "octile/codegen/cpu/dot/kernels.hpp"

namespace octile::cpu {
namespace {

struct RowA {
  float magnitude[kStep];
  std::uint32_t exponent[kStep];  ///< four copies of the exponent byte
  std::uint32_t negative[kStep];  ///< which of PanelB::sign to read
};
struct alignas(64) PanelB {
  float magnitude[kStep][kPanel];
  std::int8_t exponent[kStep][kPanel];
  std::uint32_t sign[2][kStep][kPanel];  ///< pairs of int16: (sign of b, 0) and (the other, 0)
};

inline __m512 decode_magnitude(Fp8Format format, __m128i bytes) {
  // The magnitude's bits, moved to f32's place, are |x| scaled by a power of two, subnormals too.
  const __m512i low = _mm512_and_si512(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(0x7F));
  const __m128i shift = _mm_cvtsi32_si128(23 - format.mantissa_bits);
  const __m512i rescale = _mm512_set1_epi32((254 - format.bias) << 23);
  return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_sll_epi32(low, shift)),
                       _mm512_castsi512_ps(rescale));
}

inline __m512i decode_exponents(Fp8Format format, __m512i bytes) {
  const __m512i low = _mm512_and_si512(bytes, _mm512_set1_epi8(0x7F));
  const __m512i shifted = _mm512_srl_epi16(low, _mm_cvtsi32_si128(format.mantissa_bits));
  // A 16-bit shift pulls in bits of the neighbour byte; the field mask drops them.
  const __m512i mask = _mm512_set1_epi8(static_cast<char>(0x7F >> format.mantissa_bits));
  const __m512i field = _mm512_max_epu8(_mm512_and_si512(shifted, mask), _mm512_set1_epi8(1));
  const __m512i exponent = _mm512_sub_epi8(field, _mm512_set1_epi8(static_cast<char>(format.bias)));
  return _mm512_mask_blend_epi8(_mm512_test_epi8_mask(low, low), _mm512_set1_epi8(kZeroExponent),
                                exponent);
}

void decode_a(Fp8Format format, const std::uint8_t* bytes, std::int64_t rows, std::byte* out) {
  RowA* row = reinterpret_cast<RowA*>(out);
  for (std::int64_t r = 0; r < rows; ++r, ++row, bytes += kStep) {
    const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
    const __m512i exponents = decode_exponents(format, _mm512_castsi256_si512(all));
    for (int half = 0; half < 2; ++half) {
      const __m128i part =
          half == 0 ? _mm256_castsi256_si128(all) : _mm256_extracti128_si256(all, 1);
      const __m128i exponent =
          half == 0 ? _mm512_castsi512_si128(exponents) : _mm512_extracti32x4_epi32(exponents, 1);
      _mm512_storeu_ps(row->magnitude + half * 16, decode_magnitude(format, part));
      const __m512i spread =
          _mm512_mullo_epi32(_mm512_cvtepu8_epi32(exponent), _mm512_set1_epi32(0x01010101));
      _mm512_storeu_si512(row->exponent + half * 16, spread);
      const __m512i sign = _mm512_srli_epi32(_mm512_cvtepu8_epi32(part), 7);
      _mm512_storeu_si512(row->negative + half * 16, sign);
    }
  }
}

void decode_b(Fp8Format format, const std::uint8_t* bytes, std::byte* out) {
  PanelB& panel = *reinterpret_cast<PanelB*>(out);
  const __m512i plus = _mm512_set1_epi32(0x0001);
  const __m512i minus = _mm512_set1_epi32(0xFFFF);
  for (int k = 0; k < kStep; ++k, bytes += kPanel) {
    const __m512i all = _mm512_loadu_si512(bytes);
    _mm512_storeu_si512(panel.exponent[k], decode_exponents(format, all));
    const __mmask64 negative = _mm512_movepi8_mask(all);
    for (int v = 0; v < 4; ++v) {
      const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + v * 16));
      const __mmask16 lanes = static_cast<__mmask16>(negative >> (v * 16));
      _mm512_storeu_ps(panel.magnitude[k] + v * 16, decode_magnitude(format, part));
      _mm512_storeu_si512(panel.sign[0][k] + v * 16, _mm512_mask_blend_epi32(lanes, plus, minus));
      _mm512_storeu_si512(panel.sign[1][k] + v * 16, _mm512_mask_blend_epi32(lanes, minus, plus));
    }
  }
}

/// The largest exponent of the products of one row and all columns of the panel.
inline __m512i product_exponents(const RowA& a, const PanelB& b) {
  __m512i most = _mm512_set1_epi8(-128);
  for (int k = 0; k < kStep; ++k) {
    const __m512i sum = _mm512_add_epi8(_mm512_load_si512(b.exponent[k]),
                                        _mm512_set1_epi32(static_cast<int>(a.exponent[k])));
    most = _mm512_max_epi8(most, sum);
  }
  return most;
}

/// What C contributes: its exponent, and its term once emax is known.
struct Addend {
  __m512i magnitude, exponent;
  __mmask16 negative;

  explicit Addend(__m512i bits) {
    const __m512i field = _mm512_and_si512(_mm512_srli_epi32(bits, 23), _mm512_set1_epi32(0xFF));
    const __mmask16 normal = _mm512_test_epi32_mask(field, field);
    const __m512i mantissa = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFF));
    magnitude = _mm512_mask_or_epi32(mantissa, normal, mantissa, _mm512_set1_epi32(0x800000));
    exponent =
        _mm512_sub_epi32(_mm512_max_epi32(field, _mm512_set1_epi32(1)), _mm512_set1_epi32(127));
    negative = _mm512_movepi32_mask(bits);
  }
  __m512i term(__m512i emax) const {
    const __m512i shift = _mm512_add_epi32(_mm512_sub_epi32(emax, exponent), _mm512_set1_epi32(10));
    const __m512i t = _mm512_srlv_epi32(magnitude, shift);
    return _mm512_mask_sub_epi32(t, negative, _mm512_setzero_si512(), t);
  }
};

/// Keeps the top 14 bits of the sum and scales it back; scalef rounds nothing here.
inline __m512 finish(__m512i sum, __m512i emax) {
  const __m512i exact = _mm512_castps_si512(_mm512_cvtepi32_ps(sum));
  const __m512 kept = _mm512_castsi512_ps(
      _mm512_and_si512(exact, _mm512_set1_epi32(static_cast<int>(0xFFFFFC00u))));
  return _mm512_scalef_ps(kept, _mm512_cvtepi32_ps(_mm512_sub_epi32(emax, _mm512_set1_epi32(13))));
}

template <int kRows, int kVectors>
void step_rows(const RowA* a, const PanelB& b, float* chain, std::int64_t stride, bool from_zero) {
  __m512i sum[kRows][kVectors];
  __m512 lift[kRows][kVectors];
  __m512i emax[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    alignas(64) std::int8_t exponents[kPanel];
    _mm512_store_si512(exponents, product_exponents(a[r], b));
    for (int v = 0; v < kVectors; ++v) {
      __m512i e = _mm512_cvtepi8_epi32(
          _mm_load_si128(reinterpret_cast<const __m128i*>(exponents + v * 16)));
      // Below the smallest product all of them are zero: C alone counts.
      const __mmask16 none = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(kLowestExponent));
      e = _mm512_mask_blend_epi32(none, e, _mm512_set1_epi32(-126));
      sum[r][v] = _mm512_setzero_si512();
      if (!from_zero) {
        const Addend addend(_mm512_loadu_si512(chain + r * stride + v * 16));
        e = _mm512_max_epi32(e, addend.exponent);
        sum[r][v] = addend.term(e);
      }
      emax[r][v] = e;
      // Clamped where no product is left anyway, so that M is a normal f32.
      const __m512i field =
          _mm512_add_epi32(_mm512_min_epi32(e, _mm512_set1_epi32(60)), _mm512_set1_epi32(137));
      lift[r][v] = _mm512_castsi512_ps(_mm512_slli_epi32(field, 23));
    }
  }
  for (int k = 0; k < kStep; ++k) {
    __m512 column[kVectors];
    for (int v = 0; v < kVectors; ++v) column[v] = _mm512_load_ps(b.magnitude[k] + v * 16);
    for (int r = 0; r < kRows; ++r) {
      const __m512 row = _mm512_set1_ps(a[r].magnitude[k]);
      const std::uint32_t* signs = b.sign[a[r].negative[k]][k];
      for (int v = 0; v < kVectors; ++v) {
        const __m512 shifted = _mm512_fmadd_round_ps(row, column[v], lift[r][v],
                                                     _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
        sum[r][v] = _mm512_dpwssd_epi32(sum[r][v], _mm512_castps_si512(shifted),
                                        _mm512_load_si512(signs + v * 16));
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_ps(chain + r * stride + v * 16, finish(sum[r][v], emax[r][v]));
    }
  }
}

template <int kVectors>
void step_columns(const RowA* a, const PanelB& b, std::int64_t rows, float* chain,
                  std::int64_t stride, bool from_zero) {
  std::int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    step_rows<2, kVectors>(a + r, b, chain + r * stride, stride, from_zero);
  }
  if (r < rows) step_rows<1, kVectors>(a + r, b, chain + r * stride, stride, from_zero);
}

void step(const std::byte* a, const std::byte* b, std::int64_t rows, std::int64_t columns,
          float* chain, std::int64_t stride, bool from_zero) {
  const RowA* row = reinterpret_cast<const RowA*>(a);
  const PanelB& panel = *reinterpret_cast<const PanelB*>(b);
  if (columns > 48) return step_columns<4>(row, panel, rows, chain, stride, from_zero);
  if (columns > 32) return step_columns<3>(row, panel, rows, chain, stride, from_zero);
  if (columns > 16) return step_columns<2>(row, panel, rows, chain, stride, from_zero);
  step_columns<1>(row, panel, rows, chain, stride, from_zero);
}

void block(const float* a, const float* b, std::int64_t kc, float* c, std::int64_t stride) {
  __m512 sum[4][4];
  for (int r = 0; r < 4; ++r) {
    for (int v = 0; v < 4; ++v) sum[r][v] = _mm512_loadu_ps(c + r * stride + v * 16);
  }
  for (std::int64_t k = 0; k < kc; ++k) {
    for (int v = 0; v < 4; ++v) {
      const __m512 column = _mm512_loadu_ps(b + k * kPanel + v * 16);
      for (int r = 0; r < 4; ++r) {
        sum[r][v] = _mm512_fmadd_ps(_mm512_set1_ps(a[k * 4 + r]), column, sum[r][v]);
      }
    }
  }
  for (int r = 0; r < 4; ++r) {
    for (int v = 0; v < 4; ++v) _mm512_storeu_ps(c + r * stride + v * 16, sum[r][v]);
  }
}

}  // namespace

const Fp8Kernels kFp8Avx512{"avx512", sizeof(RowA), sizeof(PanelB), decode_a, decode_b, step};
const F32Kernels kF32Avx512{"avx512", block};

}  // namespace octile::cpu
