// Reading schedules back from the text that octile::to_string(Schedule) prints.
#pragma once

#include <string>

#include "octile/codegen/schedule.hpp"

namespace octile::bench {

/// "BM=128 BN=160 stages=5": words are name=value; a name that is no knob is a tile axis. Throws
/// Error for a word without "=", a value of the wrong kind, or a name given twice.
Schedule parse_schedule(const std::string& text);

}  // namespace octile::bench
