// A pool of threads that share out the points of a grid.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace octile::cpu {

/// Runs index ranges on several threads. The calling thread always takes part, so a call made from
/// inside another call's work finishes even when every other thread is busy.
class ThreadPool {
 public:
  /// `work(begin, end)` handles indices [begin, end); called many times, from several threads.
  using Work = std::function<void(std::int64_t begin, std::int64_t end)>;

  /// `threads` counts the caller: threads - 1 are started. 0: one per hardware thread.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Runs `work` over [0, count) in pieces of `grain` on at most `threads` threads (0: all).
  /// Rethrows the first exception; no piece is started after one has thrown.
  void run(std::int64_t count, std::int64_t grain, int threads, const Work& work);

  /// Threads that a call can use, the caller's included.
  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// The pool that compiled programs run on, made at first use.
  static ThreadPool& shared();

 private:
  struct Job;
  void serve();
  std::shared_ptr<Job> take_job();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;  ///< with a place left for another thread
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace octile::cpu
