// Names that the products share, and the place of a tile in them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "octile/dsl/dsl.hpp"

namespace octile::kernels {

// The same types as a caller's own dim<"M"> or axis<"BM">: `gemm.with({BM(128)})` takes either.
inline constexpr dim<"M"> M;  ///< rows of d and of a
inline constexpr dim<"N"> N;  ///< columns of d, rows of b
inline constexpr dim<"K"> K;  ///< summed over
inline constexpr dim<"Z"> Z;  ///< products of a batch
inline constexpr axis<"BM"> BM;
inline constexpr axis<"BN"> BN;

/// One tile of d: what a grid's function and an epilogue know of where they are.
template <class Rows, class Columns, class... Batch>
struct Tile {
  Rows rows;        ///< BM[i]: indices along M
  Columns columns;  ///< BN[j]: indices along N
  std::tuple<Batch...> batch;

  constexpr explicit Tile(Rows r, Columns c, Batch... z) : rows(r), columns(c), batch(z...) {}

  /// A tensor's place at `index`, in this product of the batch: at(bias, at.columns).
  template <class Tensor, class... I>
  auto operator()(const Tensor& tensor, const I&... index) const {
    return std::apply([&](const auto&... z) { return tensor(z..., index...); }, batch);
  }
  /// The tile of an [M, N] tensor.
  template <class Tensor>
  auto operator()(const Tensor& tensor) const {
    return (*this)(tensor, rows, columns);
  }
};

namespace detail {

/// A parameter of every product of a batch: one more dimension; numbers are shared.
template <class T, ir::Access Access, std::size_t Rank>
tensor_decl<T, Access, Rank + 1> per_batch(const tensor_decl<T, Access, Rank>& one) {
  tensor_decl<T, Access, Rank + 1> all{one.name, {octile::detail::make_extent(Z)}};
  std::copy(one.shape.begin(), one.shape.end(), all.shape.begin() + 1);
  return all;
}
template <class T>
scalar_decl<T> per_batch(const scalar_decl<T>& number) {
  return number;
}

}  // namespace detail

}  // namespace octile::kernels
