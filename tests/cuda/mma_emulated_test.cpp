// Kernels that multiply with mma.sync, run on the host as they are emitted: fragments, swizzles,
// rings, bounds and epilogues give exact results on small integers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "octile/codegen/cuda/target.hpp"
#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/cuda/emulator/emulator.hpp"
#include "octile/tests/cuda/mma_kernels.hpp"

namespace octile::test {
namespace {

/// A row-major matrix of storage bits and what they mean.
class Matrix {
 public:
  Matrix(ElementType element, std::int64_t rows, std::int64_t columns)
      : element_(element),
        extents_{rows, columns},
        size_(static_cast<std::size_t>(size_in_bytes(element))),
        bytes_(size_ * static_cast<std::size_t>(rows * columns) + kGuard, 0xFF) {}

  /// Whole numbers in [-3, 3], or powers of two from 1/2 to 2.
  void fill(int seed, bool powers = false) {
    for (std::int64_t i = 0; i < extents_[0] * extents_[1]; ++i) {
      std::uint32_t x = static_cast<std::uint32_t>(i + 77 * seed) * 2654435761u >> 16;
      const float value = powers ? std::ldexp(1.0f, static_cast<int>(x % 3) - 1)
                                 : static_cast<float>(static_cast<int>(x % 7) - 3);
      set(i, value);
    }
  }
  void set(std::int64_t i, float value) {
    const std::uint32_t bits = numerics::encode(element_, value);
    std::memcpy(bytes_.data() + size_ * static_cast<std::size_t>(i), &bits, size_);
  }
  float operator()(std::int64_t row, std::int64_t column) const {
    std::uint32_t bits = 0;
    std::memcpy(&bits, bytes_.data() + size_ * static_cast<std::size_t>(row * extents_[1] + column),
                size_);
    return numerics::decode(element_, bits);
  }
  runtime::Argument argument() {
    return octile::view(static_cast<void*>(bytes_.data()), element_, {extents_[0], extents_[1]});
  }
  bool is_guard_whole() const {
    return std::all_of(bytes_.end() - kGuard, bytes_.end(),
                       [](unsigned char b) { return b == 0xFF; });
  }

 private:
  static constexpr int kGuard = 64;
  ElementType element_;
  std::vector<std::int64_t> extents_;
  std::size_t size_;
  std::vector<unsigned char> bytes_;
};

template <class Kernel, class... Matrices>
void run(const Kernel& kernel, const Schedule& schedule, Matrices&... matrices) {
  const std::array<runtime::Argument, sizeof...(Matrices)> list{matrices.argument()...};
  emulate(kernel.ir(), schedule, cuda::target_named("sm_89"), list);
}

int blocks(std::int64_t size, std::int64_t extent) {
  return static_cast<int>((size + extent - 1) / extent);
}

struct Case {
  std::int64_t m, n, k;
  Schedule schedule;
};

Schedule with(std::initializer_list<Knob> knobs) {
  return apply_knobs({}, knobs);
}

TEST(MmaEmulated, BlockScaledProducts) {
  const auto gemm = fp8_gemm();
  for (const Case& c :
       {Case{70, 72, 384, with({BM(64), BN(64)})},
        Case{33, 40, 200, with({BM(32), BN(24), stages(2)})},
        Case{130, 136, 256, with({BM(128), BN(128)})}, Case{5, 130, 72, with({BM(8), BN(64)})},
        Case{20, 24, 144, with({BM(48), BN(16), warps(8), stages(1)})},
        Case{100, 192, 640, with({BM(64), BN(96), warps(4), persistent()})},
        Case{17, 9, 130, with({BM(16), BN(8)})}}) {
    SCOPED_TRACE(std::to_string(c.m) + "x" + std::to_string(c.n) + "x" + std::to_string(c.k) + " " +
                 to_string(c.schedule));
    const std::int64_t runs = blocks(c.k, 128);
    Matrix a(ElementType::e4m3, c.m, c.k), b(ElementType::e4m3, c.n, c.k);
    Matrix sa(ElementType::f32, c.m, runs), sb(ElementType::f32, blocks(c.n, 128), runs);
    Matrix d(ElementType::bf16, c.m, c.n);
    a.fill(1), b.fill(2), sa.fill(3, true), sb.fill(4, true);
    run(gemm, c.schedule, a, sa, b, sb, d);
    int wrong = 0;
    for (std::int64_t i = 0; i < c.m; ++i) {
      for (std::int64_t j = 0; j < c.n; ++j) {
        float want = 0;
        for (std::int64_t k = 0; k < c.k; ++k)
          want += a(i, k) * b(j, k) * sa(i, k / 128) * sb(j / 128, k / 128);
        want = numerics::decode(ElementType::bf16, numerics::encode(ElementType::bf16, want));
        if (d(i, j) != want && wrong++ == 0)
          ADD_FAILURE() << "row " << i << ", column " << j << ": got " << d(i, j) << " not "
                        << want;
      }
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(d.is_guard_whole());
  }
}

// Sums in place, in bf16; and a K that both ends of copies of 4 bytes cut.
TEST(MmaEmulated, ProductsOfBf16) {
  const auto gemm = half_gemm<bf16>("bf16_gemm");
  for (const Case& c : {Case{70, 40, 200, with({BM(64), BN(32)})},
                        Case{40, 72, 102, with({BM(32), BN(72), stages(3)})},
                        Case{9, 16, 65, with({BM(16), BN(16)})}}) {
    SCOPED_TRACE(to_string(c.schedule));
    Matrix a(ElementType::bf16, c.m, c.k), b(ElementType::bf16, c.n, c.k);
    Matrix d(ElementType::bf16, c.m, c.n);
    a.fill(1), b.fill(2);
    run(gemm, c.schedule, a, b, d);
    for (std::int64_t i = 0; i < c.m; ++i) {
      for (std::int64_t j = 0; j < c.n; ++j) {
        float want = 0;
        for (std::int64_t k = 0; k < c.k; ++k) want += a(i, k) * b(j, k);
        want = numerics::decode(ElementType::bf16, numerics::encode(ElementType::bf16, want));
        ASSERT_EQ(d(i, j), want) << i << ", " << j;
      }
    }
  }
}

// Two dots in a fold: one of an operand from before the fold, one of a computed operand.
TEST(MmaEmulated, Attention) {
  const auto kernel = attention();
  for (const Schedule& schedule :
       {with({BM(64)}), with({BM(32), warps(4)}), with({BM(128), stages(2)})}) {
    SCOPED_TRACE(to_string(schedule));
    const std::int64_t queries = 70, keys = 130;
    Matrix q(ElementType::bf16, queries, 64), k(ElementType::bf16, keys, 64),
        v(ElementType::bf16, keys, 64), o(ElementType::bf16, queries, 64);
    q.fill(1), k.fill(2), v.fill(3);
    run(kernel, schedule, q, k, v, o);
    for (std::int64_t i = 0; i < queries; ++i) {
      std::vector<double> p;
      double total = 0, top = -1e30;
      for (std::int64_t s = 0; s < keys; ++s) {
        double dot = 0;
        for (std::int64_t e = 0; e < 64; ++e) dot += q(i, e) * k(s, e);
        p.push_back(dot * 0.125);
        top = std::max(top, p.back());
      }
      for (double& x : p) total += x = std::exp(x - top);
      for (std::int64_t e = 0; e < 64; ++e) {
        double want = 0;
        for (std::int64_t s = 0; s < keys; ++s) want += p[static_cast<std::size_t>(s)] * v(s, e);
        ASSERT_NEAR(o(i, e), want / total, 0.02 + 0.01 * std::abs(want / total)) << i << ", " << e;
      }
    }
  }
}

}  // namespace
}  // namespace octile::test
