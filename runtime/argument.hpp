// One argument of a launch, erased.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "octile/runtime/tensor_view.hpp"

namespace octile::runtime {

/// A tensor view, or a scalar as the C++ value the caller wrote.
struct Argument {
  enum class Kind : std::uint8_t { tensor, integer, floating };

  Kind kind = Kind::tensor;
  std::int64_t integer = 0;
  double floating = 0;
  TensorView view;

  Argument() = default;
  Argument(const TensorView& tensor) : view(tensor) {}  // NOLINT: arguments convert
  template <typename T>
  requires std::integral<T> || std::is_enum_v<T> Argument(T value)  // NOLINT
      : kind(Kind::integer), integer(static_cast<std::int64_t>(value)) {}
  template <std::floating_point T>
  Argument(T value)  // NOLINT
      : kind(Kind::floating), floating(static_cast<double>(value)) {}
};

/// What may be passed for a scalar and for a tensor parameter.
template <typename T>
inline constexpr bool is_scalar_argument = std::is_arithmetic_v<std::remove_cvref_t<T>>;
template <typename T>
inline constexpr bool is_tensor_argument =
    !is_scalar_argument<T> && std::is_convertible_v<const std::remove_cvref_t<T>&, TensorView>;

}  // namespace octile::runtime
