// Tensors and scalars as parameters; loads and stores.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "octile/dsl/operations.hpp"

namespace octile {

/// The token of stores that have been recorded. A body returns one, or several by `stores`.
struct stored {
  std::vector<ir::Op*> statements;
};

/// The value that a load takes out of bounds, as its last argument: x(BM[i], other(-1.0f)).
template <class X>
struct out_of_bounds {
  X value;
};
template <class X>
out_of_bounds<X> other(const X& value) {
  return {value};
}

/// Guard of a store: only elements where the b1 tile holds are written.
template <class E>
struct mask {
  using condition_type = E;
  E condition;
};

namespace detail {

template <class T>
constexpr bool check_mask() {
  constexpr bool ok = std::is_same_v<T, b1>;
  static_assert(ok, "octile: when() takes a b1 tile: compare first, for instance when(x > 0)");
  return ok;
}

}  // namespace detail

/// store(d(BM[i]), x, when(x > 0)), or store(d(BM[i]).when(x > 0), x).
template <class X>
auto when(const X& condition) {
  auto c = detail::as<void>(condition);
  using E = decltype(c);
  if constexpr (detail::is_invalid<E>) {
    return mask<expr<detail::invalid>>{};
  } else if constexpr (!detail::check_mask<typename E::element>()) {
    return mask<expr<detail::invalid>>{};
  } else {
    return mask<E>{c};
  }
}

namespace detail {

/// Stands for the mask of a store that has none.
struct no_mask {
  using condition_type = no_mask;
};

template <class T, class X>
constexpr bool check_other() {
  static_assert(std::is_same_v<typename X::element, T>,
                "octile: other(x) must have the tensor's element type: other(cast<T>(x))");
  static_assert(X::axis_set::size == 0,
                "octile: other(x) is a scalar: one value for everything out of bounds");
  return std::is_same_v<typename X::element, T> && X::axis_set::size == 0;
}

// A value for a tensor of element T as an expression; a number takes the tensor's element type.
template <class T, class V>
auto value_for(const V& value) {
  if constexpr (!literal<V>) {
    return as<void>(value);
  } else if constexpr (std::is_floating_point_v<V> && is_whole_v<T>) {
    return literal_expr<T>(value);  // refused
  } else {
    return octile::cast<T>(value);
  }
}

// The out-of-bounds value of a tensor of element T; null after a mistake.
template <class T, class X>
handle other_value(const X& value) {
  auto v = value_for<T>(value);
  if constexpr (is_invalid<decltype(v)> || std::is_same_v<T, invalid>) {
    return nullptr;
  } else {
    check_other<T, decltype(v)>();
    return v.value;
  }
}

template <ir::Access Access>
constexpr bool check_readable() {
  static_assert(Access != ir::Access::out,
                "octile: this tensor is declared out<T> and can't be read: declare it inout<T>");
  return Access != ir::Access::out;
}

template <class Own>
constexpr bool check_single_mask() {
  static_assert(std::is_same_v<Own, no_mask>,
                "octile: a store has one when(): combine the conditions with &&");
  return std::is_same_v<Own, no_mask>;
}

template <class... Use>
void refuse_assignment() {
  static_assert(never<Use...>, "octile: a tensor isn't assigned to: store(d(BM[i], BN[j]), x)");
}

}  // namespace detail

/// A place in a tensor: the loaded tile when used as a value, a target when given to `store`.
template <class T, ir::Access Access, std::size_t Rank, class Axes, class Mask = detail::no_mask>
struct place : detail::tile_base {
  static constexpr bool readable = Access != ir::Access::out;
  using element = std::conditional_t<readable, T, detail::invalid>;
  using axis_set = Axes;
  using target_element = T;
  using mask_type = Mask;

  ir::ParamId param = -1;
  std::array<detail::handle, Rank> indices{};
  detail::handle loaded = nullptr;
  Mask guard{};

  place(ir::ParamId param_in, const std::array<detail::handle, Rank>& indices_in,
        detail::handle loaded_in, const Mask& guard_in)
      : param(param_in), indices(indices_in), loaded(loaded_in), guard(guard_in) {}
  place(const place&) = default;
  void operator=(const place&) const { detail::refuse_assignment<T, Axes>(); }
  template <class X>
  void operator=(const X&) const {
    detail::refuse_assignment<T, X>();
  }

  detail::expr_over_t<element, Axes> load() const {
    static_assert(std::is_same_v<Mask, detail::no_mask>,
                  "octile: when() guards a store; for a load write select(condition, x, y)");
    detail::check_readable<Access>();
    return detail::expr_over_t<element, Axes>(loaded);
  }
  /// The loaded tile, with `value` in place of zero out of bounds.
  template <class X>
  auto other(const X& value) const {
    detail::check_readable<Access>();
    return detail::expr_over_t<element, Axes>(
        detail::core::load(param, indices.data(), Rank, detail::other_value<T>(value)));
  }
  /// The place as a store's target, written only where the b1 tile holds.
  template <class X>
  auto when(const X& condition) const {
    auto m = octile::when(condition);
    detail::check_single_mask<Mask>();
    return place<T, Access, Rank, Axes, decltype(m)>(param, indices, loaded, m);
  }
};

namespace detail {

template <class X>
inline constexpr bool is_other = false;
template <class X>
inline constexpr bool is_other<out_of_bounds<X>> = true;

// The axis whose plain block an index is; void for other indices.
template <class X>
struct block_axis {
  using type = void;
};
template <class A, class Axes>
struct block_axis<block<A, Axes>> {
  using type = A;
};

template <class... I>
constexpr bool check_distinct_blocks() {
  constexpr bool distinct = [] {
    bool ok = true;
    const axis_key keys[] = {[] {
      if constexpr (std::is_void_v<typename block_axis<I>::type>) {
        return axis_key{};
      } else {
        return key_of<typename block_axis<I>::type>;
      }
    }()...};
    for (std::size_t i = 0; i < sizeof...(I); ++i) {
      for (std::size_t j = 0; j < i; ++j)
        ok = ok && (keys[i].name.empty() || keys[i].name != keys[j].name);
    }
    return ok;
  }();
  static_assert(distinct,
                "octile: one axis indexes two dimensions: use another axis for one of them, or "
                "index(BM[i]) for a diagonal");
  return distinct;
}

template <std::size_t Rank, std::size_t Indices>
constexpr bool check_rank() {
  static_assert(Indices == Rank,
                "octile: wrong number of indices: a tensor is called with one index per declared "
                "dimension");
  return Indices == Rank;
}

}  // namespace detail

/// What a kernel's function receives for a tensor: called with one index per dimension (a block
/// BM[i], a scalar, an index tile for a gather, a constant), it gives a place.
template <class T, ir::Access Access, std::size_t Rank>
struct tensor {
  ir::ParamId param = -1;

  template <class... I>
  auto operator()(const I&... index) const {
    if constexpr ((detail::is_other<I> || ...)) {
      return split(std::index_sequence_for<I...>{}, index...);
    } else if constexpr (!detail::check_rank<Rank, sizeof...(I)>()) {
      return expr<detail::invalid>{};
    } else if constexpr (!detail::check_indices<I...>()) {
      return expr<detail::invalid>{};
    } else if constexpr (!detail::check_distinct_blocks<I...>()) {
      return expr<detail::invalid>{};
    } else {
      return at(detail::to_index(index)...);
    }
  }
  template <class I>
  auto operator[](const I&) const {
    static_assert(detail::never<I>, "octile: a tensor is called, not subscripted: a(BM[i], BK[k])");
    return expr<detail::invalid>{};
  }

 private:
  // x(i, j, other(v)) is x(i, j).other(v).
  template <std::size_t... N, class... I>
  auto split(std::index_sequence<N...>, const I&... index) const {
    constexpr std::size_t last = sizeof...(I) - 1;
    const auto all = std::forward_as_tuple(index...);
    if constexpr ((detail::is_other<I> + ...) != 1 ||
                  !detail::is_other<
                      std::remove_cvref_t<std::tuple_element_t<last, decltype(all)>>>) {
      static_assert(detail::never<I...>,
                    "octile: other(x) comes once, after the indices: x(BM[i], BN[j], other(1))");
      return expr<detail::invalid>{};
    } else {
      return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return (*this)(std::get<K>(all)...).other(std::get<last>(all).value);
      }
      (std::make_index_sequence<last>{});
    }
  }

  template <class... E>
  auto at(const E&... e) const {
    if constexpr ((detail::is_invalid<E> || ...)) {
      return expr<detail::invalid>{};
    } else {
      using Axes = typename detail::union_all<typename E::axis_set...>::type;
      place<T, Access, Rank, Axes> p(param, {e.value...}, nullptr, {});
      // Read where it is written in the program: a later store to an inout tensor must not show.
      if constexpr (Access != ir::Access::out) {
        p.loaded = detail::core::load(param, p.indices.data(), Rank, nullptr);
      }
      return p;
    }
  }
};

namespace detail {

template <ir::Access Access>
constexpr bool check_writable() {
  static_assert(Access != ir::Access::in,
                "octile: this tensor is declared in<T> and can't be stored to: declare it out<T> "
                "or inout<T>");
  return Access != ir::Access::in;
}

template <class T, class V>
constexpr bool check_stored_element() {
  static_assert(
      std::is_same_v<T, V>,
      "octile: the stored tile's element type isn't the tensor's: cast<T>(x) before store");
  return std::is_same_v<T, V>;
}

template <class Axes, class V>
constexpr bool check_covered() {
  static_assert(is_subset_v<V, Axes>,
                "octile: the stored tile has an axis that the place lacks: index the tensor along "
                "it, or reduce over it");
  return is_subset_v<V, Axes>;
}

template <class Axes, class M>
constexpr bool check_mask_covered() {
  static_assert(is_subset_v<M, Axes>,
                "octile: the store's mask has an axis that the place lacks: index the tensor along "
                "it, or reduce over it");
  return is_subset_v<M, Axes>;
}

// What is stored after a mistake: nothing.
template <class T, ir::Access Access, std::size_t Rank, class Axes, class Own, class V, class M>
stored store_checked(const place<T, Access, Rank, Axes, Own>& p, const V& v, const M& guard) {
  using C = typename M::condition_type;
  if constexpr (!check_writable<Access>() || is_invalid<V> || std::is_same_v<T, invalid>) {
    return {};
  } else if constexpr (!check_stored_element<T, typename V::element>()) {
    return {};
  } else if constexpr (!check_covered<Axes, typename V::axis_set>()) {
    return {};
  } else if constexpr (std::is_same_v<C, no_mask>) {
    return {{core::store(p.param, p.indices.data(), Rank, v.value, nullptr)}};
  } else if constexpr (is_invalid<C>) {
    return {};
  } else if constexpr (!check_mask_covered<Axes, typename C::axis_set>()) {
    return {};
  } else {
    return {{core::store(p.param, p.indices.data(), Rank, v.value, guard.condition.value)}};
  }
}

template <class P, class V, class M>
stored store_to(const P& target, const V& value, const M& guard) {
  if constexpr (is_place<P>) {
    return store_checked(target, value_for<typename P::target_element>(value), guard);
  } else {
    constexpr bool reported = [] {
      if constexpr (tile_like<P>) {
        return std::is_same_v<typename P::element, invalid>;
      } else {
        return false;
      }
    }();
    static_assert(
        reported,
        "octile: store's first argument is a tensor's place, for instance d(BM[i], BN[j])");
    return {};
  }
}

}  // namespace detail

/// Stores a tile. The value is broadcast over axes that only the place has; what lies outside the
/// tensor is dropped. Takes effect in the order of the program.
template <class P, class V>
stored store(const P& target, const V& value,
             const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  if constexpr (detail::is_place<P>) {
    return detail::store_to(target, value, target.guard);
  } else {
    return detail::store_to(target, value, detail::no_mask{});
  }
}
/// Stores a tile where a condition holds: store(d(BM[i]), x, when(x > 0)).
template <class P, class V, class E>
stored store(const P& target, const V& value, const mask<E>& guard,
             const std::source_location& location = std::source_location::current()) {
  detail::core::here(location);
  if constexpr (detail::is_place<P>) detail::check_single_mask<typename P::mask_type>();
  return detail::store_to(target, value, guard);
}

/// Several stores as the result of a body. They take effect in the order of the arguments, whatever
/// order the compiler evaluates those in.
template <std::same_as<stored>... S>
stored stores(const S&... all) {
  return {detail::core::in_order({&all.statements...})};
}
inline stored operator,(const stored& first, const stored& second) {
  return stores(first, second);
}

}  // namespace octile
