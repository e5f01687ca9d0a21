// Chooses a schedule without measuring: enumerates tile shapes, drops the illegal ones, ranks the
// others by a cost model of waves, tensor core time and memory traffic; settle_schedule finishes
// the first.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "octile/codegen/cuda/choose_mma.hpp"
#include "octile/codegen/cuda/choose_wgmma.hpp"
#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/settle_schedule.hpp"
#include "octile/codegen/cuda/target.hpp"

namespace octile::cuda {
namespace {

using ir::OpKind;

/// How an axis is used, over all loads and stores.
struct AxisUse {
  std::int64_t size = 1;    ///< elements of the tensor dimension it walks along
  bool covers = false;      ///< starts at a fixed place: has to span the dimension
  bool in_fold = false;     ///< blocks are counted by a fold's index
  bool contiguous = false;  ///< along memory in some access
  std::int64_t group = 1;   ///< least common multiple of the groups reduced over
  bool contracted = false;
  int contracted_bytes = 1;
};

class Chooser {
 public:
  Chooser(const SchedulingProblem& problem, const Schedule& partial)
      : problem_(problem),
        function_(problem.function),
        partial_(partial),
        dims_(problem.dims),
        tensors_(problem.tensors),
        target_(problem.target),
        analysis_(function_) {}

  Schedule run() {
    Schedule s = completed();
    settle_schedule(problem_, s);
    return s;
  }

 private:
  Schedule completed() {
    observe();
    std::set<ir::AxisId> open;
    for (std::size_t a = 0; a < function_.axes.size(); ++a) {
      const ir::Axis& axis = function_.axes[a];
      if (!axis.is_bound() && !partial_.axes.count(axis.name)) open.insert(static_cast<int>(a));
    }
    if (open.empty()) return partial_;
    const ir::Op* dot = main_dot();
    if (dot != nullptr) return choose_for_dot(*dot, open);
    Schedule s = partial_;
    bind_plain(s, open);
    return s;
  }

  void observe() {
    ir::for_each_op(*function_.body, [&](const ir::Op& op) {
      if (op.kind == OpKind::load || op.kind == OpKind::store) observe_access(op);
      if (op.kind == OpKind::reduce && op.attr.group > 0) {
        AxisUse& u = uses_[op.attr.axis];
        u.group = std::lcm(u.group, op.attr.group);
      }
      if (op.kind == OpKind::dot) {
        AxisUse& u = uses_[op.attr.axis];
        u.contracted = true;
        u.contracted_bytes = size_in_bytes(op.operand(0)->type.element);
      }
    });
  }

  void observe_access(const ir::Op& op) {
    const ir::Param& param = function_.params[static_cast<std::size_t>(op.attr.index)];
    for (std::size_t d = 0; d < param.shape.size(); ++d) {
      const ir::Value* index = op.operands[d];
      for (ir::AxisId axis : index->type.axes) {
        AxisUse& u = uses_[axis];
        u.size = std::max(u.size, ir::evaluate_extent(param.shape[d], dims_));
        auto form = analysis_.affine(index);
        unsigned bits = analysis_.dependences(index);
        if (form && form->divisor == 1) {
          u.covers |= bits == 0;
          u.in_fold |= (bits & Analysis::kFoldArguments) != 0;
          u.contiguous |= tensors_[static_cast<std::size_t>(op.attr.index)].contiguous_dim ==
                          static_cast<int>(d);
        }
      }
    }
  }

  const ir::Op* main_dot() const {
    const ir::Op* found = nullptr;
    ir::for_each_op(*function_.body, [&](const ir::Op& op) {
      if (found == nullptr && op.kind == OpKind::dot && op.operand(0)->type.axes.size() == 2 &&
          op.operand(1)->type.axes.size() == 2 &&
          tensor_core_types(op.operand(0)->type.element, op.operand(1)->type.element)) {
        found = &op;
      }
    });
    return found;
  }

  const std::string& name(ir::AxisId axis) const {
    return function_.axes[static_cast<std::size_t>(axis)].name;
  }

  std::int64_t fixed(ir::AxisId axis) const {
    const ir::Axis& a = function_.axes[static_cast<std::size_t>(axis)];
    if (a.is_bound()) return a.extent;
    auto it = partial_.axes.find(a.name);
    return it == partial_.axes.end() ? 0 : it->second;
  }

  // Axes that no dot produces: whole dimensions, blocks of a fold, or pieces of a few thousand
  // elements with the contiguous axis longest.
  void bind_plain(Schedule& s, const std::set<ir::AxisId>& open) {
    std::int64_t covered = 1;
    int blocked = 0;
    for (ir::AxisId axis : open) {
      const AxisUse& u = uses_[axis];
      if (u.covers) {
        s.axes[name(axis)] = std::max<std::int64_t>(1, u.size);
        covered *= std::max<std::int64_t>(1, u.size);
      } else if (u.contracted) {
        s.axes[name(axis)] = 128 / u.contracted_bytes;
      } else {
        ++blocked;
      }
    }
    bool contiguous_bound = false;
    for (ir::AxisId axis : open) {
      const AxisUse& u = uses_[axis];
      if (u.covers || u.contracted) continue;
      std::int64_t room = std::max<std::int64_t>(1, 4096 / covered), extent = 4;
      if (u.contiguous && !contiguous_bound) {
        extent =
            blocked == 1 ? std::min<std::int64_t>(room, 1024) : std::min<std::int64_t>(room, 512);
        contiguous_bound = true;
      } else {
        extent = std::min<std::int64_t>(room, blocked == 1 ? 4 : 8);
      }
      extent = std::max<std::int64_t>(extent / u.group, 1) * u.group;
      s.axes[name(axis)] = extent;
    }
  }

  struct Candidate {
    Schedule schedule;
    double cost = 0;
  };

  Schedule choose_for_dot(const ir::Op& dot, std::set<ir::AxisId> open) {
    ir::AxisId x = other_axis(dot.operand(0), dot.attr.axis),
               y = other_axis(dot.operand(1), dot.attr.axis);
    open.erase(x);
    open.erase(y);
    Schedule base = partial_;
    bind_plain(base, open);
    std::vector<Candidate> candidates;
    for (std::int64_t bx : extents(x)) {
      for (std::int64_t by : extents(y)) {
        for (const Schedule& way : ways(dot, base)) {
          Schedule s = way;
          if (!fixed(x)) s.axes[name(x)] = bx;
          if (!fixed(y)) s.axes[name(y)] = by;
          if (auto cost = estimate(dot, x, y, bx, by, s)) candidates.push_back({s, *cost});
        }
      }
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
    std::string reason = "no tile shape fits the tensor core";
    // Where a way is not legal at all, the candidates without are still tried.
    int tries[4] = {0, 0, 0, 0};
    for (const Candidate& c : candidates) {
      const Schedule& s = c.schedule;
      const int way = s.fold_teams > 1 ? 3 : s.split_fold > 1 ? 1 : s.ping_pong ? 2 : 0;
      if (++tries[way] > 64) continue;
      if (problem_.legal(s, reason)) return s;
    }
    throw ir::Error(
        fmt::format("kernel '{}': no legal schedule found for [{}]; the last refusal: {}",
                    function_.name, to_string(partial_), reason));
  }

  std::vector<std::int64_t> extents(ir::AxisId axis) {
    if (std::int64_t e = fixed(axis)) return {e};
    if (uses_[axis].covers) return {uses_[axis].size};
    std::vector<std::int64_t> out;
    const auto offer = [&](std::int64_t e) {
      if (e % uses_[axis].group == 0) out.push_back(e);
    };
    if (uses_mma_sync(partial_, target_)) {
      for (std::int64_t e : {8, 16, 32, 64, 96, 128, 136, 160, 192}) offer(e);
    } else {
      for (std::int64_t e = 8; e <= 256; e += e < 160 ? 8 : 16) offer(e);
    }
    return out;
  }

  // The same tiles in several ways: with parts of the fold shared out, several CTAs to an SM, two
  // sets of accumulators, teams that take trips or tiles in turn.
  std::vector<Schedule> ways(const ir::Op& dot, const Schedule& base) const {
    std::vector<Schedule> out;
    const bool hopper = !uses_mma_sync(base, target_);
    const bool promoted =
        is_fp8(dot.operand(0)->type.element) && !dot.attr.fast_accumulate && hopper;
    // One team's promotion would leave the tensor core to nobody.
    const bool takes_turns = hopper && !promoted && !partial_.ping_pong && partial_.persistent != 0;
    const bool shares_trips = promoted && joins_teams(dot);
    for (int split : splits(dot)) {
      for (int ctas : {1, 2, 3, 4}) {
        for (int sets : {1, 2}) {
          if ((ctas > 1 && (partial_.ctas_per_sm > 0 || !hopper || dot.parent->owner == nullptr)) ||
              (sets > 1 && (partial_.accumulators > 0 || !promoted)))
            continue;
          Schedule s = base;
          if (partial_.split_fold == 1) s.split_fold = split;
          if (ctas > 1) s.ctas_per_sm = ctas;
          if (sets > 1) s.accumulators = sets;
          out.push_back(s);
          // A few trips, a second set or another CTA hide a promotion already: of halves, two teams
          // are enough.
          const int most_teams = split == 1 ? 3 : split == 2 ? 2 : 1;
          for (int teams = 2; teams <= most_teams; ++teams) {
            if (!shares_trips || ctas * sets > 1) continue;
            out.push_back(s);
            out.back().fold_teams = teams;
          }
          if (takes_turns && split * ctas * sets == 1) {
            s.ping_pong = true;
            out.push_back(s);
          }
        }
      }
    }
    return out;
  }

  std::vector<int> splits(const ir::Op& dot) const {
    if (uses_mma_sync(partial_, target_)) return {1};
    if (partial_.split_fold > 1 || partial_.stream_fold || partial_.cluster > 1 ||
        partial_.tma_store == 1 || !is_in_sum(dot)) {
      return {1};
    }
    return {1, 2, 4, 8};
  }

  // Whether the trips of the dot's fold can be divided.
  bool is_in_sum(const ir::Op& dot) const {
    const ir::Op* fold = dot.parent->owner;
    return fold != nullptr && fold->parent == function_.body && is_sum_from_zero(*fold);
  }

  // Whether the schedule so far leaves it to teams to take the trips of the dot's fold in turn.
  bool joins_teams(const ir::Op& dot) const {
    return partial_.fold_teams == 1 && partial_.consumers == 0 && !partial_.ping_pong &&
           !partial_.stream_fold && partial_.order_consumers != 1 && partial_.persistent != 1 &&
           is_in_sum(dot);
  }

  double trips(const ir::Op& dot) const {
    const ir::Op* fold = dot.parent->owner;
    if (fold == nullptr) return 1;
    try {
      return static_cast<double>(
          std::max<std::int64_t>(1, ir::evaluate_scalar(function_, fold->operand(0), dims_)));
    } catch (const ir::Error&) {
      return 32;  // read on the device
    }
  }

  /// How tiles of two axes lie on the tensor core and cover the problem.
  struct Cover {
    bool swap = false;  ///< the second axis is on the M side
    std::int64_t m = 0, n = 0;
    double k_bytes = 128, trips = 1, tiles = 1;
    double bytes = 0;    ///< that one launch reads and writes at the least
    double outside = 0;  ///< rows of the last tiles that are outside of the problem
  };

  /// M sides are multiples of `rows`.
  Cover cover(const ir::Op& dot, ir::AxisId x, ir::AxisId y, std::int64_t bx, std::int64_t by,
              const Schedule& s, int rows) {
    Cover c;
    c.swap = s.swap_operands < 0 ? bx % rows != 0 && by % rows == 0 : s.swap_operands == 1;
    c.m = c.swap ? by : bx;
    c.n = c.swap ? bx : by;
    const double x_size = static_cast<double>(uses_[x].size),
                 y_size = static_cast<double>(uses_[y].size);
    if (const std::int64_t k = fixed(dot.attr.axis))
      c.k_bytes = static_cast<double>(k) * size_in_bytes(dot.operand(0)->type.element);
    c.trips = trips(dot);
    const double layers = other_programs(x, y);
    c.tiles = layers * std::ceil(x_size / static_cast<double>(bx)) *
              std::ceil(y_size / static_cast<double>(by));
    const auto rest = [](double size, std::int64_t b) {
      return std::ceil(size / static_cast<double>(b)) * static_cast<double>(b) - size;
    };
    c.outside = rest(x_size, bx) + rest(y_size, by);
    c.bytes = layers * ((x_size + y_size) * c.k_bytes * c.trips + 2 * x_size * y_size);
    return c;
  }

  // Microseconds of one launch; nothing for shapes that waste more than they compute.
  std::optional<double> estimate(const ir::Op& dot, ir::AxisId x, ir::AxisId y, std::int64_t bx,
                                 std::int64_t by, Schedule& s) {
    if (uses_mma_sync(s, target_)) return estimate_mma(dot, x, y, bx, by, s);
    const Cover c = cover(dot, x, y, bx, by, s, 64);
    WgmmaTiles t{c.m, c.n, c.k_bytes, c.trips, c.tiles, c.bytes};
    t.outside = c.outside;
    t.promoted = is_fp8(dot.operand(0)->type.element) && !dot.attr.fast_accumulate;
    const std::int64_t run = scale_run(dot, c.swap ? x : y);
    t.scales_on_n = run == 1;
    for (int i : {0, 1}) t.by_tma &= !is_unaligned_load(dot.operand(i));
    observe_scales(dot, c.swap ? x : y, t);
    t.scale_run = run;
    t.bulk_store = !c.swap && s.tma_store != 0;
    const ir::Op* staged = nullptr;  // takes no registers
    for (const ir::Op* op : function_.body->ops) {
      if (op->kind != OpKind::store) continue;
      t.out_bytes = param_bytes(*op);
      if (t.bulk_store && s.split_fold == 1 && !s.stream_fold)
        staged = load_stored_over(function_, *op);
    }
    for (const ir::Op* op : function_.body->ops) {
      const bool load = op->kind == OpKind::load;
      const bool whole = load && op->result()->type.axes.size() > 1;
      t.epilogue_tiles |= op->kind == OpKind::reduce || (whole && op != staged);
      t.epilogue_columns |= load && op->result()->type.has_axis(c.swap ? x : y);
    }
    t.epilogue_instructions = epilogue_instructions(function_);
    if (auto cost = wgmma_cost(t, s, target_)) return cost;
    return fixed(x) && fixed(y) ? std::optional<double>(1e9) : std::nullopt;
  }

  // Of a tensor that TMA can't read.
  bool is_unaligned_load(const ir::Value* value) const {
    return value->def != nullptr && value->def->kind == OpKind::load &&
           tensors_[static_cast<std::size_t>(value->def->attr.index)].alignment < 16;
  }

  int param_bytes(const ir::Op& op) const {
    return size_in_bytes(function_.params[static_cast<std::size_t>(op.attr.index)].element);
  }

  // Programs for each pair of blocks of the two axes: the extents of the grid that neither counts.
  double other_programs(ir::AxisId x, ir::AxisId y) const {
    double programs = 1;
    for (std::size_t g = 0; g < function_.grid.size(); ++g) {
      const int position = static_cast<int>(g);
      if (grid_position_uses(function_, position, x) || grid_position_uses(function_, position, y))
        continue;
      try {
        programs *= static_cast<double>(
            std::max<std::int64_t>(1, ir::evaluate_scalar(function_, function_.grid[g], dims_)));
      } catch (const ir::Error&) {
        continue;  // read on the device
      }
    }
    return programs;
  }

  // Along `axis`, the tiles loaded beside the dot's operands are constant over runs of so many
  // elements: 1 if one differs everywhere, 0 if none varies along it.
  std::int64_t scale_run(const ir::Op& dot, ir::AxisId axis) {
    std::int64_t run = 0;
    for (const ir::Op* op : dot.parent->ops) {
      if (op->kind != OpKind::load || op->result() == dot.operand(0) ||
          op->result() == dot.operand(1))
        continue;
      for (const ir::Value* index : op->operands) {
        auto form = analysis_.affine(index);
        if (form && form->axis == axis) run = std::gcd(run, form->divisor);
      }
    }
    return run;
  }

  // How the tiles that `scale_run` speaks of are read.
  void observe_scales(const ir::Op& dot, ir::AxisId axis, WgmmaTiles& t) {
    for (const ir::Op* op : dot.parent->ops) {
      if (op->kind != OpKind::load || op->result() == dot.operand(0) ||
          op->result() == dot.operand(1))
        continue;
      const TensorFacts& facts = tensors_[static_cast<std::size_t>(op->attr.index)];
      t.scales_by_tma &= facts.alignment >= 16;
      t.scales_in_pairs |=
          facts.contiguous_dim >= 0 && op->operand(facts.contiguous_dim)->type.has_axis(axis);
    }
  }

  int tensor_core_dots() const {
    int count = 0;
    ir::for_each_op(*function_.body, [&](const ir::Op& op) {
      count += op.kind == OpKind::dot && op.operand(0)->type.axes.size() == 2 &&
               op.operand(1)->type.axes.size() == 2 &&
               tensor_core_types(op.operand(0)->type.element, op.operand(1)->type.element);
    });
    return count;
  }

  // The same where mma.sync multiplies.
  std::optional<double> estimate_mma(const ir::Op& dot, ir::AxisId x, ir::AxisId y, std::int64_t bx,
                                     std::int64_t by, const Schedule& s) {
    const Cover c = cover(dot, x, y, bx, by, s, 16);
    MmaTiles t{c.m, c.n, c.k_bytes, c.trips, c.tiles, c.bytes};
    t.dots = tensor_core_dots();
    t.fp8 = is_fp8(dot.operand(0)->type.element);
    t.promoted = t.fp8 && !dot.attr.fast_accumulate;
    if (auto cost = mma_cost(t, s, target_)) return cost;
    return fixed(x) && fixed(y) ? std::optional<double>(1e9) : std::nullopt;
  }

  const SchedulingProblem& problem_;
  const ir::Function& function_;
  const Schedule& partial_;
  const std::vector<std::int64_t>& dims_;
  const std::vector<TensorFacts>& tensors_;
  const Target& target_;
  Analysis analysis_;
  std::map<ir::AxisId, AxisUse> uses_;
};

}  // namespace

Schedule choose_schedule(const ir::Function& function, const Schedule& partial,
                         const std::vector<std::int64_t>& dim_values,
                         const std::vector<TensorFacts>& tensors, const Target& target) {
  return Chooser({function, dim_values, tensors, target}, partial).run();
}

}  // namespace octile::cuda
