// Operations over an axis: dot and reductions.
#pragma once

#include "octile/dsl/tensor.hpp"

namespace octile {

namespace detail {

template <std::int64_t Extent, std::int64_t Run>
constexpr bool check_run() {
  static_assert(Run > 0, "octile: within(axis, n) needs n of 1 or more: within(BN, 128_c)");
  constexpr bool divides = Run <= 0 || Extent == 0 || Extent % Run == 0;
  static_assert(divides,
                "octile: within(axis, n) needs n to divide the axis' extent: take a divisor of it, "
                "or another extent for the axis");
  return Run > 0 && divides;
}

}  // namespace detail

/// Runs of n elements along axis `a`: max(abs(x), within(BN, 128_c)).
template <detail::axis_like A, class N>
constexpr auto within(A, N) {
  if constexpr (detail::fixed_extent_v<N> == 0 && !detail::integer_constant<N>) {
    static_assert(detail::never<N>,
                  "octile: within(axis, n) takes a constant n: within(BN, 128_c)");
    return group_of<void, 1>{};
  } else {
    using Axis = detail::axis_of_t<A>;
    constexpr std::int64_t run = detail::fixed_extent_v<N>;
    if constexpr (detail::check_run<Axis::extent, run>()) {
      return group_of<Axis, run>{};
    } else {
      return group_of<void, 1>{};
    }
  }
}

/// Tag for dot: the tensor core's accumulator may carry the sum over the whole K.
struct fast_accumulate_t {};
inline constexpr fast_accumulate_t fast_accumulate{};

namespace detail {

template <class Axes>
struct only_axis;
template <class A>
struct only_axis<axes<A>> {
  using type = A;
};

template <std::size_t Shared>
constexpr bool check_shared_axes() {
  static_assert(Shared != 0,
                "octile: dot's operands share no axis: index both along the axis to contract, for "
                "instance BK[k]");
  static_assert(Shared <= 1,
                "octile: dot's operands share more than one axis: rename all but the one to "
                "contract, or multiply and sum over the others");
  return Shared == 1;
}

template <class A, class B>
constexpr bool check_dot_elements() {
  constexpr bool narrow =
      std::is_same_v<A, B> &&
      (std::is_same_v<A, f16> || std::is_same_v<A, bf16> || std::is_same_v<A, f32>);
  constexpr bool ok = narrow || (is_fp8_v<A> && is_fp8_v<B>);
  static_assert(ok,
                "octile: dot multiplies two FP8 tiles (e4m3, e5m2), or two of f16, bf16 or f32: "
                "cast<T>(x) the operands to one of these");
  return ok;
}

template <class X, class Y>
auto dot_of(const X& x, const Y& y, bool fast) {
  auto a = as<void>(x);
  auto b = as<void>(y);
  using A = decltype(a);
  using B = decltype(b);
  if constexpr (is_invalid<A> || is_invalid<B>) {
    return expr<invalid>{};
  } else {
    using AX = typename A::axis_set;
    using BX = typename B::axis_set;
    using Shared = intersection_t<AX, BX>;
    if constexpr (!check_shared_axes<Shared::size>()) {
      return expr<invalid>{};
    } else if constexpr (!check_dot_elements<typename A::element, typename B::element>()) {
      return expr<invalid>{};
    } else {
      using Axes = union_t<difference_t<AX, Shared>, difference_t<BX, Shared>>;
      return expr_over_t<f32, Axes>(
          core::dot(a.value, b.value, key_of<typename only_axis<Shared>::type>, fast));
    }
  }
}

template <bool Has>
constexpr bool check_reduced_axis() {
  static_assert(Has,
                "octile: the tile has no such axis to reduce over: name one of the axes that "
                "index it");
  return Has;
}

template <class T>
constexpr bool check_reduced_element() {
  static_assert(is_arithmetic_v<T>,
                "octile: reductions are defined on f32, i32 and i64: cast<f32>(x) first");
  return is_arithmetic_v<T>;
}

template <class A, std::int64_t Run, class X>
auto reduce_over(ir::ReduceKind kind, const X& x) {
  auto a = as<void>(x);
  using E = decltype(a);
  using T = typename E::element;
  if constexpr (is_invalid<E> || std::is_void_v<A>) {
    return expr<invalid>{};
  } else if constexpr (!check_reduced_axis<has_axis_v<typename E::axis_set, A>>()) {
    return expr<invalid>{};
  } else if constexpr (!check_reduced_element<T>()) {
    return expr<invalid>{};
  } else if constexpr (Run != 0) {
    return E(core::reduce(kind, a.value, key_of<A>, Run));
  } else {
    return expr_over_t<T, difference_t<typename E::axis_set, axes<A>>>(
        core::reduce(kind, a.value, key_of<A>, 0));
  }
}

template <class X, axis_like A>
auto reduce_of(ir::ReduceKind kind, const X& x, A) {
  return reduce_over<axis_of_t<A>, 0>(kind, x);
}
template <class X, class A, std::int64_t Run>
auto reduce_of(ir::ReduceKind kind, const X& x, group_of<A, Run>) {
  return reduce_over<A, Run>(kind, x);
}

}  // namespace detail

/// Contracts over the one axis that both tiles have; f32. FP8 operands follow the tensor core to
/// the bit: partial sums of 128 elements of K, promoted to f32 in order.
template <class X, class Y>
requires detail::mention_tiles<X, Y>
auto dot(const X& x, const Y& y,
         const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  return detail::dot_of(x, y, false);
}
/// The same, leaving FP8 sums over all of K in the tensor core's accumulator (14 bits).
template <class X, class Y>
requires detail::mention_tiles<X, Y>
auto dot(const X& x, const Y& y, fast_accumulate_t,
         const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  return detail::dot_of(x, y, true);
}

/// Sum over an axis (it goes away), or over groups of it (it stays, constant along each group).
template <detail::mentions_tile X, detail::reducible G>
auto sum(const X& x, G over,
         const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  return detail::reduce_of(ir::ReduceKind::sum, x, over);
}
/// Largest element over an axis or over groups of it.
template <detail::mentions_tile X, detail::reducible G>
auto max(const X& x, G over,
         const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  return detail::reduce_of(ir::ReduceKind::max, x, over);
}
/// Smallest element over an axis or over groups of it.
template <detail::mentions_tile X, detail::reducible G>
auto min(const X& x, G over,
         const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  return detail::reduce_of(ir::ReduceKind::min, x, over);
}

}  // namespace octile
