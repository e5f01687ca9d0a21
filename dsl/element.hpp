// Element tags: the types a user names, `f32`, `e4m3`, ..., each standing for an ElementType.
#pragma once

#include <concepts>
#include <type_traits>

#include "octile/codegen/ir/element_type.hpp"

namespace octile {

// `bits` repeats the storage width of the element table, which is not constexpr; a test compares.
#define OCTILE_ELEMENT(name, width)                        \
  struct name {                                            \
    static constexpr ElementType type = ElementType::name; \
    static constexpr int bits = width;                     \
  };
OCTILE_ELEMENT(b1, 8)
OCTILE_ELEMENT(u8, 8)
OCTILE_ELEMENT(i32, 32)
OCTILE_ELEMENT(i64, 64)
OCTILE_ELEMENT(e4m3, 8)
OCTILE_ELEMENT(e5m2, 8)
OCTILE_ELEMENT(ue8m0, 8)
OCTILE_ELEMENT(f16, 16)
OCTILE_ELEMENT(bf16, 16)
OCTILE_ELEMENT(f32, 32)
#undef OCTILE_ELEMENT

template <class T>
concept element_tag = requires {
  requires std::same_as<decltype(T::type), const ElementType>;
  requires std::same_as<decltype(T::bits), const int>;
};

namespace detail {

/// Element of what a reported mistake results in. Every check accepts it, so that a mistake is
/// reported once; nothing of it is ever run.
struct invalid {
  static constexpr ElementType type = ElementType::f32;
  static constexpr int bits = 0;
};

template <class T>
inline constexpr bool is_arithmetic_v =
    std::same_as<T, f32> || std::same_as<T, i32> || std::same_as<T, i64>;
template <class T>
inline constexpr bool is_integer_v = std::same_as<T, i32> || std::same_as<T, i64>;
/// Takes no number with a fraction.
template <class T>
inline constexpr bool is_whole_v = is_integer_v<T> || std::same_as<T, u8> || std::same_as<T, b1>;
template <class T>
inline constexpr bool is_fp8_v = std::same_as<T, e4m3> || std::same_as<T, e5m2>;

/// For static_asserts that fire when the branch they stand in is instantiated.
template <class...>
inline constexpr bool never = false;

}  // namespace detail
}  // namespace octile
