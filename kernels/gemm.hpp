// Matrix products by composition: a scaling says how the blocks of K are summed, an epilogue what
// becomes of the sums.
//
//   auto gemm = kernels::gemm<e4m3>("wgrad", kernels::scale_1x128_1x128,
//   kernels::accumulate<f32>()); gemm(stream, a, sa, b, sb, d);                   // d[m, n] += sum
//   over k of a[m, k] * b[n, k]
//
// Parameters, in order: a [M, K], the scales of a, b [N, K], the scales of b, then the epilogue's
// (epilogues.hpp). A transposed operand is a view with other strides. K need not be a multiple of
// 128; with K = 0 the sums are zero. Tile axes: BM and BN.
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include "octile/kernels/epilogues.hpp"
#include "octile/kernels/tile.hpp"
#include "octile/runtime/kernel.hpp"

namespace octile::kernels {

namespace detail {

/// Elements of K that one trip of the sum takes: 128 bytes, a row of a swizzled tile.
template <class T, ir::Access Access, std::size_t Rank>
constexpr auto block_of_k(const tensor<T, Access, Rank>&) {
  return constant<1024 / T::bits>{};
}

/// Block k of the product. `Fast`: left in the tensor core's accumulator over all of K.
template <bool Fast, class At, class A, class B, class I>
auto product(const At& at, const A& a, const B& b, const I& k) {
  constexpr auto BK = block_of_k(A{});
  const auto x = at(a, at.rows, BK[k]), y = at(b, at.columns, BK[k]);
  if constexpr (Fast) {
    return dot(x, y, fast_accumulate);
  } else {
    return dot(x, y);
  }
}

template <bool Fast, class At, class A, class B>
auto sum_of_products(const At& at, const A& a, const B& b) {
  return sum(K / block_of_k(A{}), [=](auto k) { return product<Fast>(at, a, b, k); });
}

}  // namespace detail

/// A scaling declares the scales of each operand and sums the blocks of K at a tile of d, in f32.
/// With `(fast_accumulate)` FP8 sums stay in the tensor core (14 bits) over all of K; without, they
/// are promoted to f32 every 128.
///
/// No scales: f16, bf16, or FP8 whose scales are applied elsewhere.
template <bool Fast>
struct Unscaled {
  static constexpr bool has_scales = false;
  static auto scales_of_a() { return std::tuple{}; }
  static auto scales_of_b() { return std::tuple{}; }
  template <class At, class A, class B>
  static auto sums(const At& at, const A& a, const B& b) {
    return detail::sum_of_products<Fast>(at, a, b);
  }
  constexpr Unscaled<true> operator()(fast_accumulate_t) const { return {}; }
};
inline constexpr Unscaled<false> unscaled;

/// One scale per tensor: the f32 arguments sa and sb.
template <bool Fast>
struct PerTensor {
  static constexpr bool has_scales = true;
  static auto scales_of_a() { return std::tuple{scalar<f32>("sa")}; }
  static auto scales_of_b() { return std::tuple{scalar<f32>("sb")}; }
  template <class At, class A, class SA, class B, class SB>
  static auto sums(const At& at, const A& a, const SA& sa, const B& b, const SB& sb) {
    return detail::sum_of_products<Fast>(at, a, b) * (sa * sb);
  }
  constexpr PerTensor<true> operator()(fast_accumulate_t) const { return {}; }
};
inline constexpr PerTensor<false> per_tensor;

/// One scale per row of a and per row of b (a column of d): f32 sa [M], sb [N].
template <bool Fast>
struct PerRowAndColumn {
  static constexpr bool has_scales = true;
  static auto scales_of_a() { return std::tuple{in<f32>("sa", M)}; }
  static auto scales_of_b() { return std::tuple{in<f32>("sb", N)}; }
  template <class At, class A, class SA, class B, class SB>
  static auto sums(const At& at, const A& a, const SA& sa, const B& b, const SB& sb) {
    return detail::sum_of_products<Fast>(at, a, b) * at(sa, at.rows) * at(sb, at.columns);
  }
  constexpr PerRowAndColumn<true> operator()(fast_accumulate_t) const { return {}; }
};
inline constexpr PerRowAndColumn<false> per_row_and_column;

/// DeepSeek-V3's: a per 1x128 (activations), b per 128x128 (weights); f32 sa [M, K / 128],
/// sb [N / 128, K / 128], extents rounded up.
struct Scale1x128By128x128 {
  static constexpr bool has_scales = true;
  static auto scales_of_a() { return std::tuple{in<f32>("sa", M, K / 128_c)}; }
  static auto scales_of_b() { return std::tuple{in<f32>("sb", N / 128_c, K / 128_c)}; }
  template <class At, class A, class SA, class B, class SB>
  static auto sums(const At& at, const A& a, const SA& sa, const B& b, const SB& sb) {
    return sum(K / 128_c, [=](auto k) {
      return detail::product<false>(at, a, b, k) * at(sa, at.rows, k) *
             at(sb, at.columns / 128_c, k);
    });
  }
};
inline constexpr Scale1x128By128x128 scale_1x128_128x128;

/// Both per 1x128, as weight gradients need it: f32 sa [M, K / 128], sb [N, K / 128], extents
/// rounded up.
struct Scale1x128By1x128 {
  static constexpr bool has_scales = true;
  static auto scales_of_a() { return std::tuple{in<f32>("sa", M, K / 128_c)}; }
  static auto scales_of_b() { return std::tuple{in<f32>("sb", N, K / 128_c)}; }
  template <class At, class A, class SA, class B, class SB>
  static auto sums(const At& at, const A& a, const SA& sa, const B& b, const SB& sb) {
    return sum(K / 128_c, [=](auto k) {
      return detail::product<false>(at, a, b, k) * at(sa, at.rows, k) * at(sb, at.columns, k);
    });
  }
};
inline constexpr Scale1x128By1x128 scale_1x128_1x128;

namespace detail {

template <class Scaling, class A>
constexpr bool check_block_scaling() {
  constexpr bool blocks =
      std::is_same_v<Scaling, Scale1x128By128x128> || std::is_same_v<Scaling, Scale1x128By1x128>;
  static_assert(!blocks || A::bits == 8,
                "octile: scales per 128 of K belong to FP8 operands: gemm<e4m3>, gemm<e5m2, e4m3>");
  return true;
}

/// The kernel's function: splits the symbols and runs the epilogue at every tile.
template <class Scaling, class Epilogue, class ForEachTile>
auto body(const Scaling& scaling, const Epilogue& epilogue, const ForEachTile& for_each_tile) {
  if constexpr (Scaling::has_scales) {
    return [=](auto a, auto sa, auto b, auto sb, auto... more) {
      return for_each_tile(
          [=](auto at) { return epilogue.store(scaling.sums(at, a, sa, b, sb), at, more...); });
    };
  } else {
    return [=](auto a, auto b, auto... more) {
      return for_each_tile(
          [=](auto at) { return epilogue.store(scaling.sums(at, a, b), at, more...); });
    };
  }
}

template <class A, class B, class Scaling, class Epilogue>
auto parameters(const Scaling& scaling, const Epilogue& epilogue) {
  static_assert(check_block_scaling<Scaling, A>());
  return std::tuple_cat(std::tuple{in<A>("a", M, K)}, scaling.scales_of_a(),
                        std::tuple{in<B>("b", N, K)}, scaling.scales_of_b(), epilogue.parameters);
}

}  // namespace detail

/// A product as a kernel. A and B: two FP8 types (mixed as they come), f16 twice or bf16 twice.
template <element_tag A, element_tag B = A, class Scaling, class Epilogue>
auto gemm(std::string name, const Scaling& scaling, const Epilogue& epilogue) {
  const auto tiles = [](const auto& f) {
    return grid(M / BM, N / BN, [=](auto i, auto j) { return f(Tile{BM[i], BN[j]}); });
  };
  return std::apply(
      [&](const auto&... parameter) {
        return kernel(std::move(name), parameter..., detail::body(scaling, epilogue, tiles));
      },
      detail::parameters<A, B>(scaling, epilogue));
}

/// Z products of one shape: every tensor has Z as its outermost dimension, those of the epilogue
/// too; a stride of 0 there shares one among all.
template <element_tag A, element_tag B = A, class Scaling, class Epilogue>
auto batched_gemm(std::string name, const Scaling& scaling, const Epilogue& epilogue) {
  const auto tiles = [](const auto& f) {
    return grid(M / BM, N / BN, Z, [=](auto i, auto j, auto z) {
      return f(Tile{BM[i], BN[j], z});
    });
  };
  return std::apply(
      [&](const auto&... parameter) {
        return kernel(std::move(name), detail::per_batch(parameter)...,
                      detail::body(scaling, epilogue, tiles));
      },
      detail::parameters<A, B>(scaling, epilogue));
}

}  // namespace octile::kernels
