// Drives the f32 kernels: packs k slices of the operands and accumulates, in ascending k.
#include <algorithm>
#include <cstring>

#include "octile/codegen/cpu/dot/dispatch.hpp"

namespace octile::cpu {
namespace {

constexpr std::int64_t kSlice = 128;  ///< k elements packed at once: two slices stay in cache
constexpr std::int64_t kRows = 4;

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct Layout {
  std::size_t a = 0, b = 0, c = 0, end = 0;
  std::int64_t rows = 0, stride = 0;

  explicit Layout(const DotShape& shape) {
    rows = round_up(shape.m, kRows);
    stride = round_up(shape.n, kPanel);
    const auto floats = [](std::int64_t count) {
      return round_up(count * static_cast<std::int64_t>(sizeof(float)), 64);
    };
    b = static_cast<std::size_t>(floats(rows * kSlice));
    c = b + static_cast<std::size_t>(floats(kPanel * kSlice));
    end = c + static_cast<std::size_t>(floats(rows * stride));
  }
};

/// Packs `count` lanes (zero up to `width`) of k elements [0, kc): to[k][lane].
void pack(const float* from, std::int64_t lane_stride, std::int64_t k_stride, std::int64_t count,
          std::int64_t width, std::int64_t kc, float* to) {
  if (lane_stride == 1) {
    for (std::int64_t k = 0; k < kc; ++k) {
      std::copy_n(from + k * k_stride, count, to + k * width);
      std::fill(to + k * width + count, to + (k + 1) * width, 0.0f);
    }
    return;
  }
  for (std::int64_t lane = 0; lane < width; ++lane) {
    for (std::int64_t k = 0; k < kc; ++k) {
      to[k * width + lane] = lane < count ? from[lane * lane_stride + k * k_stride] : 0.0f;
    }
  }
}

}  // namespace

std::size_t f32_dot_scratch_bytes(const DotShape& shape) {
  return Layout(shape).end;
}

void f32_dot(const DotShape& shape, const float* a, const float* b, float* out,
             std::byte* scratch) {
  const F32Kernels& kernels = f32_kernels();
  const Layout layout(shape);
  float* rows = reinterpret_cast<float*>(scratch + layout.a);
  float* panel = reinterpret_cast<float*>(scratch + layout.b);
  float* sums = reinterpret_cast<float*>(scratch + layout.c);
  std::fill_n(sums, layout.rows * layout.stride, 0.0f);
  for (std::int64_t k = 0; k < shape.k; k += kSlice) {
    const std::int64_t kc = std::min(kSlice, shape.k - k);
    for (std::int64_t m = 0; m < shape.m; m += kRows) {
      pack(a + m * shape.a_row + k * shape.a_k, shape.a_row, shape.a_k,
           std::min(kRows, shape.m - m), kRows, kc, rows + m * kc);
    }
    for (std::int64_t n = 0; n < shape.n; n += kPanel) {
      pack(b + n * shape.b_col + k * shape.b_k, shape.b_col, shape.b_k,
           std::min<std::int64_t>(kPanel, shape.n - n), kPanel, kc, panel);
      for (std::int64_t m = 0; m < shape.m; m += kRows) {
        kernels.block(rows + m * kc, panel, kc, sums + m * layout.stride + n, layout.stride);
      }
    }
  }
  for (std::int64_t m = 0; m < shape.m; ++m) {
    std::copy_n(sums + m * layout.stride, shape.n, out + m * shape.n);
  }
}

}  // namespace octile::cpu
