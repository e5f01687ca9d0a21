#include "octile/codegen/cpu/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <exception>

namespace octile::cpu {

struct ThreadPool::Job {
  Job(std::int64_t count_in, std::int64_t grain_in, int helpers_in, const Work& work_in)
      : count(count_in), grain(grain_in), work(work_in), helpers_wanted(helpers_in) {}

  const std::int64_t count;
  const std::int64_t grain;
  const Work& work;  ///< the caller's; no piece starts after the caller has returned
  std::atomic<std::int64_t> next{0};
  int helpers_wanted;  ///< under the pool's mutex

  std::mutex mutex;
  std::condition_variable idle;
  int helpers = 0;  ///< threads inside work_off, besides the caller
  std::exception_ptr error;

  /// Takes pieces until none is left.
  void work_off() {
    for (;;) {
      const std::int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      try {
        work(begin, std::min(begin + grain, count));
      } catch (...) {
        next.store(count, std::memory_order_relaxed);
        const std::lock_guard lock(mutex);
        if (error == nullptr) error = std::current_exception();
        return;
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int i = 1; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<ThreadPool::Job> ThreadPool::take_job() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
  if (jobs_.empty()) return nullptr;
  const std::shared_ptr<Job> job = jobs_.front();
  if (--job->helpers_wanted == 0) jobs_.pop_front();
  // Counted under the pool's mutex: once the caller has taken the job off the queue, no thread can
  // still be on its way in.
  const std::lock_guard job_lock(job->mutex);
  ++job->helpers;
  return job;
}

void ThreadPool::serve() {
  while (const std::shared_ptr<Job> job = take_job()) {
    job->work_off();
    const std::lock_guard lock(job->mutex);
    if (--job->helpers == 0) job->idle.notify_all();
  }
}

void ThreadPool::run(std::int64_t count, std::int64_t grain, int threads, const Work& work) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t pieces = (count - 1) / grain + 1;
  const int allowed = threads > 0 ? std::min(threads, size()) : size();
  const int helpers = static_cast<int>(std::min<std::int64_t>(allowed, pieces)) - 1;
  if (helpers <= 0) {
    for (std::int64_t begin = 0; begin < count; begin += grain) {
      work(begin, std::min(begin + grain, count));
    }
    return;
  }
  const auto job = std::make_shared<Job>(count, grain, helpers, work);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }
  for (int i = 0; i < helpers; ++i) wake_.notify_one();
  job->work_off();
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find(jobs_.begin(), jobs_.end(), job);
    if (found != jobs_.end()) jobs_.erase(found);
  }
  std::unique_lock lock(job->mutex);
  job->idle.wait(lock, [&] { return job->helpers == 0; });
  if (job->error != nullptr) std::rethrow_exception(job->error);
}

ThreadPool& ThreadPool::shared() {
  static ThreadPool pool;
  return pool;
}

}  // namespace octile::cpu
