// Expressions: typed handles of IR values, and the operands that stand for them.
//
// An `expr<T, A...>` is a tile of element type T over the axes A; a scalar has none. It holds one
// IR value: the operation was appended when the expression was made. Mistakes are compile errors of
// one line that starts with "octile:".
#pragma once

#include <functional>
#include <tuple>

#include "octile/dsl/axis.hpp"

namespace octile {

template <class T, ir::Access Access, std::size_t Rank>
struct tensor;
template <class T, ir::Access Access, std::size_t Rank, class Axes, class Mask>
struct place;

/// A tile with named axes (a scalar when there are none): its value in the kernel being traced.
template <class T, class... A>
struct expr : detail::tile_base {
  using element = T;
  using axis_set = detail::axes<A...>;
  detail::handle value = nullptr;

  expr() = default;
  explicit expr(detail::handle v) : value(v) {}

  /// A variable may be given another tile of its own type while the kernel is traced, but not from
  /// inside of a function that captured it by value.
  template <class X>
  void operator=(const X&) const {
    static_assert(!std::is_same_v<X, expr>,
                  "octile: a tile can't be changed in place: name a new value, auto y = x + z, or "
                  "carry it through fold");
    static_assert(std::is_same_v<X, expr>,
                  "octile: a tile's element type and axes are fixed: name a new value, auto y = "
                  "...");
  }
};

/// What a reported mistake results in; takes part in everything without a further message.
template <>
struct expr<detail::invalid> : detail::tile_base {
  using element = detail::invalid;
  using axis_set = detail::axes<>;
  detail::handle value = nullptr;

  expr() = default;
  explicit expr(detail::handle) {}

  template <class X>
  const expr& operator=(const X&) const {
    return *this;
  }
  template <class... I>
  expr operator()(const I&...) const {
    return {};
  }
  template <class I>
  expr operator[](const I&) const {
    return {};
  }
  template <class X>
  expr other(const X&) const {
    return {};
  }
  template <class X>
  expr when(const X&) const {
    return {};
  }
};

namespace detail {

template <class... Use>
auto refused() {
  return expr<invalid>{};
}

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
inline constexpr bool is_tensor = false;
template <class T, ir::Access Access, std::size_t Rank>
inline constexpr bool is_tensor<tensor<T, Access, Rank>> = true;
template <class X>
inline constexpr bool is_place = false;
template <class T, ir::Access Access, std::size_t Rank, class Axes, class Mask>
inline constexpr bool is_place<place<T, Access, Rank, Axes, Mask>> = true;
template <class X>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;

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

/// What makes a call ours: a tile, something that refers to one, or a tensor without its indices.
template <class X>
concept mentions_tile = tile_like<X> || refers_to_tile<X> || is_tensor<X>;

template <class X>
expr<invalid> refuse_operand() {
  if constexpr (refers_to_tile<X>) {
    static_assert(never<X>,
                  "octile: tiles are held by value: pass the tile itself, not a pointer or "
                  "std::ref to it");
  } else if constexpr (is_tensor<X>) {
    static_assert(never<X>,
                  "octile: a tensor isn't a tile: index it first, one index per dimension: "
                  "a(BM[i], BK[k])");
  } else if constexpr (is_tuple<X>) {
    static_assert(never<X>,
                  "octile: a fold of a tuple gives a tuple: take it apart first, auto [x, y] = "
                  "fold(...)");
  } else {
    static_assert(never<X>,
                  "octile: an operand is a tile, a scalar or a number; this is none of them: write "
                  "x + 1.0f, or pass the value as a parameter of the kernel");
  }
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
  } else if constexpr (std::is_floating_point_v<X> && is_whole_v<T>) {
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

/// How a function that the user gave goes with the arguments that it is called with.
enum class fit : std::uint8_t {
  fits,
  other_arguments,  ///< it takes others: refused in our words
  broken,           ///< its body doesn't compile: the compiler has said why
};

template <class F, std::size_t... N>
constexpr bool takes(std::index_sequence<N...>) {
  return std::is_invocable_v<const F&, std::enable_if_t<(N >= 0), expr<invalid>>...>;
}
template <class F, std::size_t Given, std::size_t Count>
constexpr bool takes_instead() {
  if constexpr (Given == Count) {
    return false;
  } else {
    return takes<F>(std::make_index_sequence<Count>{});
  }
}
template <class F, std::size_t Given, std::size_t... Count>
constexpr bool takes_other_count(std::index_sequence<Count...>) {
  return (takes_instead<F, Given, Count>() || ...);
}

/// A function without `auto` in its arguments.
template <class F>
concept plain_function = !std::is_class_v<F> || requires {
  &F::operator();
};

template <class F, class... Args>
constexpr fit fit_of() {
  if constexpr (operand<F>) {
    return fit::other_arguments;
  } else if constexpr (std::is_invocable_v<const F&, Args...>) {
    return fit::fits;
  } else if constexpr (plain_function<F>) {
    return fit::other_arguments;
  } else if constexpr (takes_other_count<F, sizeof...(Args)>(
                           std::make_index_sequence<sizeof...(Args) + 4>{})) {
    return fit::other_arguments;
  } else {
    // Says what the compiler has to say, where it hasn't yet.
    using result [[maybe_unused]] =
        decltype(std::declval<const F&>()(std::declval<const Args&>()...));
    return fit::broken;
  }
}

template <class E>
inline constexpr bool is_invalid = std::is_same_v<typename E::element, invalid>;

/// An integer scalar or tile as i64.
template <class X>
auto to_index(const X& x) {
  if constexpr (std::is_floating_point_v<X>) {
    static_assert(
        never<X>,
        "octile: an index is an integer, not a floating-point number: write 2, or cast<i64>(x)");
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

/// Whether none is a name where a place belongs: the indices of a tensor, the number of a block.
template <class... I>
constexpr bool check_indices() {
  constexpr bool axis = (std::is_base_of_v<axis_base, I> || ...);
  constexpr bool size = (is_dim<I> || ...);
  static_assert(!axis,
                "octile: an axis isn't an index: BM[i] is its i-th block, BM.at(start) any other "
                "place, value(BM) its extent");
  static_assert(axis || !size,
                "octile: a dim isn't an index: BM[i] is the i-th block of a tile axis, value(M) "
                "the problem size itself");
  return !axis && !size;
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
  static_assert(fresh,
                "octile: the start of a block already runs along the block's own axis: start it at "
                "a scalar, BM[i] or BM.at(offset)");
  return fresh;
}

template <class A, class I>
auto block_of(const I& i) {
  if constexpr (!check_indices<I>()) {
    return expr<invalid>{};
  } else {
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
                "octile: a problem size is divided by 1 or more: write K / 128_c");
  return {};
}
namespace detail {

// Other quotients of a size would truncate, and a grid of them would leave out the last block.
template <class... Use>
constexpr ratio<dim<"">, constant<1>> refuse_quotient() {
  static_assert(never<Use...>,
                "octile: a problem size is divided by an axis or a constant, rounding up: write K "
                "/ 128_c, or ceil_div(K, n); value(K) / n truncates");
  return {};
}

}  // namespace detail

template <fixed_string Name, class Divisor>
requires(std::is_arithmetic_v<Divisor> || detail::tile_like<Divisor>) constexpr auto operator/(
    dim<Name>, Divisor) {
  return detail::refuse_quotient<Divisor>();
}
template <class Dim, class Divisor, detail::operand Y>
constexpr auto operator/(ratio<Dim, Divisor>, Y) {
  return detail::refuse_quotient<Dim, Y>();
}

/// Index of the group of n that each element of a block falls in: floor(index / n).
template <class A, class Axes, class N>
requires(0 < detail::fixed_extent_v<N>) auto operator/(const block<A, Axes>& indices, N) {
  return detail::expr_over_t<i64, Axes>(
      detail::core::floor_div(indices.value, detail::fixed_extent_v<N>));
}

}  // namespace octile
