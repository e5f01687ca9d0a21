// Conversions between f32 and the narrow formats, to the bit as in ir/numerics.hpp, in integer and
// exact float steps that vectorise.
#include <llvm/IR/Intrinsics.h>

#include "octile/codegen/cpu/llvm/ops.hpp"

namespace octile::cpu {

using llvm::Value;

Value* Ops::decode(ElementType type, Value* x) {
  switch (type) {
    case ElementType::f32:
      return x;
    case ElementType::bf16:
      return as_float(b_.CreateShl(to_bits(x, 32), integer(x, 32, 16)));
    case ElementType::ue8m0:
      return decode_ue8m0(x);
    default:
      return decode_small(type, x);
  }
}

Value* Ops::encode(ElementType type, Value* x) {
  switch (type) {
    case ElementType::f32:
      return x;
    case ElementType::bf16:
      return encode_bf16(x);
    case ElementType::ue8m0:
      return encode_ue8m0(x);
    default:
      return encode_small(type, x);
  }
}

/// e4m3, e5m2, f16: exponent and mantissa moved to f32's place are the value scaled by a power of
/// two, subnormals too; one exact multiplication scales it back.
Value* Ops::decode_small(ElementType type, Value* x) {
  const ElementTypeInfo& format = info(type);
  const int m = format.mantissa_bits;
  const int width = format.exponent_bits + m;
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  Value* bits = to_bits(x, 32);
  Value* magnitude = b_.CreateAnd(bits, integer(x, 32, (1u << width) - 1));
  Value* placed = b_.CreateShl(magnitude, integer(x, 32, static_cast<std::uint64_t>(23 - m)));
  Value* rescale = as_float(integer(x, 32, static_cast<std::uint64_t>(254 - bias) << 23));
  Value* value = as_bits(b_.CreateFMul(as_float(placed), rescale));
  if (format.has_infinity) {
    const std::uint64_t infinity = ((1ull << format.exponent_bits) - 1) << m;
    Value* top = b_.CreateICmpUGE(magnitude, integer(x, 32, infinity));
    value = b_.CreateSelect(top, b_.CreateOr(placed, integer(x, 32, 0x7F800000)), value);
  } else {
    Value* nan = b_.CreateICmpEQ(magnitude, integer(x, 32, (1u << width) - 1));
    value = b_.CreateSelect(nan, integer(x, 32, 0x7FC00000), value);
  }
  Value* sign = b_.CreateShl(b_.CreateLShr(bits, integer(x, 32, static_cast<std::uint64_t>(width))),
                             integer(x, 32, 31));
  return as_float(b_.CreateOr(value, sign));
}

/// e4m3, e5m2, f16: round to nearest even. Results in the subnormal range come from an addition
/// whose unit in the last place is the format's smallest step; the others from integer rounding.
Value* Ops::encode_small(ElementType type, Value* x) {
  const ElementTypeInfo& format = info(type);
  const int m = format.mantissa_bits;
  const int e = format.exponent_bits;
  const int bias = (1 << (e - 1)) - 1;
  const int drop = 23 - m;
  const std::uint64_t all_ones = (1ull << (e + m)) - 1;
  const std::uint64_t infinity = ((1ull << e) - 1) << m;
  const std::uint64_t largest = format.has_infinity ? infinity - 1 : all_ones - 1;
  const auto constant = [&](std::uint64_t value) { return integer(x, 32, value); };

  Value* bits = as_bits(x);
  Value* magnitude = b_.CreateAnd(bits, constant(0x7FFFFFFF));
  // Half a unit less one, plus the kept part's last bit: ties go to even.
  Value* odd = b_.CreateAnd(b_.CreateLShr(magnitude, constant(static_cast<std::uint64_t>(drop))),
                            constant(1));
  Value* rounded = b_.CreateAdd(b_.CreateAdd(magnitude, constant((1ull << (drop - 1)) - 1)), odd);
  Value* code = b_.CreateSub(b_.CreateLShr(rounded, constant(static_cast<std::uint64_t>(drop))),
                             constant(static_cast<std::uint64_t>(127 - bias) << m));
  const std::uint64_t lowest_normal = static_cast<std::uint64_t>(127 - bias + 1) << 23;
  const std::uint64_t magic = static_cast<std::uint64_t>(1 - bias - m + 23 + 127) << 23;
  Value* shifted = b_.CreateFAdd(as_float(magnitude), as_float(constant(magic)));
  Value* subnormal = b_.CreateSub(as_bits(shifted), constant(magic));
  code = b_.CreateSelect(b_.CreateICmpULT(magnitude, constant(lowest_normal)), subnormal, code);
  Value* over = b_.CreateICmpUGT(code, constant(largest));
  code = b_.CreateSelect(over, constant(format.bits == 8 ? largest : infinity), code);
  Value* sign =
      b_.CreateShl(b_.CreateLShr(bits, constant(31)), constant(static_cast<std::uint64_t>(e + m)));
  code = b_.CreateOr(code, sign);
  code =
      b_.CreateSelect(b_.CreateICmpUGT(magnitude, constant(0x7F800000)), constant(all_ones), code);
  return to_bits(code, format.bits);
}

Value* Ops::encode_bf16(Value* x) {
  Value* bits = as_bits(x);
  Value* odd = b_.CreateAnd(b_.CreateLShr(bits, integer(x, 32, 16)), integer(x, 32, 1));
  Value* rounded = b_.CreateAdd(b_.CreateAdd(bits, integer(x, 32, 0x7FFF)), odd);
  Value* code = b_.CreateLShr(rounded, integer(x, 32, 16));
  return to_bits(b_.CreateSelect(is_nan(x), integer(x, 32, 0x7FFF), code), 16);
}

Value* Ops::decode_ue8m0(Value* x) {
  Value* code = to_bits(x, 32);
  Value* bits = b_.CreateShl(code, integer(x, 32, 23));
  // 2^-127 is a subnormal f32; the last code is NaN.
  bits =
      b_.CreateSelect(b_.CreateICmpEQ(code, integer(x, 32, 0)), integer(x, 32, 0x00400000), bits);
  return as_float(b_.CreateSelect(b_.CreateICmpEQ(code, integer(x, 32, 0xFF)),
                                  integer(x, 32, 0x7FC00000), bits));
}

/// The smallest power of two not below |x|.
Value* Ops::encode_ue8m0(Value* x) {
  Value* magnitude = b_.CreateAnd(as_bits(x), integer(x, 32, 0x7FFFFFFF));
  Value* up = b_.CreateAdd(magnitude, integer(x, 32, 0x7FFFFF));
  Value* code = b_.CreateLShr(up, integer(x, 32, 23));
  code = b_.CreateSelect(b_.CreateICmpUGT(code, integer(x, 32, 0xFE)), integer(x, 32, 0xFE), code);
  Value* tiny = b_.CreateICmpULE(magnitude, integer(x, 32, 0x00400000));
  code = b_.CreateSelect(tiny, integer(x, 32, 0), code);
  return to_bits(b_.CreateSelect(is_nan(x), integer(x, 32, 0xFF), code), 8);
}

Value* Ops::integer_to_float(ElementType from, Value* x) {
  llvm::Type* type = like(x, b_.getFloatTy());
  const bool is_unsigned = from == ElementType::u8 || from == ElementType::b1;
  return is_unsigned ? b_.CreateUIToFP(x, type) : b_.CreateSIToFP(x, type);
}

/// Truncates toward zero and saturates; NaN gives 0.
Value* Ops::float_to_integer(ElementType to, Value* x) {
  if (to == ElementType::b1) return b_.CreateFCmpUNE(x, f32(x, 0));
  const auto id = to == ElementType::u8 ? llvm::Intrinsic::fptoui_sat : llvm::Intrinsic::fptosi_sat;
  return b_.CreateIntrinsic(id, {like(x, element(to)), x->getType()}, {x});
}

Value* Ops::cast(ElementType from, ElementType to, Value* x) {
  if (from == to) return x;
  if (is_float(from)) {
    Value* value = decode(from, x);
    return is_float(to) ? encode(to, value) : float_to_integer(to, value);
  }
  if (is_float(to)) return encode(to, integer_to_float(from, x));
  if (to == ElementType::b1) {
    return b_.CreateICmpNE(x, llvm::Constant::getNullValue(x->getType()));
  }
  llvm::Type* type = like(x, element(to));
  const bool is_unsigned = from == ElementType::u8 || from == ElementType::b1;
  return is_unsigned ? b_.CreateZExtOrTrunc(x, type) : b_.CreateSExtOrTrunc(x, type);
}

Value* Ops::bitcast(ElementType from, ElementType to, Value* x) {
  return from == to ? x : b_.CreateBitCast(x, like(x, element(to)));
}

}  // namespace octile::cpu
