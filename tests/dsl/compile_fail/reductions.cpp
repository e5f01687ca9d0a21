// Reductions over an axis and groups of it.
#include "octile/tests/dsl/compile_fail/case.hpp"

namespace octile {

#if TWIN || CASE == 1
// the tile has no such axis to reduce over: name one of the axes that index it
auto unknown_axis() {
  return BODY(return store(r(BM[i]), sum(x(BM[i], BN[j]), WRONG(BK) RIGHT(BN))););
}
#endif

#if TWIN || CASE == 2
// reductions are defined on f32, i32 and i64: cast<f32>(x) first
auto narrow_elements() {
  return BODY(auto v = h(BM[i], BN[j]);
              return store(r(BM[i]), max(WRONG(v) RIGHT(cast<f32>(v)), BN) WRONG(+1.0f)););
}
#endif

#if TWIN || CASE == 3
// within(axis, n) needs n to divide the axis' extent
auto groups_that_do_not_fit() {
  return BODY(auto v = x(BM[i], H[j]);
              return store(d(BM[i], H[j]), v / max(v, within(H, WRONG(64_c) RIGHT(32_c)))););
}
#endif

#if TWIN || CASE == 4
// within(axis, n) takes a constant n: within(BN, 128_c)
auto group_of_a_number() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v / max(v, within(BN, WRONG(128) RIGHT(128_c)))););
}
#endif

#if TWIN || CASE == 5
// within(axis, n) needs n of 1 or more
auto empty_groups() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v / max(v, within(BN, WRONG(0_c) RIGHT(1_c)))););
}
#endif

#if TWIN || CASE == 6
// within(axis, n) takes a tile axis: within(BN, 128_c)
auto groups_of_a_dim() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v / max(v, within(WRONG(N) RIGHT(BN), 128_c))););
}
#endif

#if TWIN || CASE == 7
// the tile has no such axis to reduce over
auto groups_of_an_unknown_axis() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v / max(v, within(WRONG(BK) RIGHT(BN), 32_c))););
}
#endif

#if TWIN || CASE == 8
// a reduction takes a tile and one axis: sum(x, BN), twice for two axes; for the larger or smaller
// of two tiles max(x, y), min(x, y)
auto no_axis() {
  return BODY(return store(r(BM[i]), sum(x(BM[i], BN[j]) RIGHT(, BN))););
}
#endif

#if TWIN || CASE == 9
// a reduction takes a tile and one axis: sum(x, BN), twice for two axes
auto two_axes() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(r(i), WRONG(max(v, BM, BN)) RIGHT(max(max(v, BM), BN))););
}
#endif

#if TWIN || CASE == 10
// sum(extent, f) takes a function of the index, [=](auto k) { ... }; sum(tile, axis) adds along an
// axis
auto sum_over_a_dim() {
  return BODY(return store(r(BM[i]), sum(x(BM[i], BN[j]), WRONG(N) RIGHT(BN))););
}
#endif

#if TWIN || CASE == 11
// a tensor isn't a tile: index it first
auto reduction_of_a_tensor() {
  return BODY(return store(r(BM[i]), sum(x RIGHT((BM[i], BN[j])), BN)););
}
#endif

#if TWIN || CASE == 12
// tiles are held by value: pass the tile itself, not a pointer or std::ref to it
auto reduction_of_a_reference() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(r(BM[i]), max(WRONG(std::ref(v)) RIGHT(v), BN)););
}
#endif

}  // namespace octile
