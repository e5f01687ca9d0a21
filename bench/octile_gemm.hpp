// Octile's side of the benchmarks: matrix products in the language, with their types erased.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "octile/bench/contender.hpp"
#include "octile/octile.hpp"

namespace octile::bench {

struct OctileGemm {
  std::string name;  ///< "octile_blockwise"
  Precision precision = Precision::block_scaled;
  bool fast_accumulate = false;
  /// Compiles for a shape without a GPU; the launch that agrees with it finds the code.
  /// Thread-safe.
  std::function<CompiledVariant(const Schedule&, const Shape&, const cuda::Target&)> compile;
  /// A callable that enqueues one product under the schedule on device().stream.
  std::function<std::function<void()>(const Schedule&, const GemmData&)> bind;
};

/// Block-wise, tensor-wise with fast accumulation, and bf16.
const std::vector<OctileGemm>& octile_gemms();

/// The same as contenders, under the schedule that Octile picks itself.
std::vector<Contender> octile_contenders();

}  // namespace octile::bench
