// Folds whose trips CTAs share through global memory: right for every division of tiles among CTAs,
// the same bits as unsplit where there are tiles enough, the same bits every time.
#include "octile/octile.hpp"
#include "octile/tests/gemm/support.hpp"

namespace octile::test {
namespace {

constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

class StreamFold : public GemmTest {
 protected:
  static int sm_count() { return on_gpu() ? devices().at(0).target.sm_count : 4; }
  static Schedule with(std::initializer_list<Knob> knobs) {
    return apply_knobs(apply_knobs({}, {stream_fold()}), knobs);
  }
};

TEST_F(StreamFold, EveryDivisionOfTilesAmongCtas) {
  const int c = sm_count();
  const Gemm &f32 = block_scaled(ElementType::f32), &bf16 = block_scaled(ElementType::bf16);
  const std::vector<Schedule> schedules = {with({BM(64), BN(64)}),
                                           with({BM(64), BN(64), ctas_per_sm(2), tma_store(false)}),
                                           with({BM(64), BN(64), stages(2), swap_operands()})};
  // Scales in panels and not, a part of a trip, none at all; whole columns of tiles and a rest.
  for (const int tiles :
       {1, 2, c / 2 + 1, c - 1, c, c + 1, 2 * c - 1, 2 * c, 2 * c + 3, 5 * c + 7}) {
    for (const std::int64_t k : {0, 16, 128, 1536, 2064}) {
      for (const std::int64_t n : {64, 72}) {
        const Shape shape{64 * std::int64_t{tiles} - 5, n, k};
        if (!affordable(shape)) continue;
        const Problem problem(stream(), shape, Fill::integers);
        for (const Schedule& schedule : schedules) {
          ASSERT_EQ(
              check_exact(stream(), problem, {&f32, schedule, shape}, {&bf16, schedule, shape}),
              "");
        }
      }
    }
  }
}

TEST_F(StreamFold, GivesTheUnsplitFoldsBitsWhereTilesAreNoFewerThanCtas) {
  const std::vector<Schedule> schedules = {
      with({BM(128), BN(128)}),
      with({BM(128), BN(160)}),
      with({BM(256), BN(128), consumers(2)}),
      with({BM(128), BN(128), accumulators(2)}),
      with({BM(128), BN(128), order_consumers()}),
      with({BM(128), BN(96), consumers(1), ctas_per_sm(2)}),
      with({BM(64), BN(128), swap_operands()}),
      with({BM(128), BN(64), tma_store(false)}),
  };
  const int c = sm_count();
  std::vector<Shape> shapes = {{72, 136, 656}};
  // A wave and a bit, after which some wait for sums that are only just written; several waves.
  if (on_gpu()) shapes = {{256 * (std::int64_t{c} + 1), 128, 8192}, {2048, 7168, 4096}};
  const ElementType e4m3 = ElementType::e4m3;
  for (const Gemm* gemm : {&block_scaled(ElementType::bf16), &block_scaled(ElementType::f32),
                           &product(Mode::plain, e4m3, e4m3), &product(Mode::fast, e4m3, e4m3)}) {
    for (const Shape& shape : shapes) {
      const Problem problem(stream(), shape, Fill::normals);
      for (const Schedule& schedule : schedules) {
        // Sums in place are never waited for, and no tile is ended in turn.
        if (gemm->mode == Mode::fast &&
            (schedule.accumulators == 2 || schedule.order_consumers == 1))
          continue;
        SCOPED_TRACE(to_string(gemm->mode) + " " + to_string(shape) + " [" +
                     octile::to_string(schedule) + "]");
        Schedule whole = schedule;
        whole.stream_fold = false;
        Guarded want = problem.output(stream(), gemm->d), got = problem.output(stream(), gemm->d);
        ASSERT_EQ(launch(stream(), {gemm, whole, shape}, problem.operands(want)), "");
        ASSERT_EQ(launch(stream(), {gemm, schedule, shape}, problem.operands(got)), "");
        ASSERT_EQ(want.download(), "");
        ASSERT_EQ(got.download(), "");
        ASSERT_EQ(first_difference(want, got, shape, size_in_bytes(gemm->d)), -1);
      }
    }
  }
}

TEST_F(StreamFold, FewTilesGiveTheSameBitsEveryTime) {
  constexpr int kLaunches = 20;
  const Gemm& gemm = block_scaled(ElementType::f32);
  for (const Shape& shape : {Shape{65, 576, 7168}, Shape{1, 136, 16384}, Shape{300, 520, 640}}) {
    if (!affordable(shape)) continue;
    const Problem problem(stream(), shape, Fill::normals);
    for (const Schedule& schedule :
         {with({BM(64), BN(64)}), with({BM(64), BN(128), ctas_per_sm(2)}),
          with({BM(16), BN(128), swap_operands()}), with({BM(128), BN(128)})}) {
      SCOPED_TRACE(to_string(shape) + " [" + octile::to_string(schedule) + "]");
      Guarded first = problem.output(stream(), gemm.d);
      ASSERT_EQ(launch(stream(), {&gemm, schedule, shape}, problem.operands(first)), "");
      ASSERT_EQ(first.download(), "");
      for (int i = 1; i < kLaunches; ++i) {
        Guarded again = problem.output(stream(), gemm.d);
        ASSERT_EQ(launch(stream(), {&gemm, schedule, shape}, problem.operands(again)), "");
        ASSERT_EQ(again.download(), "");
        ASSERT_EQ(first_difference(first, again, shape, 4), -1) << "in launch " << i;
      }
    }
  }
}

}  // namespace
}  // namespace octile::test
