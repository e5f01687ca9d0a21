// Copies byte tiles into the dense order the dot kernels decode.
#pragma once

#include <cstdint>

namespace octile::cpu {

/// to[r * to_stride + c] = from[r * row_stride + c * column_stride] for r < rows, c < columns; the
/// rest of each row, up to `to_stride`, becomes zero.
void copy_rows(const std::uint8_t* from, std::int64_t row_stride, std::int64_t column_stride,
               std::int64_t rows, std::int64_t columns, std::uint8_t* to, std::int64_t to_stride);

}  // namespace octile::cpu
