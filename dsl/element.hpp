// Element tags: the types a user names, `f32`, `e4m3`, ..., each standing for an ElementType.
#pragma once

#include <type_traits>

#include "octile/codegen/ir/element_type.hpp"

namespace octile {

#define OCTILE_ELEMENT(name)                               \
  struct name {                                            \
    static constexpr ElementType type = ElementType::name; \
  };
OCTILE_ELEMENT(b1)
OCTILE_ELEMENT(u8)
OCTILE_ELEMENT(i32)
OCTILE_ELEMENT(i64)
OCTILE_ELEMENT(e4m3)
OCTILE_ELEMENT(e5m2)
OCTILE_ELEMENT(ue8m0)
OCTILE_ELEMENT(f16)
OCTILE_ELEMENT(bf16)
OCTILE_ELEMENT(f32)
#undef OCTILE_ELEMENT

/// Stands for the result of a mistake that has been reported, so that it is reported once.
struct invalid {
  static constexpr ElementType type = ElementType::f32;
};

template <class T>
concept element_tag = requires {
  requires std::is_same_v<decltype(T::type), const ElementType>;
};

}  // namespace octile
