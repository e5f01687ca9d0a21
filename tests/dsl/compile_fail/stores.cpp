// Stores and their guards.
#include "octile/tests/dsl/compile_fail/case.hpp"

namespace octile {

#if TWIN || CASE == 1
// the stored tile has an axis that the place lacks: index the tensor along it, or reduce over it
auto missing_axis() {
  return BODY(auto v = x(BM[i], BN[j]); return store(r(BM[i]), WRONG(v) RIGHT(sum(v, BN))););
}
#endif

#if TWIN || CASE == 2
// the stored tile's element type isn't the tensor's: cast<T>(x) before store
auto wrong_element() {
  return BODY(auto v = h(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), WRONG(v) RIGHT(cast<f32>(v))););
}
#endif

#if TWIN || CASE == 3
// this tensor is declared in<T> and can't be stored to: declare it out<T> or inout<T>
auto into_an_in_tensor() {
  return BODY(return store(WRONG(x) RIGHT(y)(BM[i], BN[j]), x(BM[i], BN[j])););
}
#endif

#if TWIN || CASE == 4
// store's first argument is a tensor's place, for instance d(BM[i], BN[j])
auto into_a_tile() {
  return BODY(auto v = x(BM[i], BN[j]) * 2;
              return store(WRONG(v, d(BM[i], BN[j])) RIGHT(d(BM[i], BN[j]), v)););
}
#endif

#if TWIN || CASE == 5
// store's first argument is a tensor's place, for instance d(BM[i], BN[j])
auto into_a_whole_tensor() {
  return BODY(return store(d RIGHT((BM[i], BN[j])), x(BM[i], BN[j])););
}
#endif

#if TWIN || CASE == 6
// when() takes a b1 tile: compare first, for instance when(x > 0)
auto guard_that_is_a_number() {
  return BODY(auto v = x(BM[i], BN[j]); return store(d(BM[i], BN[j]), v, when(v RIGHT(!= 0))););
}
#endif

#if TWIN || CASE == 7
// the store's mask has an axis that the place lacks: index the tensor along it, or reduce over it
auto guard_with_another_axis() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(r(BM[i]), 1, when(WRONG(v) RIGHT(max(v, BN)) > 0)););
}
#endif

#if TWIN || CASE == 8
// a store has one when(): combine the conditions with &&
auto two_guards() {
  return BODY(auto v = x(BM[i], BN[j]);
              return WRONG(store(d(BM[i], BN[j]).when(v > 0), v, when(v < 1)))
                  RIGHT(store(d(BM[i], BN[j]), v, when(v > 0 && v < 1))););
}
#endif

#if TWIN || CASE == 9
// a store has one when(): combine the conditions with &&
auto two_guards_of_a_place() {
  return BODY(auto v = x(BM[i], BN[j]);
              return WRONG(store(d(BM[i], BN[j]).when(v > 0).when(v < 1), v))
                  RIGHT(store(d(BM[i], BN[j]).when(v > 0 && v < 1), v)););
}
#endif

#if TWIN || CASE == 10
// a store's guard is written when(condition): store(d(BM[i]), x, when(x > 0))
auto bare_condition() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v, WRONG(v > 0) RIGHT(when(v > 0))););
}
#endif

#if TWIN || CASE == 11
// a tensor isn't assigned to: store(d(BM[i], BN[j]), x)
auto assignment() {
  return BODY(auto v = x(BM[i], BN[j]) * 2;
              WRONG(d(BM[i], BN[j]) = v;) RIGHT(store(d(BM[i], BN[j]), v);));
}
#endif

#if TWIN || CASE == 12
// a tensor isn't assigned to: store(d(BM[i], BN[j]), x)
auto assignment_of_a_place() {
  return BODY(WRONG(y(BM[i], BN[j]) = y(BM[j], BN[i]);)
                  RIGHT(store(y(BM[i], BN[j]), y(BM[i], BN[i]));));
}
#endif

#if TWIN || CASE == 13
// a tensor isn't assigned to: store(d(BM[i], BN[j]), x)
auto addition_to_a_place() {
  return BODY(WRONG(y(BM[i], BN[j]) += 1;) RIGHT(store(y(BM[i], BN[j]), y(BM[i], BN[j]) + 1);));
}
#endif

#if TWIN || CASE == 14
// a number with a fraction can't join an integer tile
auto fraction_into_integers() {
  return define_kernel("fill", out<i32>("q", M), [](auto q) {
    return grid(M / BM, [=](auto i) { return store(q(BM[i]), WRONG(0.5) RIGHT(5)); });
  });
}
#endif

#if TWIN || CASE == 15
// store takes a place and a value: store(d(BM[i], BN[j]), x)
auto no_value() {
  return BODY(return store(d(BM[i], BN[j]) RIGHT(, x(BM[i], BN[j]))););
}
#endif

#if TWIN || CASE == 16
// a fold of a tuple gives a tuple: take it apart first, auto [x, y] = fold(...)
auto tuple_as_a_value() {
  return BODY(auto WRONG(both) RIGHT([ p, q ]) =
                  fold(4_c, tuple(0.0f, 1.0f), [=](auto, auto p, auto q) { return tuple(q, p); });
              return store(d(BM[i], BN[j]), WRONG(both) RIGHT(p)););
}
#endif

#if TWIN || CASE == 17
// stores(...) takes what store returns: stores(store(a(...), x), store(b(...), y))
auto stores_of_values() {
  return BODY(auto v = x(BM[i], BN[j]);
              return stores(store(d(BM[i], BN[j]), v), WRONG(v) RIGHT(store(y(BM[i], BN[j]), v))););
}
#endif

}  // namespace octile
