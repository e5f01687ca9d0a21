// A fold's sums that wgmma adds in place: the consumers' loop over its trips. A product is waited
// for when the next one has been issued, so nothing but a stage's arrival holds up the tensor core,
// and consumers all end a tile at the same time; or they multiply its last trips one after the
// other, so that each one's epilogue comes under the others' products (`order_consumers`).
#include "octile/codegen/cuda/emitter.hpp"

namespace octile::cuda {

namespace {

// Of fewer trips, a consumer could come to its next turn before another has begun its last one.
std::string has_turns(const Plan& plan) {
  return fmt::format("end - begin >= {}", plan.stages);
}

}  // namespace

// The trip that a consumer's turn begins with; one that never comes, of the first consumer and of
// folds without turns.
void Emitter::name_turn(const FoldPlan& plan) {
  out_.line("const int turn = {} && warpgroup > 0 ? end - {} : begin - 1;", has_turns(plan_),
            plan_.trips_in_turn(plan));
}

// Lets go of everything first, or the others' last trips would wait for this one's stage.
void Emitter::await_last_trips(const std::string& empty_before) {
  out_.open("if (trip == turn) {{  // until the consumer before this one has issued its last");
  out_.line("wgmma_wait<0>();");
  release_stage(empty_before);
  out_.line("named_barrier_sync({} + warpgroup, 256);", kLastTripsBarrier);
  out_.close();
}

void Emitter::hand_on_last_trips() {
  out_.line("if ({} && warpgroup + 1 < {}) named_barrier_arrive({} + warpgroup, 256);",
            has_turns(plan_), plan_.consumers, kLastTripsBarrier + 1);
}

// wgmma adds into the carried value; one block stays in flight behind the next. The barrier of the
// stage that it reads is kept until it is over: were that the stage's number instead, ptxas would
// take every descriptor through general registers.
void Emitter::in_place_loop(const FoldPlan& plan) {
  const DotPlan& d = *plan_.find_dot(plan.pipelined_dots[0]);
  std::string array = names_.at(plan.fold->results[0]);
  auto trip_body = [&](const std::string& barrier, const std::string& accumulate) {
    out_.line("mbarrier_wait({}, phase);", barrier);
    pin(array);
    out_.line("wgmma_fence();");
    issue(d, array, {0, d.shape.m_blocks}, {0, d.chunks}, accumulate);
    out_.line("wgmma_commit();");
    pin(array);
  };
  const std::string empty_before = fmt::format("full_before + {}", 8 * plan_.stages);
  const bool peeled = plan.starts_by_product;
  if (peeled) out_.open("if (begin < end) {{");
  out_.line("u32 full_before = full + 8 * stage;");
  if (peeled) {
    trip_body("full_before", "0");
    next_stage("stage", "phase");
  }
  const bool in_turn = plan_.trips_in_turn(plan) > 0;
  if (in_turn) name_turn(plan);
  out_.line("#pragma unroll {}", plan.unroll);
  out_.open("for (int trip = {}; trip < end; {}) {{", peeled ? next_trip("begin") : "begin",
            stepped("trip"));
  if (in_turn) await_last_trips(empty_before);
  out_.line("const u32 full_now = full + 8 * stage;");
  trip_body("full_now", "1");
  out_.line("wgmma_wait<1>();");
  // The stage before is free: there is one, and it wasn't freed before the turn.
  std::vector<std::string_view> conditions;
  if (in_turn) conditions.push_back("trip != turn");
  if (!peeled) conditions.push_back("trip > begin");
  if (!conditions.empty()) out_.open("if ({}) {{", fmt::join(conditions, " && "));
  release_stage(empty_before);
  if (!conditions.empty()) out_.close();
  out_.line("full_before = full_now;");
  next_stage("stage", "phase");
  out_.close();
  if (in_turn) hand_on_last_trips();
  hand_on_turn(plan);  // so that the next team's first product queues behind this one's last
  out_.line("wgmma_wait<0>();");
  pin(array);
  if (!peeled) out_.open("if (begin < end) {{");
  release_stage(empty_before);
  if (peeled)
    no_trips(plan);
  else
    out_.close();
}

}  // namespace octile::cuda
