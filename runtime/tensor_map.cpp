#include "octile/runtime/tensor_map.hpp"

#ifdef OCTILE_HAS_CUDA
#include <fmt/format.h>

#include <algorithm>

namespace octile::runtime {
namespace {

CUtensorMapDataType map_type(ElementType element) {
  switch (element) {
    case ElementType::f16:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    case ElementType::bf16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case ElementType::f32:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
    case ElementType::i32:
      return CU_TENSOR_MAP_DATA_TYPE_INT32;
    case ElementType::i64:
      return CU_TENSOR_MAP_DATA_TYPE_INT64;
    case ElementType::b1:
    case ElementType::u8:
    case ElementType::e4m3:
    case ElementType::e5m2:
    case ElementType::ue8m0:
      return CU_TENSOR_MAP_DATA_TYPE_UINT8;
  }
  return CU_TENSOR_MAP_DATA_TYPE_UINT8;
}

CUtensorMapSwizzle map_swizzle(int bytes) {
  switch (bytes) {
    case 32:
      return CU_TENSOR_MAP_SWIZZLE_32B;
    case 64:
      return CU_TENSOR_MAP_SWIZZLE_64B;
    case 128:
      return CU_TENSOR_MAP_SWIZZLE_128B;
    default:
      return CU_TENSOR_MAP_SWIZZLE_NONE;
  }
}

CUtensorMapL2promotion map_promotion(int bytes) {
  switch (bytes) {
    case 64:
      return CU_TENSOR_MAP_L2_PROMOTION_L2_64B;
    case 128:
      return CU_TENSOR_MAP_L2_PROMOTION_L2_128B;
    case 256:
      return CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
    default:
      return CU_TENSOR_MAP_L2_PROMOTION_NONE;
  }
}

std::string shape_text(const TensorMapShape& shape, const cuda::TensorMap& map) {
  std::string text = "extents (innermost first)";
  for (int i = 0; i < shape.rank; ++i) text += fmt::format(" {}", shape.extents[i]);
  text += ", strides in bytes";
  for (int i = 0; i + 1 < shape.rank; ++i) text += fmt::format(" {}", shape.stride_bytes[i]);
  text += ", box";
  for (int i = 0; i < shape.rank; ++i) text += fmt::format(" {}", shape.box[i]);
  return text + fmt::format(", swizzle {} bytes", map.swizzle_bytes);
}

// Bytes that one miss brings into the L2.
int l2_promotion(const cuda::TensorMap& map, const std::array<std::int32_t, 3>& tiles) {
  std::int64_t readers = 1;
  for (std::size_t p = 0; p < tiles.size(); ++p) {
    if ((map.shared_along >> p & 1) != 0) readers *= tiles[p];
  }
  return readers <= cuda::kFewReaders
             ? std::min(map.l2_promotion_bytes, cuda::kStreamedPromotionBytes)
             : map.l2_promotion_bytes;
}

}  // namespace

TensorMapShape tensor_map_shape(const cuda::TensorMap& map, const TensorView& view,
                                const Dims& strides) {
  TensorMapShape shape;
  shape.type = map_type(view.element);
  shape.rank = static_cast<int>(map.dim_order.size());
  const bool is_empty = view.element_count() == 0;
  const auto width = static_cast<cuuint64_t>(size_in_bytes(view.element));
  for (int i = 0; i < shape.rank; ++i) {
    const int dim = map.dim_order[static_cast<std::size_t>(i)];
    shape.extents[i] = is_empty ? 1 : static_cast<cuuint64_t>(view.extents[dim]);
    shape.box[i] = static_cast<cuuint32_t>(map.box[static_cast<std::size_t>(i)]);
    shape.element_strides[i] = 1;
    if (i > 0) {
      shape.stride_bytes[i - 1] = is_empty ? 16 : static_cast<cuuint64_t>(strides[dim]) * width;
    }
  }
  return shape;
}

TensorMapCache::TensorMapCache(const std::vector<cuda::TensorMap>& maps,
                               std::vector<std::string> names)
    : maps_(maps), names_(std::move(names)), entries_(maps.size() * kEntries) {}

void TensorMapCache::get(int index, const TensorView& view, const Dims& strides,
                         const std::array<std::int32_t, 3>& tiles, std::uint64_t zeros,
                         EncodeTiled encode, CUtensorMap& out) {
  const cuda::TensorMap& map = maps_[static_cast<std::size_t>(index)];
  const int promotion = l2_promotion(map, tiles);
  std::uint64_t hash = reinterpret_cast<std::uintptr_t>(view.data) >> 4;
  for (int d = 0; d < view.rank(); ++d) {
    hash = hash * 31 + static_cast<std::uint64_t>(view.extents[d]) * 7 +
           static_cast<std::uint64_t>(strides[d]);
  }
  hash *= 0x9E3779B97F4A7C15u;
  const std::size_t slot = static_cast<std::size_t>(index) * kEntries + (hash >> 59) % kEntries;
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[slot];
  if (entry.used && entry.data == view.data && entry.extents == view.extents &&
      entry.strides == strides && entry.promotion == promotion) {
    out = entry.map;
    return;
  }
  const TensorMapShape shape = tensor_map_shape(map, view, strides);
  void* address = view.element_count() == 0 ? reinterpret_cast<void*>(zeros) : view.data;
  entry.used = false;
  const CUresult result = encode(
      &entry.map, shape.type, static_cast<cuuint32_t>(shape.rank), address, shape.extents,
      shape.stride_bytes, shape.box, shape.element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE,
      map_swizzle(map.swizzle_bytes), map_promotion(promotion), CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw Error(ErrorCode::user,
                fmt::format("argument `{}`: the driver refused a TMA descriptor (error {}) of {}; "
                            "expected a 16-byte aligned address, strides that are multiples of 16 "
                            "bytes below 2^40 and extents below 2^32",
                            names_[static_cast<std::size_t>(index)], static_cast<int>(result),
                            shape_text(shape, map)));
  }
  ++encoded_;
  entry.data = view.data;
  entry.extents = view.extents;
  entry.strides = strides;
  entry.promotion = promotion;
  entry.used = true;
  out = entry.map;
}

}  // namespace octile::runtime
#endif
