// The kernels of examples/, so that they can be compiled without being run.
#pragma once

#include "octile/octile.hpp"

namespace octile::test {

inline constexpr dim<"M"> M;
inline constexpr dim<"N"> N;
inline constexpr dim<"K"> K;
inline constexpr axis<"BM"> BM;
inline constexpr axis<"BN"> BN;
inline constexpr auto BK = 128_c;

inline auto vector_add() {
  return kernel("vector_add", in<f32>("x", M), in<f32>("y", M), out<f32>("z", M),
                [](auto x, auto y, auto z) {
                  return grid(M / BM, [=](auto i) { return store(z(BM[i]), x(BM[i]) + y(BM[i])); });
                });
}

inline auto row_softmax() {
  return kernel("row_softmax", in<f32>("x", M, N), out<f32>("y", M, N), [](auto x, auto y) {
    return grid(M / BM, [=](auto i) {
      auto v = x(BM[i], BN.at(0)).other(-1e30f);
      auto e = exp(v - max(v, BN));
      return store(y(BM[i], BN.at(0)), e / sum(e, BN));
    });
  });
}

inline auto rmsnorm() {
  return kernel("rmsnorm", in<bf16>("x", M, N), in<bf16>("w", N), scalar<f32>("eps"),
                out<bf16>("y", M, N), [](auto x, auto w, auto eps, auto y) {
                  return grid(M / BM, [=](auto i) {
                    auto squares = sum(N / BN, [=](auto j) {
                      auto v = cast<f32>(x(BM[i], BN[j]));
                      return sum(v * v, BN);
                    });
                    auto scale = rsqrt(squares / cast<f32>(N) + eps);
                    fold(N / BN, 0, [=](auto j, auto carried) {
                      auto v = cast<f32>(x(BM[i], BN[j])) * scale * cast<f32>(w(BN[j]));
                      store(y(BM[i], BN[j]), cast<bf16>(v));
                      return carried;
                    });
                    return stored{};
                  });
                });
}

inline auto quantize() {
  return kernel("quantize_1x128", in<bf16>("x", M, K), out<e4m3>("q", M, K),
                out<f32>("s", M, K / 128_c), [](auto x, auto q, auto s) {
                  return grid(M / BM, K / BN, [=](auto i, auto j) {
                    auto v = cast<f32>(x(BM[i], BN[j]));
                    auto scale = max(max(abs(v), within(BN, 128_c)), 1e-10f) / 448.0f;
                    return stores(store(s(BM[i], BN[j] / 128_c), scale),
                                  store(q(BM[i], BN[j]), cast<e4m3>(v / scale)));
                  });
                });
}

inline auto plain_fp8_gemm() {
  return kernel("plain_fp8_gemm", in<e4m3>("a", M, K), in<e4m3>("b", N, K), out<f32>("d", M, N),
                [](auto a, auto b, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc =
                        sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
                    return store(d(BM[i], BN[j]), acc);
                  });
                });
}

inline auto tensor_scaled_gemm() {
  return kernel("tensor_scaled_gemm", in<e4m3>("a", M, K), in<e4m3>("b", N, K),
                scalar<f32>("scale"), out<bf16>("d", M, N), [](auto a, auto b, auto scale, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k]), fast_accumulate);
                    });
                    return store(d(BM[i], BN[j]), cast<bf16>(acc * scale));
                  });
                });
}

inline auto fp8_gemm() {
  return kernel("fp8_gemm", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c), in<e4m3>("b", N, K),
                in<f32>("sb", N / 128_c, K / 128_c), out<bf16>("d", M, N),
                [](auto a, auto sa, auto b, auto sb, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sa(BM[i], k) *
                             sb(BN[j] / 128_c, k);
                    });
                    return store(d(BM[i], BN[j]), cast<bf16>(acc));
                  });
                });
}

// A scale per row and one per column for every 128 of K.
inline auto outer_scaled_gemm() {
  return kernel("outer_scaled_gemm", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c),
                in<e4m3>("b", N, K), in<f32>("sb", N, K / 128_c), out<f32>("d", M, N),
                [](auto a, auto sa, auto b, auto sb, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * (sa(BM[i], k) * sb(BN[j], k));
                    });
                    return store(d(BM[i], BN[j]), acc);
                  });
                });
}

inline auto gemm_bias_gelu() {
  return kernel(
      "gemm_bias_gelu", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c), in<e4m3>("b", N, K),
      in<f32>("sb", N / 128_c, K / 128_c), in<f32>("bias", N), out<bf16>("d", M, N),
      [](auto a, auto sa, auto b, auto sb, auto bias, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK, [=](auto k) {
            return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sa(BM[i], k) * sb(BN[j] / 128_c, k);
          });
          auto x = acc + bias(BN[j]);
          return store(d(BM[i], BN[j]), cast<bf16>(0.5f * x * (1.0f + erf(x * 0.70710678f))));
        });
      });
}

// Largest magnitudes of groups of 96 columns beside the product.
inline auto amax_of_96() {
  return kernel("amax_of_96", in<e4m3>("a", M, K), in<e4m3>("b", N, K), out<e4m3>("q", M, N),
                out<f32>("amax", M, N / 96_c), [](auto a, auto b, auto q, auto amax) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc =
                        sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
                    return stores(store(amax(BM[i], BN[j] / 96_c), max(abs(acc), within(BN, 96_c))),
                                  store(q(BM[i], BN[j]), cast<e4m3>(acc)));
                  });
                });
}

}  // namespace octile::test
