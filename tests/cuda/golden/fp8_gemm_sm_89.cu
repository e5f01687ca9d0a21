// fp8_gemm: printed by Octile for sm_89, schedule [BM=64 BN=48 stages=3 warps=4]
// ... the prelude ...

extern "C" __global__ void __launch_bounds__(128, 1) fp8_gemm(
    const unsigned char* __restrict__ a_p,
    const long long a_s0,
    const long long a_s1,
    const float* __restrict__ sa_p,
    const long long sa_s0,
    const long long sa_s1,
    const unsigned char* __restrict__ b_p,
    const long long b_s0,
    const long long b_s1,
    const float* __restrict__ sb_p,
    const long long sb_s0,
    const long long sb_s1,
    unsigned short* d_p,
    const long long d_s0,
    const long long d_s1,
    const long long M_dim,
    const long long K_dim,
    const long long N_dim,
    const int tiles_0,
    const int tiles_1) {
  // roles and shared memory
  extern __shared__ unsigned char shared_bytes[];
  const u32 ring_address = (shared_address(shared_bytes) + 127) & ~127u;
  unsigned char* const ring = shared_bytes + (ring_address - shared_address(shared_bytes));
  unsigned char* const scratch = ring + 44160;
  const u32 scratch_address = ring_address + 44160;
  unsigned char* const exchange = ring + 44160;
  const int thread = threadIdx.x, warp = __shfl_sync(~0u, thread / 32, 0), lane = lane_index();
  const int warpgroup = warp / 4;
  const int BM_t = thread / 4 % 8 + thread / 32 % 2 * 32;
  const int BN_t = thread % 4 * 2 + thread / 64 % 2 * 24;
  const int extent_0 = tiles_0;
  const int extent_1 = tiles_1;
  {
    const int tile = blockIdx.x / 1;
    const GridPlace grid_at = grid_place(tile, extent_0, extent_1, 8);
    const long long grid_0 = grid_at.fast, grid_1 = grid_at.other;
    const long long ceil_div_11 = ceil_div(K_dim, 128ll);
    // fold, 3 stages
    float fold_33[24];
    #pragma unroll
    for (int element = 0; element < 24; ++element) {
      const int BN_i1 = element / 1 % 2, BM_i8 = element / 2 % 2, BN_i8 = element / 4 % 3, BM_i16 = element / 12 % 2;
      fold_33[BM_i16 * 12 + BN_i8 * 4 + BM_i8 * 2 + BN_i1] = 0.0f;
    }
    {
      const int trips = int(ceil_div_11);
      const int loader = thread;
      named_barrier_sync(1, 128);
      #pragma unroll 1
      for (int ahead = 0; ahead < 2; ++ahead) {
        if (ahead < trips) {
          const long long v_12 = ahead;
          const u32 to = ring_address + ahead * 14720;
          #pragma unroll 4
          for (int e = thread; e < 512; e += 128) {  // a
            const int row = e / 8, column = e % 8 * 16;
            const long long i0 = ((grid_0 * 64ll) + (long long)(row));
            const long long i1 = ((v_12 * 128ll) + (long long)(column));
            const int valid = in_bounds(i0, M_dim) && i1 >= 0 ? bytes_left(K_dim - i1, 1, 16) : 0;
            const u32 place = column / 128 * 8192 + swizzled_offset<128>(row, column % 128 * 1);
            copy_async<16>(to + 0 + place, a_p + (valid > 0 ? i0 * a_s0 + i1 * a_s1 : 0), valid);
          }
          #pragma unroll 4
          for (int e = thread; e < 384; e += 128) {  // b
            const int row = e / 8, column = e % 8 * 16;
            const long long i0 = ((grid_1 * 48ll) + (long long)(row));
            const long long i1 = ((v_12 * 128ll) + (long long)(column));
            const int valid = in_bounds(i0, N_dim) && i1 >= 0 ? bytes_left(K_dim - i1, 1, 16) : 0;
            const u32 place = column / 128 * 6144 + swizzled_offset<128>(row, column % 128 * 1);
            copy_async<16>(to + 8192 + place, b_p + (valid > 0 ? i0 * b_s0 + i1 * b_s1 : 0), valid);
          }
          #pragma unroll
          for (int e = loader; e < 3; e += 128) {
            const long long i0 = (((grid_1 * 48ll) + (long long)((e / 1 % 3 * 16))) / 128ll);
            const long long i1 = v_12;
            const bool inside = in_bounds(i0, ceil_div(N_dim, 128ll)) && in_bounds(i1, ceil_div(K_dim, 128ll));
            copy_async<4>(to + 14336 + 4 * e, sb_p + (inside ? i0 * sb_s0 + i1 * sb_s1 : 0), inside ? 4 : 0);
          }
          #pragma unroll
          for (int e = loader; e < 64; e += 128) {
            const long long i0 = ((grid_0 * 64ll) + (long long)((e / 1 % 64 * 1)));
            const long long i1 = v_12;
            const bool inside = in_bounds(i0, M_dim) && in_bounds(i1, ceil_div(K_dim, 128ll));
            copy_async<4>(to + 14352 + 4 * e, sa_p + (inside ? i0 * sa_s0 + i1 * sa_s1 : 0), inside ? 4 : 0);
          }
        }
        copy_async_commit();
      }
      int stage = 0;
      #pragma unroll 1
      for (int trip = 0; trip < trips; ++trip) {
        copy_async_wait<1>();
        named_barrier_sync(1, 128);
        if (trip + 2 < trips) {
          const int next = stage == 0 ? 2 : stage - 1;
          const long long v_12 = trip + 2;
          const u32 to = ring_address + next * 14720;
          #pragma unroll 4
          for (int e = thread; e < 512; e += 128) {  // a
            const int row = e / 8, column = e % 8 * 16;
            const long long i0 = ((grid_0 * 64ll) + (long long)(row));
            const long long i1 = ((v_12 * 128ll) + (long long)(column));
            const int valid = in_bounds(i0, M_dim) && i1 >= 0 ? bytes_left(K_dim - i1, 1, 16) : 0;
            const u32 place = column / 128 * 8192 + swizzled_offset<128>(row, column % 128 * 1);
            copy_async<16>(to + 0 + place, a_p + (valid > 0 ? i0 * a_s0 + i1 * a_s1 : 0), valid);
          }
          #pragma unroll 4
          for (int e = thread; e < 384; e += 128) {  // b
            const int row = e / 8, column = e % 8 * 16;
            const long long i0 = ((grid_1 * 48ll) + (long long)(row));
            const long long i1 = ((v_12 * 128ll) + (long long)(column));
            const int valid = in_bounds(i0, N_dim) && i1 >= 0 ? bytes_left(K_dim - i1, 1, 16) : 0;
            const u32 place = column / 128 * 6144 + swizzled_offset<128>(row, column % 128 * 1);
            copy_async<16>(to + 8192 + place, b_p + (valid > 0 ? i0 * b_s0 + i1 * b_s1 : 0), valid);
          }
          #pragma unroll
          for (int e = loader; e < 3; e += 128) {
            const long long i0 = (((grid_1 * 48ll) + (long long)((e / 1 % 3 * 16))) / 128ll);
            const long long i1 = v_12;
            const bool inside = in_bounds(i0, ceil_div(N_dim, 128ll)) && in_bounds(i1, ceil_div(K_dim, 128ll));
            copy_async<4>(to + 14336 + 4 * e, sb_p + (inside ? i0 * sb_s0 + i1 * sb_s1 : 0), inside ? 4 : 0);
          }
          #pragma unroll
          for (int e = loader; e < 64; e += 128) {
            const long long i0 = ((grid_0 * 64ll) + (long long)((e / 1 % 64 * 1)));
            const long long i1 = v_12;
            const bool inside = in_bounds(i0, M_dim) && in_bounds(i1, ceil_div(K_dim, 128ll));
            copy_async<4>(to + 14352 + 4 * e, sa_p + (inside ? i0 * sa_s0 + i1 * sa_s1 : 0), inside ? 4 : 0);
          }
        }
        copy_async_commit();
        const long long v_12 = trip;
        const long long mul_14 = (grid_1 * 48ll);
        float sb_18[3];
        #pragma unroll
        for (int BN_i8 = 0; BN_i8 < 3; ++BN_i8) {
          {
            constexpr int BN_i1 = 0;
            sb_18[BN_i8] = reinterpret_cast<const float*>(ring + stage * 14720 + 14336)[(BN_t + BN_i8 * 8) / 16];
          }
        }
        const long long mul_19 = (grid_0 * 64ll);
        float sa_22[4];
        #pragma unroll
        for (int BM_i16 = 0; BM_i16 < 2; ++BM_i16) {
          #pragma unroll
          for (int BM_i8 = 0; BM_i8 < 2; ++BM_i8) {
            sa_22[BM_i16 * 2 + BM_i8] = reinterpret_cast<const float*>(ring + stage * 14720 + 14352)[(BM_t + BM_i8 * 8 + BM_i16 * 16)];
          }
        }
        // dot over _128
        float dot_29[24];
        #pragma unroll
        for (int r = 0; r < 24; ++r) dot_29[r] = 0.0f;
        {
          const u32 m_lane = m_fragment<128>(warp % 2 * 32, lane);
          const u32 n_lane = n_fragment<128>(warp / 2 * 24, lane);
          multiply<MmaE4m3E4m3, 2, 3, 4, 128>(dot_29, ring_address + stage * 14720 + 0, ring_address + stage * 14720 + 8192, m_lane, n_lane);
        }
        #pragma unroll
        for (int element = 0; element < 24; ++element) {
          const int BN_i1 = element / 1 % 2, BM_i8 = element / 2 % 2, BN_i8 = element / 4 % 3, BM_i16 = element / 12 % 2;
          fold_33[BM_i16 * 12 + BN_i8 * 4 + BM_i8 * 2 + BN_i1] = fmaf(dot_29[BM_i16 * 12 + BN_i8 * 4 + BM_i8 * 2 + BN_i1], (sa_22[BM_i16 * 2 + BM_i8] * sb_18[BN_i8]), fold_33[BM_i16 * 12 + BN_i8 * 4 + BM_i8 * 2 + BN_i1]);
        }
        if (++stage == 3) stage = 0;
      }
    }
    const long long mul_35 = (grid_1 * 48ll);
    const long long mul_38 = (grid_0 * 64ll);
    // store d
    {
      #pragma unroll
      for (int BM_i16 = 0; BM_i16 < 2; ++BM_i16) {
        #pragma unroll
        for (int BN_i8 = 0; BN_i8 < 3; ++BN_i8) {
          #pragma unroll
          for (int BM_i8 = 0; BM_i8 < 2; ++BM_i8) {
            {
              constexpr int BN_i1 = 0;
              {
                const long long i0 = (mul_38 + (long long)(BM_t + BM_i8 * 8 + BM_i16 * 16));
                const long long i1 = (mul_35 + (long long)(BN_t + BN_i1 + BN_i8 * 8));
                if (in_bounds(i0, M_dim)) {
                  unsigned short* to = d_p + i0 * d_s0 + i1 * d_s1;
                  alignas(4) unsigned short elements[2];
                  #pragma unroll
                  for (int pair = 0; pair < 2; pair += 2) {
                    auto element = [&](int BN_i1) {
                      return fold_33[BM_i16 * 12 + BN_i8 * 4 + BM_i8 * 2 + BN_i1];
                    };
                    const u32 packed = pack_bf16x2(element(pair), element(pair + 1));
                    memcpy(&elements[pair], &packed, 4);
                  }
                  if (i1 + 2 <= N_dim) {
                    copy_bytes<4>(to, elements);
                  } else {
                  #pragma unroll
                    for (int e = 0; e < 2; ++e)
                      if (i1 + e < N_dim) to[e] = elements[e];
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
