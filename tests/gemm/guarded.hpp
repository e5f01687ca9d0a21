// A matrix in memory that is NaN before, after and between its rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "octile/runtime/tensor.hpp"

namespace octile::test {

/// How a matrix lies in memory, beyond being row-major.
struct Layout {
  std::int64_t gap = 0;    ///< elements between the end of a row and the start of the next
  std::int64_t shift = 0;  ///< elements that the first one is moved by: breaks alignment
};

/// Every byte is 0xFF (NaN in every float type) until `upload`; those outside of the matrix stay
/// so, which `download` checks.
class Guarded {
 public:
  Guarded(const Stream& stream, ElementType element, std::int64_t rows, std::int64_t columns,
          const Layout& layout = {});

  const TensorView& view() const { return view_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }

  /// The host's copy of row `i`.
  template <class T>
  T* row(std::int64_t i) {
    return reinterpret_cast<T*>(host_.data() + offset_ + i * row_bytes_);
  }
  template <class T>
  const T* row(std::int64_t i) const {
    return reinterpret_cast<const T*>(host_.data() + offset_ + i * row_bytes_);
  }
  void upload();
  /// Fetches the memory. Returns what is wrong with the bytes outside of the matrix, or "".
  std::string download();

 private:
  bool is_outside(std::int64_t begin, std::int64_t end, std::string& problem) const;

  std::int64_t rows_, columns_;
  std::int64_t row_bytes_, used_bytes_, offset_;
  std::vector<std::byte> host_;
  Tensor memory_;
  TensorView view_;
};

}  // namespace octile::test
