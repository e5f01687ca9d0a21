// Schedules as text: what octile::to_string(Schedule) prints, and tables of them, a line for each.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "octile/bench/gemm_data.hpp"
#include "octile/codegen/schedule.hpp"

namespace octile::bench {

/// A whole number of at least `least`; throws Error that names `what`, the flag.
int parse_count(const std::string& what, const std::string& value, int least);

/// "BM=128 BN=160 stages=5": words are name=value; a name that is no knob is a tile axis. Throws
/// Error for a word without "=", a value of the wrong kind, or a name given twice.
Schedule parse_schedule(const std::string& text);

/// How one kernel computes one shape.
struct ScheduleLine {
  std::string kernel;  ///< "octile_blockwise"
  Shape shape;
  Schedule schedule;
};

/// Lines "[kernel] m n k | knob=value ..." ("[kernel] batch m n k | ..."); an empty schedule lets
/// Octile pick; "#" starts a comment. Lines without a kernel get `kernel`. Throws Error with the
/// line's number.
std::vector<ScheduleLine> read_schedules(std::istream& input, const std::string& kernel);

/// The same, of a file.
std::vector<ScheduleLine> read_schedule_file(const std::string& path, const std::string& kernel);

/// A line that read_schedules reads.
std::string to_string(const ScheduleLine& line);

}  // namespace octile::bench
