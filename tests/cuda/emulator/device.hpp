// The device functions that kernels with mma.sync call, on the host: what an emitted kernel's text
// is compiled under, in place of its prelude, so that its index arithmetic, barriers and copies are
// run without a GPU. CUDA threads are contexts that take turns; a warp's and a block's collective
// operations wait for each other. Fragments are as the PTX ISA draws them, and copies in the
// background land no earlier than they are waited for. Included by the generated file alone.
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

typedef unsigned int u32;
typedef unsigned long long u64;

struct Dim {
  int x;
};
static Dim threadIdx, blockIdx, gridDim;
alignas(4096) unsigned char shared_bytes[1 << 18];
static u32 shared_limit;  ///< bytes that the kernel asked for

// ---- threads
// --------------------------------------------------------------------------------------

[[noreturn]] static void fail(const char* what) {
  std::fprintf(stderr, "emulated thread %d of block %d: %s\n", threadIdx.x, blockIdx.x, what);
  std::abort();
}

struct Copy {
  unsigned char* to;
  const unsigned char* from;
  int bytes, valid;
};
struct Thread {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  bool done = false;
  std::vector<std::vector<Copy>> groups;
  std::vector<Copy> open;
};
struct Meeting {
  int arrived = 0;
  u32 generation = 0;
};
/// What a lane shows its warp.
struct Lane {
  u32 words[10];
};
static std::vector<Thread> threads;
static Meeting block_meeting;
static std::vector<Meeting> warp_meetings;
static std::vector<std::vector<Lane>> lanes;
static ucontext_t scheduler;
static void (*body)();

static void yield() {
  swapcontext(&threads[static_cast<std::size_t>(threadIdx.x)].context, &scheduler);
}
static void meet(Meeting& m, int count) {
  const u32 generation = m.generation;
  if (++m.arrived == count) {
    m.arrived = 0;
    ++m.generation;
  }
  while (m.generation == generation) yield();
}
static void thread_main() {
  body();
  if (!threads[static_cast<std::size_t>(threadIdx.x)].open.empty()) fail("copies without a group");
  threads[static_cast<std::size_t>(threadIdx.x)].done = true;
  yield();
}
static void run_block(int count) {
  threads = std::vector<Thread>(static_cast<std::size_t>(count));
  warp_meetings.assign(static_cast<std::size_t>(count / 32), {});
  lanes.assign(static_cast<std::size_t>(count / 32), std::vector<Lane>(32));
  std::memset(shared_bytes, 0xFF, sizeof(shared_bytes));
  constexpr std::size_t kStack = 1 << 18;
  for (Thread& t : threads) {
    t.stack.reset(new char[kStack]);
    getcontext(&t.context);
    t.context.uc_stack.ss_sp = t.stack.get();
    t.context.uc_stack.ss_size = kStack;
    makecontext(&t.context, thread_main, 0);
  }
  for (int left = count, idle = 0; left > 0;) {
    if (++idle > 100000000) fail("no end in sight");
    left = 0;
    for (int i = 0; i < count; ++i) {
      if (threads[static_cast<std::size_t>(i)].done) continue;
      ++left;
      threadIdx.x = i;
      swapcontext(&scheduler, &threads[static_cast<std::size_t>(i)].context);
    }
  }
}

static void check_shared() {
  for (std::size_t i = shared_limit; i < sizeof(shared_bytes); ++i) {
    if (shared_bytes[i] != 0xFF) fail("a write past the kernel's shared memory");
  }
}

// ---- base.cuh, barrier.cuh, convert.cuh
// -----------------------------------------------------------

inline long long ceil_div(long long a, long long b) {
  return (a + b - 1) / b;
}
inline int __clz(u32 x) {
  return x == 0 ? 32 : __builtin_clz(x);
}
inline bool in_bounds(long long i, long long extent) {
  return u64(i) < u64(extent);
}
template <int Bytes>
void copy_bytes(void* to, const void* from) {
  constexpr std::uintptr_t piece = Bytes < 16 ? Bytes : 16;
  if (reinterpret_cast<std::uintptr_t>(to) % piece != 0 ||
      reinterpret_cast<std::uintptr_t>(from) % piece != 0) {
    fail("a vector access isn't aligned");
  }
  std::memcpy(to, from, Bytes);
}
template <class T>
T int_min(T x, T y) {
  return y < x ? y : x;
}
template <class T>
T int_max(T x, T y) {
  return x < y ? y : x;
}
inline int min(int x, int y) {
  return x < y ? x : y;
}
inline float as_float(u32 bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline float __int_as_float(u32 bits) {
  return as_float(bits);
}
inline u32 as_bits(float x) {
  u32 bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline u32 __float_as_uint(float x) {
  return as_bits(x);
}
inline float __uint_as_float(u32 bits) {
  return as_float(bits);
}
template <class To, class From>
To bit_cast(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  std::memcpy(&y, &x, sizeof(To));
  return y;
}
template <class T>
T int_abs(T x) {
  return x < 0 ? -x : x;
}
// Conversions saturate; NaN becomes zero.
inline long long f32_to_i64(float x) {
  if (x != x) return 0;
  return x >= 0x1p63f   ? 0x7fffffffffffffffll
         : x < -0x1p63f ? -0x7fffffffffffffffll - 1
                        : (long long)x;
}
inline int __float2int_rz(float x) {
  if (x != x) return 0;
  return x >= 0x1p31f ? 0x7fffffff : x < -0x1p31f ? -0x7fffffff - 1 : (int)x;
}
inline unsigned char f32_to_u8(float x) {
  const int i = __float2int_rz(x);
  return (unsigned char)(i < 0 ? 0 : i > 255 ? 255 : i);
}
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline float power_of_2(float x) {
  const float r = std::exp2(x);
  return r < 0x1p-126f ? 0.0f : r;
}
inline float sigmoidf(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

// Sign, `exponent` bits, `mantissa` bits; no infinities looked for.
inline float decode(u32 bits, int exponent, int mantissa) {
  const int bias = (1 << (exponent - 1)) - 1, e = bits >> mantissa & ((1 << exponent) - 1);
  const int m = bits & ((1 << mantissa) - 1);
  const float x = e == 0 ? std::ldexp(float(m), 1 - bias - mantissa)
                         : std::ldexp(float(m + (1 << mantissa)), e - bias - mantissa);
  return bits >> (exponent + mantissa) & 1 ? -x : x;
}
// The nearest such number, ties to even; what is above `largest` becomes it.
inline u32 encode(float x, int exponent, int mantissa, float largest, u32 nan) {
  if (x != x) return nan;
  const u32 sign = std::signbit(x) ? 1u << (exponent + mantissa) : 0;
  const int bias = (1 << (exponent - 1)) - 1;
  float y = std::fabs(x);
  if (y == 0) return sign;
  int e = std::ilogb(y);
  if (e < 1 - bias) e = 1 - bias;
  const double step = std::ldexp(1.0, e - mantissa);
  double rounded = std::nearbyint(y / step) * step;
  if (rounded > largest) rounded = largest;
  int top = rounded == 0 ? 1 - bias : std::ilogb(rounded);
  if (top < 1 - bias) top = 1 - bias;
  const u32 m = static_cast<u32>(std::ldexp(rounded, mantissa - top));
  return sign | (m < 1u << mantissa ? m : m + (static_cast<u32>(top + bias - 1) << mantissa));
}
inline unsigned char f32_to_e4m3(float x) {
  return (unsigned char)encode(x, 4, 3, 448, 0x7f);
}
inline unsigned char f32_to_e5m2(float x) {
  return (unsigned char)encode(x, 5, 2, 57344, 0x7f);
}
inline unsigned short f32_to_f16(float x) {
  if (std::fabs(x) >= 65520.0f) return std::signbit(x) ? 0xfc00 : 0x7c00;
  return (unsigned short)encode(x, 5, 10, 65504, 0x7fff);
}
inline unsigned short f32_to_bf16(float x) {
  const u32 bits = as_bits(x);
  if (x != x) return 0x7fff;
  return static_cast<unsigned short>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline unsigned char f32_to_ue8m0(float x) {
  const u32 bits = as_bits(x) & 0x7fffffffu;
  if (bits > 0x7f800000u) return 0xff;
  u32 e = bits >> 23;
  const u32 m = bits & 0x7fffffu;
  if (e == 0) return m > 0x400000u ? 1 : 0;
  e += m != 0;
  return (unsigned char)(e > 254 ? 254 : e);
}
inline float bf16_to_f32(unsigned short x) {
  return as_float(u32(x) << 16);
}
inline float f16_to_f32(unsigned short x) {
  if ((x & 0x7c00) != 0x7c00) return decode(x, 5, 10);
  return (x & 0x3ff) != 0 ? NAN : x & 0x8000 ? -INFINITY : INFINITY;
}
inline float e4m3_to_f32(unsigned char x) {
  return (x & 0x7f) == 0x7f ? NAN : decode(x, 4, 3);
}
inline float e5m2_to_f32(unsigned char x) {
  return f16_to_f32((unsigned short)(x << 8));
}
inline float ue8m0_to_f32(unsigned char x) {
  if (x == 0xff) return NAN;
  return as_float(x == 0 ? 0x00400000u : u32(x) << 23);
}
inline u32 pack_bf16x2(float lo, float hi) {
  return f32_to_bf16(lo) | u32(f32_to_bf16(hi)) << 16;
}
inline u32 pack_f16x2(float lo, float hi) {
  return f32_to_f16(lo) | u32(f32_to_f16(hi)) << 16;
}
inline u32 pack_e4m3x2(float lo, float hi) {
  return f32_to_e4m3(lo) | u32(f32_to_e4m3(hi)) << 8;
}
inline u32 pack_e5m2x2(float lo, float hi) {
  return f32_to_e5m2(lo) | u32(f32_to_e5m2(hi)) << 8;
}

// Aligned to 16 bytes alone, as dynamic shared memory may be.
constexpr u32 kSharedBase = 0x1010;
inline u32 shared_address(const void* p) {
  return u32(static_cast<const unsigned char*>(p) - shared_bytes) + kSharedBase;
}
inline unsigned char* shared_pointer(u32 address) {
  if (address < kSharedBase || address - kSharedBase >= shared_limit)
    fail("an address outside of shared memory");
  return shared_bytes + (address - kSharedBase);
}
inline void named_barrier_sync(int, int count) {
  meet(block_meeting, count);
}
inline Thread& self() {
  return threads[static_cast<std::size_t>(threadIdx.x)];
}
inline int lane_index() {
  return threadIdx.x % 32;
}
template <int Bytes>
void copy_async(u32 to, const void* from, int valid) {
  if (to % Bytes != 0) fail("cp.async to an address that isn't aligned");
  if (reinterpret_cast<std::uintptr_t>(from) % Bytes != 0)
    fail("cp.async from an address that isn't aligned");
  if (valid < 0 || valid > Bytes) fail("cp.async of more bytes than it has");
  self().open.push_back(
      {shared_pointer(to), static_cast<const unsigned char*>(from), Bytes, valid});
}
inline void copy_async_4(u32 to, const void* from, bool valid) {
  copy_async<4>(to, from, valid ? 4 : 0);
}
inline int bytes_left(long long left, int size, int width) {
  return left <= 0 ? 0 : left >= width / size ? width : int(left) * size;
}
inline void copy_async_commit() {
  self().groups.push_back(std::move(self().open));
  self().open.clear();
}
template <int Pending>
void copy_async_wait() {
  auto& groups = self().groups;
  while (groups.size() > Pending) {
    for (const Copy& c : groups.front()) {
      std::memset(c.to, 0, static_cast<std::size_t>(c.bytes));
      std::memcpy(c.to, c.from, static_cast<std::size_t>(c.valid));
    }
    groups.erase(groups.begin());
  }
}

// ---- warps
// ----------------------------------------------------------------------------------------

/// Shows `mine` to the warp and calls `use` with what all lanes show.
template <class Use>
void warp_together(const Lane& mine, const Use& use) {
  const auto warp = static_cast<std::size_t>(threadIdx.x / 32);
  lanes[warp][static_cast<std::size_t>(threadIdx.x % 32)] = mine;
  meet(warp_meetings[warp], 32);
  use(lanes[warp]);
  meet(warp_meetings[warp], 32);
}
template <class T>
T shuffle(T x, int from) {
  Lane mine{};
  std::memcpy(mine.words, &x, sizeof(T));
  warp_together(mine, [&](const std::vector<Lane>& all) {
    std::memcpy(&x, all[static_cast<std::size_t>(from)].words, sizeof(T));
  });
  return x;
}
template <class T>
T __shfl_sync(u32, T x, int from) {
  return shuffle(x, from);
}
template <class T>
T __shfl_xor_sync(u32, T x, int mask) {
  return shuffle(x, threadIdx.x % 32 ^ mask);
}
inline void __syncwarp() {
  meet(warp_meetings[static_cast<std::size_t>(threadIdx.x / 32)], 32);
}

template <int Count>
void load_matrices(u32 (&r)[Count], u32 address) {
  warp_together({{address}}, [&](const std::vector<Lane>& all) {
    const int lane = threadIdx.x % 32;
    for (int i = 0; i < Count; ++i) {
      u32 banks = 0;
      for (int row = 0; row < 8; ++row) {
        const u32 at = all[static_cast<std::size_t>(8 * i + row)].words[0];
        if (at % 16 != 0) fail("ldmatrix from an address that isn't aligned");
        banks |= 1u << at / 16 % 8;
      }
      if (banks != 0xff) fail("ldmatrix with bank conflicts");
      const u32 at = all[static_cast<std::size_t>(8 * i + lane / 4)].words[0] + 4 * (lane % 4);
      std::memcpy(&r[i], shared_pointer(at), 4);
    }
  });
}
inline void load_matrices_x4(u32 (&r)[4], u32 address) {
  load_matrices(r, address);
}
inline void load_matrices_x2(u32 (&r)[2], u32 address) {
  load_matrices(r, address);
}

/// Element `index` of the 32 bytes of K in a row or column of a fragment whose registers for the
/// first and the next 16 bytes are `first` and `second`; `group` is the row or column modulo 8.
template <int Bytes>
u32 fragment_element(const std::vector<Lane>& all, int group, int index, int first, int second) {
  constexpr int half = 16 / Bytes, each = 4 / Bytes;
  const Lane& lane = all[static_cast<std::size_t>(group * 4 + index % half / each)];
  return lane.words[index < half ? first : second] >> 8 * Bytes * (index % each) &
         ((1ull << 8 * Bytes) - 1);
}
template <int Bytes, class DecodeA, class DecodeB>
void multiply_fragments(float* d, const u32 (&a)[4], const u32 (&b)[2], DecodeA decode_a,
                        DecodeB decode_b) {
  warp_together({{a[0], a[1], a[2], a[3], b[0], b[1]}}, [&](const std::vector<Lane>& all) {
    const int lane = threadIdx.x % 32;
    for (int i = 0; i < 4; ++i) {
      const int column = lane % 4 * 2 + i % 2;
      float sum = 0;
      for (int k = 0; k < 32 / Bytes; ++k) {
        sum += decode_a(fragment_element<Bytes>(all, lane / 4, k, i / 2, i / 2 + 2)) *
               decode_b(fragment_element<Bytes>(all, column, k, 4, 5));
      }
      d[i] += sum;
    }
  });
}
struct MmaE4m3E4m3 {
  static void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    auto value = [](u32 x) { return decode(x, 4, 3); };
    multiply_fragments<1>(d, a, b, value, value);
  }
};
struct MmaE4m3E5m2 {
  static void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    multiply_fragments<1>(
        d, a, b, [](u32 x) { return decode(x, 4, 3); }, [](u32 x) { return decode(x, 5, 2); });
  }
};
struct MmaE5m2E4m3 {
  static void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    multiply_fragments<1>(
        d, a, b, [](u32 x) { return decode(x, 5, 2); }, [](u32 x) { return decode(x, 4, 3); });
  }
};
struct MmaE5m2E5m2 {
  static void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    auto value = [](u32 x) { return decode(x, 5, 2); };
    multiply_fragments<1>(d, a, b, value, value);
  }
};
struct MmaF16 {
  static void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    auto value = [](u32 x) { return f16_to_f32(static_cast<unsigned short>(x)); };
    multiply_fragments<2>(d, a, b, value, value);
  }
};
struct MmaBf16 {
  static void run(float* d, const u32 (&a)[4], const u32 (&b)[2]) {
    auto value = [](u32 x) { return as_float(x << 16); };
    multiply_fragments<2>(d, a, b, value, value);
  }
};

// ---- launch
// ---------------------------------------------------------------------------------------

/// Runs `kernel` for `blocks` blocks of `threads` threads, one after the other; `arguments` point
/// to its parameters.
template <class... P, std::size_t... I>
void launch_kernel(void (*kernel)(P...), int blocks, int threads, int shared, void** arguments,
                   std::index_sequence<I...>) {
  shared_limit = static_cast<u32>(shared);
  static void (*entry)(P...);
  static void** list;
  entry = kernel;
  list = arguments;
  gridDim.x = blocks;
  body = [] { entry(*static_cast<std::remove_const_t<P>*>(list[I])...); };
  for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
    run_block(threads);
    check_shared();
  }
}
template <class... P>
void launch_kernel(void (*kernel)(P...), int blocks, int threads, int shared, void** arguments) {
  launch_kernel(kernel, blocks, threads, shared, arguments, std::index_sequence_for<P...>{});
}
