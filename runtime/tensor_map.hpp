// TMA descriptors, encoded by the driver and kept. Internal to the runtime.
#pragma once

#include <array>
#include <mutex>
#include <string>
#include <vector>

#include "octile/codegen/cuda/program.hpp"
#include "octile/runtime/driver.hpp"
#include "octile/runtime/tensor_view.hpp"

#ifdef OCTILE_HAS_CUDA

namespace octile::runtime {

using EncodeTiled = decltype(&cuTensorMapEncodeTiled);

/// What a descriptor is encoded with, apart from the address.
struct TensorMapShape {
  CUtensorMapDataType type = CU_TENSOR_MAP_DATA_TYPE_UINT8;
  int rank = 0;
  cuuint64_t extents[kMaxRank] = {};
  cuuint64_t stride_bytes[kMaxRank] = {};  ///< of all dimensions but the innermost
  cuuint32_t box[kMaxRank] = {};
  cuuint32_t element_strides[kMaxRank] = {};
};

/// The shape of `map` over a view whose strides are `strides`. A tensor without elements counts as
/// one element, which the caller points at zeros: every load from it gives zero.
TensorMapShape tensor_map_shape(const cuda::TensorMap& map, const TensorView& view,
                                const Dims& strides);

/// Descriptors of one program, by (map, address, extents, strides, L2 promotion). Thread-safe; a
/// hit copies 128 bytes and allocates nothing.
class TensorMapCache {
 public:
  /// `names` has one parameter name per map, for errors.
  TensorMapCache(const std::vector<cuda::TensorMap>& maps, std::vector<std::string> names);

  /// Writes map `index` of `view`, for a grid of `tiles`, to `out`. `zeros` is the device address
  /// of 256 zero bytes. Throws octile::Error(user) when the driver refuses the tensor.
  void get(int index, const TensorView& view, const Dims& strides,
           const std::array<std::int32_t, 3>& tiles, std::uint64_t zeros, EncodeTiled encode,
           CUtensorMap& out);

  int encoded() const { return encoded_; }  ///< descriptors encoded so far

 private:
  struct Entry {
    CUtensorMap map;
    const void* data = nullptr;
    Dims extents;
    Dims strides;
    int promotion = 0;
    bool used = false;
  };
  static constexpr std::size_t kEntries = 32;  ///< per map; a power of two

  const std::vector<cuda::TensorMap>& maps_;
  std::vector<std::string> names_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
  int encoded_ = 0;
};

}  // namespace octile::runtime

#endif
