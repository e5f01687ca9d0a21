// Shared-memory addresses, mbarriers, named barriers, clusters (PTX ISA 9.7.13).
__device__ __forceinline__ u32 shared_address(const void* p) {
  return (u32)__cvta_generic_to_shared(p);
}
// Whether this is the one lane of a whole warp that goes on (PTX ISA 9.7.13, elect.sync).
__device__ __forceinline__ bool elect_one() {
  u32 r;
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "elect.sync _|p, 0xffffffff;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}\n"
      : "=r"(r));
  return r != 0;
}
__device__ __forceinline__ void mbarrier_init(u32 bar, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory");
}
__device__ __forceinline__ void mbarrier_fence_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ __forceinline__ void mbarrier_expect(u32 bar, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void mbarrier_arrive(u32 bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}
// Plain arrive: releasing with .release.cluster serialises the peer's multicast.
__device__ __forceinline__ void mbarrier_arrive_cluster(u32 bar, u32 cta) {
  asm volatile(
      "{.reg .b32 remote; mapa.shared::cluster.u32 remote, %0, %1;"
      " mbarrier.arrive.shared::cluster.b64 _, [remote];}" ::"r"(bar),
      "r"(cta)
      : "memory");
}
__device__ __forceinline__ void mbarrier_wait(u32 bar, u32 phase) {
  asm volatile(
      "{.reg .pred done;\n"
      "retry: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra ready;\n"
      "bra retry;\n"
      "ready: }" ::"r"(bar),
      "r"(phase)
      : "memory");
}
// Passes so many clocks of the multiprocessor, about.
__device__ __forceinline__ void pause(u32 clocks) {
  asm volatile(
      "{.reg .pred early;\n"
      ".reg .b32 since, now;\n"
      "mov.u32 since, %%clock;\n"
      "again: mov.u32 now, %%clock;\n"
      "sub.u32 now, now, since;\n"
      "setp.lt.u32 early, now, %0;\n"
      "@early bra again; }" ::"r"(clocks));
}
// As mbarrier_wait, of who has time: sleeps between polls, each of which takes power that others
// want. As one template with it, ptxas laid out the waits of all kernels differently.
__device__ __forceinline__ void mbarrier_wait_idle(u32 bar, u32 phase) {
  asm volatile(
      "{.reg .pred done;\n"
      "retry: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra ready;\n"
      "nanosleep.u32 100;\n"
      "bra retry;\n"
      "ready: }" ::"r"(bar),
      "r"(phase)
      : "memory");
}
// Whether the phase is over, without waiting for it.
__device__ __forceinline__ bool mbarrier_test(u32 bar, u32 phase) {
  u32 done;
  asm volatile(
      "{.reg .pred done; mbarrier.test_wait.parity.shared::cta.b64 done, [%1], %2;"
      " selp.b32 %0, 1, 0, done;}"
      : "=r"(done)
      : "r"(bar), "r"(phase)
      : "memory");
  return done != 0;
}
__device__ __forceinline__ void named_barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
}
__device__ __forceinline__ u32 cluster_rank() {
  u32 r;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
  return r;
}
// Where a shared-memory address of this CTA lies in another one of the cluster.
__device__ __forceinline__ u32 cluster_address(u32 address, u32 cta) {
  u32 r;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(r) : "r"(address), "r"(cta));
  return r;
}
// To a place and a barrier of another CTA, which counts the bytes (PTX ISA 9.7.9.14, st.async).
__device__ __forceinline__ void send_floats(u32 to, u32 bar, const float* x) {
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, "
      "[%5];" ::"r"(to),
      "f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3]), "r"(bar)
      : "memory");
}
// Adds up four floats of each of the cluster's CTAs, in their order: this one's are in `sum`, those
// of the others at `from`, each so many vectors behind the one before.
template <int Ctas>
__device__ __forceinline__ void add_parts(float* sum, int rank, const float4* from, int stride) {
  const float4 mine = {sum[0], sum[1], sum[2], sum[3]};
  float4 x = mine;
#pragma unroll
  for (int i = 0; i < Ctas; ++i) {
    const float4 y = i == rank ? mine : from[(i - (i > rank)) * stride];
    if (i == 0)
      x = y;
    else
      x.x += y.x, x.y += y.y, x.z += y.z, x.w += y.w;
  }
  sum[0] = x.x, sum[1] = x.y, sum[2] = x.z, sum[3] = x.w;
}
__device__ __forceinline__ void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
template <int Registers>
__device__ __forceinline__ void registers_increase() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
}
template <int Registers>
__device__ __forceinline__ void registers_decrease() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
}
__device__ __forceinline__ void dependent_launch_wait() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
__device__ __forceinline__ void dependent_launch_release() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}
