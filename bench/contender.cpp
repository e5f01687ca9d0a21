#include "octile/bench/contender.hpp"

#include "octile/bench/cublaslt.hpp"

namespace octile::bench {
namespace {

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

}  // namespace

std::vector<Contender> cublaslt_contenders(int algorithm) {
  const auto contender = [&](const char* name, const Product& product, bool fast,
                             bool batched = false) {
    const CublasLtOptions options{fast, algorithm};
    return Contender{name, product, fast, batched,
                     [options](const GemmData& data) -> std::function<void()> {
                       const auto gemm = CublasLtGemm::plan(data, options);
                       if (!gemm) return {};
                       return [gemm] { gemm->launch(); };
                     }};
  };
  return {
      contender("cublaslt_blockwise", {Precision::block_scaled}, false),
      contender("cublaslt_tensorwise", {Precision::tensor_wise}, true),
      contender("cublaslt_bf16", {Precision::bf16}, false),
      contender("cublaslt_rowwise", {Precision::row_wise}, true),
      contender("cublaslt_wgrad", {Precision::block_scaled_both, Output::f32_accumulate}, false),
      contender("cublaslt_bias_gelu", {Precision::tensor_wise, Output::bf16_bias_gelu}, true),
      contender("cublaslt_batched", {Precision::tensor_wise}, true, true)};
}

GemmData& DataCache::get(const Shape& shape, const Product& product) {
  if (shape != shape_) data_.clear();
  shape_ = shape;
  auto& data = data_[product];
  if (!data) data = std::make_unique<GemmData>(shape, product);
  return *data;
}

std::vector<Shape> default_shapes(const Contender& contender) {
  if (contender.batched) {
    return {{64, 512, 128, 128}, {64, 128, 512, 128}, {1024, 4096, 2048, 8}, {4096, 2048, 7168, 4}};
  }
  if (contender.product.output == Output::f32_accumulate) {
    return {{4096, 7168, 8192},  {7168, 2048, 4096},  {2112, 7168, 4096},
            {24576, 1536, 4096}, {7168, 16384, 8192}, {4096, 4096, 4096}};
  }
  if (contender.product.output != Output::bf16) {
    return {{64, 4096, 7168},    {1024, 4096, 7168}, {4096, 4096, 7168},
            {4096, 24576, 1536}, {4096, 7168, 2048}, {8192, 8192, 8192}};
  }
  return dense_shapes();
}

}  // namespace octile::bench
