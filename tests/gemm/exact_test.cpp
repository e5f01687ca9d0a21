// The block-scaled product is exact on small integers, whatever the shape, layout and schedule, and
// writes nothing outside of its output.
#include <fmt/format.h>

#include "octile/octile.hpp"
#include "octile/tests/gemm/shapes.hpp"
#include "octile/tests/gemm/support.hpp"

namespace octile::test {
namespace {

constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

/// A test goes on after a wrong shape, but not for ever.
constexpr int kMostFailures = 8;

class Exact : public GemmTest {
 protected:
  void check(const Shape& shape, const Schedule& schedule, const Layouts& layouts = {}) {
    if (failures_ >= kMostFailures || !affordable(shape)) return;
    const Problem problem(stream(), shape, Fill::integers, layouts);
    check(problem, schedule);
  }
  void check(const Problem& problem, const Schedule& schedule) {
    if (failures_ >= kMostFailures) return;
    const std::string error = check_exact(stream(), problem, {&f32_, schedule, problem.shape()},
                                          {&bf16_, schedule, problem.shape()});
    EXPECT_EQ(error, "");
    failures_ += !error.empty();
  }
  void compile_all(const std::vector<Shape>& shapes, const std::vector<Schedule>& schedules) {
    std::vector<Launch> runs;
    for (const Shape& shape : shapes) {
      for (const Schedule& schedule : schedules) {
        runs.push_back({&f32_, schedule, shape});
        runs.push_back({&bf16_, schedule, shape});
      }
    }
    compile_ahead(runs);
  }

  const Gemm& f32_ = block_scaled(ElementType::f32);
  const Gemm& bf16_ = block_scaled(ElementType::bf16);
  int failures_ = 0;
};

TEST_F(Exact, EveryShape) {
  const std::vector<Shape> shapes = product_shapes();
  compile_all(shapes, {Schedule{}});
  for (const Shape& shape : shapes) check(shape, {});
}

TEST_F(Exact, EmptyExtents) {
  for (const Shape& shape : {Shape{0, 576, 256}, Shape{65, 0, 256}, Shape{0, 0, 0}})
    check(shape, {});
  // No blocks to sum: zeros.
  for (const Shape& shape : {Shape{1, 8, 0}, Shape{65, 72, 0}, Shape{129, 576, 0}})
    check(shape, {});
}

TEST_F(Exact, StridedRows) {
  // NaN lies between the rows of every operand. Gaps of 16 bytes keep TMA, others rule it out.
  const Layouts layouts[] = {{{16, 0}, {32, 0}, {8, 0}}, {{16, 16}, {16, 48}, {16, 8}},
                             {{8, 0}, {0, 0}, {0, 0}},   {{0, 0}, {1, 0}, {0, 0}},
                             {{0, 0}, {0, 0}, {1, 0}},   {{0, 1}, {0, 4}, {0, 1}},
                             {{3, 5}, {7, 2}, {5, 3}}};
  for (const Layouts& layout : layouts) {
    check({130, 200, 256}, {}, layout);
    check({65, 72, 208}, {}, layout);
    check({7, 136, 1000}, {}, layout);
  }
}

TEST_F(Exact, EverySchedule) {
  const auto with = [](std::initializer_list<Knob> knobs) { return apply_knobs({}, knobs); };
  const std::vector<Schedule> schedules = {
      with({BM(64), BN(16)}),
      with({BM(64), BN(24), stages(2)}),
      with({BM(64), BN(40), consumers(1)}),
      with({BM(64), BN(72), stages(3)}),
      with({BM(64), BN(216), consumers(1)}),
      with({BM(128), BN(8)}),
      with({BM(128), BN(56), consumers(1)}),
      with({BM(128), BN(128), stages(4)}),
      with({BM(128), BN(136), group_width(1)}),
      with({BM(128), BN(160), tma_store(false)}),
      with({BM(128), BN(192), tma_store(true)}),
      with({BM(192), BN(96), consumers(3)}),
      with({BM(256), BN(64), consumers(4)}),
      with({BM(256), BN(96), consumers(2), stages(2)}),
      with({BM(128), BN(64), accumulators(2), stages(2)}),
      with({BM(128), BN(104), accumulators(2), tma_store(false)}),
      with({BM(128), BN(128), order_consumers()}),
      with({BM(128), BN(128), stagger_consumers()}),
      with({BM(192), BN(96), stagger_consumers(), cluster(2, BM)}),
      with({BM(128), BN(128), order_consumers(), accumulators(2), persistent(false)}),
      with({BM(128), BN(128), cluster(2, BM)}),
      with({BM(128), BN(128), cluster(2, BN)}),
      with({BM(64), BN(128), cluster(4, BM), persistent(false)}),
      with({BM(128), BN(64), cluster(4, BN), stages(4)}),
      with({BM(256), BN(128), cluster(2, BM), consumers(2), tma_store(false)}),
      with({BM(128), BN(144), persistent(false), tma_store(true)}),
      with({BM(128), BN(144), persistent(false), epilogue_overlap()}),
      with({BM(256), BN(72), consumers(2), persistent(false), epilogue_overlap(false)}),
      with({BM(128), BN(176), persistent(false), cluster(2, BM)}),
      with({BM(128), BN(128), persistent(true)}),
      with({BM(64), BN(32), persistent(true), fastest(BN), group_width(3)}),
      with({BM(128), BN(96), stages(2), unroll(2)}),
      with({BM(128), BN(112), dependent_launch()}),
      with({BM(8), BN(64), swap_operands()}),
      with({BM(24), BN(128), swap_operands(), stages(8)}),
      with({BM(64), BN(128), swap_operands()}),
      with({BM(16), BN(128), swap_operands(), split_fold(4)}),
      with({BM(32), BN(64), swap_operands(), split_fold(8)}),
      with({BM(64), BN(64), split_fold(2)}),
      with({BM(8), BN(64), split_fold(8), ctas_per_sm(4)}),
      with({BM(64), BN(144), split_fold(4), ctas_per_sm(2)}),
      with({BM(128), BN(96), consumers(1), ctas_per_sm(2)}),
      with({BM(64), BN(128), ctas_per_sm(2), persistent(false)}),
      with({BM(256), BN(128), consumers(2)}),
      with({BM(256), BN(72), consumers(2), accumulators(2)}),
      with({BM(256), BN(128), consumers(2), cluster(2, BN), unroll(2)}),
      with({BM(128), BN(64), split_fold(3)}),
      with({BM(64), BN(32), split_fold(4)}),
      with({BM(128), BN(144), split_fold(2)}),
      with({BM(256), BN(128), consumers(2), split_fold(2)}),
      with({BM(128), BN(176)}),
      with({BM(64), BN(128), ping_pong()}),
      with({BM(128), BN(128), ping_pong()}),
      with({BM(64), BN(96), ping_pong(), accumulators(2)}),
      with({BM(64), BN(80), ping_pong(), cluster(2, BM), consumers(2)}),
      with({BM(128), BN(136), ping_pong(), tma_store(false), stages(3)}),
      with({BM(16), BN(64), ping_pong(), swap_operands()}),
      with({BM(256), BN(128), consumers(2), epilogue_overlap(false)}),
      with({BM(256), BN(128), consumers(2), epilogue_overlap(false), stores_apart()}),
      with({BM(128), BN(192), epilogue_overlap(false), stores_apart()}),
      with({BM(192), BN(144), consumers(3), epilogue_overlap(false)}),
      with({BM(128), BN(128), epilogue_overlap(), stages(2)}),
      with({BM(128), BN(128), stream_fold()}),
      with({BM(256), BN(128), consumers(2), stream_fold()}),
      with({BM(64), BN(72), stages(3), stream_fold(), tma_store(false)}),
      with({BM(128), BN(64), accumulators(2), stream_fold()}),
      with({BM(128), BN(128), order_consumers(), stream_fold()}),
      with({BM(64), BN(128), ctas_per_sm(2), stream_fold()}),
      with({BM(192), BN(96), consumers(3), stream_fold(), fastest(BN), group_width(3)}),
      with({BM(8), BN(64), swap_operands(), stream_fold()}),
      with({BM(128), BN(112), dependent_launch(), stream_fold()}),
      with({BM(64), BN(72), fold_teams(2)}),
      with({BM(64), BN(64), fold_teams(2), accumulators(2), tma_store(false)}),
      with({BM(64), BN(40), fold_teams(3)}),
      with({BM(64), BN(32), fold_teams(4), stages(4), split_fold(2)}),
      with({BM(128), BN(128), fold_teams(2)}),
      with({BM(128), BN(64), fold_teams(2), consumers(4), epilogue_overlap()}),
      with({BM(8), BN(64), swap_operands(), fold_teams(2), split_fold(4), ctas_per_sm(3)}),
      with({BM(64), BN(128), fold_teams(2), cluster(2, BM)}),
      // Extents that the tensor core's blocks of 64 and 8 don't divide.
      with({BM(100), BN(100)}),
      with({BM(100), BN(100), stream_fold()}),
      with({BM(32), BN(40)}),
      with({BM(64), BN(4)}),
      with({BM(12), BN(64), swap_operands()}),
      with({BM(100), BN(100), fold_teams(2)}),
  };
  // Several tiles with rests in both directions; one whole row of tiles; few rows, more K and
  // scales that TMA can bring; many tiles for each CTA.
  const std::vector<Shape> shapes = {
      {300, 520, 640}, {1024, 384, 256}, {9, 576, 2048}, {2304, 4104, 1024}};
  compile_all({shapes[0], shapes[3]}, schedules);
  for (const Shape& shape : shapes) {
    if (!affordable(shape)) continue;
    const Problem problem(stream(), shape, Fill::integers);
    for (const Schedule& schedule : schedules) check(problem, schedule);
  }
}

// Scales' blocks of 128 columns end inside of these tiles. K is one whose scales TMA brings.
TEST_F(Exact, TilesInPieces) {
  std::vector<Schedule> schedules = {
      apply_knobs({}, {BM(128), BN(136)}),
      apply_knobs({}, {BM(64), BN(48), persistent(true), fastest(BN)}),
      apply_knobs({}, {BM(256), BN(112), consumers(2), epilogue_overlap(false)}),
      apply_knobs({}, {BM(256), BN(72), consumers(2), persistent(false)}),
      apply_knobs({}, {BM(128), BN(80), ping_pong()}),
      apply_knobs({}, {BM(64), BN(88), accumulators(2), ctas_per_sm(2)}),
      apply_knobs({}, {BM(192), BN(96), consumers(3)}),
      apply_knobs({}, {BM(64), BN(152), transpose_panels()}),
      apply_knobs({}, {BM(64), BN(72), fold_teams(2)}),
      apply_knobs({}, {BM(64), BN(40), fold_teams(3)}),
      apply_knobs({}, {BM(128), BN(176), order_consumers()}),
  };
  for (std::size_t i = 0, count = schedules.size(); i < count; ++i) {
    schedules.push_back(apply_knobs(schedules[i], {tile_pieces(false)}));
    schedules[i].tile_pieces = 1;
  }
  // Too wide for any other way.
  schedules.push_back(apply_knobs({}, {BM(128), BN(224), tile_pieces()}));
  schedules.push_back(apply_knobs({}, {BM(256), BN(144), tile_pieces(), order_consumers()}));
  const std::vector<Shape> shapes = {{300, 520, 512}, {9, 576, 2048}, {2304, 4104, 1024}};
  compile_all(shapes, schedules);
  for (const Shape& shape : shapes) {
    if (!affordable(shape)) continue;
    const Problem problem(stream(), shape, Fill::integers);
    for (const Schedule& schedule : schedules) check(problem, schedule);
  }
}

TEST_F(Exact, TransposedPanels) {
  const std::vector<Schedule> schedules = {
      apply_knobs({}, {BM(64), BN(64), transpose_panels()}),
      apply_knobs({}, {BM(64), BN(128), ctas_per_sm(2), transpose_panels()}),
      apply_knobs({}, {BM(128), BN(128), accumulators(2), transpose_panels()}),
      apply_knobs({}, {BM(256), BN(128), consumers(2), transpose_panels()}),
      apply_knobs({}, {BM(192), BN(96), consumers(3), transpose_panels(), persistent(false)}),
      apply_knobs({}, {BM(128), BN(160), cluster(2, BM), transpose_panels()}),
      apply_knobs({}, {BM(128), BN(128), ping_pong(), transpose_panels()}),
      apply_knobs({}, {BM(128), BN(128), stream_fold(), transpose_panels()}),
      apply_knobs({}, {BM(64), BN(96), split_fold(4), ctas_per_sm(2), transpose_panels()}),
      apply_knobs({}, {BM(16), BN(128), swap_operands(), transpose_panels()}),
      apply_knobs({}, {BM(64), BN(72), fold_teams(2), transpose_panels()}),
      apply_knobs({}, {BM(100), BN(100), transpose_panels()}),
  };
  for (const Shape& shape :
       {Shape{300, 520, 512}, Shape{65, 136, 2560}, Shape{7, 64, 1024}, Shape{2304, 4104, 1024}}) {
    if (!affordable(shape)) continue;
    const Problem problem(stream(), shape, Fill::integers);
    for (const Schedule& schedule : schedules) check(problem, schedule);
  }
}

TEST_F(Exact, OuterScales) {
  const std::vector<Schedule> schedules = {
      apply_knobs({}, {BM(64), BN(64)}),
      apply_knobs({}, {BM(128), BN(128), accumulators(2)}),
      apply_knobs({}, {BM(256), BN(128), consumers(2)}),
      apply_knobs({}, {BM(128), BN(160), cluster(2, BM)}),
      apply_knobs({}, {BM(64), BN(96), split_fold(4), ctas_per_sm(2)}),
      apply_knobs({}, {BM(16), BN(128), swap_operands(), split_fold(2)}),
      apply_knobs({}, {BM(64), BN(72), fold_teams(2)}),
      apply_knobs({}, {BM(64), BN(64), fold_teams(4), split_fold(2)}),
      apply_knobs({}, {BM(12), BN(64), swap_operands()}),
      apply_knobs({}, {BM(100), BN(100)}),
  };
  for (const Shape& shape :
       {Shape{300, 520, 2304}, Shape{65, 136, 656}, Shape{7, 64, 1024}, Shape{2304, 4104, 896}}) {
    if (!affordable(shape)) continue;
    const Problem problem(stream(), shape, Fill::integers, {{}, {}, {}, true});
    for (const Schedule& schedule : schedules) check(problem, schedule);
  }
}

}  // namespace
}  // namespace octile::test
