// Kernels beside those of examples/ that mma.sync is tested with.
#pragma once

#include "octile/tests/cuda/kernels.hpp"

namespace octile::test {

inline constexpr axis<"D", 64> D;
inline constexpr axis<"E", 64> E;
inline constexpr axis<"BS", 64> BS;

template <class T>
auto half_gemm(const char* name) {
  constexpr auto BK = 64_c;
  return kernel(
      name, in<T>("a", M, K), in<T>("b", N, K), out<T>("d", M, N), [=](auto a, auto b, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
          return store(d(BM[i], BN[j]), cast<T>(acc));
        });
      });
}

// Two dots in a fold, one of a computed operand.
inline auto attention() {
  return kernel("attention", in<bf16>("q", M, 64_c), in<bf16>("k", N, 64_c), in<bf16>("v", N, 64_c),
                out<bf16>("o", M, 64_c), [](auto q, auto k, auto v, auto o) {
                  return grid(M / BM, [=](auto i) {
                    auto query = q(BM[i], D.at(0));
                    auto [top, total, acc] =
                        fold(N / BS, tuple(-1e30f, 0.0f, 0.0f),
                             [=](auto j, auto top, auto total, auto acc) {
                               auto raw = dot(query, k(BS[j], D.at(0))) * 0.125f;
                               auto score = select(index(BS[j]) < N, raw, -1e30f);
                               auto next = max(top, max(score, BS));
                               auto p = exp(score - next);
                               auto keep = exp(top - next);
                               auto weighted = dot(cast<bf16>(p), v(BS[j], E.at(0)));
                               return tuple(next, total * keep + sum(p, BS), acc * keep + weighted);
                             });
                    return store(o(BM[i], E.at(0)), cast<bf16>(acc / total));
                  });
                });
}

}  // namespace octile::test
