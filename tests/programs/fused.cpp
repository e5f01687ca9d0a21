// Products with more around them: computed operands, several dots, epilogues, loops of stores.
#include <algorithm>

#include "octile/tests/programs/products.hpp"

namespace octile::test {
namespace {

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

// Two sums that are computed of each other and of a trip's products, rows of which are scaled.
OCTILE_PROGRAM(sums_of_each_other) {
  const auto k = kernel(
      "sums_of_each_other", in<bf16>("a", M, K), in<bf16>("b", N, K), in<bf16>("c", N, K),
      in<f32>("s", M, K / BK), out<f32>("d", M, N), [](auto a, auto b, auto c, auto s, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto [x, y] = fold(K / BK, tuple(0.0f, 0.0f), [=](auto k, auto x, auto y) {
            auto rows = a(BM[i], BK[k]);
            return tuple(y * 0.5f + dot(rows, b(BN[j], BK[k])) * s(BM[i], k),
                         x - dot(rows, c(BN[j], BK[k])));
          });
          return store(d(BM[i], BN[j]), x - y);
        });
      });
  for (const Shape& shape : kShapes) {
    const auto [m, n, depth] = shape;
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input c = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input s = t.input(ElementType::f32, {m, (depth + 63) / 64}, Fill::uniform);
    const Input d = t.output(ElementType::f32, {m, n},
                             [=, depth = depth](const Index& e) {
                               double x = 0, y = 0;
                               for (std::int64_t first = 0; first < depth; first += 64) {
                                 double p = 0, q = 0;
                                 for (auto k = first; k < std::min(first + 64, depth); ++k) {
                                   p += (*a)(e[0], k) * (*b)(e[1], k);
                                   q += (*a)(e[0], k) * (*c)(e[1], k);
                                 }
                                 const double before = x;
                                 x = y / 2 + p * (*s)(e[0], first / 64);
                                 y = before - q;
                               }
                               return x - y;
                             },
                             {2e-3, 2e-5});
    t.run(k,
          {{BM(64), BN(64)},
           {BM(64), BN(64), accumulators(1), stages(3)},
           {BM(128), BN(32)},
           {BM(128), BN(80), stages(2)},
           {BM(16), BN(64), swap_operands()}},
          a, b, c, s, d);
  }
}

// Vectors of elements of 1, 2, 4 and 8 bytes along a tile's rows and columns, which end inside of
// it.
OCTILE_PROGRAM(gemm_plus_vectors_of_every_width) {
  const auto k = kernel(
      "plus_vectors", in<bf16>("a", M, K), in<bf16>("b", N, K), in<e4m3>("one", N),
      in<f16>("two", M), in<f32>("four", N), in<i64>("eight", M), out<f32>("d", M, N),
      [](auto a, auto b, auto one, auto two, auto four, auto eight, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
          auto columns = cast<f32>(one(BN[j])) + four(BN[j]);
          auto rows = cast<f32>(two(BM[i])) + cast<f32>(eight(BM[i]));
          return store(d(BM[i], BN[j]), acc + columns + rows);
        });
      });
  for (const Shape& s : kShapes) {
    const auto [m, n, depth] = s;
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const Input one = t.input(ElementType::e4m3, {n}, Fill::integers);
    const Input two = t.input(ElementType::f16, {m}, Fill::integers);
    const Input four = t.input(ElementType::f32, {n}, Fill::integers);
    const Input eight = t.input(ElementType::i64, {m}, Fill::integers);
    const auto want = products(a, b);
    const Input d = t.output(ElementType::f32, {m, n}, [=, n = n](const Index& e) {
      return want(e[0] * n + e[1]) + (*one)(e[1]) + (*four)(e[1]) + (*two)(e[0]) + (*eight)(e[0]);
    });
    t.run(k, {kSchedules[0], kSchedules[2], {BM(128), BN(80)}}, a, b, one, two, four, eight, d);
  }
}

// Largest magnitudes of groups of 96 columns, which end inside of what TMA stores at a time.
OCTILE_PROGRAM(gemm_and_amax_of_96) {
  const auto k = kernel(
      "amax_of_96", in<bf16>("a", M, K), in<bf16>("b", N, K), out<e4m3>("q", M, N),
      out<f32>("amax", M, N / 96_c), [](auto a, auto b, auto q, auto amax) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
          return stores(store(amax(BM[i], BN[j] / 96_c), max(abs(acc), within(BN, 96_c))),
                        store(q(BM[i], BN[j]), cast<e4m3>(acc)));
        });
      });
  for (const Shape& s : std::vector<Shape>{{130, 384, 200}, {65, 192, 64}}) {
    const auto [m, n, depth] = s;
    const Input a = t.input(ElementType::bf16, {m, depth}, Fill::integers);
    const Input b = t.input(ElementType::bf16, {n, depth}, Fill::integers);
    const auto want = products(a, b);
    const Input q = t.output(ElementType::e4m3, {m, n}, [=, n = n](const Index& e) {
      return rounded(ElementType::e4m3, want(e[0] * n + e[1]));
    });
    const Input amax = t.output(ElementType::f32, {m, n / 96}, [=, n = n](const Index& e) {
      double most = 0;
      for (std::int64_t c = 0; c < 96; ++c)
        most = std::max(most, std::abs(want(e[0] * n + e[1] * 96 + c)));
      return most;
    });
    t.run(k, {{BM(128), BN(192)}, {BM(64), BN(96)}}, a, b, q, amax);
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
    const auto base = products(a, b);
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
    const auto want = products(a, b);
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
    const auto product = products(a, b);
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
    const auto hidden = products(a, b);
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

}  // namespace
}  // namespace octile::test
