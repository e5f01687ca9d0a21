// Loops over tile axes, and values evaluated inside them. A value is emitted at the outermost loop
// that fixes all its axes, so nothing is recomputed in inner loops; along the nest's vector axis it
// is a vector, a ramp or one number for all lanes.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "octile/codegen/cpu/llvm/frame.hpp"

namespace octile::cpu {

class Nest {
 public:
  /// Loop-carried values; empty but in reductions.
  using Carried = std::vector<llvm::Value*>;
  using Body = std::function<Carried(const Carried&)>;

  struct Loop {
    ir::AxisId axis = -1;  ///< whose index this loop runs over; -1: none
    std::int64_t count = 0;
    int width = 1;    ///< lanes per iteration; over 1 at most once in a nest
    Lane first = {};  ///< index of the first element; null: 0
  };

  explicit Nest(Frame& frame) : frame_(frame), b_(frame.builder()), ops_(frame.ops()) {}

  /// Runs `body` for every element (or `width` of them at once); the last iteration may have fewer
  /// active lanes, and is emitted apart. Returns the carried values after the last iteration.
  Carried loop(const Loop& loop, const Carried& init, const Body& body);

  /// Loops over `axes`, in that order, the one called `vector_axis` moved last with `width` lanes.
  void each(std::vector<ir::AxisId> axes, ir::AxisId vector_axis, int width,
            const std::function<void()>& body);

  /// `value` at the indices of the open loops.
  Lane get(const ir::Value* value);
  /// Evaluates the operation even where its result has a buffer.
  Lane evaluate(const ir::Op& op);

  /// Index of the innermost open loop that runs over `axis`, as a lane.
  Lane index(ir::AxisId axis) const;

  /// Writes a tile's element (or lanes) at the indices of the open loops.
  void store_buffer(const Storage& storage, const Lane& lane);
  /// Carries out a store to a tensor at the indices of the open loops.
  void store(const ir::Op& op);

  llvm::Value* to_vector(const Lane& lane);
  llvm::Value* active_mask();  ///< lanes of this iteration, as a vector of i1
  int width() const;           ///< lanes of the open vector loop, 1 if there is none
  int active() const;

 private:
  struct Level {
    ir::AxisId axis;
    Lane index;
    int width;
    int active;
    llvm::BasicBlock* block;  ///< where code of this level goes next
    std::unordered_map<const ir::Value*, Lane> memo;
  };
  /// While alive, code goes to a level: -1 is outside of all loops.
  class At;

  /// Where the lanes of an access lie in a tensor.
  struct Address {
    enum class Shape { uniform, contiguous, scattered } shape = Shape::uniform;
    llvm::Value* in_bounds = nullptr;  ///< of the uniform indices; null: there are none
    llvm::Value* offset = nullptr;     ///< elements, of lane 0 (scattered: the uniform part)
    Lane first;                        ///< contiguous: index of lane 0 in its dimension
    llvm::Value* extent = nullptr;     ///< contiguous: of that dimension
    llvm::Value* mask = nullptr;       ///< scattered: lanes in bounds, inactive ones left out
    llvm::Value* offsets = nullptr;    ///< scattered: elements
  };

  int level_of(const ir::Value* value) const;
  int vector_level() const;
  llvm::BasicBlock*& block_of(int level);
  Carried run_block(const Loop& loop, std::int64_t at, int active, const Carried& in,
                    const Body& body);

  Lane compute(const ir::Op& op, int level);
  Lane elementwise(const ir::Op& op, int level);
  Lane load_buffer(const Storage& storage, int level);
  llvm::Value* gather_buffer(const Storage& storage, llvm::Value* offset, std::int64_t stride);
  Lane load(const ir::Op& op, int level);
  Address locate(const ir::Op& op, const std::vector<Lane>& indices);
  void scatter_indices(Address& address, const ir::Op& op, const std::vector<Lane>& indices,
                       const std::vector<int>& dims);
  llvm::Value* load_uniform(const Address& address, const ir::Op& op, llvm::Value* other);
  llvm::Value* load_contiguous(const Address& address, const ir::Op& op, llvm::Value* other);
  llvm::Value* load_scattered(const Address& address, const ir::Op& op, llvm::Value* other);
  llvm::Value* all_in_bounds(const Address& address);
  llvm::Value* contiguous_mask(const Address& address);
  void store_uniform(const Address& address, const ir::Op& op, const Lane& value,
                     llvm::Value* mask);
  void store_contiguous(const Address& address, const ir::Op& op, llvm::Value* value,
                        llvm::Value* mask);
  void store_scattered(const Address& address, const ir::Op& op, llvm::Value* value,
                       llvm::Value* mask);
  void store_lanes(llvm::Value* base, llvm::Value* offsets, llvm::Value* value, llvm::Value* mask,
                   llvm::Type* type);
  llvm::Value* gather_lanes(llvm::Value* base, llvm::Value* offsets, llvm::Value* mask,
                            llvm::Type* type, llvm::Value* other);
  std::pair<llvm::Value*, std::int64_t> buffer_offset(const Storage& storage);
  void check(const ir::Op& op, const std::vector<Lane>& indices, llvm::Value* bits,
             llvm::Value* active);
  llvm::Value* splat(llvm::Value* scalar);

  Frame& frame_;
  llvm::IRBuilder<>& b_;
  Ops& ops_;
  std::vector<Level> levels_;
  llvm::BasicBlock* outside_ = nullptr;  ///< where code before the open loops goes
};

}  // namespace octile::cpu
