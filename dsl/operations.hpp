// Everything that combines expressions element by element: operators, functions, casts.
#pragma once

#include "octile/dsl/expression.hpp"

namespace octile {

namespace detail {

/// What the operands of a two-operand operation must be, and what it gives.
enum class family : std::uint8_t { arithmetic, integer, comparison, logical };

template <class A, class B>
constexpr void refuse_mixed() {
  static_assert(never<A, B>,
                "octile: operands have different element types: cast<T>(x) one of them");
}

template <family F, class T>
constexpr bool check_element() {
  if constexpr (F == family::logical) {
    constexpr bool ok = std::is_same_v<T, b1>;
    static_assert(ok, "octile: && || and ! combine b1 tiles: compare first, for instance x != 0");
    return ok;
  } else if constexpr (F == family::integer) {
    constexpr bool ok = is_integer_v<T>;
    static_assert(ok, "octile: this operation is defined on i32 and i64: cast<i32>(x) first");
    return ok;
  } else if constexpr (F == family::comparison) {
    constexpr bool ok = is_arithmetic_v<T>;
    static_assert(ok, "octile: comparisons are defined on f32, i32 and i64: cast<f32>(x) first");
    return ok;
  } else {
    constexpr bool ok = is_arithmetic_v<T>;
    static_assert(ok, "octile: arithmetic is defined on f32, i32 and i64: cast<f32>(x) first");
    return ok;
  }
}

// Element type that literals among two operands take: the other operand's.
template <class X, class Y>
struct literals_as {
  using type = void;
};
template <literal X, class Y>
requires(tile_like<Y> || (axis_like<Y> && !integer_constant<Y>)) struct literals_as<X, Y> {
  using type = typename decltype(to_expr(std::declval<const Y&>()))::element;
};
template <class X, literal Y>
requires(tile_like<X> || (axis_like<X> && !integer_constant<X>)) struct literals_as<X, Y> {
  using type = typename decltype(to_expr(std::declval<const X&>()))::element;
};
template <literal X, literal Y>
struct literals_as<X, Y> {
  using type = std::conditional_t<std::is_floating_point_v<X> || std::is_floating_point_v<Y>, f32,
                                  literal_element<std::conditional_t<integer_constant<X>, Y, X>>>;
};
template <class X, class Y>
using literals_as_t = typename literals_as<X, Y>::type;

/// Whether the operands' element types go together under F; says what to write otherwise.
template <family F, class A, class B>
constexpr bool check_elements() {
  if constexpr (F == family::logical) {
    if constexpr (!check_element<F, A>()) {
      return false;
    } else {
      return check_element<F, B>();
    }
  } else if constexpr (!std::is_same_v<A, B>) {
    refuse_mixed<A, B>();
    return false;
  } else {
    return check_element<F, A>();
  }
}

template <family F, class X, class Y>
auto binary(ir::OpKind kind, const X& x, const Y& y) {
  auto a = as<literals_as_t<X, Y>>(x);
  auto b = as<literals_as_t<X, Y>>(y);
  using A = decltype(a);
  using B = decltype(b);
  using T = typename A::element;
  if constexpr (is_invalid<A> || is_invalid<B>) {
    return expr<invalid>{};
  } else if constexpr (!check_elements<F, T, typename B::element>()) {
    return expr<invalid>{};
  } else {
    using R = std::conditional_t<F == family::comparison, b1, T>;
    return expr_over_t<R, union_t<typename A::axis_set, typename B::axis_set>>(
        core::binary(kind, a.value, b.value));
  }
}

template <class T>
constexpr bool check_f32() {
  static_assert(std::is_same_v<T, f32>,
                "octile: this function is defined on f32: cast<f32>(x) "
                "first");
  return std::is_same_v<T, f32>;
}

/// A function of one tile; `FloatOnly` restricts it from f32, i32 and i64 to f32.
template <bool FloatOnly, class X>
auto unary(ir::OpKind kind, const X& x) {
  auto a = as<void>(x);
  using A = decltype(a);
  if constexpr (is_invalid<A>) {
    return a;
  } else if constexpr (FloatOnly) {
    if constexpr (!check_f32<typename A::element>()) {
      return expr<invalid>{};
    } else {
      return A(core::unary(kind, a.value));
    }
  } else if constexpr (!check_element<family::arithmetic, typename A::element>()) {
    return expr<invalid>{};
  } else {
    return A(core::unary(kind, a.value));
  }
}

/// Operators are ours where a tile takes part, or an axis as its extent, and where M / BM is not
/// meant.
template <class X>
concept takes_part = mentions_tile<X> || std::is_base_of_v<axis_base, X>;
template <class X, class Y>
concept mention_tiles = takes_part<X> || takes_part<Y>;

}  // namespace detail

#define OCTILE_OPERATOR(op, kind, which)                                  \
  template <class X, class Y>                                             \
  requires detail::mention_tiles<X, Y>                                    \
  auto operator op(const X& x, const Y& y) {                              \
    return detail::binary<detail::family::which>(ir::OpKind::kind, x, y); \
  }
OCTILE_OPERATOR(+, add, arithmetic)
OCTILE_OPERATOR(-, sub, arithmetic)
OCTILE_OPERATOR(*, mul, arithmetic)
OCTILE_OPERATOR(/, div, arithmetic)  // integers truncate, as in C++
OCTILE_OPERATOR(%, rem, integer)
OCTILE_OPERATOR(==, cmp_eq, comparison)
OCTILE_OPERATOR(!=, cmp_ne, comparison)
OCTILE_OPERATOR(<, cmp_lt, comparison)
OCTILE_OPERATOR(<=, cmp_le, comparison)
OCTILE_OPERATOR(>, cmp_gt, comparison)
OCTILE_OPERATOR(>=, cmp_ge, comparison)
OCTILE_OPERATOR(&&, logical_and, logical)
OCTILE_OPERATOR(||, logical_or, logical)
#undef OCTILE_OPERATOR

#define OCTILE_FUNCTION(name, kind, float_only)            \
  template <detail::mentions_tile X>                       \
  auto name(const X& x) {                                  \
    return detail::unary<float_only>(ir::OpKind::kind, x); \
  }
OCTILE_FUNCTION(operator-, neg, false)
OCTILE_FUNCTION(abs, abs, false)
OCTILE_FUNCTION(exp, exp, true)
OCTILE_FUNCTION(exp2, exp2, true)
OCTILE_FUNCTION(log, log, true)
OCTILE_FUNCTION(log2, log2, true)
OCTILE_FUNCTION(sqrt, sqrt, true)
OCTILE_FUNCTION(rsqrt, rsqrt, true)  // 1 / sqrt(x)
OCTILE_FUNCTION(tanh, tanh, true)
OCTILE_FUNCTION(sigmoid, sigmoid, true)  // 1 / (1 + exp(-x))
OCTILE_FUNCTION(erf, erf, true)
OCTILE_FUNCTION(floor, floor, true)
#undef OCTILE_FUNCTION

template <detail::tile_like X>
auto operator+(const X& x) {
  return detail::to_expr(x);
}

template <detail::mentions_tile X>
auto operator!(const X& x) {
  auto a = detail::as<void>(x);
  using A = decltype(a);
  if constexpr (detail::is_invalid<A>) {
    return a;
  } else if constexpr (!detail::check_element<detail::family::logical, typename A::element>()) {
    return expr<detail::invalid>{};
  } else {
    return A(detail::core::unary(ir::OpKind::logical_not, a.value));
  }
}

/// The smaller of two tiles, element by element; a NaN gives way to the other operand.
template <class X, class Y>
requires(detail::mention_tiles<X, Y> && !detail::reducible<Y>) auto min(const X& x, const Y& y) {
  return detail::binary<detail::family::arithmetic>(ir::OpKind::min, x, y);
}
/// The larger of two tiles, element by element; a NaN gives way to the other operand.
template <class X, class Y>
requires(detail::mention_tiles<X, Y> && !detail::reducible<Y>) auto max(const X& x, const Y& y) {
  return detail::binary<detail::family::arithmetic>(ir::OpKind::max, x, y);
}
// More special than std::min and std::max, which a using directive may bring in.
template <class T, class... A>
auto min(const expr<T, A...>& x, const expr<T, A...>& y) {
  return detail::binary<detail::family::arithmetic>(ir::OpKind::min, x, y);
}
template <class T, class... A>
auto max(const expr<T, A...>& x, const expr<T, A...>& y) {
  return detail::binary<detail::family::arithmetic>(ir::OpKind::max, x, y);
}

/// Integers, rounded up: how many groups of y cover x.
template <class X, class Y>
requires detail::mention_tiles<X, Y>
auto ceil_div(const X& x, const Y& y) {
  return detail::binary<detail::family::integer>(ir::OpKind::ceil_div, x, y);
}

namespace detail {

// Conversion of the operands of fma, all f32.
template <class A, class B, class C>
constexpr bool all_f32() {
  constexpr bool ok = std::is_same_v<typename A::element, f32> &&
                      std::is_same_v<typename B::element, f32> &&
                      std::is_same_v<typename C::element, f32>;
  static_assert(ok, "octile: fma is defined on f32: cast<f32>(x) first");
  return ok;
}

}  // namespace detail

/// a * b + c in f32, rounded once.
template <class X, class Y, class Z>
requires(detail::mention_tiles<X, Y> || detail::mentions_tile<Z>) auto fma(const X& x, const Y& y,
                                                                           const Z& z) {
  auto a = detail::as<f32>(x);
  auto b = detail::as<f32>(y);
  auto c = detail::as<f32>(z);
  using A = decltype(a);
  using B = decltype(b);
  using C = decltype(c);
  if constexpr (detail::is_invalid<A> || detail::is_invalid<B> || detail::is_invalid<C>) {
    return expr<detail::invalid>{};
  } else if constexpr (!detail::all_f32<A, B, C>()) {
    return expr<detail::invalid>{};
  } else {
    using Axes = typename detail::union_all<typename A::axis_set, typename B::axis_set,
                                            typename C::axis_set>::type;
    return detail::expr_over_t<f32, Axes>(detail::core::fma(a.value, b.value, c.value));
  }
}

namespace detail {

template <class C, class A, class B>
constexpr bool check_select() {
  constexpr bool condition = std::is_same_v<C, b1>;
  static_assert(condition,
                "octile: select's condition is a b1 tile: compare first, for instance x > 0");
  constexpr bool same = std::is_same_v<A, B>;
  static_assert(!condition || same,
                "octile: select's two values have different element types: cast<T>(x) one of them");
  return condition && same;
}

}  // namespace detail

/// x where `condition` holds, else y.
template <class C, class X, class Y>
requires(detail::mention_tiles<X, Y> ||
         detail::mentions_tile<C>) auto select(const C& condition, const X& x, const Y& y) {
  auto c = detail::as<void>(condition);
  auto a = detail::as<detail::literals_as_t<X, Y>>(x);
  auto b = detail::as<detail::literals_as_t<X, Y>>(y);
  using CE = decltype(c);
  using A = decltype(a);
  using B = decltype(b);
  if constexpr (detail::is_invalid<CE> || detail::is_invalid<A> || detail::is_invalid<B>) {
    return expr<detail::invalid>{};
  } else if constexpr (!detail::check_select<typename CE::element, typename A::element,
                                             typename B::element>()) {
    return expr<detail::invalid>{};
  } else {
    using Axes = typename detail::union_all<typename CE::axis_set, typename A::axis_set,
                                            typename B::axis_set>::type;
    return detail::expr_over_t<typename A::element, Axes>(
        detail::core::select(c.value, a.value, b.value));
  }
}

namespace detail {

template <class From, class To>
constexpr bool check_cast() {
  constexpr bool ok = !std::is_same_v<To, b1> || std::is_same_v<From, b1>;
  static_assert(ok, "octile: a number isn't cast to b1: compare it, x != 0");
  return ok;
}

template <class From, class To>
constexpr bool check_bitcast() {
  constexpr bool ok =
      From::bits == To::bits && !std::is_same_v<From, b1> && !std::is_same_v<To, b1>;
  static_assert(ok,
                "octile: bitcast needs element types of the same width, and no b1: cast<T>(x) "
                "converts values");
  return ok;
}

}  // namespace detail

/// Converts to element type T: round to nearest even; FP8 saturates, NaN stays NaN; to integers
/// toward zero, saturating. A number becomes a scalar of type T.
template <element_tag T, class X>
auto cast(const X& x) {
  if constexpr (detail::literal<X>) {
    if constexpr (std::is_floating_point_v<X> && !std::is_same_v<T, f32>) {
      return cast<T>(detail::literal_expr<f32>(x));
    } else {
      return detail::literal_expr<T>(x);
    }
  } else {
    auto a = detail::as<void>(x);
    using A = decltype(a);
    if constexpr (detail::is_invalid<A>) {
      return a;
    } else if constexpr (!detail::check_cast<typename A::element, T>()) {
      return expr<detail::invalid>{};
    } else {
      return detail::expr_over_t<T, typename A::axis_set>(detail::core::cast(T::type, a.value));
    }
  }
}

/// Reads the bits as another element type of the same width.
template <element_tag T, detail::mentions_tile X>
auto bitcast(const X& x) {
  auto a = detail::as<void>(x);
  using A = decltype(a);
  if constexpr (detail::is_invalid<A>) {
    return a;
  } else if constexpr (!detail::check_bitcast<typename A::element, T>()) {
    return expr<detail::invalid>{};
  } else {
    return detail::expr_over_t<T, typename A::axis_set>(detail::core::bitcast(T::type, a.value));
  }
}

/// 0, 1, ..., extent - 1 along an axis, as i64.
template <detail::axis_like A>
auto iota(A) {
  using Axis = detail::axis_of_t<A>;
  return expr<i64, Axis>(detail::core::iota(detail::key_of<Axis>));
}

/// The indices that a block stands for, as an i64 tile: index(BN[j]) is j * BN + 0, 1, ...
template <detail::mentions_tile X>
auto index(const X& x) {
  return detail::to_index(x);
}

/// A size or a number as an i64 scalar: value(M), value(BM), value(M / BM), value(8_c).
template <class X>
requires(detail::operand<X>) auto value(const X& x) {
  return detail::to_index(x);
}

namespace detail {

template <class F, class E>
constexpr bool check_let() {
  constexpr fit call = fit_of<F, E>();
  static_assert(call != fit::other_arguments,
                "octile: let(x, f) calls f with one value: let(x, [=](auto v) { ... })");
  return call == fit::fits;
}

}  // namespace detail

/// Names a shared value: f(x).
template <class X, class F>
auto let(const X& x, const F& f) {
  auto value = detail::as<void>(x);
  if constexpr (detail::check_let<F, decltype(value)>()) {
    return f(value);
  } else {
    return expr<detail::invalid>{};
  }
}

}  // namespace octile
