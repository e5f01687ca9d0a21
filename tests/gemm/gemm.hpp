// The FP8 products under test, behind one type, so that each is compiled once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "octile/runtime/kernel_state.hpp"
#include "octile/runtime/stream.hpp"
#include "octile/runtime/tensor_view.hpp"

namespace octile::test {

/// d[m, n] = sum over k of a[m, k] * b[n, k].
struct Shape {
  std::int64_t m = 0, n = 0, k = 0;

  std::int64_t k_blocks() const { return (k + 127) / 128; }
  std::int64_t n_blocks() const { return (n + 127) / 128; }
  ProblemSizes sizes() const { return {{"M", m}, {"N", n}, {"K", k}}; }
};
std::string to_string(const Shape& shape);

/// How blocks of 128 of K are summed.
enum class Mode {
  scaled,  ///< acc = fma(block, sa[m, k / 128] * sb[n / 128, k / 128], acc)
  plain,   ///< acc = acc + block
  fast,    ///< one chain in the tensor core's accumulator (fast_accumulate)
};
std::string to_string(Mode mode);

/// What a product is called with. Scales are used by `scaled` only.
struct Operands {
  TensorView a, sa, b, sb, d;
};

/// A product for one choice of element types.
struct Gemm {
  Mode mode = Mode::scaled;
  ElementType a = ElementType::e4m3, b = ElementType::e4m3, d = ElementType::f32;
  std::function<void(const Stream&, const Schedule&, const Operands&)> launch;
  /// Compiles for packed tensors; a later launch under the same schedule finds the code.
  std::function<CompiledVariant(const Schedule&, const Shape&, const cuda::Target&)> compile;
};

/// The product of e4m3 by e4m3 with block scales of examples/06; `d` is f32 or bf16.
const Gemm& block_scaled(ElementType d);

/// f32 products of any pair of FP8 types.
const Gemm& product(Mode mode, ElementType a, ElementType b);

}  // namespace octile::test
