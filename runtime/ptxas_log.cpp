// The reader of ptxas's verbose report.
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "octile/runtime/nvrtc.hpp"

namespace octile::runtime {
namespace {

bool contains(std::string_view line, std::string_view text) {
  return line.find(text) != std::string_view::npos;
}

/// The integer that stands right before `words` ("0" in "0 bytes spill stores"); -1 when absent.
int number_before(std::string_view line, std::string_view words) {
  const std::size_t end = line.find(words);
  if (end == std::string_view::npos) return -1;
  std::size_t begin = end;
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(line[begin - 1])) != 0) --begin;
  if (begin == end) return -1;
  return std::atoi(std::string(line.substr(begin, end - begin)).c_str());
}

void take(int& field, int value) {
  if (value >= 0) field = value;
}

/// ptxas's advice has codes such as C7510; a wgmma that it serialises runs several times slower.
void read_advice(PtxasReport& report, const std::string& line) {
  const bool advisory = contains(line, "Potential Performance Loss");
  if (advisory || contains(line, "warning")) report.warnings.push_back(line);
  if (advisory && contains(line, "wgmma") && contains(line, "serialized")) {
    report.wgmma_serialized = true;
  }
}

}  // namespace

PtxasReport parse_ptxas_log(const std::string& log, const std::string& entry) {
  PtxasReport report;
  std::istringstream lines(log);
  std::string line;
  bool ours = false;
  while (std::getline(lines, line)) {
    read_advice(report, line);
    if (contains(line, "Compiling entry function")) ours = contains(line, "'" + entry + "'");
    // Device functions that are not inlined have properties of their own.
    if (contains(line, "Function properties for")) {
      ours = contains(line + "\n", "Function properties for " + entry + "\n");
    }
    if (!ours) continue;
    take(report.stack_bytes, number_before(line, " bytes stack frame"));
    take(report.spill_store_bytes, number_before(line, " bytes spill stores"));
    take(report.spill_load_bytes, number_before(line, " bytes spill loads"));
    take(report.registers, number_before(line, " registers"));
    take(report.barriers, number_before(line, " barriers"));
    take(report.shared_bytes, number_before(line, " bytes smem"));
  }
  return report;
}

}  // namespace octile::runtime
