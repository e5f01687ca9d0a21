#include "octile/codegen/ir/element_type.hpp"

#include <array>

namespace octile {
namespace {

// OCP OFP8 (e4m3 has no infinity), OCP MX (ue8m0), IEEE 754 and bfloat16.
constexpr std::array<ElementTypeInfo, kElementTypeCount> kTable{{
    {ElementType::b1, "b1", "bool", 8, false, 0, 0, 1, false},
    {ElementType::u8, "u8", "unsigned char", 8, false, 0, 0, 255, false},
    {ElementType::i32, "i32", "int", 32, false, 0, 0, 2147483647.0, false},
    {ElementType::i64, "i64", "long long", 64, false, 0, 0, 9223372036854775807.0, false},
    {ElementType::e4m3, "e4m3", "unsigned char", 8, true, 4, 3, 448.0, false},
    {ElementType::e5m2, "e5m2", "unsigned char", 8, true, 5, 2, 57344.0, true},
    {ElementType::ue8m0, "ue8m0", "unsigned char", 8, true, 8, 0, 0x1p127, false},
    {ElementType::f16, "f16", "unsigned short", 16, true, 5, 10, 65504.0, true},
    {ElementType::bf16, "bf16", "unsigned short", 16, true, 8, 7, 0x1.fep127, true},
    {ElementType::f32, "f32", "float", 32, true, 8, 23, 0x1.fffffep127, true},
}};

}  // namespace

const ElementTypeInfo& info(ElementType type) {
  return kTable[static_cast<std::size_t>(type)];
}

bool parse_element_type(std::string_view name, ElementType& out) {
  for (const ElementTypeInfo& row : kTable) {
    if (row.name == name) {
      out = row.type;
      return true;
    }
  }
  return false;
}

}  // namespace octile
