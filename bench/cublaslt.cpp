#include "octile/bench/cublaslt.hpp"

#include <cublasLt.h>

#include <vector>

namespace octile::bench {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what Hopper's libraries give it

#define OCTILE_BENCH_CUBLASLT_FUNCTIONS(X) \
  X(cublasLtCreate)                        \
  X(cublasLtGetVersion)                    \
  X(cublasLtMatmul)                        \
  X(cublasLtMatmulAlgoGetHeuristic)        \
  X(cublasLtMatmulDescCreate)              \
  X(cublasLtMatmulDescSetAttribute)        \
  X(cublasLtMatrixLayoutCreate)            \
  X(cublasLtMatrixLayoutSetAttribute)      \
  X(cublasLtMatmulPreferenceCreate)        \
  X(cublasLtMatmulPreferenceSetAttribute)  \
  X(cublasLtGetStatusString)

struct Library {
#define OCTILE_BENCH_MEMBER(name) decltype(&::name) name##_ = nullptr;
  OCTILE_BENCH_CUBLASLT_FUNCTIONS(OCTILE_BENCH_MEMBER)
#undef OCTILE_BENCH_MEMBER
  cublasLtHandle_t handle = nullptr;
  DeviceBuffer workspace;

  void check(cublasStatus_t status, const char* what) const {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw Error(std::string(what) + ": " + cublasLtGetStatusString_(status));
  }
};

Library& library() {
  static Library instance = [] {
    static const SharedLibrary shared({"libcublasLt.so.13", "libcublasLt.so.12"});
    Library l;
#define OCTILE_BENCH_LOAD(name) \
  l.name##_ = reinterpret_cast<decltype(l.name##_)>(shared.symbol(#name));
    OCTILE_BENCH_CUBLASLT_FUNCTIONS(OCTILE_BENCH_LOAD)
#undef OCTILE_BENCH_LOAD
    device();
    l.check(l.cublasLtCreate_(&l.handle), "cublasLtCreate");
    l.workspace = DeviceBuffer(kWorkspaceBytes);
    return l;
  }();
  return instance;
}

}  // namespace

struct CublasLtGemm::State {
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  cublasLtMatmulHeuristicResult_t plan{};
  const GemmData* data = nullptr;
  float beta = 0;
};

namespace {

template <typename T>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, T value) {
  library().check(
      library().cublasLtMatmulDescSetAttribute_(operation, attribute, &value, sizeof value),
      "cublasLtMatmulDescSetAttribute");
}

// cuBLASLt is column-major: row-major d = a b^T is its d^T = (b^T)^T a^T, so our b is its A.
cublasLtMatmulDesc_t describe_operation(const GemmData& data, bool fast_accumulate) {
  Library& l = library();
  cublasLtMatmulDesc_t operation = nullptr;
  l.check(l.cublasLtMatmulDescCreate_(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F),
          "cublasLtMatmulDescCreate");
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
  const Product& product = data.product();
  if (product.output == Output::bf16_bias_gelu) {
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_GELU_BIAS);
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, data.bias());
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_16BF);
  }
  if (product.precision == Precision::bf16) return operation;
  set(operation, CUBLASLT_MATMUL_DESC_FAST_ACCUM, static_cast<std::int8_t>(fast_accumulate));
  const auto mode_of = [&](const Operand& x) {
    if (x.k_per_scale != 128) return CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
    return x.rows_per_scale == 128 ? CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F
                                   : CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F;
  };
  // Scales per 1x128 lie with the row index contiguous.
  const auto scales_of = [&](const Operand& x) {
    const bool outer = !x.scales_outer.empty() && x.rows_per_scale == 1;
    return outer ? x.scales_outer.pointer() : x.scales.pointer();
  };
  if (product.precision != Precision::tensor_wise) {
    set(operation, CUBLASLT_MATMUL_DESC_A_SCALE_MODE, mode_of(data.b()));
    set(operation, CUBLASLT_MATMUL_DESC_B_SCALE_MODE, mode_of(data.a()));
  }
  set(operation, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scales_of(data.b()));
  set(operation, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scales_of(data.a()));
  return operation;
}

cublasLtMatrixLayout_t describe_matrix(cudaDataType type, int rows, int columns, int batch) {
  Library& l = library();
  cublasLtMatrixLayout_t result = nullptr;
  l.check(l.cublasLtMatrixLayoutCreate_(&result, type, static_cast<std::uint64_t>(rows),
                                        static_cast<std::uint64_t>(columns), rows),
          "cublasLtMatrixLayoutCreate");
  const auto count = static_cast<std::int32_t>(batch);
  const std::int64_t stride = static_cast<std::int64_t>(rows) * columns;
  l.check(l.cublasLtMatrixLayoutSetAttribute_(result, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                              sizeof count),
          "cublasLtMatrixLayoutSetAttribute");
  l.check(l.cublasLtMatrixLayoutSetAttribute_(result, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                              &stride, sizeof stride),
          "cublasLtMatrixLayoutSetAttribute");
  return result;
}

}  // namespace

std::optional<CublasLtGemm> CublasLtGemm::plan(const GemmData& data,
                                               const CublasLtOptions& options) {
  const auto [m, n, k, batch] = data.shape();
  const auto [precision, output] = data.product();
  const bool bf16 = precision == Precision::bf16;
  if (!bf16 && (m % 16 != 0 || n % 16 != 0 || k % 16 != 0)) return std::nullopt;
  // The scales' layouts agree with cuBLASLt's only where it needs no padding of its own.
  if (precision == Precision::block_scaled && k % 512 != 0) return std::nullopt;
  if (output == Output::e4m3_1x128) return std::nullopt;
  if (batch > 1 && !bf16 && precision != Precision::tensor_wise) return std::nullopt;

  Library& l = library();
  auto state = std::make_shared<State>();
  state->data = &data;
  state->operation = describe_operation(data, options.fast_accumulate);
  const cudaDataType element = bf16 ? CUDA_R_16BF : CUDA_R_8F_E4M3;
  state->a = describe_matrix(element, k, n, batch);
  state->b = describe_matrix(element, k, m, batch);
  state->d =
      describe_matrix(output == Output::f32_accumulate ? CUDA_R_32F : CUDA_R_16BF, n, m, batch);
  state->beta = output == Output::f32_accumulate ? 1.0f : 0.0f;

  cublasLtMatmulPreference_t preference = nullptr;
  l.check(l.cublasLtMatmulPreferenceCreate_(&preference), "cublasLtMatmulPreferenceCreate");
  l.check(
      l.cublasLtMatmulPreferenceSetAttribute_(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                              &kWorkspaceBytes, sizeof kWorkspaceBytes),
      "cublasLtMatmulPreferenceSetAttribute");
  std::vector<cublasLtMatmulHeuristicResult_t> found(
      static_cast<std::size_t>(options.algorithm + 1));
  int count = 0;
  const cublasStatus_t status = l.cublasLtMatmulAlgoGetHeuristic_(
      l.handle, state->operation, state->a, state->b, state->d, state->d, preference,
      static_cast<int>(found.size()), found.data(), &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0)) {
    return std::nullopt;
  }
  l.check(status, "cublasLtMatmulAlgoGetHeuristic");
  if (count <= options.algorithm) return std::nullopt;
  state->plan = found[static_cast<std::size_t>(options.algorithm)];
  CublasLtGemm gemm;
  gemm.state_ = std::move(state);
  return gemm;
}

void CublasLtGemm::launch() const {
  Library& l = library();
  const State& s = *state_;
  const float alpha = 1, beta = s.beta;
  l.check(
      l.cublasLtMatmul_(l.handle, s.operation, &alpha, s.data->b().data.pointer(), s.a,
                        s.data->a().data.pointer(), s.b, &beta, s.data->d(), s.d, s.data->d(), s.d,
                        &s.plan.algo, l.workspace.pointer(), kWorkspaceBytes, device().stream),
      "cublasLtMatmul");
}

std::string cublaslt_version() {
  return std::to_string(library().cublasLtGetVersion_());
}

}  // namespace octile::bench
