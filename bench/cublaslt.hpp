// cuBLASLt as a peer: the same product from the same operands.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "octile/bench/gemm_data.hpp"

namespace octile::bench {

struct CublasLtOptions {
  bool fast_accumulate = false;  ///< FP8: stay in the tensor core's accumulator
  int algorithm = 0;             ///< which of the heuristic's proposals, best first
};

/// A product planned by cuBLASLt: row-major d = a * b^T, as the data's product says.
class CublasLtGemm {
 public:
  /// Empty when cuBLASLt has no kernel for this shape and product (FP8 needs m, n and k in steps
  /// of 16). Throws Error for any other failure. `data` must outlive the result.
  static std::optional<CublasLtGemm> plan(const GemmData& data, const CublasLtOptions& options);

  void launch() const;  ///< on device().stream

 private:
  struct State;
  std::shared_ptr<State> state_;
};

std::string cublaslt_version();

}  // namespace octile::bench
