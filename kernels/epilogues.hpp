// Epilogues of products: functions of the f32 sums at a tile, with parameters of their own.
//
// Any of them is an ordinary lambda; one of your own is written as these are:
//
//   auto scaled_bias = kernels::epilogue(
//       scalar<f32>("alpha"), in<f32>("bias", N), out<bf16>("d", M, N),
//       [](auto sums, auto at, auto alpha, auto bias, auto d) {
//         return store(at(d), cast<bf16>(sums * alpha + at(bias, at.columns)));
//       });
#pragma once

#include <tuple>
#include <utility>

#include "octile/kernels/tile.hpp"

namespace octile::kernels {

template <class Store, class... Parameters>
struct Epilogue {
  std::tuple<Parameters...> parameters;
  Store store;  ///< (sums, at, parameters...): `at` is the Tile
};

/// An epilogue: declarations of its parameters, for one product of a batch, then its function.
template <class... Args>
auto epilogue(const Args&... args) {
  const auto all = std::forward_as_tuple(args...);
  return [&]<std::size_t... N>(std::index_sequence<N...>) {
    const auto& store = std::get<sizeof...(N)>(all);
    return Epilogue<std::remove_cvref_t<decltype(store)>,
                    std::remove_cvref_t<std::tuple_element_t<N, decltype(all)>>...>{
        {std::get<N>(all)...}, store};
  }
  (std::make_index_sequence<sizeof...(Args) - 1>{});
}

// Functions of an f32 tile, to be passed to an epilogue.
inline constexpr auto identity = [](auto x) { return x; };
/// x Phi(x), that is max(x, 0) - |x| Phi(-|x|), where Phi(-t) = 2^-q(t), q a polynomial. Its
/// relative error is below 1.2e-6 where x >= 0 and 4.5e-5 down to -6. By erf, GELU takes twice the
/// instructions and is off by 5e-4 at -4, as 1 + erf(x) cancels.
inline constexpr auto gelu = [](auto x) {
  const auto t = min(abs(x), 100.0f);
  const auto q7 = fma(t, 1.1669144e-6f, -4.8766095e-5f);
  const auto q5 = fma(fma(q7, t, 8.3610322e-4f), t, -8.1758648e-3f);
  const auto q3 = fma(fma(q5, t, 5.3392522e-2f), t, 4.5889205e-1f);
  const auto q = fma(fma(q3, t, 1.1511394f), t, 1.0f);
  return fma(-t, exp2(-q), select(x < 0.0f, 0.0f, x));  // a NaN stays one
};
/// The usual approximation of GELU by tanh, off by up to 5e-4: x / 2 (1 + tanh(u)), which is
/// x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
inline constexpr auto gelu_tanh = [](auto x) {
  return x * sigmoid(x * (1.5957691f + 0.071354816f * x * x));
};
inline constexpr auto silu = [](auto x) { return x * sigmoid(x); };
inline constexpr auto relu = [](auto x) { return max(x, 0.0f); };

/// d [M, N] = f(sums), rounded to D.
template <element_tag D, class F = decltype(identity)>
auto to(const F& f = {}) {
  return epilogue(out<D>("d", M, N),
                  [f](auto sums, auto at, auto d) { return store(at(d), cast<D>(f(sums))); });
}

/// d [M, N] = f(sums + bias [N]).
template <element_tag D, element_tag Bias = D, class F = decltype(identity)>
auto with_bias(const F& f = {}) {
  return epilogue(in<Bias>("bias", N), out<D>("d", M, N),
                  [f](auto sums, auto at, auto bias, auto d) {
                    return store(at(d), cast<D>(f(sums + cast<f32>(at(bias, at.columns)))));
                  });
}

/// d [M, N] = f(sums) + residual [M, N], added in f32.
template <element_tag D, class F = decltype(identity)>
auto with_residual(const F& f = {}) {
  return epilogue(in<D>("residual", M, N), out<D>("d", M, N),
                  [f](auto sums, auto at, auto residual, auto d) {
                    return store(at(d), cast<D>(f(sums) + cast<f32>(at(residual))));
                  });
}

/// d [M, N] += sums, in f32 and rounded to D; every element once, so the same in every run.
template <element_tag D>
auto accumulate() {
  return epilogue(inout<D>("d", M, N), [](auto sums, auto at, auto d) {
    return store(at(d), cast<D>(cast<f32>(at(d)) + sums));
  });
}

/// Largest magnitude of every 1x128 of y; what lies beyond the last column doesn't count.
template <class Y, class At>
auto amax_1x128(const Y& y, const At& at) {
  return max(abs(select(index(at.columns) < N, y, 0.0f)), within(BN, 128_c));
}

/// d [M, N] = f(sums), and amax [M, N / 128]: the largest magnitude of every 1x128 before rounding.
template <element_tag D, class F = decltype(identity)>
auto with_amax(const F& f = {}) {
  return epilogue(out<D>("d", M, N), out<f32>("amax", M, N / 128_c),
                  [f](auto sums, auto at, auto d, auto amax) {
                    const auto y = f(sums);
                    return stores(store(at(amax, at.rows, at.columns / 128_c), amax_1x128(y, at)),
                                  store(at(d), cast<D>(y)));
                  });
}

/// The next product's operand: q [M, N] = f(sums) / s in e4m3, s [M, N / 128] = the largest
/// magnitude of every 1x128 over 448 (of at least 1e-10).
template <class F = decltype(identity)>
auto requantise_1x128(const F& f = {}) {
  return epilogue(out<e4m3>("q", M, N), out<f32>("s", M, N / 128_c),
                  [f](auto sums, auto at, auto q, auto s) {
                    const auto y = f(sums);
                    const auto amax = max(amax_1x128(y, at), 1e-10f);
                    return stores(store(at(s, at.rows, at.columns / 128_c), amax * (1.0f / 448)),
                                  store(at(q), cast<e4m3>(y * (448.0f / amax))));
                  });
}

}  // namespace octile::kernels
