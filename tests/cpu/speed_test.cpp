// Times that must not be lost. The limits are generous: they catch a lost fast path, not noise.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "octile/codegen/cpu/dot/dot.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

TEST(Speed, BlockScaledProduct) {
  Function function("block_scaled");
  build_block_scaled_product(function);
  const std::vector<std::int64_t> dims = {1024, 1024, 4096};
  const Schedule schedule = cpu::choose_schedule(function, {}, dims);
  passes::prepare(function, schedule.axes);
  const auto before_compile = Clock::now();
  const auto program = cpu::compile(function, {});
  const double compile_seconds = seconds_since(before_compile);
  std::vector<Tensor> args = block_scaled_arguments(1024, 1024, 4096);
  const auto cpu = cpu_args(args);
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    program->run(cpu, dims);
    best = std::min(best, seconds_since(start));
  }
  std::cout << "1024x1024x4096 block-scaled: " << best * 1e3 << " ms, "
            << 1024.0 * 1024 * 4096 / best / 1e9 << " GMAC/s with " << to_string(schedule) << " on "
            << cpu::dot_instruction_set() << "; compiled in " << compile_seconds * 1e3 << " ms\n";
  EXPECT_LT(best, 2.0);
}

TEST(Speed, CompilesASmallKernel) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    Function function("scale");
    Builder b(function);
    const AxisId BN = b.axis("BN");
    Value* n = block_index(b, b.grid_index(0), BN);
    Value* x = b.load(add_tensor(b, "x", ElementType::bf16, ir::Access::in, {"N"}), {n});
    Value* y = b.unary(OpKind::tanh, b.cast(ElementType::f32, x));
    b.store(add_tensor(b, "d", ElementType::bf16, ir::Access::out, {"N"}), {n},
            b.cast(ElementType::bf16, y));
    b.set_grid({blocks(b, "N", BN)});
    passes::prepare(function, {{"BN", 1024}});
    const auto start = Clock::now();
    cpu::compile(function, {});
    best = std::min(best, seconds_since(start));
  }
  std::cout << "a small kernel compiles in " << best * 1e3 << " ms\n";
  EXPECT_LT(best, 0.2);
}

TEST(Speed, StreamsAnElementwiseKernel) {
  Function function("stream");
  Builder b(function);
  const AxisId BN = b.axis("BN");
  Value* n = block_index(b, b.grid_index(0), BN);
  Value* x = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"N"}), {n});
  Value* y = b.load(add_tensor(b, "y", ElementType::f32, ir::Access::in, {"N"}), {n});
  b.store(add_tensor(b, "d", ElementType::f32, ir::Access::out, {"N"}), {n},
          b.binary(OpKind::add, x, y));
  b.set_grid({blocks(b, "N", BN)});
  const std::int64_t count = 1 << 24;
  const Schedule schedule = cpu::choose_schedule(function, {}, {count});
  passes::prepare(function, schedule.axes);
  const auto program = cpu::compile(function, {});
  std::vector<Tensor> args;
  for (int i = 0; i < 3; ++i) args.push_back(tensor(ElementType::f32, {count}));
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    program->run(cpu_args(args), {count});
    best = std::min(best, seconds_since(start));
  }
  std::cout << "adding tensors: " << 12.0 * static_cast<double>(count) / best / 1e9 << " GB/s\n";
  EXPECT_LT(best, 1.0);
}

/// Best of three runs, with every axis left to choose_schedule.
double best_seconds(Function& function, std::vector<Tensor>& args,
                    const std::vector<std::int64_t>& dims) {
  const Schedule schedule = cpu::choose_schedule(function, {}, dims);
  passes::prepare(function, schedule.axes);
  const auto program = cpu::compile(function, {});
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    program->run(cpu_args(args), dims);
    best = std::min(best, seconds_since(start));
  }
  return best;
}

TEST(Speed, RowSoftmax) {
  Function function("softmax");
  Builder b(function);
  const AxisId BM = b.axis("BM"), BN = b.axis("BN");
  Value* m = block_index(b, b.grid_index(0), BM);
  const std::vector<Value*> at = {m, b.iota(BN)};
  Value* x = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"M", "N"}), at,
                    b.constant(ElementType::f32, -1e30));
  Value* most = b.reduce(ir::ReduceKind::max, x, BN);
  Value* power = b.unary(OpKind::exp, b.binary(OpKind::sub, x, most));
  Value* total = b.reduce(ir::ReduceKind::sum, power, BN);
  b.store(add_tensor(b, "d", ElementType::f32, ir::Access::out, {"M", "N"}), at,
          b.binary(OpKind::div, power, total));
  b.set_grid({blocks(b, "M", BM)});
  std::vector<Tensor> args = {tensor(ElementType::f32, {2048, 4096}),
                              tensor(ElementType::f32, {2048, 4096})};
  const double best = best_seconds(function, args, {2048, 4096});
  std::cout << "softmax 2048x4096: " << best * 1e3 << " ms, " << 8.0 * 2048 * 4096 / best / 1e9
            << " GB/s\n";
  EXPECT_LT(best, 1.0);
}

TEST(Speed, QuantiseInRunsOf128) {
  Function function("quantise");
  Builder b(function);
  const ir::DimId M = b.dim("M"), K = b.dim("K");
  const AxisId BM = b.axis("BM"), BK = b.axis("BK");
  Value* m = block_index(b, b.grid_index(0), BM);
  Value* k = block_index(b, b.grid_index(1), BK);
  Value* x = b.load(add_tensor(b, "x", ElementType::bf16, ir::Access::in, {"M", "K"}), {m, k});
  x = b.cast(ElementType::f32, x);
  Value* most = b.reduce(ir::ReduceKind::max, b.unary(OpKind::abs, x), BK, 128);
  Value* scale = b.binary(OpKind::div, most, b.constant(ElementType::f32, 448));
  const ParamId q = add_tensor(b, "q", ElementType::e4m3, ir::Access::out, {"M", "K"});
  const ParamId s =
      b.tensor({"s", ElementType::f32, true, ir::Access::out, {{M, 0, 1}, {K, 0, 128}}});
  b.store(q, {m, k}, b.cast(ElementType::e4m3, b.binary(OpKind::div, x, scale)));
  b.store(s, {m, b.binary(OpKind::div, k, b.constant_int(ElementType::i64, 128))}, scale);
  b.set_grid({blocks(b, "M", BM), blocks(b, "K", BK)});
  std::vector<Tensor> args = {tensor(ElementType::bf16, {2048, 4096}),
                              tensor(ElementType::e4m3, {2048, 4096}),
                              tensor(ElementType::f32, {2048, 32})};
  const double best = best_seconds(function, args, {2048, 4096});
  std::cout << "quantise 2048x4096: " << best * 1e3 << " ms, " << 3.0 * 2048 * 4096 / best / 1e9
            << " GB/s\n";
  EXPECT_LT(best, 1.0);
}

}  // namespace
}  // namespace octile::test
