#include "octile/runtime/knobs.hpp"

#include <gtest/gtest.h>

namespace octile {
namespace {

constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

TEST(Knobs, EachSetsItsField) {
  const Schedule s = apply_knobs({}, {BM(128),
                                      BN(160),
                                      stages(5),
                                      consumers(2),
                                      warps(4),
                                      ping_pong(),
                                      order_consumers(false),
                                      stagger_consumers(),
                                      accumulators(2),
                                      unroll(8),
                                      cluster(2, BN),
                                      fastest(BM),
                                      group_width(8),
                                      persistent(false),
                                      ctas_per_sm(2),
                                      split_fold(4),
                                      fold_teams(2),
                                      stream_fold(),
                                      swap_operands(),
                                      mma_sync(),
                                      transpose_panels(),
                                      outer_products(),
                                      tile_pieces(),
                                      tma_store(false),
                                      epilogue_overlap(),
                                      stores_apart(),
                                      producer_registers(40),
                                      consumer_registers(232),
                                      dependent_launch()});
  Schedule expected;
  expected.axes = {{"BM", 128}, {"BN", 160}};
  expected.stages = 5;
  expected.consumers = 2;
  expected.warps = 4;
  expected.ping_pong = true;
  expected.order_consumers = 0;
  expected.stagger_consumers = 1;
  expected.accumulators = 2;
  expected.unroll = 8;
  expected.cluster = 2;
  expected.cluster_axis = "BN";
  expected.fastest_axis = "BM";
  expected.group_width = 8;
  expected.persistent = 0;
  expected.ctas_per_sm = 2;
  expected.split_fold = 4;
  expected.fold_teams = 2;
  expected.stream_fold = true;
  expected.swap_operands = 1;
  expected.mma_sync = 1;
  expected.transpose_panels = 1;
  expected.outer_products = true;
  expected.tile_pieces = 1;
  expected.tma_store = 0;
  expected.epilogue_overlap = 1;
  expected.stores_apart = 1;
  expected.producer_registers = 40;
  expected.consumer_registers = 232;
  expected.dependent_launch = true;
  EXPECT_EQ(s, expected);
  EXPECT_EQ(to_string(s), to_string(expected));
}

TEST(Knobs, LaterOnesWinAndOthersStay) {
  Schedule base = apply_knobs({}, {BM(64), stages(3)});
  base = apply_knobs(base, {BM(128), BM(256), unroll(2)});
  EXPECT_EQ(base.axes.at("BM"), 256);
  EXPECT_EQ(base.stages, 3);
  EXPECT_EQ(base.unroll, 2);
}

TEST(Knobs, TakeAxesAsText) {
  EXPECT_EQ(apply_knobs({}, {cluster(2, "BN"), fastest(std::string("BM"))}).cluster_axis, "BN");
}

}  // namespace
}  // namespace octile
