// Loops that carry values: fold, and sum as its common case; the grid.
#pragma once

#include <functional>
#include <tuple>

#include "octile/dsl/reduction.hpp"

namespace octile {

namespace detail {

template <class X>
struct is_tuple : std::false_type {};
template <class... T>
struct is_tuple<std::tuple<T...>> : std::true_type {};

template <class X>
auto as_tuple(const X& x) {
  if constexpr (is_tuple<X>::value) {
    return std::apply([](const auto&... e) { return std::make_tuple(to_expr(e)...); }, x);
  } else {
    return std::make_tuple(to_expr(x));
  }
}

// Calls f(index, carried...) and returns a tuple of expressions.
template <class F, class... C>
auto call_body(const F& f, expr<i64> index, const std::tuple<C...>& carried) {
  return as_tuple(std::apply([&](const auto&... c) { return f(index, c...); }, carried));
}
template <class F, class Carried>
using body_of =
    decltype(call_body(std::declval<const F&>(), expr<i64>{}, std::declval<const Carried&>()));

template <class From, class To>
struct widen;
template <class... T, class... A, class... U, class... B>
struct widen<std::tuple<expr<T, A>...>, std::tuple<expr<U, B>...>> {
  using type = std::tuple<expr<T, union_t<A, B>>...>;
  static constexpr bool same_elements = (std::is_same_v<T, U> && ...);
  static constexpr bool any_invalid =
      ((std::is_same_v<U, invalid> || std::is_same_v<T, invalid>) || ...);
  static constexpr bool wider = (!is_subset_v<B, A> || ...);
};

// The carried types: axes that the body adds are added until nothing changes.
template <class F, class Carried, int Depth = 0>
struct fixed_point {
  using Next = body_of<F, Carried>;
  static auto find() {
    if constexpr (std::tuple_size_v<Next> != std::tuple_size_v<Carried>) {
      static_assert(
          always_false<F>,
          "octile: fold's body must return as many values as it carries: std::tuple{a, b} for two");
      return std::tuple<expr<invalid>>{};
    } else if constexpr (widen<Carried, Next>::any_invalid) {
      return std::tuple<expr<invalid>>{};
    } else if constexpr (!widen<Carried, Next>::same_elements) {
      static_assert(always_false<F>,
                    "octile: fold's body returns another element type than it carries: cast<T>(x), "
                    "or start from a value of that type");
      return std::tuple<expr<invalid>>{};
    } else if constexpr (!widen<Carried, Next>::wider) {
      return Carried{};
    } else {
      return fixed_point<F, typename widen<Carried, Next>::type, Depth + 1>::find();
    }
  }
  using type = decltype(find());
};

template <class Carried, std::size_t... I>
std::vector<ir::Value*> values_of(const Carried& c, std::index_sequence<I...>) {
  return {std::get<I>(c).value...};
}
template <class Carried, std::size_t... I>
Carried from_values(const std::vector<ir::Value*>& v, std::index_sequence<I...>) {
  return Carried{typename std::tuple_element<I, Carried>::type{v[I]}...};
}

template <class Extent, class Init, class F>
auto fold_of(const Extent& extent, const Init& init, const F& f) {
  auto start = as_tuple(init);
  using Carried = typename fixed_point<F, decltype(start)>::type;
  if constexpr (is_invalid_v<std::tuple_element_t<0, Carried>>) {
    return Carried{};
  } else {
    constexpr auto indices = std::make_index_sequence<std::tuple_size_v<Carried>>{};
    auto results = builder().fold(to_index(extent).value, values_of(start, indices),
                                  [&](ir::Value* index, const std::vector<ir::Value*>& carried) {
                                    auto next = call_body(f, expr<i64>{index},
                                                          from_values<Carried>(carried, indices));
                                    return values_of(next, indices);
                                  });
    return from_values<Carried>(results, indices);
  }
}

}  // namespace detail

/// Runs f(index, carried...) for index = 0 .. extent-1, each time with what it returned last time,
/// at first with `init`: a number, a tile, or a std::tuple of them. Returns the last carried values
/// (a std::tuple for several). The body may add axes; `init` is broadcast over them.
template <class Extent, class Init, class F>
auto fold(const Extent& extent, const Init& init, const F& f) {
  auto carried = detail::fold_of(extent, init, f);
  if constexpr (detail::is_tuple<Init>::value) {
    return carried;
  } else {
    return std::get<0>(carried);
  }
}

/// f(0) + f(1) + ... + f(extent-1), in that order, from zero.
template <class Extent, class F>
requires(!detail::is_group_v<F> &&
         std::invocable<const F&, expr<i64>>) auto sum(const Extent& extent, const F& f) {
  using R = decltype(detail::to_expr(f(expr<i64>{})));
  if constexpr (detail::is_invalid_v<R>) {
    return R{};
  } else if constexpr (!is_arithmetic(R::element::type)) {
    static_assert(detail::always_false<R>,
                  "octile: sum adds f32, i32 or i64 tiles: cast<f32>(x) first");
    return expr<invalid, typename R::axes_type>{};
  } else {
    expr<typename R::element> zero = detail::literal_expr<typename R::element>(0);
    return fold(extent, zero,
                [f](auto i, auto carried) { return carried + detail::to_expr(f(i)); });
  }
}

namespace detail {

template <class Body, class... E>
stored run_grid(const Body& body, const E&... extents) {
  if constexpr (sizeof...(E) < 1 || sizeof...(E) > 3) {
    static_assert(always_false<Body>,
                  "octile: a grid has one to three extents: fold the others into one, or loop over "
                  "them with fold");
  } else {
    constexpr bool callable = [] {
      if constexpr (sizeof...(E) == 1)
        return std::invocable<const Body&, expr<i64>>;
      else if constexpr (sizeof...(E) == 2)
        return std::invocable<const Body&, expr<i64>, expr<i64>>;
      else
        return std::invocable<const Body&, expr<i64>, expr<i64>, expr<i64>>;
    }();
    if constexpr (!callable) {
      static_assert(
          always_false<Body>,
          "octile: grid's function takes one index per extent: [=](auto i, auto j) for two");
    } else {
      ir::Builder& b = builder();
      b.set_grid({to_index(extents).value...});
      int position = 0;
      // Braces fix the order of evaluation.
      auto indices =
          std::tuple{(static_cast<void>(extents), expr<i64>{b.grid_index(position++)})...};
      using R = decltype(std::apply(body, indices));
      if constexpr (!std::is_same_v<R, stored>) {
        static_assert(always_false<Body>,
                      "octile: a kernel must store its result: return store(d(...), value)");
      } else {
        return std::apply(body, indices);
      }
    }
  }
  return {};
}

}  // namespace detail

/// The grid: `body(i[, j[, k]])` runs once for every point of one to three extents.
template <class E0, class Body>
stored grid(const E0& e0, const Body& body) {
  return detail::run_grid(body, e0);
}
template <class E0, class E1, class Body>
stored grid(const E0& e0, const E1& e1, const Body& body) {
  return detail::run_grid(body, e0, e1);
}
template <class E0, class E1, class E2, class Body>
stored grid(const E0& e0, const E1& e1, const E2& e2, const Body& body) {
  return detail::run_grid(body, e0, e1, e2);
}
template <class E0, class E1, class E2, class E3, class Body>
stored grid(const E0& e0, const E1& e1, const E2& e2, const E3& e3, const Body& body) {
  return detail::run_grid(body, e0, e1, e2, e3);
}

}  // namespace octile
