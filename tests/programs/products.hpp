// What the programs of products share: names, sizes, schedules, a reference.
#pragma once

#include <array>
#include <memory>
#include <numeric>
#include <vector>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/programs/support.hpp"

namespace octile::test {

inline constexpr dim<"M"> M;
inline constexpr dim<"N"> N;
inline constexpr dim<"K"> K;
inline constexpr dim<"Z"> Z;
inline constexpr axis<"BM"> BM;
inline constexpr axis<"BN"> BN;
inline constexpr auto BK = 64_c;

using Shape = std::array<std::int64_t, 3>;
using Schedules = std::vector<std::vector<Knob>>;

inline const std::vector<Shape> kShapes = {{1, 1, 1},      {7, 63, 64},      {65, 129, 200},
                                           {64, 128, 256}, {130, 136, 1000}, {300, 24, 72}};

inline const Schedules kSchedules = {
    {BM(64), BN(64)},
    {BM(64), BN(80), stages(2), consumers(1)},
    {BM(128), BN(64), stages(3), consumers(2), persistent(false)},
    {BM(16), BN(64), swap_operands()},
    {BM(192), BN(40), consumers(3)},
    {BM(64), BN(32), stages(4), fastest(BN), group_width(2)},
};
// For products whose operands come through TMA.
inline const Schedules kPipelined = {
    {BM(128), BN(64), cluster(2, BM)},   {BM(64), BN(64), cluster(2, BN)},
    {BM(64), BN(64), split_fold(2)},     {BM(16), BN(64), swap_operands(), split_fold(4)},
    {BM(128), BN(64), tma_store(false)}, {BM(64), BN(64), stream_fold()},
};

inline Schedules join(Schedules a, const Schedules& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline bool by_tma(const Shape& s, int bytes) {
  return s[2] * bytes % 16 == 0 && s[2] > 0;
}

inline double rounded(ElementType type, double x) {
  return numerics::decode(type, numerics::encode(type, static_cast<float>(x)));
}

/// x(i, k) for every i in [0, rows) and k in [0, depth), row by row.
std::vector<double> decoded(std::int64_t rows, std::int64_t depth, auto x) {
  std::vector<double> all;
  all.reserve(static_cast<std::size_t>(rows * depth));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < depth; ++k) all.push_back(x(i, k));
  }
  return all;
}

/// sum over k of a(i, k) * b(j, k), for every i and j asked for, at i * n + j. Each element of a
/// and b is decoded once, when the first is asked for.
auto products(std::int64_t m, std::int64_t n, std::int64_t depth, auto a, auto b) {
  const auto sides = std::make_shared<std::array<std::vector<double>, 2>>();
  return remembered(m * n, [=](std::int64_t at) {
    auto& [left, right] = *sides;
    if (right.empty()) {
      left = decoded(m, depth, a);
      right = decoded(n, depth, b);
    }
    const double *x = left.data() + at / n * depth, *y = right.data() + at % n * depth;
    return std::inner_product(x, x + depth, y, 0.0);
  });
}

/// Those of the matrices a [m, depth] and b [n, depth].
inline auto products(const Input& a, const Input& b) {
  return products(
      a->extents()[0], b->extents()[0], a->extents()[1],
      [=](std::int64_t i, std::int64_t k) { return (*a)(i, k); },
      [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
}

template <class T>
Layout odd_layout(std::int64_t k) {
  return {false, k % 3 == 0 ? 16 : 0, 0};
}

}  // namespace octile::test
