// Transcendental functions. Each is evaluated in f64 with an error far below half an f32 unit in
// the last place and rounded once, so results are the correctly rounded ones but for rare ties.
// No contraction: the same bits on every machine.
#include <llvm/IR/Intrinsics.h>

#include <array>
#include <cmath>

#include "octile/codegen/cpu/llvm/ops.hpp"

namespace octile::cpu {
namespace {

using ir::OpKind;
using llvm::Value;

constexpr double kLn2 = 0.693147180559945309417;
constexpr double kLog2e = 1.44269504088896340736;

// 2^f = sum (f ln 2)^k / k!, |f| <= 1/2; the first term left out is below 2^-47.
constexpr std::array<double, 12> kExp2{1.0,
                                       6.93147180559945309e-1,
                                       2.40226506959100712e-1,
                                       5.55041086648215800e-2,
                                       9.61812910762847716e-3,
                                       1.33335581464284434e-3,
                                       1.54035303933816099e-4,
                                       1.52527338040598403e-5,
                                       1.32154867901443095e-6,
                                       1.01780860092396997e-7,
                                       7.05491162080112333e-9,
                                       4.44553827187081150e-10};

// 2 atanh(s) = s * sum 2 s^2k / (2k + 1), |s| <= 0.172.
constexpr std::array<double, 9> kAtanh{2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7, 2.0 / 9,
                                       2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17};

// tanh(x) = x * sum in x^2, |x| < 1/16.
constexpr std::array<double, 5> kTanh{1.0, -1.0 / 3, 2.0 / 15, -17.0 / 315, 62.0 / 2835};

// erf on [1, 4] in u = (x - 2.5) / 1.5: the Chebyshev interpolant of degree 20, error 1.3e-12.
constexpr std::array<double, 21> kErf{
    0x1.ffcaa8f4c9bd1p-1,   0x1.ac44a2cda2115p-9,  -0x1.9180586b1730dp-7,  0x1.cdb9fd5a62b2ap-6,
    -0x1.65964ef72cdacp-5,  0x1.7c8c5ebbfe786p-5,  -0x1.0521f5249f261p-5,  0x1.2faacf4d28db8p-7,
    0x1.b5d2146593249p-8,   -0x1.3b371c3f5edb7p-7, 0x1.29d40dd872aabp-8,   0x1.ca1d502d9e79bp-12,
    -0x1.df3cc28a8f3cfp-10, 0x1.e7095f6f3cf3dp-11, 0x1.d1623876db6ddp-15,  -0x1.3dc06650c30c3p-12,
    0x1.e18acd9861860p-14,  0x1.3af68eaaaaaabp-15, -0x1.179d7b9e79e7ap-15, -0x1.04893cf3cf3cfp-20,
    0x1.e167679e79e79p-19};

/// erf(x) = x * sum in x^2, |x| <= 1: 2/sqrt(pi) (-1)^n / (n! (2n + 1)).
std::array<double, 15> erf_series() {
  std::array<double, 15> series{};
  double factorial = 1;
  for (std::size_t n = 0; n < series.size(); ++n) {
    if (n > 0) factorial *= -static_cast<double>(n);
    series[n] = 1.12837916709551257390 / (factorial * static_cast<double>(2 * n + 1));
  }
  return series;
}

}  // namespace

Value* Ops::polynomial(Value* x, const double* coefficients, int count) {
  Value* sum = f64(x, coefficients[count - 1]);
  for (int i = count - 2; i >= 0; --i) {
    sum = b_.CreateFAdd(b_.CreateFMul(sum, x), f64(x, coefficients[i]));
  }
  return sum;
}

/// 2^x for any f64 that isn't NaN; clamped where f32 has long overflowed or become zero.
Value* Ops::exp2_f64(Value* x) {
  Value* high = f64(x, 1000);
  Value* low = f64(x, -1000);
  x = b_.CreateSelect(b_.CreateFCmpOGT(x, high), high, x);
  x = b_.CreateSelect(b_.CreateFCmpOLT(x, low), low, x);
  // Adding 1.5 * 2^52 rounds to an integer, which then stands in the low bits.
  Value* magic = f64(x, 0x1.8p52);
  Value* shifted = b_.CreateFAdd(x, magic);
  Value* fraction = b_.CreateFSub(x, b_.CreateFSub(shifted, magic));
  Value* power = polynomial(fraction, kExp2.data(), static_cast<int>(kExp2.size()));
  llvm::Type* bits = like(x, b_.getInt64Ty());
  Value* exponent = b_.CreateShl(b_.CreateBitCast(shifted, bits), integer(x, 64, 52));
  Value* scaled = b_.CreateAdd(b_.CreateBitCast(power, bits), exponent);
  return b_.CreateBitCast(scaled, x->getType());
}

/// scale * ln(x) for finite x > 0. f32's subnormals are normal f64 numbers.
Value* Ops::log_f64(Value* x, double scale) {
  llvm::Type* bits_type = like(x, b_.getInt64Ty());
  Value* bits = b_.CreateBitCast(x, bits_type);
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)).
  Value* from_half = b_.CreateSub(bits, integer(x, 64, 0x3FE6A09E667F3BCDull));
  Value* exponent = b_.CreateAShr(from_half, integer(x, 64, 52));
  Value* mantissa_bits = b_.CreateSub(bits, b_.CreateShl(exponent, integer(x, 64, 52)));
  Value* mantissa = b_.CreateBitCast(mantissa_bits, x->getType());
  Value* one = f64(x, 1);
  Value* s = b_.CreateFDiv(b_.CreateFSub(mantissa, one), b_.CreateFAdd(mantissa, one));
  Value* square = b_.CreateFMul(s, s);
  Value* log = b_.CreateFMul(s, polynomial(square, kAtanh.data(), static_cast<int>(kAtanh.size())));
  // 32-bit integers convert to f64 in vectors everywhere; 64-bit ones don't.
  Value* small = b_.CreateTrunc(exponent, like(x, b_.getInt32Ty()));
  Value* whole = b_.CreateSIToFP(small, x->getType());
  return b_.CreateFAdd(b_.CreateFMul(whole, f64(x, scale * kLn2)),
                       b_.CreateFMul(log, f64(x, scale)));
}

Value* Ops::log_f32(OpKind kind, Value* x) {
  Value* wide = b_.CreateFPExt(x, like(x, b_.getDoubleTy()));
  // For log2 the exponent counts as it is: scale * ln 2 is 1 exactly.
  Value* log = log_f64(wide, kind == OpKind::log2 ? kLog2e : 1.0);
  Value* result = b_.CreateFPTrunc(log, x->getType());
  const double infinity = std::numeric_limits<double>::infinity();
  Value* zero = f32(x, 0);
  result = b_.CreateSelect(b_.CreateFCmpOEQ(x, f32(x, infinity)), x, result);
  result = b_.CreateSelect(b_.CreateFCmpOEQ(x, zero), f32(x, -infinity), result);
  Value* outside = b_.CreateFCmpULT(x, zero);  // NaN too
  return b_.CreateSelect(outside, f32(x, std::numeric_limits<double>::quiet_NaN()), result);
}

Value* Ops::tanh_f64(Value* x) {
  Value* square = b_.CreateFMul(x, x);
  Value* small = b_.CreateFMul(x, polynomial(square, kTanh.data(), static_cast<int>(kTanh.size())));
  Value* power = exp2_f64(b_.CreateFMul(x, f64(x, 2 * kLog2e)));
  Value* one = f64(x, 1);
  Value* large = b_.CreateFDiv(b_.CreateFSub(power, one), b_.CreateFAdd(power, one));
  return b_.CreateSelect(b_.CreateFCmpOLT(square, f64(x, 1.0 / 256)), small, large);
}

Value* Ops::erf_f64(Value* x) {
  static const std::array<double, 15> series = erf_series();
  Value* square = b_.CreateFMul(x, x);
  Value* small =
      b_.CreateFMul(x, polynomial(square, series.data(), static_cast<int>(series.size())));
  Value* magnitude = intrinsic(llvm::Intrinsic::fabs, x);
  Value* four = f64(x, 4);  // from here on erf rounds to 1
  magnitude = b_.CreateSelect(b_.CreateFCmpOLT(magnitude, four), magnitude, four);
  Value* u = b_.CreateFMul(b_.CreateFSub(magnitude, f64(x, 2.5)), f64(x, 1 / 1.5));
  Value* large = polynomial(u, kErf.data(), static_cast<int>(kErf.size()));
  large = b_.CreateSelect(b_.CreateFCmpOLT(x, f64(x, 0)), b_.CreateFNeg(large), large);
  return b_.CreateSelect(b_.CreateFCmpOLT(square, f64(x, 1)), small, large);
}

Value* Ops::math(OpKind kind, Value* x) {
  if (kind == OpKind::log || kind == OpKind::log2) return log_f32(kind, x);
  Value* wide = b_.CreateFPExt(x, like(x, b_.getDoubleTy()));
  Value* one = f64(x, 1);
  Value* result = nullptr;
  switch (kind) {
    case OpKind::exp:
      result = exp2_f64(b_.CreateFMul(wide, f64(x, kLog2e)));
      break;
    case OpKind::exp2:
      result = exp2_f64(wide);
      break;
    case OpKind::sigmoid: {
      Value* power = exp2_f64(b_.CreateFMul(wide, f64(x, -kLog2e)));
      result = b_.CreateFDiv(one, b_.CreateFAdd(one, power));
      break;
    }
    case OpKind::tanh:
      result = tanh_f64(wide);
      break;
    case OpKind::erf:
      result = erf_f64(wide);
      break;
    case OpKind::rsqrt:
      return b_.CreateFPTrunc(b_.CreateFDiv(one, intrinsic(llvm::Intrinsic::sqrt, wide)),
                              x->getType());
    default:
      throw ir::Error("cpu: '" + std::string(ir::info(kind).name) +
                      "' is not an operation of one operand");
  }
  // The clamps above would turn NaN into a number.
  return b_.CreateSelect(is_nan(x), x, b_.CreateFPTrunc(result, x->getType()));
}

}  // namespace octile::cpu
