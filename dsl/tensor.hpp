// Tensors and scalars as parameters, loads and stores.
#pragma once

#include <array>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "octile/dsl/expression.hpp"

namespace octile {

/// The token of an executed store; a kernel's body returns one (or several, by `stores`).
struct stored {};

namespace detail {

struct mask_base {};

}  // namespace detail

/// Guard of a store: only elements where the b1 tile holds are written.
template <class E>
struct mask : detail::mask_base {
  E condition;
};
template <detail::tile_like X>
auto when(const X& condition) {
  auto c = detail::to_expr(condition);
  static_assert(
      std::is_same_v<typename decltype(c)::element, b1> || detail::is_invalid_v<decltype(c)>,
      "octile: when() takes a b1 tile: compare first, for instance x > 0");
  return mask<decltype(c)>{{}, c};
}

/// A tile's place in a tensor: a load when used as a value, a target when given to `store`.
template <class T, ir::Access Access, class Axes>
struct place : detail::place_base {
  ir::ParamId param = -1;
  std::vector<ir::Value*> indices;

  expr<T, Axes> load(ir::Value* other = nullptr) const {
    static_assert(Access != ir::Access::out,
                  "octile: this tensor is declared out<T> and can't be read: declare it inout<T>");
    return {detail::builder().load(param, indices, other)};
  }
  /// The load, with `value` in place of zero out of bounds.
  template <detail::operand X>
  expr<T, Axes> other(const X& value) const {
    auto v = [&] {
      if constexpr (detail::literal<X>) {
        if constexpr (is_arithmetic(T::type)) {
          return detail::literal_expr<T>(value);
        } else {
          return expr<T>{detail::builder().cast(T::type, detail::literal_expr<f32>(value).value)};
        }
      } else {
        return detail::to_expr(value);
      }
    }();
    static_assert(std::is_same_v<typename decltype(v)::element, T>,
                  "octile: other(x) must have the tensor's element type: cast<T>(x)");
    return load(v.value);
  }
};

/// What a kernel's body receives for a tensor: call it with one index per dimension.
template <class T, ir::Access Access, std::size_t Rank>
struct tensor {
  ir::ParamId param = -1;

  template <class... I>
  auto operator()(const I&... index) const {
    if constexpr (sizeof...(I) != Rank) {
      static_assert(detail::always_false<tensor>,
                    "octile: wrong number of indices: a tensor is called with one index per "
                    "declared dimension");
      return expr<invalid>{};
    } else {
      return at(detail::to_index(index)...);
    }
  }

 private:
  template <class... E>
  auto at(E... e) const {
    using Axes = fold_axes<axes<>, typename E::axes_type...>;
    if constexpr ((detail::is_invalid_v<E> || ...)) {
      return expr<invalid, Axes>{};
    } else {
      place<T, Access, Axes> p;
      p.param = param;
      p.indices = {e.value...};
      return p;
    }
  }
  template <class Seed, class... A>
  struct folder {
    using type = Seed;
  };
  template <class Seed, class First, class... A>
  struct folder<Seed, First, A...> {
    using type = typename folder<detail::union_t<Seed, First>, A...>::type;
  };
  template <class Seed, class... A>
  using fold_axes = typename folder<Seed, A...>::type;
};

namespace detail {

template <class T, ir::Access Access, class Axes, literal X>
expr<T> literal_for(const place<T, Access, Axes>&, const X& x) {
  if constexpr (is_arithmetic(T::type)) {
    return literal_expr<T>(x);
  } else {
    return {builder().cast(T::type, literal_expr<f32>(x).value)};
  }
}

template <class P, class V, class M>
stored store_checked(const P&, const V&, const M*) {
  static_assert(
      always_false<P>,
      "octile: store's first argument must be a tensor's place, for instance d(BM[i], BN[j])");
  return {};
}

template <class T, ir::Access Access, class Axes, class V, class M>
stored store_checked(const place<T, Access, Axes>& p, const V& v, const M* condition) {
  using E = typename V::element;
  if constexpr (is_invalid_v<V>) {
    return {};
  } else if constexpr (Access == ir::Access::in) {
    static_assert(always_false<T>,
                  "octile: this tensor is declared in<T> and can't be stored to: declare it out<T> "
                  "or inout<T>");
  } else if constexpr (!std::is_same_v<E, T>) {
    static_assert(
        always_false<T>,
        "octile: the stored tile's element type isn't the tensor's: cast<T>(x) before store");
  } else if constexpr (!is_subset_v<typename V::axes_type, Axes>) {
    static_assert(always_false<T>,
                  "octile: the stored tile has an axis that the place lacks: index the tensor "
                  "along it, or reduce over it");
  } else if constexpr (std::is_void_v<M>) {
    builder().store(p.param, p.indices, v.value);
  } else if constexpr (!is_subset_v<typename M::axes_type, Axes>) {
    static_assert(
        always_false<T>,
        "octile: the store's mask has an axis that the place lacks: index the tensor along it");
  } else {
    builder().store(p.param, p.indices, v.value, condition->value);
  }
  return {};
}

}  // namespace detail

/// Stores a tile. The value is broadcast over axes that only the place has; what lies outside the
/// tensor is dropped.
template <class P, detail::operand V>
stored store(const P& target, const V& value) {
  if constexpr (std::is_same_v<P, expr<invalid>>) {
    return {};
  } else if constexpr (detail::literal<V> && requires { target.param; }) {
    return detail::store_checked(target, detail::literal_for(target, value),
                                 static_cast<const void*>(nullptr));
  } else {
    return detail::store_checked(target, detail::to_expr(value), static_cast<const void*>(nullptr));
  }
}
/// Stores a tile where a condition holds: store(d(BM[i]), x, when(x > 0)).
template <class P, detail::operand V, class M>
requires std::is_base_of_v<detail::mask_base, M> stored store(const P& target, const V& value,
                                                              const M& guard) {
  return detail::store_checked(target, detail::to_expr(value), &guard.condition);
}

/// Several stores as the result of a body.
template <std::same_as<stored>... S>
stored stores(S...) {
  return {};
}
inline stored operator,(stored, stored) {
  return {};
}

// Declarations of parameters.

namespace detail {

/// Extent of a dimension as the declaration gives it.
struct extent_spec {
  std::string dim;
  std::int64_t constant = 0;
  std::int64_t divisor = 1;
};

template <class E>
extent_spec make_extent(E e) {
  if constexpr (dim_name<E>) {
    return {std::string(E::name), 0, 1};
  } else if constexpr (integer_constant<E>) {
    return {{}, E::value, 1};
  } else if constexpr (std::is_integral_v<E>) {
    return {{}, static_cast<std::int64_t>(e), 1};
  } else {
    return ratio_extent(e);
  }
}

template <class D, class C>
extent_spec ratio_extent(ratio<D, C>) {
  if constexpr (integer_constant<C>) {
    return {std::string(D::name), 0, C::value};
  } else {
    static_assert(
        always_false<D>,
        "octile: a tensor's extent can be divided by a constant such as 128_c, not by a tile axis");
    return {};
  }
}
template <class E>
extent_spec ratio_extent(E) {
  static_assert(always_false<E>,
                "octile: a tensor's extent must be a dim, a constant such as 8_c, or a dim divided "
                "by a constant");
  return {};
}

}  // namespace detail

/// Declaration of a tensor parameter.
template <class T, ir::Access Access, std::size_t Rank>
struct tensor_decl {
  using element = T;
  using symbol = tensor<T, Access, Rank>;
  static constexpr bool is_tensor = true;
  static constexpr ir::Access access = Access;
  static constexpr std::size_t rank = Rank;
  std::string name;
  std::array<detail::extent_spec, Rank> shape;

  symbol declare(ir::Builder& b) const {
    ir::Param p;
    p.name = name;
    p.element = T::type;
    p.access = Access;
    for (const detail::extent_spec& s : shape) {
      p.shape.push_back({s.dim.empty() ? -1 : b.dim(s.dim), s.constant, s.divisor});
    }
    return {b.tensor(p)};
  }
};

/// Declaration of a scalar parameter.
template <class T>
struct scalar_decl {
  using element = T;
  using symbol = expr<T>;
  static constexpr bool is_tensor = false;
  std::string name;

  symbol declare(ir::Builder& b) const { return {b.scalar_param(b.scalar(name, T::type))}; }
};

/// A tensor that the kernel reads: in<e4m3>("a", M, K), outermost dimension first.
template <element_tag T, class... E>
tensor_decl<T, ir::Access::in, sizeof...(E)> in(std::string name, E... extents) {
  return {std::move(name), {detail::make_extent(extents)...}};
}
/// A tensor that the kernel writes.
template <element_tag T, class... E>
tensor_decl<T, ir::Access::out, sizeof...(E)> out(std::string name, E... extents) {
  return {std::move(name), {detail::make_extent(extents)...}};
}
/// A tensor that the kernel reads and writes.
template <element_tag T, class... E>
tensor_decl<T, ir::Access::inout, sizeof...(E)> inout(std::string name, E... extents) {
  return {std::move(name), {detail::make_extent(extents)...}};
}
/// A scalar argument.
template <element_tag T>
scalar_decl<T> scalar(std::string name) {
  return {std::move(name)};
}

}  // namespace octile
