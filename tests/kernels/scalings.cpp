// Every scaling, element type, output type, batch and layout of the products.
#include "octile/kernels/gemm.hpp"
#include "octile/tests/kernels/reference.hpp"

namespace octile::test {
namespace {

using kernels::BM;
using kernels::BN;

/// d = the sums in D, for every size.
template <Scales S, class D, class Kernel>
void plain(Trial& t, const Kernel& kernel, const Setup& setup, const std::vector<Sizes>& sizes) {
  for (const Sizes& size : sizes) {
    for (const bool exact : fills(t)) {
      const Sums sums(t, setup, size, exact);
      const Input d =
          rounded_output(t, D::type, sums, [sums](const Index& e) { return sums.value(e); });
      run_product<S>(t, kernel, sums, d);
    }
  }
}

/// d += the sums.
template <Scales S, class D, class Kernel>
void added(Trial& t, const Kernel& kernel, const Setup& setup, const std::vector<Sizes>& sizes) {
  for (const Sizes& size : sizes) {
    for (const bool exact : fills(t)) {
      const Sums sums(t, setup, size, exact);
      const Input start =
          t.input(D::type, size.dims({size.m, size.n}), exact ? Fill::integers : Fill::normal);
      const auto want = [sums, start](const Index& e) { return start->get(e) + sums.value(e); };
      const Input d = t.inout(
          start, [=](const Index& e) { return exact ? rounded(D::type, want(e)) : want(e); },
          [=](const Index& e) {
            return exact ? 0 : sums.room(e) + half_step(D::type, std::abs(want(e)) + sums.room(e));
          });
      run_product<S>(t, kernel, sums, d);
    }
  }
}

const ProblemSizes kLarge = {{"M", 4096}, {"N", 7168}, {"K", 8192}};
const std::vector<Knob> kChosen, kCluster = {BM(128), BN(128), cluster(2, BM)};

OCTILE_PROGRAM(gemm_1x128_by_128x128) {
  const Setup setup{Scales::by_128x128};
  const auto to = [&]<class D>(D) {
    return kernels::gemm<e4m3>("blockwise", kernels::scale_1x128_128x128, kernels::to<D>());
  };
  plain<Scales::by_128x128, bf16>(t, to(bf16{}), setup, edge_sizes(t));
  plain<Scales::by_128x128, f32>(t, to(f32{}), setup, {{65, 136, 656}});
  plain<Scales::by_128x128, f16>(t, to(f16{}), setup, {{65, 136, 656}});
  plain<Scales::by_128x128, e4m3>(t, to(e4m3{}), setup, {{65, 136, 656}, {7, 72, 656}});
  t.compile_for(to(bf16{}), kLarge, {kChosen, kCluster});
}

OCTILE_PROGRAM(gemm_1x128_by_1x128) {
  const Setup setup{Scales::by_1x128};
  const auto k = kernels::gemm<e4m3>("both_1x128", kernels::scale_1x128_1x128, kernels::to<f32>());
  plain<Scales::by_1x128, f32>(t, k, setup, edge_sizes(t));
  t.compile_for(k, kLarge, {kChosen});
}

OCTILE_PROGRAM(gemm_weight_gradient) {
  const Setup setup{Scales::by_1x128};
  const auto k =
      kernels::gemm<e4m3>("wgrad", kernels::scale_1x128_1x128, kernels::accumulate<f32>());
  added<Scales::by_1x128, f32>(t, k, setup, edge_sizes(t));
  added<Scales::by_1x128, bf16>(
      t, kernels::gemm<e4m3>("wgrad_bf16", kernels::scale_1x128_1x128, kernels::accumulate<bf16>()),
      setup, {{65, 136, 656}});
  t.compile_for(k, kLarge, {kChosen, kCluster});
}

OCTILE_PROGRAM(gemm_per_tensor) {
  Setup setup{Scales::per_tensor};
  const auto promoted = kernels::gemm<e4m3>("tensorwise", kernels::per_tensor, kernels::to<bf16>());
  plain<Scales::per_tensor, bf16>(t, promoted, setup, edge_sizes(t));
  setup.fast = true;
  const auto fast = kernels::gemm<e4m3>("tensorwise_fast", kernels::per_tensor(fast_accumulate),
                                        kernels::to<bf16>());
  plain<Scales::per_tensor, bf16>(t, fast, setup, edge_sizes(t));
  t.compile_for(fast, kLarge, {kChosen, kCluster});
}

OCTILE_PROGRAM(gemm_per_row_and_column) {
  Setup setup{Scales::per_row_and_column};
  const auto promoted =
      kernels::gemm<e4m3>("rowwise", kernels::per_row_and_column, kernels::to<f32>());
  plain<Scales::per_row_and_column, f32>(t, promoted, setup, edge_sizes(t));
  setup.fast = true;
  const auto fast = kernels::gemm<e4m3>(
      "rowwise_fast", kernels::per_row_and_column(fast_accumulate), kernels::to<bf16>());
  plain<Scales::per_row_and_column, bf16>(t, fast, setup, edge_sizes(t));
  t.compile_for(fast, kLarge, {kChosen, kCluster});
}

OCTILE_PROGRAM(gemm_unscaled) {
  const auto fp8 = kernels::gemm<e4m3>("unscaled_e4m3", kernels::unscaled, kernels::to<f32>());
  plain<Scales::none, f32>(t, fp8, {}, {{65, 136, 656}});
  const auto wide = kernels::gemm<bf16>("unscaled_bf16", kernels::unscaled, kernels::to<bf16>());
  plain<Scales::none, bf16>(t, wide, {Scales::none, ElementType::bf16, ElementType::bf16},
                            edge_sizes(t));
  const auto half = kernels::gemm<f16>("unscaled_f16", kernels::unscaled, kernels::to<f16>());
  plain<Scales::none, f16>(t, half, {Scales::none, ElementType::f16, ElementType::f16},
                           {{65, 136, 656}, {7, 72, 656}});
  t.compile_for(wide, kLarge, {kChosen, kCluster});
}

OCTILE_PROGRAM(gemm_of_mixed_fp8) {
  const std::vector<Sizes> sizes = {{65, 136, 656}, {7, 72, 656}};
  plain<Scales::per_row_and_column, bf16>(
      t, kernels::gemm<e5m2, e4m3>("e5m2_e4m3", kernels::per_row_and_column, kernels::to<bf16>()),
      {Scales::per_row_and_column, ElementType::e5m2, ElementType::e4m3}, sizes);
  // Gradients in e5m2 by activations in e4m3, and the other way round.
  added<Scales::by_1x128, f32>(t,
                               kernels::gemm<e5m2, e4m3>("wgrad_e5m2", kernels::scale_1x128_1x128,
                                                         kernels::accumulate<f32>()),
                               {Scales::by_1x128, ElementType::e5m2, ElementType::e4m3}, sizes);
  plain<Scales::by_128x128, bf16>(
      t, kernels::gemm<e4m3, e5m2>("e4m3_e5m2", kernels::scale_1x128_128x128, kernels::to<bf16>()),
      {Scales::by_128x128, ElementType::e4m3, ElementType::e5m2}, sizes);
}

OCTILE_PROGRAM(gemm_batched) {
  const std::vector<Sizes> sizes =
      t.where() == Where::nvrtc
          ? std::vector<Sizes>{{65, 136, 656, 3}}
          : std::vector<Sizes>{{1, 8, 128, 1}, {7, 72, 656, 2}, {65, 136, 656, 3}, {65, 72, 0, 2}};
  plain<Scales::by_128x128, bf16>(
      t, kernels::batched_gemm<e4m3>("batched", kernels::scale_1x128_128x128, kernels::to<bf16>()),
      {Scales::by_128x128}, sizes);
  added<Scales::by_1x128, f32>(
      t,
      kernels::batched_gemm<e4m3>("batched_wgrad", kernels::scale_1x128_1x128,
                                  kernels::accumulate<f32>()),
      {Scales::by_1x128}, sizes);
  Setup rows{Scales::per_row_and_column};
  rows.fast = true;
  plain<Scales::per_row_and_column, bf16>(
      t,
      kernels::batched_gemm<e4m3>("batched_rowwise", kernels::per_row_and_column(fast_accumulate),
                                  kernels::to<bf16>()),
      rows, sizes);
  plain<Scales::none, bf16>(
      t, kernels::batched_gemm<bf16>("batched_bf16", kernels::unscaled, kernels::to<bf16>()),
      {Scales::none, ElementType::bf16, ElementType::bf16}, sizes);
}

// Scales of neighbouring rows side by side, as DeepGEMM and cuBLASLt take them: brought by TMA
// where their columns are multiples of 16 bytes, else gathered.
OCTILE_PROGRAM(gemm_of_outer_scales) {
  const auto blocks =
      kernels::gemm<e4m3>("blockwise", kernels::scale_1x128_128x128, kernels::to<bf16>());
  const auto rows =
      kernels::gemm<e4m3>("wgrad", kernels::scale_1x128_1x128, kernels::accumulate<f32>());
  std::vector<Sizes> sizes = {{72, 136, 656}, {65, 72, 656}, {256, 256, 0}};
  // The CPU has several tiles in the small ones, and takes long for it under sanitizers.
  if (t.where() != Where::cpu) sizes.push_back({300, 520, 1024});
  for (const Layout& layout : {Layout{true, 0, 0}, Layout{true, 4, 0}, Layout{true, 0, 1}}) {
    plain<Scales::by_128x128, bf16>(
        t, blocks,
        {Scales::by_128x128, ElementType::e4m3, ElementType::e4m3, false, {}, {}, layout}, sizes);
    added<Scales::by_1x128, f32>(
        t, rows, {Scales::by_1x128, ElementType::e4m3, ElementType::e4m3, false, {}, {}, layout},
        sizes);
  }
}

// Trips that are so long that two of them make a step, half a panel of scales: every number of
// trips that leaves a panel, a step or both begun. (Scales row by row are panels only where rows
// are multiples of 16 bytes.)
OCTILE_PROGRAM(gemm_of_long_trips) {
  const auto k =
      kernels::gemm<e4m3>("wgrad", kernels::scale_1x128_1x128, kernels::accumulate<f32>());
  const std::vector<std::vector<Knob>> schedules = {{BM(256), BN(128)}};
  const bool once = t.where() == Where::nvrtc;
  for (const bool by_rows : {true, false}) {
    const Layout layout = by_rows ? Layout{} : Layout{true, 0, 0};
    const std::vector<int> trips = once      ? std::vector{8}
                                   : by_rows ? std::vector{4, 8, 12}
                                             : std::vector{1, 2, 3, 4, 5, 6, 7, 9};
    const Setup setup{
        Scales::by_1x128, ElementType::e4m3, ElementType::e4m3, false, {}, {}, layout};
    for (const int count : trips) {
      const Sums sums(t, setup, {300, 136, 128 * count}, true);
      const Input start = t.input(ElementType::f32, sums.sizes().dims({300, 136}), Fill::integers);
      const Input d = t.inout(
          start, [=](const Index& e) { return start->get(e) + sums.value(e); },
          [](const Index&) { return 0.0; });
      t.run(k, schedules, sums.a, sums.sa, sums.b, sums.sb, d);
    }
  }
}

// The same with the products of scales by the tensor core, to the bit: these scales have few bits.
OCTILE_PROGRAM(gemm_by_outer_products) {
  const auto k =
      kernels::gemm<e4m3>("wgrad", kernels::scale_1x128_1x128, kernels::accumulate<f32>());
  const std::vector<std::vector<Knob>> schedules = {
      {BM(128), BN(136), outer_products()},
      {BM(256), BN(88), outer_products()},
      {BM(128), BN(64), outer_products(), persistent(false)}};
  const auto to_the_bit = [&](const auto& kernel, ElementType type, const Setup& setup,
                              const Sizes& size) {
    const Sums sums(t, setup, size, true);
    const Input start = t.input(type, size.dims({size.m, size.n}), Fill::integers);
    const Input d = t.inout(
        start, [=](const Index& e) { return rounded(type, start->get(e) + sums.value(e)); },
        [](const Index&) { return 0.0; });
    t.run(kernel, schedules, sums.a, sums.sa, sums.b, sums.sb, d);
  };
  const bool once = t.where() == Where::nvrtc;
  for (const bool by_rows : {true, false}) {
    const Layout layout = by_rows ? Layout{} : Layout{true, 0, 0};
    const Setup setup{
        Scales::by_1x128, ElementType::e4m3, ElementType::e4m3, false, {}, {}, layout};
    for (const int count : once      ? std::vector{8}
                           : by_rows ? std::vector{4, 12}
                                     : std::vector{0, 1, 2, 7}) {
      to_the_bit(k, ElementType::f32, setup, {300, 280, 128 * count});
    }
  }
  const Setup setup{Scales::by_1x128};
  to_the_bit(
      kernels::gemm<e4m3>("wgrad_bf16", kernels::scale_1x128_1x128, kernels::accumulate<bf16>()),
      ElementType::bf16, setup, {300, 280, 512});
  to_the_bit(kernels::batched_gemm<e4m3>("batched_wgrad", kernels::scale_1x128_1x128,
                                         kernels::accumulate<f32>()),
             ElementType::f32, setup, {132, 136, 512, 3});
  t.compile_for(k, kLarge, schedules);
}

// A transposed operand is a view with other strides, and rows may have gaps.
OCTILE_PROGRAM(gemm_of_other_layouts) {
  const auto fp8 =
      kernels::gemm<e4m3>("blockwise", kernels::scale_1x128_128x128, kernels::to<bf16>());
  const auto wide = kernels::gemm<bf16>("unscaled_bf16", kernels::unscaled, kernels::to<bf16>());
  const std::vector<std::pair<Layout, Layout>> layouts = {
      {{false, 16, 0}, {false, 48, 16}}, {{true, 0, 0}, {}}, {{}, {true, 8, 0}}};
  for (const auto& [a, b] : layouts) {
    for (const Sizes& size : {Sizes{65, 136, 656}, {7, 72, 656}}) {
      const Sums sums(t, {Scales::by_128x128, ElementType::e4m3, ElementType::e4m3, false, a, b},
                      size, true);
      const Input d = rounded_output(t, ElementType::bf16, sums,
                                     [sums](const Index& e) { return sums.value(e); });
      t.run(fp8, sums.a, sums.sa, sums.b, sums.sb, d);
      const Sums wide_sums(t, {Scales::none, ElementType::bf16, ElementType::bf16, false, a, b},
                           size, true);
      const Input wide_d =
          rounded_output(t, ElementType::bf16, wide_sums,
                         [wide_sums](const Index& e) { return wide_sums.value(e); });
      t.run(wide, wide_sums.a, wide_sums.b, wide_d);
    }
  }
}

}  // namespace
}  // namespace octile::test
