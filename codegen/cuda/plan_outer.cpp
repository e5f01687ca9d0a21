// Which product of a pipelined fold the tensor core makes beside its dots
// (Schedule::outer_products).
#include <fmt/format.h>

#include <algorithm>

#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/planner.hpp"

namespace octile::cuda {

using ir::OpKind;

void Planner::plan_outer_product(FoldPlan& f) {
  if (!schedule().outer_products) return;
  if (plan_.folds.size() > 1)
    refuse(fmt::format("outer_products=1 is for one pipelined fold, there are {}; leave it out",
                       plan_.folds.size()));
  if (schedule().accumulators == 2)
    refuse("outer_products=1 and accumulators=2 can't be combined: leave one out");
  // Rows that aren't 16-byte aligned only rule panels out for these strides: no reason to refuse.
  const auto is_unaligned = [&](const SmallLoad& s) {
    return request_.tensors[static_cast<std::size_t>(s.load->attr.index)].alignment < 16;
  };
  if (std::any_of(f.small.begin(), f.small.end(), is_unaligned)) return;
  if (!f.small.empty()) {
    refuse(fmt::format(
        "outer_products=1 needs a warp that reads '{}', which TMA can't bring as a panel; leave it "
        "out",
        function_.params[static_cast<std::size_t>(f.small[0].load->attr.index)].name));
  }
  for (const ir::Op* op : f.fold->regions[0]->ops) {
    if (!f.outer) f.outer = outer_product(f, *op);
  }
  if (!f.outer) {
    refuse(
        "outer_products=1 needs a product by which a dot of the fold is multiplied, of one f32 "
        "value per row and one per column, the columns' loaded in the fold at 16-byte addresses "
        "and used for nothing else; there is none, leave it out");
  }
  std::erase_if(f.panels, [&](const PanelLoad& p) { return p.load == f.outer->columns.load; });
  plan_.outer_bytes = kOuterBytes * plan_.find_dot(f.outer->dot)->shape.n;
}

std::optional<OuterProduct> Planner::outer_product(const FoldPlan& f, const ir::Op& op) {
  if (op.kind != OpKind::mul || op.result()->type.element != ElementType::f32) return {};
  const auto users_of = [&](const ir::Value* v) {
    std::vector<const ir::Op*> users;
    ir::for_each_op(*function_.body, [&](const ir::Op& user) {
      if (std::find(user.operands.begin(), user.operands.end(), v) != user.operands.end())
        users.push_back(&user);
    });
    return users;
  };
  const auto users = users_of(op.result());
  for (const ir::Op* dot : f.pipelined_dots) {
    const DotPlan& d = *plan_.find_dot(dot);
    const bool scales_it = std::all_of(users.begin(), users.end(), [&](const ir::Op* user) {
      const auto& operands = user->operands;
      return std::find(operands.begin(), operands.end(), dot->result()) != operands.end();
    });
    if (!scales_it || d.shape.n_blocks > 1 || op.result()->type.axes.size() != 2) continue;
    for (int i : {0, 1}) {
      const ir::Value *rows = op.operand(i), *columns = op.operand(1 - i);
      if (rows->type.axes != std::vector{d.m.axis} || columns->type.axes != std::vector{d.n.axis})
        continue;
      const auto panel_of = [&](const ir::Value* v) {
        return std::find_if(f.panels.begin(), f.panels.end(),
                            [&](const PanelLoad& p) { return p.load == v->def; });
      };
      const auto panel = panel_of(columns);
      if (panel == f.panels.end() || !panel->has_rows || panel->divisor > 1 || panel->in_pieces ||
          users_of(columns).size() > 1)
        continue;
      // Known before the dot is waited for.
      const bool is_known = panel_of(rows) != f.panels.end() ||
                            (rows->def != nullptr && rows->def->parent == function_.body);
      if (is_known) return OuterProduct{&op, rows, *panel, dot};
    }
  }
  return {};
}

}  // namespace octile::cuda
