// What users of other languages are likely to write and this one has not: each is refused with one
// line that says what to write instead. Nothing here computes anything.
#pragma once

#include <concepts>
#include <source_location>

#include "octile/dsl/control.hpp"
#include "octile/dsl/parameter.hpp"

namespace octile {

// Changing a tile or a tensor in place.
#define OCTILE_REFUSE_ASSIGNMENT(op)                        \
  template <class X, class Y>                               \
  requires detail::tile_like<std::remove_cvref_t<X>>        \
  auto operator op(X&&, const Y&) {                         \
    return detail::refuse_change<std::remove_cvref_t<X>>(); \
  }
#define OCTILE_REFUSE_INCREMENT(op)                         \
  template <class X>                                        \
  requires detail::tile_like<std::remove_cvref_t<X>>        \
  auto operator op(X&&) {                                   \
    return detail::refuse_change<std::remove_cvref_t<X>>(); \
  }                                                         \
  template <class X>                                        \
  requires detail::tile_like<std::remove_cvref_t<X>>        \
  auto operator op(X&&, int) {                              \
    return detail::refuse_change<std::remove_cvref_t<X>>(); \
  }

namespace detail {

template <class X>
expr<invalid> refuse_change() {
  if constexpr (is_place<X>) {
    refuse_assignment<X>();
  } else {
    static_assert(never<X>,
                  "octile: a tile can't be changed in place: name a new value, auto y = x + z, or "
                  "carry it through fold");
  }
  return {};
}

}  // namespace detail

OCTILE_REFUSE_ASSIGNMENT(+=)
OCTILE_REFUSE_ASSIGNMENT(-=)
OCTILE_REFUSE_ASSIGNMENT(*=)
OCTILE_REFUSE_ASSIGNMENT(/=)
OCTILE_REFUSE_ASSIGNMENT(%=)
OCTILE_REFUSE_ASSIGNMENT(&=)
OCTILE_REFUSE_ASSIGNMENT(|=)
OCTILE_REFUSE_INCREMENT(++)
OCTILE_REFUSE_INCREMENT(--)
#undef OCTILE_REFUSE_ASSIGNMENT
#undef OCTILE_REFUSE_INCREMENT

// Operators on bits.
namespace detail {

template <class... X>
expr<invalid> refuse_bits() {
  static_assert(never<X...>,
                "octile: tiles have no bit operations: && || ! combine b1 tiles, and * / % "
                "integers");
  return {};
}

}  // namespace detail

#define OCTILE_REFUSE_BITS(op)                                                             \
  template <class X, class Y>                                                              \
  requires detail::mentions_tile<X> ||(detail::operand<X> && detail::mentions_tile<Y>)auto \
  operator op(const X&, const Y&) {                                                        \
    return detail::refuse_bits<X, Y>();                                                    \
  }
OCTILE_REFUSE_BITS(&)
OCTILE_REFUSE_BITS(|)
OCTILE_REFUSE_BITS(^)
OCTILE_REFUSE_BITS(<<)
OCTILE_REFUSE_BITS(>>)
#undef OCTILE_REFUSE_BITS
template <detail::mentions_tile X>
auto operator~(const X&) {
  return detail::refuse_bits<X>();
}

// Constants combine with constants only: a number is not known to the compiler as a type.
#define OCTILE_REFUSE_CONSTANT(op)               \
  template <detail::integer_constant C, class X> \
  requires std::is_arithmetic_v<X>               \
  constexpr auto operator op(C, X) {             \
    return detail::refuse_constant<C, X>();      \
  }                                              \
  template <detail::integer_constant C, class X> \
  requires std::is_arithmetic_v<X>               \
  constexpr auto operator op(X, C) {             \
    return detail::refuse_constant<C, X>();      \
  }
namespace detail {

template <class... X>
constexpr constant<1> refuse_constant() {
  static_assert(
      never<X...>,
      "octile: a constant combines with a constant: write 2_c * 64_c, or the number alone");
  return {};
}

}  // namespace detail
OCTILE_REFUSE_CONSTANT(+)
OCTILE_REFUSE_CONSTANT(-)
OCTILE_REFUSE_CONSTANT(*)
OCTILE_REFUSE_CONSTANT(/)
#undef OCTILE_REFUSE_CONSTANT

// Casts without an element type, or to one of C++'s. The integer before the type of x is never
// given: it keeps cast<f32>(x) from meaning these.
#define OCTILE_REFUSE_CAST(name, to)                                                              \
  template <class T, class X>                                                                     \
  requires(!element_tag<T>) auto name(const X&) {                                                 \
    static_assert(detail::never<T>,                                                               \
                  "octile: the element types are b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16 " \
                  "and f32: " #name "<" #to ">(x)");                                              \
    return expr<detail::invalid>{};                                                               \
  }                                                                                               \
  template <int = 0, class X>                                                                     \
  auto name(const X&) {                                                                           \
    static_assert(detail::never<X>,                                                               \
                  "octile: " #name " names the element type to convert to: " #name "<" #to        \
                  ">(x)");                                                                        \
    return expr<detail::invalid>{};                                                               \
  }
OCTILE_REFUSE_CAST(cast, f32)
OCTILE_REFUSE_CAST(bitcast, i32)
#undef OCTILE_REFUSE_CAST

// Reductions over no axis, or over several.
namespace detail {

template <class... More>
concept wrong_reduction = sizeof...(More) != 1 && ((operand<More> || is_group<More>)&&...);

template <class... X>
expr<invalid> refuse_reduction() {
  static_assert(
      never<X...>,
      "octile: a reduction takes a tile and one axis: sum(x, BN), twice for two axes; for "
      "the larger or smaller of two tiles max(x, y), min(x, y)");
  return {};
}

}  // namespace detail

template <detail::mentions_tile X, class... More>
requires detail::wrong_reduction<More...>
auto sum(const X&, const More&...) {
  return detail::refuse_reduction<X, More...>();
}
template <detail::mentions_tile X, class... More>
requires detail::wrong_reduction<More...>
auto max(const X&, const More&...) {
  return detail::refuse_reduction<X, More...>();
}
template <detail::mentions_tile X, class... More>
requires detail::wrong_reduction<More...>
auto min(const X&, const More&...) {
  return detail::refuse_reduction<X, More...>();
}

template <class A, class N>
requires(!detail::axis_like<A>) constexpr auto within(A, N) {
  static_assert(detail::never<A>, "octile: within(axis, n) takes a tile axis: within(BN, 128_c)");
  return group_of<void, 1>{};
}

// dot with other than two tiles.
template <detail::mentions_tile X>
auto dot(const X&) {
  static_assert(detail::never<X>, "octile: dot takes two tiles: dot(x, y)");
  return expr<detail::invalid>{};
}
template <class X, class Y, detail::operand Z>
requires detail::mention_tiles<X, Y>
auto dot(const X&, const Y&, const Z&) {
  static_assert(detail::never<X>,
                "octile: dot finds the axis to contract by itself, the one that both operands "
                "have: write dot(x, y)");
  return expr<detail::invalid>{};
}

template <class C, class X>
requires detail::mention_tiles<C, X>
auto select(const C&, const X&) {
  static_assert(detail::never<C>,
                "octile: select takes a condition and two values: select(x > 0, x, 0)");
  return expr<detail::invalid>{};
}

// Indices of what has none.
template <class A>
requires(!detail::axis_like<A>) auto iota(const A&) {
  static_assert(detail::never<A>,
                "octile: iota runs along a tile axis: iota(BM); the indices of a block are "
                "index(BM[i])");
  return expr<detail::invalid>{};
}
template <detail::axis_like A>
auto index(const A&) {
  static_assert(detail::never<A>,
                "octile: index takes a block: index(BM[i]); value(BM) is the axis' extent, "
                "iota(BM) counts along it");
  return expr<detail::invalid>{};
}

// Stores without a value, with a bare condition, or of values.
template <class P>
stored store(const P&) {
  static_assert(detail::never<P>,
                "octile: store takes a place and a value: store(d(BM[i], BN[j]), x)");
  return {};
}
template <class P, class V, detail::operand C>
stored store(const P&, const V&, const C&) {
  static_assert(detail::never<P>,
                "octile: a store's guard is written when(condition): store(d(BM[i]), x, "
                "when(x > 0))");
  return {};
}
template <class... S>
requires(!(std::same_as<S, stored> && ...)) stored stores(const S&...) {
  static_assert(detail::never<S...>,
                "octile: stores(...) takes what store returns: stores(store(a(...), x), "
                "store(b(...), y))");
  return {};
}

// Loops and grids that lack an argument.
template <class Extent, class F>
auto fold(const Extent&, const F&) {
  static_assert(detail::never<F>,
                "octile: fold takes an extent, initial values and a function: fold(K / BK, 0.0f, "
                "[=](auto k, auto acc) { ... })");
  return expr<detail::invalid>{};
}
template <class E>
gridded grid(const E&) {
  static_assert(detail::never<E>,
                "octile: grid takes extents, then a function of one index per extent: grid(M / "
                "BM, [=](auto i) { ... })");
  return {};
}

// Declarations of parameters without an element type of the language, without any, or without a
// name.
#define OCTILE_REFUSE_TENSOR(access)                                                               \
  template <class T, class... E>                                                                   \
  requires(!element_tag<T>) tensor_decl<detail::invalid, ir::Access::access, sizeof...(E)> access( \
      const std::string&, E...) {                                                                  \
    static_assert(detail::never<T>,                                                                \
                  "octile: the element types are b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16 "  \
                  "and f32: " #access "<f32>(name, extents...)");                                  \
    return {};                                                                                     \
  }                                                                                                \
  template <int = 0, class... E>                                                                   \
  tensor_decl<detail::invalid, ir::Access::access, sizeof...(E)> access(const std::string&,        \
                                                                        E...) {                    \
    static_assert(detail::never<E...>,                                                             \
                  "octile: a tensor's declaration names its element type: " #access                \
                  "<f32>(name, extents...)");                                                      \
    return {};                                                                                     \
  }                                                                                                \
  template <element_tag T, class First, class... E>                                                \
  requires(!std::is_convertible_v<First, std::string>)                                             \
      tensor_decl<T, ir::Access::access, sizeof...(E) + 1>                                         \
      access(First, E...) {                                                                        \
    static_assert(detail::never<First>,                                                            \
                  "octile: a parameter's declaration starts with its name: " #access               \
                  "<f32>(\"x\", M, N)");                                                           \
    return {};                                                                                     \
  }
OCTILE_REFUSE_TENSOR(in)
OCTILE_REFUSE_TENSOR(out)
OCTILE_REFUSE_TENSOR(inout)
#undef OCTILE_REFUSE_TENSOR

template <class T>
requires(!element_tag<T>) scalar_decl<detail::invalid> scalar(const std::string&) {
  static_assert(detail::never<T>,
                "octile: the element types are b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16 and "
                "f32: scalar<f32>(name)");
  return {};
}
template <int = 0, class Name>
scalar_decl<detail::invalid> scalar(const Name&) {
  static_assert(detail::never<Name>,
                "octile: a scalar's declaration names its element type: scalar<f32>(name)");
  return {};
}

}  // namespace octile
