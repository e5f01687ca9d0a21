// Names: problem sizes (`dim`), tile axes (`axis`), integer constants (`128_c`), and type-level
// sets of axes.
#pragma once

#include <boost/hana/contains.hpp>
#include <boost/hana/difference.hpp>
#include <boost/hana/equal.hpp>
#include <boost/hana/intersection.hpp>
#include <boost/hana/length.hpp>
#include <boost/hana/set.hpp>
#include <boost/hana/type.hpp>
#include <boost/hana/union.hpp>
#include <boost/hana/unpack.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace octile {

namespace hana = boost::hana;

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

/// A tile axis fixed to an extent by the schedule; what `BM(128)` gives.
struct axis_binding {
  std::string name;
  std::int64_t extent = 0;
};

template <class T, class Axes>
struct expr;
template <class... A>
struct axes;

namespace detail {

struct axis_base {};
struct dim_base {};
struct constant_base {};

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

}  // namespace detail

/// A problem size, bound at launch by the tensors that mention it: `constexpr dim<"M"> M;`.
template <fixed_string Name>
struct dim : detail::dim_base {
  static constexpr std::string_view name = Name.view();
};

/// A tile axis. Its extent is bound by the schedule, or fixed here: `axis<"BK", 128>`.
template <fixed_string Name, std::int64_t Extent = 0>
struct axis : detail::axis_base {
  static constexpr std::string_view name = Name.view();
  static constexpr std::int64_t extent = Extent;

  /// Binds the extent in a schedule: `gemm.with({BM(128)})`.
  axis_binding operator()(std::int64_t value) const { return {std::string(name), value}; }
  /// Indices of the i-th block of the axis: i * extent + 0, 1, ..., extent - 1.
  template <class I>
  auto operator[](I i) const;
  /// Indices from `offset` on: offset + 0, 1, ..., extent - 1.
  template <class I>
  auto at(I offset) const;
};

/// An integer known at compile time: `128_c`. Used as an axis it is one of that extent.
template <std::int64_t N>
struct constant : detail::constant_base {
  static constexpr std::int64_t value = N;
  using axis_type = axis<detail::literal_name<N>(), N>;
  template <class I>
  auto operator[](I i) const {
    return axis_type{}[i];
  }
  template <class I>
  auto at(I offset) const {
    return axis_type{}.at(offset);
  }
};

namespace detail {

template <char... Digits>
constexpr std::int64_t parse_digits() {
  std::int64_t n = 0;
  ((n = n * 10 + (Digits - '0')), ...);
  return n;
}

}  // namespace detail

inline namespace literals {

template <char... Digits>
constexpr constant<detail::parse_digits<Digits...>()> operator""_c() {
  return {};
}

}  // namespace literals

template <class T>
concept dim_name = std::is_base_of_v<detail::dim_base, T>;
template <class T>
concept integer_constant = std::is_base_of_v<detail::constant_base, T>;
/// What can stand for an axis: an `axis`, or an integer constant of its extent.
template <class T>
concept axis_like = std::is_base_of_v<detail::axis_base, T> || integer_constant<T>;

namespace detail {

template <class A>
struct axis_of {
  using type = A;
};
template <std::int64_t N>
struct axis_of<constant<N>> {
  using type = typename constant<N>::axis_type;
};
template <axis_like A>
using axis_of_t = typename axis_of<A>::type;

}  // namespace detail

/// A set of axes, as a type. Order doesn't matter.
template <class... A>
struct axes {
  static constexpr auto set = hana::make_set(hana::type_c<A>...);
  static constexpr std::size_t size = sizeof...(A);
};

namespace detail {

struct pack_axes {
  template <class... T>
  constexpr auto operator()(T...) const {
    return axes<typename T::type...>{};
  }
};

template <class Set>
using axes_from = decltype(hana::unpack(std::declval<Set>(), pack_axes{}));

template <class X, class Y>
struct union_of {
  using type = axes_from<decltype(hana::union_(X::set, Y::set))>;
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
template <class X, class Y>
using intersection_t = axes_from<decltype(hana::intersection(X::set, Y::set))>;
template <class X, class Y>
using difference_t = axes_from<decltype(hana::difference(X::set, Y::set))>;
template <class X, class Y>
inline constexpr bool is_subset_v = difference_t<X, Y>::size == 0;
template <class X, class A>
inline constexpr bool has_axis_v = decltype(hana::contains(X::set, hana::type_c<A>))::value;

}  // namespace detail
}  // namespace octile
