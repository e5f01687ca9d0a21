// Folds: a plain loop, or the consumers' side of a pipelined one.
#include <algorithm>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

namespace {

bool has_tile(const ir::Value* v) {
  return !v->type.is_scalar();
}

}  // namespace

void Emitter::declare_carried(const ir::Op& op) {
  const ir::Region& body = *op.regions[0];
  for (std::size_t i = 0; i < op.results.size(); ++i)
    names_[body.args[i + 1]] = declare(op.results[i]);
}

// Gives the carried values their initial ones.
void Emitter::begin_carried(const ir::Op& op) {
  for (std::size_t i = 0; i < op.results.size(); ++i) {
    const ir::Value* v = op.results[i];
    std::string initial = expr(op.operands[i + 1]), name = names_.at(v);
    int loops = open_loop(v->type.axes);
    std::string at =
        has_tile(v) ? fmt::format("[{}]", family_->register_index(v->type.axes, {})) : "";
    out_.line("{}{} = {};", name, at, has_tile(v) ? expr(op.operands[i + 1]) : initial);
    close_loops(loops);
  }
}

// Assigns what the body yields; several values go through copies, as all are read before any is
// set.
void Emitter::end_carried(const ir::Op& op) {
  const ir::Op& yield = *op.regions[0]->ops.back();
  bool copies = op.results.size() > 1;
  for (int pass = copies ? 0 : 1; pass < 2; ++pass) {
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      const ir::Value* v = op.results[i];
      std::string name = names_.at(v), next = name + "_next";
      std::string at =
          has_tile(v) ? fmt::format("[{}]", family_->register_index(v->type.axes, {})) : "";
      std::string_view type = register_type(v->type.element);
      if (pass == 0) {
        if (has_tile(v))
          out_.line("{} {}[{}];", type, next, family_->register_count(v->type.axes, {}));
        else
          out_.line("{} {};", type, next);
      }
      int loops = open_loop(v->type.axes);
      if (pass == 0)
        out_.line("{}{} = {};", next, at, expr(yield.operands[i]));
      else if (copies)
        out_.line("{0}{1} = {2}{1};", name, at, next);
      else
        out_.line("{}{} = {};", name, at, expr(yield.operands[i]));
      close_loops(loops);
    }
  }
}

void Emitter::name_index(const ir::Op& fold, const std::string& trip) {
  const ir::Value* index = fold.regions[0]->args[0];
  std::string name = name_of(index);
  out_.line("const long long {} = {};", name, trip);
  names_[index] = name;
}

void Emitter::fold(const ir::Op& op) {
  if (const FoldPlan* plan = plan_.find_fold(&op))
    return plan_.mma_sync ? copied_fold(*plan) : pipelined_fold(*plan);
  declare_carried(op);
  begin_carried(op);
  std::string index = name_of(op.regions[0]->args[0]);
  names_[op.regions[0]->args[0]] = index;
  std::string trips = fmt::format("trips_{}", op.result()->id);
  out_.line("const long long {} = {};", trips, expr(op.operand(0)));
  out_.open("for (long long {0} = 0; {0} < {1}; ++{0}) {{", index, trips);
  region(*op.regions[0]);
  end_carried(op);
  out_.close();
}

void Emitter::fold_bounds(const ir::Op& fold) {
  if (plan_.schedule.stream_fold) return;  // those of the piece
  out_.line("const int trips = int({});", expr(fold.operand(0)));
  if (plan_.schedule.split_fold == 1) {
    out_.line("const int begin = 0, end = trips;");
    return;
  }
  int s = plan_.schedule.split_fold;
  const FoldPlan* plan = plan_.find_fold(&fold);
  // A step's columns are known, and every team has a trip in a panel, where it begins with the
  // panel.
  if (plan != nullptr && (plan->panel_step > 0 || (plan_.shares_trips() && !plan->panels.empty())))
    out_.line("const int share = (trips + {0}) / {1} * {2};", s * kPanelAlignedTrips - 1,
              s * kPanelAlignedTrips, kPanelAlignedTrips);
  else
    out_.line("const int share = (trips + {}) / {};", s - 1, s);
  out_.line("const int begin = min(trips, int(rank) * share), end = min(trips, begin + share);");
}

void Emitter::advance(const std::string& place, const std::string& phase, int depth, int step) {
  if (step == 1) {
    out_.open("if (++{} == {}) {{", place, depth);
    out_.line("{} = 0;", place);
  } else {
    out_.line("{} += {};", place, step);
    out_.open("if ({0} >= {1}) {{", place, depth);
    out_.line("{} -= {};", place, depth);
  }
  out_.line("{} ^= 1;", phase);
  out_.close();
}

// A consumer goes on to its next trip's stage.
void Emitter::next_stage(const std::string& stage, const std::string& phase) {
  advance(stage, phase, plan_.stages, trip_step());
}

// Tells the producers, of every CTA that writes this stage, that it is free: one arrival per warp,
// or per lane, on the stage's barrier.
void Emitter::release_stage(const std::string& barrier) {
  if (plan_.cluster_position < 0) {
    out_.line("{}mbarrier_arrive({});", plan_.stage_lanes() > 1 ? "" : "if (lane == 0) ", barrier);
  } else {
    out_.line("if (lane < {}) mbarrier_arrive_cluster({}, lane);", plan_.schedule.cluster, barrier);
  }
}

void Emitter::declare_dots(const FoldPlan& plan, const std::string& suffix) {
  const auto declare_array = [&](const ir::Value* v, const std::string& name, const ir::Op* dot) {
    const int count = register_count(v), size = plan_.find_dot(dot)->shape.n / 2;
    if (in_ptx_)
      accumulators_[name] = new_accumulators(size, count / size);
    else
      out_.line("float {}[{}];", name, count);
  };
  for (const ir::Op* op : plan.pipelined_dots)
    declare_array(op->result(), name_of(op->result()) + suffix, op);
  if (!plan.outer) return;
  const ir::Value* products = plan.outer->op->result();
  names_[products] = name_of(products);
  declare_array(products, names_[products], plan.outer->dot);
}

// Starts the tensor core on one block of a trip, the operands being in `stage_`. An outer product
// is still to come where there is one.
void Emitter::issue_block(const FoldPlan& plan, int block, const std::string& suffix) {
  if (plan.pipelined_dots.empty()) return;
  if (plan_.orders_blocks()) out_.line("named_barrier_sync({} + warpgroup, 256);", kOrderBarrier);
  out_.line("wgmma_fence();");
  for (const ir::Op* op : plan.pipelined_dots) {
    const DotPlan& d = *plan_.find_dot(op);
    int first = plan.blocks > 1 ? block : 0, last = plan.blocks > 1 ? block + 1 : d.shape.m_blocks;
    issue(d, name_of(op->result()) + suffix, {first, last}, {0, d.chunks}, "0");
  }
  if (!plan.outer) commit_block(plan);
}

void Emitter::commit_block(const FoldPlan& plan) {
  if (plan.pipelined_dots.empty()) return;
  out_.line("wgmma_commit();");
  if (plan_.orders_blocks())
    out_.line("named_barrier_arrive({} + (warpgroup + 1) % {}, 256);", kOrderBarrier,
              plan_.consumers);
}

// Waits for the operands of the trip to be issued, unless they were seen to be there. Consumers
// that waited for the same ones would go on to promote at the same time, while the tensor core has
// nothing to do; so each starts when the product of the one before it should be done.
void Emitter::wait_stage(const FoldPlan& plan) {
  const std::string wait = "mbarrier_wait(full + 8 * stage, phase);";
  if (plan_.schedule.stagger_consumers != 1) return out_.line("if (!ready) {}", wait);
  int clocks = 0;  // of the tensor core, which takes 64 bytes of K of 64 rows and a column in one
  for (const ir::Op* op : plan.pipelined_dots) {
    const DotPlan& d = *plan_.find_dot(op);
    clocks += d.shape.m_blocks / plan.blocks * d.shape.n * d.chunks * d.swizzle / 64;
  }
  out_.open("if (!ready) {{");
  out_.line("{}", wait);
  out_.line("pause({} * warpgroup);", clocks);
  out_.close();
}

// Asks early whether the next stage is full: the answer comes under the work that follows.
void Emitter::ask_stage() {
  out_.line("ready = mbarrier_test(full + 8 * stage, phase);");
}

// What an arrival has to wait for: registers that were read.
void Emitter::add_bits(const std::string& name, int count) {
  out_.line("#pragma unroll");
  out_.line("for (int i = 0; i < {}; ++i) bits |= bits_of({}[i]);", count, name);
}

// Frees a trip's stage. The arrival's address depends on the small tiles read from it, as a panel's
// does on what was read there (release_panel).
void Emitter::leave_stage(const FoldPlan& plan, const std::string& stage) {
  const std::string barrier = "empty + 8 * " + stage;
  if (plan.small.empty()) return release_stage(barrier);
  out_.open("{{");
  out_.line("u32 bits = 0;");
  for (const SmallLoad& s : plan.small) {
    const ir::Value* v = s.load->result();
    const std::string name = name_of(v);
    if (v->type.is_scalar())
      out_.line("bits |= bits_of({});", name);
    else
      add_bits(name, register_count(v));
  }
  // One lane speaks for all that read.
  if (plan_.stage_lanes() == 1) out_.line("__syncwarp();");
  release_stage(barrier + " + (bits & nothing)");
  out_.close();
}

// Waits for one block of a trip's dots and computes what depends on it.
void Emitter::finish_block(const FoldPlan& plan, int block, const std::string& suffix,
                           int pending) {
  const ir::Region& body = *plan.fold->regions[0];
  bool last = block == plan.blocks - 1;
  // Counting on before the wait leaves less between the last product and the next.
  const bool counts = last && !plan.stage_used_late && plan.sets == 1;
  if (counts) {
    out_.line("const int done = stage;");
    next_stage("stage", "phase");
  }
  if (!plan.pipelined_dots.empty()) {
    out_.line("wgmma_wait<{}>();", pending);
    for (const ir::Op* op : plan.pipelined_dots) {
      names_[op->result()] = name_of(op->result()) + suffix;
      pin(names_[op->result()]);
    }
    if (plan.outer) pin(names_[plan.outer->op->result()]);
  }
  if (last && !plan.stage_used_late) {
    leave_stage(plan, counts ? "done" : stage_);
    if (counts) ask_stage();
  }
  if (last && plan.panel_step > 0 && !plan.panels_ahead) release_read_panel(plan);
  if (plan.blocks > 1) {
    out_.open("{{");
    block_ = block;
  }
  if (in_ptx_) {
    promote(plan);
  } else {
    for (const ir::Op* op : body.ops) {
      if (op->kind != OpKind::yield && depends_on_dots(plan, *op)) operation(*op);
    }
    end_carried(*plan.fold);
  }
  if (plan.blocks > 1) {
    block_ = -1;
    out_.close();
  }
  if (last && plan.stage_used_late) {
    out_.line("__syncwarp();");
    leave_stage(plan, stage_);
    if (plan.sets == 1) {
      next_stage("stage", "phase");
      ask_stage();
    }
  }
}

// Calls a device function for every carried value, with the place of its sums behind `sums`.
void Emitter::each_sum(const FoldPlan& plan, const std::string& function,
                       const std::string& argument) {
  const int threads = plan_.compute_threads;
  int place = 0;
  for (const ir::Value* v : plan.fold->results) {
    out_.line("{}(sums + {}, thread, {}{}, {});", function, place * threads, threads, argument,
              names_.at(v));
    place += family_->register_count(v->type.axes, {});
  }
}

void Emitter::pipelined_fold(const FoldPlan& plan) {
  const ir::Op& op = *plan.fold;
  out_.line("// fold, {} stages", plan_.stages);
  declare_carried(op);
  current_fold_ = &plan;
  find_block_values(plan);
  begin_accumulators(plan);
  if (!plan.starts_by_product && !plan.peeled) begin_sums(plan);
  if (&plan == &plan_.folds[0]) bring_staged();
  if (plan_.schedule.stream_fold) continue_sums(plan);
  out_.open("{{");
  fold_bounds(op);
  begin_pairs(plan);
  if (plan_.shares_trips()) begin_trips();
  take_turn(plan);
  for (const PanelLoad& p : plan.panels) {
    if (plan.panels_ahead) declare_panel(p);
  }
  if (plan.in_place) {
    in_place_loop(plan);
  } else if (plan.sets == 1) {
    one_set_loop(plan);
  } else if (plan.blocks == 1) {
    two_sets_loop(plan);
  } else {
    two_sets_blocks_loop(plan);
  }
  // These loops leave a stage that nobody asked about.
  if (plan.in_place || plan.sets > 1) out_.line("ready = false;");
  if (!plan.panels.empty() && !plan_.shares_trips()) {
    std::string left = "column > 0";
    if (plan.panel_step > 0)  // with two sets, the last trip leaves its panel
      left = plan.sets > 1 ? "true"
                           : fmt::format("{} % {} > 0",
                                         plan_.schedule.split_fold > 1 ? "(end - begin)" : "end",
                                         plan_.panel_trips);
    out_.open("if (begin < end && {}) {{  // the last slot wasn't read whole", left);
    release_panel(plan, plan.panels_ahead);
    out_.close();
    column_ = -1;
  }
  end_pairs(plan);
  if (!plan.in_place) hand_on_turn(plan);  // sums in place: under the last product
  if (plan_.shares_trips()) out_.close();
  current_fold_ = nullptr;
  block_values_.clear();
  out_.close();
  if (in_ptx_) read_sums(plan);
  in_ptx_ = false;
}

// Values that exist for one block of a trip at a time: the pipelined dots and what is computed from
// them. They have no digit of their own for the blocks.
void Emitter::find_block_values(const FoldPlan& plan) {
  block_family_ = *family_;
  block_digit_.clear();
  if (plan.blocks == 1) return;
  const DotPlan& d = *plan_.find_dot(plan.pipelined_dots[0]);
  for (Factor& f : block_family_.at(d.m.axis).factors) {
    if (f.kind != Factor::Kind::reg || f.place != 64) continue;
    block_digit_ = f.var;
    f.size = 1;
  }
  for (const ir::Op* op : plan.fold->regions[0]->ops) {
    if (op->kind == OpKind::yield || !depends_on_dots(plan, *op)) continue;
    for (const ir::Value* v : op->results) block_values_.insert(v);
  }
  if (plan.outer) block_values_.insert(plan.outer->op->result());
}

// One block at a time: issued, waited for, promoted. Another warpgroup has the tensor core
// meanwhile.
// `parity` is a number that is odd where the trip is.
void Emitter::one_set_trip(const FoldPlan& plan, const std::string& parity, bool is_first) {
  name_index(*plan.fold, "trip");
  wait_stage(plan);
  declare_dots(plan, "");
  for (int block = 0; block < plan.blocks; ++block) {
    issue_block(plan, block, "");
    if (block == 0 && is_first) begin_panels(plan);
    if (block == 0) prepare_trip(plan);
    if (plan.outer) {
      issue_outer(plan, block, parity);
      commit_block(plan);
    }
    if (block == plan.blocks - 1) read_panels(plan, next_trip("trip"));
    finish_block(plan, block, "", 0);
  }
}

void Emitter::one_set_loop(const FoldPlan& plan) {
  if (plan.peeled) {
    peeled_trip(plan);
  } else if (!plan.panels.empty()) {
    out_.open("if (begin < end) {{");
    begin_panels(plan);
    out_.close();
  }
  const std::string first = plan.peeled ? next_trip("begin") : "begin";
  if (plan.panel_step > 0) {
    out_.line("#pragma unroll 1");
    out_.open("for (int base = {}; base < end; base += {}) {{", first, plan.panel_step);
    for (int step = 0; step < plan.panel_step; ++step) {
      if (step > 0) out_.line("if (base + {} >= end) break;", step);
      out_.open("{{");
      out_.line("const int trip = base + {};", step);
      // Folds begin with a panel where steps are whole ones.
      one_set_trip(plan, std::to_string((step + (plan.peeled ? 1 : 0)) % 2));
      out_.close();
    }
  } else {
    out_.line("#pragma unroll {}", plan.unroll);
    out_.open("for (int trip = {}; trip < end; {}) {{", first, stepped("trip"));
    one_set_trip(plan, "trip");
  }
  out_.close();
}

// The first trip by itself, so that it adds to zeros that no register holds.
void Emitter::peeled_trip(const FoldPlan& plan) {
  out_.open("if (begin < end) {{");
  out_.line("const int trip = begin;");
  const ir::Region& body = *plan.fold->regions[0];
  from_zero_ = true;
  for (std::size_t i = 0; !in_ptx_ && i < plan.fold->results.size(); ++i) {
    const ir::Value* v = plan.fold->results[i];
    const std::string zeros = names_.at(v) + "_zeros";
    out_.line("const {} {}[{}] = {{}};", register_type(v->type.element), zeros, register_count(v));
    names_[body.args[i + 1]] = zeros;
  }
  one_set_trip(plan, plan.panel_step > 0 ? "0" : "trip", true);
  for (std::size_t i = 0; i < plan.fold->results.size(); ++i)
    names_[body.args[i + 1]] = names_.at(plan.fold->results[i]);
  from_zero_ = false;
  no_trips(plan);
}

// The next trip's block is issued before the last one is promoted, so that the tensor core never
// waits for this warpgroup.
void Emitter::two_sets_loop(const FoldPlan& plan) {
  const std::string sets[] = {"_x", "_y"};
  for (const std::string& set : sets) declare_dots(plan, set);
  auto issue_next = [&](const std::string& set) {
    out_.line("mbarrier_wait(full + 8 * stage, phase);");
    issue_block(plan, 0, set);
    out_.line("stage{} = stage;", set);
    next_stage("stage", "phase");
  };
  auto finish = [&](const std::string& set, bool last) {
    out_.open("{{");
    name_index(*plan.fold, "trip");
    stage_ = "stage" + set;
    prepare_trip(plan);
    if (!last) read_panels(plan, next_trip("trip"));
    finish_block(plan, 0, set, last ? 0 : 1);
    stage_ = "stage";
    out_.close();
  };
  out_.open("if (begin < end) {{");
  out_.line("int trip = begin, stage_x, stage_y = 0;");
  out_.line("bool odd;  // the last trip's set");
  issue_next(sets[0]);
  begin_panels(plan);
  out_.line("#pragma unroll 1");
  out_.open("while (true) {{");
  for (int step = 0; step < (plan.panel_step > 0 ? plan.panel_step : 2); ++step) {
    out_.open("if ({} >= end) {{", next_trip("trip"));
    out_.line("odd = {};", step % 2 == 1);
    out_.line("break;");
    out_.close();
    issue_next(sets[(step + 1) % 2]);
    finish(sets[step % 2], false);
    out_.line("{};", stepped("trip"));
  }
  out_.close();
  out_.open("if (odd) {{");
  finish(sets[1], true);
  out_.close("} else {");
  out_.line("{{");
  finish(sets[0], true);
  out_.line("}}");
  out_.line("}}");
  out_.close();
}

// The same with several blocks a trip, an even number of them, so that a block has its set.
void Emitter::two_sets_blocks_loop(const FoldPlan& plan) {
  const std::string sets[] = {"_x", "_y"};
  declare_dots(plan, "_x");
  declare_dots(plan, "_y");
  auto trip_body = [&](bool last) {
    name_index(*plan.fold, "trip");
    for (int block = 0; block < plan.blocks; ++block) {
      bool ends = block == plan.blocks - 1;
      if (!ends) {
        issue_block(plan, block + 1, sets[(block + 1) % 2]);
      } else if (!last) {
        out_.line("int ahead = stage;");
        out_.line("u32 ahead_phase = phase;");
        next_stage("ahead", "ahead_phase");
        out_.line("mbarrier_wait(full + 8 * ahead, ahead_phase);");
        stage_ = "ahead";
        issue_block(plan, 0, sets[0]);
        stage_ = "stage";
      }
      if (block == 0) prepare_trip(plan);
      if (ends && !last) read_panels(plan, next_trip("trip"));
      finish_block(plan, block, sets[block % 2], last && ends ? 0 : 1);
    }
    next_stage("stage", "phase");
  };
  out_.open("if (begin < end) {{");
  out_.line("mbarrier_wait(full + 8 * stage, phase);");
  issue_block(plan, 0, sets[0]);
  begin_panels(plan);
  out_.line("int trip = begin;");
  out_.line("#pragma unroll {}", plan.unroll);
  out_.open("for (; {} < end; {}) {{", next_trip("trip"), stepped("trip"));
  trip_body(false);
  out_.close();
  trip_body(true);
  out_.close();
}

void Emitter::begin_sums(const FoldPlan& plan) {
  if (in_ptx_)
    clear_sums(plan);
  else
    begin_carried(*plan.fold);
}

// Ends the branch of folds that have trips; without any, sums are zero. Pinned there, these zeros
// take no time of tiles that have trips.
void Emitter::no_trips(const FoldPlan& plan) {
  out_.close("} else {");
  out_.line("{{");
  if (plan.in_place) hand_on_turn(plan);
  begin_sums(plan);
  for (const ir::Value* v : plan.fold->results) pin(names_.at(v));
  out_.line("}}");
  out_.line("}}");
}

}  // namespace octile::cuda
