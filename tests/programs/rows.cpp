// Kernels over rows: norms, softmax, rotations, quantisation.
#include <algorithm>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/programs/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

const std::vector<std::array<std::int64_t, 2>> kShapes = {{1, 1},    {7, 63},   {65, 129},
                                                          {3, 1000}, {129, 64}, {40, 4096}};

/// Layouts that take turns over the shapes.
Layout layout_of(std::size_t n) {
  const Layout all[] = {{}, {false, 5, 0}, {false, 0, 1}, {true, 0, 0}, {false, 16, 0}};
  return all[n % 5];
}

double rounded(ElementType type, double x) {
  return numerics::decode(type, numerics::encode(type, static_cast<float>(x)));
}

// Of the exponentials of every row.
auto exponential_sums(const Input& x) {
  return remembered(x->extents()[0], [=](std::int64_t i) {
    double total = 0;
    for (std::int64_t j = 0; j < x->extents()[1]; ++j) total += std::exp((*x)(i, j));
    return total;
  });
}

// From where results are subnormal, which GPUs may give as zero, to where they are infinite.
OCTILE_PROGRAM(powers_of_two) {
  constexpr dim<"C"> C;
  constexpr axis<"BC"> BC;
  const auto k = kernel("powers_of_two", in<f32>("x", C), out<f32>("y", C), [=](auto x, auto y) {
    return grid(C / BC, [=](auto i) { return store(y(BC[i]), exp2(x(BC[i]))); });
  });
  constexpr std::int64_t kSteps = 1 << 14;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double others[] = {kInfinity, -kInfinity, std::nan(""), 0, -0.0, 1e-40, 127, 128, -126};
  const Input x = t.input(ElementType::f32, {kSteps + std::ssize(others)});
  for (std::int64_t i = 0; i < kSteps; ++i)
    x->set({i}, (static_cast<double>(i) - kSteps / 2) * 310.0 / kSteps);
  for (std::int64_t i = 0; i < std::ssize(others); ++i) x->set({kSteps + i}, others[i]);
  const auto exact = [=](const Index& e) {
    return rounded(ElementType::f32, std::exp2((*x)(e[0])));
  };
  const Input y = t.output(ElementType::f32, x->extents(), exact, [=](const Index& e) {
    return exact(e) < 0x1p-126 ? 0x1p-126 : exact(e) < kInfinity ? 0x1p-22 * exact(e) : 0;
  });
  t.run(k, x, y);
}

OCTILE_PROGRAM(layer_norm) {
  const auto k = kernel(
      "layer_norm", in<f32>("x", M, N), in<f32>("gain", N), in<f32>("bias", N),
      scalar<f32>("epsilon"), out<f32>("y", M, N), out<f32>("mean", M), out<f32>("deviation", M),
      [](auto x, auto gain, auto bias, auto epsilon, auto y, auto mean, auto deviation) {
        return grid(M / BM, [=](auto i) {
          auto row = x(BM[i], BN.at(0));
          auto inside = iota(BN) < N;
          auto count = cast<f32>(N);
          auto m = sum(row, BN) / count;
          auto d = select(inside, row - m, 0.0f);
          auto r = rsqrt(sum(d * d, BN) / count + epsilon);
          return stores(store(mean(BM[i]), m), store(deviation(BM[i]), r),
                        store(y(BM[i], BN.at(0)), d * r * gain(BN.at(0)) + bias(BN.at(0))));
        });
      });
  for (std::size_t s = 0; s < kShapes.size(); ++s) {
    const auto [m, n] = kShapes[s];
    const Input x = t.input(ElementType::f32, {m, n}, Fill::normal, layout_of(s));
    const Input gain = t.input(ElementType::f32, {n}, Fill::uniform);
    const Input bias = t.input(ElementType::f32, {n});
    const auto moments = remembered(m, [=, n = n](std::int64_t i) {
      double total = 0, squares = 0;
      for (std::int64_t j = 0; j < n; ++j) total += (*x)(i, j);
      for (std::int64_t j = 0; j < n; ++j) squares += std::pow((*x)(i, j) - total / n, 2);
      return std::pair(total / n, 1 / std::sqrt(squares / n + 1e-3));
    });
    const Input y = t.output(
        ElementType::f32, {m, n},
        [=](const Index& e) {
          const auto [mean, r] = moments(e[0]);
          return ((*x)(e[0], e[1]) - mean) * r * (*gain)(e[1]) + (*bias)(e[1]);
        },
        {1e-4, 1e-4}, layout_of(s + 1));
    const Input mean = t.output(
        ElementType::f32, {m}, [=](const Index& e) { return moments(e[0]).first; }, kF32);
    const Input deviation = t.output(
        ElementType::f32, {m}, [=](const Index& e) { return moments(e[0]).second; }, {0, 1e-4});
    t.run(k, {{BM(1)}, {BM(3), warps(8)}}, x, gain, bias, 1e-3f, y, mean, deviation);
  }
}

OCTILE_PROGRAM(log_softmax) {
  const auto k =
      kernel("log_softmax", in<bf16>("x", M, N), out<f32>("y", M, N), [](auto x, auto y) {
        return grid(M / BM, [=](auto i) {
          auto v = cast<f32>(x(BM[i], BN.at(0)).other(-1e30f));
          auto shifted = v - max(v, BN);
          return store(y(BM[i], BN.at(0)), shifted - log(sum(exp(shifted), BN)));
        });
      });
  for (std::size_t s = 0; s < kShapes.size(); ++s) {
    const auto [m, n] = kShapes[s];
    const Input x = t.input(ElementType::bf16, {m, n}, Fill::normal, layout_of(s));
    const auto total = exponential_sums(x);
    const Input y = t.output(
        ElementType::f32, {m, n},
        [=](const Index& e) { return (*x)(e[0], e[1]) - std::log(total(e[0])); }, kF32,
        layout_of(s + 2));
    t.run(k, x, y);
  }
}

// Softmax over rows of any length: the running maximum and sum are carried as a tuple, so a tile
// never spans the row.
OCTILE_PROGRAM(online_softmax) {
  t.may_spill();
  const auto k =
      kernel("online_softmax", in<f32>("x", M, N), out<f32>("y", M, N), [](auto x, auto y) {
        return grid(M / BM, [=](auto i) {
          auto [top, total] = fold(N / BN, tuple(-1e30f, 0.0f), [=](auto j, auto top, auto total) {
            auto v = x(BM[i], BN[j], other(-1e30f));
            auto next = max(top, max(v, BN));
            return tuple(next, total * exp(top - next) + sum(exp(v - next), BN));
          });
          return for_each(N / BN, [=](auto j) {
            return store(y(BM[i], BN[j]), exp(x(BM[i], BN[j]) - top) / total);
          });
        });
      });
  for (std::size_t s = 0; s < kShapes.size(); ++s) {
    const auto [m, n] = kShapes[s];
    const Input x = t.input(ElementType::f32, {m, n}, Fill::normal, layout_of(s));
    const auto total = exponential_sums(x);
    const Input y = t.output(
        ElementType::f32, {m, n},
        [=](const Index& e) { return std::exp((*x)(e[0], e[1])) / total(e[0]); }, kF32,
        layout_of(s + 1));
    t.run(k, {{BM(2), BN(128)}, {BM(1), BN(64)}}, x, y);
  }
}

// A residual is added and stored, then normalised: two outputs of different types.
OCTILE_PROGRAM(residual_rms_norm) {
  const auto k = kernel(
      "residual_rms_norm", in<bf16>("x", M, N), inout<bf16>("residual", M, N), in<bf16>("w", N),
      out<bf16>("y", M, N), [](auto x, auto residual, auto w, auto y) {
        return grid(M / BM, [=](auto i) {
          auto total = cast<f32>(x(BM[i], BN.at(0))) + cast<f32>(residual(BM[i], BN.at(0)));
          auto kept = cast<bf16>(total);
          auto v = cast<f32>(kept);
          auto scale = rsqrt(sum(v * v, BN) / cast<f32>(N) + 1e-6f);
          return stores(store(residual(BM[i], BN.at(0)), kept),
                        store(y(BM[i], BN.at(0)), cast<bf16>(v * scale * cast<f32>(w(BN.at(0))))));
        });
      });
  for (std::size_t s = 0; s < kShapes.size(); ++s) {
    const auto [m, n] = kShapes[s];
    const Input x = t.input(ElementType::bf16, {m, n}, Fill::normal, layout_of(s));
    const Input before = t.input(ElementType::bf16, {m, n}, Fill::normal);
    const Input w = t.input(ElementType::bf16, {n}, Fill::uniform);
    const auto kept = [=](std::int64_t i, std::int64_t j) {
      return rounded(ElementType::bf16, (*x)(i, j) + (*before)(i, j));
    };
    const auto scale = remembered(m, [=, n = n](std::int64_t i) {
      double squares = 0;
      for (std::int64_t j = 0; j < n; ++j) squares += std::pow(kept(i, j), 2);
      return 1 / std::sqrt(squares / static_cast<double>(n) + 1e-6);
    });
    const Input residual = t.inout(
        before, [=](const Index& e) { return kept(e[0], e[1]); }, kExact, layout_of(s + 1));
    const Input y = t.output(
        ElementType::bf16, {m, n},
        [=](const Index& e) { return kept(e[0], e[1]) * scale(e[0]) * (*w)(e[1]); }, kBf16,
        layout_of(s + 2));
    t.run(k, {{BM(1), warps(8)}}, x, residual, w, y);
  }
}

// Rotary embedding: the two halves of a head turn against each other.
constexpr dim<"T"> T;
constexpr dim<"H"> H;
constexpr dim<"D"> D;
constexpr axis<"BT"> BT;
constexpr axis<"BH", 48> BH;  // half a head

OCTILE_PROGRAM(rope) {
  const auto k =
      kernel("rope", in<bf16>("x", T, H, D), in<f32>("cosine", T, 48_c), in<f32>("sine", T, 48_c),
             out<bf16>("y", T, H, D), [](auto x, auto cosine, auto sine, auto y) {
               return grid(T / BT, H, [=](auto i, auto h) {
                 auto a = cast<f32>(x(BT[i], h, BH[0])), b = cast<f32>(x(BT[i], h, BH[1]));
                 auto c = cosine(BT[i], BH[0]), s = sine(BT[i], BH[0]);
                 return stores(store(y(BT[i], h, BH[0]), cast<bf16>(a * c - b * s)),
                               store(y(BT[i], h, BH[1]), cast<bf16>(b * c + a * s)));
               });
             });
  for (const auto& [tokens, heads] : {std::pair{1, 1}, {7, 3}, {65, 2}}) {
    const Input x = t.input(ElementType::bf16, {tokens, heads, 96});
    const Input c = t.input(ElementType::f32, {tokens, 48}),
                s = t.input(ElementType::f32, {tokens, 48});
    const Input y = t.output(ElementType::bf16, {tokens, heads, 96},
                             [=](const Index& e) {
                               const std::int64_t j = e[2] % 48;
                               const double a = (*x)(e[0], e[1], j), b = (*x)(e[0], e[1], j + 48);
                               return e[2] < 48 ? a * (*c)(e[0], j) - b * (*s)(e[0], j)
                                                : b * (*c)(e[0], j) + a * (*s)(e[0], j);
                             },
                             {2e-2, 1.0 / 200});
    t.run(k, {{BT(1)}, {BT(16), warps(2)}}, x, c, s, y);
  }
}

// SiLU(gate) * up, gate and up being the halves of one tensor's rows.
OCTILE_PROGRAM(swiglu_of_halves) {
  const auto k =
      kernel("swiglu", in<bf16>("x", M, 2_c, N), out<bf16>("y", M, N), [](auto x, auto y) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto gate = cast<f32>(x(BM[i], 0, BN[j])), up = cast<f32>(x(BM[i], 1, BN[j]));
          return store(y(BM[i], BN[j]), cast<bf16>(gate * sigmoid(gate) * up));
        });
      });
  for (std::size_t s = 0; s < kShapes.size(); ++s) {
    const auto [m, n] = kShapes[s];
    const Input x = t.input(ElementType::bf16, {m, 2, n}, Fill::normal, {false, s % 2 ? 3 : 0, 0});
    const Input y = t.output(
        ElementType::bf16, {m, n},
        [=](const Index& e) {
          const double gate = (*x)(e[0], 0, e[1]);
          return gate / (1 + std::exp(-gate)) * (*x)(e[0], 1, e[1]);
        },
        kBf16, layout_of(s));
    t.run(k, x, y);
  }
}

OCTILE_PROGRAM(quantise_1x128_and_back) {
  t.may_spill();
  const auto quantise = kernel("quantise", in<bf16>("x", M, N), out<e4m3>("q", M, N),
                               out<f32>("scale", M, N / 128_c), [](auto x, auto q, auto scale) {
                                 return grid(M / BM, N / BN, [=](auto i, auto j) {
                                   auto v = cast<f32>(x(BM[i], BN[j]));
                                   auto s = max(max(abs(v), within(BN, 128_c)), 1e-10f) / 448.0f;
                                   return stores(store(scale(BM[i], BN[j] / 128_c), s),
                                                 store(q(BM[i], BN[j]), cast<e4m3>(v / s)));
                                 });
                               });
  const auto dequantise = kernel(
      "dequantise", in<e4m3>("q", M, N), in<f32>("scale", M, N / 128_c), out<f32>("x", M, N),
      [](auto q, auto scale, auto x) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          return store(x(BM[i], BN[j]), cast<f32>(q(BM[i], BN[j])) * scale(BM[i], BN[j] / 128_c));
        });
      });
  for (std::size_t s = 0; s < kShapes.size(); ++s) {
    const auto [m, n] = kShapes[s];
    const std::int64_t runs = (n + 127) / 128;
    const Input x = t.input(ElementType::bf16, {m, n}, Fill::normal, layout_of(s));
    const auto scales_of = remembered(m * runs, [=, n = n](std::int64_t b) {
      double top = 0;
      for (std::int64_t j = 128 * (b % runs); j < std::min(n, 128 * (b % runs) + 128); ++j)
        top = std::max(top, std::abs((*x)(b / runs, j)));
      return static_cast<double>(std::max(static_cast<float>(top), 1e-10f) / 448.0f);
    });
    const auto scale_at = [=](std::int64_t i, std::int64_t r) { return scales_of(i * runs + r); };
    const Input q = t.output(
        ElementType::e4m3, {m, n},
        [=](const Index& e) {
          const auto v = static_cast<float>((*x)(e[0], e[1]));
          return rounded(ElementType::e4m3, v / static_cast<float>(scale_at(e[0], e[1] / 128)));
        },
        kExact, layout_of(s + 1));
    const Input scale =
        t.output(ElementType::f32, {m, runs}, [=](const Index& e) { return scale_at(e[0], e[1]); });
    t.run(quantise, {{BM(1), BN(128)}, {BM(8), BN(384)}}, x, q, scale);

    const Input codes = t.input(ElementType::e4m3, {m, n}, Fill::normal, layout_of(s));
    const Input scales = t.input(ElementType::f32, {m, runs}, Fill::uniform);
    const Input y = t.output(
        ElementType::f32, {m, n},
        [=](const Index& e) { return (*codes)(e[0], e[1]) * (*scales)(e[0], e[1] / 128); }, kF32);
    t.run(dequantise, codes, scales, y);
  }
}

// One scale per 128x128: two reductions, and a grid that counts scales.
OCTILE_PROGRAM(quantise_128x128) {
  t.may_spill();
  constexpr axis<"R", 128> R;
  constexpr axis<"C", 128> C;
  const auto k =
      kernel("quantise_blocks", in<f32>("x", M, N), out<e5m2>("q", M, N),
             out<f32>("scale", M / 128_c, N / 128_c), [=](auto x, auto q, auto scale) {
               return grid(M / R, N / C, [=](auto i, auto j) {
                 auto v = x(R[i], C[j]);
                 auto top = max(max(abs(v), C), R);
                 auto s = select(top > 0, top / 57344, 1.0f);
                 return stores(store(scale(i, j), s), store(q(R[i], C[j]), cast<e5m2>(v / s)));
               });
             });
  for (const auto& [m, n] : {std::pair{1, 1}, {129, 65}, {64, 300}}) {
    const Input x = t.input(ElementType::f32, {m, n});
    const auto scale_at = [=, m = m, n = n](std::int64_t i, std::int64_t j) {
      double top = 0;
      for (std::int64_t r = 128 * i; r < std::min<std::int64_t>(m, 128 * i + 128); ++r) {
        for (std::int64_t c = 128 * j; c < std::min<std::int64_t>(n, 128 * j + 128); ++c)
          top = std::max(top, std::abs((*x)(r, c)));
      }
      return static_cast<double>(static_cast<float>(top) / 57344.0f);
    };
    const std::int64_t columns = (n + 127) / 128;
    const auto scales = remembered((m + 127) / 128 * columns, [=](std::int64_t b) {
      return scale_at(b / columns, b % columns);
    });
    const auto scale = [=](std::int64_t i, std::int64_t j) { return scales(i * columns + j); };
    const Input q = t.output(ElementType::e5m2, {m, n}, [=](const Index& e) {
      return rounded(ElementType::e5m2, static_cast<float>((*x)(e[0], e[1])) /
                                            static_cast<float>(scale(e[0] / 128, e[1] / 128)));
    });
    const Input s = t.output(ElementType::f32, {(m + 127) / 128, columns},
                             [=](const Index& e) { return scale(e[0], e[1]); });
    t.run(k, {{warps(16)}}, x, q, s);
  }
}

}  // namespace
}  // namespace octile::test
