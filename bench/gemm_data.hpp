// Operands, reference and checked output of matrix products d[m, n] = a[m, k] * b[n, k]^T.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "octile/bench/device.hpp"

namespace octile::bench {

struct Shape {
  int m = 0, n = 0, k = 0;
  int batch = 1;  ///< products, each with operands of its own
  auto operator<=>(const Shape&) const = default;
  double flops() const { return 2.0 * batch * m * n * k; }
};
/// "4096x7168x16384": m, n, k; of a batch "8x512x7168x2048", its count first.
std::string to_string(const Shape& shape);
Shape parse_shape(const std::string& text);  ///< the same, or with spaces; throws Error

/// How the operands are held.
enum class Precision {
  block_scaled,       ///< e4m3, f32 scales: a per 1x128, b per 128x128
  block_scaled_both,  ///< e4m3, f32 scales per 1x128 of either
  row_wise,           ///< e4m3, one f32 scale per row of either
  tensor_wise,        ///< e4m3, one f32 scale each
  bf16,
};

/// What becomes of the product.
enum class Output {
  bf16,            ///< d = a b
  f32_accumulate,  ///< d += a b
  bf16_bias_gelu,  ///< d = gelu(a b + bias), bias in bf16, one per column
  e4m3_1x128,      ///< a b in e4m3, with f32 scales per 1x128: the next product's operand
};

struct Product {
  Precision precision = Precision::block_scaled;
  Output output = Output::bf16;
  auto operator<=>(const Product&) const = default;
};

/// One operand on the device, row-major [batch, rows, k].
struct Operand {
  DeviceBuffer data;
  DeviceBuffer scales;        ///< row-major [batch, rows / rows_per_scale, ceil(k / k_per_scale)]
  DeviceBuffer scales_outer;  ///< scales per 128 of k, no batch: the row index contiguous
  int scales_outer_ld = 0;    ///< elements between its columns: rows up to a multiple of 4
  float scale = 1;            ///< tensor_wise
  int rows_per_scale = 1, k_per_scale = 128;
};

/// What an output may differ from the reference by.
struct Tolerance {
  double relative_l2 = 0;
  float element_relative = 0;    ///< of |reference|: the output type's rounding
  float element_of_abs_sum = 0;  ///< of the sum of absolute products: the accumulator's
};
/// `fast` is the tensor core's own accumulator over the whole of k.
Tolerance tolerance(const Product& product, bool fast);

struct Check {
  bool ok = false;
  double relative_l2 = 0;
  std::string problem;  ///< empty when ok
};

/// The operands of one shape and product: random normals, quantised on the device; and an output
/// with guards before and after it.
class GemmData {
 public:
  GemmData(const Shape& shape, const Product& product, unsigned long long seed = 1);

  const Shape& shape() const { return shape_; }
  const Product& product() const { return product_; }
  const Operand& a() const { return a_; }
  const Operand& b() const { return b_; }
  void* d() const;                                ///< row-major [batch, m, n], as `Output` says
  void* d_scales() const;                         ///< e4m3_1x128: [batch, m, ceil(n / 128)]
  void* bias() const { return bias_.pointer(); }  ///< bf16_bias_gelu: [n]

  /// Fewest bytes a product must move: what is read once, what is written once.
  double least_bytes() const;

  /// Poisons the output and its guards, runs `launch`, and compares with the float64 product.
  Check check(const std::function<void()>& launch, const Tolerance& tolerance);

 private:
  void make_operand(Operand& operand, int rows, float deviation, unsigned long long seed);
  void make_scales(Operand& operand, int rows, unsigned long long normals);
  void make_bias();
  void make_reference();
  void prepare_output();
  std::string damage() const;
  unsigned long long elements() const { return 1ull * shape_.batch * shape_.m * shape_.n; }

  Shape shape_;
  Product product_;
  Operand a_, b_;
  DeviceBuffer bias_;
  DeviceBuffer output_, output_scales_;  ///< with guards
  DeviceBuffer reference_;
};

}  // namespace octile::bench
