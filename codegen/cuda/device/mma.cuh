// Matrix multiply by single warps (PTX ISA 9.7.14, mma.m16n8k16 and m16n8k32, and ldmatrix), and
// the copies of 4 to 16 bytes that feed it. sm_89 and newer.

// Copies Bytes bytes to shared memory in the background, the first `valid` from memory, the rest
// zero.
template <int Bytes>
__device__ __forceinline__ void copy_async(u32 to, const void* from, int valid) {
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
                 "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from), "n"(Bytes),
                 "r"(valid)
                 : "memory");
  }
}
__device__ __forceinline__ void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most Pending of this thread's groups of copies are under way.
template <int Pending>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}
// How many of `width` bytes are to be copied where `left` elements of `size` bytes are left.
__device__ __forceinline__ int bytes_left(long long left, int size, int width) {
  return left <= 0 ? 0 : left >= width / size ? width : int(left) * size;
}

// 8x8 matrices of 16-bit elements: lane 8 i + r gives the address of row r of matrix i, and gets
// bytes 4 (lane % 4) to + 3 of row lane / 4 of each.
__device__ __forceinline__ void load_matrices_x4(u32 (&r)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ void load_matrices_x2(u32 (&r)[2], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(address)
               : "memory");
}

// d += a * b over 32 bytes of K: a has 16 rows, b 8 columns.
struct MmaE4m3E4m3 {
  static __device__ __forceinline__ void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
struct MmaE4m3E5m2 {
  static __device__ __forceinline__ void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e5m2.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
struct MmaE5m2E4m3 {
  static __device__ __forceinline__ void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.f32.e5m2.e4m3.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
struct MmaE5m2E5m2 {
  static __device__ __forceinline__ void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.f32.e5m2.e5m2.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
struct MmaF16 {
  static __device__ __forceinline__ void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};
struct MmaBf16 {
  static __device__ __forceinline__ void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
};

// d += a * b over Steps times 32 bytes of K, for a warp's M times m16 by N times n8 block. `a` and
// `b` are addresses of one swizzle width of K, `m` and `n` the lane's offsets there.
template <class Mma, int M, int N, int Steps, int Swizzle>
__device__ __forceinline__ void multiply(float (&d)[4 * M * N], u32 a, u32 b, u32 m, u32 n) {
#pragma unroll
  for (int step = 0; step < Steps; ++step) {
    u32 columns[N][2];
#pragma unroll
    for (int j = 0; j + 1 < N; j += 2) {
      u32 pair[4];
      load_matrices_x4(pair, b + j * 8 * Swizzle + (n ^ (32 * step)));
      columns[j][0] = pair[0], columns[j][1] = pair[1];
      columns[j + 1][0] = pair[2], columns[j + 1][1] = pair[3];
    }
    if constexpr (N % 2 == 1)
      load_matrices_x2(columns[N - 1], b + (N - 1) * 8 * Swizzle + (n ^ (32 * step)));
#pragma unroll
    for (int i = 0; i < M; ++i) {
      u32 rows[4];
      load_matrices_x4(rows, a + i * 16 * Swizzle + (m ^ (32 * step)));
#pragma unroll
      for (int j = 0; j < N; ++j) Mma::run(&d[4 * (i * N + j)], rows, columns[j]);
    }
  }
}
