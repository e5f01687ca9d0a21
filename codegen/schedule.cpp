#include "octile/codegen/schedule.hpp"

#include <fmt/format.h>

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
#define OCTILE_KNOB(knob) words.add_changed(#knob, schedule.knob, initial.knob)
  OCTILE_KNOB(stages);
  OCTILE_KNOB(consumers);
  OCTILE_KNOB(warps);
  OCTILE_KNOB(ping_pong);
  OCTILE_KNOB(order_consumers);
  OCTILE_KNOB(stagger_consumers);
  OCTILE_KNOB(accumulators);
  OCTILE_KNOB(unroll);
  OCTILE_KNOB(cluster);
  OCTILE_KNOB(cluster_axis);
  OCTILE_KNOB(fastest_axis);
  OCTILE_KNOB(group_width);
  OCTILE_KNOB(persistent);
  OCTILE_KNOB(ctas_per_sm);
  OCTILE_KNOB(split_fold);
  OCTILE_KNOB(fold_teams);
  OCTILE_KNOB(stream_fold);
  OCTILE_KNOB(swap_operands);
  OCTILE_KNOB(mma_sync);
  OCTILE_KNOB(transpose_panels);
  OCTILE_KNOB(outer_products);
  OCTILE_KNOB(tile_pieces);
  OCTILE_KNOB(tma_store);
  OCTILE_KNOB(epilogue_overlap);
  OCTILE_KNOB(stores_apart);
  OCTILE_KNOB(producer_registers);
  OCTILE_KNOB(consumer_registers);
  OCTILE_KNOB(dependent_launch);
#undef OCTILE_KNOB
  return words.text();
}

}  // namespace octile
