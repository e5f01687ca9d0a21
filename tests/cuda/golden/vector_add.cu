// vector_add: printed by Octile for sm_90a, schedule [BM=1024 warps=4]
// ... the prelude ...

extern "C" __global__ void __launch_bounds__(128) vector_add(
    const float* __restrict__ x_p,
    const long long x_s0,
    const float* __restrict__ y_p,
    const long long y_s0,
    float* z_p,
    const long long z_s0,
    const long long M_dim,
    const int tiles_0) {
  // roles and shared memory
  const int thread = threadIdx.x, warp = __shfl_sync(~0u, thread / 32, 0), lane = lane_index();
  const int warpgroup = warp / 4;
  const int BM_t = thread % 128 * 4;
  const int extent_0 = tiles_0;
  {
    const int tile = blockIdx.x / 1;
    const long long grid_0 = tile;
    const long long mul_4 = (grid_0 * 1024ll);
    float y_7[8];
    #pragma unroll
    for (int BM_i512 = 0; BM_i512 < 2; ++BM_i512) {
      {
        constexpr int BM_i1 = 0;
        {
          const long long i0 = (mul_4 + (long long)(BM_t + BM_i1 + BM_i512 * 512));
          if (true && i0 >= 0 && i0 + 4 <= M_dim) {
            copy_bytes<16>(&y_7[BM_i512 * 4 + BM_i1], y_p + i0 * y_s0);
          } else {
          #pragma unroll
            for (int e = 0; e < 4; ++e)
              y_7[BM_i512 * 4 + BM_i1 + e] = true && in_bounds(i0 + e, M_dim) ? y_p[i0 * y_s0 + e] : static_cast<float>(0);
          }
        }
      }
    }
    float x_8[8];
    #pragma unroll
    for (int BM_i512 = 0; BM_i512 < 2; ++BM_i512) {
      {
        constexpr int BM_i1 = 0;
        {
          const long long i0 = (mul_4 + (long long)(BM_t + BM_i1 + BM_i512 * 512));
          if (true && i0 >= 0 && i0 + 4 <= M_dim) {
            copy_bytes<16>(&x_8[BM_i512 * 4 + BM_i1], x_p + i0 * x_s0);
          } else {
          #pragma unroll
            for (int e = 0; e < 4; ++e)
              x_8[BM_i512 * 4 + BM_i1 + e] = true && in_bounds(i0 + e, M_dim) ? x_p[i0 * x_s0 + e] : static_cast<float>(0);
          }
        }
      }
    }
    // store z
    {
      #pragma unroll
      for (int BM_i512 = 0; BM_i512 < 2; ++BM_i512) {
        {
          constexpr int BM_i1 = 0;
          {
            const long long i0 = (mul_4 + (long long)(BM_t + BM_i1 + BM_i512 * 512));
            if (true) {
              float* to = z_p + i0 * z_s0;
              alignas(16) float elements[4];
              #pragma unroll
              for (int BM_i1 = 0; BM_i1 < 4; ++BM_i1) {
                elements[BM_i1] = (x_8[BM_i512 * 4 + BM_i1] + y_7[BM_i512 * 4 + BM_i1]);
              }
              if (i0 + 4 <= M_dim) {
                copy_bytes<16>(to, elements);
              } else {
              #pragma unroll
                for (int e = 0; e < 4; ++e)
                  if (i0 + e < M_dim) to[e] = elements[e];
              }
            }
          }
        }
      }
    }
  }
}
