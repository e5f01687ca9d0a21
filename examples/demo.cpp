// The demo: a block-scaled FP8 matrix product, from random f32 input to a checked result. Three
// kernels in the language: quantise activations (a scale per 1x128), quantise weights (a scale per
// 128x128), multiply. Runs on the GPU where there is one, else on the CPU.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "octile/octile.hpp"

using namespace octile;

namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr axis<"BR", 128> BR;  // rows of one weight scale
constexpr auto BK = 128_c;

// What makes the largest element of a run 448, e4m3's largest; 1 for a run of zeros.
auto scale_for(auto largest) {
  return select(largest > 0, largest / 448, 1.0f);
}

const auto quantise_activations = kernel(
    "quantise_1x128", in<f32>("x", M, K), out<e4m3>("q", M, K), out<f32>("s", M, K / 128_c),
    [](auto x, auto q, auto s) {
      return grid(M / BM, K / BK, [=](auto i, auto k) {
        auto tile = x(BM[i], BK[k]);
        auto scale = scale_for(max(abs(tile), BK));
        return stores(store(s(BM[i], k), scale), store(q(BM[i], BK[k]), cast<e4m3>(tile / scale)));
      });
    });

const auto quantise_weights = kernel(
    "quantise_128x128", in<f32>("x", N, K), out<e4m3>("q", N, K),
    out<f32>("s", N / 128_c, K / 128_c), [](auto x, auto q, auto s) {
      return grid(N / BR, K / BK, [=](auto j, auto k) {
        auto tile = x(BR[j], BK[k]);
        auto scale = scale_for(max(max(abs(tile), BK), BR));
        return stores(store(s(j, k), scale), store(q(BR[j], BK[k]), cast<e4m3>(tile / scale)));
      });
    });

const auto fp8_gemm =
    kernel("fp8_gemm", in<e4m3>("a", M, K), in<f32>("sa", M, K / 128_c), in<e4m3>("b", N, K),
           in<f32>("sb", N / 128_c, K / 128_c), out<bf16>("d", M, N),
           [](auto a, auto sa, auto b, auto sb, auto d) {
             return grid(M / BM, N / BN, [=](auto i, auto j) {
               auto acc = sum(K / BK, [=](auto k) {
                 return dot(a(BM[i], BK[k]), b(BN[j], BK[k]))  // contracts over the axis both share
                        * sa(BM[i], k) * sb(BN[j] / 128_c, k);  // broadcasts by axis name
               });
               return store(d(BM[i], BN[j]), cast<bf16>(acc));
             });
           });

struct Options {
  std::int64_t m = 512, n = 512, k = 1024;
  bool cpu = false;
  std::string emit;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--cpu") {
      options.cpu = true;
      continue;
    }
    if (flag == "--help" || i + 1 == argc) {
      std::puts("usage: demo [--cpu] [--m M] [--n N] [--k K] [--emit FILE]");
      std::exit(flag == "--help" ? 0 : 2);
    }
    const char* value = argv[++i];
    if (flag == "--emit") {
      options.emit = value;
    } else if (flag == "--m" || flag == "--n" || flag == "--k") {
      (flag == "--m" ? options.m : flag == "--n" ? options.n : options.k) = std::atoll(value);
    } else {
      std::fprintf(stderr, "demo: unknown option %s; see --help\n", flag.c_str());
      std::exit(2);
    }
  }
  return options;
}

std::vector<float> random_normals(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

// The quantised operand's values: element times the scale of its block of `rows_per_scale` x 128.
std::vector<float> dequantise(const Tensor& q, const Tensor& scales, std::int64_t rows_per_scale) {
  std::vector<float> values = q.to_floats();
  const std::vector<float> scale = scales.to_floats();
  const std::int64_t rows = q.extents()[0], cols = q.extents()[1], runs = scales.extents()[1];
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      values[static_cast<std::size_t>(r * cols + c)] *=
          scale[static_cast<std::size_t>(r / rows_per_scale * runs + c / 128)];
    }
  }
  return values;
}

// a [m, k] times b [n, k] transposed, summed in float64.
std::vector<double> product(const std::vector<float>& a, const std::vector<float>& b,
                            const Options& o) {
  std::vector<double> d(static_cast<std::size_t>(o.m * o.n));
  for (std::int64_t i = 0; i < o.m; ++i) {
    for (std::int64_t j = 0; j < o.n; ++j) {
      const float* x = a.data() + i * o.k;
      const float* y = b.data() + j * o.k;
      double total = 0;
      for (std::int64_t k = 0; k < o.k; ++k) total += static_cast<double>(x[k]) * y[k];
      d[static_cast<std::size_t>(i * o.n + j)] = total;
    }
  }
  return d;
}

double relative_l2(const std::vector<float>& got, const std::vector<double>& want) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(error / size);
}

// Calls `run` until it has run 5 times and half a second has passed; the fastest, in seconds.
template <class Run>
double fastest(const Run& run) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  const auto begin = Clock::now();
  double best = 1e30;
  for (int i = 0; i < 5 || (i < 1000 && seconds(Clock::now() - begin) < 0.5); ++i) {
    const auto start = Clock::now();
    run();
    best = std::min(best, seconds(Clock::now() - start));
  }
  return best;
}

std::string place_of(const Stream& stream) {
  if (stream.is_gpu()) return devices().front().name;
  const std::string problem = gpu_problem();
  return "the CPU (" + problem.substr(0, problem.find(" Tried:")) + ")";
}

int run(const Options& o) {
  const Stream stream = o.cpu ? Stream::cpu() : default_stream();
  std::printf("running on:        %s\n", o.cpu ? "the CPU" : place_of(stream).c_str());

  const std::int64_t runs = (o.k + 127) / 128, weight_blocks = (o.n + 127) / 128;
  const auto tensor = [&](ElementType element, std::int64_t rows, std::int64_t cols) {
    Tensor t = Tensor::empty(stream, element, {rows, cols});
    t.fill_bytes(0xFF);  // NaN: what a kernel fails to write shows
    return t;
  };
  const std::vector<float> activations = random_normals(o.m * o.k, 1);
  const std::vector<float> weights = random_normals(o.n * o.k, 2);
  Tensor x = tensor(ElementType::f32, o.m, o.k), w = tensor(ElementType::f32, o.n, o.k);
  x.copy_from(activations);
  w.copy_from(weights);

  const Tensor a = tensor(ElementType::e4m3, o.m, o.k), sa = tensor(ElementType::f32, o.m, runs);
  const Tensor b = tensor(ElementType::e4m3, o.n, o.k);
  const Tensor sb = tensor(ElementType::f32, weight_blocks, runs);
  const Tensor d = tensor(ElementType::bf16, o.m, o.n);
  quantise_activations(stream, x, a, sa);
  quantise_weights(stream, w, b, sb);

  const auto multiply = [&] {
    fp8_gemm(stream, a, sa, b, sb, d);
    stream.synchronize();
  };
  const auto start = std::chrono::steady_clock::now();
  multiply();
  const std::chrono::duration<double> first = std::chrono::steady_clock::now() - start;
  const std::string suffix = stream.is_gpu() ? ".cu" : ".ll";
  const std::string path = o.emit.empty() ? "build/demo/fp8_gemm" + suffix : o.emit;
  const std::string written = write_source(path, fp8_gemm.source(stream, a, sa, b, sb, d));
  std::printf("generated code:    %s\n", written.c_str());

  const std::vector<float> result = d.to_floats();
  const double seconds = fastest(multiply);

  const std::vector<double> exact = product(dequantise(a, sa, 1), dequantise(b, sb, 128), o);
  const double error = relative_l2(result, exact);
  const double total_error = relative_l2(result, product(activations, weights, o));
  const double flops = 2.0 * static_cast<double>(o.m) * static_cast<double>(o.n * o.k);
  std::printf("relative L2 error: %.2e against float64 over the quantised inputs\n", error);
  std::printf("                   %.2e against float64 over the f32 inputs\n", total_error);
  std::printf(
      "time:              %.3f ms, %.1f GFLOP/s, %lld x %lld x %lld; first call, with its "
      "compile, %.0f ms\n",
      seconds * 1e3, flops / seconds * 1e-9, static_cast<long long>(o.m),
      static_cast<long long>(o.n), static_cast<long long>(o.k), first.count() * 1e3);

  // Rounding the result to bf16 alone costs 1.7e-3, and quantising both inputs to e4m3 some 4e-2.
  const bool right = error < 2e-3 && total_error < 6e-2;  // false also for NaN
  std::printf("%s\n", right ? "correct" : "WRONG: the errors are past 2e-3 or 6e-2");
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "demo: %s\n", error.what());
    return 1;
  }
}
