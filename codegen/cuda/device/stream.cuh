// Sums that one CTA hands on to another through global memory.

// A flag that some CTA sets once and one thread of another takes back, so that it is zero again.
__device__ __forceinline__ void set_flag(u32* flag) {
  asm volatile("st.release.gpu.global.u32 [%0], 1;" ::"l"(flag) : "memory");
}
__device__ __forceinline__ void take_flag(u32* flag) {
  u32 set;
  do {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(set) : "l"(flag) : "memory");
  } while (set == 0);
  asm volatile("st.relaxed.gpu.global.u32 [%0], 0;" ::"l"(flag) : "memory");
}

// Past the L1, which doesn't see other multiprocessors' stores.
__device__ __forceinline__ void load_l2(float (&x)[4], const float* from) {
  asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(x[0]), "=f"(x[1]), "=f"(x[2]), "=f"(x[3])
               : "l"(from)
               : "memory");
}
__device__ __forceinline__ void load_l2(float (&x)[1], const float* from) {
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(x[0]) : "l"(from) : "memory");
}

// Replaces `x` by the sums at `from`, or adds them to it.
template <int N>
__device__ __forceinline__ void read_sums(const float* from, int thread, int threads, bool add,
                                          float (&x)[N]) {
  constexpr int width = N % 4 == 0 ? 4 : 1, accesses = N / width;
  constexpr int ahead = accesses < 8 ? accesses : 8;  // loads under way, in registers
#pragma unroll
  for (int first = 0; first < accesses; first += ahead) {
    float sums[ahead][width];
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      if (first + i < accesses) load_l2(sums[i], from + ((first + i) * threads + thread) * width);
    }
#pragma unroll
    for (int i = 0; i < ahead * width; ++i) {
      if (first * width + i >= N) break;
      float& mine = x[first * width + i];
      mine = add ? mine + sums[i / width][i % width] : sums[i / width][i % width];
    }
  }
}
