// Operands, reference and checked output of one matrix product d[m, n] = a[m, k] * b[n, k]^T.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "octile/bench/device.hpp"

namespace octile::bench {

struct Shape {
  int m = 0, n = 0, k = 0;
  auto operator<=>(const Shape&) const = default;
  double flops() const { return 2.0 * m * n * k; }
};
std::string to_string(const Shape& shape);   ///< "4096x7168x16384": m, n, k
Shape parse_shape(const std::string& text);  ///< the same, or with spaces; throws Error

/// How the operands are held.
enum class Precision {
  block_scaled,  ///< e4m3, f32 scales: a per 1x128, b per 128x128
  tensor_wise,   ///< e4m3, one f32 scale each
  bf16,
};

/// One operand on the device, row-major [rows, k].
struct Operand {
  DeviceBuffer data;
  DeviceBuffer scales;        ///< block_scaled: row-major [rows / rows_per_scale, ceil(k / 128)]
  DeviceBuffer scales_outer;  ///< block_scaled: the same with the row index contiguous
  int scales_outer_ld = 0;    ///< elements between its columns: rows up to a multiple of 4
  float scale = 1;            ///< tensor_wise
  int rows_per_scale = 1;
};

/// What an output may differ from the reference by.
struct Tolerance {
  double relative_l2 = 0;
  float element_relative = 0;    ///< of |reference|: the output type's rounding
  float element_of_abs_sum = 0;  ///< of the sum of absolute products: the accumulator's
};
/// For a bf16 output. `fast` is the tensor core's own accumulator over the whole of k.
Tolerance tolerance(Precision precision, bool fast);

struct Check {
  bool ok = false;
  double relative_l2 = 0;
  std::string problem;  ///< empty when ok
};

/// The operands of one shape and precision: random normals, quantised on the device; and an output
/// with guards before and after it.
class GemmData {
 public:
  GemmData(const Shape& shape, Precision precision, unsigned long long seed = 1);

  const Shape& shape() const { return shape_; }
  Precision precision() const { return precision_; }
  const Operand& a() const { return a_; }
  const Operand& b() const { return b_; }
  void* d() const;  ///< bf16, row-major [m, n]

  /// Fewest bytes a product must move: operands and scales read once, the output written once.
  double least_bytes() const;

  /// Poisons the output and its guards, runs `launch`, and compares with the float64 product.
  Check check(const std::function<void()>& launch, const Tolerance& tolerance);

 private:
  void make_operand(Operand& operand, int rows, int rows_per_scale, unsigned long long seed);
  void make_reference();

  Shape shape_;
  Precision precision_;
  Operand a_, b_;
  DeviceBuffer output_;
  DeviceBuffer reference_;
};

}  // namespace octile::bench
