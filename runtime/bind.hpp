// Binding arguments to a program's parameters: the checks of a launch, and what it learns from
// them.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octile/codegen/cuda/program.hpp"
#include "octile/codegen/ir/ir.hpp"
#include "octile/runtime/argument.hpp"

namespace octile::runtime {

inline constexpr int kMaxParams = 32;
inline constexpr int kMaxDimNames = 32;

/// What one launch's arguments say. Entries beyond the program's counts are not initialised;
/// nothing here is allocated.
struct Binding {
  int params = 0;
  int dims = 0;
  std::array<std::int64_t, kMaxDimNames> dim_values;
  std::array<cuda::TensorFacts, kMaxParams> facts;
  /// Strides by parameter, with those of dimensions of extent 1 (where any stride means the same)
  /// replaced by ones that suit every back end.
  std::array<Dims, kMaxParams> strides;
  /// Scalars in their parameter's element type, from the first byte.
  std::array<std::uint64_t, kMaxParams> scalars;

  std::vector<std::int64_t> dim_vector() const {
    return {dim_values.begin(), dim_values.begin() + dims};
  }
  std::vector<cuda::TensorFacts> fact_vector() const {
    return {facts.begin(), facts.begin() + params};
  }
};

/// Checks arguments against one program's parameters. Immutable, so thread-safe.
class Binder {
 public:
  /// Throws octile::Error(user) when the program has too many parameters or problem sizes, or a
  /// problem size that is never the whole extent of a tensor's dimension.
  explicit Binder(std::shared_ptr<const ir::Function> function);

  /// Fills `out`. Throws octile::Error(user) that names the argument, what was expected and what
  /// was got, for: count, kind, element type, rank, extents, null or misaligned pointers, negative
  /// strides, an output whose elements share an address, and memory on the wrong side.
  void bind(std::span<const Argument> arguments, Place stream_place, Binding& out) const;

  /// The binding of row-major tensors of aligned memory, for problem sizes given by name. Throws
  /// octile::Error(user) for unknown, missing or negative sizes.
  Binding bind_sizes(std::span<const std::pair<std::string, std::int64_t>> sizes) const;

  const ir::Function& function() const { return *function_; }

 private:
  /// The dimension that gives a problem size its value.
  struct Source {
    int param = -1;
    int dim = 0;
  };

  void check_tensor(int param, const TensorView& view, Place stream_place) const;
  void check_extents(int param, const TensorView& view, const Binding& out) const;
  void check_output(int param, const TensorView& view) const;
  void bind_scalar(int param, const Argument& argument, Binding& out) const;
  [[noreturn]] void refuse(int param, const std::string& rest) const;
  std::string extent_text(const ir::Extent& extent) const;

  std::shared_ptr<const ir::Function> function_;
  std::vector<Source> sources_;  ///< by problem size
};

/// Facts of a view whose strides are `strides`.
cuda::TensorFacts facts_of(const TensorView& view, const Dims& strides);

/// `view`'s strides with those that address nothing (extent 1, or any of an empty tensor) made 1 in
/// the innermost dimension given as contiguous and a multiple of 16 elsewhere.
Dims normalised_strides(const TensorView& view);

}  // namespace octile::runtime
