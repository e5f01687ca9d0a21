// Teams of consumers. Ping-pong: they take this CTA's tiles in turn, so that one team's epilogue
// passes under another's products. All see the same rings; a team goes past the stages and panels
// of tiles that aren't its own. Folds take turns too: a stage is waited for by its phase's parity,
// which says nothing to a team that is more than one round of the ring ahead.
// Or they take the trips of a fold in turn, so that one's promotion passes under another's products
// even where both wait for operands: each has a stage to itself, all read the same panels, and the
// first team, whose trip is the last, goes on with the sum of all.
#include "octile/codegen/cuda/emitter.hpp"

namespace octile::cuda {

// What a team counts itself by, where several share something that a single team has alone.
std::string Emitter::team_text(const std::string& alone) const {
  return plan_.schedule.ping_pong ? "team" : alone;
}

// Waits for all threads that compute the tile.
void Emitter::meet() {
  out_.line("named_barrier_sync({}, {});", plan_.teams > 1 ? "1 + team" : "1",
            plan_.compute_threads);
}

// Threads, warps and warpgroups are counted within the team from here on.
void Emitter::begin_team() {
  if (plan_.teams == 1) return;
  const int threads = plan_.compute_threads;
  out_.line(
      "const int team = warp / {0}, thread_in_team = thread % {1}, warp_in_team = warp % {0};",
      threads / 32, threads);
  out_.open("{{");
  out_.line("const int thread = thread_in_team, warp = warp_in_team, warpgroup = warp / 4;");
  if (plan_.barrier_offset != plan_.reduce_offset)
    out_.line("unsigned char* const exchange = ring + {} + team * {};", plan_.reduce_offset,
              kReduceBytes);
  if (plan_.shares_trips()) return;
  out_.line("int turn = 0;  // of the team whose tile it is");
  out_.line("if (team == {}) named_barrier_arrive({}, {});", plan_.teams - 1, kTurnBarrier,
            2 * threads);
}

void Emitter::end_team() {
  if (plan_.teams == 1) return;
  if (plan_.shares_trips()) return out_.close();
  out_.line("if (turn == team) named_barrier_sync({} + team, {});  // the turn that is left over",
            kTurnBarrier, 2 * plan_.compute_threads);
  out_.close();
}

// Waits until the team before has seen all stages of its tile.
void Emitter::take_turn(const FoldPlan& fold) {
  if (!plan_.schedule.ping_pong || &fold != &plan_.folds.front()) return;
  out_.line("named_barrier_sync({} + team, {});", kTurnBarrier, 2 * plan_.compute_threads);
}

void Emitter::hand_on_turn(const FoldPlan& fold) {
  if (!plan_.schedule.ping_pong || &fold != &plan_.folds.back()) return;
  out_.line("named_barrier_arrive({} + (team + 1) % {}, {});", kTurnBarrier, plan_.teams,
            2 * plan_.compute_threads);
}

// Goes past a tile of another team.
void Emitter::skip_tile() {
  if (!plan_.schedule.ping_pong) return;
  out_.line("const bool mine = turn == team;");
  out_.line("turn = turn + 1 == {} ? 0 : turn + 1;", plan_.teams);
  out_.open("if (!mine) {{");
  for (const FoldPlan& f : plan_.folds) {
    out_.open("{{");
    fold_bounds(*f.fold);
    out_.line("const int passed = stage + end - begin;");
    out_.line("stage = passed % {};", plan_.stages);
    out_.line("phase ^= passed / {} & 1;", plan_.stages);
    end_pairs(f);
    if (!f.panels.empty()) {
      out_.line("const int copies = begin < end ? (end - begin / {0} * {0} + {1}) / {2} : 0;",
                kPanelAlignedTrips, plan_.panel_trips - 1, plan_.panel_trips);
      out_.line("slot_phase ^= (slot + copies) / {} & 1;", kPanelSlots);
      out_.line("slot = (slot + copies) % {};", kPanelSlots);
    }
    out_.close();
  }
  out_.line("ready = false;");
  out_.line("continue;");
  out_.close();
}

std::string Emitter::stepped(const std::string& counter) const {
  return trip_step() == 1 ? "++" + counter : fmt::format("{} += {}", counter, trip_step());
}

std::string Emitter::next_trip(const std::string& trip) const {
  return fmt::format("{} + {}", trip, trip_step());
}

// A team's first trip and its stage, counted so that the first team has the last trip: it waits
// least for the others' sums.
void Emitter::begin_trips() {
  const int teams = plan_.schedule.fold_teams;
  out_.line("const int own = begin + (end - begin + {} - team) % {};", teams - 1, teams);
  out_.line("stage = own - begin;");
  out_.open("{{");
  out_.line("const int begin = own;");
}

// Adds the teams' sums up, in their order. None is put down before the ring is free, which the
// stores behind it may use too. What follows is for the first team: its branch is left open.
void Emitter::join_teams(const FoldPlan& fold) {
  const int all = plan_.teams * plan_.compute_threads;
  const auto name_sums = [&](const std::string& team) {
    out_.line("float* const sums = reinterpret_cast<float*>(ring) + {} * ({} - 1);",
              plan_.sum_registers(plan_.folds[0]) * plan_.compute_threads, team);
  };
  out_.line("// sum over the {} teams", plan_.teams);
  out_.line("named_barrier_sync({}, {});", kJoinBarrier, all);
  out_.open("if (team > 0) {{");
  name_sums("team");
  each_sum(fold, "write_sums", "");
  out_.line("named_barrier_arrive({}, {});", kJoinBarrier, all);
  // A thread that arrives and leaves would count twice.
  if (plan_.sums_apart) out_.line("cluster_wait();");
  out_.close("} else {");
  out_.open("{{");
  out_.line("named_barrier_sync({}, {});", kJoinBarrier, all);
  for (int team = 1; team < plan_.teams; ++team) {
    out_.open("{{");
    name_sums(std::to_string(team));
    each_sum(fold, "add_sums", "");
    out_.close();
  }
  if (plan_.stores_in_ring) meet();  // until nobody reads the ring
}

}  // namespace octile::cuda
