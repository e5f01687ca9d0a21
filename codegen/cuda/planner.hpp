// Makes a plan: one step per decision, in the order of run(). plan.cpp has the steps from dots to
// the grid, plan_stores.cpp stores through shared memory, plan_ring.cpp the steps that share out
// shared memory and registers in a pipelined fold.
#pragma once

#include <algorithm>
#include <set>
#include <string>

#include "octile/codegen/cuda/choose_wgmma.hpp"
#include "octile/codegen/cuda/plan.hpp"

namespace octile::cuda {

inline constexpr int kMostStages = 24;        // where the schedule leaves it open
inline constexpr int kStageAlignment = 1024;  // the swizzle atom: 8 rows of 128 bytes
// Of any TMA copy's place; of swizzled rows of 64 bytes.
inline constexpr int kCopyAlignment = 128, kSwizzledAlignment = 512;

inline int round_up(int x, int to) {
  return (x + to - 1) / to * to;
}

class Planner {
 public:
  Planner(const ir::Function& function, const LowerRequest& request, Analysis& analysis)
      : function_(function), request_(request), analysis_(analysis) {
    plan_.schedule = request.schedule;
  }
  Plan run();

 private:
  const Schedule& schedule() const { return plan_.schedule; }
  int extent(ir::AxisId axis) const { return static_cast<int>(analysis_.extent(axis)); }
  const std::string& axis_name(ir::AxisId axis) const {
    return function_.axes[static_cast<std::size_t>(axis)].name;
  }
  [[noreturn]] void refuse(const std::string& why) const;
  int register_count(const ir::Value* v) {
    return plan_.family.register_count(v->type.axes, analysis_.runs(v));
  }

  // plan.cpp
  void choose_instruction();
  void plan_dot(const ir::Op& op);
  void assign_sides(DotPlan& d, const ir::Value* a, const ir::Value* b);
  void plan_folds();
  int add_tma(FoldPlan& f, const DotPlan& d, const Operand& operand);
  void plan_threads();
  void plan_registers();
  void shape_dot(DotPlan& d);
  int blocked_threads();
  void build_family();
  void add_mma_axis(ir::AxisId axis, bool m_side, const MmaShape& shape);
  void add_warp_axis(ir::AxisId axis, bool m_side);
  void add_other_axis(ir::AxisId axis);
  void split_runs();
  void check_groups() const;
  void plan_grid();
  void plan_split();
  void plan_slice();
  void plan_fold_teams();
  void require_one_sum(const std::string& knob) const;
  void require_no_store_before(const std::string& knob) const;
  void plan_stream();  // plan_stream.cpp
  int position_of(const std::string& name) const;
  void plan_multicast();

  // plan_pieces.cpp
  void plan_pieces();
  void copy_in_pieces(TmaLoad& load);
  std::string find_pieces(TilePieces& found);
  int most_maps(const TilePieces& found) const;
  std::string choose_pieces(TilePieces& found) const;
  std::string why_contiguous(const TilePieces& found);
  bool begins_tile(const ir::Op& op, const TilePieces& found) const;
  bool is_tile_index(const ir::Value* index, const TilePieces& found) const;
  bool is_only_multiplied(const ir::Op& load) const;
  bool moves_in_pieces(const ir::Op& access, const TilePieces& found);

  // plan_stores.cpp
  void plan_stores();
  void plan_stored_over(TmaStore& store);
  bool stores_by_warp();
  void choose_store_warps();
  void choose_own_places();
  int staging_bytes() const;
  bool stores_follow_fold() const;
  void choose_staging();
  void lay_out_slots();

  // plan_ring.cpp
  void plan_shared_memory();
  bool uses_reduce() const;
  int reduce_bytes() const;
  int copy_ring();
  int plan_ring();
  int most_stages() const;
  int most_held_stages() const;
  int shared_limit() const;
  int ring_room() const;
  int stages_that_fit() const {
    return Plan::stages_in(ring_room(), plan_.stage_bytes, plan_.outer_bytes);
  }
  void place_sums();
  void check_team_sums(int ring) const;
  void choose_panel_trips();
  int panel_bytes(int trips);
  int panel_alignment() const;
  void find_pipelined_dots(FoldPlan& f);
  void lay_out_stage(FoldPlan& f);
  unsigned grid_positions_without(const ir::Op& load);
  void map_panels(FoldPlan& f);
  void plan_panels(FoldPlan& f);
  void plan_outer_product(FoldPlan& f);
  std::optional<OuterProduct> outer_product(const FoldPlan& f, const ir::Op& op);
  void check_pieces(const FoldPlan& f) const;
  void plan_blocks(FoldPlan& f);
  void choose_unroll(FoldPlan& f);
  void check_registers(const FoldPlan& f);
  int panel_registers(const FoldPlan& f);
  int registers_of_a_trip(const FoldPlan& f);
  void spare_registers();
  bool is_row_wise(const FoldPlan& f) const;

  const ir::Function& function_;
  const LowerRequest& request_;
  Analysis& analysis_;
  Plan plan_;
  std::set<ir::AxisId> m_axes_, n_axes_;
  int launched_registers_ = 0;
};

}  // namespace octile::cuda
