// Operations over an axis: dot and reductions.
#pragma once

#include "octile/dsl/tensor.hpp"

namespace octile {

/// Groups of `Run` neighbours along an axis, as an argument of a reduction.
template <class A, std::int64_t Run>
struct group_of {};

/// Runs of `Run` elements along axis `a`: max(abs(x), within(BN, 128_c)).
template <axis_like A, std::int64_t Run>
constexpr auto within(A, constant<Run>) {
  using Axis = detail::axis_of_t<A>;
  static_assert(Axis::extent == 0 || (Run > 0 && Axis::extent % Run == 0),
                "octile: within(axis, n) needs n to divide the axis' extent");
  return group_of<Axis, Run>{};
}

/// Tag for dot: the tensor core's accumulator may carry the sum over the whole K.
struct fast_accumulate_t {};
inline constexpr fast_accumulate_t fast_accumulate{};

namespace detail {

template <class A>
struct only_axis {};
template <class A>
struct only_axis<axes<A>> {
  using type = A;
};

template <class T>
inline constexpr bool dot_element =
    is_fp8(T::type) || std::is_same_v<T, f16> || std::is_same_v<T, bf16> || std::is_same_v<T, f32>;

template <class X, class Y>
auto dot_of(const X& x, const Y& y, bool fast) {
  auto a = to_expr(x);
  auto b = to_expr(y);
  using AX = typename decltype(a)::axes_type;
  using BX = typename decltype(b)::axes_type;
  using Shared = intersection_t<AX, BX>;
  using Axes = difference_t<union_t<AX, BX>, Shared>;
  if constexpr (is_invalid_v<decltype(a)> || is_invalid_v<decltype(b)>) {
    return expr<invalid, Axes>{};
  } else if constexpr (Shared::size == 0) {
    static_assert(always_false<X>,
                  "octile: dot's operands share no axis: index both along the axis to contract, "
                  "for instance BK[k]");
    return expr<invalid, Axes>{};
  } else if constexpr (Shared::size > 1) {
    static_assert(always_false<X>,
                  "octile: dot's operands share more than one axis: rename all but the one to "
                  "contract, or multiply and sum over the others");
    return expr<invalid, Axes>{};
  } else if constexpr (!dot_element<typename decltype(a)::element> ||
                       !dot_element<typename decltype(b)::element>) {
    static_assert(always_false<X>,
                  "octile: dot multiplies e4m3, e5m2, f16, bf16 and f32 tiles: cast<T>(x) first");
    return expr<invalid, Axes>{};
  } else {
    return expr<f32, Axes>{
        builder().dot(a.value, b.value, axis_id<typename only_axis<Shared>::type>(), fast)};
  }
}

template <class X, class A, std::int64_t Run>
auto reduce_of(ir::ReduceKind kind, const X& x, group_of<A, Run>) {
  auto a = to_expr(x);
  using E = decltype(a);
  using Axes = std::conditional_t<Run == 0, difference_t<typename E::axes_type, axes<A>>,
                                  typename E::axes_type>;
  if constexpr (is_invalid_v<E>) {
    return expr<invalid, Axes>{};
  } else if constexpr (!has_axis_v<typename E::axes_type, A>) {
    static_assert(
        always_false<X>,
        "octile: the tile has no such axis to reduce over: name one of the axes that index it");
    return expr<invalid, Axes>{};
  } else if constexpr (!is_arithmetic(E::element::type)) {
    static_assert(always_false<X>,
                  "octile: reductions are defined on f32, i32 and i64: cast<f32>(x) first");
    return expr<invalid, Axes>{};
  } else {
    return expr<typename E::element, Axes>{builder().reduce(kind, a.value, axis_id<A>(), Run)};
  }
}

template <axis_like A>
group_of<axis_of_t<A>, 0> as_group(A) {
  return {};
}
template <class A, std::int64_t Run>
group_of<A, Run> as_group(group_of<A, Run> g) {
  return g;
}

template <class G>
inline constexpr bool is_group_v = axis_like<G>;
template <class A, std::int64_t Run>
inline constexpr bool is_group_v<group_of<A, Run>> = true;

}  // namespace detail

/// Contracts over the one axis that both tiles have; f32. FP8 operands follow the tensor core to
/// the bit: partial sums of 128 elements of K, promoted to f32 in order (DeepSeek-V3, 3.3.2).
template <detail::tile_like X, detail::tile_like Y>
auto dot(const X& x, const Y& y) {
  return detail::dot_of(x, y, false);
}
/// The same, leaving FP8 sums over all of K in the tensor core's accumulator (14 bits).
template <detail::tile_like X, detail::tile_like Y>
auto dot(const X& x, const Y& y, fast_accumulate_t) {
  return detail::dot_of(x, y, true);
}

/// Sum over an axis (it goes away), or over groups of it (it stays, constant along each group).
template <detail::tile_like X, class G>
requires detail::is_group_v<G>
auto sum(const X& x, G over) {
  return detail::reduce_of(ir::ReduceKind::sum, x, detail::as_group(over));
}
/// Largest element over an axis or over groups of it.
template <detail::tile_like X, class G>
requires detail::is_group_v<G>
auto max(const X& x, G over) {
  return detail::reduce_of(ir::ReduceKind::max, x, detail::as_group(over));
}
/// Smallest element over an axis or over groups of it.
template <detail::tile_like X, class G>
requires detail::is_group_v<G>
auto min(const X& x, G over) {
  return detail::reduce_of(ir::ReduceKind::min, x, detail::as_group(over));
}

}  // namespace octile
