// Octile's side of the benchmarks: the products of kernels/gemm.hpp, with their types erased.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "octile/bench/contender.hpp"
#include "octile/bench/schedule_text.hpp"
#include "octile/octile.hpp"

namespace octile::bench {

struct OctileGemm {
  std::string name;  ///< "octile_blockwise"
  Product product;
  bool fast_accumulate = false;
  bool batched = false;
  /// Compiles for a shape without a GPU; the launch that agrees with it finds the code.
  /// Thread-safe.
  std::function<CompiledVariant(const Schedule&, const Shape&, const cuda::Target&)> compile;
  /// A callable that enqueues one product under the schedule on device().stream.
  std::function<std::function<void()>(const Schedule&, const GemmData&)> bind;
};

/// Block-wise, tensor-wise and row-wise with fast accumulation, bf16, 1x128 x 1x128 added to f32
/// in two ways, and block-wise with an epilogue (bias and GELU, requantised to 1x128) or in
/// batches.
const std::vector<OctileGemm>& octile_gemms();

/// The one of that name; throws Error with the names there are.
const OctileGemm& find_octile_gemm(const std::string& name);

/// The same as contenders. A shape's schedule is the last line of `table` that has its kernel and
/// shape, else the one that Octile picks itself.
std::vector<Contender> octile_contenders(const std::vector<ScheduleLine>& table);

}  // namespace octile::bench
