// Drives the FP8 kernels: cuts tiles into k steps and column panels, and promotes a chain's result
// every 128 elements of k. Rows and columns that hold NaN or Inf are computed again by the scalar
// definition, so the kernels never see what they can't represent.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "octile/codegen/cpu/dot/dispatch.hpp"
#include "octile/codegen/cpu/dot/transpose.hpp"
#include "octile/codegen/ir/numerics.hpp"

namespace octile::cpu {
namespace {

constexpr std::int64_t kBlock = 128;    ///< k elements of a chain, unless all of k is one
constexpr std::int64_t kRowBatch = 64;  ///< rows decoded at once; a multiple of 16

Fp8Format format_of(ElementType type) {
  return type == ElementType::e4m3 ? Fp8Format{3, 7} : Fp8Format{2, 15};
}

bool is_special(ElementType type, std::uint8_t byte) {
  return (byte & 0x7F) >= (type == ElementType::e4m3 ? 0x7F : 0x7C);
}

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Bytes [first, first + count) of one row, zero beyond `count`.
std::array<std::uint8_t, kStep> gather_step(const std::uint8_t* row, std::int64_t stride,
                                            std::int64_t count) {
  std::array<std::uint8_t, kStep> out{};
  for (std::int64_t i = 0; i < std::min<std::int64_t>(count, kStep); ++i) {
    out[static_cast<std::size_t>(i)] = row[i * stride];
  }
  return out;
}

/// Where things lie in the scratch memory of one call.
struct Layout {
  std::size_t bytes = 0, a = 0, b = 0, chain = 0, flags = 0, end = 0;
  std::int64_t chain_stride = 0;

  explicit Layout(const DotShape& shape, const Fp8Kernels& kernels) {
    const auto next = [](std::size_t at) { return (at + 63) / 64 * 64; };
    chain_stride = round_up(shape.n, kPanel);
    bytes = 0;
    a = bytes + kStep * std::max<std::size_t>(kPanel, kRowBatch);
    b = next(a + kernels.row_bytes * static_cast<std::size_t>(shape.m));
    chain = next(b + kernels.panel_bytes);
    flags = next(chain + static_cast<std::size_t>(shape.m * chain_stride) * sizeof(float));
    end = next(flags + static_cast<std::size_t>(shape.m + shape.n));
  }
};

class Fp8Dot {
 public:
  Fp8Dot(const DotShape& shape, const std::uint8_t* a, const std::uint8_t* b, const float* start,
         float* out, std::byte* scratch)
      : kernels_(fp8_kernels()),
        layout_(shape, kernels_),
        shape_(shape),
        a_(a),
        b_(b),
        start_(start),
        out_(out),
        scratch_(scratch) {}

  void run() {
    const std::int64_t block = shape_.one_chain ? shape_.k : kBlock;
    if (start_ != nullptr) load_start();
    for (std::int64_t k = 0; k < shape_.k; k += kStep) {
      decode_rows(k);
      const bool from_zero = k % block == 0 && start_ == nullptr;
      for (std::int64_t n = 0; n < shape_.n; n += kPanel) {
        decode_panel(k, n);
        kernels_.step(scratch_ + layout_.a, scratch_ + layout_.b, shape_.m,
                      std::min<std::int64_t>(kPanel, shape_.n - n), chain() + n,
                      layout_.chain_stride, from_zero);
      }
      const std::int64_t next = std::min(k + kStep, shape_.k);
      if (next % block == 0 || next == shape_.k) promote(k < block);
    }
    redo_specials();
  }

 private:
  float* chain() { return reinterpret_cast<float*>(scratch_ + layout_.chain); }
  std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(scratch_ + layout_.bytes); }

  void load_start() {
    for (std::int64_t m = 0; m < shape_.m; ++m) {
      std::memcpy(chain() + m * layout_.chain_stride, start_ + m * shape_.n,
                  static_cast<std::size_t>(shape_.n) * sizeof(float));
      // Columns beyond n are computed but never read; they only have to be floats.
      std::fill(chain() + m * layout_.chain_stride + shape_.n,
                chain() + (m + 1) * layout_.chain_stride, 0.0f);
    }
  }

  /// Decodes k elements [k, k + 32) of all rows.
  void decode_rows(std::int64_t k) {
    const std::int64_t count = std::min<std::int64_t>(kStep, shape_.k - k);
    for (std::int64_t m = 0; m < shape_.m; m += kRowBatch) {
      const std::int64_t rows = std::min(kRowBatch, shape_.m - m);
      const std::uint8_t* from = a_ + m * shape_.a_row + k * shape_.a_k;
      copy_rows(from, shape_.a_row, shape_.a_k, rows, count, bytes(), kStep);
      kernels_.decode_a(format_of(shape_.a_type), bytes(), rows,
                        scratch_ + layout_.a + static_cast<std::size_t>(m) * kernels_.row_bytes);
    }
  }

  /// Decodes k elements [k, k + 32) of columns [n, n + 64), with zeros beyond the tile.
  void decode_panel(std::int64_t k, std::int64_t n) {
    const std::int64_t count = std::min<std::int64_t>(kStep, shape_.k - k);
    const std::int64_t columns = std::min<std::int64_t>(kPanel, shape_.n - n);
    const std::uint8_t* from = b_ + n * shape_.b_col + k * shape_.b_k;
    if (count < kStep) std::memset(bytes(), 0, kStep * kPanel);
    copy_rows(from, shape_.b_k, shape_.b_col, count, columns, bytes(), kPanel);
    kernels_.decode_b(format_of(shape_.b_type), bytes(), scratch_ + layout_.b);
  }

  /// Adds the chains' results to the output, or makes them the output.
  void promote(bool first) {
    for (std::int64_t m = 0; m < shape_.m; ++m) {
      const float* from = chain() + m * layout_.chain_stride;
      float* to = out_ + m * shape_.n;
      if (first) {
        std::memcpy(to, from, static_cast<std::size_t>(shape_.n) * sizeof(float));
      } else {
        for (std::int64_t n = 0; n < shape_.n; ++n) to[n] += from[n];
      }
    }
  }

  /// flags[i] = whether lane i of an operand holds NaN or Inf; true if any does.
  bool find_specials(const std::uint8_t* data, ElementType type, std::int64_t count,
                     std::int64_t stride, std::int64_t k_stride, std::uint8_t* flags) {
    std::memset(flags, 0, static_cast<std::size_t>(count));
    const bool k_inner = k_stride == 1;
    const std::int64_t outer = k_inner ? count : shape_.k;
    const std::int64_t inner = k_inner ? shape_.k : count;
    bool any = false;
    for (std::int64_t i = 0; i < outer; ++i) {
      const std::uint8_t* from = data + i * (k_inner ? stride : k_stride);
      const std::int64_t step = k_inner ? 1 : stride;
      // One pass that only ORs is vectorised; which lane it was is looked for where it matters.
      const int limit = type == ElementType::e4m3 ? 0x7F : 0x7C;
      int hit = 0;
      if (step == 1) {
        for (std::int64_t j = 0; j < inner; ++j) hit |= (from[j] & 0x7F) >= limit;
      } else {
        hit = 1;
      }
      if (hit == 0) continue;
      for (std::int64_t j = 0; j < inner; ++j) {
        if (!is_special(type, from[j * step])) continue;
        flags[k_inner ? i : j] = 1;
        any = true;
      }
    }
    return any;
  }

  void redo_specials() {
    auto* rows = reinterpret_cast<std::uint8_t*>(scratch_ + layout_.flags);
    std::uint8_t* columns = rows + shape_.m;
    bool any = find_specials(a_, shape_.a_type, shape_.m, shape_.a_row, shape_.a_k, rows);
    any |= find_specials(b_, shape_.b_type, shape_.n, shape_.b_col, shape_.b_k, columns);
    if (!any && start_ == nullptr) return;
    for (std::int64_t m = 0; m < shape_.m; ++m) {
      for (std::int64_t n = 0; n < shape_.n; ++n) {
        const bool bad_start = start_ != nullptr && std::isnan(start_[m * shape_.n + n]);
        if (rows[m] != 0 || columns[n] != 0 || bad_start) out_[m * shape_.n + n] = scalar(m, n);
      }
    }
  }

  /// One output by the scalar definition.
  float scalar(std::int64_t m, std::int64_t n) const {
    const std::uint8_t* row = a_ + m * shape_.a_row;
    const std::uint8_t* column = b_ + n * shape_.b_col;
    float total = 0;
    float value = start_ != nullptr ? start_[m * shape_.n + n] : 0.0f;
    for (std::int64_t k = 0; k < shape_.k; k += kStep) {
      if (!shape_.one_chain && k > 0 && k % kBlock == 0) {
        total = k == kBlock ? value : total + value;
        value = 0;
      }
      const auto a = gather_step(row + k * shape_.a_k, shape_.a_k, shape_.k - k);
      const auto b = gather_step(column + k * shape_.b_k, shape_.b_k, shape_.k - k);
      value = numerics::fp8_mma_k32(shape_.a_type, a, shape_.b_type, b, value);
    }
    return shape_.one_chain || shape_.k <= kBlock ? value : total + value;
  }

  const Fp8Kernels& kernels_;
  Layout layout_;
  const DotShape& shape_;
  const std::uint8_t* a_;
  const std::uint8_t* b_;
  const float* start_;
  float* out_;
  std::byte* scratch_;
};

}  // namespace

std::size_t fp8_dot_scratch_bytes(const DotShape& shape) {
  // Whichever kernels run: tests switch between them.
  std::size_t most = 0;
  for (const Fp8Kernels* kernels : all_fp8_kernels()) {
    most = std::max(most, Layout(shape, *kernels).end);
  }
  return most;
}

void fp8_dot(const DotShape& shape, const std::uint8_t* a, const std::uint8_t* b,
             const float* start, float* out, std::byte* scratch) {
  Fp8Dot(shape, a, b, start, out, scratch).run();
}

}  // namespace octile::cpu
