// GPU time of what a call launches, from CUPTI's activity records, with a cold L2.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "octile/bench/device.hpp"

namespace octile::bench {

/// One kernel that ran.
struct KernelRecord {
  std::string name;
  std::uint64_t start_ns = 0, end_ns = 0;
  int grid[3] = {}, block[3] = {}, cluster = 1;
  int registers = 0;     ///< per thread
  int shared_bytes = 0;  ///< per CTA, static and dynamic
};

struct Timing {
  double median_us = 0, min_us = 0, max_us = 0;
  std::vector<double> rounds_us;           ///< of each timed round, in order
  std::vector<KernelRecord> last_kernels;  ///< the kernels of the last round
};

struct TimerOptions {
  int rounds = 24;                                   ///< at least 20 for a figure to report
  int warmup = 4;                                    ///< rounds before them, not counted
  std::size_t flush_bytes = std::size_t{512} << 20;  ///< written before each round; 0: warm L2
  /// Launches of a round, in a row. Of several, the time is the span from the first one's start to
  /// the last one's end, with the gaps between them, divided by their number.
  int in_a_row = 1;
};

/// Times kernels through CUPTI. One object per process.
class KernelTimer {
 public:
  static KernelTimer& instance();  ///< throws Error where CUPTI is missing or refuses

  /// Runs `launch` (which only enqueues on device().stream) `warmup + rounds` times, each after a
  /// fill larger than the L2, without waiting in between. A round's time is the union of the
  /// intervals in which its kernels ran, so that the fill and launch gaps don't count, unless there
  /// are several launches in a row. Throws Error when a round ran no kernel.
  Timing time(const std::function<void()>& launch, const TimerOptions& options = {});

 private:
  KernelTimer();
  DeviceBuffer flush_;
};

}  // namespace octile::bench
