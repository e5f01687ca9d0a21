// Panels of elements of 4 bytes whose rows lie apart in global memory and side by side in shared
// memory: a lane has parts of four elements of one row. Rows have addresses of 16 bytes.

// The first `count` of four elements, and zeros.
template <class T>
__device__ __forceinline__ uint4 load_quad(const T* from, long long count) {
  static_assert(sizeof(T) == 4, "elements of 4 bytes");
  const u32* p = reinterpret_cast<const u32*>(from);
  if (count >= 4) return *reinterpret_cast<const uint4*>(p);
  return {count > 0 ? p[0] : 0, count > 1 ? p[1] : 0, count > 2 ? p[2] : 0, 0};
}
// Lane `lane` has part `lane + i * Lanes` of a panel whose rows are counted as Span, which divides
// Lanes or is a multiple of them: what differs between parts is known. Its row and first column.
template <int Span, int Lanes>
__device__ __forceinline__ int part_row(int lane, int i) {
  return Lanes % Span == 0 ? lane % Span : lane + i * Lanes % Span;
}
template <int Span, int Lanes>
__device__ __forceinline__ int part_column(int lane, int i) {
  return Lanes % Span == 0 ? (lane / Span + i * (Lanes / Span)) * 4 : i * Lanes / Span * 4;
}
// Reads parts `first` and on, of a panel of which `rows` rows and `columns` columns are inside the
// tensor; out of bounds is zero.
template <int Span, int Lanes, int Parts, class T>
__device__ __forceinline__ void load_rows(uint4 (&to)[Parts], int lane, int first, const T* from,
                                          long long stride, int rows, long long columns) {
#pragma unroll
  for (int i = 0; i < Parts; ++i) {
    const int row = part_row<Span, Lanes>(lane, first + i);
    const int column = part_column<Span, Lanes>(lane, first + i);
    to[i] = load_quad(from + (row * stride + column), row < rows ? columns - column : 0);
  }
}
// Puts them down, Columns columns of Rows elements.
template <int Rows, int Columns, int Span, int Lanes, int Parts>
__device__ __forceinline__ void put_rows(unsigned char* to, const uint4 (&from)[Parts], int lane,
                                         int first) {
#pragma unroll
  for (int i = 0; i < Parts; ++i) {
    const int row = part_row<Span, Lanes>(lane, first + i);
    const int column = part_column<Span, Lanes>(lane, first + i);
    if (row >= Rows || column >= Columns) continue;
    u32* const at = reinterpret_cast<u32*>(to) + column * Rows + row;
    at[0] = from[i].x;
    at[Rows] = from[i].y;
    at[2 * Rows] = from[i].z;
    at[3 * Rows] = from[i].w;
  }
}
