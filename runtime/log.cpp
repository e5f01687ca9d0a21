#include "octile/runtime/log.hpp"

#include <atomic>
#include <mutex>
#include <utility>

namespace octile {
namespace {

struct SinkState {
  std::mutex mutex;
  LogSink sink;
  std::atomic<bool> enabled{false};
};

SinkState& state() {
  static SinkState instance;
  return instance;
}

}  // namespace

void set_log_sink(LogSink sink) {
  const std::lock_guard lock(state().mutex);
  state().enabled = static_cast<bool>(sink);
  state().sink = std::move(sink);
}

namespace runtime {

bool log_enabled() {
  return state().enabled.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view line) {
  if (!log_enabled()) return;
  const std::lock_guard lock(state().mutex);
  if (state().sink) state().sink(level, line);
}

}  // namespace runtime
}  // namespace octile
