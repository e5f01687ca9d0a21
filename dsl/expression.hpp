// Expressions: typed handles of IR values, and the operands that stand for them.
//
// An `expr<T, A...>` is a tile of element type T over the axes A; a scalar has none. It holds one
// IR value: the operation was appended when the expression was made. Mistakes are compile errors of
// one line that starts with "octile:".
#pragma once

#include <functional>

#include "octile/dsl/axis.hpp"

namespace octile {

/// A tile with named axes (a scalar when there are none): its value in the kernel being traced.
template <class T, class... A>
struct expr : detail::tile_base {
  using element = T;
  using axis_set = detail::axes<A...>;
  detail::handle value = nullptr;

  expr() = default;
  explicit expr(detail::handle v) : value(v) {}

  template <class... I>
  auto operator()(const I&...) const {
    static_assert(detail::never<expr, I...>,
                  "octile: a scalar or a tile can't be indexed: only tensor parameters are called "
                  "with indices; declare it in<T>(name, extents...)");
    return expr<detail::invalid>{};
  }
};

namespace detail {

template <class T, class Axes>
struct expr_over;
template <class T, class... A>
struct expr_over<T, axes<A...>> {
  using type = expr<T, A...>;
};
/// expr<T, A...> for a set of axes.
template <class T, class Axes>
using expr_over_t = typename expr_over<T, Axes>::type;

template <class X>
inline constexpr bool is_expr = false;
template <class T, class... A>
inline constexpr bool is_expr<expr<T, A...>> = true;

template <class X>
concept tile_like = std::is_base_of_v<tile_base, X>;
/// A C++ number, or `128_c`: takes the element type of what it is combined with.
template <class X>
concept literal = std::is_arithmetic_v<X> || integer_constant<X>;
template <class X>
concept operand = tile_like<X> || literal<X> || axis_like<X>;

// Handles of tiles, which would dangle: refused with a message wherever an operand is taken.
template <class X>
inline constexpr bool refers_to_tile = false;
template <tile_like X>
inline constexpr bool refers_to_tile<X*> = true;
template <tile_like X>
inline constexpr bool refers_to_tile<const X*> = true;
template <tile_like X>
inline constexpr bool refers_to_tile<std::reference_wrapper<X>> = true;
template <tile_like X>
inline constexpr bool refers_to_tile<std::reference_wrapper<const X>> = true;

/// What makes a call ours: a tile, or something that refers to one.
template <class X>
concept mentions_tile = tile_like<X> || refers_to_tile<X>;

template <class X>
expr<invalid> refuse_operand() {
  static_assert(!refers_to_tile<X>,
                "octile: tiles are held by value: pass the tile itself, not a pointer or std::ref "
                "to it");
  static_assert(operand<X> || refers_to_tile<X>,
                "octile: an operand is a tile, a scalar or a number; this is none of them");
  return {};
}

/// The expression that a tile stands for; a tensor's place is loaded.
template <tile_like X>
expr_over_t<typename X::element, typename X::axis_set> to_expr(const X& x) {
  if constexpr (is_expr<X>) {
    return x;
  } else if constexpr (is_dim<X>) {
    return expr<i64>(core::dim_value(X::name));
  } else {
    return x.load();
  }
}
template <axis_like X>
expr<i64> to_expr(const X&) {
  if constexpr (integer_constant<X>) {
    return expr<i64>(core::integer(ElementType::i64, X::value));
  } else {
    return expr<i64>(core::axis_extent(key_of<X>));
  }
}

/// Element type of a literal where nothing else fixes it: that of its C++ type.
template <class X>
using literal_element = std::conditional_t<
    integer_constant<X>, i64,
    std::conditional_t<
        std::is_same_v<X, bool>, b1,
        std::conditional_t<std::is_floating_point_v<X>, f32,
                           std::conditional_t<sizeof(X) == sizeof(std::int64_t), i64, i32>>>>;

/// A literal as a scalar of element T.
template <class T, literal X>
auto literal_expr(const X& x) {
  if constexpr (std::is_same_v<T, invalid>) {
    return expr<invalid>{};
  } else if constexpr (std::is_floating_point_v<X> && (is_integer_v<T> || std::is_same_v<T, u8>)) {
    static_assert(never<X>,
                  "octile: a number with a fraction can't join an integer tile: write an integer, "
                  "or cast<f32>(x) the tile first");
    return expr<invalid>{};
  } else if constexpr (integer_constant<X>) {
    return expr<T>(core::integer(T::type, X::value));
  } else if constexpr (std::is_floating_point_v<X>) {
    return expr<T>(core::number(T::type, static_cast<double>(x)));
  } else {
    return expr<T>(core::integer(T::type, static_cast<std::int64_t>(x)));
  }
}

/// Any operand as an expression; literals take the element type T (void: their own).
template <class T, class X>
auto as(const X& x) {
  if constexpr (!operand<X>) {
    return refuse_operand<X>();
  } else if constexpr (literal<X>) {
    return literal_expr<std::conditional_t<std::is_void_v<T>, literal_element<X>, T>>(x);
  } else {
    return to_expr(x);
  }
}

template <class E>
inline constexpr bool is_invalid = std::is_same_v<typename E::element, invalid>;

/// An integer scalar or tile as i64.
template <class X>
auto to_index(const X& x) {
  if constexpr (std::is_floating_point_v<X>) {
    static_assert(never<X>, "octile: an index is an integer, not a floating-point number");
    return expr<invalid>{};
  } else {
    auto e = as<i64>(x);
    using E = decltype(e);
    if constexpr (std::is_same_v<typename E::element, i64> || is_invalid<E>) {
      return e;
    } else if constexpr (std::is_same_v<typename E::element, i32>) {
      return expr_over_t<i64, typename E::axis_set>(core::cast(ElementType::i64, e.value));
    } else {
      static_assert(never<X>,
                    "octile: an index is an integer: a block BM[i], an i32 or i64 scalar or tile, "
                    "or a constant; cast<i64>(x) other element types first");
      return expr<invalid>{};
    }
  }
}

/// Extent of a grid or a fold.
template <class X>
expr<i64> to_extent(const X& x) {
  auto e = to_index(x);
  using E = decltype(e);
  if constexpr (is_invalid<E>) {
    return {};
  } else if constexpr (E::axis_set::size != 0) {
    static_assert(never<X>,
                  "octile: the extent of a grid or a loop is a scalar: M / BM, 8_c, or an i64 "
                  "expression without axes");
    return {};
  } else {
    return e;
  }
}

}  // namespace detail

/// The i64 indices of one block of an axis, what `BM[i]` gives.
template <class A, class Axes>
struct block : detail::tile_base {
  using element = i64;
  using axis_set = Axes;
  detail::handle value = nullptr;

  detail::expr_over_t<i64, Axes> load() const { return detail::expr_over_t<i64, Axes>(value); }
};

namespace detail {

/// An axis named twice in one place: `BM[i]` where i already runs along BM.
template <class A, class E>
constexpr bool check_new_axis() {
  constexpr bool fresh = !has_axis_v<typename E::axis_set, A>;
  static_assert(fresh, "octile: the start of a block already runs along the block's own axis");
  return fresh;
}

template <class A, class I>
auto block_of(const I& i) {
  auto number = to_index(i);
  using E = decltype(number);
  if constexpr (is_invalid<E>) {
    return expr<invalid>{};
  } else if constexpr (!check_new_axis<A, E>()) {
    return expr<invalid>{};
  } else {
    return block<A, union_t<typename E::axis_set, axes<A>>>{{},
                                                            core::block(key_of<A>, number.value)};
  }
}

template <class A, class I>
auto span_of(const I& start) {
  auto first = to_index(start);
  using E = decltype(first);
  if constexpr (is_invalid<E>) {
    return expr<invalid>{};
  } else if constexpr (!check_new_axis<A, E>()) {
    return expr<invalid>{};
  } else {
    return block<A, union_t<typename E::axis_set, axes<A>>>{
        {}, core::span_from(key_of<A>, first.value)};
  }
}

}  // namespace detail

/// A problem size divided by an axis or a constant: a count of blocks, rounded up. An extent of a
/// tensor (constants only), a grid or a loop; in an expression an i64 scalar.
template <class Dim, class Divisor>
struct ratio : detail::tile_base {
  using element = i64;
  using axis_set = detail::axes<>;

  expr<i64> load() const {
    return expr<i64>(detail::core::binary(ir::OpKind::ceil_div, detail::core::dim_value(Dim::name),
                                          detail::to_expr(Divisor{}).value));
  }
};

/// ceil(M / BM): how many blocks cover the problem size.
template <fixed_string Name, detail::axis_like Divisor>
constexpr ratio<dim<Name>, Divisor> operator/(dim<Name>, Divisor) {
  static_assert(!detail::integer_constant<Divisor> || detail::fixed_extent_v<Divisor> > 0,
                "octile: a problem size is divided by 1 or more");
  return {};
}
template <fixed_string Name, class Divisor>
requires std::is_arithmetic_v<Divisor> ratio<dim<Name>, constant<1>>
operator/(dim<Name>, Divisor) {
  static_assert(detail::never<Divisor>,
                "octile: a problem size is divided by an axis or a constant, rounding up: write "
                "K / 128_c");
  return {};
}

/// Index of the group of n that each element of a block falls in: floor(index / n).
template <class A, class Axes, class N>
requires(0 < detail::fixed_extent_v<N>) auto operator/(const block<A, Axes>& indices, N) {
  return detail::expr_over_t<i64, Axes>(
      detail::core::floor_div(indices.value, detail::fixed_extent_v<N>));
}

}  // namespace octile
