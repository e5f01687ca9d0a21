// Which blocks of a grid a tile is: the device's own code, run on the host.
#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <utility>

namespace octile::test {
namespace {

using u32 = unsigned int;
#define __device__
#define __forceinline__ inline
#define __clz std::countl_zero
#include "octile/codegen/cuda/device/grid.cuh"
#undef __clz
#undef __device__
#undef __forceinline__

TEST(Grid, QuotientsAreThoseOfADivision) {
  for (u32 b = 1; b < 200; ++b) {
    for (u32 a = 0; a < 1000; ++a) ASSERT_EQ(quotient(a, b), a / b) << a << " / " << b;
  }
  for (u32 b : {1u, 3u, 1u << 20, (1u << 31) - 1, 1u << 31, ~0u}) {
    for (u32 a : {0u, 1u, b - 1, b, (1u << 31) + 5, ~0u}) ASSERT_EQ(quotient(a, b), a / b);
  }
}

// Every block once, and a group's columns before the next group's.
TEST(Grid, TilesCountGroupsOfBlocks) {
  for (u32 fast : {1u, 2u, 7u, 8u, 9u, 33u}) {
    for (u32 other : {1u, 5u, 16u}) {
      for (u32 width : {1u, 3u, 8u, 64u}) {
        SCOPED_TRACE(testing::Message() << fast << " x " << other << ", groups of " << width);
        std::set<std::pair<u32, u32>> blocks;
        GridPlace before{0, 0};
        for (u32 tile = 0; tile < fast * other; ++tile) {
          const GridPlace at = grid_place(tile, fast, other, width);
          ASSERT_LT(at.fast, fast);
          ASSERT_LT(at.other, other);
          ASSERT_TRUE(blocks.insert({at.fast, at.other}).second);
          if (tile > 0 && at.fast / width == before.fast / width) {
            const bool next_in_row = at.other == before.other && at.fast == before.fast + 1;
            ASSERT_TRUE(next_in_row || (at.other == before.other + 1 && at.fast % width == 0));
          } else if (tile > 0) {
            ASSERT_EQ(at.fast / width, before.fast / width + 1);
            ASSERT_EQ(at.other, 0u);
          }
          before = at;
        }
      }
    }
  }
}

}  // namespace
}  // namespace octile::test
