#include "octile/codegen/cpu/dot/transpose.hpp"

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace octile::cpu {
namespace {

constexpr std::int64_t kTile = 16;

#ifdef __SSE2__
/// to[c][r] = from[r][c] for 16 x 16 bytes. Four rounds of interleaving row i with row i + 8 move
/// every byte to its transposed place.
void transpose_tile(const std::uint8_t* from, std::int64_t from_stride, std::uint8_t* to,
                    std::int64_t to_stride) {
  __m128i rows[kTile];
  __m128i next[kTile];
  for (std::int64_t i = 0; i < kTile; ++i) {
    rows[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_stride));
  }
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + 8]);
      next[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + 8]);
    }
    std::memcpy(rows, next, sizeof(rows));
  }
  for (std::int64_t i = 0; i < kTile; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_stride), rows[i]);
  }
}
#else
void transpose_tile(const std::uint8_t* from, std::int64_t from_stride, std::uint8_t* to,
                    std::int64_t to_stride) {
  for (std::int64_t r = 0; r < kTile; ++r) {
    for (std::int64_t c = 0; c < kTile; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}
#endif

void copy_one_by_one(const std::uint8_t* from, std::int64_t row_stride, std::int64_t column_stride,
                     std::int64_t rows, std::int64_t columns, std::uint8_t* to,
                     std::int64_t to_stride) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      to[r * to_stride + c] = from[r * row_stride + c * column_stride];
    }
  }
}

}  // namespace

void copy_rows(const std::uint8_t* from, std::int64_t row_stride, std::int64_t column_stride,
               std::int64_t rows, std::int64_t columns, std::uint8_t* to, std::int64_t to_stride) {
  if (columns < to_stride) {
    for (std::int64_t r = 0; r < rows; ++r) {
      std::memset(to + r * to_stride + columns, 0, static_cast<std::size_t>(to_stride - columns));
    }
  }
  if (column_stride == 1) {
    for (std::int64_t r = 0; r < rows; ++r) {
      std::memcpy(to + r * to_stride, from + r * row_stride, static_cast<std::size_t>(columns));
    }
    return;
  }
  std::int64_t r = 0;
  for (; row_stride == 1 && r + kTile <= rows; r += kTile) {
    std::int64_t c = 0;
    for (; c + kTile <= columns; c += kTile) {
      transpose_tile(from + r + c * column_stride, column_stride, to + r * to_stride + c,
                     to_stride);
    }
    copy_one_by_one(from + r + c * column_stride, 1, column_stride, kTile, columns - c,
                    to + r * to_stride + c, to_stride);
  }
  copy_one_by_one(from + r * row_stride, row_stride, column_stride, rows - r, columns,
                  to + r * to_stride, to_stride);
}

}  // namespace octile::cpu
