// What becomes of the sums: bias, activations, residuals, largest magnitudes, requantising, a
// lambda.
#include "octile/kernels/epilogues.hpp"

#include <cmath>
#include <limits>

#include "octile/kernels/gemm.hpp"
#include "octile/tests/kernels/reference.hpp"

namespace octile::test {
namespace {

constexpr Scales kScales = Scales::by_128x128;
const Setup kSetup{kScales};

double gelu_of(double x) {
  return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
}
double gelu_tanh_of(double x) {
  return 0.5 * x * (1 + std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}
double silu_of(double x) {
  return x / (1 + std::exp(-x));
}
double relu_of(double x) {
  return std::max(x, 0.0);
}

/// f32 arithmetic of a function whose result is about x.
double own_error(double x) {
  return 1e-5 + 2e-6 * std::abs(x);
}

template <class Epilogue>
auto product(const char* name, const Epilogue& epilogue) {
  return kernels::gemm<e4m3>(name, kernels::scale_1x128_128x128, epilogue);
}

/// d = f(sums), where f has a slope below `slope`.
template <class D, class F>
void activated(Trial& t, const char* name, const F& f, double (*f_of)(double), double slope) {
  const auto k = product(name, kernels::to<D>(f));
  for (const Sizes& size : {Sizes{65, 136, 656}, {7, 72, 128}}) {
    const Sums sums(t, kSetup, size, false);
    const Input d = rounded_output(
        t, D::type, sums, [=](const Index& e) { return f_of(sums.value(e)); }, slope, 1e-3);
    run_product<kScales>(t, k, sums, d);
  }
}

OCTILE_PROGRAM(epilogue_activations) {
  activated<bf16>(t, "to_gelu", kernels::gelu, gelu_of, 1.13);
  activated<bf16>(t, "to_gelu_tanh", kernels::gelu_tanh, gelu_tanh_of, 1.13);
  activated<f32>(t, "to_silu", kernels::silu, silu_of, 1.1);
  activated<f16>(t, "to_relu", kernels::relu, relu_of, 1);
}

// By itself, as a product's rounding would hide what it is off by.
OCTILE_PROGRAM(gelu_of_a_range) {
  constexpr dim<"C"> C;
  constexpr axis<"BC"> BC;
  const auto k = kernel("gelu", in<f32>("x", C), out<f32>("y", C), [=](auto x, auto y) {
    return grid(C / BC, [=](auto i) { return store(y(BC[i]), kernels::gelu(x(BC[i]))); });
  });
  constexpr std::int64_t kSteps = 1 << 14;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Input x = t.input(ElementType::f32, {kSteps + 5});
  for (std::int64_t i = 0; i < kSteps; ++i)
    x->set({i}, (static_cast<double>(i) - kSteps / 2) * 20.0 / kSteps);
  const double others[] = {kInfinity, -kInfinity, std::nan(""), 1e-30, -3e38};
  for (std::int64_t i = 0; i < 5; ++i) x->set({kSteps + i}, others[i]);
  const auto exact = [=](const Index& e) {
    const double v = (*x)(e[0]);
    return v == -kInfinity ? 0.0 : 0.5 * v * std::erfc(-v * std::sqrt(0.5));
  };
  const Input y = t.output(ElementType::f32, {kSteps + 5}, exact, [=](const Index& e) {
    const double v = (*x)(e[0]);
    return v >= 0 ? 1.2e-6 * exact(e) : v >= -6 ? 4.5e-5 * -exact(e) : 1e-8;
  });
  t.run(k, x, y);
}

OCTILE_PROGRAM(epilogue_bias) {
  const auto relu = product("bias_relu", kernels::with_bias<bf16, f32>(kernels::relu));
  const auto gelu = product("bias_gelu", kernels::with_bias<bf16>(kernels::gelu));
  for (const Sizes& size : edge_sizes(t)) {
    for (const bool exact : fills(t)) {
      const Sums sums(t, kSetup, size, exact);
      const Input bias = t.input(ElementType::f32, {size.n}, exact ? Fill::integers : Fill::normal);
      const Input d = rounded_output(t, ElementType::bf16, sums, [=](const Index& e) {
        return relu_of(sums.value(e) + (*bias)(e[1]));
      });
      run_product<kScales>(t, relu, sums, bias, d);
    }
    const Sums sums(t, kSetup, size, false);
    const Input bias = t.input(ElementType::bf16, {size.n});
    const Input d = rounded_output(
        t, ElementType::bf16, sums,
        [=](const Index& e) { return gelu_of(sums.value(e) + (*bias)(e[1])); }, 1.13, 1e-4);
    run_product<kScales>(t, gelu, sums, bias, d);
  }
  t.compile_for(gelu, {{"M", 4096}, {"N", 7168}, {"K", 2048}},
                {{}, {kernels::BM(128), kernels::BN(128)}});
}

OCTILE_PROGRAM(epilogue_residual) {
  const auto k = product("residual", kernels::with_residual<bf16>());
  for (const Sizes& size : edge_sizes(t)) {
    for (const bool exact : fills(t)) {
      const Sums sums(t, kSetup, size, exact);
      const Input residual =
          t.input(ElementType::bf16, {size.m, size.n}, exact ? Fill::integers : Fill::normal);
      const Input d = rounded_output(t, ElementType::bf16, sums, [=](const Index& e) {
        return sums.value(e) + residual->get(e);
      });
      run_product<kScales>(t, k, sums, residual, d);
    }
  }
}

/// Largest magnitude of f over a row's 128 columns that element e lies in, and the room of it.
double amax_of(const Reference& f, const Sizes& size, std::int64_t row, std::int64_t block) {
  double largest = 0;
  for (std::int64_t j = 128 * block; j < std::min(size.n, 128 * block + 128); ++j)
    largest = std::max(largest, std::abs(f(Index{row, j})));
  return largest;
}

OCTILE_PROGRAM(epilogue_amax) {
  const auto k = product("amax", kernels::with_amax<bf16>(kernels::relu));
  for (const Sizes& size : edge_sizes(t)) {
    for (const bool exact : fills(t)) {
      const Sums sums(t, kSetup, size, exact);
      const auto f = [=](const Index& e) { return relu_of(sums.value(e)); };
      const auto room = [=](const Index& e) { return sums.room(e); };
      const Input d = rounded_output(t, ElementType::bf16, sums, f);
      const Input amax = t.output(
          ElementType::f32, {size.m, (size.n + 127) / 128},
          [=](const Index& e) { return amax_of(f, size, e[0], e[1]); },
          [=](const Index& e) { return exact ? 0 : amax_of(room, size, e[0], e[1]); });
      run_product<kScales>(t, k, sums, d, amax);
    }
  }
}

/// q and s of a requantising product.
template <class Kernel>
void requantised(Trial& t, const Kernel& k, const Sizes& size, bool exact, double (*f_of)(double),
                 double slope) {
  const Sums sums(t, kSetup, size, exact);
  const Reference f = [=](const Index& e) { return f_of(sums.value(e)); };
  const Reference room = [=](const Index& e) {
    return exact ? 0 : slope * sums.room(e) + own_error(f(e));
  };
  const auto amax = [=](const Index& e) { return std::max(amax_of(f, size, e[0], e[1]), 1e-10); };
  const auto as_kernel = [](double y, double largest) {
    return rounded(ElementType::e4m3,
                   static_cast<float>(y) * (448.0f / static_cast<float>(largest)));
  };
  const Input q = t.output(
      ElementType::e4m3, {size.m, size.n},
      [=](const Index& e) {
        const double largest = amax(Index{e[0], e[1] / 128});
        return exact ? as_kernel(f(e), largest) : f(e) * 448 / largest;
      },
      [=](const Index& e) {
        if (exact) return 0.0;
        const Index block{e[0], e[1] / 128};
        const double largest = amax(block), of_amax = amax_of(room, size, block[0], block[1]);
        const double y = std::abs(f(e)) * 448 / largest;
        const double off = room(e) * 448 / largest + y * 2 * of_amax / largest;
        return off + half_step(ElementType::e4m3, y + off);
      });
  const Input s = t.output(
      ElementType::f32, {size.m, (size.n + 127) / 128},
      [=](const Index& e) {
        return static_cast<double>(static_cast<float>(amax(e)) * (1.0f / 448));
      },
      [=](const Index& e) { return exact ? 0 : amax_of(room, size, e[0], e[1]) / 448 + 1e-9; });
  run_product<kScales>(t, k, sums, q, s);
}

OCTILE_PROGRAM(epilogue_requantise) {
  const auto plain = product("requantise", kernels::requantise_1x128());
  const auto silu = product("requantise_silu", kernels::requantise_1x128(kernels::silu));
  for (const Sizes& size : edge_sizes(t)) {
    for (const bool exact : fills(t))
      requantised(
          t, plain, size, exact, [](double x) { return x; }, 1);
    if (size.k > 0) requantised(t, silu, size, false, silu_of, 1.1);
  }
  t.compile_for(plain, {{"M", 4096}, {"N", 7168}, {"K", 2048}},
                {{}, {kernels::BM(128), kernels::BN(128)}});
}

// alpha * sums + bias - residual, and the residual's square, both as the caller wrote them;
// batched.
OCTILE_PROGRAM(epilogue_of_ones_own) {
  using kernels::M;
  using kernels::N;
  const auto mine = kernels::epilogue(
      scalar<f32>("alpha"), in<f32>("bias", N), in<bf16>("r", M, N), out<f32>("d", M, N),
      out<f32>("squares", M, N),
      [](auto sums, auto at, auto alpha, auto bias, auto r, auto d, auto squares) {
        auto x = cast<f32>(at(r));
        return stores(store(at(d), sums * alpha + at(bias, at.columns) - x),
                      store(at(squares), x * x));
      });
  const auto k = kernels::batched_gemm<e4m3>("mine", kernels::per_tensor, mine);
  for (const Sizes& size : {Sizes{65, 136, 656, 2}, {7, 72, 128, 3}}) {
    const Sums sums(t, {Scales::per_tensor}, size, true);
    const Input bias = t.input(ElementType::f32, {size.batch, size.n}, Fill::integers);
    const Dims dims = size.dims({size.m, size.n});
    const Input r = t.input(ElementType::bf16, dims, Fill::integers);
    const Input d = t.output(ElementType::f32, dims, [=](const Index& e) {
      return sums.value(e) * 0.25 + (*bias)(e[0], e[2]) - r->get(e);
    });
    const Input squares =
        t.output(ElementType::f32, dims, [=](const Index& e) { return r->get(e) * r->get(e); });
    run_product<Scales::per_tensor>(t, k, sums, 0.25f, bias, r, d, squares);
  }
}

}  // namespace
}  // namespace octile::test
