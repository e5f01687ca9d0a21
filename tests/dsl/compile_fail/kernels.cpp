// Grids, kernels and the declarations of their parameters.
#include "octile/tests/dsl/compile_fail/case.hpp"

namespace octile {

#if TWIN || CASE == 1
// a grid has one to three extents: split one index into two with / and %, or loop with for_each
auto four_extents() {
  return define_kernel("k", out<f32>("d", M, N, K, 8_c), [](auto d) {
    return grid(M, N, K WRONG(, 8_c), [=](auto i, auto j, auto k WRONG(, auto l)) {
      return store(d(i, j, k, WRONG(l) RIGHT(8_c [0])), 1);
    });
  });
}
#endif

#if TWIN || CASE == 2
// grid's function takes one index per extent: [=](auto i, auto j) for two
auto missing_index() {
  return define_kernel("k", out<f32>("d", M, N), [](auto d) {
    return grid(M, N, [=](auto i RIGHT(, auto j)) { return store(d(i, WRONG(0) RIGHT(j)), 1); });
  });
}
#endif

#if TWIN || CASE == 3
// grid takes extents, then a function of one index per extent: grid(M / BM, [=](auto i) { ... })
auto no_function() {
  return define_kernel("k", out<f32>("d", M), [](auto d) {
    WRONG(store(d(0), 1);)
    return grid(M RIGHT(, [=](auto i) { return store(d(i), 1); }));
  });
}
#endif

#if TWIN || CASE == 4
// grid takes extents, then a function of one index per extent: grid(M / BM, [=](auto i) { ... })
auto no_function_for_two() {
  return define_kernel("k", out<f32>("d", M, N), [](auto d) {
    WRONG(store(d(0, 0), 1);)
    return grid(M, N RIGHT(, [=](auto i, auto j) { return store(d(i, j), 1); }));
  });
}
#endif

#if TWIN || CASE == 5
// a kernel stores its result: return store(d(...), value)
auto returned_value() {
  return define_kernel("k", in<f32>("x", M), out<f32>("d", M), [](auto x, auto d) {
    return grid(M, [=](auto i) { return WRONG(x(i) + 1) RIGHT(store(d(i), x(i) + 1)); });
  });
}
#endif

#if TWIN || CASE == 6
// a kernel stores its result: return store(d(...), value), or stores(store(...), store(...))
auto returned_tuple() {
  return define_kernel("k", out<f32>("d", M), out<f32>("e", M), [](auto d, auto e) {
    return grid(M,
                [=](auto i) { return WRONG(tuple) RIGHT(stores)(store(d(i), 1), store(e(i), 2)); });
  });
}
#endif

#if TWIN || CASE == 7
// the extent of a grid or a loop is a scalar
auto grid_over_a_tile() {
  return define_kernel("k", out<f32>("d", M), [](auto d) {
    return grid(WRONG(iota(BM)) RIGHT(M / BM), [=](auto i) { return store(d(BM[i]), 1); });
  });
}
#endif

#if TWIN || CASE == 8
// the last argument of kernel() is a function of one argument per parameter, in order: [](auto a,
// auto b, auto d) { ... }
auto missing_parameter() {
  return define_kernel("k", in<f32>("x", M), out<f32>("d", M), [](RIGHT(auto x, ) auto d) {
    return grid(M, [=](auto i) { return store(d(i), 1 RIGHT(+x(i))); });
  });
}
#endif

#if TWIN || CASE == 9
// a kernel's function returns grid(extents..., [=](auto i) { ... })
auto kernel_of_a_value() {
  return define_kernel("k", in<f32>("x", M), out<f32>("d", M), [](auto x, auto d) {
    return WRONG(x(BM[0]) + 1)
        RIGHT(grid(1_c, [=](auto) { return store(d(BM[0]), x(BM[0]) + 1); }));
  });
}
#endif

#if TWIN || CASE == 10
// a kernel's function returns grid(extents..., [=](auto i) { ... })
auto kernel_of_a_store() {
  return define_kernel("k", out<f32>("d", M), [](auto d) {
    return WRONG(store(d(BM[0]), 1)) RIGHT(grid(1_c, [=](auto) { return store(d(BM[0]), 1); }));
  });
}
#endif

#if TWIN || CASE == 11
// kernel() takes a name, then parameters - in, out, inout, scalar - and last its function
auto function_first() {
  const auto body = [](auto d) { return grid(M, [=](auto i) { return store(d(i), 1); }); };
  return define_kernel("k", WRONG(body, ) out<f32>("d", M) RIGHT(, body));
}
#endif

#if TWIN || CASE == 12
// kernel() takes a name, then parameters - in, out, inout, scalar - and last its function
auto kernel_of_a_name() {
  return define_kernel("k" RIGHT(
      , out<f32>("d", M), [](auto d) { return grid(M, [=](auto i) { return store(d(i), 1); }); }));
}
#endif

#if TWIN || CASE == 13
// kernel() takes a name, then parameters - in, out, inout, scalar - and last its function
auto kernel_without_a_name() {
  return define_kernel(RIGHT("k", ) out<f32>("d", M),
                       [](auto d) { return grid(M, [=](auto i) { return store(d(i), 1); }); });
}
#endif

#if TWIN || CASE == 14
// a tensor's extent is a problem size, not a tile axis that the schedule binds: dim<"M"> M
auto axis_as_an_extent() {
  return in<f32>("x", WRONG(BM) RIGHT(M));
}
#endif

#if TWIN || CASE == 15
// a tensor's extent can be divided by a constant such as 128_c, not by a tile axis that the
// schedule binds
auto blocks_as_an_extent() {
  return in<f32>("x", M / WRONG(BM) RIGHT(128_c));
}
#endif

#if TWIN || CASE == 16
// a tensor's extent is a dim, a constant such as 8_c, or a dim divided by a constant
auto expression_as_an_extent() {
  return in<f32>("x", WRONG(M * N) RIGHT(M, N));
}
#endif

#if TWIN || CASE == 17
// a tensor has one to five dimensions: in<T>(name, extents...); for a single value write
// scalar<T>(name)
auto tensor_without_dimensions() {
  return WRONG(in) RIGHT(scalar)<f32>("x");
}
#endif

#if TWIN || CASE == 18
// a tensor has one to five dimensions
auto six_dimensions() {
  return in<f32>("x", M, N, K, 2_c, 3_c WRONG(, 4_c));
}
#endif

#if TWIN || CASE == 19
// the element types are b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16 and f32: in<f32>(name,
// extents...)
auto tensor_of_a_cpp_type() {
  return define_kernel(
      "k", in<WRONG(float) RIGHT(f32)>("x", M), out<f32>("d", M),
      [](auto x, auto d) { return grid(M, [=](auto i) { return store(d(i), x(i) + 1); }); });
}
#endif

#if TWIN || CASE == 20
// the element types are b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16 and f32: scalar<f32>(name)
auto scalar_of_a_cpp_type() {
  return define_kernel(
      "k", scalar<WRONG(float) RIGHT(f32)>("s"), out<f32>("d", M),
      [](auto s, auto d) { return grid(M, [=](auto i) { return store(d(i), s + 1); }); });
}
#endif

#if TWIN || CASE == 21
// a tensor's declaration names its element type: in<f32>(name, extents...)
auto tensor_of_no_type() {
  return in RIGHT(<f32>)("x", M, N);
}
#endif

#if TWIN || CASE == 22
// a parameter's declaration starts with its name: in<f32>("x", M, N)
auto tensor_without_a_name() {
  return in<f32>(RIGHT("x", ) M, N);
}
#endif

#if TWIN || CASE == 23
// an axis has an extent of 1 or more
auto negative_axis() {
  constexpr axis<"A", WRONG(-1) RIGHT(1)> A;
  return A;
}
#endif

#if TWIN || CASE == 24
// a scalar's declaration names its element type: scalar<f32>(name)
auto scalar_of_no_type() {
  return scalar RIGHT(<f32>)("s");
}
#endif

#if TWIN || CASE == 25
// grid's function takes one index per extent: [=](auto i, auto j) for two
auto typed_index() {
  return define_kernel("k", out<f32>("d", M), [](auto d) {
    return grid(M, [=](WRONG(int) RIGHT(auto) i) { return store(d(i), 1); });
  });
}
#endif

#if TWIN || CASE == 26
// compiler: has no member named
auto mistake_of_cpp() {
  return define_kernel("k", in<f32>("x", M), out<f32>("d", M), [](auto x, auto d) {
    return grid(M / BM, [=](auto i) {
      return store(d(BM[i]),
                   sum(4_c, [=](auto k) { return x(BM[i]) WRONG(.row) RIGHT(*1) + cast<f32>(k); }));
    });
  });
}
#endif

#if TWIN || CASE == 27
// the last argument of kernel() is a function of one argument per parameter, in order
auto eighth_of_nine_parameters() {
  return define_kernel("k", scalar<i64>("a"), scalar<i64>("b"), scalar<i64>("c"), scalar<i64>("e"),
                       scalar<i64>("f"), scalar<i64>("g"), scalar<i64>("h"), scalar<i64>("k"),
                       out<i64>("d", M),
                       [](auto a, auto, auto, auto, auto, auto, auto, RIGHT(auto, ) auto d) {
                         return grid(M / BM, [=](auto i) { return store(d(BM[i]), a); });
                       });
}
#endif

#if TWIN || CASE == 28
// a constant is divided by something other than 0: write 128_c / 2_c
auto constant_by_zero() {
  return in<f32>("x", 8_c / WRONG(0_c) RIGHT(2_c));
}
#endif

}  // namespace octile
