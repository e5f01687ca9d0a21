// Element types: the one table of names, widths and formats that every part of Octile reads.
#pragma once

#include <cstdint>
#include <string_view>

namespace octile {

/// Element type of a tensor, a scalar parameter or a tile.
enum class ElementType : std::uint8_t { b1, u8, i32, i64, e4m3, e5m2, ue8m0, f16, bf16, f32 };

inline constexpr int kElementTypeCount = 10;

/// What is known of one element type. Widths in bits; floats are sign + exponent + mantissa.
struct ElementTypeInfo {
  ElementType type;
  std::string_view name;       ///< as printed in the IR and written in the DSL: "e4m3"
  std::string_view cuda_name;  ///< storage type in emitted CUDA C++
  int bits;                    ///< storage width
  bool is_float;
  int exponent_bits;
  int mantissa_bits;
  double max_finite;  ///< largest finite magnitude; what saturating casts clamp to
  bool has_infinity;
};

/// The table's row for `type`.
const ElementTypeInfo& info(ElementType type);

constexpr int size_in_bytes(ElementType type) {
  switch (type) {
    case ElementType::i64:
      return 8;
    case ElementType::i32:
    case ElementType::f32:
      return 4;
    case ElementType::f16:
    case ElementType::bf16:
      return 2;
    default:
      return 1;
  }
}
inline bool is_float(ElementType type) {
  return info(type).is_float;
}
constexpr bool is_fp8(ElementType type) {
  return type == ElementType::e4m3 || type == ElementType::e5m2;
}
/// Types that arithmetic is defined on; others are only loaded, stored, cast, selected or dotted.
constexpr bool is_arithmetic(ElementType type) {
  return type == ElementType::f32 || type == ElementType::i32 || type == ElementType::i64;
}

/// Looks a name up ("e4m3"); returns false and leaves `out` alone when there is none.
bool parse_element_type(std::string_view name, ElementType& out);

}  // namespace octile
