// Types and integer helpers. Part of the printed prelude: no includes.
#pragma nv_diag_suppress 177  // names that one program declares and doesn't use
typedef unsigned int u32;
typedef unsigned long long u64;

// The compiler takes each call for a new value.
__device__ __forceinline__ int thread_index() {
  int i;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(i));
  return i;
}
// A thread's place in its warp: read again where registers are short, not spilled.
__device__ __forceinline__ int lane_index() {
  int i;
  asm("mov.u32 %0, %%laneid;" : "=r"(i));
  return i;
}
// Never leaves, but ptxas doesn't know: it ends a basic block here. In one of thousands of
// instructions, it takes time out of proportion to schedule them and to allocate registers.
__device__ __forceinline__ void end_block() {
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "setp.eq.u32 p, %0, 0;\n"
      "@p exit;\n"
      "}\n" ::"r"(gridDim.x));
}
__device__ __forceinline__ long long ceil_div(long long a, long long b) {
  return (a + b - 1) / b;
}
__device__ __forceinline__ bool in_bounds(long long i, long long extent) {
  return u64(i) < u64(extent);
}
// The nearest to x that a place in a tile, or the one behind the last, can be.
__device__ __forceinline__ int tile_place(long long x) {
  return x < 0 ? 0 : x < 0x7fffffff ? int(x) : 0x7fffffff;
}

template <int Bytes>
struct Chunk;
template <>
struct Chunk<1> {
  typedef unsigned char type;
};
template <>
struct Chunk<2> {
  typedef unsigned short type;
};
template <>
struct Chunk<4> {
  typedef u32 type;
};
template <>
struct Chunk<8> {
  typedef uint2 type;
};
template <>
struct Chunk<16> {
  typedef uint4 type;
};

// Copies Bytes bytes between registers and memory in pieces of at most 16 bytes.
template <int Bytes>
__device__ __forceinline__ void copy_bytes(void* to, const void* from) {
  constexpr int piece = Bytes < 16 ? Bytes : 16;
  typedef typename Chunk<piece>::type T;
#pragma unroll
  for (int i = 0; i < Bytes / piece; ++i) static_cast<T*>(to)[i] = static_cast<const T*>(from)[i];
}

template <class To, class From>
__device__ __forceinline__ To bit_cast(From x) {
  static_assert(sizeof(To) == sizeof(From), "bitcast between types of different widths");
  To y;
  memcpy(&y, &x, sizeof(To));
  return y;
}
// What is at `from` if that is inside of its tensor, else `other`: a load under a predicate. C++
// would make it a branch, and NVRTC takes a twentieth of a kernel's time for dozens of these.
template <class T, class U>
__device__ __forceinline__ T load_inside(const T* from, bool inside, U other) {
  T x = other;
  if constexpr (sizeof(T) == 8) {
    u64 bits = bit_cast<u64>(x);
    asm volatile("{.reg .pred p; setp.ne.s32 p, %2, 0; @p ld.global.b64 %0, [%1];}"
                 : "+l"(bits)
                 : "l"(from), "r"(int(inside))
                 : "memory");
    return bit_cast<T>(bits);
  } else {
    u32 bits = 0;
    memcpy(&bits, &x, sizeof(T));
    if constexpr (sizeof(T) == 1) {
      asm volatile("{.reg .pred p; setp.ne.s32 p, %2, 0; @p ld.global.u8 %0, [%1];}"
                   : "+r"(bits)
                   : "l"(from), "r"(int(inside))
                   : "memory");
    } else if constexpr (sizeof(T) == 2) {
      asm volatile("{.reg .pred p; setp.ne.s32 p, %2, 0; @p ld.global.u16 %0, [%1];}"
                   : "+r"(bits)
                   : "l"(from), "r"(int(inside))
                   : "memory");
    } else {
      asm volatile("{.reg .pred p; setp.ne.s32 p, %2, 0; @p ld.global.b32 %0, [%1];}"
                   : "+r"(bits)
                   : "l"(from), "r"(int(inside))
                   : "memory");
    }
    memcpy(&x, &bits, sizeof(T));
    return x;
  }
}

// For what has to wait until a value is known.
template <class T>
__device__ __forceinline__ u32 bits_of(T x) {
  return u32(x);
}
__device__ __forceinline__ u32 bits_of(float x) {
  return bit_cast<u32>(x);
}

template <class T>
__device__ __forceinline__ T int_abs(T x) {
  return x < 0 ? -x : x;
}
template <class T>
__device__ __forceinline__ T int_min(T x, T y) {
  return y < x ? y : x;
}
template <class T>
__device__ __forceinline__ T int_max(T x, T y) {
  return x < y ? y : x;
}
// Conversions from f32 saturate; NaN becomes zero. Integers wrap.
__device__ __forceinline__ long long f32_to_i64(float x) {
  return x != x ? 0 : __float2ll_rz(x);
}
__device__ __forceinline__ unsigned char f32_to_u8(float x) {
  int i = __float2int_rz(x);
  return (unsigned char)(i < 0 ? 0 : i > 255 ? 255 : i);
}
