#include "octile/bench/contender.hpp"

#include "octile/bench/cublaslt.hpp"

namespace octile::bench {

std::vector<Contender> cublaslt_contenders(int algorithm) {
  const auto contender = [&](const char* name, Precision precision, bool fast) {
    const CublasLtOptions options{fast, algorithm};
    return Contender{name, precision, fast,
                     [options](const GemmData& data) -> std::function<void()> {
                       const auto gemm = CublasLtGemm::plan(data, options);
                       if (!gemm) return {};
                       return [gemm] { gemm->launch(); };
                     }};
  };
  return {contender("cublaslt_blockwise", Precision::block_scaled, false),
          contender("cublaslt_tensorwise", Precision::tensor_wise, true),
          contender("cublaslt_bf16", Precision::bf16, false)};
}

GemmData& DataCache::get(const Shape& shape, Precision precision) {
  if (shape != shape_) data_.clear();
  shape_ = shape;
  auto& data = data_[precision];
  if (!data) data = std::make_unique<GemmData>(shape, precision);
  return *data;
}

std::vector<Shape> dense_shapes() {
  std::vector<Shape> shapes;
  for (const int m : {1, 64, 128, 1024, 4096}) {
    for (const auto& [n, k] : {std::pair{2112, 7168},
                               {576, 7168},
                               {24576, 1536},
                               {32768, 512},
                               {7168, 16384},
                               {4096, 7168},
                               {7168, 2048}}) {
      shapes.push_back({m, n, k});
    }
  }
  shapes.push_back({4096, 4096, 4096});
  shapes.push_back({8192, 8192, 8192});
  return shapes;
}

}  // namespace octile::bench
