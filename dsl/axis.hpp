// Names: problem sizes (`dim`), tile axes (`axis`), integer constants (`128_c`), and sets of axes
// as types.
#pragma once

#include <boost/hana/contains.hpp>
#include <boost/hana/difference.hpp>
#include <boost/hana/equal.hpp>
#include <boost/hana/intersection.hpp>
#include <boost/hana/set.hpp>
#include <boost/hana/type.hpp>
#include <boost/hana/union.hpp>
#include <boost/hana/unpack.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "octile/dsl/core.hpp"
#include "octile/dsl/element.hpp"

namespace octile {

/// A string literal as a template argument.
template <std::size_t N>
struct fixed_string {
  char data[N]{};
  constexpr fixed_string() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): `dim<"M">` relies on the conversion.
  constexpr fixed_string(const char (&text)[N]) {
    for (std::size_t i = 0; i < N; ++i) data[i] = text[i];
  }
  constexpr std::string_view view() const { return {data, N - 1}; }
  bool operator==(const fixed_string&) const = default;
};

/// A tile axis bound to an extent, for a schedule; what `BM(128)` gives.
struct axis_binding {
  std::string name;
  std::int64_t extent = 0;
};

namespace detail {

struct axis_base {};
struct constant_base {};

/// A set of axes, as a type. Order doesn't matter.
template <class... A>
struct axes {
  static constexpr std::size_t size = sizeof...(A);
};

// What a refused use gives: expr<invalid>, which expression.hpp defines.
template <class... Use>
auto refused();

/// What plays the part of a tile in an expression. Gives `element`, `axis_set` and, unless it is an
/// expression or a dim, `load()`.
struct tile_base {
  /// Refuses C++'s own conditions: a tile has many truths, and none while it is traced.
  template <class Fires = void>
  explicit operator bool() const {
    static_assert(never<Fires>,
                  "octile: a tile can't be the condition of if, ?:, for or while: write "
                  "select(condition, x, y), or store(place, value, when(condition)); a loop is "
                  "sum, fold or for_each");
    return false;
  }
  template <class... I>
  auto operator()(const I&...) const {
    static_assert(never<I...>,
                  "octile: a scalar or a tile can't be indexed: only tensor parameters are called "
                  "with indices; declare it in<T>(name, extents...)");
    return refused<I...>();
  }
  template <class I>
  auto operator[](const I&) const {
    static_assert(never<I>,
                  "octile: a scalar or a tile can't be indexed: only tensor parameters are called "
                  "with indices; declare it in<T>(name, extents...)");
    return refused<I>();
  }
};

constexpr int digits(std::int64_t n) {
  return n < 10 ? 1 : 1 + digits(n / 10);
}

// Name of a literal axis: "_128".
template <std::int64_t N>
constexpr auto literal_name() {
  fixed_string<digits(N) + 2> text;
  text.data[0] = '_';
  std::int64_t n = N;
  for (int i = digits(N); i >= 1; --i, n /= 10) text.data[i] = static_cast<char>('0' + n % 10);
  return text;
}

// The builders of indices, defined in expression.hpp.
template <class A, class I>
auto block_of(const I& i);
template <class A, class I>
auto span_of(const I& start);

}  // namespace detail

/// A problem size, bound at launch by the tensors that mention it: `constexpr dim<"M"> M;`. In an
/// expression it is an i64 scalar.
template <fixed_string Name>
struct dim : detail::tile_base {
  static constexpr std::string_view name = Name.view();
  using element = i64;
  using axis_set = detail::axes<>;

  template <class I>
  auto operator[](const I&) const {
    return no_blocks<I>();
  }
  template <class I>
  auto at(const I&) const {
    return no_blocks<I>();
  }

 private:
  template <class I>
  static auto no_blocks() {
    static_assert(detail::never<I>,
                  "octile: a dim is a problem size and has no blocks: index with a tile axis, "
                  "axis<\"BM\"> BM and BM[i]");
    return detail::refused<I>();
  }
};

/// A tile axis. Its extent is bound by the schedule, or fixed here: `axis<"BK", 128>`. In an
/// expression it is its extent, an i64 scalar.
template <fixed_string Name, std::int64_t Extent = 0>
struct axis : detail::axis_base {
  static_assert(Extent >= 0,
                "octile: an axis has an extent of 1 or more: axis<\"BM\", 64>, or axis<\"BM\"> for "
                "the schedule to choose");
  static constexpr std::string_view name = Name.view();
  static constexpr std::int64_t extent = Extent;

  /// Binds the extent in a schedule: `gemm.with({BM(128)})`.
  axis_binding operator()(std::int64_t value) const { return {std::string(name), value}; }
  template <class I>
  requires(!std::is_arithmetic_v<I>) auto operator()(const I&) const {
    static_assert(detail::never<I>,
                  "octile: BM(128) binds an axis in a schedule; in a kernel its i-th block is "
                  "BM[i]");
    return detail::refused<I>();
  }
  /// Indices of the i-th block of the axis: i * extent + 0, 1, ..., extent - 1.
  template <class I>
  auto operator[](const I& i) const {
    return detail::block_of<axis>(i);
  }
  /// Indices from `start` on: start + 0, 1, ..., extent - 1.
  template <class I>
  auto at(const I& start) const {
    return detail::span_of<axis>(start);
  }
};

/// An integer known at compile time: `128_c`. Used as an axis it is one of that extent.
template <std::int64_t N>
struct constant : detail::constant_base {
  static constexpr std::int64_t value = N;
  using axis_type = axis<detail::literal_name<N>(), N>;
  template <class I>
  auto operator()(const I&) const {
    static_assert(detail::never<I>, "octile: the i-th block of a constant extent is 128_c[i]");
    return detail::refused<I>();
  }
  template <class I>
  auto operator[](const I& i) const {
    if constexpr (is_extent<I>()) {
      return detail::block_of<axis_type>(i);
    } else {
      return detail::refused<I>();
    }
  }
  template <class I>
  auto at(const I& start) const {
    if constexpr (is_extent<I>()) {
      return detail::span_of<axis_type>(start);
    } else {
      return detail::refused<I>();
    }
  }

 private:
  template <class I>
  static constexpr bool is_extent() {
    static_assert(N > 0, "octile: the extent of an axis is 1 or more: 128_c[i]");
    return N > 0;
  }
};

namespace detail {

template <char... Digits>
constexpr std::int64_t parse_digits() {
  static_assert(((Digits == '\'' || (Digits >= '0' && Digits <= '9')) && ...),
                "octile: an integer constant is decimal: 128_c");
  std::int64_t n = 0;
  ((n = Digits == '\'' ? n : n * 10 + (Digits - '0')), ...);
  return n;
}

}  // namespace detail

inline namespace literals {

template <char... Digits>
constexpr constant<detail::parse_digits<Digits...>()> operator""_c() {
  return {};
}

}  // namespace literals

// Constants of constants, for extents that are computed: 2_c * 64_c.
template <std::int64_t X, std::int64_t Y>
constexpr constant<X + Y> operator+(constant<X>, constant<Y>) {
  return {};
}
template <std::int64_t X, std::int64_t Y>
constexpr constant<X - Y> operator-(constant<X>, constant<Y>) {
  return {};
}
template <std::int64_t X, std::int64_t Y>
constexpr constant<X * Y> operator*(constant<X>, constant<Y>) {
  return {};
}
template <std::int64_t X, std::int64_t Y>
constexpr constant<X / (Y == 0 ? 1 : Y)> operator/(constant<X>, constant<Y>) {
  static_assert(Y != 0,
                "octile: a constant is divided by something other than 0: write 128_c / 2_c");
  return {};
}

/// Groups of `Run` neighbours along an axis, as an argument of a reduction.
template <class A, std::int64_t Run>
struct group_of {};

namespace detail {

template <class T>
inline constexpr bool is_dim = false;
template <fixed_string Name>
inline constexpr bool is_dim<dim<Name>> = true;

template <class T>
concept integer_constant = std::is_base_of_v<constant_base, T>;
/// What can stand for an axis: an `axis`, or an integer constant of its extent.
template <class T>
concept axis_like = std::is_base_of_v<axis_base, T> || integer_constant<T>;

template <class G>
inline constexpr bool is_group = false;
template <class A, std::int64_t Run>
inline constexpr bool is_group<group_of<A, Run>> = true;
/// What a reduction goes over: an axis, or groups of one.
template <class G>
concept reducible = axis_like<G> || is_group<G>;

template <class A>
struct axis_of {
  using type = A;
};
template <std::int64_t N>
struct axis_of<constant<N>> {
  using type = typename constant<N>::axis_type;
};
template <class A>
using axis_of_t = typename axis_of<A>::type;

/// The number that an integer constant or an axis of fixed extent stands for; 0: none.
template <class T>
inline constexpr std::int64_t fixed_extent_v = 0;
template <std::int64_t N>
inline constexpr std::int64_t fixed_extent_v<constant<N>> = N;
template <fixed_string Name, std::int64_t Extent>
inline constexpr std::int64_t fixed_extent_v<axis<Name, Extent>> = Extent;

template <class A>
inline constexpr axis_key key_of{A::name, A::extent};

/// The keys of a set of axes, for the erased core.
template <class Axes>
struct keys_of;
template <class... A>
struct keys_of<axes<A...>> {
  static constexpr std::size_t size = sizeof...(A);
  static constexpr axis_key data[sizeof...(A) + 1] = {key_of<A>..., {}};
};

// Sets are Hana's; the commonest cases, equal and empty sets, need none of its machinery.

template <class... A>
constexpr auto hana_set(axes<A...>) {
  return boost::hana::make_set(boost::hana::type_c<A>...);
}
template <class Axes>
using hana_set_t = decltype(hana_set(Axes{}));

struct pack_axes {
  template <class... T>
  constexpr auto operator()(T...) const {
    return axes<typename T::type...>{};
  }
};
template <class Set>
using axes_from = decltype(boost::hana::unpack(std::declval<Set>(), pack_axes{}));

template <class X, class Y>
struct union_of {
  using type = axes_from<decltype(boost::hana::union_(hana_set_t<X>{}, hana_set_t<Y>{}))>;
};
template <class X>
struct union_of<X, X> {
  using type = X;
};
template <class X>
struct union_of<X, axes<>> {
  using type = X;
};
template <class X>
struct union_of<axes<>, X> {
  using type = X;
};
template <>
struct union_of<axes<>, axes<>> {
  using type = axes<>;
};
template <class X, class Y>
using union_t = typename union_of<X, Y>::type;

template <class... Axes>
struct union_all {
  using type = axes<>;
};
template <class First, class... Rest>
struct union_all<First, Rest...> {
  using type = union_t<First, typename union_all<Rest...>::type>;
};

template <class X, class Y>
using intersection_t =
    axes_from<decltype(boost::hana::intersection(hana_set_t<X>{}, hana_set_t<Y>{}))>;

template <class X, class Y>
struct difference_of {
  using type = axes_from<decltype(boost::hana::difference(hana_set_t<X>{}, hana_set_t<Y>{}))>;
};
template <class X>
struct difference_of<X, X> {
  using type = axes<>;
};
template <class X, class Y>
using difference_t = typename difference_of<X, Y>::type;

template <class X, class Y>
inline constexpr bool is_subset_v = difference_t<X, Y>::size == 0;
template <class Y>
inline constexpr bool is_subset_v<axes<>, Y> = true;

template <class Axes, class A>
inline constexpr bool has_axis_v =
    decltype(boost::hana::contains(hana_set_t<Axes>{}, boost::hana::type_c<A>))::value;

}  // namespace detail
}  // namespace octile
