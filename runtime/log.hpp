// Logging goes to a sink that the application sets. The library itself never prints.
#pragma once

#include <functional>
#include <string_view>

namespace octile {

enum class LogLevel { debug, info, warning };

using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Sets where log lines go (an empty function: nowhere, the default). The sink may be called from
/// any thread, one call at a time, and must not call back into Octile. Thread-safe.
void set_log_sink(LogSink sink);

namespace runtime {

/// True when a sink is set; lets callers skip formatting.
bool log_enabled();
void log(LogLevel level, std::string_view line);

}  // namespace runtime
}  // namespace octile
