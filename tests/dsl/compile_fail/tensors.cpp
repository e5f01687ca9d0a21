// Indexing tensors, and loads.
#include "octile/tests/dsl/compile_fail/case.hpp"

namespace octile {

#if TWIN || CASE == 1
// wrong number of indices: a tensor is called with one index per declared dimension
auto too_few_indices() {
  return BODY(return store(d(BM[i], BN[j]), x(BM[i] RIGHT(, BN[j]))););
}
#endif

#if TWIN || CASE == 2
// wrong number of indices: a tensor is called with one index per declared dimension
auto too_many_indices() {
  return BODY(return store(r(BM[i] WRONG(, BN[j])), cast<f32>(n(BM[i]))););
}
#endif

#if TWIN || CASE == 3
// one axis indexes two dimensions: use another axis for one of them, or index(BM[i]) for a diagonal
auto one_axis_twice() {
  return BODY(return store(r(BM[i]), x(BM[i], WRONG(BM[j]) RIGHT(index(BM[j])))););
}
#endif

#if TWIN || CASE == 4
// a tensor is called, not subscripted: a(BM[i], BK[k])
auto subscript() {
  return BODY(return store(d(BM[i], BN[j]), x WRONG([BM[i]][BN[j]]) RIGHT((BM[i], BN[j]))););
}
#endif

#if TWIN || CASE == 5
// this tensor is declared out<T> and can't be read: declare it inout<T>
auto reading_an_out_tensor() {
  return BODY(return store(d(BM[i], BN[j]), WRONG(d) RIGHT(y)(BM[i], BN[j]) + 1););
}
#endif

#if TWIN || CASE == 6
// this tensor is declared out<T> and can't be read: declare it inout<T>
auto reading_an_out_tensor_with_other() {
  return BODY(return store(d(BM[i], BN[j]), WRONG(d) RIGHT(y)(BM[i], BN[j], other(1))););
}
#endif

#if TWIN || CASE == 7
// an axis isn't an index: BM[i] is its i-th block, BM.at(start) any other place, value(BM) its
// extent
auto axis_as_an_index() {
  return BODY(return store(d(BM[i], BN[j]), x(BM WRONG() RIGHT([i]), BN[j])););
}
#endif

#if TWIN || CASE == 8
// an index is an integer, not a floating-point number
auto fraction_as_an_index() {
  return BODY(return store(r(BM[i]), x(BM[i], WRONG(1.0) RIGHT(1))););
}
#endif

#if TWIN || CASE == 9
// an index is an integer: a block BM[i], an i32 or i64 scalar or tile, or a constant; cast<i64>(x)
// other element types first
auto float_tile_as_an_index() {
  return BODY(auto at = floor(x(BM[i], 0));
              return store(r(BM[i]), x(BM[i], WRONG(at) RIGHT(cast<i64>(at)))););
}
#endif

#if TWIN || CASE == 10
// an index is an integer, not a floating-point number
auto block_of_a_fraction() {
  return BODY(return store(r(BM[i]), sum(x(BM[i], BN[WRONG(0.5) RIGHT(5)]), BN)););
}
#endif

#if TWIN || CASE == 11
// other(x) must have the tensor's element type: other(cast<T>(x))
auto other_of_another_type() {
  return BODY(auto v = h(BM[i], BN[j], other(WRONG(s) RIGHT(cast<bf16>(s))));
              return store(d(BM[i], BN[j]), cast<f32>(v)););
}
#endif

#if TWIN || CASE == 12
// other(x) is a scalar: one value for everything out of bounds
auto other_with_axes() {
  return BODY(auto v = x(BM[i], BN[j]).other(WRONG(x(BM[i], 0)) RIGHT(x(0, 0)));
              return store(d(BM[i], BN[j]), v););
}
#endif

#if TWIN || CASE == 13
// other(x) comes once, after the indices: x(BM[i], BN[j], other(1))
auto other_first() {
  return BODY(return store(d(BM[i], BN[j]),
                           WRONG(x(other(1), BM[i], BN[j])) RIGHT(x(BM[i], BN[j], other(1)))););
}
#endif

#if TWIN || CASE == 14
// when() guards a store; for a load write select(condition, x, y)
auto guarded_load() {
  return BODY(auto v = x(BM[i], BN[j]);
              auto w = WRONG(x(BM[i], BN[j]).when(v > 0)) RIGHT(select(v > 0, v, 0));
              return store(d(BM[i], BN[j]), w + 1););
}
#endif

#if TWIN || CASE == 15
// BM(128) binds an axis in a schedule; in a kernel its i-th block is BM[i]
auto called_axis() {
  return BODY(return store(d(BM[i], BN[j]), x(BM WRONG((i)) RIGHT([i]), BN[j])););
}
#endif

#if TWIN || CASE == 16
// a dim is a problem size and has no blocks: index with a tile axis, axis<"BM"> BM and BM[i]
auto block_of_a_dim() {
  return BODY(return store(d(BM[i], BN[j]), x(WRONG(M) RIGHT(BM)[i], BN[j])););
}
#endif

#if TWIN || CASE == 17
// the start of a block already runs along the block's own axis
auto block_of_a_block() {
  return BODY(return store(d(BM[i], BN[j]), x(BM[WRONG(BM[i]) RIGHT(i)], BN[j])););
}
#endif

#if TWIN || CASE == 18
// a scalar or a tile can't be indexed: only tensor parameters are called with indices; declare it
// in<T>(name, extents...)
auto indexed_scalar() {
  return BODY(return store(d(BM[i], BN[j]), x(BM[i], BN[j]) * s WRONG((BM[i]))););
}
#endif

#if TWIN || CASE == 19
// a scalar or a tile can't be indexed: only tensor parameters are called with indices
auto subscripted_tile() {
  return BODY(auto v = x(BM[i], BN[j]); return store(d(BM[i], BN[j]), v + v WRONG([0])););
}
#endif

#if TWIN || CASE == 20
// iota runs along a tile axis: iota(BM); the indices of a block are index(BM[i])
auto iota_of_a_dim() {
  return BODY(return store(r(BM[i]), cast<f32>(iota(WRONG(M) RIGHT(BM)))););
}
#endif

#if TWIN || CASE == 21
// the extent of an axis is 1 or more: 128_c[i]
auto empty_axis() {
  return BODY(return store(r(BM[i]), sum(x(BM[i], WRONG(0_c) RIGHT(16_c)[j]), 16_c)););
}
#endif

#if TWIN || CASE == 22
// an integer constant is decimal: 128_c
auto hexadecimal_constant() {
  return BODY(constexpr auto BL = WRONG(0x10_c) RIGHT(16_c);
              return store(d(BM[i], BN[j]), x(BM[i], BN[j]) * cast<f32>(value(BL))););
}
#endif

#if TWIN || CASE == 23
// a dim isn't an index: BM[i] is the i-th block of a tile axis, value(M) the problem size itself
auto dims_as_indices() {
  return BODY(return store(d(BM[i], BN[j]), WRONG(x(M, N)) RIGHT(x(BM[i], BN[j]))););
}
#endif

#if TWIN || CASE == 24
// an axis isn't an index: BM[i] is its i-th block
auto block_of_an_axis() {
  return BODY(return store(d(BM[i], BN[j]), x(BM[WRONG(BN) RIGHT(value(BN))], BN[j])););
}
#endif

#if TWIN || CASE == 25
// index takes a block: index(BM[i]); value(BM) is the axis' extent, iota(BM) counts along it
auto index_of_an_axis() {
  return BODY(return store(r(BM[i]), cast<f32>(index(BM RIGHT([i])))););
}
#endif

#if TWIN || CASE == 26
// the i-th block of a constant extent is 128_c[i]
auto called_constant() {
  return BODY(return store(r(BM[i]), sum(x(BM[i], 128_c WRONG((j)) RIGHT([j])), 128_c)););
}
#endif

#if TWIN || CASE == 27
// a constant combines with a constant: write 2_c * 64_c, or the number alone
auto constant_times_a_number() {
  return BODY(constexpr auto BL = WRONG(2) RIGHT(2_c) * 64_c;
              return store(r(BM[i]), sum(x(BM[i], BL[j]), BL)););
}
#endif

}  // namespace octile
