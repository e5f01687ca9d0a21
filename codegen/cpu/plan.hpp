// Decides, before any code is made, which tile values live in scratch memory and which are computed
// inside the loops that use them, and along which axis loops are vectorised. Knows no LLVM.
//
// A *nest* is one set of loops over tile axes: it evaluates a value into memory, reduces one, packs
// an operand of a dot, stores, or makes a fold's next values. A value that one nest uses is
// computed there (inline); one that several use, or that would be computed again and again in a
// larger nest, is kept in a buffer.
#pragma once

#include <unordered_map>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::cpu {

class Plan {
 public:
  /// `contiguous_dims[p]`: dimension of tensor parameter p with stride 1, or -1.
  Plan(const ir::Function& function, const std::vector<int>& contiguous_dims);

  /// True when `value` (which has axes) is kept in scratch memory.
  bool is_buffer(const ir::Value* value) const;
  /// Axes of a value in memory, outermost first.
  const std::vector<ir::AxisId>& layout(const ir::Value* value) const;
  /// The axis along which a nest that evaluates `value` reads memory best; one of its axes.
  ir::AxisId vector_axis(const ir::Value* value) const;
  /// Index of the fold's carried value whose next buffer `value` is written to directly, or -1.
  int forwarded(const ir::Value* value) const;
  /// FP8 dot with fast_accumulate whose chain goes on from a carried value: the index of that
  /// value, or -1. The addition that follows it is then part of the dot.
  int chained(const ir::Op* dot) const;
  /// True for an operation that another one has taken over.
  bool is_absorbed(const ir::Op* op) const;

  /// True when `index` is made of iota and scalars by integer arithmetic alone: the index of a
  /// block, as against one that is read from memory.
  static bool is_block_index(const ir::Value* index);
  /// True when `load` (or `store`) moves consecutive elements along `axis`.
  bool is_contiguous(const ir::Op& access, ir::AxisId axis) const;

 private:
  struct Nest {
    std::vector<ir::AxisId> axes;
    const ir::Region* region = nullptr;
    bool packs = false;  ///< packs a dot's operand
  };
  struct Info {
    int cost = 0;
    bool buffer = false;
    bool absorbed = false;
    int forward = -1;
    ir::AxisId preferred = -1;
    std::vector<int> nests;   ///< that use it, through inline values too
    std::vector<int> direct;  ///< that use it as their root
    std::vector<ir::AxisId> layout;
  };

  Info& of(const ir::Value* value) { return info_[value]; }
  void find_chains(const ir::Region& region);
  void measure(const ir::Region& region);
  int own_cost(const ir::Op& op, ir::AxisId axis) const;
  ir::AxisId preferred_axis(const ir::Op& op);
  void place(const ir::Region& region);
  void place_op(const ir::Op& op);
  bool needs_buffer(const ir::Value& value, const Info& info) const;
  int new_nest(std::vector<ir::AxisId> axes, const ir::Region* region, bool packs = false);
  void use(const ir::Value* value, int nest, bool direct = true);
  void use_yield(const ir::Op& yield);
  void lay_out(const ir::Region& region);
  void lay_out_result(const ir::Op& op);
  void lay_out_fold(const ir::Op& op);
  void forward_yields(const ir::Op& fold);

  const ir::Function& function_;
  const std::vector<int>& contiguous_dims_;
  std::vector<Nest> nests_;
  std::unordered_map<const ir::Value*, Info> info_;  // looked up only: no order depends on it
  std::unordered_map<const ir::Value*, int> uses_;
  std::unordered_map<const ir::Op*, int> chained_;
};

}  // namespace octile::cpu
