// fold, sum over an extent, for_each and let.
#include "octile/tests/dsl/compile_fail/case.hpp"

namespace octile {

#if TWIN || CASE == 1
// a fold's function returns as many values as it carries: tuple(a, b) for two
auto too_few_values() {
  return BODY(auto [p, q] =
                  fold(4_c, tuple(0.0f, 1.0f),
                       [=](auto, auto p, auto q) { return WRONG(p + q) RIGHT(tuple(q, p + q)); });
              return store(r(BM[i]), p * q););
}
#endif

#if TWIN || CASE == 2
// a fold's function returns as many values as it carries: tuple(a, b) for two
auto too_many_values() {
  return BODY(
      auto p = fold(4_c, 0.0f, [=](auto, auto p) { return WRONG(tuple(p + 1, p)) RIGHT(p + 1); });
      return store(r(BM[i]), p););
}
#endif

#if TWIN || CASE == 3
// a fold's function returns another element type than it carries: start from a value of that type
// (0.0f for f32), or cast<T>(x)
auto another_element() {
  return BODY(auto p = fold(4_c, WRONG(0) RIGHT(0.0f),
                            [=](auto, auto p) { return max(x(BM[i], 0), 1) + 0 * cast<f32>(p); });
              return store(r(BM[i]), p););
}
#endif

#if TWIN || CASE == 4
// a fold's function takes the index, then one argument per carried value: [=](auto k, auto acc) for
// one
auto no_index() {
  return BODY(auto p = fold(4_c, 0.0f, [=](RIGHT(auto, ) auto p) { return p + 1; });
              return store(r(BM[i]), p););
}
#endif

#if TWIN || CASE == 5
// a fold's function takes the index, then one argument per carried value
auto missing_argument() {
  return BODY(auto [p, q] =
                  fold(4_c, tuple(0.0f, 1.0f),
                       [=](auto, auto p RIGHT(, auto q)) { return tuple(p, p RIGHT(+q)); });
              return store(r(BM[i]), p * q););
}
#endif

#if TWIN || CASE == 6
// a fold's function returns as many values as it carries
auto fold_of_nothing() {
  return BODY(auto p = fold(4_c, 0.0f,
                            [=](auto, auto p) {
                              RIGHT(return )
                              p + 1;
                            });
              return store(r(BM[i]), p););
}
#endif

#if TWIN || CASE == 7
// sum's function returns the value to add: return dot(...); for a loop of stores write for_each
auto sum_of_nothing() {
  return BODY(auto acc = sum(K / BK,
                             [=](auto k) {
                               RIGHT(return )
                               dot(a(BM[i], BK[k]), b(BN[j], BK[k]));
                             });
              return store(d(BM[i], BN[j]), acc););
}
#endif

#if TWIN || CASE == 8
// sum's function returns the value to add: return dot(...); for a loop of stores write for_each
auto sum_of_stores() {
  return BODY(return WRONG(sum) RIGHT(for_each)(
                         4_c, [=](auto k) { return store(d(BM[i], BN[k]), x(BM[i], BN[k])); }););
}
#endif

#if TWIN || CASE == 9
// sum adds f32, i32 or i64 tiles: cast<f32>(x) in its function
auto sum_of_narrow_tiles() {
  return BODY(auto acc = sum(K / BK,
                             [=](auto k) {
                               auto v = h(BM[i], k);
                               return WRONG(v) RIGHT(cast<f32>(v));
                             });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 10
// sum(extent, f) takes a function of the index, [=](auto k) { ... }; sum(tile, axis) adds along an
// axis
auto sum_without_an_index() {
  return BODY(auto acc = sum(K / BK, [=](RIGHT(auto k)) { return x(BM[i], WRONG(0) RIGHT(k)); });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 11
// the extent of a grid or a loop is a scalar: M / BM, 8_c, or an i64 expression without axes
auto extent_with_axes() {
  return BODY(auto acc = sum(WRONG(n(BM[i])) RIGHT(n(i)), [=](auto k) { return x(BM[i], k); });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 12
// an index is an integer, not a floating-point number
auto fractional_extent() {
  return BODY(auto acc = sum(WRONG(4.0) RIGHT(4), [=](auto k) { return x(BM[i], k); });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 13
// fold takes an extent, initial values and a function: fold(K / BK, 0.0f, [=](auto k, auto acc) {
// ... })
auto no_initial_value() {
  return BODY(auto p = fold(
                  4_c, RIGHT(0.0f, )[=](auto, auto p) { return p + 1; });
              return store(r(BM[i]), p););
}
#endif

#if TWIN || CASE == 14
// for_each's function takes the index: [=](auto k) { ... }
auto for_each_without_an_index() {
  return BODY(return for_each(4_c, [=](RIGHT(auto k)) { return store(r(WRONG(0) RIGHT(k)), 1); }););
}
#endif

#if TWIN || CASE == 15
// let(x, f) calls f with one value: let(x, [=](auto v) { ... })
auto let_without_an_argument() {
  return BODY(return store(r(BM[i]), let(x(BM[i], 0),
                                         [=](RIGHT(auto v)) { return WRONG(s) RIGHT(v * v); })););
}
#endif

#if TWIN || CASE == 16
// a problem size is divided by an axis or a constant, rounding up: write K / 128_c
auto trips_by_a_number() {
  return BODY(auto acc = sum(K / WRONG(128) RIGHT(128_c), [=](auto k) { return x(BM[i], k); });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 23
// a problem size is divided by an axis or a constant, rounding up: write K / 128_c, or ceil_div(K,
// n); value(K) / n truncates
auto trips_by_a_product() {
  return BODY(auto acc = sum(WRONG(K / (BK * 2)) RIGHT(ceil_div(K, BK * 2)),
                             [=](auto k) { return x(BM[i], k); });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 24
// a problem size is divided by an axis or a constant, rounding up: write K / 128_c
auto half_of_the_trips() {
  return BODY(auto acc = sum(WRONG(K / BK / 2) RIGHT(value(K / BK) / 2),
                             [=](auto k) { return x(BM[i], k); });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 17
// a problem size is divided by 1 or more
auto trips_by_zero() {
  return BODY(auto acc = sum(K / WRONG(0_c) RIGHT(1_c), [=](auto k) { return x(BM[i], k); });
              return store(r(BM[i]), acc););
}
#endif

#if TWIN || CASE == 18
// a tile can't be the condition of if, ?:, for or while: write select(condition, x, y), or
// store(place, value, when(condition)); a loop is sum, fold or for_each
auto loop_of_cpp() {
  return BODY(WRONG(for (int k = 0; k < K; ++k) store(d(BM[i], k), x(BM[i], k));)
                  RIGHT(for_each(K, [=](auto k) { return store(d(BM[i], k), x(BM[i], k)); });));
}
#endif

#if TWIN || CASE == 19
// a fold's function returns the next value: return acc + x; for a loop of stores write for_each
auto fold_of_stores() {
  return BODY(
      auto p = fold(4_c, 0.0f,
                    [=](auto k, auto p) { return WRONG(store(d(BM[i], BN[k]), p)) RIGHT(p + 1); });
      return store(r(BM[i]), p););
}
#endif

#if TWIN || CASE == 20
// for_each's function stores: return store(d(...), x); to add up what it returns write sum
auto for_each_of_values() {
  return BODY(auto acc = WRONG(for_each) RIGHT(sum)(4_c, [=](auto k) { return x(BM[i], k); });
              return store(r(BM[i]), WRONG(1) RIGHT(acc)););
}
#endif

#if TWIN || CASE == 21
// a fold's function takes the index, then one argument per carried value
auto fold_of_a_tile() {
  return BODY(auto p =
                  fold(4_c, 0.0f, WRONG(x(BM[i], 0)) RIGHT([=](auto, auto p) { return p + 1; }));
              return store(r(BM[i]), p););
}
#endif

#if TWIN || CASE == 22
// a tile can't be changed in place: name a new value, auto y = x + z, or carry it through fold
auto sum_by_assignment() {
  return BODY(auto acc = x(BM[i], 0) * 1;
              WRONG(for_each(4_c, [=](auto k) { acc = acc + x(BM[i], k); });)
                  RIGHT(auto total = fold(4_c, acc, [=](auto k, auto acc) {
                          return acc + x(BM[i], k);
                        });) return store(r(BM[i]), WRONG(acc) RIGHT(total)););
}
#endif

}  // namespace octile
