// How a streamed fold's trips are shared out among CTAs: the device's own code, run on the host.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace octile::test {
namespace {

using u64 = unsigned long long;
#define __device__
#define __forceinline__ inline
#include "octile/codegen/cuda/device/share.cuh"
#undef __device__
#undef __forceinline__

struct Piece {
  int cta, begin, end;
  bool is_first_work;
};

/// What all CTAs do, by tile.
std::map<int, std::vector<Piece>> pieces_of(int tiles, int trips, int ctas) {
  std::map<int, std::vector<Piece>> pieces;
  for (int cta = 0; cta < ctas; ++cta) {
    Share share;
    share.set(tiles, trips, cta, ctas);
    bool is_first = true;
    for (int tile = share.start(cta); tile < tiles; tile = share.next(tile, cta, ctas)) {
      pieces[tile].push_back({cta, share.begin(tile), share.end(tile, trips), is_first});
      is_first = false;
    }
  }
  return pieces;
}

void check(int tiles, int trips, int ctas) {
  SCOPED_TRACE(testing::Message() << tiles << " tiles of " << trips << " trips, " << ctas
                                  << " CTAs");
  const auto pieces = pieces_of(tiles, trips, ctas);
  ASSERT_EQ(static_cast<int>(pieces.size()), tiles);
  ASSERT_EQ(pieces.begin()->first, 0);
  std::vector<int> handed_on(static_cast<std::size_t>(ctas));
  std::vector<long long> work(static_cast<std::size_t>(ctas));
  for (auto [tile, list] : pieces) {
    std::sort(list.begin(), list.end(), [](const Piece& a, const Piece& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.cta < b.cta;
    });
    // One after the other, on CTAs with consecutive numbers, all trips and none twice.
    ASSERT_EQ(list.front().begin, 0) << "tile " << tile;
    ASSERT_EQ(list.back().end, trips) << "tile " << tile;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Piece& p = list[i];
      work[static_cast<std::size_t>(p.cta)] += p.end - p.begin;
      if (i + 1 == list.size()) break;
      ASSERT_EQ(list[i + 1].begin, p.end) << "tile " << tile;
      ASSERT_EQ(list[i + 1].cta, p.cta + 1) << "tile " << tile;
      ASSERT_LT(p.begin, p.end) << "tile " << tile;
      // Handed on without waiting for anyone, and once.
      ASSERT_TRUE(p.is_first_work) << "tile " << tile;
      ASSERT_EQ(++handed_on[static_cast<std::size_t>(p.cta)], 1);
    }
    const Piece& owner = list.back();
    if (owner.begin == 0) continue;
    Share share;
    share.set(tiles, trips, owner.cta, ctas);
    if (share.in_turn(ctas)) {
      ASSERT_EQ(list.size(), 2u) << "tile " << tile;
    } else {
      ASSERT_EQ(share.first_cta(tile, trips, ctas), list.front().cta) << "tile " << tile;
    }
  }
  // Even, but for one trip of what is streamed and what whole waves have anyway.
  const auto [least, most] = std::minmax_element(work.begin(), work.end());
  ASSERT_LE(*most - *least, trips > 0 ? 1 : 0);
}

TEST(Share, EveryTripIsDoneOnce) {
  for (const int ctas : {1, 2, 3, 5, 8, 13}) {
    for (int tiles = 1; tiles <= 4 * ctas + 1; ++tiles) {
      for (int trips = 0; trips <= 20; ++trips) ASSERT_NO_FATAL_FAILURE(check(tiles, trips, ctas));
    }
  }
}

TEST(Share, AsOnAWholeDevice) {
  for (const int ctas : {114, 132, 264, 528}) {
    for (const int tiles : {1,   2,   7,   56,  113, 114, 115, 131, 132, 133,  200,
                            263, 264, 265, 396, 400, 527, 528, 529, 896, 2048, 5000}) {
      for (const int trips : {0, 1, 2, 3, 4, 12, 56, 57, 128})
        ASSERT_NO_FATAL_FAILURE(check(tiles, trips, ctas));
    }
  }
}

TEST(Share, CountsBeyond32Bits) {
  check(1055, 1 << 26, 528);
  check(131, (1u << 31) - 1, 132);
}

TEST(Share, WholeWavesAreNotShared) {
  for (const auto& [tile, list] : pieces_of(264, 56, 132)) ASSERT_EQ(list.size(), 1u) << tile;
  // One wave and a few tiles on: all but one wave is whole.
  int shared = 0;
  for (const auto& [tile, list] : pieces_of(400, 56, 132)) shared += list.size() > 1;
  EXPECT_GT(shared, 0);
  EXPECT_LE(shared, 132 + 400 % 132);
}

}  // namespace
}  // namespace octile::test
