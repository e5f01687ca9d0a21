#include "octile/codegen/cuda/settle_schedule.hpp"

#include <algorithm>
#include <limits>

#include "octile/codegen/cuda/choose_wgmma.hpp"
#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/target.hpp"

namespace octile::cuda {
namespace {

using ir::OpKind;

class Settler {
 public:
  explicit Settler(const SchedulingProblem& problem) : problem_(problem) {}

  void settle(Schedule& s) {
    if (s.transpose_panels < 0 && has_short_scale_rows()) {
      s.transpose_panels = 1;
      std::string reason;
      if (!problem_.legal(s, reason)) s.transpose_panels = -1;
    }
    if (s.stages == 0) s.stages = further_stages(s);
    settle_grid(s);
  }

 private:
  // Rows of 16 bytes, one after the other: TMA asks for them one by one, a warp for 512 bytes.
  bool has_short_scale_rows() {
    constexpr std::int64_t kShort = 4;
    bool found = false;
    Analysis analysis(problem_.function);
    ir::for_each_op(*problem_.function.body, [&](const ir::Op& op) {
      if (op.kind != OpKind::load || op.parent->owner == nullptr) return;
      const auto index = static_cast<std::size_t>(op.attr.index);
      const int dim = problem_.tensors[index].contiguous_dim;
      if (dim < 0 || size_in_bytes(problem_.function.params[index].element) != 4) return;
      const auto& shape = problem_.function.params[index].shape;
      const bool by_trip = op.operand(dim)->type.is_scalar() &&
                           (analysis.dependences(op.operand(dim)) & Analysis::kFoldArguments) != 0;
      found |= shape.size() > 1 && by_trip &&
               ir::evaluate_extent(shape[static_cast<std::size_t>(dim)], problem_.dims) <= kShort;
    });
    return found;
  }

  // Tiles of one block of rows don't ask far ahead: further where other CTAs read the same
  // operands, as less of them comes from memory. Parts of a fold are too short for it. 0 leaves the
  // ring as it is.
  int further_stages(Schedule s) {
    constexpr int kMostSharedBytesAhead = 176 * 1024;
    int most = 0, fewest = 0;
    try {
      problem_.with_plan(s, [&](const ir::Function& bound, const Plan& plan) {
        if (!plan.specialized || s.split_fold > 1 ||
            plan.teams * plan.consumers * plan.ctas_per_sm > 1 || has_lone_reader(bound, plan))
          return;
        most = kMostSharedBytesAhead / plan.stage_bytes;
        fewest = plan.stages + 1;
      });
    } catch (const ir::Error&) {  // of a schedule that isn't legal, or sizes read on the device
      return 0;
    }
    std::string reason;
    for (s.stages = most; s.stages >= std::max(1, fewest); --s.stages)
      if (problem_.legal(s, reason)) return s.stages;
    return 0;
  }

  // A CTA with one tile needs no loop, and can stage what it stores where its ring was. But no
  // store warp finds the tile's place then: three consumers spilled, and long trips with a scale
  // for each row and each column were slower. Of many tiles of few trips each, consumers had better
  // take turns: one's epilogue comes under another's products then. Of few, each had better store
  // at its own pace: over many long ones CTAs drift apart then, and the L2 answers each for itself,
  // which takes more power than what is won.
  void settle_grid(Schedule& s) {
    const auto is_long = [](const FoldPlan& f) {
      const auto scales_each = [](const PanelLoad& p) { return p.has_rows && p.divisor == 1; };
      return f.panel_step > 0 && f.panel_step < kPanelAlignedTrips &&
             std::count_if(f.panels.begin(), f.panels.end(), scales_each) > 1;
    };
    constexpr int kManyTiles = 6, kFewTiles = 4;
    Schedule settled = s;
    try {
      problem_.with_plan(s, [&](const ir::Function& bound, const Plan& plan) {
        if (!plan.specialized) return;
        double ctas = s.split_fold;
        for (const ir::Value* extent : bound.grid)
          ctas *= static_cast<double>(ir::evaluate_scalar(bound, extent, problem_.dims));
        const bool at_once = ctas <= problem_.target.sm_count * plan.ctas_per_sm;
        const bool takes_tiles = plan.persistent && plan.teams == 1 && !s.stream_fold;
        const bool loops = takes_tiles && plan.consumers <= kMostConsumersOfOneTile &&
                           std::none_of(plan.folds.begin(), plan.folds.end(), is_long);
        if (s.persistent < 0 && loops && at_once) settled.persistent = 0;
        const bool few = ctas <= kFewTiles * problem_.target.sm_count * plan.ctas_per_sm;
        const bool many = ctas >= kManyTiles * problem_.target.sm_count;
        if (s.order_consumers < 0 &&
            ((loops && many && has_short_fold(bound, plan)) ||
             (takes_tiles && settled.persistent != 0 && gains_by_turns(bound, plan, few))))
          settled.order_consumers = 1;
        if (s.stagger_consumers < 0 && settled.order_consumers != 1 &&
            gains_by_stagger(bound, plan))
          settled.stagger_consumers = 1;
        if (s.stores_apart < 0 && settled.persistent != 0 && plan.store_warps == 1 &&
            plan.why_not_apart().empty() && few)
          settled.stores_apart = 1;
        if (s.fastest_axis.empty() && s.cluster == 1 && bound.grid.size() == 2)
          settled.fastest_axis = fastest_axis(bound, plan, at_once && s.split_fold == 1);
      });
    } catch (const ir::Error&) {  // of a schedule that isn't legal, or sizes read on the device
      return;
    }
    std::string reason;
    if (problem_.legal(settled, reason)) s = settled;
  }

  // Whether consumers have turns to take, few for each tile.
  bool has_short_fold(const ir::Function& bound, const Plan& plan) const {
    constexpr std::int64_t kFewTrips = 4;
    if (plan.consumers < 2 || plan.folds.size() != 1) return false;
    const FoldPlan& f = plan.folds[0];
    return !f.in_place && f.sets == 1 && trips(bound, f) <= kFewTrips;
  }

  // Whether consumers with sums in place had better end a tile in turn: of what was measured, with
  // few tiles for each CTA or a long epilogue. Beside many sums, a long epilogue would spill.
  bool gains_by_turns(const ir::Function& bound, const Plan& plan, bool has_few_tiles) const {
    if (plan.consumers < 2 || plan.folds.size() != 1 || !plan.folds[0].in_place) return false;
    const bool ends_long = epilogue_instructions(bound) > kShortEpilogue;
    return ends_long ? plan.sum_registers(plan.folds[0]) <= kManySums : has_few_tiles;
  }

  // Whether consumers that wait together had better go on apart: of what was measured, of products
  // this wide, but not behind long epilogues.
  bool gains_by_stagger(const ir::Function& bound, const Plan& plan) const {
    constexpr int kLeastColumns = 80;
    return plan.why_not_staggered().empty() && plan.folds.size() == 1 && plan.teams == 1 &&
           !plan.schedule.stream_fold && epilogue_instructions(bound) <= kShortEpilogue &&
           plan.find_dot(plan.folds[0].pipelined_dots[0])->shape.n >= kLeastColumns;
  }

  // Of a fold; many where they are the tile's own, or read on the device.
  std::int64_t trips(const ir::Function& bound, const FoldPlan& fold) const {
    try {
      return ir::evaluate_scalar(bound, fold.fold->operand(0), problem_.dims);
    } catch (const ir::Error&) {
      return std::numeric_limits<std::int64_t>::max();
    }
  }

  // Where most of the traffic is what is stored, CTAs that run at the same time had better write
  // neighbouring columns, unless they share lines; what is added, the L2 adds wherever it is. Where
  // all run at the same time, those next to each other had better share the larger operand, of
  // which less comes from memory then. Empty for the grid's first extent, which is the fastest of
  // itself.
  std::string fastest_axis(const ir::Function& bound, const Plan& plan, bool all_at_once) {
    constexpr int kLineBytes = 128;
    double shared[2] = {0, 0}, loaded = 0, stored = 0;
    for (const FoldPlan& f : plan.folds) {
      for (const TmaLoad& t : f.tma) {
        const double bytes = tensor_bytes(*t.load);
        loaded += bytes;
        for (int g : {0, 1}) {
          if (plan.tensor_maps[static_cast<std::size_t>(t.map())].shared_along >> g & 1)
            shared[g] += bytes;
        }
      }
    }
    Analysis analysis(bound);
    unsigned columns = 0;  // bit g: blocks of what is contiguous are counted by grid extent g
    bool whole_lines = true;
    for (const TmaStore& t : plan.stores) {
      if (t.added != nullptr) continue;
      stored += tensor_bytes(*t.store);
      columns |= analysis.dependences(t.store->operand(static_cast<std::size_t>(t.dim_order[0])));
      whole_lines &= t.row_bytes % kLineBytes == 0;
    }
    const bool second =
        stored > loaded ? columns == 2 && whole_lines : all_at_once && shared[1] > shared[0];
    for (std::size_t a = 0; second && a < bound.axes.size(); ++a) {
      if (grid_position_uses(bound, 1, static_cast<ir::AxisId>(a))) return bound.axes[a].name;
    }
    return {};
  }

  double tensor_bytes(const ir::Op& op) const {
    const ir::Param& param = problem_.function.params[static_cast<std::size_t>(op.attr.index)];
    double bytes = size_in_bytes(param.element);
    for (const ir::Extent& extent : param.shape)
      bytes *= static_cast<double>(ir::evaluate_extent(extent, problem_.dims));
    return bytes;
  }

  bool has_lone_reader(const ir::Function& bound, const Plan& plan) const {
    for (const FoldPlan& f : plan.folds) {
      for (const TmaLoad& t : f.tma) {
        if (readers(bound, plan.tensor_maps[static_cast<std::size_t>(t.map())]) <= 1) return true;
      }
    }
    return false;
  }

  // CTAs that read the same tile.
  double readers(const ir::Function& bound, const TensorMap& map) const {
    double count = 1;
    for (std::size_t g = 0; g < bound.grid.size(); ++g) {
      if (map.shared_along >> g & 1)
        count *= static_cast<double>(ir::evaluate_scalar(bound, bound.grid[g], problem_.dims));
    }
    return count;
  }

  const SchedulingProblem& problem_;
};

}  // namespace

bool SchedulingProblem::legal(const Schedule& s, std::string& reason) const {
  try {
    with_plan(s, [](const ir::Function&, const Plan&) {});
    return true;
  } catch (const ir::Error& e) {
    reason = e.what();
    return false;
  }
}

void settle_schedule(const SchedulingProblem& problem, Schedule& s) {
  Settler(problem).settle(s);
}

}  // namespace octile::cuda
