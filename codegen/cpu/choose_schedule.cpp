// Extents for tile axes that a schedule leaves open.
#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "octile/codegen/cpu/engine.hpp"
#include "octile/codegen/ir/walk.hpp"

namespace octile::cpu {
namespace {

using ir::AxisId;
using ir::Op;
using ir::OpKind;
using ir::Value;

constexpr std::int64_t kDotTile = 128;         ///< rows, columns and depth of a dot's tile
constexpr std::int64_t kTileElements = 16384;  ///< of other tiles: 64 KiB of f32
constexpr std::int64_t kRowElements = 4096;    ///< along the contiguous axis of such a tile
constexpr std::int64_t kPrograms = 16;         ///< wanted in the grid, so that threads share evenly
constexpr std::int64_t kSmallest = 32;         ///< extents aren't halved below this

/// What the program does with one axis.
struct Use {
  std::int64_t size = 0;      ///< of the tensor dimensions it indexes, the largest; 0: unknown
  std::int64_t whole = 0;     ///< it must cover this many elements: it is indexed without a block
  std::int64_t multiple = 1;  ///< of the runs it is reduced in
  bool contracted = false;    ///< by a dot
  bool dot_outer = false;     ///< rows or columns of a dot
  bool innermost = false;     ///< indexes the last dimension of a tensor
};

struct IndexUse {
  bool iota = false;
  bool divided = false;
  bool block = false;  ///< iota is offset by some multiple of the axis's extent
};

bool is_zero(const Value* value) {
  const Op* op = value->def;
  return op != nullptr && op->kind == OpKind::constant && op->attr.int_value == 0;
}

/// Looks at each value of an index once, whatever shares it.
class IndexScan {
 public:
  explicit IndexScan(AxisId axis) : axis_(axis) {}

  IndexUse scan(const Value* index) {
    if (const auto found = known_.find(index); found != known_.end()) return found->second;
    return known_[index] = look_at(index);
  }

 private:
  IndexUse look_at(const Value* index) {
    const Op* op = index->def;
    IndexUse out;
    if (op == nullptr) return out;
    if (op->kind == OpKind::iota) out.iota = op->attr.axis == axis_;
    if (op->kind == OpKind::axis_extent) out.block = op->attr.axis == axis_;
    if (!ir::info(op->kind).elementwise) return out;
    // Block 0 times the extent is no block.
    if (op->kind == OpKind::mul && (is_zero(op->operand(0)) || is_zero(op->operand(1)))) return out;
    for (const Value* operand : op->operands) {
      const IndexUse part = scan(operand);
      out.iota |= part.iota;
      out.block |= part.block;
      out.divided |= part.divided;
    }
    const bool divides = op->kind == OpKind::div || op->kind == OpKind::ceil_div;
    out.divided |= divides && out.iota;
    return out;
  }

  AxisId axis_;
  std::unordered_map<const Value*, IndexUse> known_;  // looked up only
};

class Chooser {
 public:
  Chooser(const ir::Function& function, const Schedule& partial,
          const std::vector<std::int64_t>& dim_values)
      : function_(ir::clone(function)),
        schedule_(partial),
        dim_values_(dim_values),
        uses_(function.axes.size()) {}

  Schedule run() {
    ir::for_each_op(*function_->body, [&](const Op& op) { look_at(op); });
    for (std::size_t i = 0; i < uses_.size(); ++i) bind_given(i);
    // Axes that have to cover something first: they decide what is left for the others.
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (is_open(i) && uses_[i].whole > 0) bind(i, uses_[i].whole);
    }
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (is_open(i) && (uses_[i].contracted || uses_[i].dot_outer)) bind_wanted(i, kDotTile);
    }
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (is_open(i) && uses_[i].innermost) bind_wanted(i, std::min(kRowElements, room()));
    }
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (is_open(i)) bind_wanted(i, std::min<std::int64_t>(room(), 64));
    }
    spread();
    for (const std::size_t i : chosen_) schedule_.axes[axis(i).name] = axis(i).extent;
    return schedule_;
  }

 private:
  ir::Axis& axis(std::size_t i) { return function_->axes[i]; }
  bool is_open(std::size_t i) { return !axis(i).is_bound(); }

  void look_at(const Op& op) {
    if (op.kind == OpKind::dot) {
      uses_[static_cast<std::size_t>(op.attr.axis)].contracted = true;
      for (const AxisId outer : op.result()->type.axes) {
        uses_[static_cast<std::size_t>(outer)].dot_outer = true;
      }
    } else if (op.kind == OpKind::reduce && op.attr.group > 0) {
      Use& use = uses_[static_cast<std::size_t>(op.attr.axis)];
      use.multiple = std::lcm(use.multiple, op.attr.group);
    } else if (op.kind == OpKind::load || op.kind == OpKind::store) {
      look_at_access(op);
    }
  }

  void look_at_access(const Op& op) {
    const ir::Param& param = function_->params[static_cast<std::size_t>(op.attr.index)];
    for (std::size_t d = 0; d < param.shape.size(); ++d) {
      for (const AxisId id : op.operands[d]->type.axes) {
        const IndexUse index = IndexScan(id).scan(op.operands[d]);
        if (!index.iota || index.divided) continue;
        Use& use = uses_[static_cast<std::size_t>(id)];
        const std::int64_t size = ir::evaluate_extent(param.shape[d], dim_values_);
        use.size = std::max(use.size, size);
        if (!index.block) use.whole = std::max({use.whole, size, std::int64_t{1}});
        if (d + 1 == param.shape.size()) use.innermost = true;
      }
    }
  }

  void bind_given(std::size_t i) {
    const auto found = schedule_.axes.find(axis(i).name);
    if (found != schedule_.axes.end() && is_open(i)) axis(i).extent = found->second;
  }

  void bind(std::size_t i, std::int64_t extent) {
    const std::int64_t multiple = uses_[i].multiple;
    axis(i).extent = (std::max<std::int64_t>(extent, 1) + multiple - 1) / multiple * multiple;
    chosen_.push_back(i);
  }

  /// `extent`, but not more than there is to cover.
  void bind_wanted(std::size_t i, std::int64_t extent) {
    bind(i, uses_[i].size > 0 ? std::min(extent, uses_[i].size) : extent);
  }

  /// How many times the widest bound axis fits into a tile.
  std::int64_t room() {
    std::int64_t widest = 1;
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (!is_open(i)) widest = std::max(widest, axis(i).extent);
    }
    return std::max<std::int64_t>(kTileElements / widest, 1);
  }

  std::int64_t programs() {
    std::int64_t count = 1;
    for (const Value* extent : function_->grid) {
      const std::int64_t blocks = ir::evaluate_scalar(*function_, extent, dim_values_);
      if (__builtin_mul_overflow(count, std::max<std::int64_t>(blocks, 1), &count)) {
        return kPrograms;
      }
    }
    return count;
  }

  /// Halves the widest extent it may until the grid has programs enough.
  void spread() {
    for (;;) {
      if (programs() >= kPrograms) return;
      std::size_t widest = uses_.size();
      for (const std::size_t i : chosen_) {
        const bool fixed = uses_[i].whole > 0 || uses_[i].contracted || axis(i).extent <= kSmallest;
        if (fixed || axis(i).extent / 2 % uses_[i].multiple != 0) continue;
        if (widest == uses_.size() || axis(i).extent > axis(widest).extent) widest = i;
      }
      if (widest == uses_.size()) return;
      axis(widest).extent = (axis(widest).extent + 1) / 2;
    }
  }

  std::unique_ptr<ir::Function> function_;
  Schedule schedule_;
  const std::vector<std::int64_t>& dim_values_;
  std::vector<Use> uses_;
  std::vector<std::size_t> chosen_;
};

}  // namespace

Schedule choose_schedule(const ir::Function& function, const Schedule& partial,
                         const std::vector<std::int64_t>& dim_values) {
  return Chooser(function, partial, dim_values).run();
}

}  // namespace octile::cpu
