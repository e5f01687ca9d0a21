// The in-memory cache: one compile per key, however many threads and sizes.
#include <atomic>
#include <thread>

#include "octile/octile.hpp"
#include "octile/runtime/nvrtc.hpp"
#include "support.hpp"

namespace octile {
namespace {

constexpr dim<"N"> N;
constexpr axis<"BN"> BN;

auto twice() {
  return kernel("twice", in<f32>("x", N), out<f32>("y", N), [](auto x, auto y) {
    return grid(N / BN, [=](auto i) { return store(y(BN[i]), x(BN[i]) * 2.0f); });
  });
}

/// Calls `work(thread)` on `count` threads that start together.
template <class Work>
void on_threads(int count, const Work& work) {
  std::atomic<int> waiting{count};
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t) {
    threads.emplace_back([&, t] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      work(t);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Cache, CompilesOncePerKeyUnderThreads) {
  if (!cpu::available()) GTEST_SKIP() << "built without the CPU back end";
  const auto k = twice().with({BN(64)});
  std::atomic<int> wrong{0};
  on_threads(8, [&](int thread) {
    Tensor x = Tensor::empty<f32>(Place::host, {100 + thread});
    Tensor y = Tensor::empty<f32>(Place::host, {100 + thread});
    x.copy_from(std::vector<float>(static_cast<std::size_t>(100 + thread), 3.0f));
    for (int i = 0; i < 20; ++i) k(Stream::cpu({.threads = 1}), x, y);
    for (const float value : y.to_floats()) wrong += value != 6.0f;
  });
  EXPECT_EQ(wrong, 0);
  const CacheStatistics statistics = k.statistics();
  EXPECT_EQ(statistics.plans, 8) << "one per size";
  EXPECT_EQ(statistics.variants, 1) << "the schedule is the same for every size";
  EXPECT_EQ(statistics.compiles, 1);
}

TEST(Cache, SchedulesAndModesAreKeys) {
  if (!cpu::available()) GTEST_SKIP() << "built without the CPU back end";
  const auto k = twice();
  Tensor x = Tensor::zeros(Place::host, ElementType::f32, {256});
  Tensor y = Tensor::empty<f32>(Place::host, {256});
  for (int round = 0; round < 3; ++round) {
    k.with({BN(32)})(Stream::cpu(), x, y);
    k.with({BN(64)})(Stream::cpu(), x, y);
    k.with({BN(64)})(Stream::cpu({.checked = true}), x, y);
  }
  EXPECT_EQ(k.statistics().compiles, 3);
  EXPECT_EQ(k.statistics().plans, 3);
}

TEST(Cache, CompilesCudaOncePerKeyUnderThreads) {
  if (!runtime::nvrtc_problem().empty()) GTEST_SKIP() << runtime::nvrtc_problem();
  const auto k = twice().with({BN(256), warps(4)});
  on_threads(4, [&](int) { k.compile_for({{"N", 4096}}); });
  EXPECT_EQ(k.statistics().variants, 1);
  EXPECT_EQ(k.statistics().compiles, 1);
  // 4097 elements share the code of 4096, since nothing in the schedule depends on the size.
  k.compile_for({{"N", 4097}});
  EXPECT_EQ(k.statistics().compiles, 1);
  cuda::Target smaller;
  smaller.sm_count = 66;
  k.compile_for({{"N", 4096}}, smaller);
  EXPECT_EQ(k.statistics().compiles, 2);
}

}  // namespace
}  // namespace octile
