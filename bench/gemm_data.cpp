#include "octile/bench/gemm_data.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "octile/bench/device_code.hpp"

namespace octile::bench {
namespace {

constexpr std::size_t kGuard = 4096;  // bytes before and after the output
constexpr unsigned kBlocks = 2048;

int ceil_div(int a, int b) {
  return (a + b - 1) / b;
}
int round_up(int a, int b) {
  return ceil_div(a, b) * b;
}

// As the device code declares them.
struct DeviceOperand {
  const void* data;
  const float* scales;
  float scale;
  int rows_per_scale;
  int is_bf16;
};
struct Comparison {
  double error_squared = 0, reference_squared = 0;
  unsigned long long outside = 0, first = ~0ull, unwritten = 0;
};

const DeviceKernel& device_kernel(const std::string& entry) {
  static std::map<std::string, DeviceKernel> kernels;
  auto found = kernels.find(entry);
  if (found == kernels.end()) {
    found = kernels.emplace(entry, DeviceKernel(kDeviceCode, entry)).first;
  }
  return found->second;
}

}  // namespace

std::string to_string(const Shape& shape) {
  return std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" + std::to_string(shape.k);
}

Shape parse_shape(const std::string& text) {
  Shape shape;
  int used = 0;
  std::string spaced = text;
  for (char& c : spaced) {
    if (c == 'x' || c == ',') c = ' ';
  }
  if (std::sscanf(spaced.c_str(), "%d %d %d %n", &shape.m, &shape.n, &shape.k, &used) != 3 ||
      static_cast<std::size_t>(used) != spaced.size() || shape.m < 1 || shape.n < 1 ||
      shape.k < 1) {
    throw Error("a shape is three positive numbers m n k, as in 4096x7168x2048; got \"" + text +
                "\"");
  }
  return shape;
}

Tolerance tolerance(Precision precision, bool fast) {
  // bf16 rounds to 2^-9 of the value. The promoted FP8 accumulator truncates at 2^-13 of the
  // largest term of a block of 32; over the whole of k it loses far more.
  const float rounding = 0x1p-8f;
  if (precision == Precision::bf16) return {2e-3, rounding, 0x1p-16f};
  return fast ? Tolerance{8e-3, rounding, 0x1p-8f} : Tolerance{2e-3, rounding, 0x1p-11f};
}

GemmData::GemmData(const Shape& shape, Precision precision, unsigned long long seed)
    : shape_(shape), precision_(precision) {
  make_operand(a_, shape.m, 1, 2 * seed);
  make_operand(b_, shape.n, 128, 2 * seed + 1);
  output_ = DeviceBuffer(2 * kGuard + 2ull * shape.m * shape.n);
}

void* GemmData::d() const {
  return reinterpret_cast<void*>(output_.address() + kGuard);
}

double GemmData::least_bytes() const {
  const auto [m, n, k] = shape_;
  const double element = precision_ == Precision::bf16 ? 2 : 1;
  double bytes = element * k * (1.0 * m + n) + 2.0 * m * n;
  if (precision_ == Precision::block_scaled) {
    bytes += 4.0 * ceil_div(k, 128) * (1.0 * m + ceil_div(n, 128));
  }
  return bytes;
}

void GemmData::make_operand(Operand& operand, int rows, int rows_per_scale,
                            unsigned long long seed) {
  int k = shape_.k;
  unsigned long long count = 1ull * rows * k;
  DeviceBuffer normal(4 * count);
  CUdeviceptr x = normal.address();
  device_kernel("fill_normal").launch(kBlocks, 1, 256, {&x, &count, &seed});
  operand.rows_per_scale = rows_per_scale;
  operand.data = DeviceBuffer(precision_ == Precision::bf16 ? 2 * count : count);
  CUdeviceptr q = operand.data.address();
  if (precision_ == Precision::bf16) {
    device_kernel("convert_bf16").launch(kBlocks, 1, 256, {&x, &q, &count});
  } else if (precision_ == Precision::tensor_wise) {
    operand.scale = 6.0f / 448.0f;  // six deviations; beyond them the cast saturates
    operand.scales = DeviceBuffer(sizeof(float));
    operand.scales.upload(&operand.scale, sizeof(float));
    device_kernel("quantise_tensor").launch(kBlocks, 1, 256, {&x, &q, &operand.scale, &count});
  } else {
    int block_rows = ceil_div(rows, rows_per_scale), block_cols = ceil_div(k, 128);
    operand.scales = DeviceBuffer(4ull * block_rows * block_cols);
    operand.scales_outer_ld = round_up(block_rows, 4);
    operand.scales_outer = DeviceBuffer(4ull * operand.scales_outer_ld * block_cols);
    CUdeviceptr scales = operand.scales.address(), outer = operand.scales_outer.address();
    device_kernel("quantise_blocks")
        .launch(static_cast<unsigned>(block_cols), static_cast<unsigned>(block_rows), 128,
                {&x, &q, &scales, &rows, &k, &rows_per_scale});
    device_kernel("transpose")
        .launch(64, 1, 256, {&scales, &outer, &block_rows, &block_cols, &operand.scales_outer_ld});
  }
  device().synchronize();
}

void GemmData::make_reference() {
  auto [m, n, k] = shape_;
  reference_ = DeviceBuffer(8ull * m * n);
  const auto operand = [&](const Operand& x) {
    const bool blocks = precision_ == Precision::block_scaled;
    return DeviceOperand{x.data.pointer(),
                         blocks ? static_cast<const float*>(x.scales.pointer()) : nullptr, x.scale,
                         x.rows_per_scale, precision_ == Precision::bf16};
  };
  DeviceOperand a = operand(a_), b = operand(b_);
  CUdeviceptr out = reference_.address();
  device_kernel("reference")
      .launch(static_cast<unsigned>(ceil_div(n, 64)), static_cast<unsigned>(ceil_div(m, 64)), 256,
              {&a, &b, &out, &m, &n, &k});
  device().synchronize();
}

Check GemmData::check(const std::function<void()>& launch, const Tolerance& tolerance) {
  if (reference_.empty()) make_reference();
  bench::check(driver().cuMemsetD8Async_(output_.address(), 0xFF, output_.bytes(), device().stream),
               "poisoning the output");
  launch();
  device().synchronize();

  Comparison comparison;
  DeviceBuffer device_comparison(sizeof comparison);
  device_comparison.upload(&comparison, sizeof comparison);
  CUdeviceptr out = output_.address() + kGuard, expected = reference_.address();
  CUdeviceptr result = device_comparison.address();
  unsigned long long count = 1ull * shape_.m * shape_.n;
  float relative = tolerance.element_relative, of_abs_sum = tolerance.element_of_abs_sum;
  int is_f32 = 0;
  device_kernel("compare").launch(
      kBlocks, 1, 256, {&out, &expected, &result, &count, &relative, &of_abs_sum, &is_f32});
  device().synchronize();
  device_comparison.download(&comparison, sizeof comparison);

  std::vector<unsigned char> guards(2 * kGuard);
  output_.download(guards.data(), kGuard);
  output_.download(guards.data() + kGuard, kGuard, output_.bytes() - kGuard);
  const bool guards_ok =
      std::all_of(guards.begin(), guards.end(), [](auto byte) { return byte == 0xFF; });

  Check check;
  check.relative_l2 = std::sqrt(comparison.error_squared / comparison.reference_squared);
  if (!guards_ok) {
    check.problem = "wrote outside the output";
  } else if (comparison.unwritten > 0) {
    check.problem = std::to_string(comparison.unwritten) + " elements never written";
  } else if (comparison.outside > 0) {
    check.problem = std::to_string(comparison.outside) + " elements out of bounds, first at [" +
                    std::to_string(comparison.first / static_cast<unsigned>(shape_.n)) + ", " +
                    std::to_string(comparison.first % static_cast<unsigned>(shape_.n)) + "]";
  } else if (!(check.relative_l2 <= tolerance.relative_l2)) {
    check.problem = "relative L2 error " + std::to_string(check.relative_l2);
  }
  check.ok = check.problem.empty();
  return check;
}

}  // namespace octile::bench
