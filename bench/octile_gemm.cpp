#include "octile/bench/octile_gemm.hpp"

namespace octile::bench {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 128_c;
constexpr axis<"BK", 64> BK16;  // bf16: the same bytes per block

auto blockwise_kernel() {
  return kernel("gemm_blockwise", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c),
                in<e4m3>("b", N, K), in<f32>("sb", N / 128_c, K / 128_c), out<bf16>("d", M, N),
                [](auto a, auto sa, auto b, auto sb, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sa(BM[i], k) *
                             sb(BN[j] / 128_c, k);
                    });
                    return store(d(BM[i], BN[j]), cast<bf16>(acc));
                  });
                });
}

auto tensorwise_kernel() {
  return kernel("gemm_tensorwise", in<e4m3>("a", M, K), scalar<f32>("sa"), in<e4m3>("b", N, K),
                scalar<f32>("sb"), out<bf16>("d", M, N),
                [](auto a, auto sa, auto b, auto sb, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k]), fast_accumulate);
                    });
                    return store(d(BM[i], BN[j]), cast<bf16>(acc * (sa * sb)));
                  });
                });
}

auto bf16_kernel() {
  return kernel("gemm_bf16", in<bf16>("a", M, K), in<bf16>("b", N, K), out<bf16>("d", M, N),
                [](auto a, auto b, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK16, [=](auto k) {
                      return dot(a(BM[i], BK16[k]), b(BN[j], BK16[k]));
                    });
                    return store(d(BM[i], BN[j]), cast<bf16>(acc));
                  });
                });
}

TensorView tensor(void* data, ElementType element, std::int64_t rows, std::int64_t cols) {
  return view(data, element, {rows, cols}, {}, Place::device);
}
std::int64_t blocks(std::int64_t extent) {
  return (extent + 127) / 128;
}

template <typename K>
auto compiler(const K& kernel) {
  return [kernel](const Schedule& schedule, const Shape& shape, const cuda::Target& target) {
    return kernel.with(schedule).compile_for(
        ProblemSizes{{"M", shape.m}, {"N", shape.n}, {"K", shape.k}}, target);
  };
}

OctileGemm blockwise() {
  const auto kernel = blockwise_kernel();
  return {"octile_blockwise", Precision::block_scaled, false, compiler(kernel),
          [kernel](const Schedule& schedule, const GemmData& data) -> std::function<void()> {
            const auto [m, n, k] = data.shape();
            const auto gemm = kernel.with(schedule);
            const auto a = tensor(data.a().data.pointer(), ElementType::e4m3, m, k);
            const auto b = tensor(data.b().data.pointer(), ElementType::e4m3, n, k);
            const auto sa = tensor(data.a().scales.pointer(), ElementType::f32, m, blocks(k));
            const auto sb =
                tensor(data.b().scales.pointer(), ElementType::f32, blocks(n), blocks(k));
            const auto d = tensor(data.d(), ElementType::bf16, m, n);
            return [=] { gemm(Stream(device().stream), a, sa, b, sb, d); };
          }};
}

OctileGemm tensorwise() {
  const auto kernel = tensorwise_kernel();
  return {"octile_tensorwise", Precision::tensor_wise, true, compiler(kernel),
          [kernel](const Schedule& schedule, const GemmData& data) -> std::function<void()> {
            const auto [m, n, k] = data.shape();
            const auto gemm = kernel.with(schedule);
            const auto a = tensor(data.a().data.pointer(), ElementType::e4m3, m, k);
            const auto b = tensor(data.b().data.pointer(), ElementType::e4m3, n, k);
            const auto d = tensor(data.d(), ElementType::bf16, m, n);
            const float sa = data.a().scale, sb = data.b().scale;
            return [=] { gemm(Stream(device().stream), a, sa, b, sb, d); };
          }};
}

OctileGemm bfloat16() {
  const auto kernel = bf16_kernel();
  return {"octile_bf16", Precision::bf16, false, compiler(kernel),
          [kernel](const Schedule& schedule, const GemmData& data) -> std::function<void()> {
            const auto [m, n, k] = data.shape();
            const auto gemm = kernel.with(schedule);
            const auto a = tensor(data.a().data.pointer(), ElementType::bf16, m, k);
            const auto b = tensor(data.b().data.pointer(), ElementType::bf16, n, k);
            const auto d = tensor(data.d(), ElementType::bf16, m, n);
            return [=] { gemm(Stream(device().stream), a, b, d); };
          }};
}

}  // namespace

const std::vector<OctileGemm>& octile_gemms() {
  static const std::vector<OctileGemm> gemms = {blockwise(), tensorwise(), bfloat16()};
  return gemms;
}

std::vector<Contender> octile_contenders() {
  std::vector<Contender> contenders;
  for (const OctileGemm& gemm : octile_gemms()) {
    contenders.push_back({gemm.name, gemm.precision, gemm.fast_accumulate,
                          [&gemm](const GemmData& data) { return gemm.bind(Schedule{}, data); }});
  }
  return contenders;
}

}  // namespace octile::bench
