// The engine's own behaviour: arguments, variants, threads, float environment, text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cfenv>
#include <thread>

#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using testing::HasSubstr;

/// d = x + x over blocks, prepared.
std::unique_ptr<Function> doubling(ElementType type = ElementType::f32) {
  auto function = std::make_unique<Function>("doubling");
  Builder b(*function);
  const AxisId BN = b.axis("BN");
  Value* n = block_index(b, b.grid_index(0), BN);
  Value* x = b.load(add_tensor(b, "x", type, ir::Access::in, {"N"}), {n});
  if (type == ElementType::f32) x = b.binary(OpKind::add, x, x);
  b.store(add_tensor(b, "d", type, ir::Access::out, {"N"}), {n}, x);
  b.set_grid({blocks(b, "N", BN)});
  passes::prepare(*function, {{"BN", 64}});
  return function;
}

template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const ir::Error& error) {
    return error.what();
  }
  return "";
}

TEST(Engine, IsAvailable) {
  EXPECT_TRUE(cpu::available());
}

TEST(Engine, RefusesArgumentsThatDontFit) {
  const auto program = cpu::compile(*doubling(), {});
  std::vector<float> memory(20);
  const cpu::Arg good{memory.data(), {10}, {1}, nullptr};
  const auto run = [&](std::vector<cpu::Arg> args, std::vector<std::int64_t> dims) {
    return error_of([&] { program->run(args, dims); });
  };
  EXPECT_EQ(run({good, good}, {10}), "");
  EXPECT_THAT(run({good}, {10}), HasSubstr("expected 2 arguments, got 1"));
  EXPECT_THAT(run({good, good}, {}), HasSubstr("expected 1 problem sizes (N), got 0"));
  EXPECT_THAT(run({good, good}, {-1}), HasSubstr("problem size 'N' is -1"));
  EXPECT_THAT(run({good, {memory.data(), {9}, {1}, nullptr}}, {10}),
              HasSubstr("argument 'd': expected extent 10 in dimension 0, got 9"));
  EXPECT_THAT(run({good, {memory.data(), {10, 1}, {1, 1}, nullptr}}, {10}),
              HasSubstr("argument 'd': expected 1 extents"));
  EXPECT_THAT(run({good, {nullptr, {10}, {1}, nullptr}}, {10}), HasSubstr("address is null"));
}

TEST(Engine, NamesAnAxisWithoutAnExtent) {
  Function function("open");
  Builder b(function);
  const AxisId BN = b.axis("BN");
  const ParamId d = add_tensor(b, "d", ElementType::i64, ir::Access::out, {"N"});
  b.store(d, {b.iota(BN)}, b.iota(BN));
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  EXPECT_THAT(error_of([&] { cpu::compile(function, {}); }), HasSubstr("axis 'BN'"));
}

TEST(Engine, EmptyGridsRunNothing) {
  const auto program = cpu::compile(*doubling(), {});
  program->run({{nullptr, {0}, {1}, nullptr}, {nullptr, {0}, {1}, nullptr}}, {0});
}

TEST(Engine, OneProgramTakesTensorsOfAnyStrides) {
  const auto program = cpu::compile(*doubling(), {});
  std::vector<float> x(300), d(300, -1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  for (const std::int64_t stride : {1, 3, -2, 1}) {
    float* from = stride < 0 ? x.data() + 200 : x.data();
    program->run({{from, {100}, {stride}, nullptr}, {d.data(), {100}, {1}, nullptr}}, {100});
    for (std::int64_t i = 0; i < 100; ++i) {
      ASSERT_EQ(d[static_cast<std::size_t>(i)], 2 * from[i * stride]) << "stride " << stride;
    }
  }
}

TEST(Engine, RunsFromManyThreadsAtOnce) {
  const auto program = cpu::compile(*doubling(), {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 20; ++round) {
        std::vector<float> x(5000, static_cast<float>(t)), d(5000);
        program->run({{x.data(), {5000}, {1}, nullptr}, {d.data(), {5000}, {1}, nullptr}}, {5000});
        for (const float value : d) ASSERT_EQ(value, static_cast<float>(2 * t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Engine, CompilesFromManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 5; ++i) {
        const auto program = cpu::compile(*doubling(), {});
        float x[2] = {1, 2}, d[2];
        program->run({{x, {2}, {1}, nullptr}, {d, {2}, {1}, nullptr}}, {2});
        ASSERT_EQ(d[1], 4);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Engine, TheCallersRoundingModeNeitherCountsNorChanges) {
  Function function("third");
  Builder b(function);
  const ParamId d = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"one"});
  Value* three = b.scalar_param(b.scalar("x", ElementType::f32));
  b.store(d, {b.constant_int(ElementType::i64, 0)},
          b.binary(OpKind::div, b.constant(ElementType::f32, 1), three));
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  const auto program = cpu::compile(function, {});
  float x = 3, result = 0;
  std::fesetround(FE_UPWARD);
  program->run({{&result, {1}, {1}, nullptr}, {&x, {}, {}, nullptr}}, {1});
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(result, 1.0f / 3.0f);
}

TEST(Engine, ScalarsOfEveryType) {
  for (int i = 0; i < kElementTypeCount; ++i) {
    const auto type = static_cast<ElementType>(i);
    Function function("scalars");
    Builder b(function);
    const ParamId s = b.scalar("s", type);
    const ParamId d = add_tensor(b, "d", type, ir::Access::out, {"n"});
    const AxisId N = b.axis("N", 20);
    b.store(d, {b.iota(N)}, b.scalar_param(s));
    b.set_grid({b.constant_int(ElementType::i64, 1)});
    std::vector<Tensor> args = {tensor(type, {}), tensor(type, {20})};
    std::mt19937 random(1);
    fill(args[0], random, Fill::any_bits);
    expect_same(function, args, {20});
  }
}

TEST(Engine, TensorsOverTwoToThe31Elements) {
  // Memory that is never touched isn't there: only the last page of each tensor is.
  const std::int64_t count = (std::int64_t{1} << 31) + 1000;
  const auto map = [&] {
    void* memory = mmap(nullptr, static_cast<std::size_t>(count), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<std::uint8_t*>(memory);
  };
  std::uint8_t* x = map();
  std::uint8_t* d = map();
  if (x == nullptr || d == nullptr) GTEST_SKIP() << "no address space";
  Function function("far");
  Builder b(function);
  const AxisId BN = b.axis("BN", 100);
  const ParamId px = add_tensor(b, "x", ElementType::u8, ir::Access::in, {"N"});
  const ParamId pd = add_tensor(b, "d", ElementType::u8, ir::Access::out, {"N"});
  Value* n = b.binary(OpKind::add, b.iota(BN),
                      b.binary(OpKind::sub, b.dim_value(0), b.constant_int(ElementType::i64, 90)));
  b.store(pd, {n}, b.load(px, {n}));
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  passes::prepare(function, {});
  for (std::int64_t i = 1; i <= 90; ++i) x[count - i] = static_cast<std::uint8_t>(i);
  cpu::compile(function, {})
      ->run({{x, {count}, {1}, nullptr}, {d, {count}, {1}, nullptr}}, {count});
  for (std::int64_t i = 1; i <= 90; ++i) ASSERT_EQ(d[count - i], static_cast<std::uint8_t>(i));
  EXPECT_EQ(d[count - 91], 0);
  munmap(x, static_cast<std::size_t>(count));
  munmap(d, static_cast<std::size_t>(count));
}

TEST(Engine, TheTextIsVectorised) {
  const auto program = cpu::compile(*doubling(), {});
  EXPECT_THAT(program->llvm_ir(), HasSubstr("fadd <16 x float>"));
  EXPECT_THAT(program->llvm_ir(), HasSubstr("define void @doubling"));
}

TEST(Engine, LongChainsOfSharedValuesCompileQuickly) {
  Function function("chain");
  Builder b(function);
  const AxisId N = b.axis("N", 40);
  Value* n = b.iota(N);
  Value* index = n;
  Value* x = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"n"}), {n});
  for (int i = 0; i < 60; ++i) {
    x = b.binary(OpKind::mul, x, x);
    index = b.binary(OpKind::sub, b.binary(OpKind::add, index, index), index);
  }
  b.store(add_tensor(b, "d", ElementType::f32, ir::Access::out, {"n"}), {index}, x);
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  cpu::choose_schedule(function, {}, {40});
  std::vector<Tensor> args = {tensor(ElementType::f32, {40}), tensor(ElementType::f32, {40})};
  std::mt19937 random(1);
  fill(args[0], random, Fill::normal);
  expect_same(function, args, {40});
}

TEST(Engine, BlockScaledProductEqualsTheInterpreter) {
  for (const auto& [m, n, k] :
       {std::array<std::int64_t, 3>{40, 150, 300}, {1, 8, 128}, {65, 130, 256}, {3, 5, 0}}) {
    Function function("block_scaled");
    build_block_scaled_product(function);
    std::vector<Tensor> args = block_scaled_arguments(m, n, k);
    expect_same(function, args, {m, n, k}, {{{"BM", 32}, {"BN", 80}}});
  }
}

TEST(Engine, ASchedulesTilesDontChangeTheBits) {
  Function function("block_scaled");
  build_block_scaled_product(function);
  std::vector<Tensor> first;
  for (const auto& [bm, bn] : {std::pair<int, int>{128, 128}, {16, 72}, {1, 200}, {33, 1}}) {
    const auto bound = ir::clone(function);
    passes::prepare(*bound, {{"BM", bm}, {"BN", bn}});
    std::vector<Tensor> args = block_scaled_arguments(70, 210, 384);
    run(*bound, args, {70, 210, 384});
    if (first.empty()) first = args;
    EXPECT_EQ(args[4].bytes, first[4].bytes) << bm << "x" << bn;
  }
}

}  // namespace
}  // namespace octile::test
