// Tiles in pieces (TilePieces), where a fold loads one scale for each block of elements along an
// axis and blocks end inside of tiles, as those of 128 do in tiles of 136. In a contiguous tile,
// which column has which scale depends on the tile: a consumer chooses and multiplies scales column
// by column, which takes as many instructions as promotion itself (36 and 36 of 64x72). Where all
// that has the axis comes and goes by TMA, a tile can as well be put together of pieces.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/planner.hpp"

namespace octile::cuda {

using ir::OpKind;

void Planner::plan_pieces() {
  if (schedule().tile_pieces == 0 || plan_.mma_sync) return;
  TilePieces found;
  const std::string problem = find_pieces(found);
  if (schedule().tile_pieces == 1 && !problem.empty())
    refuse(fmt::format("tile_pieces=1, but {}; leave it out", problem));
  if (!problem.empty()) return;
  plan_.tile_pieces = found;
  for (const DotPlan& d : plan_.dots) {
    if (d.n.tma < 0 || !found.cover(d.n.axis)) continue;
    for (FoldPlan& f : plan_.folds) {
      if (d.op->parent == f.fold->regions[0])
        copy_in_pieces(f.tma[static_cast<std::size_t>(d.n.tma)]);
    }
  }
}

void Planner::copy_in_pieces(TmaLoad& load) {
  if (load.boxes.size() > 1) return;  // another dot's operand too
  int map = load.map();
  load.boxes.clear();
  for (const TilePieces::Piece& p : plan_.tile_pieces.pieces) {
    if (p.first > 0) {
      map = static_cast<int>(plan_.tensor_maps.size());
      plan_.tensor_maps.push_back({});
    }
    load.boxes.push_back({p.first, p.size, map});
  }
}

// Why tiles stay contiguous, or nothing and how they are put together.
std::string Planner::find_pieces(TilePieces& found) {
  if (!plan_.specialized) return "there is no pipelined fold";
  if (schedule().cluster > 1 || schedule().split_fold > 1 || schedule().stream_fold)
    return "it can't be combined with cluster, split_fold or stream_fold";
  if (std::string problem = choose_pieces(found); !problem.empty()) return problem;
  if (std::string problem = why_contiguous(found); !problem.empty()) return problem;
  if (const int maps = most_maps(found); maps > kMaxTensorMaps)
    return fmt::format("a kernel has room for {} tensor maps, and {} may be needed", kMaxTensorMaps,
                       maps);
  return {};
}

// Tensor maps that are needed at the most: of operands, of panels, and of each width of columns
// that a store leaves in.
int Planner::most_maps(const TilePieces& found) const {
  int maps = 0;
  for (const FoldPlan& f : plan_.folds) {
    for (const ir::Op* op : f.fold->regions[0]->ops) {
      if (op->kind != OpKind::load) continue;
      ++maps;
      if (is_only_multiplied(*op)) maps += static_cast<int>(found.pieces.size()) - 1;
    }
  }
  ir::for_each_op(*function_.body, [&](const ir::Op& op) {
    if (op.kind == OpKind::store) maps += static_cast<int>(found.pieces.size());
  });
  return maps;
}

// The axis is one whose tiles end inside of the blocks that a load of a fold counts; a piece has to
// be part of one block for every such load.
std::string Planner::choose_pieces(TilePieces& found) const {
  struct Blocks {
    ir::AxisId axis;
    std::int64_t size;
  };
  std::vector<Blocks> all;
  for (const FoldPlan& f : plan_.folds) {
    for (const ir::Op* op : f.fold->regions[0]->ops) {
      if (op->kind != OpKind::load) continue;
      for (const ir::Value* index : op->operands) {
        const auto form = analysis_.affine(index);
        if (form && form->axis >= 0 && form->divisor > 1)
          all.push_back({form->axis, form->divisor});
      }
    }
  }
  const auto ends_inside = [&](const Blocks& b) {
    const std::int64_t tile = analysis_.extent(b.axis);
    return tile % b.size != 0 && b.size % tile != 0;
  };
  const auto first = std::find_if(all.begin(), all.end(), ends_inside);
  if (first == all.end()) return "no block of scales ends inside of a tile";
  found.axis = first->axis;
  while (found.position < static_cast<int>(function_.grid.size()) &&
         !grid_position_uses(function_, found.position, found.axis))
    ++found.position;
  std::int64_t most = first->size;
  for (const Blocks& b : all) {
    if (b.axis == found.axis)
      most = std::min(most, b.size & -b.size);
    else if (ends_inside(b))
      return "blocks of scales end inside of tiles along two axes";
  }
  found.pieces = pieces_of_tile(analysis_.extent(found.axis), most);
  if (!found.pieces.empty()) return {};
  return fmt::format("{} elements along '{}' would take more than 4 pieces, or one of fewer than 8",
                     analysis_.extent(found.axis), axis_name(found.axis));
}

// Whether `op` is where a contiguous tile begins: its number in the grid times its extent.
bool Planner::begins_tile(const ir::Op& op, const TilePieces& found) const {
  if (op.kind != OpKind::mul) return false;
  bool number = false, extent = false;
  for (const ir::Value* v : op.operands) {
    if (v->def == nullptr) return false;
    number |= v->def->kind == OpKind::grid_index && v->def->attr.index == found.position;
    extent |= v->def->kind == OpKind::axis_extent && v->def->attr.axis == found.axis;
    extent |=
        v->def->kind == OpKind::constant && v->def->attr.int_value == analysis_.extent(found.axis);
  }
  return number && extent;
}

// Whether an index along the axis is the tile's, and nothing is added to it.
bool Planner::is_tile_index(const ir::Value* index, const TilePieces& found) const {
  const auto form = analysis_.affine(index);
  if (!form || form->terms.size() != 1 || form->terms[0].negative) return false;
  const ir::Op* begin = form->terms[0].value->def;
  return begin != nullptr && begins_tile(*begin, found);
}

// Whether all that is done with a tile is to multiply it on the tensor core's N side.
bool Planner::is_only_multiplied(const ir::Op& load) const {
  bool only = true, multiplied = false;
  ir::for_each_op(*function_.body, [&](const ir::Op& op) {
    if (std::count(op.operands.begin(), op.operands.end(), load.result()) == 0) return;
    const DotPlan* d = plan_.find_dot(&op);
    const bool on_n = d != nullptr && d->n.tma >= 0 && d->n.value == load.result();
    only &= on_n;
    multiplied |= on_n;
  });
  return only && multiplied;
}

// Whether TMA copies what a load or a store touches along the axis.
bool Planner::moves_in_pieces(const ir::Op& access, const TilePieces& found) {
  if (access.kind == OpKind::store) {
    if (schedule().tma_store == 0) return false;
    const auto form = tma_store_form(function_, analysis_, request_, plan_, access);
    return form && form->column_axis == found.axis;
  }
  for (const FoldPlan& f : plan_.folds) {
    if (access.parent != f.fold->regions[0]) continue;
    if (is_only_multiplied(access)) return true;
    const ir::Param& param = function_.params[static_cast<std::size_t>(access.attr.index)];
    if (size_in_bytes(param.element) != 4 || param.access != ir::Access::in ||
        access.attr.has_other)
      return false;
    for (const DotPlan& d : plan_.dots) {
      if (d.op->parent == access.parent && adds_in_place(*f.fold, d.op)) return false;
    }
    const auto panel = panel_form(function_, analysis_, request_, found, *f.fold, access);
    return panel && panel->in_pieces && panel->chooses_rows();
  }
  return false;
}

// Nothing may ask where in the tensor an element of the axis is, or which tile it is in, but copies
// by TMA.
std::string Planner::why_contiguous(const TilePieces& found) {
  const std::string axis = axis_name(found.axis);
  for (const DotPlan& d : plan_.dots) {
    if (d.m.axis == found.axis)
      return fmt::format("axis '{}' is on the tensor core's M side", axis);
  }
  const std::string otherwise =
      fmt::format("its tiles along '{}' are counted for more than indices tile by tile", axis);
  std::unordered_set<const ir::Value*> numbers, begins, indices;
  std::string problem;
  ir::for_each_op(*function_.body, [&](const ir::Op& op) {
    if (!problem.empty()) return;
    if (op.kind == OpKind::grid_index && op.attr.index == found.position)
      numbers.insert(op.result());
    if (op.kind == OpKind::iota && op.attr.axis == found.axis) indices.insert(op.result());
    if ((op.kind == OpKind::reduce || op.kind == OpKind::dot) && op.attr.axis == found.axis)
      problem = fmt::format("axis '{}' is summed up or reduced", axis);
    const bool access = op.kind == OpKind::load || op.kind == OpKind::store;
    const std::size_t rank =
        access ? function_.params[static_cast<std::size_t>(op.attr.index)].shape.size() : 0;
    bool begin = false, along = false, derived = false;
    for (std::size_t i = 0; i < op.operands.size(); ++i) {
      const ir::Value* v = op.operands[i];
      if (numbers.count(v) != 0) {
        if (begins_tile(op, found))
          begins.insert(op.result());
        else
          problem = otherwise;
      }
      begin |= begins.count(v) != 0;
      if (indices.count(v) == 0) continue;
      along |= i < rank;
      derived |= !access && !op.results.empty() && analysis_.affine(op.result()).has_value();
      if (!derived && !(i < rank && is_tile_index(v, found))) problem = otherwise;
    }
    if (derived) indices.insert(op.result());
    if (begin && !derived) problem = otherwise;
    if (along && problem.empty() && !moves_in_pieces(op, found))
      problem = fmt::format("'{}' isn't copied by TMA in pieces along '{}'",
                            function_.params[static_cast<std::size_t>(op.attr.index)].name, axis);
  });
  return problem;
}

}  // namespace octile::cuda
