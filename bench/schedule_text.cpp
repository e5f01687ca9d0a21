#include "octile/bench/schedule_text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "octile/bench/device.hpp"
#include "octile/codegen/schedule_knobs.hpp"

namespace octile::bench {
namespace {

template <typename Integer>
Integer parse_integer(const std::string& what, const std::string& value) {
  Integer number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, failure] = std::from_chars(value.data(), end, number);
  if (failure != std::errc() || stop != end) {
    throw Error(what + " needs a whole number, got \"" + value + "\"");
  }
  return number;
}

using Setter = std::function<void(Schedule&, const std::string& word, const std::string& value)>;

Setter setter(int Schedule::*knob) {
  return [knob](Schedule& s, const std::string& word, const std::string& value) {
    s.*knob = parse_integer<int>("schedule: \"" + word + "\"", value);
  };
}
Setter setter(std::string Schedule::*knob) {
  return [knob](Schedule& s, const std::string&, const std::string& value) { s.*knob = value; };
}
Setter setter(bool Schedule::*knob) {
  return [knob](Schedule& s, const std::string& word, const std::string& value) {
    if (value != "true" && value != "false" && value != "1" && value != "0") {
      throw Error("schedule: \"" + word + "\" needs true or false after \"=\"");
    }
    s.*knob = value == "true" || value == "1";
  };
}

const std::map<std::string, Setter>& knobs() {
  static const std::map<std::string, Setter> table = [] {
    std::map<std::string, Setter> all;
    for_each_knob([&](const char* name, auto knob) { all[name] = setter(knob); });
    return all;
  }();
  return table;
}

}  // namespace

int parse_count(const std::string& what, const std::string& value, int least) {
  const int count = parse_integer<int>(what, value);
  if (count < least)
    throw Error(what + " needs at least " + std::to_string(least) + ", got " + value);
  return count;
}

Schedule parse_schedule(const std::string& text) {
  Schedule schedule;
  std::set<std::string> seen;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == word.size()) {
      throw Error("schedule: expected name=value, got \"" + word + "\"");
    }
    const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
    if (!seen.insert(name).second) throw Error("schedule: \"" + name + "\" is given twice");
    if (const auto knob = knobs().find(name); knob != knobs().end()) {
      knob->second(schedule, word, value);
    } else {
      schedule.axes[name] = parse_integer<std::int64_t>("schedule: \"" + word + "\"", value);
    }
  }
  return schedule;
}

std::vector<ScheduleLine> read_schedules(std::istream& input, const std::string& kernel) {
  std::vector<ScheduleLine> lines;
  int number = 0;
  for (std::string text; std::getline(input, text);) {
    ++number;
    text.erase(std::find(text.begin(), text.end(), '#'), text.end());
    const std::size_t start = text.find_first_not_of(" \t\r");
    if (start == std::string::npos) continue;
    try {
      const std::size_t bar = text.find('|');
      if (bar == std::string::npos) {
        throw Error("expected \"[kernel] m n k | knob=value ...\", got \"" + text + "\"");
      }
      ScheduleLine line{kernel, {}, parse_schedule(text.substr(bar + 1))};
      std::size_t sizes = start;
      if (std::isdigit(static_cast<unsigned char>(text[start])) == 0) {
        sizes = std::min(text.find_first_of(" \t", start), bar);
        line.kernel = text.substr(start, sizes - start);
      }
      line.shape = parse_shape(text.substr(sizes, bar - sizes));
      lines.push_back(std::move(line));
    } catch (const std::exception& error) {
      throw Error("line " + std::to_string(number) + ": " + error.what());
    }
  }
  return lines;
}

std::vector<ScheduleLine> read_schedule_file(const std::string& path, const std::string& kernel) {
  std::ifstream file(path);
  if (!file) throw Error("can't read " + path);
  try {
    return read_schedules(file, kernel);
  } catch (const Error& error) {
    throw Error(path + ": " + error.what());
  }
}

std::string to_string(const ScheduleLine& line) {
  std::string sizes = to_string(line.shape);
  std::replace(sizes.begin(), sizes.end(), 'x', ' ');
  return line.kernel + " " + sizes + " | " + octile::to_string(line.schedule);
}

}  // namespace octile::bench
