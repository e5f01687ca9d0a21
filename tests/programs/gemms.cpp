// Products alone: every transposition and element type, batches, depths of all kinds.
#include <algorithm>

#include "octile/tests/programs/products.hpp"

namespace octile::test {
namespace {

// d = a * b with either operand stored either way; integers, so exact.
template <class T, bool TransposeA, bool TransposeB>
void transposed(Trial& t, const char* name, const Schedules& schedules) {
  const auto a_decl = [] {
    if constexpr (TransposeA) {
      return in<T>("a", K, M);
    } else {
      return in<T>("a", M, K);
    }
  }();
  const auto b_decl = [] {
    if constexpr (TransposeB) {
      return in<T>("b", N, K);
    } else {
      return in<T>("b", K, N);
    }
  }();
  const auto k = kernel(name, a_decl, b_decl, out<f32>("d", M, N), [](auto a, auto b, auto d) {
    return grid(M / BM, N / BN, [=](auto i, auto j) {
      auto acc = sum(K / BK, [=](auto k) {
        auto x = [&] {
          if constexpr (TransposeA) {
            return a(BK[k], BM[i]);
          } else {
            return a(BM[i], BK[k]);
          }
        }();
        auto y = [&] {
          if constexpr (TransposeB) {
            return b(BN[j], BK[k]);
          } else {
            return b(BK[k], BN[j]);
          }
        }();
        return dot(x, y);
      });
      return store(d(BM[i], BN[j]), acc);
    });
  });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const Dims a_dims = TransposeA ? Dims{depth, m} : Dims{m, depth};
    const Dims b_dims = TransposeB ? Dims{n, depth} : Dims{depth, n};
    const Input a = t.input(T::type, a_dims, Fill::integers, odd_layout<T>(m));
    const Input b = t.input(T::type, b_dims, Fill::integers);
    const auto want = products(
        m, n, depth,
        [=](std::int64_t i, std::int64_t k) { return TransposeA ? (*a)(k, i) : (*a)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return TransposeB ? (*b)(j, k) : (*b)(k, j); });
    const Input d = t.output(ElementType::f32, {m, n},
                             [=, n = n](const Index& e) { return want(e[0] * n + e[1]); });
    t.run(k, schedules, a, b, d);
  }
}

OCTILE_PROGRAM(gemm_bf16_nt) {
  transposed<bf16, false, true>(t, "gemm_nt", kSchedules);
}
OCTILE_PROGRAM(gemm_bf16_nn) {
  transposed<bf16, false, false>(t, "gemm_nn", {kSchedules[0], kSchedules[3]});
}
OCTILE_PROGRAM(gemm_bf16_tn) {
  transposed<bf16, true, false>(t, "gemm_tn", {kSchedules[0], kSchedules[1]});
}
OCTILE_PROGRAM(gemm_bf16_tt) {
  transposed<bf16, true, true>(t, "gemm_tt", {kSchedules[2]});
}
OCTILE_PROGRAM(gemm_f16) {
  transposed<f16, false, true>(t, "gemm_f16", {kSchedules[1]});
}
OCTILE_PROGRAM(gemm_f32) {
  transposed<f32, false, true>(t, "gemm_f32", {{BM(16), BN(32)}});
}
OCTILE_PROGRAM(gemm_e4m3_tn) {
  transposed<e4m3, true, false>(t, "gemm_e4m3", {kSchedules[0]});
}

// Scales per row and per column, outside of the fold; operands of two FP8 types.
template <class TA, class TB>
void fp8_rows_by_columns(Trial& t, const char* name) {
  constexpr auto BK8 = 128_c;
  const auto k = kernel(
      name, in<TA>("a", M, K), in<f32>("sa", M), in<TB>("b", N, K), in<f32>("sb", N),
      out<bf16>("d", M, N), [=](auto a, auto sa, auto b, auto sb, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK8, [=](auto k) { return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k])); });
          return store(d(BM[i], BN[j]), cast<bf16>(acc * sa(BM[i]) * sb(BN[j])));
        });
      });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const Input a = t.input(TA::type, {m, depth}, Fill::integers);
    const Input b = t.input(TB::type, {n, depth}, Fill::integers);
    const Input sa = t.input(ElementType::f32, {m}, Fill::uniform);
    const Input sb = t.input(ElementType::f32, {n}, Fill::uniform);
    const auto want = products(a, b);
    const Input d = t.output(
        ElementType::bf16, {m, n},
        [=, n = n](const Index& e) { return want(e[0] * n + e[1]) * (*sa)(e[0]) * (*sb)(e[1]); },
        kBf16);
    t.run(k, by_tma(s, 1) ? join(kSchedules, kPipelined) : kSchedules, a, sa, b, sb, d);
  }
}

OCTILE_PROGRAM(gemm_e4m3_by_rows_and_columns) {
  fp8_rows_by_columns<e4m3, e4m3>(t, "rowwise");
}
OCTILE_PROGRAM(gemm_e5m2_e4m3) {
  fp8_rows_by_columns<e5m2, e4m3>(t, "mixed");
}

// Scales per 1x128 of both operands, as in a weight gradient; added to what is there.
OCTILE_PROGRAM(weight_gradient_accumulates) {
  constexpr auto BK8 = 128_c;
  const auto k =
      kernel("weight_gradient", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c),
             in<e5m2>("b", N, K), in<f32>("sb", N, K / 128_c), inout<f32>("d", M, N),
             [=](auto a, auto sa, auto b, auto sb, auto d) {
               return grid(M / BM, N / BN, [=](auto i, auto j) {
                 auto acc = sum(K / BK8, [=](auto k) {
                   return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k])) * sa(BM[i], k) * sb(BN[j], k);
                 });
                 return store(d(BM[i], BN[j]), d(BM[i], BN[j]) + acc);
               });
             });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const std::int64_t runs = (depth + 127) / 128;
    const Input a = t.input(ElementType::e4m3, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::e5m2, {n, depth}, Fill::integers);
    const Input sa = t.input(ElementType::f32, {m, runs}, Fill::uniform);
    const Input sb = t.input(ElementType::f32, {n, runs}, Fill::uniform, {true, 0, 0});
    const Input start = t.input(ElementType::f32, {m, n});
    const auto want = products(
        m, n, depth, [=](std::int64_t i, std::int64_t k) { return (*a)(i, k) * (*sa)(i, k / 128); },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k) * (*sb)(j, k / 128); });
    const Input d = t.inout(
        start, [=, n = n](const Index& e) { return want(e[0] * n + e[1]) + (*start)(e[0], e[1]); },
        {3e-3, 1e-4});
    t.run(k, by_tma(s, 1) ? join(kSchedules, kPipelined) : kSchedules, a, sa, b, sb, d);
  }
}

// d = update(d, a * b): where the update is a sum, TMA adds; else threads do, to what TMA brought.
struct Update {
  const char* name;
  Fill start;
  float scale;  ///< of the product
  bool adds;
};
void updated(Trial& t, const Update& u, auto update) {
  const auto k = kernel(u.name, in<bf16>("a", M, K), in<bf16>("b", N, K), inout<f32>("d", M, N),
                        [=, scale = u.scale](auto a, auto b, auto d) {
                          return grid(M / BM, N / BN, [=](auto i, auto j) {
                            auto acc = sum(K / BK, [=](auto k) {
                              return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * scale;
                            });
                            return store(d(BM[i], BN[j]), update(d(BM[i], BN[j]), acc));
                          });
                        });
  for (const Shape& s : {Shape{130, 136, 1000}, Shape{300, 24, 72}, Shape{64, 256, 128}}) {
    const auto [m, n, depth] = s;
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input start = t.input(ElementType::f32, {m, n}, u.start);
    const auto want = products(a, b);
    const Input d = t.inout(
        start,
        [=, n = n](const Index& e) {
          return update((*start)(e[0], e[1]), want(e[0] * n + e[1]) * u.scale);
        },
        kExact);
    Schedules schedules = join(join(kSchedules, kPipelined),
                               {{BM(64), BN(64), ping_pong()}, {BM(64), BN(64), fold_teams(2)}});
    if (u.adds) schedules.push_back({BM(128), BN(128), epilogue_overlap(false)});
    t.run(k, schedules, a, b, d);
  }
}

OCTILE_PROGRAM(sums_on_integers) {
  updated(t, {"on_integers", Fill::integers, 0.5f, true}, [](auto d, auto x) { return d + x; });
}
OCTILE_PROGRAM(sums_on_subnormals) {
  updated(t, {"on_subnormals", Fill::subnormals, 0x1p-145f, true},
          [](auto d, auto x) { return x + d; });
}
OCTILE_PROGRAM(sums_on_halves) {
  updated(t, {"on_halves", Fill::integers, 1, false}, [](auto d, auto x) { return d * 0.5f + x; });
}

// Rows of scales that TMA copies or loader warps transpose: short and long ones, with rests, gaps
// and other rows behind them; beside scales that lie otherwise, which are gathered.
OCTILE_PROGRAM(rows_of_scales) {
  constexpr auto BK8 = 128_c;
  const auto k = kernel("rows_of_scales", in<e4m3>("a", Z, M, K), in<f32>("sa", Z, M, K / 128_c),
                        in<e4m3>("b", Z, N, K), in<f32>("sb", Z, N, K / 128_c),
                        out<f32>("d", Z, M, N), [=](auto a, auto sa, auto b, auto sb, auto d) {
                          return grid(M / BM, N / BN, Z, [=](auto i, auto j, auto z) {
                            auto acc = sum(K / BK8, [=](auto k) {
                              return dot(a(z, BM[i], BK8[k]), b(z, BN[j], BK8[k])) *
                                     sa(z, BM[i], k) * sb(z, BN[j], k);
                            });
                            return store(d(z, BM[i], BN[j]), acc);
                          });
                        });
  const Schedules schedules = {
      {BM(64), BN(64)},
      {BM(64), BN(64), transpose_panels()},
      {BM(100), BN(40), transpose_panels()},
      {BM(128), BN(80), transpose_panels(), accumulators(2)},
      {BM(256), BN(64), consumers(2), transpose_panels(), persistent(false)},
      {BM(128), BN(64), transpose_panels(), cluster(2, BM)},
      {BM(64), BN(64), transpose_panels(), split_fold(2)},
      {BM(16), BN(64), transpose_panels(), swap_operands(), ctas_per_sm(2)},
      {BM(64), BN(64), transpose_panels(), ping_pong()},
      {BM(128), BN(64), transpose_panels(), stream_fold()},
      {BM(64), BN(64), transpose_panels(), fold_teams(2)},
      {BM(64), BN(40), fold_teams(2)},
  };
  for (const auto& [z, m, n, depth, gap_a, gap_b] : {std::array{1, 130, 200, 512, 0, 0},
                                                     {2, 65, 72, 640, 3, 7},
                                                     {3, 7, 40, 2048, 4, 0},
                                                     {2, 300, 136, 1152, 7, 0}}) {
    const std::int64_t runs = (depth + 127) / 128;
    const Input a = t.input(ElementType::e4m3, {z, m, depth}, Fill::integers);
    const Input b = t.input(ElementType::e4m3, {z, n, depth}, Fill::integers);
    const Input sa = t.input(ElementType::f32, {z, m, runs}, Fill::uniform, {false, gap_a, 0});
    const Input sb = t.input(ElementType::f32, {z, n, runs}, Fill::uniform, {false, gap_b, 0});
    const auto layer = [=, m = m, n = n, depth = depth](std::int64_t z) {
      return products(
          m, n, depth, [=](auto i, auto k) { return (*a)(z, i, k) * (*sa)(z, i, k / 128); },
          [=](auto j, auto k) { return (*b)(z, j, k) * (*sb)(z, j, k / 128); });
    };
    const auto layers = remembered(z, layer);
    const Input d = t.output(ElementType::f32, {z, m, n},
                             [=, n = n](const Index& e) { return layers(e[0])(e[1] * n + e[2]); },
                             {3e-3, 1e-4});
    t.run(k, schedules, a, sa, b, sb, d);
  }
}

// Of one trip whose products are powers of two, the result is a product of scales.
template <class Kernel>
void check_outer_products_alone(Trial& t, const Kernel& k) {
  const Input a = t.input(ElementType::e4m3, {300, 1}, Fill::powers, {false, 15, 0});
  const Input b = t.input(ElementType::e4m3, {264, 1}, Fill::powers, {false, 15, 0});
  const Input sa = t.input(ElementType::f32, {300, 1}, Fill::uniform, {false, 3, 0});
  const Input sb = t.input(ElementType::f32, {264, 1}, Fill::uniform, {false, 3, 0});
  const Input d = t.output(ElementType::f32, {300, 264},
                           [=](const Index& e) {
                             return (*a)(e[0], 0) * (*sa)(e[0], 0) * (*b)(e[1], 0) * (*sb)(e[1], 0);
                           },
                           {0, 0x1p-21});
  t.run(k,
        Schedules{{BM(128), BN(136), outer_products()},
                  {BM(128), BN(136), outer_products(), persistent(), stores_apart()}},
        a, sa, b, sb, d);
}

// Scales that take all bits of a float, of products that are exact. Without the low bits of either
// side's scales, results would be off by 0.4 and more.
OCTILE_PROGRAM(outer_products) {
  constexpr auto BK8 = 128_c;
  const auto k =
      kernel("outer_products", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c),
             in<e4m3>("b", N, K), in<f32>("sb", N, K / 128_c), out<f32>("d", M, N),
             [=](auto a, auto sa, auto b, auto sb, auto d) {
               return grid(M / BM, N / BN, [=](auto i, auto j) {
                 auto acc = sum(K / BK8, [=](auto k) {
                   return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k])) * (sa(BM[i], k) * sb(BN[j], k));
                 });
                 return store(d(BM[i], BN[j]), acc);
               });
             });
  const Schedules schedules = {
      {BM(64), BN(64), outer_products()},
      {BM(128), BN(136), outer_products()},
      {BM(100), BN(40), outer_products()},
      {BM(256), BN(88), outer_products(), consumers(2)},
      {BM(192), BN(64), outer_products(), consumers(3), persistent(false)},
      {BM(128), BN(64), outer_products(), cluster(2, BM)},
      {BM(64), BN(64), outer_products(), split_fold(2)},
      {BM(16), BN(64), outer_products(), swap_operands(), ctas_per_sm(2)},
      {BM(64), BN(64), outer_products(), ping_pong()},
      {BM(128), BN(64), outer_products(), stream_fold()},
      {BM(64), BN(40), outer_products(), fold_teams(2)},
      {BM(128), BN(64), outer_products(), order_consumers(), unroll(2)},
  };
  using Case = std::array<int, 5>;  // extents, whether scales are reversed, a gap behind their rows
  const auto run = [&](const Case& c, const Schedules& some) {
    const auto [m, n, depth, reversed, gap] = c;
    const std::int64_t runs = (depth + 127) / 128;
    const Layout layout{reversed != 0, gap, 0}, layout_b{reversed != 0, reversed ? 0 : gap, 0};
    const Input a = t.input(ElementType::e4m3, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::e4m3, {n, depth}, Fill::integers);
    const Input sa = t.input(ElementType::f32, {m, runs}, Fill::uniform, layout);
    const Input sb = t.input(ElementType::f32, {n, runs}, Fill::uniform, layout_b);
    const auto want = products(
        m, n, depth, [=](auto i, auto k) { return (*a)(i, k) * (*sa)(i, k / 128); },
        [=](auto j, auto k) { return (*b)(j, k) * (*sb)(j, k / 128); });
    const Input d =
        t.output(ElementType::f32, {m, n},
                 [=, n = n](const Index& e) { return want(e[0] * n + e[1]); }, {2e-3, 0});
    t.run(k, some, a, sa, b, sb, d);
  };
  const Schedules with_transposed =
      join(schedules, {{BM(128), BN(72), outer_products(), transpose_panels()}});
  for (const Case& c : {Case{132, 200, 2048, 0, 0}, {65, 72, 640, 0, 3}}) run(c, with_transposed);
  for (const Case& c : {Case{300, 136, 1152, 1, 0}, {7, 44, 1024, 1, 1}}) run(c, schedules);
  // Many tiles to a CTA, each of three trips or one.
  for (const Case& c : {Case{640, 136, 384, 0, 0}, {640, 136, 128, 0, 1}})
    run(c, {{BM(64), BN(8), outer_products(), persistent()}});
  check_outer_products_alone(t, k);
}

OCTILE_PROGRAM(batched_gemm) {
  const auto k = kernel("batched", in<bf16>("a", Z, M, K), in<bf16>("b", Z, N, K),
                        out<f32>("d", Z, M, N), [](auto a, auto b, auto d) {
                          return grid(M / BM, N / BN, Z, [=](auto i, auto j, auto z) {
                            auto acc = sum(K / BK, [=](auto k) {
                              return dot(a(z, BM[i], BK[k]), b(z, BN[j], BK[k]));
                            });
                            return store(d(z, BM[i], BN[j]), acc);
                          });
                        });
  for (const auto& [z, m, n, depth] :
       {std::array{1, 1, 1, 1}, {3, 65, 40, 72}, {5, 64, 64, 128}, {2, 129, 200, 200}}) {
    const Input a = t.input(ElementType::bf16, {z, m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {z, n, depth}, Fill::integers, {false, 8, 0});
    const Input d = t.output(ElementType::f32, {z, m, n}, [=, depth = depth](const Index& e) {
      double total = 0;
      for (std::int64_t k = 0; k < depth; ++k) total += (*a)(e[0], e[1], k) * (*b)(e[0], e[2], k);
      return total;
    });
    t.run(k, {kSchedules[0], kSchedules[2], {BM(128), BN(64), tma_store(false)}}, a, b, d);
  }
}

OCTILE_PROGRAM(gemm_without_depth) {
  const auto k = kernel(
      "no_depth", in<e4m3>("a", M, K), in<e4m3>("b", N, K), in<f32>("bias", N), out<f32>("d", M, N),
      [](auto a, auto b, auto bias, auto d) {
        constexpr auto BK8 = 128_c;
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK8, [=](auto k) { return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k])); });
          return store(d(BM[i], BN[j]), acc + bias(BN[j]));
        });
      });
  for (const auto& [m, n] : {std::pair{1, 8}, {65, 72}}) {
    const Input a = t.input(ElementType::e4m3, {m, 0});
    const Input b = t.input(ElementType::e4m3, {n, 0});
    const Input bias = t.input(ElementType::f32, {n});
    const Input d =
        t.output(ElementType::f32, {m, n}, [=](const Index& e) { return (*bias)(e[1]); });
    t.run(k,
          {{BM(64), BN(64)},
           {BM(64), BN(64), split_fold(2)},
           {BM(64), BN(64), stream_fold()},
           {BM(64), BN(64), fold_teams(2)}},
          a, b, bias, d);
  }
}

// Values per row and per column that start before their tensors, or end behind them.
OCTILE_PROGRAM(gemm_with_shifted_addends) {
  const auto k = kernel(
      "shifted_addends", in<bf16>("a", M, K), in<bf16>("b", N, K), in<f32>("row", M),
      in<f32>("column", N, 2_c), out<f32>("d", M, N),
      [](auto a, auto b, auto row, auto column, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
          return store(d(BM[i], BN[j]), acc + row(BM.at(i * BM + 3)).other(64.0f) +
                                            column(BN.at(j * BN - 5), 1).other(128.0f));
        });
      });
  for (const auto& [m, n, depth] : {std::array{1, 8, 64}, {65, 72, 128}, {131, 136, 200}}) {
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input row = t.input(ElementType::f32, {m}, Fill::integers);
    const Input column = t.input(ElementType::f32, {n, 2}, Fill::integers);
    const Input d = t.output(ElementType::f32, {m, n}, [=, m = m, depth = depth](const Index& e) {
      double total = e[0] + 3 < m ? (*row)(e[0] + 3) : 64.0;
      total += e[1] >= 5 ? (*column)(e[1] - 5, 1) : 128.0;
      for (std::int64_t k = 0; k < depth; ++k) total += (*a)(e[0], k) * (*b)(e[1], k);
      return total;
    });
    t.run(k, {kSchedules[0], kSchedules[1], {BM(128), BN(72)}, {BM(128), BN(64), stages(2)}}, a, b,
          row, column, d);
  }
}

// Sums that the tensor core keeps for the whole depth.
template <class D>
void fast_sums(Trial& t, const char* name, const std::vector<Shape>& shapes, Tolerance error,
               const Schedules& schedules) {
  const auto k = kernel(name, in<e4m3>("a", M, K), in<e4m3>("b", N, K), out<D>("d", M, N),
                        [](auto a, auto b, auto d) {
                          constexpr auto BK8 = 128_c;
                          return grid(M / BM, N / BN, [=](auto i, auto j) {
                            auto acc = sum(K / BK8, [=](auto k) {
                              return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k]), fast_accumulate);
                            });
                            return store(d(BM[i], BN[j]), cast<D>(acc));
                          });
                        });
  for (const Shape& s : shapes) {
    const auto [m, n, depth] = s;
    const Input a = t.input(ElementType::e4m3, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::e4m3, {n, depth}, Fill::integers);
    const auto want = products(a, b);
    const Input d = t.output(
        D::type, {m, n}, [=, n = n](const Index& e) { return want(e[0] * n + e[1]); }, error);
    t.run(k, schedules, a, b, d);
  }
}
OCTILE_PROGRAM(gemm_fast_accumulate) {
  fast_sums<f32>(t, "fast", {{64, 128, 256}, {65, 129, 208}, {200, 72, 1024}}, kExact,
                 join(kSchedules, kPipelined));
}
// Parts of several tiles take turns in two slots: three of 64 columns or two and one of 8, by a
// warp of all, one of each, or threads; wide ones between narrow ones, which leaves room for a
// stage. The third part and the fourth have the stage of the last trip, of many and of one, unless
// consumers end a tile in turn.
OCTILE_PROGRAM(stores_in_parts) {
  fast_sums<bf16>(t, "parts", {{1096, 2128, 16}, {200, 392, 1040}}, kBf16,
                  {{BM(64), BN(192), epilogue_overlap(false)},
                   {BM(64), BN(192), ping_pong(), epilogue_overlap(false)},
                   {BM(128), BN(136), epilogue_overlap(false), stores_apart(false)},
                   {BM(128), BN(136), epilogue_overlap(false), stores_apart()},
                   {BM(128), BN(136), epilogue_overlap(false), order_consumers(false)},
                   {BM(192), BN(176), stores_apart()},
                   {BM(192), BN(176), stores_apart(), order_consumers(false)}});
}
// 136 columns: four parts of 32 and one of eight.
OCTILE_PROGRAM(stores_in_five_parts) {
  fast_sums<f32>(t, "five_parts", {{1096, 1088, 16}}, kExact,
                 {{BM(64), BN(136), epilogue_overlap(false)},
                  {BM(64), BN(136), epilogue_overlap(false), stores_apart()}});
}

// One tensor on both sides.
OCTILE_PROGRAM(gram_matrix) {
  const auto k = kernel("gram", in<bf16>("a", M, K), out<f32>("d", M, M), [](auto a, auto d) {
    return grid(M / BM, M / BN, [=](auto i, auto j) {
      auto acc = sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), a(BN[j], BK[k])); });
      return store(d(BM[i], BN[j]), acc);
    });
  });
  for (const auto& [m, depth] : {std::pair{1, 1}, {65, 72}, {130, 200}, {64, 1000}}) {
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input d = t.output(ElementType::f32, {m, m}, [=, depth = depth](const Index& e) {
      double total = 0;
      for (std::int64_t k = 0; k < depth; ++k) total += (*a)(e[0], k) * (*a)(e[1], k);
      return total;
    });
    t.run(k, {kSchedules[0], kSchedules[2]}, a, d);
  }
}

// Rows picked by an index tensor and put back elsewhere, as in a mixture of experts.
OCTILE_PROGRAM(gemm_of_gathered_rows) {
  const auto k = kernel(
      "gathered", in<bf16>("a", Z, K), in<i32>("row", M), in<bf16>("b", N, K), out<f32>("d", M, N),
      [](auto a, auto row, auto b, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto rows = cast<i64>(row(BM[i]));
          auto acc = sum(K / BK, [=](auto k) { return dot(a(rows, BK[k]), b(BN[j], BK[k])); });
          return store(d(M - 1 - index(BM[i]), BN[j]), acc);
        });
      });
  for (const auto& [m, n, depth, z] :
       {std::array{1, 1, 1, 1}, {65, 40, 72, 9}, {130, 72, 200, 300}}) {
    const Input a = t.input(ElementType::bf16, {z, depth}, Fill::integers);
    const Input row = t.input(ElementType::i32, {m}, Fill::counting);
    if (t.where() != Where::nvrtc) {
      row->for_each(
          [&, z = z](const Index& e) { row->set(e, static_cast<double>(e[0] * 7919 % z)); });
    }
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input d = t.output(ElementType::f32, {m, n}, [=, m = m, depth = depth](const Index& e) {
      double total = 0;
      const auto from = static_cast<std::int64_t>((*row)(m - 1 - e[0]));
      for (std::int64_t k = 0; k < depth; ++k) total += (*a)(from, k) * (*b)(e[1], k);
      return total;
    });
    t.run(k, {kSchedules[0], kSchedules[3]}, a, row, b, d);
  }
}

// The depth is read from memory, one per batch.
OCTILE_PROGRAM(gemm_of_ragged_depth) {
  const auto k = kernel(
      "ragged", in<bf16>("a", Z, M, K), in<bf16>("b", N, K), in<i32>("depth", Z),
      out<f32>("d", Z, M, N), [](auto a, auto b, auto depth, auto d) {
        return grid(M / BM, N / BN, Z, [=](auto i, auto j, auto z) {
          auto blocks = (cast<i64>(depth(z)) + 63) / 64;
          auto acc = sum(blocks, [=](auto k) { return dot(a(z, BM[i], BK[k]), b(BN[j], BK[k])); });
          return store(d(z, BM[i], BN[j]), acc);
        });
      });
  for (const auto& [m, n, depth] : {std::array{64, 64, 256}, {65, 40, 200}}) {
    const std::int64_t batches = 4;
    const Input a = t.input(ElementType::bf16, {batches, m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input depths = t.input(ElementType::i32, {batches}, Fill::counting);
    if (t.where() != Where::nvrtc) {
      const double all[] = {0, 64, 128, 192};
      for (std::int64_t z = 0; z < batches; ++z) depths->set(Index{z}, all[z]);
    }
    const Input d = t.output(ElementType::f32, {batches, m, n}, [=](const Index& e) {
      double total = 0;
      for (std::int64_t k = 0; k < static_cast<std::int64_t>((*depths)(e[0])); ++k)
        total += (*a)(e[0], e[1], k) * (*b)(e[2], k);
      return total;
    });
    t.run(k, {kSchedules[0], kSchedules[2]}, a, b, depths, d);
  }
}

// Tiles smaller than any tensor core's, without a fold.
OCTILE_PROGRAM(dot_of_small_tiles) {
  constexpr axis<"I", 5> I;
  constexpr axis<"J", 3> J;
  constexpr axis<"L", 7> L;
  const auto k = kernel("small", in<f16>("a", Z, 5_c, 7_c), in<f16>("b", Z, 3_c, 7_c),
                        out<f16>("d", Z, 3_c, 5_c), [=](auto a, auto b, auto d) {
                          return grid(Z, [=](auto z) {
                            auto x = dot(a(z, I.at(0), L.at(0)), b(z, J.at(0), L.at(0)));
                            return store(d(z, J.at(0), I.at(0)), cast<f16>(x));
                          });
                        });
  for (const std::int64_t z : {1, 7, 65}) {
    const Input a = t.input(ElementType::f16, {z, 5, 7}, Fill::integers);
    const Input b = t.input(ElementType::f16, {z, 3, 7}, Fill::integers);
    const Input d = t.output(ElementType::f16, {z, 3, 5}, [=](const Index& e) {
      double total = 0;
      for (std::int64_t k = 0; k < 7; ++k) total += (*a)(e[0], e[2], k) * (*b)(e[0], e[1], k);
      return total;
    });
    t.run(k, a, b, d);
  }
}

// Many vectors by many matrices: a product and a sum instead of a dot; and a dot of a vector.
OCTILE_PROGRAM(batched_matrix_vector) {
  t.may_spill();
  constexpr axis<"BK", 128> BK;
  const auto k = kernel(
      "gemv", in<bf16>("a", Z, M, K), in<bf16>("x", Z, K), out<f32>("y", Z, M), out<f32>("z", Z, M),
      [=](auto a, auto x, auto y, auto w) {
        return grid(M / BM, Z, [=](auto i, auto z) {
          auto by_sum = sum(K / BK, [=](auto k) {
            return sum(cast<f32>(a(z, BM[i], BK[k])) * cast<f32>(x(z, BK[k])), BK);
          });
          auto by_dot = sum(K / BK, [=](auto k) { return dot(a(z, BM[i], BK[k]), x(z, BK[k])); });
          return stores(store(y(z, BM[i]), by_sum), store(w(z, BM[i]), by_dot));
        });
      });
  for (const auto& [z, m, depth] : {std::array{1, 1, 1}, {3, 65, 72}, {2, 129, 1000}}) {
    const Input a = t.input(ElementType::bf16, {z, m, depth}, Fill::integers);
    const Input x = t.input(ElementType::bf16, {z, depth}, Fill::integers);
    const auto want = [=, depth = depth](const Index& e) {
      double total = 0;
      for (std::int64_t k = 0; k < depth; ++k) total += (*a)(e[0], e[1], k) * (*x)(e[0], k);
      return total;
    };
    const Input y = t.output(ElementType::f32, {z, m}, want);
    const Input w = t.output(ElementType::f32, {z, m}, want);
    t.run(k, {{BM(8)}, {BM(1), warps(1)}}, a, x, y, w);
  }
}

}  // namespace
}  // namespace octile::test
