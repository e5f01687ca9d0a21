#include "octile/codegen/cpu/dot/dispatch.hpp"

#include <atomic>
#include <cstring>

namespace octile::cpu {
namespace {

struct Set {
  const Fp8Kernels* fp8;
  const F32Kernels* f32;
};

std::vector<Set> runnable_sets() {
  std::vector<Set> sets;
#ifdef OCTILE_DOT_X86
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx512) sets.push_back({&kFp8Avx512, &kF32Avx512});
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    sets.push_back({&kFp8Avx2, &kF32Avx2});
  }
#endif
  sets.push_back({&kFp8Portable, &kF32Portable});
  return sets;
}

const std::vector<Set>& sets() {
  static const std::vector<Set> all = runnable_sets();
  return all;
}

std::atomic<const Set*>& chosen() {
  static std::atomic<const Set*> set{&sets().front()};
  return set;
}

}  // namespace

const Fp8Kernels& fp8_kernels() {
  return *chosen().load(std::memory_order_relaxed)->fp8;
}

const F32Kernels& f32_kernels() {
  return *chosen().load(std::memory_order_relaxed)->f32;
}

const std::vector<const Fp8Kernels*>& all_fp8_kernels() {
  static const std::vector<const Fp8Kernels*> all = [] {
    std::vector<const Fp8Kernels*> list;
    for (const Set& set : sets()) list.push_back(set.fp8);
    return list;
  }();
  return all;
}

const char* dot_instruction_set() {
  return fp8_kernels().name;
}

bool set_dot_instruction_set(const char* name) {
  for (const Set& set : sets()) {
    if (std::strcmp(set.fp8->name, name) != 0) continue;
    chosen().store(&set, std::memory_order_relaxed);
    return true;
  }
  return false;
}

std::size_t dot_scratch_bytes(const DotShape& shape) {
  return is_fp8(shape.a_type) ? fp8_dot_scratch_bytes(shape) : f32_dot_scratch_bytes(shape);
}

void dot(const DotShape& shape, const void* a, const void* b, const float* start, float* out,
         std::byte* scratch) {
  if (is_fp8(shape.a_type)) {
    fp8_dot(shape, static_cast<const std::uint8_t*>(a), static_cast<const std::uint8_t*>(b), start,
            out, scratch);
  } else {
    f32_dot(shape, static_cast<const float*>(a), static_cast<const float*>(b), out, scratch);
  }
}

}  // namespace octile::cpu
