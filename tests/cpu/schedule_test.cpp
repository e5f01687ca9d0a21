// The extents that choose_schedule gives to axes that are left open.
#include <gtest/gtest.h>

#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using Axes = std::map<std::string, std::int64_t>;

Axes chosen(const Function& function, const std::vector<std::int64_t>& dims,
            const Axes& given = {}) {
  Schedule partial;
  partial.axes = given;
  return cpu::choose_schedule(function, partial, dims).axes;
}

TEST(Schedule, ADotsTilesAreLargeEnoughToShareTheDecoding) {
  Function function("product");
  build_block_scaled_product(function);
  EXPECT_EQ(chosen(function, {1024, 1024, 4096}), (Axes{{"BM", 128}, {"BN", 128}}));
  // BK is a literal of the program; what is given stays.
  EXPECT_EQ(chosen(function, {1024, 1024, 4096}, {{"BN", 256}}), (Axes{{"BM", 128}, {"BN", 256}}));
}

TEST(Schedule, SmallProblemsGetProgramsEnoughForTheThreads) {
  Function function("product");
  build_block_scaled_product(function);
  const Axes axes = chosen(function, {256, 256, 512});
  EXPECT_GE((256 / axes.at("BM")) * (256 / axes.at("BN")), 16);
  EXPECT_EQ(chosen(function, {1, 7168, 512}).at("BM"), 1);
  EXPECT_GE(chosen(function, {0, 0, 0}).at("BM"), 1) << "an empty problem has a schedule too";
}

TEST(Schedule, ElementwiseTilesAreLongAlongTheLastDimension) {
  Function function("add");
  Builder b(function);
  const AxisId BM = b.axis("BM"), BN = b.axis("BN");
  Value* m = block_index(b, b.grid_index(0), BM);
  Value* n = block_index(b, b.grid_index(1), BN);
  Value* x = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"M", "N"}), {m, n});
  b.store(add_tensor(b, "d", ElementType::f32, ir::Access::out, {"M", "N"}), {m, n}, x);
  b.set_grid({blocks(b, "M", BM), blocks(b, "N", BN)});
  EXPECT_EQ(chosen(function, {4096, 8192}), (Axes{{"BM", 4}, {"BN", 4096}}));
  EXPECT_EQ(chosen(function, {100000, 10}).at("BN"), 10);
}

TEST(Schedule, AnAxisWithoutBlocksCoversItsDimension) {
  // Rows in blocks, all of a row at once: as a softmax or a norm is written.
  for (const bool block_zero : {false, true}) {
    Function function("rows");
    Builder b(function);
    const AxisId BM = b.axis("BM"), BN = b.axis("BN");
    Value* m = block_index(b, b.grid_index(0), BM);
    Value* n = block_zero ? block_index(b, b.constant_int(ElementType::i64, 0), BN) : b.iota(BN);
    Value* x = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"M", "N"}), {m, n});
    Value* total = b.reduce(ir::ReduceKind::sum, x, BN);
    b.store(add_tensor(b, "d", ElementType::f32, ir::Access::out, {"M"}), {m}, total);
    b.set_grid({blocks(b, "M", BM)});
    const Axes axes = chosen(function, {1000, 5000});
    EXPECT_EQ(axes.at("BN"), 5000);
    EXPECT_EQ(axes.at("BM"), 3);
    EXPECT_EQ(chosen(function, {1000, 5000}), axes) << "deterministic";
  }
}

TEST(Schedule, RunsDivideTheirAxis) {
  Function function("groups");
  Builder b(function);
  const AxisId BN = b.axis("BN");
  Value* n = block_index(b, b.grid_index(0), BN);
  Value* x = b.load(add_tensor(b, "x", ElementType::f32, ir::Access::in, {"N"}), {n});
  Value* most = b.reduce(ir::ReduceKind::max, x, BN, 96);
  b.store(add_tensor(b, "d", ElementType::f32, ir::Access::out, {"N"}), {n}, most);
  b.set_grid({blocks(b, "N", BN)});
  for (const std::int64_t size : {1, 50, 1000, 100000}) {
    const Axes axes = chosen(function, {size});
    EXPECT_EQ(axes.at("BN") % 96, 0) << size;
  }
}

}  // namespace
}  // namespace octile::test
