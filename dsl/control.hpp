// Loops and the grid: fold, sum as its common case, for_each for loops of stores.
#pragma once

#include <tuple>

#include "octile/dsl/reduction.hpp"

namespace octile {

/// Several carried values: fold(extent, tuple(a, b), [=](auto i, auto x, auto y) { ... }).
template <class... T>
std::tuple<T...> tuple(const T&... values) {
  return {values...};
}

namespace detail {

/// A carried value, or several, as a tuple of expressions; numbers take their C++ type.
template <class X>
auto initial_values(const X& x) {
  if constexpr (is_tuple<X>) {
    return std::apply([](const auto&... e) { return std::tuple{as<void>(e)...}; }, x);
  } else {
    return std::tuple<decltype(as<void>(x))>{as<void>(x)};
  }
}

/// What a body returned, as a tuple of expressions; numbers take the carried values' elements.
template <class... C, class X>
auto next_values(const std::tuple<C...>&, const X& x) {
  if constexpr (!is_tuple<X>) {
    if constexpr (sizeof...(C) == 1) {
      return std::tuple<decltype(as<typename C::element...>(x))>{as<typename C::element...>(x)};
    } else {
      return std::tuple<X>{x};  // too few: reported by whoever asks for the size
    }
  } else if constexpr (std::tuple_size_v<X> != sizeof...(C)) {
    return x;
  } else {
    return std::apply(
        [](const auto&... e) {
          return std::tuple<decltype(as<typename C::element>(e))...>{as<typename C::element>(e)...};
        },
        x);
  }
}

template <class F, class... C>
using body_result = std::invoke_result_t<const F&, expr<i64>, C...>;

template <class F, class... C>
constexpr bool check_body_arguments() {
  constexpr fit call = fit_of<F, expr<i64>, C...>();
  static_assert(call != fit::other_arguments,
                "octile: a fold's function takes the index, then one argument per carried value: "
                "[=](auto k, auto acc) for one");
  return call == fit::fits;
}

template <class R>
constexpr bool check_body_result() {
  static_assert(!std::is_same_v<R, stored>,
                "octile: a fold's function returns the next value: return acc + x; for a loop of "
                "stores write for_each");
  return !std::is_same_v<R, stored>;
}

template <std::size_t Returned, std::size_t Carried>
constexpr bool check_body_count() {
  static_assert(Returned == Carried,
                "octile: a fold's function returns as many values as it carries: tuple(a, b) for "
                "two");
  return Returned == Carried;
}

template <class C, class R>
constexpr bool check_carried_element() {
  constexpr bool ok = std::is_same_v<typename C::element, typename R::element>;
  static_assert(ok,
                "octile: a fold's function returns another element type than it carries: start "
                "from a value of that type (0.0f for f32), or cast<T>(x)");
  return ok;
}

/// The types that a fold carries: those of its initial values, with the axes that the body adds.
/// `type` is void after a mistake.
template <class F, class Carried>
struct fixed_point;

template <class F, class Carried, class Next>
struct widen;
template <class F, class... C, class... R>
struct widen<F, std::tuple<C...>, std::tuple<R...>> {
  template <class A, class B>
  using wider =
      expr_over_t<typename A::element, union_t<typename A::axis_set, typename B::axis_set>>;
  static auto find() {
    if constexpr ((is_invalid<R> || ...)) {
      return;
    } else if constexpr (!(check_carried_element<C, R>() && ...)) {
      return;
    } else if constexpr ((is_subset_v<typename R::axis_set, typename C::axis_set> && ...)) {
      return std::tuple<C...>{};
    } else {
      return typename fixed_point<F, std::tuple<wider<C, R>...>>::holder{}.get();
    }
  }
};

template <class T>
struct type_holder {
  T get() const;
};

template <class F, class... C>
struct fixed_point<F, std::tuple<C...>> {
  static auto find() {
    if constexpr ((is_invalid<C> || ...)) {
      return;
    } else if constexpr (!check_body_arguments<F, C...>()) {
      return;
    } else if constexpr (std::is_void_v<body_result<F, C...>>) {
      check_body_count<0, sizeof...(C)>();
      return;
    } else if constexpr (!check_body_result<body_result<F, C...>>()) {
      return;
    } else {
      using Next = decltype(next_values(std::declval<const std::tuple<C...>&>(),
                                        std::declval<const body_result<F, C...>&>()));
      if constexpr (!check_body_count<std::tuple_size_v<Next>, sizeof...(C)>()) {
        return;
      } else {
        return widen<F, std::tuple<C...>, Next>::find();
      }
    }
  }
  using type = decltype(find());
  using holder = type_holder<type>;
};

template <class Init, class... C, std::size_t... N>
std::tuple<C...> fold_carried(const expr<i64>& trips, const Init& init, const std::tuple<C...>*,
                              std::index_sequence<N...>, const auto& f) {
  constexpr std::size_t count = sizeof...(C);
  const carried_spec carried[count] = {
      {std::get<N>(init).value, keys_of<typename C::axis_set>::data, C::axis_set::size}...};
  handle last[count];
  const auto body = [&](handle index, const handle* in, handle* out) {
    const std::tuple<C...> values{C(in[N])...};
    const auto next = next_values(values, f(expr<i64>(index), C(in[N])...));
    ((out[N] = std::get<N>(next).value), ...);
  };
  core::fold(trips.value, carried, count, core::fold_body(body), last);
  return {C(last[N])...};
}

template <class Extent, class Init, class F>
auto fold_of(const Extent& extent, const Init& init, const F& f) {
  const auto start = initial_values(init);
  using Start = std::remove_cvref_t<decltype(start)>;
  using Carried = typename fixed_point<F, Start>::type;
  const expr<i64> trips = to_extent(extent);
  if constexpr (std::is_void_v<Carried>) {
    // Reported; what follows goes on with values that every check accepts.
    return [&]<std::size_t... N>(std::index_sequence<N...>) {
      return std::tuple{(static_cast<void>(N), expr<invalid>{})...};
    }
    (std::make_index_sequence<std::tuple_size_v<Start>>{});
  } else {
    return fold_carried(trips, start, static_cast<const Carried*>(nullptr),
                        std::make_index_sequence<std::tuple_size_v<Carried>>{}, f);
  }
}

}  // namespace detail

/// Runs f(index, carried...) for index = 0, ..., extent - 1, each time with what it returned last,
/// at first with `init`: a number, a tile, or a tuple of them. Gives the last carried values (a
/// std::tuple for a tuple). The body may add axes; `init` is broadcast over them.
template <class Extent, class Init, class F>
auto fold(const Extent& extent, const Init& init, const F& f,
          const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  auto carried = detail::fold_of(extent, init, f);
  if constexpr (detail::is_tuple<Init>) {
    return carried;
  } else {
    return std::get<0>(carried);
  }
}

namespace detail {

template <class F>
constexpr bool check_term_arguments() {
  constexpr fit call = fit_of<F, expr<i64>>();
  static_assert(call != fit::other_arguments,
                "octile: sum(extent, f) takes a function of the index, [=](auto k) { ... }; "
                "sum(tile, axis) adds along an axis");
  return call == fit::fits;
}

template <class T>
constexpr bool check_term_element() {
  static_assert(is_arithmetic_v<T>,
                "octile: sum adds f32, i32 or i64 tiles: cast<f32>(x) in its function");
  return is_arithmetic_v<T>;
}

template <class R>
constexpr bool check_term_result() {
  constexpr bool ok = !std::is_void_v<R> && !std::is_same_v<R, stored>;
  static_assert(ok,
                "octile: sum's function returns the value to add: return dot(...); for a loop of "
                "stores write for_each");
  return ok;
}

template <class F>
struct term_of {
  static auto find() {
    if constexpr (!check_term_arguments<F>()) {
      return expr<invalid>{};
    } else {
      using R = std::invoke_result_t<const F&, expr<i64>>;
      if constexpr (!check_term_result<R>()) {
        return expr<invalid>{};
      } else {
        return decltype(as<void>(std::declval<const R&>())){};
      }
    }
  }
  using type = decltype(find());
};

}  // namespace detail

/// f(0) + f(1) + ... + f(extent - 1), in that order, from zero.
template <class Extent, class F>
requires(!detail::reducible<F>) auto sum(
    const Extent& extent, const F& f,
    const std::source_location& location = std::source_location::current()) {
  using Term = typename detail::term_of<F>::type;
  using T = typename Term::element;
  if constexpr (detail::is_invalid<Term>) {
    return expr<detail::invalid>{};
  } else if constexpr (!detail::check_term_element<T>()) {
    return expr<detail::invalid>{};
  } else {
    detail::core::here(location);
    return fold(
        extent, detail::literal_expr<T>(0),
        [&f](auto k, auto total) { return total + detail::as<T>(f(k)); }, location);
  }
}

namespace detail {

/// Whether R is what a statement gives: a token of `Tokens`, nothing, or a mistake that was
/// reported.
template <class R, class... Tokens>
inline constexpr bool is_statement = std::is_void_v<R> || std::is_same_v<R, expr<invalid>> ||
                                     (std::is_same_v<R, Tokens> || ...);

template <class F>
constexpr bool check_loop() {
  constexpr fit call = fit_of<F, expr<i64>>();
  static_assert(call != fit::other_arguments,
                "octile: for_each's function takes the index: [=](auto k) { ... }");
  if constexpr (call == fit::fits) {
    constexpr bool stores = is_statement<std::invoke_result_t<const F&, expr<i64>>, stored>;
    static_assert(stores,
                  "octile: for_each's function stores: return store(d(...), x); to add up what it "
                  "returns write sum");
    return stores;
  }
  return call == fit::fits;
}

}  // namespace detail

/// Runs f(index) for index = 0, ..., extent - 1, for the stores it makes.
template <class Extent, class F>
stored for_each(const Extent& extent, const F& f,
                const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  if constexpr (detail::check_loop<F>()) {
    const auto body = [&](detail::handle index, const detail::handle*, detail::handle*) {
      static_cast<void>(f(expr<i64>(index)));
    };
    return {{detail::core::fold(detail::to_extent(extent).value, nullptr, 0,
                                detail::core::fold_body(body), nullptr)}};
  } else {
    return {};
  }
}

/// The token of a kernel's grid, which its function returns.
struct gridded {};

namespace detail {

template <class Body, class... Index>
constexpr bool check_grid_arguments() {
  if constexpr (operand<Body>) {
    static_assert(never<Body>,
                  "octile: grid takes extents, then a function of one index per extent: grid(M / "
                  "BM, [=](auto i) { ... })");
    return false;
  } else {
    constexpr fit call = fit_of<Body, Index...>();
    static_assert(
        call != fit::other_arguments,
        "octile: grid's function takes one index per extent: [=](auto i, auto j) for two");
    return call == fit::fits;
  }
}

template <class R>
constexpr bool check_grid_result() {
  constexpr bool ok = is_statement<R, stored>;
  static_assert(ok,
                "octile: a kernel stores its result: return store(d(...), value), or "
                "stores(store(...), store(...))");
  return ok;
}

template <class Body, class... E>
void run_grid(const std::source_location& location, const Body& body, const E&... extents) {
  core::here(location);
  if constexpr (check_grid_arguments<Body, decltype(to_extent(extents))...>()) {
    if constexpr (check_grid_result<
                      std::invoke_result_t<const Body&, decltype(to_extent(extents))...>>()) {
      const handle values[] = {to_extent(extents).value...};
      core::set_grid(values, sizeof...(E));
      [&]<std::size_t... N>(std::index_sequence<N...>) {
        const expr<i64> indices[] = {expr<i64>(core::grid_index(static_cast<int>(N)))...};
        static_cast<void>(body(indices[N]...));
      }
      (std::index_sequence_for<E...>{});
    }
  }
}

}  // namespace detail

/// The grid: `body(i[, j[, k]])` runs once for every point of one to three extents, and stores.
template <class E0, class Body>
gridded grid(const E0& e0, const Body& body,
             const std::source_location& location = std::source_location::current()) {
  detail::run_grid(location, body, e0);
  return {};
}
template <class E0, class E1, class Body>
requires(!std::is_same_v<Body, std::source_location>) gridded
    grid(const E0& e0, const E1& e1, const Body& body,
         const std::source_location& location = std::source_location::current()) {
  detail::run_grid(location, body, e0, e1);
  return {};
}
template <class E0, class E1, class E2, class Body>
requires(!std::is_same_v<Body, std::source_location>) gridded
    grid(const E0& e0, const E1& e1, const E2& e2, const Body& body,
         const std::source_location& location = std::source_location::current()) {
  detail::run_grid(location, body, e0, e1, e2);
  return {};
}
template <class E0, class E1, class E2, class E3, class Body, class... More>
requires(!std::is_same_v<Body, std::source_location>) gridded
    grid(const E0&, const E1&, const E2&, const E3&, const Body&, const More&...) {
  static_assert(detail::never<Body>,
                "octile: a grid has one to three extents: split one index into two with / and %, "
                "or loop with for_each");
  return {};
}

}  // namespace octile
