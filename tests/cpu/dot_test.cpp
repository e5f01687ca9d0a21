// Dots: the kernels against the scalar definition, and dots in programs against the interpreter.
#include "octile/codegen/cpu/dot/dot.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using cpu::DotShape;

enum class Data { any, subnormal, sparse, special, cancelling };

void fill_fp8(std::vector<std::uint8_t>& bytes, ElementType type, Data how, std::mt19937& random) {
  const int specials = type == ElementType::e4m3 ? 0x7F : 0x7C;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::uint8_t byte = 0;
    const bool keep_special = how == Data::special && random() % 50 == 0;
    do {
      byte = static_cast<std::uint8_t>(random());
    } while (!keep_special && (byte & 0x7F) >= specials);
    if (how == Data::subnormal) byte &= 0x87;
    if (how == Data::sparse && random() % 3 != 0) byte &= 0x80;
    // Pairs that are each other's opposite, with a few small terms left over.
    if (how == Data::cancelling && i % 2 == 1 && random() % 8 != 0) byte = bytes[i - 1] ^ 0x80;
    bytes[i] = byte;
  }
}

struct AlignedScratch {
  explicit AlignedScratch(const DotShape& shape) : bytes(cpu::dot_scratch_bytes(shape) + 64) {}
  std::byte* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    return bytes.data() + (64 - address % 64) % 64;
  }
  std::vector<std::byte> bytes;
};

bool same_bits(float x, float y) {
  if (std::isnan(x) && std::isnan(y)) return true;
  return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
}

/// The chain of k32 steps from `start`, by the scalar definition.
float chain(const DotShape& shape, const std::vector<std::uint8_t>& a,
            const std::vector<std::uint8_t>& b, float start) {
  for (std::size_t k = 0; k < a.size(); k += 32) {
    std::array<std::uint8_t, 32> x{}, y{};
    for (std::size_t i = 0; i < 32 && k + i < a.size(); ++i) {
      x[i] = a[k + i];
      y[i] = b[k + i];
    }
    start = numerics::fp8_mma_k32(shape.a_type, x, shape.b_type, y, start);
  }
  return start;
}

class DotKernels : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    chosen_ = cpu::dot_instruction_set();
    if (!cpu::set_dot_instruction_set(GetParam())) GTEST_SKIP() << "not on this machine";
  }
  void TearDown() override { cpu::set_dot_instruction_set(chosen_); }

  void check(DotShape shape, Data how, std::mt19937& random, const std::vector<float>& starts) {
    std::vector<std::uint8_t> a(static_cast<std::size_t>(shape.m * shape.k));
    std::vector<std::uint8_t> b(static_cast<std::size_t>(shape.n * shape.k));
    fill_fp8(a, shape.a_type, how, random);
    fill_fp8(b, shape.b_type, how, random);
    AlignedScratch scratch(shape);
    std::vector<float> out(static_cast<std::size_t>(shape.m * shape.n), -7.0f);
    cpu::dot(shape, a.data(), b.data(), starts.empty() ? nullptr : starts.data(), out.data(),
             scratch.data());
    std::vector<std::uint8_t> row(static_cast<std::size_t>(shape.k)), column = row;
    for (std::int64_t m = 0; m < shape.m; ++m) {
      for (std::int64_t n = 0; n < shape.n; ++n) {
        for (std::int64_t k = 0; k < shape.k; ++k) {
          row[static_cast<std::size_t>(k)] =
              a[static_cast<std::size_t>(m * shape.a_row + k * shape.a_k)];
          column[static_cast<std::size_t>(k)] =
              b[static_cast<std::size_t>(n * shape.b_col + k * shape.b_k)];
        }
        const auto at = static_cast<std::size_t>(m * shape.n + n);
        const float wanted = starts.empty() ? numerics::fp8_dot(shape.a_type, row, shape.b_type,
                                                                column, shape.one_chain)
                                            : chain(shape, row, column, starts[at]);
        ASSERT_TRUE(same_bits(out[at], wanted))
            << "m " << m << " n " << n << " of " << shape.m << "x" << shape.n << "x" << shape.k
            << ": got " << out[at] << ", expected " << wanted;
      }
    }
  }

  static DotShape random_shape(std::mt19937& random, int types) {
    DotShape shape;
    shape.a_type = (types & 1) != 0 ? ElementType::e5m2 : ElementType::e4m3;
    shape.b_type = (types & 2) != 0 ? ElementType::e5m2 : ElementType::e4m3;
    shape.m = 1 + random() % 9;
    shape.n = 1 + random() % 150;
    shape.k = 1 + random() % 300;
    const bool a_inner = random() % 2 == 0;
    const bool b_inner = random() % 2 == 0;
    shape.a_row = a_inner ? shape.k : 1;
    shape.a_k = a_inner ? 1 : shape.m;
    shape.b_col = b_inner ? shape.k : 1;
    shape.b_k = b_inner ? 1 : shape.n;
    return shape;
  }

  const char* chosen_ = nullptr;
};

TEST_P(DotKernels, EqualTheScalarDefinitionToTheBit) {
  std::mt19937 random(1);
  for (const Data how :
       {Data::any, Data::subnormal, Data::sparse, Data::special, Data::cancelling}) {
    for (int i = 0; i < 16; ++i) {
      DotShape shape = random_shape(random, i);
      shape.one_chain = (i & 4) != 0;
      check(shape, how, random, {});
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(DotKernels, ContinueAnyChainToTheBit) {
  std::mt19937 random(2);
  for (int i = 0; i < 24; ++i) {
    DotShape shape = random_shape(random, i);
    shape.one_chain = true;
    std::vector<float> starts(static_cast<std::size_t>(shape.m * shape.n));
    for (float& start : starts) {
      // Every exponent, NaN and infinities; half of them near the products' size.
      start = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
      if (random() % 2 == 0) start = static_cast<float>(random() % 2000) - 1000.0f;
      if (random() % 8 == 0) start = 0;
    }
    check(shape, static_cast<Data>(i % 5), random, starts);
    if (HasFatalFailure()) return;
  }
}

TEST_P(DotKernels, F32AddsInAscendingOrderWithFusedSteps) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 12; ++i) {
    DotShape shape = random_shape(random, 0);
    shape.a_type = shape.b_type = ElementType::f32;
    std::vector<float> a(static_cast<std::size_t>(shape.m * shape.k));
    std::vector<float> b(static_cast<std::size_t>(shape.n * shape.k));
    for (float& x : a) x = normal(random);
    for (float& x : b) x = normal(random);
    AlignedScratch scratch(shape);
    std::vector<float> out(static_cast<std::size_t>(shape.m * shape.n));
    cpu::dot(shape, a.data(), b.data(), nullptr, out.data(), scratch.data());
    for (std::int64_t m = 0; m < shape.m; ++m) {
      for (std::int64_t n = 0; n < shape.n; ++n) {
        float sum = 0;
        for (std::int64_t k = 0; k < shape.k; ++k) {
          sum = std::fma(a[static_cast<std::size_t>(m * shape.a_row + k * shape.a_k)],
                         b[static_cast<std::size_t>(n * shape.b_col + k * shape.b_k)], sum);
        }
        ASSERT_TRUE(same_bits(out[static_cast<std::size_t>(m * shape.n + n)], sum));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, DotKernels, testing::Values("avx512", "avx2", "portable"),
                         [](const auto& info) { return std::string(info.param); });

/// d(M, N) = sum over blocks of K of dot(a, b), scaled or not, as a program.
struct Product {
  ElementType a = ElementType::e4m3;
  ElementType b = ElementType::e4m3;
  bool a_transposed = false, b_transposed = false;  ///< declared (K, M), (K, N)
  bool computed = false;                            ///< operands go through arithmetic first
  std::int64_t bm = 24, bn = 40, bk = 128;
};

void check_product(const Product& product, std::int64_t m, std::int64_t n, std::int64_t k, Fill how,
                   const RunOptions& options_in = {}) {
  Function function("product");
  Builder b(function);
  for (const char* name : {"M", "K", "N"}) b.dim(name);
  const AxisId BM = b.axis("BM"), BN = b.axis("BN"), BK = b.axis("BK");
  const auto operand = [&](const std::string& name, ElementType type, const std::string& dim,
                           bool transposed) {
    return transposed ? add_tensor(b, name, type, ir::Access::in, {"K", dim})
                      : add_tensor(b, name, type, ir::Access::in, {dim, "K"});
  };
  const ParamId pa = operand("a", product.a, "M", product.a_transposed);
  const ParamId pb = operand("b", product.b, "N", product.b_transposed);
  const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"M", "N"});
  Value* rows = block_index(b, b.grid_index(0), BM);
  Value* columns = block_index(b, b.grid_index(1), BN);
  const auto sum =
      b.fold(blocks(b, "K", BK), {b.constant(ElementType::f32, 0)},
             [&](Value* i, const std::vector<Value*>& carried) -> std::vector<Value*> {
               Value* depth = block_index(b, i, BK);
               const auto load = [&](ParamId p, Value* outer, bool transposed, ElementType type) {
                 Value* x = b.load(p, transposed ? std::vector<Value*>{depth, outer}
                                                 : std::vector<Value*>{outer, depth});
                 if (!product.computed) return x;
                 Value* twice = b.binary(OpKind::mul, b.cast(ElementType::f32, x),
                                         b.constant(ElementType::f32, 0.5));
                 return b.cast(type, twice);
               };
               Value* x = load(pa, rows, product.a_transposed, product.a);
               Value* y = load(pb, columns, product.b_transposed, product.b);
               return {b.binary(OpKind::add, carried[0], b.dot(x, y, BK))};
             });
  b.store(pd, {rows, columns}, sum[0]);
  b.set_grid({blocks(b, "M", BM), blocks(b, "N", BN)});
  std::mt19937 random(9);
  using Extents = std::vector<std::int64_t>;
  std::vector<Tensor> args = {
      tensor(product.a, product.a_transposed ? Extents{k, m} : Extents{m, k}),
      tensor(product.b, product.b_transposed ? Extents{k, n} : Extents{n, k}),
      tensor(ElementType::f32, {m, n})};
  fill(args[0], random, how);
  fill(args[1], random, how);
  fill_bytes(args[2], 0xFF);
  RunOptions options = options_in;
  options.axes = {{"BM", product.bm}, {"BN", product.bn}, {"BK", product.bk}};
  expect_same(function, args, {m, k, n}, options);
}

TEST(Dot, EveryLayoutAndFp8Pair) {
  for (int i = 0; i < 16; ++i) {
    Product product;
    product.a = (i & 1) != 0 ? ElementType::e5m2 : ElementType::e4m3;
    product.b = (i & 2) != 0 ? ElementType::e5m2 : ElementType::e4m3;
    product.a_transposed = (i & 4) != 0;
    product.b_transposed = (i & 8) != 0;
    check_product(product, 50, 70, 300, Fill::normal);
    check_product(product, 31, 33, 130, Fill::any_bits);
  }
}

TEST(Dot, ComputedOperandsAndOddTiles) {
  Product product{.computed = true, .bm = 7, .bn = 19, .bk = 96};
  check_product(product, 20, 45, 200, Fill::normal);
  product = {.bm = 1, .bn = 1, .bk = 1};
  check_product(product, 3, 2, 5, Fill::normal);
  product = {.bm = 64, .bn = 200, .bk = 256};
  check_product(product, 70, 210, 700, Fill::normal);
}

TEST(Dot, WideTypes) {
  for (const ElementType type : {ElementType::f32, ElementType::bf16, ElementType::f16}) {
    for (int i = 0; i < 4; ++i) {
      Product product{
          .a = type, .b = type, .a_transposed = (i & 1) != 0, .b_transposed = (i & 2) != 0};
      check_product(product, 50, 70, 300, Fill::small_integers);
      RunOptions options;
      options.compare_bits = false;
      options.tolerance = 1e-4;
      check_product(product, 50, 70, 300, Fill::normal, options);
    }
  }
}

TEST(Dot, NoDepthGivesTheInitialValue) {
  check_product({}, 20, 30, 0, Fill::normal);
}

TEST(Dot, SeveralOuterAxesAndScalars) {
  // d(P, R, Q) = dot(a(P, K, Q), b(R, K)), and e() = dot(c(K), c(K)).
  Function function("axes");
  Builder b(function);
  const AxisId P = b.axis("P", 3), Q = b.axis("Q", 5), R = b.axis("R", 18), K = b.axis("K", 40);
  const ParamId pa = add_tensor(b, "a", ElementType::e4m3, ir::Access::in, {"p", "k", "q"});
  const ParamId pb = add_tensor(b, "b", ElementType::e5m2, ir::Access::in, {"r", "k"});
  const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"p", "r", "q"});
  const ParamId pe = add_tensor(b, "e", ElementType::f32, ir::Access::out, {"one"});
  Value* k = b.iota(K);
  Value* x = b.load(pa, {b.iota(P), k, b.iota(Q)});
  Value* y = b.load(pb, {b.iota(R), k});
  b.store(pd, {b.iota(P), b.iota(R), b.iota(Q)}, b.dot(x, y, K));
  Value* row = b.load(pb, {b.constant_int(ElementType::i64, 2), k});
  b.store(pe, {b.constant_int(ElementType::i64, 0)}, b.dot(row, row, K));
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  std::mt19937 random(4);
  std::vector<Tensor> args = {tensor(ElementType::e4m3, {3, 40, 5}),
                              tensor(ElementType::e5m2, {18, 40}),
                              tensor(ElementType::f32, {3, 18, 5}), tensor(ElementType::f32, {1})};
  fill(args[0], random, Fill::normal);
  fill(args[1], random, Fill::normal);
  // Dims in order of appearance: p, k, q, r, one.
  expect_same(function, args, {3, 40, 5, 18, 1});
}

TEST(Dot, AFastDotContinuesTheCarriedChain) {
  Function function("fast");
  Builder b(function);
  const AxisId M = b.axis("M", 5), N = b.axis("N", 37), K = b.axis("K", 64);
  const ParamId pa = add_tensor(b, "a", ElementType::e4m3, ir::Access::in, {"m", "k"});
  const ParamId pb = add_tensor(b, "b", ElementType::e4m3, ir::Access::in, {"n", "k"});
  const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"m", "n"});
  const auto sum = b.fold(blocks(b, "k", K), {b.constant(ElementType::f32, 0)},
                          [&](Value* i, const std::vector<Value*>& carried) -> std::vector<Value*> {
                            Value* depth = block_index(b, i, K);
                            Value* product = b.dot(b.load(pa, {b.iota(M), depth}),
                                                   b.load(pb, {b.iota(N), depth}), K,
                                                   /*fast_accumulate=*/true);
                            return {b.binary(OpKind::add, carried[0], product)};
                          });
  b.store(pd, {b.iota(M), b.iota(N)}, sum[0]);
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  std::mt19937 random(6);
  std::vector<Tensor> args = {tensor(ElementType::e4m3, {5, 500}),
                              tensor(ElementType::e4m3, {37, 500}),
                              tensor(ElementType::f32, {5, 37})};
  fill(args[0], random, Fill::normal);
  fill(args[1], random, Fill::normal);
  run(function, args, {5, 500, 37});
  for (std::int64_t m = 0; m < 5; ++m) {
    for (std::int64_t n = 0; n < 37; ++n) {
      const std::uint8_t* row = &args[0].at<std::uint8_t>(m * 500);
      const std::uint8_t* column = &args[1].at<std::uint8_t>(n * 500);
      // One chain over all of K: blocks of 64 add nothing but zeros at the end.
      const float wanted =
          numerics::fp8_dot(ElementType::e4m3, {row, 500}, ElementType::e4m3, {column, 500}, true);
      EXPECT_TRUE(same_bits(args[2].at<float>(m * 37 + n), wanted));
    }
  }
}

}  // namespace
}  // namespace octile::test
