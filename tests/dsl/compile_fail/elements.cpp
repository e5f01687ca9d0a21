// Element types, operators and functions.
#include "octile/tests/dsl/compile_fail/case.hpp"

namespace octile {

#if TWIN || CASE == 1
// operands have different element types: cast<T>(x) one of them
auto mixed_types() {
  return BODY(auto v = h(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), x(BM[i], BN[j]) + WRONG(v) RIGHT(cast<f32>(v))););
}
#endif

#if TWIN || CASE == 2
// arithmetic is defined on f32, i32 and i64: cast<f32>(x) first
auto narrow_arithmetic() {
  return BODY(auto v = WRONG(h(BM[i], BN[j])) RIGHT(cast<f32>(h(BM[i], BN[j]))); auto w = v * v;
              return store(d(BM[i], BN[j]), cast<f32>(w)););
}
#endif

#if TWIN || CASE == 3
// this operation is defined on i32 and i64: cast<i32>(x) first
auto remainder_of_floats() {
  return BODY(auto v = x(BM[i], BN[j]); auto w = WRONG(v) RIGHT(cast<i32>(v)) % 4;
              return store(d(BM[i], BN[j]), cast<f32>(w)););
}
#endif

#if TWIN || CASE == 4
// comparisons are defined on f32, i32 and i64: cast<f32>(x) first
auto narrow_comparison() {
  return BODY(auto v = a(BM[i], BK[j]);
              return store(d(BM[i], BK[j]), 1, when(WRONG(v) RIGHT(cast<f32>(v)) > 0)););
}
#endif

#if TWIN || CASE == 5
// && || and ! combine b1 tiles: compare first, for instance x != 0
auto logic_of_numbers() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v, when(v > 0 && n(BM[i]) RIGHT(!= 0))););
}
#endif

#if TWIN || CASE == 6
// && || and ! combine b1 tiles: compare first, for instance x != 0
auto not_of_a_number() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v, when(WRONG(!v) RIGHT(v == 0))););
}
#endif

#if TWIN || CASE == 7
// this function is defined on f32: cast<f32>(x) first
auto exponential_of_integers() {
  return BODY(auto v = n(BM[i]);
              return store(r(BM[i]), exp(WRONG(v) RIGHT(cast<f32>(v))) WRONG(+v)););
}
#endif

#if TWIN || CASE == 8
// a number with a fraction can't join an integer tile: write an integer, or cast<f32>(x) the tile
// first
auto fraction_with_integers() {
  return BODY(auto v = n(BM[i]) * WRONG(0.5) RIGHT(5); return store(r(BM[i]), cast<f32>(v)););
}
#endif

#if TWIN || CASE == 9
// select's condition is a b1 tile: compare first, for instance x > 0
auto condition_that_is_a_number() {
  return BODY(auto v = x(BM[i], BN[j]); return store(d(BM[i], BN[j]), select(v RIGHT(> 0), v, 0)););
}
#endif

#if TWIN || CASE == 10
// select's two values have different element types: cast<T>(x) one of them
auto choice_of_two_types() {
  return BODY(auto v = x(BM[i], BN[j]); auto w = h(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), select(v > 0, v, WRONG(w) RIGHT(cast<f32>(w)))););
}
#endif

#if TWIN || CASE == 11
// select takes a condition and two values: select(x > 0, x, 0)
auto choice_without_an_alternative() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), select(v > 0, v RIGHT(, 0))););
}
#endif

#if TWIN || CASE == 12
// a number isn't cast to b1: compare it, x != 0
auto cast_to_truth() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v, when(WRONG(cast<b1>(v)) RIGHT(v != 0))););
}
#endif

#if TWIN || CASE == 13
// bitcast needs element types of the same width, and no b1: cast<T>(x) converts values
auto bits_of_another_width() {
  return BODY(auto v = WRONG(bitcast) RIGHT(cast) < f32 > (h(BM[i], BN[j]));
              return store(d(BM[i], BN[j]), v););
}
#endif

#if TWIN || CASE == 14
// the element types are b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16 and f32: cast<f32>(x)
auto cast_to_a_cpp_type() {
  return BODY(auto v = cast<WRONG(float) RIGHT(f32)>(h(BM[i], BN[j]));
              return store(d(BM[i], BN[j]), v););
}
#endif

#if TWIN || CASE == 15
// the element types are b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16 and f32: bitcast<i32>(x)
auto bits_as_a_cpp_type() {
  return BODY(auto v = bitcast<WRONG(int) RIGHT(i32)>(x(BM[i], BN[j]));
              return store(d(BM[i], BN[j]), cast<f32>(v)););
}
#endif

#if TWIN || CASE == 16
// cast names the element type to convert to: cast<f32>(x)
auto cast_to_nothing() {
  return BODY(return store(d(BM[i], BN[j]), cast RIGHT(<f32>)(h(BM[i], BN[j]))););
}
#endif

#if TWIN || CASE == 17
// fma is defined on f32: cast<f32>(x) first
auto fma_of_integers() {
  return BODY(auto v = n(BM[i]); return store(r(BM[i]), fma(s, s, WRONG(v) RIGHT(cast<f32>(v)))););
}
#endif

#if TWIN || CASE == 18
// tiles are held by value: pass the tile itself, not a pointer or std::ref to it
auto pointer_operand() {
  return BODY(auto v = x(BM[i], BN[j]); auto w = v * 2; auto p = &w;
              return store(d(BM[i], BN[j]), v + WRONG(p) RIGHT(*p)););
}
#endif

#if TWIN || CASE == 19
// tiles are held by value: pass the tile itself, not a pointer or std::ref to it
auto reference_operand() {
  return BODY(auto v = x(BM[i], BN[j]); auto w = v * 2; auto p = std::cref(w);
              return store(d(BM[i], BN[j]), v * WRONG(p) RIGHT(p.get())););
}
#endif

#if TWIN || CASE == 20
// an operand is a tile, a scalar or a number; this is none of them
auto text_operand() {
  return BODY(return store(d(BM[i], BN[j]), x(BM[i], BN[j]) + WRONG("1") RIGHT(1)););
}
#endif

#if TWIN || CASE == 21
// a tensor isn't a tile: index it first, one index per dimension: a(BM[i], BK[k])
auto tensor_operand() {
  return BODY(return store(d(BM[i], BN[j]), s * x RIGHT((BM[i], BN[j]))););
}
#endif

#if TWIN || CASE == 22
// a tensor isn't a tile: index it first
auto tensor_cast() {
  return BODY(return store(d(BM[i], BN[j]), cast<f32>(h RIGHT((BM[i], BN[j])))););
}
#endif

#if TWIN || CASE == 23
// a tensor isn't a tile: index it first
auto function_of_a_tensor() {
  return BODY(return store(d(BM[i], BN[j]), exp(x RIGHT((BM[i], BN[j])))););
}
#endif

#if TWIN || CASE == 24
// a tile can't be the condition of if, ?:, for or while: write select(condition, x, y), or
// store(place, value, when(condition)); a loop is sum, fold or for_each
auto if_of_a_tile() {
  return BODY(auto v = x(BM[i], BN[j]); WRONG(if (v > 0) store(d(BM[i], BN[j]), v);)
                  RIGHT(store(d(BM[i], BN[j]), v, when(v > 0));));
}
#endif

#if TWIN || CASE == 25
// a tile can't be the condition of if, ?:, for or while: write select(condition, x, y)
auto choice_by_cpp() {
  return BODY(auto v = x(BM[i], BN[j]) * 2; auto w = v * 2;
              return store(d(BM[i], BN[j]), WRONG(v > 0 ? v : w) RIGHT(select(v > 0, v, w))););
}
#endif

#if TWIN || CASE == 26
// a tile can't be changed in place: name a new value, auto y = x + z, or carry it through fold
auto compound_assignment() {
  return BODY(auto v = x(BM[i], BN[j]) * 2; WRONG(v += 1; store(d(BM[i], BN[j]), v);)
                  RIGHT(auto w = v + 1; store(d(BM[i], BN[j]), w);));
}
#endif

#if TWIN || CASE == 27
// a tile can't be changed in place
auto increment() {
  return BODY(auto v = x(BM[i], BN[j]) * 2;
              WRONG(++v;) RIGHT(auto w = v + 1;) store(d(BM[i], BN[j]), WRONG(v) RIGHT(w)););
}
#endif

#if TWIN || CASE == 28
// a tile's element type and axes are fixed: name a new value, auto y = ...
auto assignment_of_another_type() {
  return BODY(auto v = x(BM[i], 0) * 2; WRONG(v = v * x(BM[i], BN[j]);)
                  RIGHT(auto w = v * x(BM[i], BN[j]);) store(d(BM[i], BN[j]), WRONG(v) RIGHT(w)););
}
#endif

#if TWIN || CASE == 29
// tiles have no bit operations: && || ! combine b1 tiles, and * / % integers
auto bitwise_and() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v, when((v > 0) WRONG(&) RIGHT(&&)(v < 1))););
}
#endif

#if TWIN || CASE == 30
// tiles have no bit operations: && || ! combine b1 tiles, and * / % integers
auto shift() {
  return BODY(return store(r(BM[i]), cast<f32>(n(BM[i]) WRONG(<< 2) RIGHT(*4))););
}
#endif

#if TWIN || CASE == 31
// tiles have no bit operations: && || ! combine b1 tiles, and * / % integers
auto complement() {
  return BODY(auto v = x(BM[i], BN[j]);
              return store(d(BM[i], BN[j]), v, when(WRONG(~) RIGHT(!)(v > 0))););
}
#endif

#if TWIN || CASE == 32
// a tile can't be the condition of if, ?:, for or while
auto maximum_of_the_standard_library() {
  return BODY(auto v = x(BM[i], BN[j]) * 2; auto w = v * 3;
              return store(d(BM[i], BN[j]), WRONG(std::max) RIGHT(max)(v, w)););
}
#endif

}  // namespace octile
