// What a trip of a pipelined fold computes while the tensor core works: above all small tiles that
// its dots are scaled by.
#include <algorithm>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

bool Emitter::depends_on_dots(const FoldPlan& plan, const ir::Value* value) const {
  if (value->def == nullptr || value->def->parent != plan.fold->regions[0]) return false;
  return depends_on_dots(plan, *value->def);
}

bool Emitter::depends_on_dots(const FoldPlan& plan, const ir::Op& op) const {
  const auto& dots = plan.pipelined_dots;
  if (std::find(dots.begin(), dots.end(), &op) != dots.end() || !op.regions.empty()) return true;
  return std::any_of(op.operands.begin(), op.operands.end(),
                     [&](const ir::Value* v) { return depends_on_dots(plan, v); });
}

// What a trip computes without its pipelined dots.
void Emitter::prepare_trip(const FoldPlan& plan) {
  if (plan.panels_ahead) release_read_panel(plan);
  if (!plan.panels.empty() && !plan.panels_ahead) {
    for (const PanelLoad& p : plan.panels) declare_panel(p);
    wait_panel();
    read_panel_column(plan);
  }
  for (const ir::Op* op : plan.fold->regions[0]->ops) {
    if (op->kind == OpKind::yield || depends_on_dots(plan, *op)) continue;
    if (plan.outer && (op == plan.outer->op || op == plan.outer->columns.load)) continue;
    if (in_ptx_ && op->results.size() == 1 && is_step(plan, op->result())) continue;
    if (!is_ready_made(plan, *op)) {
      operation(*op);
      continue;
    }
    materialize(*op);
    keep_ready(op->result());
  }
}

// The digit that counts along an axis in pieces, of a tile that is the same all along each piece;
// or null.
const Factor* Emitter::piece_digit(const ir::Value* v) {
  const ir::AxisId axis = plan_.tile_pieces.axis;
  if (axis < 0 || !v->type.has_axis(axis)) return nullptr;
  const auto digits = family_->registers({axis}, analysis_.runs(v));
  return digits.size() == 1 && digits[0]->place == plan_.tile_pieces.pieces.back().size ? digits[0]
                                                                                        : nullptr;
}

// Keeps what was computed from being computed later. Elements of a piece share a register.
void Emitter::keep_ready(const ir::Value* v) {
  const std::string name = names_.at(v);
  const Factor* digit = piece_digit(v);
  if (digit == nullptr) return out_.line("pin_registers({});", name);
  const Runs runs = analysis_.runs(v);
  std::string first = "0";
  for (const TilePieces::Piece& p : plan_.tile_pieces.pieces) {
    if (p.first == 0) continue;
    first = fmt::format("{0} < {1} ? {2} : {1}", digit->var, p.first / digit->place, first);
  }
  int loops = open_loops(v->type.axes, runs);
  out_.line("const int first = {};", first);
  out_.line("auto at = [&](int {}) {{ return {}; }};", digit->var,
            family_->register_index(v->type.axes, runs));
  out_.line("if ({} == first) asm volatile(\"\" : \"+f\"({}[at(first)]));", digit->var, name);
  out_.line("{0}[at({1})] = {0}[at(first)];", name, digit->var);
  close_loops(loops);
}

// Small tiles that a block's results are scaled by: computed, and kept from being computed later,
// while the tensor core works, so that less stands between its last product and the next.
bool Emitter::is_ready_made(const FoldPlan& plan, const ir::Op& op) {
  constexpr int kMostRegisters = 20, kRoom = 28;
  if (plan.pipelined_dots.empty() || !ir::info(op.kind).elementwise || op.operands.size() != 2)
    return false;
  const ir::Value* v = op.result();
  if (v->type.is_scalar() || v->type.element != ElementType::f32) return false;
  int registers = family_->register_count(v->type.axes, analysis_.runs(v));
  if (const Factor* digit = piece_digit(v))
    registers = registers / digit->size * static_cast<int>(plan_.tile_pieces.pieces.size());
  if (registers > kMostRegisters) return false;
  const auto users = users_.find(v);
  if (users == users_.end() ||
      std::none_of(users->second.begin(), users->second.end(),
                   [&](const ir::Op* user) { return depends_on_dots(plan, *user); }))
    return false;
  for (const ir::Value* sum : plan.fold->results)
    registers += family_->register_count(sum->type.axes, {});
  for (const ir::Op* dot : plan.pipelined_dots)
    registers += plan.sets * register_count(dot->result());
  return registers + kRoom <= plan_.consumer_registers;
}

}  // namespace octile::cuda
