#include "octile/bench/gemm_data.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "octile/bench/device_code.hpp"

namespace octile::bench {
namespace {

constexpr std::size_t kGuard = 4096;  // bytes before and after the output
constexpr unsigned kBlocks = 2048;
constexpr unsigned long long kBiasSeed = 101, kStartSeed = 103;

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
  int rows_per_scale, k_per_scale;
  int is_bf16;
};
struct Comparison {
  double error_squared = 0, reference_squared = 0;
  unsigned long long outside = 0, first = ~0ull, unwritten = 0;
};

int bytes_of(Output output) {
  return output == Output::f32_accumulate ? 4 : output == Output::e4m3_1x128 ? 1 : 2;
}

// Products that go on through a nonlinear function are small, so that its bends matter.
float deviation_of_a(const Product& product, int k) {
  const bool bends = product.output == Output::bf16_bias_gelu;
  return bends ? 2 / std::sqrt(static_cast<float>(k)) : 1;
}

DeviceBuffer guarded(unsigned long long bytes) {
  return DeviceBuffer(2 * kGuard + bytes);
}

bool guards_hold(const DeviceBuffer& buffer) {
  std::vector<unsigned char> guards(2 * kGuard);
  buffer.download(guards.data(), kGuard);
  buffer.download(guards.data() + kGuard, kGuard, buffer.bytes() - kGuard);
  return std::all_of(guards.begin(), guards.end(), [](auto byte) { return byte == 0xFF; });
}

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
  const std::string one =
      std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" + std::to_string(shape.k);
  return shape.batch == 1 ? one : std::to_string(shape.batch) + "x" + one;
}

Shape parse_shape(const std::string& text) {
  std::string spaced = text;
  for (char& c : spaced) {
    if (c == 'x' || c == ',') c = ' ';
  }
  std::istringstream words(spaced);
  std::vector<int> sizes;
  for (int size = 0; words >> size;) sizes.push_back(size);
  const bool positive = std::all_of(sizes.begin(), sizes.end(), [](int size) { return size > 0; });
  if (!words.eof() || !positive || (sizes.size() != 3 && sizes.size() != 4)) {
    throw Error(
        "a shape is three positive numbers m n k, as in 4096x7168x2048, or four, the first "
        "a batch's count; got \"" +
        text + "\"");
  }
  if (sizes.size() == 3) sizes.insert(sizes.begin(), 1);
  return {sizes[1], sizes[2], sizes[3], sizes[0]};
}

Tolerance tolerance(const Product& product, bool fast) {
  // bf16 rounds to 2^-9 of the value. The promoted FP8 accumulator truncates at 2^-13 of the
  // largest term of a block of 32; over the whole of k it loses far more.
  Tolerance t{2e-3, 0x1p-8f, 0x1p-11f};
  if (fast) t = {8e-3, 0x1p-8f, 0x1p-8f};
  if (product.precision == Precision::bf16) t.element_of_abs_sum = 0x1p-16f;
  if (product.output == Output::f32_accumulate) {
    t.relative_l2 = 1e-3;
    t.element_relative = 0x1p-22f;
  }
  if (product.output == Output::bf16_bias_gelu && !fast) t.relative_l2 = 2.5e-3;
  // Rounding to three bits of mantissa: 2.6e-2 of normals.
  if (product.output == Output::e4m3_1x128) t.relative_l2 = 3.5e-2;
  return t;
}

GemmData::GemmData(const Shape& shape, const Product& product, unsigned long long seed)
    : shape_(shape), product_(product) {
  const Precision precision = product.precision;
  b_.rows_per_scale = precision == Precision::block_scaled ? 128 : 1;
  if (precision == Precision::row_wise) a_.k_per_scale = b_.k_per_scale = shape.k;
  make_operand(a_, shape.m, deviation_of_a(product, shape.k), 2 * seed);
  make_operand(b_, shape.n, 1, 2 * seed + 1);
  if (product.output == Output::bf16_bias_gelu) make_bias();
  output_ = guarded(elements() * static_cast<unsigned>(bytes_of(product.output)));
  if (product.output == Output::e4m3_1x128) {
    output_scales_ = guarded(4ull * shape.batch * shape.m * ceil_div(shape.n, 128));
  }
}

void* GemmData::d() const {
  return reinterpret_cast<void*>(output_.address() + kGuard);
}

void* GemmData::d_scales() const {
  return reinterpret_cast<void*>(output_scales_.address() + kGuard);
}

double GemmData::least_bytes() const {
  const auto [m, n, k, batch] = shape_;
  const double element = product_.precision == Precision::bf16 ? 2 : 1;
  double bytes = element * k * (1.0 * m + n) + bytes_of(product_.output) * (1.0 * m * n);
  const auto scales = [&](const Operand& x, int rows) {
    return x.scales.bytes() > sizeof(float)
               ? 4.0 * ceil_div(k, x.k_per_scale) * ceil_div(rows, x.rows_per_scale)
               : 0;
  };
  bytes += scales(a_, m) + scales(b_, n);
  if (product_.output == Output::f32_accumulate) bytes += 4.0 * m * n;  // read as well
  if (product_.output == Output::e4m3_1x128) bytes += 4.0 * m * ceil_div(n, 128);
  if (product_.output == Output::bf16_bias_gelu) bytes += 2.0 * n;
  return batch * bytes;
}

void GemmData::make_operand(Operand& operand, int rows, float deviation, unsigned long long seed) {
  unsigned long long count = 1ull * shape_.batch * rows * shape_.k;
  DeviceBuffer normal(4 * count);
  CUdeviceptr x = normal.address();
  device_kernel("fill_normal").launch(kBlocks, 1, 256, {&x, &count, &seed, &deviation});
  const bool bf16 = product_.precision == Precision::bf16;
  operand.data = DeviceBuffer(bf16 ? 2 * count : count);
  CUdeviceptr q = operand.data.address();
  if (bf16) {
    device_kernel("convert_bf16").launch(kBlocks, 1, 256, {&x, &q, &count});
  } else if (product_.precision == Precision::tensor_wise) {
    operand.scale = deviation * 6.0f / 448.0f;  // six deviations; beyond them the cast saturates
    operand.scales = DeviceBuffer(sizeof(float));
    operand.scales.upload(&operand.scale, sizeof(float));
    device_kernel("quantise_tensor").launch(kBlocks, 1, 256, {&x, &q, &operand.scale, &count});
  } else {
    make_scales(operand, rows, x);
  }
  device().synchronize();
}

// Quantises `normals` into the operand, product by product.
void GemmData::make_scales(Operand& operand, int rows, unsigned long long normals) {
  int k = shape_.k;
  int block_rows = ceil_div(rows, operand.rows_per_scale);
  int block_cols = ceil_div(k, operand.k_per_scale);
  const unsigned long long step = 1ull * rows * k, scales_step = 4ull * block_rows * block_cols;
  operand.scales = DeviceBuffer(scales_step * static_cast<unsigned>(shape_.batch));
  for (unsigned z = 0; z < static_cast<unsigned>(shape_.batch); ++z) {
    CUdeviceptr x = normals + 4 * step * z, q = operand.data.address() + step * z;
    CUdeviceptr scales = operand.scales.address() + scales_step * z;
    device_kernel("quantise_blocks")
        .launch(static_cast<unsigned>(block_cols), static_cast<unsigned>(block_rows), 128,
                {&x, &q, &scales, &rows, &k, &operand.rows_per_scale, &operand.k_per_scale});
  }
  if (operand.k_per_scale != 128 || shape_.batch != 1) return;
  operand.scales_outer_ld = round_up(block_rows, 4);
  operand.scales_outer = DeviceBuffer(4ull * operand.scales_outer_ld * block_cols);
  CUdeviceptr scales = operand.scales.address(), outer = operand.scales_outer.address();
  device_kernel("transpose")
      .launch(64, 1, 256, {&scales, &outer, &block_rows, &block_cols, &operand.scales_outer_ld});
}

void GemmData::make_bias() {
  unsigned long long count = static_cast<unsigned>(shape_.n), seed = kBiasSeed;
  float deviation = 1;
  DeviceBuffer normal(4 * count);
  bias_ = DeviceBuffer(2 * count);
  CUdeviceptr x = normal.address(), bias = bias_.address();
  device_kernel("fill_normal").launch(kBlocks, 1, 256, {&x, &count, &seed, &deviation});
  device_kernel("convert_bf16").launch(kBlocks, 1, 256, {&x, &bias, &count});
  device().synchronize();
}

// Poison, or what the product is added to: as large as the product, so that it is missed if absent.
void GemmData::prepare_output() {
  for (const DeviceBuffer* buffer : {&output_, &output_scales_}) {
    if (buffer->empty()) continue;
    bench::check(
        driver().cuMemsetD8Async_(buffer->address(), 0xFF, buffer->bytes(), device().stream),
        "poisoning the output");
  }
  if (product_.output != Output::f32_accumulate) return;
  unsigned long long count = elements(), seed = kStartSeed;
  float deviation = std::sqrt(static_cast<float>(shape_.k));
  CUdeviceptr out = output_.address() + kGuard;
  device_kernel("fill_normal").launch(kBlocks, 1, 256, {&out, &count, &seed, &deviation});
}

void GemmData::make_reference() {
  auto [m, n, k, batch] = shape_;
  unsigned long long count = elements();
  reference_ = DeviceBuffer(8 * count);
  const auto operand = [&](const Operand& x, int rows, int z) {
    const unsigned long long first = 1ull * z * rows * k;
    const bool bf16 = product_.precision == Precision::bf16;
    const bool scaled = !bf16 && product_.precision != Precision::tensor_wise;
    const int scales = ceil_div(rows, x.rows_per_scale) * ceil_div(k, x.k_per_scale);
    return DeviceOperand{
        static_cast<const char*>(x.data.pointer()) + (bf16 ? 2 : 1) * first,
        scaled ? static_cast<const float*>(x.scales.pointer()) + 1ull * z * scales : nullptr,
        x.scale,
        x.rows_per_scale,
        x.k_per_scale,
        bf16};
  };
  for (int z = 0; z < batch; ++z) {
    DeviceOperand a = operand(a_, m, z), b = operand(b_, n, z);
    CUdeviceptr out = reference_.address() + 8ull * z * m * n;
    device_kernel("reference")
        .launch(static_cast<unsigned>(ceil_div(n, 64)), static_cast<unsigned>(ceil_div(m, 64)), 256,
                {&a, &b, &out, &m, &n, &k});
  }
  CUdeviceptr expected = reference_.address();
  if (product_.output == Output::f32_accumulate) {
    prepare_output();
    CUdeviceptr start = output_.address() + kGuard;
    device_kernel("add_start").launch(kBlocks, 1, 256, {&expected, &start, &count});
  } else if (product_.output == Output::bf16_bias_gelu) {
    CUdeviceptr bias = bias_.address();
    device_kernel("add_bias_gelu").launch(kBlocks, 1, 256, {&expected, &bias, &count, &n});
  }
  device().synchronize();
}

std::string GemmData::damage() const {
  if (!guards_hold(output_)) return "wrote outside the output";
  if (!output_scales_.empty() && !guards_hold(output_scales_)) {
    return "wrote outside the output's scales";
  }
  return {};
}

Check GemmData::check(const std::function<void()>& launch, const Tolerance& tolerance) {
  if (reference_.empty()) make_reference();
  prepare_output();
  launch();
  device().synchronize();

  Comparison comparison;
  DeviceBuffer device_comparison(sizeof comparison);
  device_comparison.upload(&comparison, sizeof comparison);
  CUdeviceptr out = output_.address() + kGuard, expected = reference_.address();
  CUdeviceptr result = device_comparison.address();
  unsigned long long count = elements();
  float relative = tolerance.element_relative, of_abs_sum = tolerance.element_of_abs_sum;
  if (product_.output == Output::e4m3_1x128) {
    CUdeviceptr scales = output_scales_.address() + kGuard;
    unsigned long long rows = 1ull * shape_.batch * shape_.m;
    device_kernel("compare_requantised")
        .launch(kBlocks, 1, 256,
                {&out, &scales, &expected, &result, &rows, &shape_.n, &of_abs_sum});
  } else {
    int is_f32 = product_.output == Output::f32_accumulate;
    device_kernel("compare").launch(
        kBlocks, 1, 256, {&out, &expected, &result, &count, &relative, &of_abs_sum, &is_f32});
  }
  device().synchronize();
  device_comparison.download(&comparison, sizeof comparison);

  Check check;
  check.relative_l2 = std::sqrt(comparison.error_squared / comparison.reference_squared);
  check.problem = damage();
  if (!check.problem.empty()) return check;
  const auto columns = static_cast<unsigned>(shape_.n);
  if (comparison.unwritten > 0) {
    check.problem = std::to_string(comparison.unwritten) + " elements never written";
  } else if (comparison.outside > 0) {
    check.problem = std::to_string(comparison.outside) + " elements out of bounds, first at [" +
                    std::to_string(comparison.first / columns) + ", " +
                    std::to_string(comparison.first % columns) + "]";
  } else if (!(check.relative_l2 <= tolerance.relative_l2)) {
    check.problem = "relative L2 error " + std::to_string(check.relative_l2);
  }
  check.ok = check.problem.empty();
  return check;
}

}  // namespace octile::bench
