#include "octile/codegen/cpu/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>

namespace octile::cpu {
namespace {

TEST(ThreadPool, EveryIndexOnce) {
  ThreadPool pool(4);
  EXPECT_EQ(pool.size(), 4);
  for (const std::int64_t count : {1, 2, 7, 1000}) {
    for (const std::int64_t grain : {1, 3, 5000}) {
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
      pool.run(count, grain, 0, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
      });
      for (const auto& hit : hits) ASSERT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, NothingToDo) {
  ThreadPool pool(2);
  pool.run(0, 1, 0, [](std::int64_t, std::int64_t) { FAIL(); });
}

TEST(ThreadPool, OneThreadIsTheCaller) {
  ThreadPool pool(3);
  const auto self = std::this_thread::get_id();
  pool.run(50, 1, 1,
           [&](std::int64_t, std::int64_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
}

TEST(ThreadPool, ExceptionsReachTheCallerAndStopTheWork) {
  ThreadPool pool(3);
  std::atomic<int> done{0};
  try {
    pool.run(100000, 1, 0, [&](std::int64_t begin, std::int64_t) {
      if (begin == 10) throw std::runtime_error("piece 10");
      ++done;
    });
    FAIL() << "expected an exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "piece 10");
  }
  EXPECT_LT(done, 100000);
  // The pool is as good as new.
  std::atomic<int> count{0};
  pool.run(10, 1, 0, [&](std::int64_t, std::int64_t) { ++count; });
  EXPECT_EQ(count, 10);
}

TEST(ThreadPool, NestedRunsFinish) {
  ThreadPool pool(3);
  std::atomic<int> count{0};
  pool.run(8, 1, 0, [&](std::int64_t, std::int64_t) {
    pool.run(8, 1, 0, [&](std::int64_t, std::int64_t) {
      pool.run(4, 1, 0, [&](std::int64_t, std::int64_t) { ++count; });
    });
  });
  EXPECT_EQ(count, 8 * 8 * 4);
}

TEST(ThreadPool, ManyCallersAtOnce) {
  ThreadPool pool(3);
  std::atomic<std::int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        pool.run(20, 1, 0, [&](std::int64_t begin, std::int64_t) { sum += begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4 * 200 * 190);
}

}  // namespace
}  // namespace octile::cpu
