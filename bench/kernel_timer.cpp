#include "octile/bench/kernel_timer.hpp"

#include <cupti.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

namespace octile::bench {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{8} << 20;

struct Activity {
  std::uint64_t memset_bytes = 0;  // 0: a kernel
  KernelRecord kernel;             // start and end also of a memset
};

struct Cupti {
  SharedLibrary library{{"libcupti.so.13", "libcupti.so.12", "libcupti.so"}};
  decltype(&cuptiActivityRegisterCallbacks) register_callbacks = nullptr;
  decltype(&cuptiActivityEnable) enable = nullptr;
  decltype(&cuptiActivityFlushAll) flush_all = nullptr;
  decltype(&cuptiActivityGetNextRecord) next_record = nullptr;
  decltype(&cuptiGetResultString) result_string = nullptr;
  std::mutex mutex;
  std::vector<Activity> activities;  // guarded by mutex: CUPTI hands buffers over on its own thread

  Cupti() {
    const auto load = [&](auto& function, const char* name) {
      function =
          reinterpret_cast<std::remove_reference_t<decltype(function)>>(library.symbol(name));
    };
    load(register_callbacks, "cuptiActivityRegisterCallbacks");
    load(enable, "cuptiActivityEnable");
    load(flush_all, "cuptiActivityFlushAll");
    load(next_record, "cuptiActivityGetNextRecord");
    load(result_string, "cuptiGetResultString");
  }
  void check(CUptiResult result, const char* what) const {
    if (result == CUPTI_SUCCESS) return;
    const char* text = nullptr;
    result_string(result, &text);
    throw Error(std::string(what) + ": " + (text != nullptr ? text : "unknown CUPTI error"));
  }
};

Cupti& cupti() {
  static Cupti instance;
  return instance;
}

void CUPTIAPI give_buffer(std::uint8_t** buffer, std::size_t* size, std::size_t* max_records) {
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(8, kBufferBytes));
  *size = *buffer == nullptr ? 0 : kBufferBytes;
  *max_records = 0;
}

void append(const CUpti_Activity* record, std::vector<Activity>& out) {
  if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
    const auto* memset = reinterpret_cast<const CUpti_ActivityMemset4*>(record);
    Activity activity;
    activity.memset_bytes = memset->bytes;
    activity.kernel.start_ns = memset->start;
    activity.kernel.end_ns = memset->end;
    out.push_back(std::move(activity));
  } else if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
    const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
    Activity activity;
    activity.kernel = {
        kernel->name != nullptr ? kernel->name : "",
        kernel->start,
        kernel->end,
        {kernel->gridX, kernel->gridY, kernel->gridZ},
        {kernel->blockX, kernel->blockY, kernel->blockZ},
        std::max(1, static_cast<int>(kernel->clusterX * kernel->clusterY * kernel->clusterZ)),
        kernel->registersPerThread,
        kernel->staticSharedMemory + kernel->dynamicSharedMemory};
    out.push_back(std::move(activity));
  }
}

void CUPTIAPI take_buffer(CUcontext, std::uint32_t, std::uint8_t* buffer, std::size_t,
                          std::size_t valid) {
  Cupti& c = cupti();
  const std::lock_guard lock(c.mutex);
  CUpti_Activity* record = nullptr;
  while (valid > 0 && c.next_record(buffer, valid, &record) == CUPTI_SUCCESS) {
    append(record, c.activities);
  }
  std::free(buffer);
}

std::vector<Activity> collect() {
  Cupti& c = cupti();
  c.check(c.flush_all(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "cuptiActivityFlushAll");
  const std::lock_guard lock(c.mutex);
  std::vector<Activity> activities = std::move(c.activities);
  c.activities.clear();
  std::stable_sort(activities.begin(), activities.end(), [](const Activity& a, const Activity& b) {
    return a.kernel.start_ns < b.kernel.start_ns;
  });
  return activities;
}

// Length of the union of the kernels' intervals, which are sorted by start.
double busy_us(const std::vector<KernelRecord>& kernels) {
  std::uint64_t total = 0, covered_to = 0;
  for (const KernelRecord& kernel : kernels) {
    const std::uint64_t from = std::max(kernel.start_ns, covered_to);
    if (kernel.end_ns > from) total += kernel.end_ns - from;
    covered_to = std::max(covered_to, kernel.end_ns);
  }
  return static_cast<double>(total) * 1e-3;
}

double span_us(const std::vector<KernelRecord>& kernels) {
  std::uint64_t end = 0;
  for (const KernelRecord& kernel : kernels) end = std::max(end, kernel.end_ns);
  return static_cast<double>(end - kernels.front().start_ns) * 1e-3;
}

// A marker (a memset of a size that nothing else writes) opens each round.
std::vector<std::vector<KernelRecord>> split_rounds(const std::vector<Activity>& activities,
                                                    std::uint64_t marker_bytes) {
  std::vector<std::vector<KernelRecord>> rounds;
  for (const Activity& activity : activities) {
    if (activity.memset_bytes == marker_bytes) {
      rounds.emplace_back();
    } else if (activity.memset_bytes == 0 && !rounds.empty()) {
      rounds.back().push_back(activity.kernel);
    }
  }
  return rounds;
}

}  // namespace

KernelTimer& KernelTimer::instance() {
  static KernelTimer timer;
  return timer;
}

KernelTimer::KernelTimer() {
  Cupti& c = cupti();
  device();
  c.check(c.register_callbacks(give_buffer, take_buffer), "cuptiActivityRegisterCallbacks");
  c.check(c.enable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL), "cuptiActivityEnable(kernel)");
  c.check(c.enable(CUPTI_ACTIVITY_KIND_MEMSET), "cuptiActivityEnable(memset)");
}

Timing KernelTimer::time(const std::function<void()>& launch, const TimerOptions& options) {
  constexpr std::size_t kMarkerExtra = 4096 + 64;  // makes the fill's size tell it apart
  const std::size_t marker = options.flush_bytes + kMarkerExtra;
  if (flush_.bytes() < marker) flush_ = DeviceBuffer(marker);
  device().synchronize();
  collect();
  const int rounds = options.warmup + options.rounds;
  for (int round = 0; round < rounds; ++round) {
    check(driver().cuMemsetD8Async_(flush_.address(), static_cast<unsigned char>(round), marker,
                                    device().stream),
          "filling the L2");
    for (int i = 0; i < options.in_a_row; ++i) launch();
  }
  device().synchronize();

  const auto records = split_rounds(collect(), marker);
  if (static_cast<int>(records.size()) != rounds) {
    throw Error("CUPTI reported " + std::to_string(records.size()) + " rounds of " +
                std::to_string(rounds) + "; were activity records dropped?");
  }
  Timing timing;
  for (int round = options.warmup; round < rounds; ++round) {
    const auto& kernels = records[static_cast<std::size_t>(round)];
    if (kernels.empty()) throw Error("a timed call launched no kernel");
    timing.rounds_us.push_back(options.in_a_row > 1 ? span_us(kernels) / options.in_a_row
                                                    : busy_us(kernels));
  }
  timing.last_kernels = records.back();
  std::vector<double> sorted = timing.rounds_us;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  timing.median_us = sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  timing.min_us = sorted.front();
  timing.max_us = sorted.back();
  return timing;
}

}  // namespace octile::bench
