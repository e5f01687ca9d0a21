// Host work over all cores: references of large products take minutes on one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace octile::test {

/// Calls `work(i)` for every i in [0, count), in runs of `grain`, on all cores. `work` must not
/// throw.
template <class Work>
void parallel_for(std::int64_t count, std::int64_t grain, const Work& work) {
  std::atomic<std::int64_t> next = 0;
  const auto run = [&] {
    for (std::int64_t begin = next.fetch_add(grain); begin < count; begin = next.fetch_add(grain)) {
      for (std::int64_t i = begin; i < std::min(count, begin + grain); ++i) work(i);
    }
  };
  const std::int64_t most = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> pool;
  for (std::int64_t t = 1; t < std::min(most, (count + grain - 1) / grain); ++t)
    pool.emplace_back(run);
  run();
}

}  // namespace octile::test
