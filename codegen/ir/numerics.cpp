#include "octile/codegen/ir/numerics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace octile::numerics {
namespace {

constexpr std::uint32_t kMagnitude = 0x7FFFFFFFu;
constexpr std::uint32_t kInfinity = 0x7F800000u;

/// Sign-exponent-mantissa formats in the table's terms: e4m3, e5m2, f16, bf16.
float decode_packed(const ElementTypeInfo& format, std::uint32_t bits) {
  const int e = format.exponent_bits;
  const int m = format.mantissa_bits;
  const int bias = (1 << (e - 1)) - 1;
  const std::uint32_t mantissa = bits & ((1u << m) - 1);
  const std::uint32_t exponent = (bits >> m) & ((1u << e) - 1);
  const std::uint32_t sign = (bits >> (e + m) & 1u) << 31;
  const bool top = exponent == (1u << e) - 1;
  if (top && format.has_infinity) {
    return std::bit_cast<float>(sign | kInfinity | mantissa << (23 - m));
  }
  if (top && mantissa == (1u << m) - 1) {  // e4m3's only NaN
    return std::bit_cast<float>(sign | 0x7FC00000u);
  }
  const std::uint32_t significand = exponent == 0 ? mantissa : mantissa | 1u << m;
  const int scale = std::max<int>(static_cast<int>(exponent), 1) - bias - m;
  const float magnitude = std::ldexp(static_cast<float>(significand), scale);
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

/// Round to nearest even. What lies beyond the largest finite value saturates (FP8) or becomes
/// infinite (f16, bf16); NaN becomes the positive NaN with all mantissa bits set, as on the GPU.
std::uint32_t encode_packed(const ElementTypeInfo& format, float value) {
  const int e = format.exponent_bits;
  const int m = format.mantissa_bits;
  const int bias = (1 << (e - 1)) - 1;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & kMagnitude;
  const std::uint32_t all_ones = (1u << (e + m)) - 1;
  const std::uint32_t infinity = ((1u << e) - 1) << m;
  if (magnitude > kInfinity) return all_ones;
  const std::uint32_t sign = (bits >> 31) << (e + m);
  const bool saturates = format.bits == 8;
  // Largest finite code: e4m3 gives up only the all-ones code, the others their top exponent.
  const std::uint32_t largest = format.has_infinity ? infinity - 1 : all_ones - 1;
  if (magnitude == kInfinity) return sign | (saturates ? largest : infinity);

  const int exponent = std::max<int>(static_cast<int>(magnitude >> 23), 1) - 127;
  const std::uint64_t significand =
      (magnitude >> 23 != 0 ? 1u << 23 : 0u) | (magnitude & 0x7FFFFFu);
  // One unit in the last place of the result is 2^ulp; subnormals share the smallest one.
  const int lowest = 1 - bias;
  const int ulp = std::max(exponent, lowest) - m;
  const int shift = std::min(ulp - (exponent - 23), 40);
  std::uint64_t quotient = significand;
  if (shift > 0) {
    const std::uint64_t half = std::uint64_t{1} << (shift - 1);
    const std::uint64_t rest = significand & ((half << 1) - 1);
    quotient = significand >> shift;
    if (rest > half || (rest == half && (quotient & 1) != 0)) ++quotient;
  }
  // A carry out of the mantissa moves into the exponent field by plain addition.
  const std::uint64_t field = static_cast<std::uint64_t>(std::max(exponent, lowest) - lowest);
  const std::uint64_t code = (field << m) + quotient;
  if (code > largest) return sign | (saturates ? largest : infinity);
  return sign | static_cast<std::uint32_t>(code);
}

float decode_ue8m0(std::uint32_t bits) {
  if (bits == 0xFF) return std::numeric_limits<float>::quiet_NaN();
  return std::ldexp(1.0f, static_cast<int>(bits) - 127);
}

/// The smallest power of two not below |value|, as scales need: dividing by it never overflows the
/// range that the exact scale would fill. Clamped to [2^-127, 2^127]; zero gives 2^-127.
std::uint32_t encode_ue8m0(float value) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(value) & kMagnitude;
  if (magnitude > kInfinity) return 0xFF;
  // In subnormals 2^-127 is 0x00400000; everything up to it encodes as 0.
  if (magnitude <= 0x00400000u) return 0;
  const std::uint32_t exponent = magnitude >> 23;
  const bool exact = exponent != 0 && (magnitude & 0x7FFFFFu) == 0;
  return std::min(exponent + (exact ? 0u : 1u), 0xFEu);
}

/// A term of the fused sum: value = magnitude * 2^(exponent - point), point fixed per kind of term.
struct Term {
  std::int64_t magnitude = 0;
  int exponent = 0;
  bool negative = false;
};

/// An FP8 value as DESIGN section 7 decodes it: |x| = magnitude * 2^(exponent - mantissa bits),
/// subnormals not renormalised.
struct Fp8 {
  Term term;
  bool nan = false;
  bool infinite = false;
};

Fp8 split(ElementType type, std::uint8_t bits) {
  const bool e4m3 = type == ElementType::e4m3;
  const int m = e4m3 ? 3 : 2;
  const int exponent = (bits & 0x7F) >> m;
  const int mantissa = bits & ((1 << m) - 1);
  Fp8 out;
  out.term.negative = (bits & 0x80) != 0;
  out.term.magnitude = exponent == 0 ? mantissa : mantissa | 1 << m;
  out.term.exponent = std::max(exponent, 1) - (e4m3 ? 7 : 15);
  if (e4m3) {
    out.nan = (bits & 0x7F) == 0x7F;
  } else if (exponent == 31) {
    out.nan = mantissa != 0;
    out.infinite = mantissa == 0;
  }
  return out;
}

/// What NaN and infinite inputs decide before any arithmetic.
struct Specials {
  bool nan = false;
  bool positive_infinity = false;
  bool negative_infinity = false;

  void infinity(bool negative) { (negative ? negative_infinity : positive_infinity) = true; }
  bool decided() const { return nan || positive_infinity || negative_infinity; }
  float value() const {
    if (nan || (positive_infinity && negative_infinity)) return std::bit_cast<float>(kMagnitude);
    const float infinity = std::numeric_limits<float>::infinity();
    return negative_infinity ? -infinity : infinity;
  }
};

Term multiply(const Fp8& a, const Fp8& b, Specials& specials) {
  const bool negative = a.term.negative != b.term.negative;
  if (a.nan || b.nan) specials.nan = true;
  if (a.infinite || b.infinite) {
    if (a.term.magnitude == 0 || b.term.magnitude == 0) specials.nan = true;
    specials.infinity(negative);
  }
  return {a.term.magnitude * b.term.magnitude, a.term.exponent + b.term.exponent, negative};
}

Term split_f32(float c, Specials& specials) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(c);
  const std::uint32_t field = (bits & kMagnitude) >> 23;
  if (std::isnan(c)) specials.nan = true;
  if (std::isinf(c)) specials.infinity(std::signbit(c));
  const std::uint32_t hidden = field != 0 ? 1u << 23 : 0u;
  return {static_cast<std::int64_t>(hidden | (bits & 0x7FFFFFu)),
          std::max<int>(static_cast<int>(field), 1) - 127, std::signbit(c)};
}

std::int64_t shifted(std::int64_t magnitude, int shift) {
  return shift >= 32 ? 0 : magnitude >> shift;
}

}  // namespace

float decode(ElementType type, std::uint32_t bits) {
  if (type == ElementType::f32) return std::bit_cast<float>(bits);
  if (type == ElementType::ue8m0) return decode_ue8m0(bits & 0xFF);
  return decode_packed(info(type), bits);
}

std::uint32_t encode(ElementType type, float value) {
  if (type == ElementType::f32) return std::bit_cast<std::uint32_t>(value);
  if (type == ElementType::ue8m0) return encode_ue8m0(value);
  return encode_packed(info(type), value);
}

std::int64_t to_integer(ElementType type, float value) {
  if (std::isnan(value)) return 0;
  const bool wide = type == ElementType::i64;
  const std::int64_t low = wide                       ? std::numeric_limits<std::int64_t>::min()
                           : type == ElementType::i32 ? std::numeric_limits<std::int32_t>::min()
                                                      : 0;
  const std::int64_t high = wide ? std::numeric_limits<std::int64_t>::max()
                                 : static_cast<std::int64_t>(info(type).max_finite);
  const double truncated = std::trunc(static_cast<double>(value));
  if (truncated <= static_cast<double>(low)) return low;
  // For i64, (double)high is 2^63, one more than fits.
  if (truncated >= static_cast<double>(high)) return high;
  return static_cast<std::int64_t>(truncated);
}

float fp8_mma_k32(ElementType type_a, std::span<const std::uint8_t, 32> a, ElementType type_b,
                  std::span<const std::uint8_t, 32> b, float c) {
  Specials specials;
  std::array<Term, 32> products;
  for (std::size_t i = 0; i < products.size(); ++i) {
    products[i] = multiply(split(type_a, a[i]), split(type_b, b[i]), specials);
  }
  const Term addend = split_f32(c, specials);
  if (specials.decided()) return specials.value();

  constexpr int kNone = std::numeric_limits<int>::min();
  int emax = addend.magnitude != 0 ? addend.exponent : kNone;
  for (const Term& p : products) {
    if (p.magnitude != 0) emax = std::max(emax, p.exponent);
  }
  if (emax == kNone) return 0.0f;

  // Every term in units of 2^(emax - 13), truncated toward zero, then added exactly.
  const int lift = 13 - info(type_a).mantissa_bits - info(type_b).mantissa_bits;
  std::int64_t sum = 0;
  for (const Term& p : products) {
    if (p.magnitude == 0) continue;
    const std::int64_t t = shifted(p.magnitude << lift, emax - p.exponent);
    sum += p.negative ? -t : t;
  }
  if (addend.magnitude != 0) {
    const std::int64_t t = shifted(addend.magnitude, 10 + emax - addend.exponent);
    sum += addend.negative ? -t : t;
  }
  if (sum == 0) return 0.0f;
  std::uint64_t magnitude = static_cast<std::uint64_t>(sum < 0 ? -sum : sum);
  const int excess = std::max(static_cast<int>(std::bit_width(magnitude)) - 14, 0);
  magnitude = magnitude >> excess << excess;
  // 14 bits at 2^-139 or more are exact in f32; a double holds them without overflow.
  const double value = std::ldexp(static_cast<double>(magnitude), emax - 13);
  const float rounded = value > static_cast<double>(std::numeric_limits<float>::max())
                            ? std::numeric_limits<float>::infinity()
                            : static_cast<float>(value);
  return sum < 0 ? -rounded : rounded;
}

float fp8_dot(ElementType type_a, std::span<const std::uint8_t> a, ElementType type_b,
              std::span<const std::uint8_t> b, bool fast_accumulate) {
  float total = 0.0f;
  float chain = 0.0f;
  for (std::size_t k = 0; k < a.size(); k += 32) {
    if (!fast_accumulate && k % 128 == 0) {
      if (k > 0) total += chain;
      chain = 0.0f;
    }
    std::array<std::uint8_t, 32> block_a{};
    std::array<std::uint8_t, 32> block_b{};
    const std::size_t count = std::min<std::size_t>(32, a.size() - k);
    std::copy_n(a.begin() + static_cast<std::ptrdiff_t>(k), count, block_a.begin());
    std::copy_n(b.begin() + static_cast<std::ptrdiff_t>(k), count, block_b.begin());
    chain = fp8_mma_k32(type_a, block_a, type_b, block_b, chain);
  }
  return total + chain;
}

}  // namespace octile::numerics
