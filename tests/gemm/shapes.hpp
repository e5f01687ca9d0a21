// The shapes that the block-scaled product is tested on.
#pragma once

#include <vector>

#include "octile/tests/gemm/gemm.hpp"

namespace octile::test {

/// Every pair of M and N with one K, so that every pair of M and K and of N and K is there too;
/// then K that no block of 128 divides, most of them with rows that TMA can't address.
inline std::vector<Shape> product_shapes() {
  constexpr std::int64_t kM[] = {1, 7, 63, 64, 65, 127, 129, 4096};
  constexpr std::int64_t kN[] = {8, 24, 72, 576, 2112, 7168};
  constexpr std::int64_t kK[] = {128, 256, 7168};
  std::vector<Shape> shapes;
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 6; ++j) shapes.push_back({kM[i], kN[j], kK[(i + j) % 3]});
  }
  for (const std::int64_t k : {72, 200, 1000, 7000}) {
    shapes.push_back({1, 576, k});
    shapes.push_back({65, 72, k});
    shapes.push_back({129, 264, k});
  }
  for (const std::int64_t k : {16, 208, 4112}) shapes.push_back({70, 136, k});
  shapes.push_back({4096, 7168, 256});
  shapes.push_back({1024, 2112, 7168});
  return shapes;
}

}  // namespace octile::test
