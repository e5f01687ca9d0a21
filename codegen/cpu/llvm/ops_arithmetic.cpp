#include <llvm/IR/Intrinsics.h>

#include "octile/codegen/cpu/llvm/ops.hpp"

namespace octile::cpu {

using ir::OpKind;
using llvm::Value;

llvm::Type* Ops::element(ElementType type) const {
  switch (type) {
    case ElementType::b1:
      return b_.getInt1Ty();
    case ElementType::u8:
    case ElementType::e4m3:
    case ElementType::e5m2:
    case ElementType::ue8m0:
      return b_.getInt8Ty();
    case ElementType::f16:
    case ElementType::bf16:
      return b_.getInt16Ty();
    case ElementType::i32:
      return b_.getInt32Ty();
    case ElementType::i64:
      return b_.getInt64Ty();
    case ElementType::f32:
      return b_.getFloatTy();
  }
  return nullptr;
}

llvm::Type* Ops::storage(ElementType type) const {
  return type == ElementType::b1 ? b_.getInt8Ty() : element(type);
}

llvm::Type* Ops::like(Value* shape, llvm::Type* scalar) {
  auto* vector = llvm::dyn_cast<llvm::VectorType>(shape->getType());
  return vector == nullptr ? scalar : llvm::VectorType::get(scalar, vector->getElementCount());
}

Value* Ops::integer(Value* shape, int bits, std::uint64_t value) {
  return llvm::ConstantInt::get(like(shape, b_.getIntNTy(static_cast<unsigned>(bits))), value);
}

Value* Ops::f32(Value* shape, double value) {
  return llvm::ConstantFP::get(like(shape, b_.getFloatTy()), value);
}

Value* Ops::f64(Value* shape, double value) {
  return llvm::ConstantFP::get(like(shape, b_.getDoubleTy()), value);
}

Value* Ops::as_bits(Value* x) {
  return b_.CreateBitCast(x, like(x, b_.getInt32Ty()));
}

Value* Ops::as_float(Value* x) {
  return b_.CreateBitCast(x, like(x, b_.getFloatTy()));
}

Value* Ops::to_bits(Value* x, int bits) {
  return b_.CreateZExtOrTrunc(x, like(x, b_.getIntNTy(static_cast<unsigned>(bits))));
}

Value* Ops::is_nan(Value* x) {
  return b_.CreateFCmpUNO(x, x);
}

Value* Ops::intrinsic(llvm::Intrinsic::ID id, Value* x) {
  return b_.CreateUnaryIntrinsic(id, x);
}

llvm::Constant* Ops::zero(ElementType type) const {
  return llvm::Constant::getNullValue(element(type));
}

Value* Ops::from_storage(ElementType type, Value* x) {
  return type == ElementType::b1 ? b_.CreateICmpNE(x, integer(x, 8, 0)) : x;
}

Value* Ops::to_storage(ElementType type, Value* x) {
  return type == ElementType::b1 ? b_.CreateZExt(x, like(x, b_.getInt8Ty())) : x;
}

Value* Ops::unary(OpKind kind, ElementType type, Value* x) {
  const bool is_f32 = type == ElementType::f32;
  switch (kind) {
    case OpKind::neg:
      return is_f32 ? b_.CreateFNeg(x) : b_.CreateNeg(x);
    case OpKind::abs:
      if (is_f32) return intrinsic(llvm::Intrinsic::fabs, x);
      return b_.CreateSelect(b_.CreateICmpSLT(x, llvm::Constant::getNullValue(x->getType())),
                             b_.CreateNeg(x), x);
    case OpKind::floor:
      return intrinsic(llvm::Intrinsic::floor, x);
    case OpKind::sqrt:
      return intrinsic(llvm::Intrinsic::sqrt, x);
    case OpKind::logical_not:
      return b_.CreateNot(x);
    default:
      return math(kind, x);
  }
}

Value* Ops::binary(OpKind kind, ElementType type, Value* x, Value* y) {
  const bool is_f32 = type == ElementType::f32;
  switch (kind) {
    case OpKind::add:
      return is_f32 ? b_.CreateFAdd(x, y) : b_.CreateAdd(x, y);
    case OpKind::sub:
      return is_f32 ? b_.CreateFSub(x, y) : b_.CreateSub(x, y);
    case OpKind::mul:
      return is_f32 ? b_.CreateFMul(x, y) : b_.CreateMul(x, y);
    case OpKind::div:
      return is_f32 ? b_.CreateFDiv(x, y) : divide(kind, x, y);
    case OpKind::rem:
    case OpKind::ceil_div:
      return divide(kind, x, y);
    case OpKind::min:
      if (is_f32) return minimum(true, x, y);
      return b_.CreateSelect(b_.CreateICmpSLT(x, y), x, y);
    case OpKind::max:
      if (is_f32) return minimum(false, x, y);
      return b_.CreateSelect(b_.CreateICmpSGT(x, y), x, y);
    case OpKind::logical_and:
      return b_.CreateAnd(x, y);
    case OpKind::logical_or:
      return b_.CreateOr(x, y);
    default:
      return compare(kind, is_f32, x, y);
  }
}

/// NaN gives the other operand; -0 counts as less than +0, as on the GPU.
Value* Ops::minimum(bool smallest, Value* x, Value* y) {
  Value* x_bits = as_bits(x);
  Value* y_bits = as_bits(y);
  // Equal operands differ at most in the sign of zero.
  Value* equal = as_float(smallest ? b_.CreateOr(x_bits, y_bits) : b_.CreateAnd(x_bits, y_bits));
  Value* x_wins = smallest ? b_.CreateFCmpOLT(x, y) : b_.CreateFCmpOGT(x, y);
  Value* picked = b_.CreateSelect(b_.CreateOr(x_wins, is_nan(y)), x, y);
  return b_.CreateSelect(b_.CreateFCmpOEQ(x, y), equal, picked);
}

/// Truncating division without a trap: by zero it gives 0.
Value* Ops::divide(OpKind kind, Value* x, Value* y) {
  llvm::Value* zero = llvm::Constant::getNullValue(x->getType());
  llvm::Value* one = llvm::ConstantInt::get(x->getType(), 1);
  llvm::Value* minus_one = llvm::ConstantInt::getSigned(x->getType(), -1);
  Value* by_zero = b_.CreateICmpEQ(y, zero);
  Value* by_minus_one = b_.CreateICmpEQ(y, minus_one);
  // The most negative number over -1 traps too; -x is what it wraps to.
  Value* safe = b_.CreateSelect(b_.CreateOr(by_zero, by_minus_one), one, y);
  if (kind == OpKind::rem) {
    return b_.CreateSelect(by_zero, zero, b_.CreateSRem(x, safe));
  }
  Value* quotient = b_.CreateSDiv(x, safe);
  quotient = b_.CreateSelect(by_minus_one, b_.CreateNeg(quotient), quotient);
  if (kind == OpKind::ceil_div) {
    Value* rest = b_.CreateSRem(x, safe);
    Value* up = b_.CreateSelect(b_.CreateICmpNE(rest, zero), one, zero);
    quotient = b_.CreateAdd(quotient, up);
  }
  return b_.CreateSelect(by_zero, zero, quotient);
}

Value* Ops::compare(OpKind kind, bool is_float, Value* x, Value* y) {
  using Predicate = llvm::CmpInst::Predicate;
  const auto pick = [&](Predicate on_float, Predicate on_integer) {
    return b_.CreateCmp(is_float ? on_float : on_integer, x, y);
  };
  switch (kind) {
    case OpKind::cmp_eq:
      return pick(Predicate::FCMP_OEQ, Predicate::ICMP_EQ);
    case OpKind::cmp_ne:
      return pick(Predicate::FCMP_UNE, Predicate::ICMP_NE);
    case OpKind::cmp_lt:
      return pick(Predicate::FCMP_OLT, Predicate::ICMP_SLT);
    case OpKind::cmp_le:
      return pick(Predicate::FCMP_OLE, Predicate::ICMP_SLE);
    case OpKind::cmp_gt:
      return pick(Predicate::FCMP_OGT, Predicate::ICMP_SGT);
    case OpKind::cmp_ge:
      return pick(Predicate::FCMP_OGE, Predicate::ICMP_SGE);
    default:
      throw ir::Error("cpu: '" + std::string(ir::info(kind).name) +
                      "' is not an operation of two operands");
  }
}

Value* Ops::fma(Value* a, Value* b, Value* c) {
  return b_.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
}

Value* Ops::select(Value* condition, Value* x, Value* y) {
  return b_.CreateSelect(condition, x, y);
}

llvm::Constant* Ops::identity(ir::ReduceKind kind, ElementType type) const {
  llvm::Type* element_type = element(type);
  if (type == ElementType::f32) {
    // min and max return the operand that isn't NaN; x + -0 is x, for -0 too.
    return kind == ir::ReduceKind::sum ? llvm::ConstantFP::getNegativeZero(element_type)
                                       : llvm::ConstantFP::getNaN(element_type);
  }
  const unsigned bits = element_type->getIntegerBitWidth();
  switch (kind) {
    case ir::ReduceKind::max:
      return llvm::ConstantInt::get(element_type, llvm::APInt::getSignedMinValue(bits));
    case ir::ReduceKind::min:
      return llvm::ConstantInt::get(element_type, llvm::APInt::getSignedMaxValue(bits));
    case ir::ReduceKind::sum:
      break;
  }
  return llvm::ConstantInt::get(element_type, 0);
}

Value* Ops::combine(ir::ReduceKind kind, ElementType type, Value* x, Value* y) {
  switch (kind) {
    case ir::ReduceKind::max:
      return binary(OpKind::max, type, x, y);
    case ir::ReduceKind::min:
      return binary(OpKind::min, type, x, y);
    case ir::ReduceKind::sum:
      break;
  }
  return binary(OpKind::add, type, x, y);
}

}  // namespace octile::cpu
