// What is measured: a named way to compute the product of a GemmData.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "octile/bench/gemm_data.hpp"

namespace octile::bench {

struct Contender {
  std::string name;  ///< "octile_blockwise", "cublaslt_tensorwise"
  Precision precision = Precision::block_scaled;
  bool fast_accumulate = false;
  /// A callable that enqueues one product on device().stream; empty when the contender has no
  /// kernel for the shape. The data outlives the callable.
  std::function<std::function<void()>(const GemmData&)> make;
};

/// cuBLASLt block-wise, tensor-wise with fast accumulation, and bf16. `algorithm`: which of the
/// heuristic's proposals.
std::vector<Contender> cublaslt_contenders(int algorithm);

/// The data of a shape, made once; only the last shape's is kept.
class DataCache {
 public:
  GemmData& get(const Shape& shape, Precision precision);

 private:
  Shape shape_;
  std::map<Precision, std::unique_ptr<GemmData>> data_;
};

/// The shapes of the dense table, in its order.
std::vector<Shape> dense_shapes();

}  // namespace octile::bench
