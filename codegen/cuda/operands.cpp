#include "octile/codegen/cuda/operands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <map>
#include <numeric>

namespace octile::cuda {

using ir::OpKind;

bool tensor_core_types(ElementType a, ElementType b) {
  if (is_fp8(a) && is_fp8(b)) return true;
  return a == b && (a == ElementType::f16 || a == ElementType::bf16);
}

ir::AxisId other_axis(const ir::Value* tile, ir::AxisId axis) {
  return tile->type.axes[0] == axis ? tile->type.axes[1] : tile->type.axes[0];
}

std::string emitted_axis_name(const ir::Function& function, ir::AxisId axis) {
  const std::string& name = function.axes[static_cast<std::size_t>(axis)].name;
  return std::isdigit(static_cast<unsigned char>(name[0])) ? "ax" + name : name;
}

namespace {

bool is_zero(const ir::Value* v) {
  return v->def != nullptr && v->def->kind == OpKind::constant && v->def->attr.float_value == 0 &&
         v->def->attr.int_value == 0;
}

bool uses(const ir::Value* value, const ir::Value* what) {
  if (value == what) return true;
  if (value->def == nullptr) return false;
  return std::any_of(value->def->operands.begin(), value->def->operands.end(),
                     [&](const ir::Value* v) { return uses(v, what); });
}

int count_uses_in(const ir::Region& region, const ir::Value* value) {
  int n = 0;
  ir::for_each_op(region, [&](const ir::Op& op) {
    n += static_cast<int>(std::count(op.operands.begin(), op.operands.end(), value));
  });
  return n;
}

bool is_accessed_after(const ir::Function& function, const ir::Op& store) {
  bool after = false, found = false;
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    const bool access = op.kind == OpKind::load || op.kind == OpKind::store;
    found |= after && access && op.attr.index == store.attr.index;
    after |= &op == &store;
  });
  return found;
}

}  // namespace

bool is_sum_from_zero(const ir::Op& fold) {
  const ir::Region& body = *fold.regions[0];
  const ir::Op& yield = *body.ops.back();
  for (std::size_t i = 0; i < yield.operands.size(); ++i) {
    const ir::Value* carried = body.args[i + 1];
    if (!is_zero(fold.operands[i + 1]) || yield.operands[i]->def == nullptr) return false;
    const ir::Op& last = *yield.operands[i]->def;
    bool sum =
        (last.kind == OpKind::fma && last.operand(2) == carried) ||
        (last.kind == OpKind::add && (last.operand(0) == carried || last.operand(1) == carried));
    if (!sum || count_uses_in(body, carried) != 1) return false;
  }
  return true;
}

bool has_store(const ir::Op& op) {
  bool found = op.kind == OpKind::store;
  for (const ir::Region* region : op.regions)
    ir::for_each_op(*region, [&](const ir::Op& x) { found |= x.kind == OpKind::store; });
  return found;
}

bool adds_in_place(const ir::Op& fold, const ir::Op* dot) {
  const ir::Region& body = *fold.regions[0];
  const ir::Op& yield = *body.ops.back();
  bool fp8 = is_fp8(dot->operand(0)->type.element);
  if (yield.operands.size() != 1 || (fp8 && !dot->attr.fast_accumulate)) return false;
  const ir::Op* last = yield.operands[0]->def;
  return last != nullptr && last->kind == OpKind::add && uses(yield.operands[0], dot->result()) &&
         (last->operand(0) == body.args[1] || last->operand(1) == body.args[1]) &&
         (last->operand(0) == dot->result() || last->operand(1) == dot->result()) &&
         count_uses_in(body, dot->result()) == 1 && count_uses_in(body, body.args[1]) == 1;
}

std::optional<TmaLoad> tma_form(const ir::Function& function, const Analysis& analysis,
                                const LowerRequest& request, const ir::Op& load,
                                ir::AxisId row_axis, ir::AxisId k_axis) {
  const ir::Param& param = function.params[static_cast<std::size_t>(load.attr.index)];
  const TensorFacts& facts = request.tensors[static_cast<std::size_t>(load.attr.index)];
  if (load.attr.has_other || param.access != ir::Access::in || facts.alignment < 16) return {};
  int rank = static_cast<int>(param.shape.size());
  TmaLoad t;
  t.load = &load;
  int k_dim = -1, row_dim = -1;
  for (int d = 0; d < rank; ++d) {
    auto form = analysis.affine(load.operand(d));
    if (!form || form->divisor != 1) return {};
    if (form->axis == k_axis) k_dim = d;
    if (form->axis == row_axis) row_dim = d;
  }
  int bytes = size_in_bytes(param.element);
  int k_bytes = static_cast<int>(analysis.extent(k_axis)) * bytes;
  int rows = static_cast<int>(analysis.extent(row_axis));
  bool fills = k_bytes % 128 == 0 || k_bytes == 64 || k_bytes == 32;
  if (k_dim < 0 || row_dim < 0 || k_dim != facts.contiguous_dim || !fills || rows > 256) return {};
  t.swizzle = std::min(k_bytes, 128);
  t.chunks = k_bytes / t.swizzle;
  t.chunk_elements = t.swizzle / bytes;
  t.boxes = {{0, rows, 0}};
  t.rows = (rows + 7) / 8 * 8;
  t.bytes = rows * k_bytes;
  t.dim_order = {k_dim, row_dim};
  for (int d = rank - 1; d >= 0; --d) {
    if (d != k_dim && d != row_dim) t.dim_order.push_back(d);
  }
  return t;
}

std::optional<TmaStore> tma_store_form(const ir::Function& function, const Analysis& analysis,
                                       const LowerRequest& request, const Plan& plan,
                                       const ir::Op& store) {
  const ir::Param& param = function.params[static_cast<std::size_t>(store.attr.index)];
  const TensorFacts& facts = request.tensors[static_cast<std::size_t>(store.attr.index)];
  int rank = static_cast<int>(param.shape.size());
  if (store.attr.has_mask || facts.alignment < 16 || store.parent != function.body) return {};
  if (is_accessed_after(function, store)) return {};  // a bulk copy may be under way by then
  TmaStore t;
  t.store = &store;
  int column_dim = facts.contiguous_dim, row_dim = -1;
  for (int d = 0; d < rank; ++d) {
    auto form = analysis.affine(store.operand(d));
    if (!form || form->divisor != 1) return {};
    if (form->axis < 0) continue;
    if (d == column_dim) {
      t.column_axis = form->axis;
    } else if (row_dim < 0) {
      row_dim = d;
      t.row_axis = form->axis;
    } else {
      return {};
    }
  }
  if (t.column_axis < 0 || t.row_axis < 0 || t.column_axis == t.row_axis) return {};
  for (const DotPlan& dot : plan.dots) {
    if (!dot.tensor_core || dot.m.axis != t.row_axis || dot.n.axis != t.column_axis) continue;
    const AxisLayout &rows = plan.family.at(t.row_axis), &columns = plan.family.at(t.column_axis);
    const Slice& slice = plan.slice;
    int width = columns.extent;
    t.rows = t.pitch = 64 * dot.shape.m_blocks;
    if (slice.axis == t.column_axis) {
      width /= slice.ranks;
      if (slice.span != width) return {};
    } else if (slice.axis == t.row_axis) {
      t.rows /= slice.ranks;
      if (slice.span != t.rows || t.rows % 64 != 0) return {};
    }
    int bytes = width * size_in_bytes(param.element);
    if (rows.is_padded() || columns.is_padded() || bytes % 16 != 0) return {};
    t.row_bytes = bytes;
    t.element_bytes = size_in_bytes(param.element);
    std::vector<TilePieces::Piece> pieces = {{0, width}};
    if (plan.tile_pieces.cover(t.column_axis)) pieces = plan.tile_pieces.pieces;
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      const int begin = pieces[p].first * t.element_bytes;
      int within = 0;
      for (int width : part_widths(pieces[p].size * t.element_bytes)) {
        t.columns.push_back({begin + within, width, 0, static_cast<int>(p), within});
        within += width;
      }
    }
    t.dim_order = {column_dim, row_dim};
    for (int d = rank - 1; d >= 0; --d) {
      if (d != column_dim && d != row_dim) t.dim_order.push_back(d);
    }
    return t;
  }
  return {};
}

const ir::Op* load_stored_over(const ir::Function& function, const ir::Op& store) {
  const ir::Param& param = function.params[static_cast<std::size_t>(store.attr.index)];
  const std::size_t rank = param.shape.size();
  if (size_in_bytes(param.element) != 4) return nullptr;
  const ir::Op* found = nullptr;
  int accesses = 0;
  std::unordered_map<const ir::Value*, std::vector<const ir::Op*>> users;
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    for (const ir::Value* v : op.operands) users[v].push_back(&op);
    bool access = op.kind == OpKind::load || op.kind == OpKind::store;
    if (!access || op.attr.index != store.attr.index) return;
    ++accesses;
    if (op.kind == OpKind::load && op.parent == function.body && !op.attr.has_other &&
        std::equal(op.operands.begin(), op.operands.end(), store.operands.begin(),
                   store.operands.begin() + static_cast<std::ptrdiff_t>(rank)))
      found = &op;
  });
  if (found == nullptr || accesses != 2) return nullptr;
  for (const ir::Op* op = found; op != &store;) {
    const auto& next = users[op->result()];
    if (next.size() != 1 || next[0]->parent != function.body) return nullptr;
    op = next[0];
    if (op != &store && !ir::info(op->kind).elementwise) return nullptr;
  }
  return found;
}

std::vector<ir::AxisId> memory_order(const ir::Function& function, const LowerRequest& request,
                                     const Analysis& analysis, const std::set<ir::AxisId>& axes,
                                     int& vector) {
  std::map<ir::AxisId, std::pair<int, int>> contiguous;  // axis -> accesses, smallest element
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    if (op.kind != OpKind::load && op.kind != OpKind::store) return;
    const ir::Param& param = function.params[static_cast<std::size_t>(op.attr.index)];
    int dim = request.tensors[static_cast<std::size_t>(op.attr.index)].contiguous_dim;
    if (dim < 0) return;
    auto form = analysis.affine(op.operand(dim));
    if (!form || form->axis < 0 || form->divisor != 1 || !axes.count(form->axis)) return;
    int bytes = size_in_bytes(param.element);
    auto [it, fresh] = contiguous.try_emplace(form->axis, 0, bytes);
    it->second.first += op.kind == OpKind::load ? 2 : 1;
    it->second.second = std::min(it->second.second, bytes);
  });
  ir::AxisId first = axes.empty() ? -1 : *axes.rbegin();
  int best = 0;
  for (auto [axis, seen] : contiguous) {
    if (seen.first > best) {
      best = seen.first;
      first = axis;
      vector = 16 / seen.second;
    }
  }
  std::vector<ir::AxisId> order;
  if (first >= 0) order.push_back(first);
  for (ir::AxisId axis : axes) {
    if (axis != first) order.push_back(axis);
  }
  return order;
}

bool grid_position_uses(const ir::Function& function, int position, ir::AxisId axis) {
  Analysis analysis(function);
  bool found = false;
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    if (op.kind != OpKind::load && op.kind != OpKind::store) return;
    std::size_t rank = function.params[static_cast<std::size_t>(op.attr.index)].shape.size();
    for (std::size_t i = 0; i < rank; ++i) {
      const ir::Value* index = op.operands[i];
      found |= index->type.has_axis(axis) && (analysis.dependences(index) & (1u << position)) != 0;
    }
  });
  return found;
}

std::vector<TilePieces::Piece> pieces_of_tile(std::int64_t extent, std::int64_t most) {
  constexpr std::size_t kMostPieces = 4;
  constexpr int kSmallest = 8;  // rows of a swizzle
  std::vector<TilePieces::Piece> pieces;
  for (std::int64_t first = 0; first < extent; first += pieces.back().size) {
    const auto left = static_cast<std::uint64_t>(extent - first);
    const auto size = std::min(most, static_cast<std::int64_t>(std::bit_floor(left)));
    pieces.push_back({static_cast<int>(first), static_cast<int>(size)});
  }
  if (pieces.size() > kMostPieces || pieces.back().size < kSmallest) pieces.clear();
  return pieces;
}

void find_small_loads(const ir::Function& function, Analysis& analysis, const Plan& plan,
                      FoldPlan& fold) {
  auto in_family = family_values(function, plan, analysis);
  for (const ir::Op* op : fold.fold->regions[0]->ops) {
    if (op->kind != OpKind::load || !in_family.count(op->result()) || op->attr.has_other) continue;
    const ir::Param& param = function.params[static_cast<std::size_t>(op->attr.index)];
    if (size_in_bytes(param.element) != 4 || param.access != ir::Access::in) continue;
    SmallLoad s;
    s.load = op;
    s.axes = op->result()->type.axes;
    bool ok = true;
    for (std::size_t i = 0; i < param.shape.size(); ++i) {
      ok = ok && analysis.affine(op->operands[i]).has_value() &&
           analysis.is_pointwise(op->operands[i]);
    }
    for (ir::AxisId axis : s.axes) {
      std::int64_t run = analysis.run_length(op->result(), axis);
      std::int64_t extent = analysis.extent(axis);
      s.runs.push_back(run);
      s.counts.push_back((extent + run - 1) / run);
      s.count *= static_cast<int>(s.counts.back());
    }
    if (ok && s.count <= 1024) fold.small.push_back(s);
  }
}

namespace {

/// Conservative: sums, products and quotients of sizes, grid and trip indices and constants.
bool is_nonnegative(const ir::Value* scalar) {
  if (scalar->def == nullptr) return true;  // a trip index
  const ir::Op& op = *scalar->def;
  switch (op.kind) {
    case OpKind::constant:
      return op.attr.int_value >= 0;
    case OpKind::grid_index:
    case OpKind::dim:
    case OpKind::axis_extent:
      return true;
    case OpKind::add:
    case OpKind::mul:
    case OpKind::div:
    case OpKind::ceil_div:
    case OpKind::min:
    case OpKind::max:
      return is_nonnegative(op.operand(0)) && is_nonnegative(op.operand(1));
    default:
      return false;
  }
}

/// Rows that indices floor((first + c) / divisor), 0 <= c < extent, can touch.
std::int64_t distinct_rows(std::int64_t extent, std::int64_t divisor, std::int64_t first_divisor) {
  std::int64_t step = std::gcd(divisor, first_divisor);
  return (divisor - step + extent - 1) / divisor + 1;
}

}  // namespace

std::optional<PanelLoad> panel_form(const ir::Function& function, const Analysis& analysis,
                                    const LowerRequest& request, const TilePieces& tile_pieces,
                                    const ir::Op& fold, const ir::Op& load) {
  const TensorFacts& facts = request.tensors[static_cast<std::size_t>(load.attr.index)];
  if (facts.contiguous_dim < 0 || facts.alignment < 16) return {};
  int rank =
      static_cast<int>(function.params[static_cast<std::size_t>(load.attr.index)].shape.size());
  PanelLoad p;
  p.load = &load;
  int trip_dim = -1, row_dim = -1;
  std::vector<int> others;
  for (int d = rank - 1; d >= 0; --d) {
    auto form = analysis.affine(load.operand(d));
    if (!form) return {};
    bool uses_trip = std::any_of(form->terms.begin(), form->terms.end(), [&](const auto& t) {
      return t.value == fold.regions[0]->args[0];
    });
    if (uses_trip) {
      bool is_trip = trip_dim < 0 && form->terms.size() == 1 && !form->terms[0].negative &&
                     form->axis < 0 && form->divisor == 1;
      if (!is_trip) return {};
      trip_dim = d;
      continue;
    }
    for (const auto& t : form->terms) {
      if (t.negative || !is_nonnegative(t.value)) return {};
    }
    if (form->axis < 0) {
      if (form->divisor != 1) return {};
      others.push_back(d);
      continue;
    }
    if (p.has_rows) return {};
    p.has_rows = true;
    p.divisor = form->divisor;
    p.in_pieces = tile_pieces.cover(form->axis);
    const std::int64_t rows =
        p.in_pieces
            ? static_cast<std::int64_t>(tile_pieces.pieces.size())
            : distinct_rows(analysis.extent(form->axis), form->divisor, analysis.divisor_of(*form));
    if (rows > 256) return {};
    p.rows = static_cast<int>(rows);
    row_dim = d;
    if (d != facts.contiguous_dim) continue;
    // A copy starts at a multiple of 16 bytes and is as wide.
    constexpr int kAligned = 4;
    p.rows_adjacent = true;
    if (p.divisor != 1 || p.rows % kAligned != 0 || analysis.divisor_of(*form) % kAligned != 0)
      return {};
  }
  if (trip_dim < 0 || (trip_dim != facts.contiguous_dim && !p.rows_adjacent)) return {};
  p.transposed =
      request.schedule.transpose_panels == 1 && p.has_rows && !p.rows_adjacent && !p.chooses_rows();
  p.dim_order = {trip_dim};
  if (p.has_rows)
    p.dim_order.insert(p.rows_adjacent ? p.dim_order.begin() : p.dim_order.end(), row_dim);
  p.dim_order.insert(p.dim_order.end(), others.begin(), others.end());
  return p;
}

std::unordered_set<const ir::Value*> family_values(const ir::Function& function, const Plan& plan,
                                                   Analysis& analysis) {
  std::unordered_set<const ir::Value*> needed;
  std::vector<const ir::Value*> work;
  auto need = [&](const ir::Value* v) {
    if (needed.insert(v).second) work.push_back(v);
  };
  auto need_operand_source = [&](const ir::Value* v) {
    // A pointwise operand is evaluated element by element where shared memory is filled.
    if (!analysis.is_pointwise(v)) need(v);
  };
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    if (op.kind == OpKind::store) {
      for (const ir::Value* v : op.operands) need(v);
    }
  });
  while (!work.empty()) {
    const ir::Value* v = work.back();
    work.pop_back();
    if (v->def == nullptr) {
      if (v->region->owner != nullptr && v->index > 0) {
        const ir::Op& fold = *v->region->owner;
        need(fold.results[static_cast<std::size_t>(v->index - 1)]);
      }
      continue;
    }
    const ir::Op& op = *v->def;
    if (op.kind == OpKind::fold) {
      for (const ir::Value* x : op.operands) need(x);
      for (const ir::Value* x : op.regions[0]->ops.back()->operands) need(x);
      for (const ir::Value* x : op.regions[0]->args) need(x);
    } else if (op.kind == OpKind::dot) {
      const DotPlan* d = plan.find_dot(&op);
      for (const ir::Value* x : op.operands) {
        if (d == nullptr || d->tensor_core || !analysis.is_pointwise(x)) need_operand_source(x);
      }
    } else {
      for (const ir::Value* x : op.operands) need(x);
    }
  }
  return needed;
}

}  // namespace octile::cuda
