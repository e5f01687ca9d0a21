// Kernels that move and combine elements: permutations, broadcasts, gathers, stencils, prefix sums.
#include <algorithm>

#include "octile/tests/programs/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

OCTILE_PROGRAM(transpose) {
  const auto k = kernel("transpose", in<f32>("x", M, N), out<f32>("y", N, M), [](auto x, auto y) {
    return grid(M / BM, N / BN,
                [=](auto i, auto j) { return store(y(BN[j], BM[i]), x(BM[i], BN[j])); });
  });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 129}, {65, 63}, {300, 1000}}) {
    for (const Layout& layout : {Layout{}, Layout{false, 3, 0}, Layout{true, 0, 1}}) {
      const Input x = t.input(ElementType::f32, {m, n}, Fill::counting, layout);
      const Input y =
          t.output(ElementType::f32, {n, m}, [=](const Index& e) { return (*x)(e[1], e[0]); });
      t.run(k, {{BM(32), BN(32)}, {BM(64), BN(1), warps(2)}}, x, y);
    }
  }
}

constexpr dim<"A"> A;
constexpr dim<"B"> B;
constexpr dim<"C"> C;
constexpr dim<"D"> D;
constexpr dim<"E"> E;
constexpr axis<"BA"> BA;
constexpr axis<"BB"> BB;
constexpr axis<"BC"> BC;
constexpr axis<"BD"> BD;

OCTILE_PROGRAM(permute_4d) {
  t.may_spill();
  const auto k =
      kernel("permute", in<bf16>("x", A, B, C, D), out<bf16>("y", A, C, B, D), [](auto x, auto y) {
        return grid(A, B / BB, C / BC, [=](auto a, auto b, auto c) {
          return for_each(D / BD, [=](auto d) {
            return store(y(a, BC[c], BB[b], BD[d]), x(a, BB[b], BC[c], BD[d]));
          });
        });
      });
  for (const auto& [a, b, c, d] : {std::array{1, 1, 1, 1}, {2, 7, 5, 65}, {3, 16, 33, 128}}) {
    const Input x = t.input(ElementType::bf16, {a, b, c, d}, Fill::integers, {false, a % 2, 0});
    const Input y = t.output(ElementType::bf16, {a, c, b, d},
                             [=](const Index& e) { return (*x)(e[0], e[2], e[1], e[3]); });
    t.run(k, {{BB(4), BC(8), BD(32)}}, x, y);
  }
}

OCTILE_PROGRAM(sum_of_a_5d_tensor) {
  const auto k = kernel("sum_5d", in<i32>("x", A, B, C, D, E), out<i64>("y", A, E),
                        out<i32>("top", A), [](auto x, auto y, auto top) {
                          return grid(A, [=](auto a) {
                            auto v = x(a, BA.at(0), BB.at(0), BC.at(0), BD.at(0));
                            auto s = sum(sum(sum(cast<i64>(v), BA), BB), BC);
                            return stores(store(y(a, BD.at(0)), s),
                                          store(top(a), max(max(max(max(v, BC), BA), BD), BB)));
                          });
                        });
  for (const auto& [a, b, c, d, e] :
       {std::array{1, 1, 1, 1, 1}, {3, 2, 3, 5, 7}, {2, 4, 8, 4, 16}}) {
    const Input x = t.input(ElementType::i32, {a, b, c, d, e}, Fill::signed_counting);
    const auto each = [=, b = b, c = c, d = d](auto visit) {
      for (int i = 0; i < b; ++i)
        for (int j = 0; j < c; ++j)
          for (int l = 0; l < d; ++l) visit(i, j, l);
    };
    const Input y = t.output(ElementType::i64, {a, e}, [=](const Index& o) {
      double total = 0;
      each([&](int i, int j, int l) { total += (*x)(o[0], i, j, l, o[1]); });
      return total;
    });
    // `max` is negative for the first slice: padding must not win.
    const Input top = t.output(ElementType::i32, {a}, [=, e = e](const Index& o) {
      double best = -1e9;
      for (int q = 0; q < e; ++q) {
        each([&](int i, int j, int l) { best = std::max(best, (*x)(o[0], i, j, l, q)); });
      }
      return best;
    });
    // Covering axes are as large as the tensor where the compiler chooses.
    t.run(k.with({BA(b), BB(c), BC(d), BD(e)}), x, y, top);
  }
}

// [M, N] + [M, 1] + [1, N] + scalar, and a column that all rows share through stride-free indexing.
OCTILE_PROGRAM(broadcast_add) {
  const auto k =
      kernel("broadcast", in<f32>("x", M, N), in<f32>("column", M, 1_c), in<f32>("row", 1_c, N),
             in<bf16>("other", N), scalar<f32>("c"), out<f32>("y", M, N),
             [](auto x, auto column, auto row, auto o, auto c, auto y) {
               return grid(M / BM, N / BN, [=](auto i, auto j) {
                 return store(y(BM[i], BN[j]), x(BM[i], BN[j]) + column(BM[i], 0) + row(0, BN[j]) +
                                                   cast<f32>(o(BN[j])) + c);
               });
             });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 129}, {65, 63}, {129, 1000}}) {
    const Input x = t.input(ElementType::f32, {m, n}, Fill::integers, {true, 1, 0});
    const Input column = t.input(ElementType::f32, {m, 1}, Fill::integers);
    const Input row = t.input(ElementType::f32, {1, n}, Fill::integers);
    const Input o = t.input(ElementType::bf16, {n}, Fill::integers, {false, 0, 1});
    const Input y = t.output(ElementType::f32, {m, n}, [=](const Index& e) {
      return (*x)(e[0], e[1]) + (*column)(e[0]) + (*row)(0, e[1]) + (*o)(e[1]) + 0.5;
    });
    t.run(k, x, column, row, o, 0.5f, y);
  }
}

OCTILE_PROGRAM(embedding_gather_and_scatter) {
  constexpr dim<"V"> V;
  const auto k = kernel("gather", in<f16>("table", V, N), in<i32>("token", M), out<f16>("y", M, N),
                        out<f16>("z", M, N), [=](auto table, auto token, auto y, auto z) {
                          return grid(M / BM, N / BN, [=](auto i, auto j) {
                            auto v = table(cast<i64>(token(BM[i])), BN[j]);
                            // A permutation of the rows: reversed.
                            auto back = M - 1 - index(BM[i]);
                            return stores(store(y(BM[i], BN[j]), v), store(z(back, BN[j]), v));
                          });
                        });
  for (const auto& [m, n, v] : {std::array{1, 1, 1}, {7, 63, 5}, {65, 129, 300}}) {
    const Input table = t.input(ElementType::f16, {v, n});
    const Input token = t.input(ElementType::i32, {m}, Fill::counting);
    if (t.where() != Where::nvrtc) {
      // Some tokens are outside of the table: they read zeros.
      token->for_each([&, v = v](const Index& e) {
        token->set(e, static_cast<double>((e[0] * 7919) % (v + 3) - 1));
      });
    }
    const auto at = [=, v = v](std::int64_t i, std::int64_t j) {
      const auto row = static_cast<std::int64_t>((*token)(i));
      return row < 0 || row >= v ? 0.0 : (*table)(row, j);
    };
    const Input y =
        t.output(ElementType::f16, {m, n}, [=](const Index& e) { return at(e[0], e[1]); });
    const Input z = t.output(ElementType::f16, {m, n},
                             [=, m = m](const Index& e) { return at(m - 1 - e[0], e[1]); });
    t.run(k, table, token, y, z);
  }
}

OCTILE_PROGRAM(argmax_by_iota) {
  const auto k =
      kernel("argmax", in<f32>("x", M, N), out<i64>("at", M), out<f32>("top", M),
             [](auto x, auto at, auto top) {
               return grid(M / BM, [=](auto i) {
                 auto v = x(BM[i], BN.at(0), other(-1e30f));
                 auto best = max(v, BN);
                 auto where = select(v == best, iota(BN), value(N));
                 return stores(store(at(BM[i]), min(where, BN)), store(top(BM[i]), best));
               });
             });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 129}, {65, 63}, {9, 5000}}) {
    const Input x = t.input(ElementType::f32, {m, n}, Fill::integers);
    const auto find = [=, n = n](std::int64_t i) {
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < n; ++j) {
        if ((*x)(i, j) > (*x)(i, best)) best = j;
      }
      return best;
    };
    const Input at = t.output(ElementType::i64, {m},
                              [=](const Index& e) { return static_cast<double>(find(e[0])); });
    const Input top =
        t.output(ElementType::f32, {m}, [=](const Index& e) { return (*x)(e[0], find(e[0])); });
    t.run(k, {{BM(1), warps(32)}, {BM(2)}}, x, at, top);
  }
}

// A prefix sum and a running maximum along rows: the fold stores as it goes, and nobody uses what
// it carries in the end.
OCTILE_PROGRAM(prefix_sum_by_fold) {
  const auto k = kernel("prefix", in<f32>("x", M, N), out<f32>("y", M, N), out<f32>("z", M, N),
                        [](auto x, auto y, auto z) {
                          return grid(M / BM, [=](auto i) {
                            fold(N, tuple(0.0f, -1e30f), [=](auto j, auto total, auto top) {
                              auto v = x(BM[i], j);
                              auto next = total + v;
                              auto highest = max(top, v);
                              store(y(BM[i], j), next);
                              store(z(BM[i], j), highest);
                              return tuple(next, highest);
                            });
                          });
                        });
  for (const auto& [m, n] : {std::pair{1, 1}, {65, 63}, {129, 7}, {3, 1000}}) {
    const Input x = t.input(ElementType::f32, {m, n}, Fill::integers);
    const Input y = t.output(ElementType::f32, {m, n}, [=](const Index& e) {
      double total = 0;
      for (std::int64_t j = 0; j <= e[1]; ++j) total += (*x)(e[0], j);
      return total;
    });
    const Input z = t.output(ElementType::f32, {m, n}, [=](const Index& e) {
      double top = -1e30;
      for (std::int64_t j = 0; j <= e[1]; ++j) top = std::max(top, (*x)(e[0], j));
      return top;
    });
    t.run(k, {{BM(32)}}, x, y, z);
  }
}

// The same by blocks: a triangle inside the block, a carried total between blocks.
OCTILE_PROGRAM(prefix_sum_by_blocks) {
  constexpr axis<"BL", 32> BL;
  constexpr axis<"BK", 32> BK;
  const auto k =
      kernel("prefix_blocks", in<f32>("x", M, N), out<f32>("y", M, N), [=](auto x, auto y) {
        return grid(M / BM, [=](auto i) {
          return fold(N / BL, 0.0f,
                      [=](auto j, auto before) {
                        auto terms = x(BM[i], BK.at(j * 32));
                        auto inside = select(iota(BK) <= iota(BL), terms, 0.0f);
                        auto sums = before + sum(inside, BK);
                        store(y(BM[i], BL[j]), sums);
                        return before + sum(terms, BK);
                      }),
                 stored{};
        });
      });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 63}, {65, 129}}) {
    const Input x = t.input(ElementType::f32, {m, n}, Fill::integers);
    const Input y = t.output(ElementType::f32, {m, n}, [=](const Index& e) {
      double total = 0;
      for (std::int64_t j = 0; j <= e[1]; ++j) total += (*x)(e[0], j);
      return total;
    });
    t.run(k, {{BM(4)}}, x, y);
  }
}

OCTILE_PROGRAM(five_point_stencil) {
  const auto k = kernel("stencil", in<f32>("x", M, N), out<f32>("y", M, N), [](auto x, auto y) {
    return grid(M / BM, N / BN, [=](auto i, auto j) {
      auto r = i * BM, c = j * BN;
      return store(y(BM[i], BN[j]), 4 * x(BM[i], BN[j]) - x(BM.at(r - 1), BN[j]) -
                                        x(BM.at(r + 1), BN[j]) - x(BM[i], BN.at(c - 1)) -
                                        x(BM[i], BN.at(c + 1)));
    });
  });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 129}, {65, 63}, {128, 256}}) {
    for (const Layout& layout : {Layout{}, Layout{true, 4, 0}}) {
      const Input x = t.input(ElementType::f32, {m, n}, Fill::integers, layout);
      const Input y = t.output(
          ElementType::f32, {m, n},
          [=, m = m, n = n](const Index& e) {
            const auto at = [&](std::int64_t i, std::int64_t j) {
              return i < 0 || j < 0 || i >= m || j >= n ? 0.0 : (*x)(i, j);
            };
            return 4 * at(e[0], e[1]) - at(e[0] - 1, e[1]) - at(e[0] + 1, e[1]) -
                   at(e[0], e[1] - 1) - at(e[0], e[1] + 1);
          },
          kExact, layout);
      t.run(k, x, y);
    }
  }
}

// An index that is constant over runs is a value like others: summed, and stored.
OCTILE_PROGRAM(sums_of_indices) {
  constexpr axis<"P", 24> P;
  constexpr axis<"Q", 64> Q;
  const auto k = kernel("index_sums", out<i64>("y", M, N), out<i64>("s", M), [=](auto y, auto s) {
    return grid(M / P, [=](auto i) {
      auto run = P[i] / 8_c;
      auto inside = select(iota(Q) < N, iota(Q) / 16 + run, value(0));
      return stores(store(s(P[i]), sum(inside, Q)),
                    store(y(P[i], Q.at(0)), run * max(iota(Q) / 16 + run, Q)));
    });
  });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 63}, {65, 64}}) {
    const auto at = [](std::int64_t i, std::int64_t j) { return j / 16 + i / 8; };
    const Input y = t.output(ElementType::i64, {m, n}, [=](const Index& e) {
      return static_cast<double>(e[0] / 8 * at(e[0], 63));
    });
    const Input s = t.output(ElementType::i64, {m}, [=, n = n](const Index& e) {
      std::int64_t total = 0;
      for (std::int64_t j = 0; j < n; ++j) total += at(e[0], j);
      return static_cast<double>(total);
    });
    t.run(k, y, s);
  }
}

// Sums along columns and over everything a program sees, of one tensor; shapes differ.
OCTILE_PROGRAM(sums_of_every_shape) {
  const auto k = kernel(
      "sums", in<f32>("x", M, N), out<f32>("columns", M / 64_c, N), out<f32>("rows", M, N / 64_c),
      out<f32>("all", M / 64_c, N / 64_c), out<f32>("least", M / 64_c, N / 64_c),
      [](auto x, auto columns, auto rows, auto all, auto least) {
        constexpr axis<"P", 64> P;
        constexpr axis<"Q", 64> Q;
        return grid(M / P, N / Q, [=](auto i, auto j) {
          auto v = x(P[i], Q[j]);
          auto inside = (index(P[i]) < M) && (index(Q[j]) < N);
          return stores(store(columns(i, Q[j]), sum(v, P)), store(rows(P[i], j), sum(v, Q)),
                        store(all(i, j), sum(sum(v, P), Q)),
                        store(least(i, j), min(min(select(inside, v, 1e30f), Q), P)));
        });
      });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 129}, {65, 63}, {128, 1000}}) {
    const Input x = t.input(ElementType::f32, {m, n}, Fill::integers, {m % 2 == 1, 2, 0});
    const auto block = [=, m = m, n = n](std::int64_t i0, std::int64_t i1, std::int64_t j0,
                                         std::int64_t j1, bool least) {
      double total = least ? 1e30 : 0;
      for (std::int64_t i = i0; i < std::min<std::int64_t>(i1, m); ++i) {
        for (std::int64_t j = j0; j < std::min<std::int64_t>(j1, n); ++j)
          total = least ? std::min(total, (*x)(i, j)) : total + (*x)(i, j);
      }
      return total;
    };
    const std::int64_t p = (m + 63) / 64, q = (n + 63) / 64;
    const auto f = ElementType::f32;
    const Input columns = t.output(f, {p, n}, [=](const Index& e) {
      return block(64 * e[0], 64 * e[0] + 64, e[1], e[1] + 1, false);
    });
    const Input rows = t.output(f, {m, q}, [=](const Index& e) {
      return block(e[0], e[0] + 1, 64 * e[1], 64 * e[1] + 64, false);
    });
    const Input all = t.output(f, {p, q}, [=](const Index& e) {
      return block(64 * e[0], 64 * e[0] + 64, 64 * e[1], 64 * e[1] + 64, false);
    });
    const Input least = t.output(f, {p, q}, [=](const Index& e) {
      return block(64 * e[0], 64 * e[0] + 64, 64 * e[1], 64 * e[1] + 64, true);
    });
    t.run(k, {{warps(8)}, {warps(16)}}, x, columns, rows, all, least);
  }
}

// Groups whose length is no power of two.
OCTILE_PROGRAM(groups_of_any_length) {
  constexpr axis<"G", 96> G;
  const auto k = kernel("groups", in<bf16>("x", M, N), out<f32>("y", M, N),
                        out<f32>("s", M, N / 24_c), [=](auto x, auto y, auto s) {
                          return grid(M / BM, N / G, [=](auto i, auto j) {
                            auto v = cast<f32>(x(BM[i], G[j]));
                            auto total = sum(v, within(G, 24_c));
                            auto small = max(v, within(G, 3_c));
                            return stores(store(s(BM[i], G[j] / 24_c), total),
                                          store(y(BM[i], G[j]), v * total + small));
                          });
                        });
  for (const auto& [m, n] : {std::pair{1, 24}, {7, 96}, {65, 192}, {3, 1200}}) {
    const Input x = t.input(ElementType::bf16, {m, n}, Fill::integers);
    const auto total = [=](std::int64_t i, std::int64_t g) {
      double s = 0;
      for (std::int64_t j = 24 * g; j < 24 * g + 24; ++j) s += (*x)(i, j);
      return s;
    };
    const Input y = t.output(ElementType::f32, {m, n}, [=](const Index& e) {
      const std::int64_t first = e[1] / 3 * 3;
      const double top =
          std::max({(*x)(e[0], first), (*x)(e[0], first + 1), (*x)(e[0], first + 2)});
      return (*x)(e[0], e[1]) * total(e[0], e[1] / 24) + top;
    });
    const Input s =
        t.output(ElementType::f32, {m, n / 24}, [=](const Index& e) { return total(e[0], e[1]); });
    t.run(k, x, y, s);
  }
}

// Every program turns its block of a tensor around in place: reads and writes of different threads
// meet in the same elements.
OCTILE_PROGRAM(reverse_in_place) {
  constexpr axis<"W", 1024> W;
  const auto k = kernel("reverse", inout<f32>("x", M, N), [=](auto x) {
    return grid(M, [=](auto i) {
      auto back = N - 1 - iota(W);
      auto v = x(i, back);
      return store(x(i, W.at(0)), v);
    });
  });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 63}, {5, 129}, {40, 1000}, {9, 1024}}) {
    const Input start = t.input(ElementType::f32, {m, n}, Fill::counting);
    const Input x =
        t.inout(start, [=, n = n](const Index& e) { return (*start)(e[0], n - 1 - e[1]); });
    t.run(k, {{warps(1)}, {warps(32)}}, x);
  }
}

// A program reads what it has just written, at other places; and a value is read before a store.
OCTILE_PROGRAM(neighbours_in_place) {
  constexpr axis<"W", 512> W;
  const auto k = kernel("neighbours", inout<i32>("x", M, 512_c), [=](auto x) {
    return grid(M, [=](auto i) {
      auto old = x(i, W.at(0));
      store(x(i, W.at(0)), old + 1);
      auto next = x(i, (iota(W) + 1) % 512);
      store(x(i, W.at(0)), next * 10 + old % 10);
    });
  });
  const Input start = t.input(ElementType::i32, {33, 512}, Fill::counting);
  const Input x = t.inout(start, [=](const Index& e) {
    return ((*start)(e[0], (e[1] + 1) % 512) + 1) * 10 +
           static_cast<int>((*start)(e[0], e[1])) % 10;
  });
  t.run(k, {{warps(1)}, {warps(16)}, {warps(32)}}, x);
}

// Axes, tensors and sizes that share their names with each other and with what the compiler prints.
OCTILE_PROGRAM(confusing_names) {
  constexpr dim<"x"> x_size;
  constexpr axis<"x"> x_axis;
  constexpr axis<"v"> v_axis;
  const auto k = kernel(
      "thread", in<f32>("x", x_size, N), in<f32>("v", x_size), scalar<f32>("lane"),
      out<f32>("stage", x_size, N), out<f32>("ring", x_size),
      [=](auto x, auto v, auto lane, auto stage, auto ring) {
        return grid(x_size / x_axis, [=](auto i) {
          auto row = x(x_axis[i], v_axis.at(0));
          auto total = sum(row, v_axis);
          return stores(store(stage(x_axis[i], v_axis.at(0)), row * v(x_axis[i]) + total + lane),
                        store(ring(x_axis[i]), total));
        });
      });
  for (const auto& [m, n] : {std::pair{1, 1}, {7, 129}, {65, 600}}) {
    const Input x = t.input(ElementType::f32, {m, n}, Fill::integers);
    const Input v = t.input(ElementType::f32, {m}, Fill::integers);
    const auto total = remembered(m, [=, n = n](std::int64_t i) {
      double s = 0;
      for (std::int64_t j = 0; j < n; ++j) s += (*x)(i, j);
      return s;
    });
    const Input stage = t.output(ElementType::f32, {m, n}, [=](const Index& e) {
      return (*x)(e[0], e[1]) * (*v)(e[0]) + total(e[0]) + 2;
    });
    const Input ring = t.output(ElementType::f32, {m}, [=](const Index& e) { return total(e[0]); });
    t.run(k, {{x_axis(16)}, {x_axis(2), warps(1)}}, x, v, 2.0f, stage, ring);
  }
}

}  // namespace
}  // namespace octile::test
