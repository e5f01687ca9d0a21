// A product gives the same bits every time: a race between the warps' roles shows as a tile that
// differs once in many launches.
#include <fmt/format.h>

#include <cstring>
#include <random>

#include "octile/kernels/gemm.hpp"
#include "octile/octile.hpp"
#include "octile/tests/gemm/support.hpp"

namespace octile::test {
namespace {

constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr int kLaunches = 40;

class Repeat : public GemmTest {};

/// One schedule per way in which operands, scales and results travel.
std::vector<Schedule> ways() {
  const std::initializer_list<Knob> list[] = {
      {BM(128), BN(128)},
      {BM(128), BN(160)},
      {BM(128), BN(192), cluster(2, BM)},
      {BM(128), BN(128), cluster(2, BN)},
      {BM(128), BN(128), order_consumers()},
      {BM(128), BN(128), stagger_consumers()},
      {BM(128), BN(128), unroll(1)},
      {BM(128), BN(128), accumulators(2)},
      {BM(192), BN(128)},
      {BM(256), BN(96), consumers(2)},
      {BM(256), BN(128), consumers(2), cluster(2, BN)},
      {BM(128), BN(96), consumers(1), ctas_per_sm(2)},
      {BM(64), BN(64), split_fold(4), ctas_per_sm(4)},
      {BM(128), BN(40), ctas_per_sm(2)},
      {BM(128), BN(40), accumulators(2)},
      {BM(128), BN(40), accumulators(2), ctas_per_sm(2)},
      {BM(128), BN(128), transpose_panels()},
      {BM(64), BN(40), ctas_per_sm(4), transpose_panels()},
      {BM(128), BN(128), mma_sync()},
      {BM(64), BN(128), swap_operands()},
      {BM(128), BN(128), swap_operands()},
      {BM(64), BN(96), split_fold(4)},
      {BM(16), BN(128), swap_operands(), split_fold(4)},
      {BM(128), BN(128), ping_pong()},
      {BM(64), BN(96), ping_pong(), accumulators(2)},
      {BM(64), BN(128), ping_pong(), cluster(2, BN)},
      {BM(256), BN(128), consumers(2), epilogue_overlap(false)},
      {BM(256), BN(128), consumers(2), epilogue_overlap(false), stores_apart()},
      {BM(128), BN(144), persistent(false)},
      {BM(256), BN(128), consumers(2), persistent(false)},
      {BM(128), BN(96), consumers(1), ctas_per_sm(2), persistent(false)},
      {BM(64), BN(72), fold_teams(2)},
      {BM(64), BN(40), fold_teams(3)},
      {BM(64), BN(72), fold_teams(2), tile_pieces(false)},
      {BM(128), BN(176), tile_pieces()},
      {BM(128), BN(128), fold_teams(2)},
      {BM(64), BN(64), fold_teams(2), accumulators(2)},
      {BM(64), BN(32), fold_teams(4), split_fold(4)},
      {BM(8), BN(64), swap_operands(), fold_teams(2), split_fold(2), ctas_per_sm(3)},
      {BM(128), BN(128), stream_fold()},
      {BM(256), BN(128), consumers(2), stream_fold()},
      {BM(128), BN(96), consumers(1), ctas_per_sm(2), stream_fold()},
      {BM(128), BN(40), accumulators(2), stream_fold()},
  };
  std::vector<Schedule> schedules;
  for (const auto& knobs : list) schedules.push_back(apply_knobs({}, knobs));
  return schedules;
}

/// The rows in which two outputs differ, with the columns and how many of them; "" if none does.
template <typename T>
std::string difference(const Guarded& a, const Guarded& b, const Shape& shape) {
  constexpr int kMostRows = 24;
  std::string text;
  int rows = 0;
  for (std::int64_t row = 0; row < shape.m; ++row) {
    const T *x = a.row<T>(row), *y = b.row<T>(row);
    std::int64_t first = -1, last = -1, count = 0;
    for (std::int64_t column = 0; column < shape.n; ++column) {
      if (std::memcmp(x + column, y + column, sizeof(T)) == 0) continue;
      if (first < 0) first = column;
      last = column;
      ++count;
    }
    if (count > 0 && ++rows <= kMostRows)
      text += fmt::format("row {}: {} columns from {} to {}\n", row, count, first, last);
  }
  return rows > kMostRows ? text + fmt::format("and {} more rows\n", rows - kMostRows) : text;
}

TEST_F(Repeat, EveryLaunchGivesTheSameBits) {
  const Gemm& gemm = block_scaled(ElementType::bf16);
  const Shape shape = on_gpu() ? Shape{2048, 7168, 8192} : Shape{65, 136, 656};
  std::vector<Launch> runs;
  for (const Schedule& schedule : ways()) runs.push_back({&gemm, schedule, shape});
  compile_ahead(runs);
  const Problem problem(stream(), shape, Fill::normals);
  for (const Launch& run : runs) {
    SCOPED_TRACE(octile::to_string(run.schedule));
    Guarded first = problem.output(stream(), gemm.d);
    ASSERT_EQ(launch(stream(), run, problem.operands(first)), "");
    ASSERT_EQ(first.download(), "");
    for (int i = 1; i < kLaunches; ++i) {
      Guarded again = problem.output(stream(), gemm.d);
      ASSERT_EQ(launch(stream(), run, problem.operands(again)), "");
      ASSERT_EQ(again.download(), "");
      ASSERT_EQ(difference<std::uint16_t>(first, again, shape), "") << "in launch " << i;
    }
  }
}

// A warp writes what the tensor core multiplies scales with, from panels that others bring.
TEST_F(Repeat, OuterProductsGiveTheSameBits) {
  const auto gemm =
      kernels::gemm<e4m3>("outer_scaled", kernels::scale_1x128_1x128, kernels::to<f32>());
  const Shape shape = on_gpu() ? Shape{2048, 2048, 4096} : Shape{65, 72, 512};
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const auto tensor = [&](ElementType element, std::int64_t rows, std::int64_t columns) {
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    for (float& x : values) x = normal(random);
    Tensor t = Tensor::empty(stream(), element, {rows, columns});
    t.copy_from(values);
    return t;
  };
  const Tensor a = tensor(ElementType::e4m3, shape.m, shape.k),
               b = tensor(ElementType::e4m3, shape.n, shape.k),
               sa = tensor(ElementType::f32, shape.m, shape.k / 128),
               sb = tensor(ElementType::f32, shape.n, shape.k / 128),
               d = Tensor::empty(stream(), ElementType::f32, {shape.m, shape.n});
  const std::initializer_list<Knob> ways[] = {
      {BM(128), BN(136)},
      {BM(256), BN(88)},
      {BM(128), BN(64), cluster(2, BM)},
      {BM(64), BN(64), split_fold(2)},
      {BM(64), BN(128), ping_pong(), transpose_panels()},
      {BM(64), BN(40), fold_teams(2)},
      {BM(128), BN(128), stream_fold()},
      {BM(64), BN(40), ctas_per_sm(2)},
  };
  for (const auto& knobs : ways) {
    const auto k = gemm.with(apply_knobs(apply_knobs({}, {outer_products()}), knobs));
    SCOPED_TRACE(octile::to_string(k.schedule()));
    std::vector<std::byte> first;
    for (int i = 0; i < kLaunches; ++i) {
      k(stream(), a, sa, b, sb, d);
      stream().synchronize();
      std::vector<std::byte> bits = d.to_bytes();
      if (i == 0)
        first = std::move(bits);
      else
        ASSERT_EQ(std::memcmp(first.data(), bits.data(), bits.size()), 0) << "in launch " << i;
    }
  }
}

}  // namespace
}  // namespace octile::test
