// Declarations of a kernel's parameters: in<e4m3>("a", M, K), scalar<f32>("eps").
#pragma once

#include "octile/dsl/tensor.hpp"

namespace octile {

namespace detail {

template <class X>
inline constexpr bool is_ratio = false;
template <class Dim, class Divisor>
inline constexpr bool is_ratio<ratio<Dim, Divisor>> = true;

template <class Dim, class Divisor>
extent_spec ratio_extent(ratio<Dim, Divisor>) {
  static_assert(
      fixed_extent_v<Divisor> != 0,
      "octile: a tensor's extent can be divided by a constant such as 128_c, not by a tile axis "
      "that the schedule binds");
  return {Dim::name, 0, fixed_extent_v<Divisor>};
}

template <class E>
extent_spec make_extent(const E& extent) {
  if constexpr (is_dim<E>) {
    return {E::name, 0, 1};
  } else if constexpr (is_ratio<E>) {
    return ratio_extent(extent);
  } else if constexpr (axis_like<E>) {
    static_assert(fixed_extent_v<E> != 0,
                  "octile: a tensor's extent is a problem size, not a tile axis that the schedule "
                  "binds: dim<\"M\"> M");
    return {{}, fixed_extent_v<E>, 1};
  } else if constexpr (std::is_integral_v<E>) {
    return {{}, static_cast<std::int64_t>(extent), 1};
  } else {
    static_assert(never<E>,
                  "octile: a tensor's extent is a dim, a constant such as 8_c, or a dim divided by "
                  "a constant");
    return {};
  }
}

}  // namespace detail

/// Declaration of a tensor parameter.
template <class T, ir::Access Access, std::size_t Rank>
struct tensor_decl {
  static_assert(Rank >= 1 && Rank <= 5,
                "octile: a tensor has one to five dimensions: in<T>(name, extents...); for a "
                "single value write scalar<T>(name)");
  using element = T;
  using symbol = tensor<T, Access, Rank>;
  static constexpr bool is_tensor = true;
  static constexpr ir::Access access = Access;
  static constexpr std::size_t rank = Rank;

  std::string name;
  std::array<detail::extent_spec, Rank> shape;

  symbol declare() const {
    return {detail::core::declare_tensor(name, T::type, Access, shape.data(), Rank)};
  }
};

/// Declaration of a scalar parameter.
template <class T>
struct scalar_decl {
  using element = T;
  using symbol = expr<T>;
  static constexpr bool is_tensor = false;

  std::string name;

  symbol declare() const { return symbol(detail::core::declare_scalar(name, T::type)); }
};

/// A tensor that the kernel reads: in<e4m3>("a", M, K), outermost dimension first.
template <element_tag T, class... E>
tensor_decl<T, ir::Access::in, sizeof...(E)> in(std::string name, E... extents) {
  return {std::move(name), {detail::make_extent(extents)...}};
}
/// A tensor that the kernel writes.
template <element_tag T, class... E>
tensor_decl<T, ir::Access::out, sizeof...(E)> out(std::string name, E... extents) {
  return {std::move(name), {detail::make_extent(extents)...}};
}
/// A tensor that the kernel reads and writes.
template <element_tag T, class... E>
tensor_decl<T, ir::Access::inout, sizeof...(E)> inout(std::string name, E... extents) {
  return {std::move(name), {detail::make_extent(extents)...}};
}
/// A scalar argument.
template <element_tag T>
scalar_decl<T> scalar(std::string name) {
  return {std::move(name)};
}

}  // namespace octile
