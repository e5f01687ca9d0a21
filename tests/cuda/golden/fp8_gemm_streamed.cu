// fp8_gemm: printed by Octile for sm_90a, schedule [BM=128 BN=64 stages=4 consumers=2 stream_fold=true]
// ... the prelude ...
template <int At, int N> __device__ __forceinline__ void wgmma_m64n64k128_e4m3_e4m3(float (&d)[N], u32 a, u32 b, u32 accumulate) {
  asm volatile("{.reg .pred first, true; .reg .b32 low; .reg .b64 a, b;\n"
               "setp.ne.b32 first, %34, 0; setp.eq.b32 true, 0, 0;\n"
               "add.u32 low, %32, 0; mov.b64 a, {low, %35};"
               "add.u32 low, %33, 0; mov.b64 b, {low, %35};\n"
               "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, a, b, first, 1, 1;\n"
               "add.u32 low, %32, 2; mov.b64 a, {low, %35};"
               "add.u32 low, %33, 2; mov.b64 b, {low, %35};\n"
               "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, a, b, true, 1, 1;\n"
               "add.u32 low, %32, 4; mov.b64 a, {low, %35};"
               "add.u32 low, %33, 4; mov.b64 b, {low, %35};\n"
               "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, a, b, true, 1, 1;\n"
               "add.u32 low, %32, 6; mov.b64 a, {low, %35};"
               "add.u32 low, %33, 6; mov.b64 b, {low, %35};\n"
               "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, a, b, true, 1, 1;\n"
               "}"
               : "+f"(d[At + 0]), "+f"(d[At + 1]), "+f"(d[At + 2]), "+f"(d[At + 3]), "+f"(d[At + 4]), "+f"(d[At + 5]), "+f"(d[At + 6]), "+f"(d[At + 7]), "+f"(d[At + 8]), "+f"(d[At + 9]), "+f"(d[At + 10]), "+f"(d[At + 11]), "+f"(d[At + 12]), "+f"(d[At + 13]), "+f"(d[At + 14]), "+f"(d[At + 15]), "+f"(d[At + 16]), "+f"(d[At + 17]), "+f"(d[At + 18]), "+f"(d[At + 19]), "+f"(d[At + 20]), "+f"(d[At + 21]), "+f"(d[At + 22]), "+f"(d[At + 23]), "+f"(d[At + 24]), "+f"(d[At + 25]), "+f"(d[At + 26]), "+f"(d[At + 27]), "+f"(d[At + 28]), "+f"(d[At + 29]), "+f"(d[At + 30]), "+f"(d[At + 31])
               : "r"(a), "r"(b), "r"(accumulate), "n"(descriptor_high<128>()));
}

extern "C" __global__ void __launch_bounds__(384, 1) fp8_gemm(
    const __grid_constant__ TensorMap map_0,
    const __grid_constant__ TensorMap map_1,
    const __grid_constant__ TensorMap map_2,
    const __grid_constant__ TensorMap map_3,
    const __grid_constant__ TensorMap map_4,
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
    const int tiles_1,
    unsigned char* const workspace) {
  // roles and shared memory
  extern __shared__ unsigned char shared_bytes[];
  const u32 ring_address = (shared_address(shared_bytes) + 1023) & ~1023u;
  unsigned char* const ring = shared_bytes + (ring_address - shared_address(shared_bytes));
  unsigned char* const scratch = ring + 98304;
  const u32 scratch_address = ring_address + 98304;
  unsigned char* const exchange = ring + 114688;
  const int thread = threadIdx.x, warp = __shfl_sync(~0u, thread / 32, 0), lane = lane_index();
  const int warpgroup = warp / 4;
  const u32 full = ring_address + 119040, empty = full + 32;
  const u32 panels = ring_address + 114688;
  const u32 panel_full = empty + 32, panel_empty = panel_full + 16;
  if (threadIdx.x == 0) {
    tma_prefetch_map(map_0);
    tma_prefetch_map(map_1);
    tma_prefetch_map(map_2);
    tma_prefetch_map(map_3);
    tma_prefetch_map(map_4);
    for (int s = 0; s < 4; ++s) {
      mbarrier_init(full + 8 * s, 1);
      mbarrier_init(empty + 8 * s, 8);
    }
    for (int s = 0; s < 2; ++s) {
      mbarrier_init(panel_full + 8 * s, 1);
      mbarrier_init(panel_empty + 8 * s, 8);
    }
    mbarrier_fence_init();
  }
  __shared__ Share share;
  if (threadIdx.x == 32) share.set(tiles_0 * tiles_1, int(ceil_div(K_dim, 128ll)), blockIdx.x, gridDim.x);
  __syncthreads();
  if (warp >= 8) {
    registers_decrease<56>();
    if (warp == 8) {  // bulk copies of dot operands
      if (!elect_one()) return;
      int stage = 0;
      u32 phase = 0;
      const u64 policy_0 = tiles_1 <= 2 ? kEvictFirst : kEvictNormal;
      const u64 policy_1 = tiles_0 <= 2 ? kEvictFirst : kEvictNormal;
      const int extent_0 = tiles_0;
      const int extent_1 = tiles_1;
      const int trips = int(ceil_div(K_dim, 128ll));
      const int cta = blockIdx.x, ctas = gridDim.x;
      for (int tile = share.start(cta); tile < extent_0 * extent_1; tile = share.next(tile, cta, ctas)) {
        const int begin = share.begin(tile), end = share.end(tile, trips);
        const GridPlace grid_at = grid_place(tile, extent_0, extent_1, 8);
        const long long grid_0 = grid_at.fast, grid_1 = grid_at.other;
        {
          #pragma unroll 1
          for (int trip = begin; trip < end; ++trip) {
            const long long v_12 = trip;
            mbarrier_wait(empty + 8 * stage, phase ^ 1);
            const u32 to = ring_address + stage * 24576;
            mbarrier_expect(full + 8 * stage, 24576);
            tma_load_2d(to + 16384, map_1, full + 8 * stage, policy_1, int((v_12 * 128ll)), int((grid_1 * 64ll)));  // b
            tma_load_2d(to + 0, map_0, full + 8 * stage, policy_0, int((v_12 * 128ll)), int((grid_0 * 128ll)));  // a
            if (++stage == 4) {
              stage = 0;
              phase ^= 1;
            }
          }
        }
      }
    }
    if (warp > 8 && warp <= 9) {  // panels of small tiles
      if (!elect_one()) return;
      int slot = 0;
      u32 phase = 0;
      const int extent_0 = tiles_0;
      const int extent_1 = tiles_1;
      const int trips = int(ceil_div(K_dim, 128ll));
      const int cta = blockIdx.x, ctas = gridDim.x;
      for (int tile = share.start(cta); tile < extent_0 * extent_1; tile = share.next(tile, cta, ctas)) {
        const int begin = share.begin(tile), end = share.end(tile, trips);
        const GridPlace grid_at = grid_place(tile, extent_0, extent_1, 8);
        const long long grid_0 = grid_at.fast, grid_1 = grid_at.other;
        {
          #pragma unroll 1
          for (int trip = begin / 4 * 4; begin < end && trip < end; trip += 4) {
            mbarrier_wait(panel_empty + 8 * slot, phase ^ 1);
            const long long v_12 = trip;
            mbarrier_expect(panel_full + 8 * slot, 2064);
            const u32 to = panels + slot * 2176;
            tma_load_2d(to + 0, map_3, panel_full + 8 * slot, kEvictNormal, int(v_12), int(((grid_1 * 64ll)) / 128));  // sb
            tma_load_2d(to + 128, map_4, panel_full + 8 * slot, kEvictNormal, int(v_12), int((grid_0 * 128ll)));  // sa
            if (++slot == 2) {
              slot = 0;
              phase ^= 1;
            }
          }
        }
      }
    }
    __syncwarp();
  } else {
  registers_increase<224>();
  int stage = 0;
  u32 phase = 0;
  bool ready = false;
  int slot = 0, column = 0;
  u32 slot_phase = 0;
  const u32 nothing = threadIdx.y;  // 0, unknown to the compiler
  const int extent_0 = tiles_0;
  const int extent_1 = tiles_1;
  const int trips = int(ceil_div(K_dim, 128ll));
  const int cta = blockIdx.x, ctas = gridDim.x;
  for (int tile = share.start(cta); tile < extent_0 * extent_1; tile = share.next(tile, cta, ctas)) {
    const int begin = share.begin(tile), end = share.end(tile, trips);
    const GridPlace grid_at = grid_place(tile, extent_0, extent_1, 8);
    const long long grid_0 = grid_at.fast, grid_1 = grid_at.other;
    const int thread = thread_index();
    const int BM_t = thread / 4 % 8 + thread / 32 % 4 * 16 + thread / 128 % 2 * 64;
    const int BN_t = thread % 4 * 2;
    const long long ceil_div_11 = ceil_div(K_dim, 128ll);
    // fold, 4 stages
    float fold_33[32];
    #pragma unroll
    for (int element = 0; element < 32; ++element) {
      const int BN_i1 = element / 1 % 2, BM_i8 = element / 2 % 2, BN_i8 = element / 4 % 8;
      fold_33[BN_i8 * 4 + BM_i8 * 2 + BN_i1] = 0.0f;
    }
    if (begin > 0 && share.in_turn(ctas)) {  // another CTA had the trips before
      for (int from = cta - 1 + thread; from < cta; from += 256)
        take_flag(reinterpret_cast<u32*>(workspace) + from);
      __syncwarp();
      named_barrier_sync(1, 256);
      const float* const sums = reinterpret_cast<float*>(workspace + 16384) + 8192ll * (cta - 1);
      read_sums(sums + 0, thread, 256, false, fold_33);
    }
    {
      float sb_18_next[1];
      float sa_22_next[2];
      if (begin < end) {
        column = begin % 4;
        mbarrier_wait(panel_full + 8 * slot, slot_phase);
        sb_18_next[0] = *reinterpret_cast<const float*>(ring + 114688 + slot * 2176 + (0) * 16 + 4 * column + 0);
        {
          const float* const first = reinterpret_cast<const float*>(ring + 114816 + slot * 2176 + (BM_t) * 16 + 4 * column + 0);
          #pragma unroll
          for (int BM_i8 = 0; BM_i8 < 2; ++BM_i8) {
            sa_22_next[BM_i8] = *(first + (0 + BM_i8 * 8) * 4);
          }
        }
        ++column;
      }
      #pragma unroll 1
      for (int trip = begin; trip < end; ++trip) {
        const long long v_12 = trip;
        if (!ready) mbarrier_wait(full + 8 * stage, phase);
        float dot_29[32];
        wgmma_fence();
        {
          const u32 a = descriptor_low(ring_address + 0 + warpgroup * 8192) + stage * 1536;
          const u32 b = descriptor_low(ring_address + 16384) + stage * 1536;
          wgmma_m64n64k128_e4m3_e4m3<0>(dot_29, a, b, 0);
        }
        wgmma_commit();
        if (column == 4) {
          column = 0;
          u32 bits = 0;
          #pragma unroll
          for (int i = 0; i < 1; ++i) bits |= bits_of(sb_18_next[i]);
          #pragma unroll
          for (int i = 0; i < 2; ++i) bits |= bits_of(sa_22_next[i]);
          __syncwarp();
          if (lane == 0) mbarrier_arrive(panel_empty + 8 * slot + (bits & nothing));
          if (++slot == 2) {
            slot = 0;
            slot_phase ^= 1;
          }
        }
        const long long mul_14 = (grid_1 * 64ll);
        float sb_18[1];
        {
          constexpr int BN_i1 = 0;
          constexpr int BN_i8 = 0;
          sb_18[0] = sb_18_next[0];
        }
        const long long mul_19 = (grid_0 * 128ll);
        float sa_22[2];
        #pragma unroll
        for (int BM_i8 = 0; BM_i8 < 2; ++BM_i8) {
          sa_22[BM_i8] = sa_22_next[BM_i8];
        }
        float mul_41[2];
        #pragma unroll
        for (int BM_i8 = 0; BM_i8 < 2; ++BM_i8) {
          {
            constexpr int BN_i1 = 0;
            constexpr int BN_i8 = 0;
            mul_41[BM_i8] = (sa_22[BM_i8] * sb_18[0]);
          }
        }
        pin_registers(mul_41);
        if (trip + 1 < end) {
          if (column == 0) mbarrier_wait(panel_full + 8 * slot, slot_phase);
          sb_18_next[0] = *reinterpret_cast<const float*>(ring + 114688 + slot * 2176 + (0) * 16 + 4 * column + 0);
          {
            const float* const first = reinterpret_cast<const float*>(ring + 114816 + slot * 2176 + (BM_t) * 16 + 4 * column + 0);
            #pragma unroll
            for (int BM_i8 = 0; BM_i8 < 2; ++BM_i8) {
              sa_22_next[BM_i8] = *(first + (0 + BM_i8 * 8) * 4);
            }
          }
          ++column;
        }
        const int done = stage;
        if (++stage == 4) {
          stage = 0;
          phase ^= 1;
        }
        wgmma_wait<0>();
        pin_registers(dot_29);
        if (lane == 0) mbarrier_arrive(empty + 8 * done);
        ready = mbarrier_test(full + 8 * stage, phase);
        #pragma unroll
        for (int element = 0; element < 32; ++element) {
          const int BN_i1 = element / 1 % 2, BM_i8 = element / 2 % 2, BN_i8 = element / 4 % 8;
          fold_33[BN_i8 * 4 + BM_i8 * 2 + BN_i1] = fmaf(dot_29[BN_i8 * 4 + BM_i8 * 2 + BN_i1], mul_41[BM_i8], fold_33[BN_i8 * 4 + BM_i8 * 2 + BN_i1]);
        }
      }
      if (begin < end && column > 0) {  // the last slot wasn't read whole
        column = 0;
        u32 bits = 0;
        #pragma unroll
        for (int i = 0; i < 1; ++i) bits |= bits_of(sb_18_next[i]);
        #pragma unroll
        for (int i = 0; i < 2; ++i) bits |= bits_of(sa_22_next[i]);
        __syncwarp();
        if (lane == 0) mbarrier_arrive(panel_empty + 8 * slot + (bits & nothing));
        if (++slot == 2) {
          slot = 0;
          slot_phase ^= 1;
        }
      }
    }
    if (share.end(tile, trips) < trips) {  // another CTA has the trips after
      float* const sums = reinterpret_cast<float*>(workspace + 16384) + 8192ll * cta;
      write_sums(sums + 0, thread, 256, fold_33);
      __syncwarp();
      named_barrier_sync(1, 256);
      if (thread == 0) set_flag(reinterpret_cast<u32*>(workspace) + cta);
    }
    if (share.end(tile, trips) == trips) {
      const int thread = thread_index();
      const int BM_t = thread / 4 % 8 + thread / 32 % 4 * 16 + thread / 128 % 2 * 64;
      const int BN_t = thread % 4 * 2;
      if (share.begin(tile) > 0 && !share.in_turn(ctas)) {  // other CTAs had the trips before
        const int first_cta = share.first_cta(tile, trips, ctas);
        for (int from = first_cta + thread; from < cta; from += 256)
          take_flag(reinterpret_cast<u32*>(workspace) + from);
        __syncwarp();
        named_barrier_sync(1, 256);
        const float* sums = reinterpret_cast<float*>(workspace + 16384) + 8192ll * first_cta;
        #pragma unroll 1
        for (int from = first_cta; from < cta; ++from) {
          read_sums(sums + 0, thread, 256, true, fold_33);
          sums += 8192;
        }
      }
      const long long mul_35 = (grid_1 * 64ll);
      const long long mul_38 = (grid_0 * 128ll);
      // store d through shared memory
      {
        unsigned char* const staging = ring + 98304 + warpgroup * 8192;
        if (thread % 128 == 0) tma_store_wait_read<0>();
        named_barrier_sync(8 + warpgroup, 128);
        {
          const int row = thread % 16 + thread / 32 % 4 * 16;  // of those that this lane points to
          const u32 place = swizzled_offset<128>(row, thread / 16 % 2 * 16);
          const u32 to = shared_address(staging);
          #pragma unroll
          for (int BN_i8_pair = 0; BN_i8_pair < 4; ++BN_i8_pair) {
            const int BN_i8 = 2 * BN_i8_pair;
            const int byte = (0 + BN_i8 * 8) * 2;
            u32 matrices[4];
            #pragma unroll
            for (int eight = 0; eight < 2; ++eight) {
              const int BN_i8 = 2 * BN_i8_pair + eight;
              #pragma unroll
              for (int BM_i8 = 0; BM_i8 < 2; ++BM_i8) {
                alignas(4) unsigned short elements[2];
                #pragma unroll
                for (int pair = 0; pair < 2; pair += 2) {
                  auto element = [&](int BN_i1) {
                    return fold_33[BN_i8 * 4 + BM_i8 * 2 + BN_i1];
                  };
                  const u32 packed = pack_bf16x2(element(pair), element(pair + 1));
                  memcpy(&elements[pair], &packed, 4);
                }
                memcpy(&matrices[2 * eight + BM_i8], elements, 4);
              }
            }
            store_matrices(to + (place ^ byte % 128) + (0 * 128 + 0 + byte / 128 * 128) * 64, matrices);
          }
        }
        fence_async_proxy();
        named_barrier_sync(8 + warpgroup, 128);
        if (thread % 128 == 0) {
          const u32 staging = ring_address + 98304 + warpgroup * 8192;
          tma_store_2d(map_2, staging + 0, int(mul_35), int(mul_38 + warpgroup * 64));
          tma_store_commit();
        }
      }
    }
  }
  if (thread % 128 == 0) tma_store_wait_read<0>();
  }
}
