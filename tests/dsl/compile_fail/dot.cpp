// dot and its operands.
#include "octile/tests/dsl/compile_fail/case.hpp"

namespace octile {

#if TWIN || CASE == 1
// dot's operands share no axis: index both along the axis to contract, for instance BK[k]
auto no_shared_axis() {
  return BODY(
      auto acc = sum(K / BK,
                     [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], WRONG(H) RIGHT(BK)[k])); });
      return store(d(BM[i], BN[j]), acc););
}
#endif

#if TWIN || CASE == 2
// dot's operands share more than one axis: rename all but the one to contract, or multiply and sum
// over the others
auto two_shared_axes() {
  return BODY(auto acc = dot(a(BM[i], BK[0]), b(WRONG(BM) RIGHT(BN)[j], BK[0]));
              return store(d(BM[i], BN[j]), acc););
}
#endif

#if TWIN || CASE == 3
// dot multiplies two FP8 tiles (e4m3, e5m2), or two of f16, bf16 or f32: cast<T>(x) the operands to
// one of these
auto mixed_operands() {
  return BODY(auto p = a(BM[i], BK[0]);
              auto acc = dot(WRONG(p) RIGHT(cast<bf16>(p)), h(BK[0], BN[j]));
              return store(d(BM[i], BN[j]), acc););
}
#endif

#if TWIN || CASE == 4
// dot multiplies two FP8 tiles
auto integer_operands() {
  return BODY(auto u = WRONG(iota(BK)) RIGHT(cast<f32>(iota(BK)));
              return store(r(BM[i]), dot(x(BM[i], BK[0]), u)););
}
#endif

#if TWIN || CASE == 5
// dot finds the axis to contract by itself, the one that both operands have: write dot(x, y)
auto named_axis() {
  return BODY(auto acc = dot(a(BM[i], BK[0]), b(BN[j], BK[0]) WRONG(, BK));
              return store(d(BM[i], BN[j]), acc););
}
#endif

#if TWIN || CASE == 6
// a tensor isn't a tile: index it first, one index per dimension: a(BM[i], BK[k])
auto whole_tensors() {
  return BODY(auto acc = WRONG(dot(a, b)) RIGHT(dot(a(BM[i], BK[0]), b(BN[j], BK[0])));
              return store(d(BM[i], BN[j]), acc););
}
#endif

#if TWIN || CASE == 7
// tiles are held by value: pass the tile itself, not a pointer or std::ref to it
auto pointer_to_a_tile() {
  return BODY(auto p = a(BM[i], BK[0]); auto acc = dot(WRONG(&) p, b(BN[j], BK[0]));
              return store(d(BM[i], BN[j]), acc););
}
#endif

#if TWIN || CASE == 8
// dot takes two tiles: dot(x, y)
auto one_operand() {
  return BODY(auto p = a(BM[i], BK[0]); auto acc = dot(p RIGHT(, b(BN[j], BK[0])));
              return store(d(BM[i], BN[j]), acc););
}
#endif

}  // namespace octile
