#include "octile/bench/octile_gemm.hpp"

#include <tuple>

#include "octile/kernels/gemm.hpp"

namespace octile::bench {
namespace {

/// How the scales per 128 of k of single rows lie in memory.
enum class Scales {
  inner,  ///< those of a row are neighbours, as the quantisation kernels write them
  outer,  ///< those of neighbouring rows are, as cuBLASLt and DeepGEMM read them
};

/// A kernel's arguments for a shape: views of a GemmData's memory, or, without one, of memory that
/// is never looked at.
struct Views {
  TensorView a, sa, b, sb, d, ds, bias;
  float scale_a = 1, scale_b = 1;

  Views(const Shape& shape, const Product& product, Scales layout, bool batched,
        const GemmData* data) {
    const auto [m, n, k, batch] = shape;
    const auto at = [&](auto pointer) {
      return data != nullptr ? pointer(*data) : reinterpret_cast<void*>(std::uintptr_t{4096});
    };
    const auto blocks = [](std::int64_t extent, std::int64_t size) {
      return (extent + size - 1) / size;
    };
    const auto tensor = [&, z = batch](void* pointer, ElementType element, std::int64_t rows,
                                       std::int64_t columns) {
      const Dims extents = batched ? Dims{z, rows, columns} : Dims{rows, columns};
      return view(pointer, element, extents, {}, Place::device);
    };
    const auto scales = [&, k = k](auto operand, std::int64_t rows, std::int64_t rows_per_scale) {
      void* inner = at([&](const GemmData& x) { return (x.*operand)().scales.pointer(); });
      if (product.precision == Precision::row_wise)
        return view(inner, ElementType::f32, {rows}, {}, Place::device);
      if (layout == Scales::inner || rows_per_scale > 1)
        return tensor(inner, ElementType::f32, blocks(rows, rows_per_scale), blocks(k, 128));
      void* outer = at([&](const GemmData& x) { return (x.*operand)().scales_outer.pointer(); });
      return view(outer, ElementType::f32, {rows, blocks(k, 128)}, {1, 4 * blocks(rows, 4)},
                  Place::device);
    };
    const ElementType in =
        product.precision == Precision::bf16 ? ElementType::bf16 : ElementType::e4m3;
    a = tensor(at([](const GemmData& x) { return x.a().data.pointer(); }), in, m, k);
    b = tensor(at([](const GemmData& x) { return x.b().data.pointer(); }), in, n, k);
    sa = scales(&GemmData::a, m, 1);
    sb = scales(&GemmData::b, n, product.precision == Precision::block_scaled ? 128 : 1);
    const ElementType out = product.output == Output::f32_accumulate ? ElementType::f32
                            : product.output == Output::e4m3_1x128   ? ElementType::e4m3
                                                                     : ElementType::bf16;
    d = tensor(at([](const GemmData& x) { return x.d(); }), out, m, n);
    ds = tensor(at([](const GemmData& x) { return x.d_scales(); }), ElementType::f32, m,
                blocks(n, 128));
    bias = view(at([](const GemmData& x) { return x.bias(); }), ElementType::bf16, {n}, {},
                Place::device);
    if (data == nullptr) return;
    scale_a = data->a().scale;
    scale_b = data->b().scale;
  }
};

/// `arguments` gives a kernel's arguments, in order, as a tuple.
template <class Kernel, class Arguments>
OctileGemm erase(const char* name, const Product& product, bool fast, bool batched, Scales layout,
                 const Kernel& kernel, const Arguments& arguments) {
  return {name,
          product,
          fast,
          batched,
          [=](const Schedule& schedule, const Shape& shape, const cuda::Target& target) {
            const auto list = arguments(Views(shape, product, layout, batched, nullptr));
            const auto gemm = kernel.with(schedule);
            return std::apply([&](const auto&... x) { return gemm.compile_call(target, x...); },
                              list);
          },
          [=](const Schedule& schedule, const GemmData& data) -> std::function<void()> {
            const auto list = arguments(Views(data.shape(), product, layout, batched, &data));
            return [gemm = kernel.with(schedule), list] {
              std::apply([&](const auto&... x) { gemm(Stream(device().stream), x...); }, list);
            };
          }};
}

std::vector<OctileGemm> make_gemms() {
  using namespace kernels;
  const auto scaled = [](const Views& v) { return std::tuple{v.a, v.sa, v.b, v.sb, v.d}; };
  constexpr Precision blocks = Precision::block_scaled;
  return {
      erase("octile_blockwise", {blocks}, false, false, Scales::inner,
            gemm<e4m3>("gemm_blockwise", scale_1x128_128x128, to<bf16>()), scaled),
      erase("octile_tensorwise", {Precision::tensor_wise}, true, false, Scales::inner,
            gemm<e4m3>("gemm_tensorwise", per_tensor(fast_accumulate), to<bf16>()),
            [](const Views& v) {
              return std::tuple{v.a, v.scale_a, v.b, v.scale_b, v.d};
            }),
      erase("octile_bf16", {Precision::bf16}, false, false, Scales::inner,
            gemm<bf16>("gemm_bf16", unscaled, to<bf16>()),
            [](const Views& v) {
              return std::tuple{v.a, v.b, v.d};
            }),
      erase("octile_rowwise", {Precision::row_wise}, true, false, Scales::inner,
            gemm<e4m3>("gemm_rowwise", per_row_and_column(fast_accumulate), to<bf16>()), scaled),
      erase("octile_wgrad", {Precision::block_scaled_both, Output::f32_accumulate}, false, false,
            Scales::inner, gemm<e4m3>("gemm_wgrad", scale_1x128_1x128, accumulate<f32>()), scaled),
      erase("octile_wgrad_outer", {Precision::block_scaled_both, Output::f32_accumulate}, false,
            false, Scales::outer, gemm<e4m3>("gemm_wgrad", scale_1x128_1x128, accumulate<f32>()),
            scaled),
      erase("octile_blockwise_outer", {blocks}, false, false, Scales::outer,
            gemm<e4m3>("gemm_blockwise", scale_1x128_128x128, to<bf16>()), scaled),
      erase("octile_bias_gelu", {blocks, Output::bf16_bias_gelu}, false, false, Scales::inner,
            gemm<e4m3>("gemm_bias_gelu", scale_1x128_128x128, with_bias<bf16>(gelu)),
            [](const Views& v) { return std::tuple{v.a, v.sa, v.b, v.sb, v.bias, v.d}; }),
      // What cuBLASLt's computes: scales per tensor, GELU by tanh.
      erase("octile_bias_gelu_tanh", {Precision::tensor_wise, Output::bf16_bias_gelu}, true, false,
            Scales::inner,
            gemm<e4m3>("gemm_bias_gelu_tanh", per_tensor(fast_accumulate),
                       with_bias<bf16>(gelu_tanh)),
            [](const Views& v) { return std::tuple{v.a, v.scale_a, v.b, v.scale_b, v.bias, v.d}; }),
      erase("octile_requantise", {blocks, Output::e4m3_1x128}, false, false, Scales::inner,
            gemm<e4m3>("gemm_requantise", scale_1x128_128x128, requantise_1x128()),
            [](const Views& v) { return std::tuple{v.a, v.sa, v.b, v.sb, v.d, v.ds}; }),
      erase("octile_batched", {blocks}, false, true, Scales::inner,
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
