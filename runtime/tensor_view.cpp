#include "octile/runtime/tensor_view.hpp"

#include <fmt/format.h>

#include "octile/runtime/error.hpp"

namespace octile {

Dims::Dims(std::span<const std::int64_t> values) : size_(static_cast<int>(values.size())) {
  if (values.size() > kMaxRank) {
    throw Error(ErrorCode::user,
                fmt::format("tensor view: expected at most {} dimensions, got {}; merge dimensions "
                            "that lie next to each other in memory",
                            kMaxRank, values.size()));
  }
  std::copy(values.begin(), values.end(), values_.begin());
}

std::int64_t TensorView::element_count() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) count *= extent;
  return count;
}

std::int64_t TensorView::span_elements() const {
  std::int64_t last = 0;
  for (int d = 0; d < rank(); ++d) {
    if (extents[d] <= 0) return 0;
    last += (extents[d] - 1) * strides[d];
  }
  return last + 1;
}

Dims packed_strides(const Dims& extents) {
  Dims strides = extents;
  std::int64_t stride = 1;
  for (int d = extents.size() - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= std::max<std::int64_t>(extents[d], 1);
  }
  return strides;
}

TensorView view(void* data, ElementType element, const Dims& extents, const Dims& strides,
                Place place) {
  if (!strides.empty() && strides.size() != extents.size()) {
    throw Error(ErrorCode::user,
                fmt::format("tensor view: expected one stride per extent ({}), got {}; leave the "
                            "strides out for a row-major tensor",
                            extents.size(), strides.size()));
  }
  TensorView result;
  result.data = data;
  result.element = element;
  result.extents = extents;
  result.strides = strides.empty() ? packed_strides(extents) : strides;
  result.place = place;
  return result;
}

TensorView view(const void* data, ElementType element, const Dims& extents, const Dims& strides,
                Place place) {
  TensorView result = view(const_cast<void*>(data), element, extents, strides, place);
  result.read_only = true;
  return result;
}

}  // namespace octile
