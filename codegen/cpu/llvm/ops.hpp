// Element-wise operations of the IR as LLVM IR, on scalars and on vectors alike: a value's shape is
// its operands'. Floats narrower than f32 are carried as their storage bits; b1 as i1.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include "octile/codegen/ir/ir.hpp"

namespace octile::cpu {

class Ops {
 public:
  explicit Ops(llvm::IRBuilder<>& builder) : b_(builder) {}

  /// LLVM type of an element in a register, and in memory (b1 is a byte there).
  llvm::Type* element(ElementType type) const;
  llvm::Type* storage(ElementType type) const;
  /// `scalar`, as a vector if `shape` is one.
  static llvm::Type* like(llvm::Value* shape, llvm::Type* scalar);

  llvm::Value* unary(ir::OpKind kind, ElementType type, llvm::Value* x);
  llvm::Value* binary(ir::OpKind kind, ElementType type, llvm::Value* x, llvm::Value* y);
  llvm::Value* fma(llvm::Value* a, llvm::Value* b, llvm::Value* c);
  llvm::Value* select(llvm::Value* condition, llvm::Value* x, llvm::Value* y);
  llvm::Value* cast(ElementType from, ElementType to, llvm::Value* x);
  llvm::Value* bitcast(ElementType from, ElementType to, llvm::Value* x);

  /// Zero bits of `type`.
  llvm::Constant* zero(ElementType type) const;
  /// What leaves every value as it is under a reduction: NaN for min and max of floats.
  llvm::Constant* identity(ir::ReduceKind kind, ElementType type) const;
  llvm::Value* combine(ir::ReduceKind kind, ElementType type, llvm::Value* x, llvm::Value* y);

  /// A byte in memory to or from the register form of `type`.
  llvm::Value* from_storage(ElementType type, llvm::Value* x);
  llvm::Value* to_storage(ElementType type, llvm::Value* x);

 private:
  llvm::Value* integer(llvm::Value* shape, int bits, std::uint64_t value);
  llvm::Value* f32(llvm::Value* shape, double value);
  llvm::Value* f64(llvm::Value* shape, double value);
  llvm::Value* as_bits(llvm::Value* x);            ///< f32 to i32
  llvm::Value* as_float(llvm::Value* x);           ///< i32 to f32
  llvm::Value* to_bits(llvm::Value* x, int bits);  ///< zero-extends or truncates
  llvm::Value* is_nan(llvm::Value* x);
  llvm::Value* intrinsic(llvm::Intrinsic::ID id, llvm::Value* x);

  // Arithmetic (ops_arithmetic.cpp).
  llvm::Value* minimum(bool smallest, llvm::Value* x, llvm::Value* y);
  llvm::Value* divide(ir::OpKind kind, llvm::Value* x, llvm::Value* y);
  llvm::Value* compare(ir::OpKind kind, bool is_float, llvm::Value* x, llvm::Value* y);

  // Functions (ops_math.cpp): evaluated in f64 and rounded once.
  llvm::Value* math(ir::OpKind kind, llvm::Value* x);
  llvm::Value* polynomial(llvm::Value* x, const double* coefficients, int count);
  llvm::Value* exp2_f64(llvm::Value* x);
  llvm::Value* log_f64(llvm::Value* x, double scale);
  llvm::Value* tanh_f64(llvm::Value* x);
  llvm::Value* erf_f64(llvm::Value* x);
  llvm::Value* log_f32(ir::OpKind kind, llvm::Value* x);

  // Conversions (ops_convert.cpp).
  llvm::Value* decode(ElementType type, llvm::Value* x);  ///< to f32
  llvm::Value* encode(ElementType type, llvm::Value* x);  ///< from f32
  llvm::Value* decode_small(ElementType type, llvm::Value* x);
  llvm::Value* encode_small(ElementType type, llvm::Value* x);
  llvm::Value* encode_bf16(llvm::Value* x);
  llvm::Value* decode_ue8m0(llvm::Value* x);
  llvm::Value* encode_ue8m0(llvm::Value* x);
  llvm::Value* integer_to_float(ElementType from, llvm::Value* x);
  llvm::Value* float_to_integer(ElementType to, llvm::Value* x);

  llvm::IRBuilder<>& b_;
};

}  // namespace octile::cpu
