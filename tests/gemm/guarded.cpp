#include "octile/tests/gemm/guarded.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace octile::test {
namespace {

/// A multiple of every alignment that matters, and wider than any tile's row.
constexpr std::int64_t kGuardBytes = 4096;

}  // namespace

Guarded::Guarded(const Stream& stream, ElementType element, std::int64_t rows, std::int64_t columns,
                 const Layout& layout)
    : rows_(rows), columns_(columns) {
  const std::int64_t size = size_in_bytes(element);
  // A matrix without columns has strides of 1, as packed_strides gives them.
  const std::int64_t stride = std::max<std::int64_t>(columns + layout.gap, 1);
  row_bytes_ = stride * size;
  used_bytes_ = columns * size;
  offset_ = kGuardBytes + layout.shift * size;
  const std::int64_t bytes = offset_ + rows * row_bytes_ + kGuardBytes;
  host_.assign(static_cast<std::size_t>(bytes), std::byte{0xFF});
  memory_ = Tensor::empty(stream, ElementType::u8, {bytes});
  memory_.fill_bytes(0xFF);
  view_ = octile::view(static_cast<void*>(static_cast<std::byte*>(memory_.data()) + offset_),
                       element, {rows, columns}, {stride, 1}, Tensor::place_of(stream));
}

void Guarded::upload() {
  memory_.copy_from(std::span<const std::byte>(host_));
}

bool Guarded::is_outside(std::int64_t begin, std::int64_t end, std::string& problem) const {
  for (std::int64_t i = begin; i < end; ++i) {
    if (host_[static_cast<std::size_t>(i)] == std::byte{0xFF}) continue;
    problem = fmt::format(
        "byte {} from the matrix' start, outside of its {} rows of {} bytes in "
        "{}, was written",
        i - offset_, rows_, used_bytes_, row_bytes_);
    return false;
  }
  return true;
}

std::string Guarded::download() {
  host_ = memory_.to_bytes();
  std::string problem;
  const std::int64_t end = offset_ + rows_ * row_bytes_;
  if (!is_outside(0, offset_, problem)) return problem;
  if (!is_outside(end, static_cast<std::int64_t>(host_.size()), problem)) return problem;
  for (std::int64_t r = 0; row_bytes_ > used_bytes_ && r < rows_; ++r) {
    const std::int64_t start = offset_ + r * row_bytes_;
    if (!is_outside(start + used_bytes_, start + row_bytes_, problem)) return problem;
  }
  return {};
}

}  // namespace octile::test
