#include "octile/codegen/cpu/llvm/lane.hpp"

#include <algorithm>
#include <numeric>

namespace octile::cpu {
namespace {

using ir::OpKind;

constexpr std::int64_t kAnyMultiple = std::int64_t{1} << 40;  ///< of zero; keeps products small

std::optional<std::int64_t> constant_of(const Lane& lane) {
  if (!lane.is_uniform()) return std::nullopt;
  const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(lane.value);
  if (constant == nullptr) return std::nullopt;
  return constant->getSExtValue();
}

std::int64_t product(std::int64_t a, std::int64_t b) {
  return a > kAnyMultiple / b ? kAnyMultiple : a * b;
}

// Strides wrap, as all integers do.
std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t wrapping_product(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

Lane sum(llvm::IRBuilder<>& b, const Lane& x, const Lane& y, bool minus) {
  Lane out;
  out.value = minus ? b.CreateSub(x.value, y.value) : b.CreateAdd(x.value, y.value);
  out.stride = minus ? wrapping_difference(x.stride, y.stride) : wrapping_sum(x.stride, y.stride);
  out.facts.multiple = std::gcd(x.facts.multiple, y.facts.multiple);
  out.facts.nonnegative = !minus && x.facts.nonnegative && y.facts.nonnegative;
  return out;
}

std::optional<Lane> times(llvm::IRBuilder<>& b, const Lane& x, const Lane& y) {
  if (x.is_ramp() && y.is_ramp()) return std::nullopt;
  const Lane& ramp = y.is_ramp() ? y : x;
  const Lane& factor = y.is_ramp() ? x : y;
  const auto constant = constant_of(factor);
  if (ramp.is_ramp() && !constant) return std::nullopt;
  Lane out;
  out.value = b.CreateMul(x.value, y.value);
  out.stride = ramp.is_ramp() ? wrapping_product(ramp.stride, *constant) : 0;
  out.facts.multiple = product(x.facts.multiple, y.facts.multiple);
  out.facts.nonnegative = x.facts.nonnegative && y.facts.nonnegative;
  return out;
}

/// Division by a constant d > 0. A ramp of consecutive numbers that starts at a multiple of its
/// width stays within one run of d where the width divides d.
std::optional<Lane> divided(llvm::IRBuilder<>& b, const Lane& x, std::int64_t d, int width) {
  const bool one_run =
      x.stride == 1 && x.facts.nonnegative && d % width == 0 && x.facts.multiple % width == 0;
  const bool exact = x.facts.multiple % d == 0 && x.stride % d == 0;
  if (x.is_ramp() && !one_run && !exact) return std::nullopt;
  llvm::Value* divisor = b.getInt64(static_cast<std::uint64_t>(d));
  Lane out;
  out.value = x.facts.nonnegative ? b.CreateUDiv(x.value, divisor) : b.CreateSDiv(x.value, divisor);
  out.stride = one_run ? 0 : x.stride / d;
  out.facts.multiple = x.facts.multiple % d == 0 ? x.facts.multiple / d : 1;
  out.facts.nonnegative = x.facts.nonnegative;
  return out;
}

std::optional<Lane> remainder(llvm::IRBuilder<>& b, const Lane& x, std::int64_t d, int width) {
  const bool one_run =
      x.stride == 1 && x.facts.nonnegative && d % width == 0 && x.facts.multiple % width == 0;
  if (x.is_ramp() && !one_run) return std::nullopt;
  llvm::Value* divisor = b.getInt64(static_cast<std::uint64_t>(d));
  Lane out;
  out.value = x.facts.nonnegative ? b.CreateURem(x.value, divisor) : b.CreateSRem(x.value, divisor);
  out.stride = x.stride;
  out.facts.multiple = std::gcd(x.facts.multiple, d);
  out.facts.nonnegative = x.facts.nonnegative;
  return out;
}

}  // namespace

Facts facts_of_constant(std::int64_t value) {
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const bool fits = magnitude != 0 && magnitude < static_cast<std::uint64_t>(kAnyMultiple);
  if (magnitude == 0) return {kAnyMultiple, true};
  return {fits ? static_cast<std::int64_t>(magnitude) : 1, value >= 0};
}

std::optional<Lane> index_operation(llvm::IRBuilder<>& b, OpKind kind, const Lane& x, const Lane& y,
                                    int width) {
  if (x.is_vector || y.is_vector) return std::nullopt;
  switch (kind) {
    case OpKind::add:
      return sum(b, x, y, false);
    case OpKind::sub:
      return sum(b, x, y, true);
    case OpKind::neg:
      return Lane{b.CreateNeg(x.value), -x.stride, false, {x.facts.multiple, false}};
    case OpKind::mul:
      return times(b, x, y);
    case OpKind::div:
    case OpKind::rem: {
      const auto d = constant_of(y);
      if (!d || *d <= 0) return std::nullopt;
      return kind == OpKind::div ? divided(b, x, *d, width) : remainder(b, x, *d, width);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace octile::cpu
