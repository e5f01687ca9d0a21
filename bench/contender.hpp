// What is measured: a named way to compute the product of a GemmData.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "octile/bench/gemm_data.hpp"

namespace octile::bench {

struct Contender {
  std::string name;  ///< "octile_blockwise", "cublaslt_tensorwise"
  Product product;
  bool fast_accumulate = false;
  bool batched = false;
  /// A callable that enqueues one product on device().stream; empty when the contender has no
  /// kernel for the shape. The data outlives the callable.
  std::function<std::function<void()>(const GemmData&)> make;
  /// What is worth knowing of a shape's kernel beyond its name, such as its schedule; may be empty.
  std::function<std::string(const Shape&)> note = {};
};

/// cuBLASLt's counterparts: block-wise, tensor-wise and row-wise with fast accumulation, bf16,
/// 1x128 x 1x128 added to f32, bias and GELU (tensor-wise), batched (tensor-wise). `algorithm`:
/// which of the heuristic's proposals.
std::vector<Contender> cublaslt_contenders(int algorithm);

/// The data of a shape, made once; only the last shape's is kept.
class DataCache {
 public:
  GemmData& get(const Shape& shape, const Product& product);

 private:
  Shape shape_;
  std::map<Product, std::unique_ptr<GemmData>> data_;
};

/// The shapes that a contender runs without others asked for: the dense table, those of weight
/// gradients, some of them for epilogues, or batches.
std::vector<Shape> default_shapes(const Contender& contender);

}  // namespace octile::bench
