// row_softmax: printed by Octile for sm_90a, schedule [BM=2 BN=512 warps=4]
// ... the prelude ...

extern "C" __global__ void __launch_bounds__(128) row_softmax(
    const float* __restrict__ x_p,
    const long long x_s0,
    const long long x_s1,
    float* y_p,
    const long long y_s0,
    const long long y_s1,
    const long long M_dim,
    const long long N_dim,
    const int tiles_0) {
  // roles and shared memory
  extern __shared__ unsigned char shared_bytes[];
  const u32 ring_address = (shared_address(shared_bytes) + 1023) & ~1023u;
  unsigned char* const ring = shared_bytes + (ring_address - shared_address(shared_bytes));
  unsigned char* const scratch = ring + 0;
  const u32 scratch_address = ring_address + 0;
  unsigned char* const exchange = ring + 0;
  const int thread = threadIdx.x, warp = __shfl_sync(~0u, thread / 32, 0), lane = lane_index();
  const int warpgroup = warp / 4;
  const int BM_t = 0;
  const int BN_t = thread % 128 * 4;
  const int extent_0 = tiles_0;
  {
    const int tile = blockIdx.x / 1;
    const long long grid_0 = tile;
    const long long mul_7 = (grid_0 * 2ll);
    float x_11[8];
    #pragma unroll
    for (int BM_i1 = 0; BM_i1 < 2; ++BM_i1) {
      {
        constexpr int BN_i1 = 0;
        {
          const long long i0 = (mul_7 + (long long)(BM_t + BM_i1));
          const long long i1 = (long long)(BN_t + BN_i1);
          if (in_bounds(i0, M_dim) && i1 >= 0 && i1 + 4 <= N_dim) {
            copy_bytes<16>(&x_11[BM_i1 * 4 + BN_i1], x_p + i0 * x_s0 + i1 * x_s1);
          } else {
          #pragma unroll
            for (int e = 0; e < 4; ++e)
              x_11[BM_i1 * 4 + BN_i1 + e] = in_bounds(i0, M_dim) && in_bounds(i1 + e, N_dim) ? x_p[i0 * x_s0 + i1 * x_s1 + e] : -1.00000002e+30f;
          }
        }
      }
    }
    // max over BN
    float reduce_12[2];
    #pragma unroll
    for (int BM_i1 = 0; BM_i1 < 2; ++BM_i1) {
      {
        float sum = __int_as_float(0xff800000);
        #pragma unroll
        for (int BN_i1 = 0; BN_i1 < 4; ++BN_i1) {
          sum = fmaxf(sum, (x_11[BM_i1 * 4 + BN_i1]));
        }
        sum = fmaxf(sum, __shfl_xor_sync(~0u, sum, 1));
        sum = fmaxf(sum, __shfl_xor_sync(~0u, sum, 2));
        sum = fmaxf(sum, __shfl_xor_sync(~0u, sum, 4));
        sum = fmaxf(sum, __shfl_xor_sync(~0u, sum, 8));
        sum = fmaxf(sum, __shfl_xor_sync(~0u, sum, 16));
        {
          const int first = thread - thread / 32 % 4 * 32;
          named_barrier_sync(1, 128);
          reinterpret_cast<float*>(exchange)[thread] = sum;
          named_barrier_sync(1, 128);
          sum = reinterpret_cast<const float*>(exchange)[first];
          #pragma unroll 8
          for (int w = 1; w < 4; ++w) sum = fmaxf(sum, reinterpret_cast<const float*>(exchange)[first + w * 32]);
        }
        reduce_12[BM_i1] = sum;
      }
    }
    float exp_14[8];
    #pragma unroll
    for (int BM_i1 = 0; BM_i1 < 2; ++BM_i1) {
      #pragma unroll
      for (int BN_i1 = 0; BN_i1 < 4; ++BN_i1) {
        exp_14[BM_i1 * 4 + BN_i1] = expf((x_11[BM_i1 * 4 + BN_i1] - reduce_12[BM_i1]));
      }
    }
    // sum over BN
    float reduce_15[2];
    #pragma unroll
    for (int BM_i1 = 0; BM_i1 < 2; ++BM_i1) {
      {
        float sum = 0.0f;
        #pragma unroll
        for (int BN_i1 = 0; BN_i1 < 4; ++BN_i1) {
          sum = sum + (exp_14[BM_i1 * 4 + BN_i1]);
        }
        sum = sum + __shfl_xor_sync(~0u, sum, 1);
        sum = sum + __shfl_xor_sync(~0u, sum, 2);
        sum = sum + __shfl_xor_sync(~0u, sum, 4);
        sum = sum + __shfl_xor_sync(~0u, sum, 8);
        sum = sum + __shfl_xor_sync(~0u, sum, 16);
        {
          const int first = thread - thread / 32 % 4 * 32;
          named_barrier_sync(1, 128);
          reinterpret_cast<float*>(exchange)[thread] = sum;
          named_barrier_sync(1, 128);
          sum = reinterpret_cast<const float*>(exchange)[first];
          #pragma unroll 8
          for (int w = 1; w < 4; ++w) sum = sum + reinterpret_cast<const float*>(exchange)[first + w * 32];
        }
        reduce_15[BM_i1] = sum;
      }
    }
    // store y
    {
      #pragma unroll
      for (int BM_i1 = 0; BM_i1 < 2; ++BM_i1) {
        {
          constexpr int BN_i1 = 0;
          {
            const long long i0 = (mul_7 + (long long)(BM_t + BM_i1));
            const long long i1 = (long long)(BN_t + BN_i1);
            if (in_bounds(i0, M_dim)) {
              float* to = y_p + i0 * y_s0 + i1 * y_s1;
              alignas(16) float elements[4];
              #pragma unroll
              for (int BN_i1 = 0; BN_i1 < 4; ++BN_i1) {
                elements[BN_i1] = (exp_14[BM_i1 * 4 + BN_i1] / reduce_15[BM_i1]);
              }
              if (i1 + 4 <= N_dim) {
                copy_bytes<16>(to, elements);
              } else {
              #pragma unroll
                for (int e = 0; e < 4; ++e)
                  if (i1 + e < N_dim) to[e] = elements[e];
              }
            }
          }
        }
      }
    }
  }
}
