// Products: every transposition and element type, computed operands, epilogues, several dots.
#include <algorithm>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/programs/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr dim<"Z"> Z;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 64_c;

using Shape = std::array<std::int64_t, 3>;
using Schedules = std::vector<std::vector<Knob>>;

const std::vector<Shape> kShapes = {{1, 1, 1},      {7, 63, 64},      {65, 129, 200},
                                    {64, 128, 256}, {130, 136, 1000}, {300, 24, 72}};

const Schedules kSchedules = {
    {BM(64), BN(64)},
    {BM(64), BN(80), stages(2), consumers(1)},
    {BM(128), BN(64), stages(3), consumers(2), persistent(false)},
    {BM(16), BN(64), swap_operands()},
    {BM(192), BN(40), consumers(3)},
    {BM(64), BN(32), stages(4), fastest(BN), group_width(2)},
};
// For products whose operands come through TMA.
const Schedules kPipelined = {
    {BM(128), BN(64), cluster(2, BM)},   {BM(64), BN(64), cluster(2, BN)},
    {BM(64), BN(64), split_fold(2)},     {BM(16), BN(64), swap_operands(), split_fold(4)},
    {BM(128), BN(64), tma_store(false)}, {BM(64), BN(64), stream_fold()},
};

Schedules join(Schedules a, const Schedules& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool by_tma(const Shape& s, int bytes) {
  return s[2] * bytes % 16 == 0 && s[2] > 0;
}

double rounded(ElementType type, double x) {
  return numerics::decode(type, numerics::encode(type, static_cast<float>(x)));
}

// sum over k of a(i, k) * b(j, k), for every i and j asked for.
auto products(std::int64_t m, std::int64_t n, std::int64_t depth, auto a, auto b) {
  return remembered(m * n, [=](std::int64_t at) {
    double total = 0;
    for (std::int64_t k = 0; k < depth; ++k) total += a(at / n, k) * b(at % n, k);
    return total;
  });
}

template <class T>
Layout odd_layout(std::int64_t k) {
  return {false, k % 3 == 0 ? 16 : 0, 0};
}

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
    const auto want = products(
        m, n, depth, [=](std::int64_t i, std::int64_t k) { return (*a)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
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

// One operand is dequantised on the way: the tensor core gets a computed tile.
OCTILE_PROGRAM(gemm_of_dequantised_weights) {
  const auto k =
      kernel("dequantised", in<e4m3>("q", M, K), in<f32>("s", M, K / 64_c), in<bf16>("b", N, K),
             out<bf16>("d", M, N), [](auto q, auto s, auto b, auto d) {
               return grid(M / BM, N / BN, [=](auto i, auto j) {
                 auto acc = sum(K / BK, [=](auto k) {
                   auto a = cast<bf16>(cast<f32>(q(BM[i], BK[k])) * s(BM[i], k));
                   return dot(a, b(BN[j], BK[k]));
                 });
                 return store(d(BM[i], BN[j]), cast<bf16>(acc));
               });
             });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const Input q = t.input(ElementType::e4m3, {m, depth});
    const Input scale = t.input(ElementType::f32, {m, (depth + 63) / 64}, Fill::uniform);
    const Input b = t.input(ElementType::bf16, {n, depth});
    const auto want = products(
        m, n, depth,
        [=](std::int64_t i, std::int64_t k) {
          return rounded(ElementType::bf16, (*q)(i, k) * (*scale)(i, k / 64));
        },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
    const Input d =
        t.output(ElementType::bf16, {m, n},
                 [=, n = n](const Index& e) { return want(e[0] * n + e[1]); }, {1e-3, 1.0 / 200});
    t.run(k, {kSchedules[0], kSchedules[1], kSchedules[3]}, q, scale, b, d);
  }
}

// SiLU(a * gate) * (a * up): two dots share an operand and a fold.
OCTILE_PROGRAM(gate_and_up) {
  const auto k =
      kernel("gate_up", in<bf16>("a", M, K), in<bf16>("gate", N, K), in<bf16>("up", N, K),
             out<bf16>("d", M, N), [](auto a, auto gate, auto up, auto d) {
               return grid(M / BM, N / BN, [=](auto i, auto j) {
                 auto [g, u] = fold(K / BK, tuple(0.0f, 0.0f), [=](auto k, auto g, auto u) {
                   auto x = a(BM[i], BK[k]);
                   return tuple(g + dot(x, gate(BN[j], BK[k])), u + dot(x, up(BN[j], BK[k])));
                 });
                 return store(d(BM[i], BN[j]), cast<bf16>(g * sigmoid(g) * u));
               });
             });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const Input a = t.input(ElementType::bf16, {m, depth});
    const Input gate = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input up = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const auto at = [=](std::int64_t i, std::int64_t k) { return (*a)(i, k) / 8; };
    const auto g = products(m, n, depth, at,
                            [=](std::int64_t j, std::int64_t k) { return 8 * (*gate)(j, k); });
    const auto u =
        products(m, n, depth, at, [=](std::int64_t j, std::int64_t k) { return 8 * (*up)(j, k); });
    const Input d = t.output(ElementType::bf16, {m, n},
                             [=, n = n](const Index& e) {
                               const double x = g(e[0] * n + e[1]);
                               return x / (1 + std::exp(-x)) * u(e[0] * n + e[1]);
                             },
                             {2e-2, 1.0 / 150});
    t.run(k, {kSchedules[0], kSchedules[2], kSchedules[3], {BM(128), BN(64), cluster(2, BM)}}, a,
          gate, up, d);
  }
}

// An FP8 product, promoted block by block, and a bf16 one of low rank, added in place: two rings'
// worth of trips through one ring, again and again under a persistent grid.
OCTILE_PROGRAM(low_rank_adapter) {
  constexpr auto BK8 = 128_c;
  constexpr dim<"R"> R;
  const auto k = kernel(
      "adapter", in<e4m3>("a", M, K), in<e4m3>("b", N, K), in<bf16>("x", M, R), in<bf16>("y", N, R),
      out<bf16>("d", M, N), [=](auto a, auto b, auto x, auto y, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto base = sum(K / BK8, [=](auto k) { return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k])); });
          auto low = sum(R / BK, [=](auto r) { return dot(x(BM[i], BK[r]), y(BN[j], BK[r])); });
          return store(d(BM[i], BN[j]), cast<bf16>(base + low));
        });
      });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const std::int64_t rank = 72;
    const Input a = t.input(ElementType::e4m3, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::e4m3, {n, depth}, Fill::integers);
    const Input x = t.input(ElementType::bf16, {m, rank}, Fill::integers);
    const Input y = t.input(ElementType::bf16, {n, rank}, Fill::integers);
    const auto base = products(
        m, n, depth, [=](std::int64_t i, std::int64_t k) { return (*a)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
    const auto low = products(
        m, n, rank, [=](std::int64_t i, std::int64_t k) { return (*x)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return (*y)(j, k); });
    const Input d = t.output(
        ElementType::bf16, {m, n},
        [=, n = n](const Index& e) { return base(e[0] * n + e[1]) + low(e[0] * n + e[1]); }, kBf16);
    Schedules schedules = kSchedules;
    if (by_tma(s, 1)) {
      schedules.push_back({BM(128), BN(64), cluster(2, BM)});
      schedules.push_back({BM(256), BN(64), consumers(2)});
    }
    t.run(k, schedules, a, b, x, y, d);
  }
}

// The sum of every row of the first operand comes out of the same pass.
OCTILE_PROGRAM(gemm_and_row_sums) {
  const auto k = kernel(
      "gemm_row_sums", in<bf16>("a", M, K), in<bf16>("b", N, K), out<f32>("d", M, N),
      out<f32>("rows", M, N / 64_c), [](auto a, auto b, auto d, auto rows) {
        constexpr axis<"BN", 64> BN;
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto [acc, total] = fold(K / BK, tuple(0.0f, 0.0f), [=](auto k, auto acc, auto total) {
            auto x = a(BM[i], BK[k]);
            return tuple(acc + dot(x, b(BN[j], BK[k])), total + sum(cast<f32>(x), BK));
          });
          return stores(store(d(BM[i], BN[j]), acc), store(rows(BM[i], j), total));
        });
      });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const auto want = products(
        m, n, depth, [=](std::int64_t i, std::int64_t k) { return (*a)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
    const Input d = t.output(ElementType::f32, {m, n},
                             [=, n = n](const Index& e) { return want(e[0] * n + e[1]); });
    const Input rows =
        t.output(ElementType::f32, {m, (n + 63) / 64}, [=, depth = depth](const Index& e) {
          double total = 0;
          for (std::int64_t k = 0; k < depth; ++k) total += (*a)(e[0], k);
          return total;
        });
    t.run(k, {{BM(64)}, {BM(128), stages(2)}}, a, b, d, rows);
  }
}

// Bias, GELU and a residual; the result quantised per 1x128 with its scales, and the largest of
// every row of a tile: three outputs of three shapes.
OCTILE_PROGRAM(gemm_with_a_long_epilogue) {
  t.may_spill();
  constexpr axis<"BN", 128> BN;
  constexpr auto BK8 = 128_c;
  const auto k = kernel(
      "long_epilogue", in<e4m3>("a", M, K), in<e4m3>("b", N, K), in<f32>("bias", N),
      in<bf16>("r", M, N), scalar<f32>("scale"), out<e4m3>("q", M, N), out<f32>("s", M, N / 128_c),
      out<f32>("least", M, N / 128_c),
      [=](auto a, auto b, auto bias, auto r, auto scale, auto q, auto s, auto least) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK8, [=](auto k) { return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k])); });
          auto x = acc * scale + bias(BN[j]);
          auto y = 0.5f * x * (1.0f + erf(x * 0.70710678f)) + cast<f32>(r(BM[i], BN[j]));
          auto inside = index(BN[j]) < N;
          auto top = max(max(abs(select(inside, y, 0.0f)), BN), 1e-10f) / 448.0f;
          return stores(store(q(BM[i], BN[j]), cast<e4m3>(y / top)), store(s(BM[i], j), top),
                        store(least(BM[i], j), min(select(inside, y, 1e30f), BN)));
        });
      });
  for (const Shape& shape : kShapes) {
    const auto [m, n, depth] = shape;
    const std::int64_t blocks = (n + 127) / 128;
    const Input a = t.input(ElementType::e4m3, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::e4m3, {n, depth}, Fill::integers);
    const Input bias = t.input(ElementType::f32, {n});
    const Input r = t.input(ElementType::bf16, {m, n});
    const auto product = products(
        m, n, depth, [=](std::int64_t i, std::int64_t k) { return (*a)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
    const auto y = remembered(m * n, [=, n = n](std::int64_t at) {
      const double x = product(at) * 0.0625 + (*bias)(at % n);
      return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5))) + (*r)(at / n, at % n);
    });
    const auto over = [=, n = n](const Index& e, bool top) {
      double best = top ? 1e-10 : 1e30;
      for (std::int64_t j = 128 * e[1]; j < std::min(n, 128 * e[1] + 128); ++j) {
        const double v = y(e[0] * n + j);
        best = top ? std::max(best, std::abs(v)) : std::min(best, v);
      }
      return top ? best / 448 : best;
    };
    // One step of e4m3 either way, where rounding falls the other side.
    const Input q =
        t.output(ElementType::e4m3, {m, n},
                 [=, n = n](const Index& e) {
                   return rounded(ElementType::e4m3,
                                  y(e[0] * n + e[1]) / over(Index{e[0], e[1] / 128}, true));
                 },
                 {0.02, 0.13});
    const Input s = t.output(ElementType::f32, {m, blocks},
                             [=](const Index& e) { return over(e, true); }, {0, 1e-4});
    const Input least = t.output(ElementType::f32, {m, blocks},
                                 [=](const Index& e) { return over(e, false); }, {1e-4, 1e-4});
    t.run(k, {{BM(64)}, {BM(128), stages(2)}}, a, b, bias, r, 0.0625f, q, s, least);
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
    t.run(k, {{BM(64), BN(64)}, {BM(64), BN(64), split_fold(2)}, {BM(64), BN(64), stream_fold()}},
          a, b, bias, d);
  }
}

// Sums that the tensor core keeps for the whole depth.
OCTILE_PROGRAM(gemm_fast_accumulate) {
  const auto k = kernel("fast", in<e4m3>("a", M, K), in<e4m3>("b", N, K), out<f32>("d", M, N),
                        [](auto a, auto b, auto d) {
                          constexpr auto BK8 = 128_c;
                          return grid(M / BM, N / BN, [=](auto i, auto j) {
                            auto acc = sum(K / BK8, [=](auto k) {
                              return dot(a(BM[i], BK8[k]), b(BN[j], BK8[k]), fast_accumulate);
                            });
                            return store(d(BM[i], BN[j]), acc);
                          });
                        });
  for (const Shape& s : {Shape{64, 128, 256}, {65, 129, 208}, {200, 72, 1024}}) {
    const auto [m, n, depth] = s;
    const Input a = t.input(ElementType::e4m3, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::e4m3, {n, depth}, Fill::integers);
    const auto want = products(
        m, n, depth, [=](std::int64_t i, std::int64_t k) { return (*a)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
    const Input d = t.output(ElementType::f32, {m, n},
                             [=, n = n](const Index& e) { return want(e[0] * n + e[1]); });
    t.run(k, join(kSchedules, kPipelined), a, b, d);
  }
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

// (a * b) * c: the second product takes the first one's tile from registers.
OCTILE_PROGRAM(chained_products) {
  constexpr axis<"H", 64> H;
  constexpr dim<"P"> P;
  constexpr axis<"BP", 64> BP;
  const auto k =
      kernel("chained", in<bf16>("a", M, K), in<bf16>("b", 64_c, K), in<bf16>("c", P, 64_c),
             out<f32>("d", M, P), [=](auto a, auto b, auto c, auto d) {
               return grid(M / BM, P / BP, [=](auto i, auto j) {
                 auto hidden =
                     sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(H.at(0), BK[k])); });
                 auto x = cast<bf16>(max(hidden, 0.0f));
                 return store(d(BM[i], BP[j]), dot(x, c(BP[j], H.at(0))));
               });
             });
  for (const auto& [m, depth, p] : {std::array{1, 1, 1}, {65, 72, 63}, {129, 200, 130}}) {
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {64, depth}, Fill::integers);
    const Input c = t.input(ElementType::bf16, {p, 64}, Fill::integers);
    const auto hidden = products(
        m, 64, depth, [=](std::int64_t i, std::int64_t k) { return (*a)(i, k); },
        [=](std::int64_t j, std::int64_t k) { return (*b)(j, k); });
    const Input d =
        t.output(ElementType::f32, {m, p},
                 [=](const Index& e) {
                   double total = 0;
                   for (std::int64_t h = 0; h < 64; ++h) {
                     total += rounded(ElementType::bf16, std::max(0.0, hidden(e[0] * 64 + h))) *
                              (*c)(e[1], h);
                   }
                   return total;
                 },
                 {1e-2, 1e-5});
    t.run(k, {{BM(64)}, {BM(128), stages(2)}}, a, b, c, d);
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

// A convolution along rows: a dot per tap, of a shifted tile.
OCTILE_PROGRAM(convolution) {
  constexpr dim<"C"> C;
  const auto k = kernel("convolution", in<bf16>("x", M, C), in<bf16>("w", 3_c, N, C),
                        out<f32>("y", M, N), [=](auto x, auto w, auto y) {
                          return grid(M / BM, N / BN, [=](auto i, auto j) {
                            auto acc = sum(3_c, [=](auto tap) {
                              return sum(C / BK, [=](auto c) {
                                return dot(x(BM.at(i * BM + tap - 1), BK[c]), w(tap, BN[j], BK[c]));
                              });
                            });
                            return store(y(BM[i], BN[j]), acc);
                          });
                        });
  for (const auto& [m, n, c] : {std::array{1, 1, 1}, {65, 40, 72}, {130, 72, 128}}) {
    const Input x = t.input(ElementType::bf16, {m, c}, Fill::integers);
    const Input w = t.input(ElementType::bf16, {3, n, c}, Fill::integers);
    const Input y = t.output(ElementType::f32, {m, n}, [=, m = m, c = c](const Index& e) {
      double total = 0;
      for (std::int64_t tap = 0; tap < 3; ++tap) {
        const std::int64_t row = e[0] + tap - 1;
        for (std::int64_t k = 0; row >= 0 && row < m && k < c; ++k)
          total += (*x)(row, k) * (*w)(tap, e[1], k);
      }
      return total;
    });
    t.run(k, {kSchedules[0], kSchedules[1]}, x, w, y);
  }
}

// A tile of columns at a time, stored as the loop goes: a dot inside a loop of stores.
OCTILE_PROGRAM(gemm_in_a_loop_of_stores) {
  constexpr axis<"BN", 64> BN;
  constexpr axis<"H", 128> H;
  const auto k =
      kernel("panels", in<bf16>("a", M, 128_c), in<bf16>("b", N, 128_c), out<f32>("d", M, N),
             [=](auto a, auto b, auto d) {
               return grid(M / BM, [=](auto i) {
                 return for_each(N / BN, [=](auto j) {
                   return store(d(BM[i], BN[j]), dot(a(BM[i], H.at(0)), b(BN[j], H.at(0))));
                 });
               });
             });
  for (const auto& [m, n] : {std::pair{1, 1}, {65, 200}, {130, 72}}) {
    const Input a = t.input(ElementType::bf16, {m, 128}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, 128}, Fill::integers);
    const Input d = t.output(ElementType::f32, {m, n}, [=](const Index& e) {
      double total = 0;
      for (std::int64_t k = 0; k < 128; ++k) total += (*a)(e[0], k) * (*b)(e[1], k);
      return total;
    });
    t.run(k, {{BM(64)}, {BM(128)}}, a, b, d);
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
