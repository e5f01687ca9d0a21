#include "octile/bench/octile_gemm.hpp"

#include <tuple>

#include "octile/kernels/gemm.hpp"

namespace octile::bench {
namespace {

/// A GemmData's memory as the kernels' arguments.
struct Views {
  TensorView a, sa, b, sb, d, ds, bias;
  float scale_a, scale_b;

  Views(const GemmData& data, bool batched) : scale_a(data.a().scale), scale_b(data.b().scale) {
    const auto [m, n, k, batch] = data.shape();
    const auto tensor = [&, z = batch](void* pointer, ElementType element, std::int64_t rows,
                                       std::int64_t columns) {
      const Dims extents = batched ? Dims{z, rows, columns} : Dims{rows, columns};
      return view(pointer, element, extents, {}, Place::device);
    };
    const auto blocks = [](std::int64_t extent, std::int64_t size) {
      return (extent + size - 1) / size;
    };
    const bool bf16_in = data.product().precision == Precision::bf16;
    const ElementType in = bf16_in ? ElementType::bf16 : ElementType::e4m3;
    const bool by_rows = data.product().precision == Precision::row_wise;
    const auto scales = [&, k = k](const Operand& x, std::int64_t rows) {
      if (by_rows) return view(x.scales.pointer(), ElementType::f32, {rows}, {}, Place::device);
      return tensor(x.scales.pointer(), ElementType::f32, blocks(rows, x.rows_per_scale),
                    blocks(k, x.k_per_scale));
    };
    a = tensor(data.a().data.pointer(), in, m, k);
    b = tensor(data.b().data.pointer(), in, n, k);
    sa = scales(data.a(), m);
    sb = scales(data.b(), n);
    const Output output = data.product().output;
    const ElementType out = output == Output::f32_accumulate ? ElementType::f32
                            : output == Output::e4m3_1x128   ? ElementType::e4m3
                                                             : ElementType::bf16;
    d = tensor(data.d(), out, m, n);
    ds = tensor(data.d_scales(), ElementType::f32, m, blocks(n, 128));
    bias = view(data.bias(), ElementType::bf16, {n}, {}, Place::device);
  }
};

/// `arguments` gives a kernel's arguments, in order, as a tuple.
template <class Kernel, class Arguments>
OctileGemm erase(const char* name, const Product& product, bool fast, bool batched,
                 const Kernel& kernel, const Arguments& arguments) {
  return {
      name,
      product,
      fast,
      batched,
      [kernel, batched](const Schedule& schedule, const Shape& shape, const cuda::Target& target) {
        ProblemSizes sizes{{"M", shape.m}, {"N", shape.n}, {"K", shape.k}};
        if (batched) sizes.emplace_back("Z", shape.batch);
        return kernel.with(schedule).compile_for(sizes, target);
      },
      [kernel, batched, arguments](const Schedule& schedule,
                                   const GemmData& data) -> std::function<void()> {
        const auto list = arguments(Views(data, batched));
        return [gemm = kernel.with(schedule), list] {
          std::apply([&](const auto&... x) { gemm(Stream(device().stream), x...); }, list);
        };
      }};
}

// The weight gradient whose sums start from d instead of being added to it: d is read while the
// first operands come, and takes no registers beside the sums.
auto wgrad_from_start() {
  using namespace kernels;
  constexpr auto BK = 128_c;
  return kernel("gemm_wgrad_start", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c),
                in<e4m3>("b", N, K), in<f32>("sb", N, K / 128_c), inout<f32>("d", M, N),
                [=](auto a, auto sa, auto b, auto sb, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto sums = fold(K / BK, d(BM[i], BN[j]), [=](auto k, auto acc) {
                      return acc +
                             dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sa(BM[i], k) * sb(BN[j], k);
                    });
                    return store(d(BM[i], BN[j]), sums);
                  });
                });
}

std::vector<OctileGemm> make_gemms() {
  using namespace kernels;
  const auto scaled = [](const Views& v) { return std::tuple{v.a, v.sa, v.b, v.sb, v.d}; };
  constexpr Precision blocks = Precision::block_scaled;
  return {
      erase("octile_blockwise", {blocks}, false, false,
            gemm<e4m3>("gemm_blockwise", scale_1x128_128x128, to<bf16>()), scaled),
      erase("octile_tensorwise", {Precision::tensor_wise}, true, false,
            gemm<e4m3>("gemm_tensorwise", per_tensor(fast_accumulate), to<bf16>()),
            [](const Views& v) {
              return std::tuple{v.a, v.scale_a, v.b, v.scale_b, v.d};
            }),
      erase("octile_bf16", {Precision::bf16}, false, false,
            gemm<bf16>("gemm_bf16", unscaled, to<bf16>()),
            [](const Views& v) {
              return std::tuple{v.a, v.b, v.d};
            }),
      erase("octile_rowwise", {Precision::row_wise}, true, false,
            gemm<e4m3>("gemm_rowwise", per_row_and_column(fast_accumulate), to<bf16>()), scaled),
      erase("octile_wgrad", {Precision::block_scaled_both, Output::f32_accumulate}, false, false,
            gemm<e4m3>("gemm_wgrad", scale_1x128_1x128, accumulate<f32>()), scaled),
      erase("octile_wgrad_start", {Precision::block_scaled_both, Output::f32_accumulate}, false,
            false, wgrad_from_start(), scaled),
      erase("octile_bias_gelu", {blocks, Output::bf16_bias_gelu}, false, false,
            gemm<e4m3>("gemm_bias_gelu", scale_1x128_128x128, with_bias<bf16>(gelu)),
            [](const Views& v) { return std::tuple{v.a, v.sa, v.b, v.sb, v.bias, v.d}; }),
      erase("octile_requantise", {blocks, Output::e4m3_1x128}, false, false,
            gemm<e4m3>("gemm_requantise", scale_1x128_128x128, requantise_1x128()),
            [](const Views& v) { return std::tuple{v.a, v.sa, v.b, v.sb, v.d, v.ds}; }),
      erase("octile_batched", {blocks}, false, true,
            batched_gemm<e4m3>("gemm_batched", scale_1x128_128x128, to<bf16>()), scaled),
  };
}

}  // namespace

const std::vector<OctileGemm>& octile_gemms() {
  static const std::vector<OctileGemm> gemms = make_gemms();
  return gemms;
}

const OctileGemm& find_octile_gemm(const std::string& name) {
  std::string names;
  for (const OctileGemm& gemm : octile_gemms()) {
    if (gemm.name == name) return gemm;
    names += " " + gemm.name;
  }
  throw Error("there is no kernel \"" + name + "\"; there are" + names);
}

std::vector<Contender> octile_contenders(const std::vector<ScheduleLine>& table) {
  std::vector<Contender> contenders;
  for (const OctileGemm& gemm : octile_gemms()) {
    std::map<Shape, Schedule> schedules;
    for (const ScheduleLine& line : table) {
      if (line.kernel == gemm.name) schedules[line.shape] = line.schedule;
    }
    const auto schedule_for = [schedules](const Shape& shape) {
      const auto found = schedules.find(shape);
      return found == schedules.end() ? Schedule{} : found->second;
    };
    contenders.push_back({gemm.name, gemm.product, gemm.fast_accumulate, gemm.batched,
                          [&gemm, schedule_for](const GemmData& data) {
                            return gemm.bind(schedule_for(data.shape()), data);
                          },
                          [&gemm, schedule_for](const Shape& shape) {
                            const cuda::Target target = devices().at(0).target;
                            return to_string(
                                gemm.compile(schedule_for(shape), shape, target).schedule);
                          }});
  }
  return contenders;
}

}  // namespace octile::bench
