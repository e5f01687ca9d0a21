// The knobs of a schedule by name, for what prints and reads them.
#pragma once

#include "octile/codegen/schedule.hpp"

namespace octile {

/// Calls `visit(name, member)` for every knob but the axes' extents, in the order of their text;
/// `member` points to an int, a bool or a string of Schedule.
template <class Visitor>
void for_each_knob(Visitor&& visit) {
#define OCTILE_KNOB(knob) visit(#knob, &Schedule::knob)
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
}

}  // namespace octile
