// The harness's own CUDA kernels: test data, quantisation, the reference product in float64 and the
// comparison. They share no code with what is measured.
#pragma once

namespace octile::bench {

inline constexpr char kDeviceCode[] = R"cuda(
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

__device__ u64 mix(u64 x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// Normals, the same for one seed on every machine.
extern "C" __global__ void fill_normal(float* x, u64 count, u64 seed, float deviation) {
  for (u64 i = blockIdx.x * 1ull * blockDim.x + threadIdx.x; i < count;
       i += gridDim.x * 1ull * blockDim.x) {
    u64 bits = mix(seed * 0x2545F4914F6CDD1Dull + i);
    float u = ((u32)(bits >> 32) + 0.5f) * 0x1p-32f;
    float v = (u32)bits * 0x1p-32f;
    x[i] = deviation * sqrtf(-2.0f * logf(fminf(u, 0.99999994f))) * cospif(2.0f * v);
  }
}

__device__ u8 to_e4m3(float x) {
  u16 pair;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %1;" : "=h"(pair) : "f"(x));
  return (u8)pair;
}

__device__ float from_e4m3(u8 bits) {
  int exponent = (bits >> 3) & 15, mantissa = bits & 7;
  float magnitude = exponent == 0 ? mantissa * 0x1p-9f
                                  : __int_as_float(((exponent + 120) << 23) | (mantissa << 20));
  if ((bits & 127) == 127) magnitude = __int_as_float(0x7FC00000);
  return bits & 128 ? -magnitude : magnitude;
}

__device__ u16 to_bf16(float x) {
  u32 bits = __float_as_uint(x);
  return (u16)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

// One scale per block of `rows_per_scale` x `cols_per_scale`: amax / 448. One CTA of 128 per block;
// scales row-major.
extern "C" __global__ void quantise_blocks(const float* x, u8* q, float* scales, int rows, int cols,
                                           int rows_per_scale, int cols_per_scale) {
  __shared__ float partial[4];
  int block_cols = (cols + cols_per_scale - 1) / cols_per_scale;
  int from = blockIdx.x * cols_per_scale, to = min(cols, from + cols_per_scale);
  int first = blockIdx.y * rows_per_scale, last = min(rows, first + rows_per_scale);
  float amax = 0;
  for (int r = first; r < last; ++r)
    for (int col = from + threadIdx.x; col < to; col += 128)
      amax = fmaxf(amax, fabsf(x[r * (u64)cols + col]));
  for (int offset = 16; offset; offset /= 2)
    amax = fmaxf(amax, __shfl_xor_sync(~0u, amax, offset));
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = amax;
  __syncthreads();
  amax = fmaxf(fmaxf(partial[0], partial[1]), fmaxf(partial[2], partial[3]));
  float scale = amax > 0 ? amax / 448.0f : 1.0f;
  if (threadIdx.x == 0) scales[blockIdx.y * (u64)block_cols + blockIdx.x] = scale;
  for (int r = first; r < last; ++r)
    for (int col = from + threadIdx.x; col < to; col += 128)
      q[r * (u64)cols + col] = to_e4m3(x[r * (u64)cols + col] / scale);
}

extern "C" __global__ void quantise_tensor(const float* x, u8* q, float scale, u64 count) {
  for (u64 i = blockIdx.x * 1ull * blockDim.x + threadIdx.x; i < count;
       i += gridDim.x * 1ull * blockDim.x)
    q[i] = to_e4m3(x[i] / scale);
}

extern "C" __global__ void convert_bf16(const float* x, u16* q, u64 count) {
  for (u64 i = blockIdx.x * 1ull * blockDim.x + threadIdx.x; i < count;
       i += gridDim.x * 1ull * blockDim.x)
    q[i] = to_bf16(x[i]);
}

// out[c * ld + r] = in[r * cols + c]
extern "C" __global__ void transpose(const float* in, float* out, int rows, int cols, int ld) {
  for (u64 i = blockIdx.x * 1ull * blockDim.x + threadIdx.x; i < (u64)rows * cols;
       i += gridDim.x * 1ull * blockDim.x)
    out[(i % cols) * ld + i / cols] = in[i];
}

struct Operand {
  const void* data;     // row-major [rows, k]
  const float* scales;  // row-major [rows / rows_per_scale, k / k_per_scale], or null
  float scale;          // where there are no scales
  int rows_per_scale, k_per_scale;
  int is_bf16;
};

__device__ double element(Operand x, int rows, int k, int r, int c) {
  if (r >= rows || c >= k) return 0;
  u64 at = r * (u64)k + c;
  float value = x.is_bf16 ? __uint_as_float((u32)((const u16*)x.data)[at] << 16)
                          : from_e4m3(((const u8*)x.data)[at]);
  int scale_cols = (k + x.k_per_scale - 1) / x.k_per_scale;
  float scale =
      x.scales ? x.scales[(u64)(r / x.rows_per_scale) * scale_cols + c / x.k_per_scale] : x.scale;
  return (double)value * scale;
}

// a [m, k] times b [n, k] transposed, in float64: the value and the sum of absolute products, which
// scales the error bound. 64x64 outputs per CTA of 256 threads.
extern "C" __global__ void reference(Operand a, Operand b, float2* out, int m, int n, int k) {
  __shared__ double tile_a[16][65], tile_b[16][65];
  int row0 = blockIdx.y * 64, col0 = blockIdx.x * 64;
  int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  double sum[4][4] = {}, size[4][4] = {};
  for (int k0 = 0; k0 < k; k0 += 16) {
    for (int i = threadIdx.x; i < 1024; i += 256) {
      tile_a[i % 16][i / 16] = element(a, m, k, row0 + i / 16, k0 + i % 16);
      tile_b[i % 16][i / 16] = element(b, n, k, col0 + i / 16, k0 + i % 16);
    }
    __syncthreads();
    for (int kk = 0; kk < 16; ++kk)
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
          double x = tile_a[kk][ty + 16 * i], y = tile_b[kk][tx + 16 * j];
          sum[i][j] = fma(x, y, sum[i][j]);
          size[i][j] = fma(fabs(x), fabs(y), size[i][j]);
        }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      int r = row0 + ty + 16 * i, c = col0 + tx + 16 * j;
      if (r < m && c < n)
        out[r * (u64)n + c] = make_float2((float)sum[i][j], (float)size[i][j]);
    }
}

// expected += c, element by element.
extern "C" __global__ void add_start(float2* expected, const float* c, u64 count) {
  for (u64 i = blockIdx.x * 1ull * blockDim.x + threadIdx.x; i < count;
       i += gridDim.x * 1ull * blockDim.x)
    expected[i] = make_float2(expected[i].x + c[i], expected[i].y + fabsf(c[i]));
}

// expected = gelu(expected + bias of the column); its slope is at most 1.13.
extern "C" __global__ void add_bias_gelu(float2* expected, const u16* bias, u64 count, int n) {
  for (u64 i = blockIdx.x * 1ull * blockDim.x + threadIdx.x; i < count;
       i += gridDim.x * 1ull * blockDim.x) {
    double b = __uint_as_float((u32)bias[i % n] << 16), x = expected[i].x + b;
    expected[i] = make_float2((float)(0.5 * x * (1 + erf(x * 0.70710678118654752))),
                              1.13f * (expected[i].y + (float)fabs(b)));
  }
}

struct Comparison {
  double error_squared, reference_squared;
  u64 outside;  // elements beyond their bound, NaN included
  u64 first;    // flat index of the first of them
  u64 unwritten;
};

// `out` is bf16, or f32 when is_f32. An element may differ by
// relative * |reference| + of_abs_sum * (sum of absolute products). All-ones bits were never written.
extern "C" __global__ void compare(const void* out, const float2* expected, Comparison* result,
                                   u64 count, float relative, float of_abs_sum, int is_f32) {
  double error = 0, size = 0;
  for (u64 i = blockIdx.x * 1ull * blockDim.x + threadIdx.x; i < count;
       i += gridDim.x * 1ull * blockDim.x) {
    u32 bits = is_f32 ? ((const u32*)out)[i] : (u32)((const u16*)out)[i] << 16;
    bool unwritten = bits == (is_f32 ? 0xFFFFFFFFu : 0xFFFF0000u);
    double got = __uint_as_float(bits), want = expected[i].x, difference = fabs(got - want);
    if (unwritten) atomicAdd(&result->unwritten, 1ull);
    if (!(difference <= relative * fabs(want) + of_abs_sum * expected[i].y)) {
      atomicAdd(&result->outside, 1ull);
      atomicMin(&result->first, i);
    } else {
      error += difference * difference;
    }
    size += want * want;
  }
  for (int offset = 16; offset; offset /= 2) {
    error += __shfl_xor_sync(~0u, error, offset);
    size += __shfl_xor_sync(~0u, size, offset);
  }
  if (threadIdx.x % 32 == 0) {
    atomicAdd(&result->error_squared, error);
    atomicAdd(&result->reference_squared, size);
  }
}

// `q` and `scales` per 1x128 of [rows, n] hold `expected`, whose elements may be off by of_abs_sum *
// (sum of absolute products). A warp per scale: it is the largest magnitude / 448, and every
// element is within half a step of e4m3. `first` counts elements.
extern "C" __global__ void compare_requantised(const u8* q, const float* scales,
                                               const float2* expected, Comparison* result, u64 rows,
                                               int n, float of_abs_sum) {
  int blocks = (n + 127) / 128, lane = threadIdx.x % 32;
  double error = 0, size = 0;
  for (u64 group = (blockIdx.x * 1ull * blockDim.x + threadIdx.x) / 32; group < rows * blocks;
       group += gridDim.x * 1ull * blockDim.x / 32) {
    int from = group % blocks * 128, to = min(n, from + 128);
    u64 row = group / blocks * (u64)n;
    float scale = scales[group], amax = 0, room = 0;
    for (int c = from + lane; c < to; c += 32) {
      float2 want = expected[row + c];
      amax = fmaxf(amax, fabsf(want.x));
      room = fmaxf(room, of_abs_sum * want.y);
      u8 bits = q[row + c];
      double got = (double)from_e4m3(bits) * scale, difference = fabs(got - want.x);
      if (bits == 0xFF) atomicAdd(&result->unwritten, 1ull);
      if (!(difference <= 0x1.01p-4 * fabs(want.x) + 0x1p-10 * scale + of_abs_sum * want.y)) {
        atomicAdd(&result->outside, 1ull);
        atomicMin(&result->first, row + c);
      } else {
        error += difference * difference;
      }
      size += (double)want.x * want.x;
    }
    for (int offset = 16; offset; offset /= 2) {
      amax = fmaxf(amax, __shfl_xor_sync(~0u, amax, offset));
      room = fmaxf(room, __shfl_xor_sync(~0u, room, offset));
    }
    if (lane == 0 && !(fabsf(scale * 448 - amax) <= room + 0x1p-20f * amax)) {
      atomicAdd(&result->outside, 1ull);
      atomicMin(&result->first, row + from);
    }
  }
  for (int offset = 16; offset; offset /= 2) {
    error += __shfl_xor_sync(~0u, error, offset);
    size += __shfl_xor_sync(~0u, size, offset);
  }
  if (lane == 0) {
    atomicAdd(&result->error_squared, error);
    atomicAdd(&result->reference_squared, size);
  }
}
)cuda";

}  // namespace octile::bench
