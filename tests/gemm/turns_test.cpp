// Sums in place whose consumers end a tile in turn, or whose teams hand on the tensor core under
// their last product: the bits of consumers that all go on at once, in folds of no trip to 17.
#include "octile/octile.hpp"
#include "octile/tests/gemm/support.hpp"

namespace octile::test {
namespace {

constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

class Turns : public GemmTest {};

TEST_F(Turns, GiveTheBitsOfConsumersWithout) {
  const auto with = [](std::initializer_list<Knob> knobs) { return apply_knobs({}, knobs); };
  // Rings of two to nine stages; two to four consumers, one or two blocks of rows for each.
  const std::vector<Schedule> schedules = {
      with({BM(128), BN(64), order_consumers()}),
      with({BM(128), BN(32), order_consumers(), stages(9)}),
      with({BM(128), BN(64), order_consumers(), stages(2), unroll(3)}),
      with({BM(128), BN(64), order_consumers(), stages(3), ctas_per_sm(2)}),
      with({BM(128), BN(72), order_consumers(), tma_store(false)}),
      with({BM(128), BN(64), order_consumers(), cluster(2, BM)}),
      with({BM(128), BN(64), order_consumers(), cluster(2, BN)}),
      with({BM(128), BN(64), order_consumers(), persistent(false)}),
      with({BM(64), BN(128), order_consumers(), swap_operands()}),
      with({BM(192), BN(96), order_consumers()}),
      with({BM(192), BN(176), order_consumers()}),
      with({BM(256), BN(64), order_consumers()}),
      with({BM(256), BN(96), consumers(2), order_consumers()}),
      with({BM(256), BN(96), consumers(2), order_consumers(), epilogue_overlap(false),
            stores_apart()}),
      with({BM(128), BN(64), ping_pong()}),
      with({BM(128), BN(176), ping_pong()}),
      with({BM(64), BN(64), ping_pong(), cluster(2, BM)}),
      with({BM(64), BN(64), ping_pong(), swap_operands(), ctas_per_sm(2)}),
  };
  // A sum's order is that of K whatever the tile is, but not for halves of a fold.
  const Schedule plain = with({BM(128), BN(128), order_consumers(false)});
  const Schedule halves = with({BM(128), BN(64), split_fold(2), order_consumers(false)});
  const Gemm& gemm = product(Mode::fast, ElementType::e4m3, ElementType::e4m3);
  for (const std::int64_t k : {0, 16, 128, 256, 384, 512, 528, 1152, 1408, 2064}) {
    // More tiles than SMs under each of these schedules, with rests.
    const Shape shape = on_gpu() ? Shape{3000, 1496, k} : Shape{70, 136, k};
    const Problem problem(stream(), shape, Fill::normals);
    const auto run = [&](Guarded& d, const Schedule& schedule) {
      const std::string error = launch(stream(), {&gemm, schedule, shape}, problem.operands(d));
      return error.empty() ? d.download() : error;
    };
    const auto compare = [&](const Guarded& want, const Schedule& schedule) {
      SCOPED_TRACE(to_string(shape) + " [" + octile::to_string(schedule) + "]");
      Guarded got = problem.output(stream(), gemm.d);
      EXPECT_EQ(run(got, schedule), "");
      EXPECT_EQ(first_difference(want, got, shape, size_in_bytes(gemm.d)), -1);
    };
    Guarded want = problem.output(stream(), gemm.d);
    ASSERT_EQ(run(want, plain), "");
    for (const Schedule& schedule : schedules) compare(want, schedule);
    ASSERT_EQ(run(want, halves), "");
    compare(want, apply_knobs(halves, {order_consumers()}));
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace octile::test
