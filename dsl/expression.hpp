// Expressions: typed handles of IR values, and everything that combines them element by element.
//
// An `expr<T, Axes>` is a tile of element type T over a set of axes. It holds one IR value; the
// operation was appended when the expression was made. Mistakes are one-line compile errors that
// start with "octile:"; the result of a mistake is `expr<invalid>`, which all later checks accept.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "octile/dsl/element.hpp"
#include "octile/dsl/trace.hpp"

namespace octile {

/// A tile with named axes (a scalar when there are none), or rather its value in the trace.
template <class T, class Axes = axes<>>
struct expr {
  using element = T;
  using axes_type = Axes;
  ir::Value* value = nullptr;
};

namespace detail {

template <class X>
struct is_expr : std::false_type {};
template <class T, class A>
struct is_expr<expr<T, A>> : std::true_type {};

struct place_base {};
struct ratio_base {};

template <class T>
inline constexpr bool always_false = false;

/// What plays the part of a tile in an expression.
template <class X>
concept tile_like = is_expr<X>::value || std::is_base_of_v<place_base, X> || dim_name<X> ||
    std::is_base_of_v<ratio_base, X>;
/// A C++ number, or `128_c`: takes the element type of what it is combined with.
template <class X>
concept literal = std::is_arithmetic_v<X> || integer_constant<X>;
template <class X>
concept operand = tile_like<X> || literal<X>;

template <class X>
inline constexpr bool is_invalid_v = false;
template <class A>
inline constexpr bool is_invalid_v<expr<invalid, A>> = true;

// C++ type of a literal to element type, where nothing else fixes it.
template <class X>
struct literal_element {
  using type = std::conditional_t<
      std::is_same_v<X, bool>, b1,
      std::conditional_t<std::is_floating_point_v<X>, f32,
                         std::conditional_t<sizeof(X) == 8 || integer_constant<X>, i64, i32>>>;
};

template <class T, literal X>
expr<T> literal_expr(X x) {
  if constexpr (integer_constant<X>) {
    return {builder().constant(T::type, static_cast<double>(X::value))};
  } else if constexpr (is_arithmetic(T::type) && T::type != ElementType::f32) {
    return {builder().constant_int(T::type, static_cast<std::int64_t>(x))};
  } else {
    return {builder().constant(T::type, static_cast<double>(x))};
  }
}

/// The expression that an operand stands for; a place is loaded.
template <operand X>
auto to_expr(const X& x) {
  if constexpr (is_expr<X>::value) {
    return x;
  } else if constexpr (dim_name<X>) {
    return expr<i64>{builder().dim_value(builder().dim(std::string(X::name)))};
  } else if constexpr (literal<X>) {
    return literal_expr<typename literal_element<X>::type>(x);
  } else {
    return x.load();
  }
}

template <class X>
using expr_of = decltype(to_expr(std::declval<const X&>()));

/// An integer scalar or tile as an i64 index.
template <class X>
auto to_index(const X& x) {
  if constexpr (literal<X>) {
    static_assert(
        !std::is_floating_point_v<X>,
        "octile: an index must be an integer; got a floating-point number: cast<i64>(x) first");
    return literal_expr<i64>(x);
  } else if constexpr (!operand<X>) {
    static_assert(
        always_false<X>,
        "octile: an index must be an integer: a block BM[i], a scalar, an i64 tile or a constant; "
        "got something that is no expression (pointers and references can't be captured)");
    return expr<invalid>{};
  } else {
    auto e = to_expr(x);
    using E = typename decltype(e)::element;
    if constexpr (std::is_same_v<E, i64> || std::is_same_v<E, invalid>) {
      return e;
    } else if constexpr (std::is_same_v<E, i32>) {
      return expr<i64, typename decltype(e)::axes_type>{builder().cast(ElementType::i64, e.value)};
    } else {
      static_assert(always_false<X>,
                    "octile: an index must be an integer; got a tile of another element type: "
                    "cast<i64>(x) first");
      return expr<invalid>{};
    }
  }
}

// Operands of a binary operation, literals converted to the other side's element type.
template <class T, operand X>
auto operand_as(const X& x) {
  if constexpr (literal<X>) {
    return literal_expr<T>(x);
  } else {
    return to_expr(x);
  }
}

template <operand X, operand Y>
struct common_element {
  using type = typename expr_of<std::conditional_t<literal<X>, Y, X>>::element;
};

template <class T>
inline constexpr bool arithmetic_element = is_arithmetic(T::type);

template <ir::OpKind Kind, class R, operand X, operand Y>
auto binary(const X& x, const Y& y) {
  using T = typename common_element<X, Y>::type;
  auto a = operand_as<T>(x);
  auto b = operand_as<T>(y);
  using A = typename decltype(a)::element;
  using B = typename decltype(b)::element;
  using Axes = union_t<typename decltype(a)::axes_type, typename decltype(b)::axes_type>;
  constexpr bool comparison = std::is_same_v<R, b1>;
  constexpr bool logical = Kind == ir::OpKind::logical_and || Kind == ir::OpKind::logical_or;
  if constexpr (std::is_same_v<A, invalid> || std::is_same_v<B, invalid>) {
    return expr<invalid, Axes>{};
  } else if constexpr (!std::is_same_v<A, B>) {
    static_assert(always_false<A>,
                  "octile: operands have different element types: cast<T>(x) one of them");
    return expr<invalid, Axes>{};
  } else if constexpr (logical && !std::is_same_v<A, b1>) {
    static_assert(always_false<A>,
                  "octile: && and || take b1 tiles: compare first, for instance x != 0");
    return expr<invalid, Axes>{};
  } else if constexpr (!logical && !comparison && !arithmetic_element<A>) {
    static_assert(always_false<A>,
                  "octile: arithmetic is defined on f32, i32 and i64: cast<f32>(x) first");
    return expr<invalid, Axes>{};
  } else if constexpr (comparison && !logical && !arithmetic_element<A> && !std::is_same_v<A, u8>) {
    static_assert(always_false<A>,
                  "octile: comparisons are defined on f32, i32, i64 and u8: cast<f32>(x) first");
    return expr<invalid, Axes>{};
  } else {
    using Element = std::conditional_t<std::is_void_v<R>, A, R>;
    return expr<Element, Axes>{builder().binary(Kind, a.value, b.value)};
  }
}

template <ir::OpKind Kind, bool FloatOnly, operand X>
auto unary(const X& x) {
  auto a = to_expr(x);
  using A = typename decltype(a)::element;
  using Axes = typename decltype(a)::axes_type;
  if constexpr (std::is_same_v<A, invalid>) {
    return a;
  } else if constexpr (FloatOnly && !std::is_same_v<A, f32>) {
    static_assert(always_false<A>, "octile: this function is defined on f32: cast<f32>(x) first");
    return expr<invalid, Axes>{};
  } else if constexpr (!arithmetic_element<A>) {
    static_assert(always_false<A>,
                  "octile: arithmetic is defined on f32, i32 and i64: cast<f32>(x) first");
    return expr<invalid, Axes>{};
  } else {
    return expr<A, Axes>{builder().unary(Kind, a.value)};
  }
}

}  // namespace detail

// A problem size divided by an axis or a constant: a count of blocks, rounded up. Usable as a
// tensor's extent (constants only), as the extent of a grid or fold, or as an i64 scalar.
template <class Dim, class Divisor>
struct ratio : detail::ratio_base {
  auto load() const {
    auto& b = detail::builder();
    ir::Value* size = b.dim_value(b.dim(std::string(Dim::name)));
    if constexpr (integer_constant<Divisor>) {
      return expr<i64>{
          b.binary(ir::OpKind::ceil_div, size, b.constant_int(ElementType::i64, Divisor::value))};
    } else {
      return expr<i64>{
          b.binary(ir::OpKind::ceil_div, size, b.axis_extent(detail::axis_id<Divisor>()))};
    }
  }
};

/// Blocks of axis `A` (or of a constant) that cover the size `D`: ceil(D / A).
template <dim_name D, axis_like A>
constexpr ratio<D, A> operator/(D, A) {
  return {};
}

template <fixed_string Name, std::int64_t Extent>
template <class I>
auto axis<Name, Extent>::at(I offset) const {
  auto& b = detail::builder();
  auto o = detail::to_index(offset);
  ir::AxisId id = detail::axis_id<axis>();
  using Axes = detail::union_t<typename decltype(o)::axes_type, axes<axis>>;
  if constexpr (detail::is_invalid_v<decltype(o)>) {
    return expr<invalid, Axes>{};
  } else {
    return expr<i64, Axes>{b.binary(ir::OpKind::add, o.value, b.iota(id))};
  }
}

template <fixed_string Name, std::int64_t Extent>
template <class I>
auto axis<Name, Extent>::operator[](I i) const {
  auto& b = detail::builder();
  auto block = detail::to_index(i);
  if constexpr (detail::is_invalid_v<decltype(block)>) {
    return expr<invalid, axes<axis>>{};
  } else {
    ir::AxisId id = detail::axis_id<axis>();
    return at(expr<i64, typename decltype(block)::axes_type>{
        b.binary(ir::OpKind::mul, block.value, b.axis_extent(id))});
  }
}

#define OCTILE_BINARY(op, kind, result)                                                         \
  template <detail::operand X, detail::operand Y>                                               \
  requires((detail::tile_like<X> || detail::tile_like<Y>)&&!(dim_name<X> && axis_like<Y>)) auto \
  operator op(const X& x, const Y& y) {                                                         \
    return detail::binary<ir::OpKind::kind, result>(x, y);                                      \
  }
OCTILE_BINARY(+, add, void)
OCTILE_BINARY(-, sub, void)
OCTILE_BINARY(*, mul, void)
OCTILE_BINARY(/, div, void)
OCTILE_BINARY(%, rem, void)
OCTILE_BINARY(==, cmp_eq, b1)
OCTILE_BINARY(!=, cmp_ne, b1)
OCTILE_BINARY(<, cmp_lt, b1)
OCTILE_BINARY(<=, cmp_le, b1)
OCTILE_BINARY(>, cmp_gt, b1)
OCTILE_BINARY(>=, cmp_ge, b1)
OCTILE_BINARY(&&, logical_and, b1)
OCTILE_BINARY(||, logical_or, b1)
#undef OCTILE_BINARY

#define OCTILE_UNARY(name, kind, float_only)               \
  template <detail::tile_like X>                           \
  auto name(const X& x) {                                  \
    return detail::unary<ir::OpKind::kind, float_only>(x); \
  }
OCTILE_UNARY(operator-, neg, false)
OCTILE_UNARY(abs, abs, false)
OCTILE_UNARY(exp, exp, true)
OCTILE_UNARY(exp2, exp2, true)
OCTILE_UNARY(log, log, true)
OCTILE_UNARY(log2, log2, true)
OCTILE_UNARY(sqrt, sqrt, true)
OCTILE_UNARY(rsqrt, rsqrt, true)
OCTILE_UNARY(tanh, tanh, true)
OCTILE_UNARY(sigmoid, sigmoid, true)
OCTILE_UNARY(erf, erf, true)
OCTILE_UNARY(floor, floor, true)
#undef OCTILE_UNARY

template <detail::tile_like X>
auto operator!(const X& x) {
  auto a = detail::to_expr(x);
  using A = decltype(a);
  if constexpr (!std::is_same_v<typename A::element, b1> && !detail::is_invalid_v<A>) {
    static_assert(detail::always_false<X>,
                  "octile: ! takes a b1 tile: compare first, for instance x == 0");
  }
  return expr<b1, typename A::axes_type>{detail::builder().unary(ir::OpKind::logical_not, a.value)};
}

/// The smaller of two tiles, element by element; a NaN gives way to the other operand.
template <detail::operand X, detail::operand Y>
requires((detail::tile_like<X> || detail::tile_like<Y>)&&!axis_like<Y>) auto min(const X& x,
                                                                                 const Y& y) {
  return detail::binary<ir::OpKind::min, void>(x, y);
}
/// The larger of two tiles, element by element; a NaN gives way to the other operand.
template <detail::operand X, detail::operand Y>
requires((detail::tile_like<X> || detail::tile_like<Y>)&&!axis_like<Y>) auto max(const X& x,
                                                                                 const Y& y) {
  return detail::binary<ir::OpKind::max, void>(x, y);
}

/// x where `condition` holds, else y.
template <detail::tile_like C, detail::operand X, detail::operand Y>
auto select(const C& condition, const X& x, const Y& y) {
  using T = typename detail::common_element<X, Y>::type;
  auto c = detail::to_expr(condition);
  auto a = detail::operand_as<T>(x);
  auto b = detail::operand_as<T>(y);
  using Axes = detail::union_t<
      typename decltype(c)::axes_type,
      detail::union_t<typename decltype(a)::axes_type, typename decltype(b)::axes_type>>;
  using CE = typename decltype(c)::element;
  if constexpr (std::is_same_v<CE, invalid> || detail::is_invalid_v<decltype(a)> ||
                detail::is_invalid_v<decltype(b)>) {
    return expr<invalid, Axes>{};
  } else if constexpr (!std::is_same_v<CE, b1>) {
    static_assert(
        detail::always_false<C>,
        "octile: select's condition must be a b1 tile: compare first, for instance x > 0");
    return expr<invalid, Axes>{};
  } else if constexpr (!std::is_same_v<typename decltype(a)::element,
                                       typename decltype(b)::element>) {
    static_assert(
        detail::always_false<C>,
        "octile: select's two values have different element types: cast<T>(x) one of them");
    return expr<invalid, Axes>{};
  } else {
    return expr<typename decltype(a)::element, Axes>{
        detail::builder().select(c.value, a.value, b.value)};
  }
}

/// Converts to element type T: round to nearest even; FP8 saturates, NaN stays NaN.
template <element_tag T, detail::operand X>
auto cast(const X& x) {
  auto a = detail::to_expr(x);
  using Axes = typename decltype(a)::axes_type;
  if constexpr (detail::is_invalid_v<decltype(a)>) {
    return a;
  } else {
    return expr<T, Axes>{detail::builder().cast(T::type, a.value)};
  }
}

/// Reads the bits as another element type of the same width.
template <element_tag T, detail::tile_like X>
auto bitcast(const X& x) {
  auto a = detail::to_expr(x);
  using A = typename decltype(a)::element;
  using Axes = typename decltype(a)::axes_type;
  if constexpr (size_in_bytes(A::type) != size_in_bytes(T::type)) {
    static_assert(detail::is_invalid_v<decltype(a)> || detail::always_false<A>,
                  "octile: bitcast needs types of the same width: cast<T>(x) converts values");
    return expr<invalid, Axes>{};
  } else {
    return expr<T, Axes>{detail::builder().bitcast(T::type, a.value)};
  }
}

/// 0, 1, ..., extent - 1 along an axis, as i64.
template <axis_like A>
auto iota(A) {
  using Axis = detail::axis_of_t<A>;
  return expr<i64, axes<Axis>>{detail::builder().iota(detail::axis_id<Axis>())};
}

/// The global indices that a block stands for: index(BN[j]) is the i64 tile j * BN + 0, 1, ...
template <detail::tile_like X>
auto index(const X& x) {
  return detail::to_index(x);
}

/// Names a shared value: f(x).
template <detail::operand X, class F>
auto let(const X& x, F f) {
  return f(detail::to_expr(x));
}

}  // namespace octile
