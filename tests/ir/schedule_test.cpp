#include "octile/codegen/schedule.hpp"

#include <gtest/gtest.h>

namespace octile {
namespace {

TEST(Schedule, PrintsWhatDiffersFromTheDefault) {
  EXPECT_EQ(to_string(Schedule{}), "");
  Schedule schedule;
  schedule.axes = {{"BN", 160}, {"BM", 128}};
  schedule.stages = 5;
  schedule.ping_pong = true;
  schedule.cluster_axis = "BN";
  schedule.tma_store = 0;
  EXPECT_EQ(to_string(schedule),
            "BM=128 BN=160 stages=5 ping_pong=true cluster_axis=BN tma_store=0");
}

}  // namespace
}  // namespace octile
