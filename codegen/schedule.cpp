#include "octile/codegen/schedule.hpp"

#include <fmt/format.h>

#include <string_view>

#include "octile/codegen/schedule_knobs.hpp"

namespace octile {
namespace {

/// Collects "name=value" words for what differs from the default.
class Words {
 public:
  template <typename Value>
  void add(std::string_view name, const Value& value) {
    text_ += fmt::format("{}{}={}", text_.empty() ? "" : " ", name, value);
  }

  template <typename Value>
  void add_changed(std::string_view name, const Value& value, const Value& initial) {
    if (value != initial) add(name, value);
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

std::string to_string(const Schedule& schedule) {
  Words words;
  for (const auto& [axis, extent] : schedule.axes) words.add(axis, extent);
  const Schedule initial;
  for_each_knob([&](std::string_view name, auto knob) {
    words.add_changed(name, schedule.*knob, initial.*knob);
  });
  return words.text();
}

}  // namespace octile
