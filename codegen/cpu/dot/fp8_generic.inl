// The FP8 kernels in the compiler's vector extension, for any instruction set: included by one
// source file per set, inside an unnamed namespace, after kLanes (f32 lanes) is defined.
//
// A term is trunc(a * b * 2^(13 - emax)): a * b has 8 significant bits and the factor is a power of
// two, so the f32 product is exact and the conversion to integer is the truncation.

typedef float VecF __attribute__((vector_size(kLanes * 4)));
typedef std::int32_t VecI __attribute__((vector_size(kLanes * 4)));
typedef std::int8_t VecB __attribute__((vector_size(kLanes * 4)));

struct RowA {
  float value[kStep];
  std::int8_t exponent[kStep];
};
struct PanelB {
  float value[kStep][kPanel];
  std::int8_t exponent[kStep][kPanel];
};

inline float decode_value(Fp8Format format, std::uint8_t byte) {
  // The magnitude's bits, moved to f32's place, are |x| scaled by a power of two, subnormals too.
  const std::uint32_t bits = static_cast<std::uint32_t>(byte & 0x7F) << (23 - format.mantissa_bits);
  const std::uint32_t rescale = static_cast<std::uint32_t>(254 - format.bias) << 23;
  float value, factor;
  __builtin_memcpy(&value, &bits, 4);
  __builtin_memcpy(&factor, &rescale, 4);
  value *= factor;
  return (byte & 0x80) != 0 ? -value : value;
}

inline std::int8_t decode_exponent(Fp8Format format, std::uint8_t byte) {
  const int magnitude = byte & 0x7F;
  const int field = magnitude >> format.mantissa_bits;
  const int exponent = (field > 0 ? field : 1) - format.bias;
  return static_cast<std::int8_t>(magnitude == 0 ? kZeroExponent : exponent);
}

void decode_a(Fp8Format format, const std::uint8_t* bytes, std::int64_t rows, std::byte* out) {
  RowA* row = reinterpret_cast<RowA*>(out);
  for (std::int64_t r = 0; r < rows; ++r, ++row, bytes += kStep) {
    for (int k = 0; k < kStep; ++k) row->value[k] = decode_value(format, bytes[k]);
    for (int k = 0; k < kStep; ++k) row->exponent[k] = decode_exponent(format, bytes[k]);
  }
}

void decode_b(Fp8Format format, const std::uint8_t* bytes, std::byte* out) {
  PanelB* panel = reinterpret_cast<PanelB*>(out);
  for (int k = 0; k < kStep; ++k, bytes += kPanel) {
    for (int n = 0; n < kPanel; ++n) panel->value[k][n] = decode_value(format, bytes[n]);
    for (int n = 0; n < kPanel; ++n) panel->exponent[k][n] = decode_exponent(format, bytes[n]);
  }
}

template <typename Vec>
inline Vec read(const void* from) {
  Vec value;
  __builtin_memcpy(&value, from, sizeof(Vec));
  return value;
}

inline VecI larger(VecI x, VecI y) { return x > y ? x : y; }
inline VecI smaller(VecI x, VecI y) { return x < y ? x : y; }

/// 2^exponent per lane, for exponents in f32's normal range.
inline VecF power(VecI exponent) {
  const VecI bits = (exponent + 127) << 23;
  return read<VecF>(&bits);
}

/// The largest exponent of the products of one row and columns [n, n + 4 kLanes).
inline VecB product_exponents(const RowA& a, const PanelB& b, std::int64_t n) {
  VecB most = read<VecB>(&b.exponent[0][n]) + a.exponent[0];
  for (int k = 1; k < kStep; ++k) {
    const VecB sum = read<VecB>(&b.exponent[k][n]) + a.exponent[k];
    most = sum > most ? sum : most;
  }
  return most;
}

/// What C contributes: its exponent, and its term once emax is known.
struct Addend {
  VecI magnitude, sign, exponent;

  explicit Addend(VecF c) {
    const VecI bits = read<VecI>(&c);
    const VecI field = (bits >> 23) & 0xFF;
    sign = bits >> 31;
    magnitude = (bits & 0x7FFFFF) | ((field > 0) & 0x800000);
    exponent = larger(field, VecI{} + 1) - 127;
  }
  VecI term(VecI emax) const {
    const VecI shift = smaller(10 + emax - exponent, VecI{} + 31);
    return ((magnitude >> shift) ^ sign) - sign;
  }
};

/// Keeps the top 14 bits of the sum and scales it back; two factors, so that each is a normal f32.
inline VecF finish(VecI sum, VecI emax) {
  const VecF exact = __builtin_convertvector(sum, VecF);
  const VecI kept = read<VecI>(&exact) & static_cast<std::int32_t>(0xFFFFFC00u);
  const VecI exponent = emax - 13;
  const VecI half = exponent >> 1;
  return read<VecF>(&kept) * power(half) * power(exponent - half);
}

void step_row(const RowA& a, const PanelB& b, std::int64_t n, float* chain, bool from_zero) {
  constexpr int kVectors = 4;
  const VecB most = product_exponents(a, b, n);
  std::int8_t exponents[sizeof(VecB)];
  __builtin_memcpy(exponents, &most, sizeof(VecB));
  VecI emax[kVectors], sum[kVectors];
  VecF scale[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    VecI e;
    for (int lane = 0; lane < kLanes; ++lane) e[lane] = exponents[v * kLanes + lane];
    // Below the smallest product all of them are zero: C alone counts.
    e = e < kLowestExponent ? VecI{} - 126 : e;
    sum[v] = VecI{};
    if (!from_zero) {
      const Addend addend(read<VecF>(chain + v * kLanes));
      e = larger(e, addend.exponent);
      sum[v] = addend.term(e);
    }
    emax[v] = e;
    // Clamped where no product is left anyway, so that the factor is a normal f32.
    scale[v] = power(13 - smaller(larger(e, VecI{} - 40), VecI{} + 60));
  }
  for (int k = 0; k < kStep; ++k) {
    for (int v = 0; v < kVectors; ++v) {
      const VecF product = read<VecF>(&b.value[k][n + v * kLanes]) * a.value[k];
      sum[v] += __builtin_convertvector(product * scale[v], VecI);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const VecF result = finish(sum[v], emax[v]);
    __builtin_memcpy(chain + v * kLanes, &result, sizeof(result));
  }
}

void step(const std::byte* a, const std::byte* b, std::int64_t rows, std::int64_t columns,
          float* chain, std::int64_t stride, bool from_zero) {
  const PanelB& panel = *reinterpret_cast<const PanelB*>(b);
  for (std::int64_t r = 0; r < rows; ++r) {
    const RowA& row = reinterpret_cast<const RowA*>(a)[r];
    for (std::int64_t n = 0; n < columns; n += 4 * kLanes) {
      step_row(row, panel, n, chain + r * stride + n, from_zero);
    }
  }
}
