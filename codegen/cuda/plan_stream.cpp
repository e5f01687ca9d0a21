// What a fold has to be like for CTAs to share its trips through global memory.
#include <fmt/format.h>

#include <algorithm>

#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/planner.hpp"

namespace octile::cuda {

using ir::OpKind;

namespace {

/// Computed from arguments of the launch alone.
bool is_same_for_all_tiles(const ir::Value* v) {
  if (v->def == nullptr || v->def->kind == OpKind::grid_index) return false;
  const ir::Op& op = *v->def;
  return (op.operands.empty() || ir::info(op.kind).elementwise) &&
         std::all_of(op.operands.begin(), op.operands.end(), is_same_for_all_tiles);
}

}  // namespace

void Planner::plan_stream() {
  if (schedule().split_fold > 1) {
    refuse(
        fmt::format("stream_fold=1 and split_fold={} both share a fold's trips out: leave one out",
                    schedule().split_fold));
  }
  if (schedule().cluster > 1) {
    refuse(
        fmt::format("stream_fold=1 with cluster={}: a cluster's CTAs load tiles together, but "
                    "have other trips; leave one out",
                    schedule().cluster));
  }
  if (schedule().ping_pong) refuse("stream_fold=1 and ping_pong can't be combined: leave one out");
  if (schedule().persistent == 0)
    refuse("stream_fold=1 is for CTAs that loop over tiles, but persistent=0; leave one out");
  require_one_sum("stream_fold");
  if (!is_same_for_all_tiles(plan_.folds[0].fold->operand(0))) {
    refuse(
        "stream_fold shares trips out evenly, but their number isn't one that all tiles have; "
        "leave it out");
  }
  require_no_store_before("stream_fold");
  const int ctas = request_.target.sm_count * plan_.ctas_per_sm, most = kWorkspaceFlagBytes / 4;
  if (ctas > most)
    refuse(fmt::format("stream_fold has flags for {} CTAs, the device holds {}", most, ctas));
  plan_.persistent = true;
}

}  // namespace octile::cuda
