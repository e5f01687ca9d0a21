// Layouts: how the elements of tiles are spread over the registers of the computing threads.
//
// A `Family` gives every tile axis a mixed-radix decomposition into factors, each walked by a
// register index, by a part of the thread index, or by the CTA's rank in its cluster. A tile's
// layout is the family restricted to the tile's axes: threads that differ only in other axes hold
// copies. So element-wise operations and broadcasts never move data between threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::cuda {

/// One digit of an axis' coordinate: digit * place is its contribution.
struct Factor {
  enum class Kind : std::uint8_t { reg, thread, cta };
  Kind kind = Kind::reg;
  int size = 1;
  int place = 1;    ///< elements of the axis that one step of the digit spans
  int stride = 1;   ///< thread: digit = thread / stride % size
  int order = 0;    ///< reg: rank in a value's register numbering, lowest varies fastest
  std::string var;  ///< reg: loop variable in emitted code
};

/// Decomposition of one axis, fastest digit first. `padded` is the product of the sizes and at
/// least the axis' extent; coordinates from `extent` on are not part of the tile.
struct AxisLayout {
  ir::AxisId axis = -1;
  std::string name;
  int extent = 1;
  int padded = 1;
  std::vector<Factor> factors;
  bool blocked = false;                 ///< free to be divided anew, unlike a tensor core's layout
  std::vector<std::int64_t> runs = {};  ///< that the digits are divided at, ascending
  std::vector<Factor> undivided = {};   ///< the digits before any run, once there is one

  bool is_padded() const { return padded != extent; }
};

/// Run lengths: along each axis a value may be known constant over aligned runs of this many
/// elements; register digits inside a run hold copies and are dropped.
using Runs = std::map<ir::AxisId, std::int64_t>;

class Family {
 public:
  int threads = 128;  ///< computing threads

  void add(AxisLayout layout) { axes_[layout.axis] = std::move(layout); }
  bool has(ir::AxisId axis) const { return axes_.count(axis) != 0; }
  const AxisLayout& at(ir::AxisId axis) const { return axes_.at(axis); }
  AxisLayout& at(ir::AxisId axis) { return axes_.at(axis); }
  const std::map<ir::AxisId, AxisLayout>& axes() const { return axes_; }

  /// Register digits of a tile over `axes`, in register order, fastest first.
  std::vector<const Factor*> registers(const std::vector<ir::AxisId>& axes, const Runs& runs) const;
  int register_count(const std::vector<ir::AxisId>& axes, const Runs& runs) const;
  /// Register number as C++ text over the digits' loop variables.
  std::string register_index(const std::vector<ir::AxisId>& axes, const Runs& runs) const;
  /// The same number, given the values of the digits' loop variables.
  int register_number(const std::vector<ir::AxisId>& axes, const Runs& runs,
                      const std::map<std::string, int>& digits) const;
  /// Coordinate along `axis` as C++ text; digits inside a run of `run` are taken as zero.
  std::string coordinate(ir::AxisId axis, std::int64_t run = 1) const;
  /// The thread's and CTA's part of the coordinate: name of the variable that holds it.
  std::string thread_part_name(ir::AxisId axis) const;
  /// Its value as C++ text over `thread` and `rank`.
  std::string thread_part(ir::AxisId axis) const;
  /// Condition, as C++ text, that a thread is the one that holds the primary copy of a tile over
  /// `axes` whose stores are constant over `runs`; empty if every thread is.
  std::string primary_condition(const std::vector<ir::AxisId>& axes, const Runs& runs) const;
  /// True if no two axes of a tile share thread digits, so that every element has a home.
  bool is_consistent(const std::vector<ir::AxisId>& axes) const;

 private:
  std::map<ir::AxisId, AxisLayout> axes_;
};

/// Divides the digits of `layout` at `run` and at every run given before. Where that isn't even, a
/// blocked layout is divided anew; a tensor core's keeps the digit that straddles the run.
void split_at_run(AxisLayout& layout, std::int64_t run);

/// How a wgmma accumulator spreads over its warpgroups (PTX ISA, "wgmma register fragments").
struct MmaShape {
  int m_blocks = 1;    ///< m64 blocks per warpgroup
  int warpgroups = 1;  ///< along m
  int n = 8;           ///< N of one instruction
  int n_blocks = 1;    ///< instructions along N
};
AxisLayout mma_m_layout(ir::AxisId axis, const std::string& name, int extent, const MmaShape& s);
AxisLayout mma_n_layout(ir::AxisId axis, const std::string& name, int extent, const MmaShape& s);

/// How a CTA's warps are arranged over a tile that they multiply with mma.sync; warp number
/// `column * m + row` has its part of the rows and of the columns.
struct WarpGrid {
  int m = 1;
  int n = 1;

  int threads() const { return 32 * m * n; }
};
/// How accumulators of mma.m16n8 spread over such warps (PTX ISA, "Matrix fragments for
/// mma.m16n8k32"): a warp has neighbouring blocks of 16 rows and of 8 columns.
AxisLayout warp_m_layout(ir::AxisId axis, const std::string& name, int extent, const WarpGrid& w);
AxisLayout warp_n_layout(ir::AxisId axis, const std::string& name, int extent, const WarpGrid& w);

/// A layout of `axes` (fastest in memory first) over `threads` threads: `vector` consecutive
/// elements of the first axis per thread, then threads along it, then threads along the others.
/// Axes of which `meet` says that no tile has both use the same threads; without it all meet.
Family blocked_family(const std::vector<AxisLayout>& axes, int threads, int vector,
                      const std::function<bool(ir::AxisId, ir::AxisId)>& meet = {});

}  // namespace octile::cuda
