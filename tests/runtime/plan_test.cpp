// The launched grid by the rules of cuda::CudaProgram, and signatures of calls.
#include "octile/runtime/plan.hpp"

#include "octile/codegen/ir/builder.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "support.hpp"

namespace octile::runtime {
namespace {

using test::error_of;

/// A grid of ceil(M / 64) x ceil(N / 32).
struct GridOf : testing::Test {
  GridOf() : function("grid") {
    ir::Builder b(function);
    const ir::DimId m = b.dim("M");
    const ir::DimId n = b.dim("N");
    const auto tiles = [&](ir::DimId dim, int extent) {
      return b.binary(ir::OpKind::ceil_div, b.dim_value(dim),
                      b.constant_int(ElementType::i64, extent));
    };
    b.set_grid({tiles(m, 64), tiles(n, 32)});
  }
  ir::Function function;
  cuda::CudaProgram program;
};

TEST_F(GridOf, ACtaPerTile) {
  const Grid grid = launch_grid(function, program, {130, 64});
  EXPECT_EQ(grid.tiles, (std::array<std::int32_t, 3>{3, 2, 1}));
  EXPECT_EQ(grid.ctas, 6u);
}

TEST_F(GridOf, NothingToLaunch) {
  EXPECT_EQ(launch_grid(function, program, {0, 64}).ctas, 0u);
}

TEST_F(GridOf, PersistentIsCapped) {
  program.persistent = true;
  program.max_ctas = 132;
  EXPECT_EQ(launch_grid(function, program, {130, 64}).ctas, 6u);
  EXPECT_EQ(launch_grid(function, program, {64 * 100, 64}).ctas, 132u);
  EXPECT_EQ(launch_grid(function, program, {0, 64}).ctas, 0u);
}

TEST_F(GridOf, StreamedFoldsTakeAllCtas) {
  program.persistent = true;
  program.streamed = true;
  program.max_ctas = 132;
  EXPECT_EQ(launch_grid(function, program, {130, 64}).ctas, 132u);
  EXPECT_EQ(launch_grid(function, program, {64 * 100, 64}).ctas, 132u);
  EXPECT_EQ(launch_grid(function, program, {0, 64}).ctas, 0u);
}

TEST_F(GridOf, WholeClusters) {
  program.cluster = 2;
  program.cluster_grid_position = 0;
  const Grid grid = launch_grid(function, program, {130, 64});
  EXPECT_EQ(grid.tiles[0], 3) << "the kernel sees the true count";
  EXPECT_EQ(grid.ctas, 8u);
  program.persistent = true;
  program.max_ctas = 5;
  EXPECT_EQ(launch_grid(function, program, {130, 64}).ctas, 4u);
}

TEST_F(GridOf, SplitFolds) {
  program.cluster = 4;
  program.ctas_per_tile = 4;
  EXPECT_EQ(launch_grid(function, program, {130, 64}).ctas, 24u);
}

TEST_F(GridOf, RefusesMoreThanTheHardwareCounts) {
  EXPECT_THAT(error_of(ErrorCode::user,
                       [&] {
                         launch_grid(function, program, {64ll << 32, 1});
                       }),
              testing::HasSubstr("expected at most 2^31 - 1 programs along grid extent 0"));
  EXPECT_THAT(error_of(ErrorCode::user,
                       [&] {
                         launch_grid(function, program, {64ll << 20, 32ll << 20});
                       }),
              testing::HasSubstr("expected at most 2^31 - 1 programs in the grid"));
}

TEST(CallSignature, TellsCallsApart) {
  Binding binding;
  binding.params = 5;
  binding.dims = 2;
  binding.dim_values[0] = 7;
  binding.dim_values[1] = 9;
  for (int p = 0; p < 5; ++p) binding.facts[static_cast<std::size_t>(p)] = {1, 16};
  const Stream cpu = Stream::cpu();
  const Signature base(binding, cpu);
  EXPECT_EQ(base, Signature(binding, cpu));
  EXPECT_EQ(Signature::Hash{}(base), Signature::Hash{}(Signature(binding, cpu)));
  EXPECT_FALSE(base == Signature(binding, Stream::cpu({.checked = true})));
  EXPECT_FALSE(base == Signature(binding, Stream::cpu({.cpu = "x86-64-v3"})));
  Binding other = binding;
  other.dim_values[1] = 10;
  EXPECT_FALSE(base == Signature(other, cpu));
  other = binding;
  other.facts[4].contiguous_dim = -1;
  EXPECT_FALSE(base == Signature(other, cpu));
  other = binding;
  other.facts[0].alignment = 8;
  EXPECT_FALSE(base == Signature(other, cpu));
}

}  // namespace
}  // namespace octile::runtime
