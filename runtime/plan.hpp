// What a resolved launch looks up: the signature of a call and the grid of a program.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "octile/codegen/cuda/program.hpp"
#include "octile/runtime/bind.hpp"
#include "octile/runtime/stream.hpp"

namespace octile::runtime {

/// All that the choice of a variant and its grid depend on, in fixed memory. Two calls with equal
/// signatures launch the same code on the same grid.
class Signature {
 public:
  Signature(const Binding& binding, const Stream& stream);
  bool operator==(const Signature& other) const;

  struct Hash {
    std::size_t operator()(const Signature& signature) const { return signature.hash_; }
  };

 private:
  // Three words for the place, one per problem size, and facts at two bytes per parameter.
  static constexpr int kMaxWords = 3 + kMaxDimNames + kMaxParams / 4;

  std::array<std::uint64_t, kMaxWords> words_;
  int size_ = 0;
  std::size_t hash_ = 0;
};

/// Resolved calls by signature. Thread-safe. Dropped together past `kMaxPlans`: plans are small and
/// cheap to make again, and a server may see every batch size.
template <class Plan>
class PlanTable {
 public:
  static constexpr std::size_t kMaxPlans = 8192;

  /// Copies the plan of `signature` to `out`; false when there is none.
  bool find(const Signature& signature, Plan& out) const {
    const std::shared_lock lock(mutex_);
    const auto found = plans_.find(signature);
    if (found == plans_.end()) return false;
    out = found->second;
    return true;
  }
  void add(const Signature& signature, const Plan& plan) {
    const std::lock_guard lock(mutex_);
    if (plans_.size() >= kMaxPlans) plans_.clear();
    plans_.emplace(signature, plan);
  }
  std::size_t size() const {
    const std::shared_lock lock(mutex_);
    return plans_.size();
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<Signature, Plan, Signature::Hash> plans_;
};

/// The launched grid of a CUDA program.
struct Grid {
  std::array<std::int32_t, 3> tiles{1, 1, 1};  ///< along each grid extent
  std::uint32_t ctas = 0;                      ///< gridDim.x; 0: nothing to launch
};

/// Tiles along each extent of `function` (axes bound) for `dims`. Throws octile::Error(user) when
/// one is past 2^31 - 1.
std::array<std::int32_t, 3> grid_tiles(const ir::Function& function,
                                       const std::vector<std::int64_t>& dims);

/// The grid of `program`, made from `function`, by the rules of cuda::CudaProgram.
Grid launch_grid(const ir::Function& function, const cuda::CudaProgram& program,
                 const std::vector<std::int64_t>& dims);

}  // namespace octile::runtime
