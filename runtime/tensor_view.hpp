// Tensor views: where a tensor lies and how it is laid out. They own nothing and allocate nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <type_traits>

#include "octile/codegen/ir/element_type.hpp"
#include "octile/dsl/element.hpp"

namespace octile {

inline constexpr int kMaxRank = 5;

/// Where a tensor's memory is. `any` is memory that the caller vouches for: it is checked against
/// the driver once per kind of launch (pinned and managed memory count as both).
enum class Place : std::uint8_t { any, host, device };

/// A short list of extents or strides, held inline. Longer lists throw octile::Error.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values)
      : Dims(std::span(values.begin(), values.size())) {}
  Dims(std::span<const std::int64_t> values);  // NOLINT: a list is a span

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t operator[](int i) const { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t& operator[](int i) { return values_[static_cast<std::size_t>(i)]; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + size_; }
  bool operator==(const Dims& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

 private:
  std::array<std::int64_t, kMaxRank> values_{};
  int size_ = 0;
};

/// A strided tensor. `strides` are in elements, outermost dimension first, like `extents`.
struct TensorView {
  void* data = nullptr;
  ElementType element = ElementType::f32;
  Dims extents;
  Dims strides;
  Place place = Place::any;
  bool read_only = false;  ///< made from a pointer to const; refused for a parameter that is stored
  /// CPU checked mode only: one byte per element of the span, nonzero where memory has been
  /// written. Null: everything counts as written.
  const std::uint8_t* written = nullptr;

  int rank() const { return extents.size(); }
  std::int64_t element_count() const;
  /// Elements from the first to the last one, both included; 0 for an empty tensor.
  std::int64_t span_elements() const;
};

/// Row-major strides: the last dimension is contiguous.
Dims packed_strides(const Dims& extents);

/// A view of `data`, `extents` elements per dimension, `strides` in elements (none: row-major).
/// Throws octile::Error when there are not as many strides as extents, or more than 5.
TensorView view(void* data, ElementType element, const Dims& extents, const Dims& strides = {},
                Place place = Place::any);

/// The same for an input: a kernel that stores to the parameter refuses the view at launch.
TensorView view(const void* data, ElementType element, const Dims& extents,
                const Dims& strides = {}, Place place = Place::any);

/// `view<e4m3>(pointer, {M, K})`: the element type by its tag.
template <element_tag T>
TensorView view(void* data, const Dims& extents, const Dims& strides = {},
                Place place = Place::any) {
  return view(data, T::type, extents, strides, place);
}
template <element_tag T>
TensorView view(const void* data, const Dims& extents, const Dims& strides = {},
                Place place = Place::any) {
  return view(data, T::type, extents, strides, place);
}

/// Element type of a C++ type that stores one: float, std::int32_t, std::int64_t, std::uint8_t,
/// bool.
template <typename T>
struct StorageElement;
template <>
struct StorageElement<float> : std::integral_constant<ElementType, ElementType::f32> {};
template <>
struct StorageElement<std::int32_t> : std::integral_constant<ElementType, ElementType::i32> {};
template <>
struct StorageElement<std::int64_t> : std::integral_constant<ElementType, ElementType::i64> {};
template <>
struct StorageElement<std::uint8_t> : std::integral_constant<ElementType, ElementType::u8> {};
template <>
struct StorageElement<bool> : std::integral_constant<ElementType, ElementType::b1> {};

/// `view(pointer, {M, N})` for pointers whose type says the element type.
template <typename T, ElementType E = StorageElement<std::remove_const_t<T>>::value>
TensorView view(T* data, const Dims& extents, const Dims& strides = {}, Place place = Place::any) {
  using Void = std::conditional_t<std::is_const_v<T>, const void, void>;
  return view(static_cast<Void*>(data), E, extents, strides, place);
}

}  // namespace octile
