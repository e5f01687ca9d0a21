// An owning tensor in host or device memory, for examples, tests and small programs.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "octile/runtime/stream.hpp"
#include "octile/runtime/tensor_view.hpp"

namespace octile {

/// Memory and its layout. Copies of the value share the memory; the last one frees it. Transfers to
/// and from the device run on the default stream of the current context and wait for it:
/// synchronise other streams first.
class Tensor {
 public:
  Tensor() = default;

  /// Uninitialised memory at `place` (host or device). Strides in elements; none: row-major.
  static Tensor empty(Place place, ElementType element, const Dims& extents,
                      const Dims& strides = {});
  /// The same where `stream` runs.
  static Tensor empty(const Stream& stream, ElementType element, const Dims& extents,
                      const Dims& strides = {});
  /// `Tensor::empty<e4m3>(stream, {M, K})`; `where` is a Place or a Stream.
  template <element_tag T, class Where>
  static Tensor empty(const Where& where, const Dims& extents, const Dims& strides = {}) {
    return empty(where, T::type, extents, strides);
  }
  static Tensor zeros(Place place, ElementType element, const Dims& extents);

  /// Sets every byte of the memory, gaps between strides included; 0xFF is NaN in every float type.
  void fill_bytes(std::uint8_t value);

  /// Copies storage bytes; `bytes` must be the whole memory (size_bytes).
  void copy_from(std::span<const std::byte> bytes);
  /// Encodes one float per element, in row-major order of the indices, to the element type: round
  /// to nearest even, FP8 saturates, integers truncate. Gaps between strides keep what they hold.
  void copy_from(std::span<const float> values);
  void copy_from(const std::vector<float>& values) { copy_from(std::span<const float>(values)); }

  /// The elements as floats, in row-major order of the indices.
  std::vector<float> to_floats() const;
  /// The memory's bytes, gaps included.
  std::vector<std::byte> to_bytes() const;

  /// A copy on the host or where `stream` runs, with the same strides.
  Tensor to_host() const { return to(Place::host); }
  Tensor to(Place place) const;
  Tensor to(const Stream& stream) const { return to(place_of(stream)); }

  void* data() const { return view_.data; }
  std::size_t size_bytes() const;
  const Dims& extents() const { return view_.extents; }
  const TensorView& view() const { return view_; }
  operator TensorView() const { return view_; }  // NOLINT: a tensor is passed as its view

  static Place place_of(const Stream& stream) {
    return stream.is_gpu() ? Place::device : Place::host;
  }

 private:
  TensorView view_;
  std::shared_ptr<void> memory_;
};

}  // namespace octile
