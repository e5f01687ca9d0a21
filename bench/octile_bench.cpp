// octile_bench: Octile's GEMMs and cuBLASLt's in one run. Each is checked against a float64 product
// before it is timed; times are of the GPU, with a cold L2, median of the rounds. Google
// Benchmark's own flags work (--benchmark_filter, --benchmark_out=FILE for JSON); --help lists the
// rest.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "commit.hpp"
#include "octile/bench/contender.hpp"
#include "octile/bench/cublaslt.hpp"
#include "octile/bench/kernel_timer.hpp"
#include "octile/bench/octile_gemm.hpp"

namespace octile::bench {
namespace {

constexpr char kUsage[] =
    "octile_bench [--shapes=MxNxK,MxNxK...] [--rounds=N] [--algorithm=N] [--list]\n"
    "             [Google Benchmark's flags]\n"
    "  --shapes     problem sizes instead of the dense table\n"
    "  --rounds     timed rounds of each kernel, at least 20 (24)\n"
    "  --algorithm  which of cuBLASLt's proposals, 0 is its first (0)\n"
    "  --list       print the benchmarks' names, without a GPU\n";

struct Options {
  std::vector<Shape> shapes = dense_shapes();
  TimerOptions timer;
  int algorithm = 0;
  bool list = false;
};

std::vector<Shape> parse_shapes(const std::string& text) {
  std::vector<Shape> shapes;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t to = std::min(text.find(',', from), text.size());
    shapes.push_back(parse_shape(text.substr(from, to - from)));
    from = to + 1;
  }
  return shapes;
}

// Takes out of argv what is ours and leaves Google Benchmark's.
Options parse_options(int& argc, char** argv) {
  Options options;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value_of = [&](const char* flag) {
      return argument.rfind(flag, 0) == 0 ? argv[i] + std::strlen(flag) : nullptr;
    };
    if (const char* text = value_of("--shapes=")) {
      options.shapes = parse_shapes(text);
    } else if (const char* rounds = value_of("--rounds=")) {
      options.timer.rounds = std::stoi(rounds);
    } else if (const char* algorithm = value_of("--algorithm=")) {
      options.algorithm = std::stoi(algorithm);
    } else if (argument == "--list") {
      options.list = true;
    } else if (argument == "--help") {
      std::fputs(kUsage, stdout);
      argv[kept++] = argv[i];
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  if (options.timer.rounds < 20) throw Error("--rounds: a median needs at least 20");
  return options;
}

struct Session {
  Options options;
  DataCache cache;
  int failures = 0;  ///< wrong results and errors; a contender without a kernel is none
};

void run(benchmark::State& state, const Contender& contender, const Shape& shape,
         Session& session) {
  GemmData& data = session.cache.get(shape, contender.precision);
  const std::function<void()> launch = contender.make(data);
  if (!launch) {
    state.SkipWithError("has no kernel for this shape");
    return;
  }
  const Check check = data.check(launch, tolerance(contender.precision, contender.fast_accumulate));
  if (!check.ok) {
    throw Error("wrong result: " + check.problem);
  }
  const Timing timing = KernelTimer::instance().time(launch, session.options.timer);
  std::size_t round = 0;
  for (auto _ : state) state.SetIterationTime(timing.rounds_us[round++] * 1e-6);

  const double seconds = timing.median_us * 1e-6;
  state.counters["us_median"] = timing.median_us;
  state.counters["us_min"] = timing.min_us;
  state.counters["us_max"] = timing.max_us;
  state.counters["tflops"] = shape.flops() / seconds * 1e-12;
  state.counters["gb_per_s"] = data.least_bytes() / seconds * 1e-9;
  state.counters["flop_per_byte"] = shape.flops() / data.least_bytes();
  state.counters["relative_l2"] = check.relative_l2;
  state.counters["kernels"] = static_cast<double>(timing.last_kernels.size());
  state.counters["m"] = shape.m;
  state.counters["n"] = shape.n;
  state.counters["k"] = shape.k;
  state.SetLabel(timing.last_kernels.front().name);
}

void run_safely(benchmark::State& state, const Contender& contender, const Shape& shape,
                Session& session) {
  try {
    run(state, contender, shape, session);
  } catch (const std::exception& error) {
    ++session.failures;
    state.SkipWithError(error.what());
  }
}

// The driver's release ("580.159.04"), which the CUDA driver API doesn't tell.
std::string driver_release() {
  std::ifstream file("/sys/module/nvidia/version");
  std::string release;
  return std::getline(file, release) ? release : "unknown";
}

void add_context() {
  const Device& gpu = device();
  benchmark::AddCustomContext("gpu", gpu.name);
  benchmark::AddCustomContext("sm_count", std::to_string(gpu.sm_count));
  benchmark::AddCustomContext("l2_bytes", std::to_string(gpu.l2_bytes));
  benchmark::AddCustomContext("driver", driver_release());
  benchmark::AddCustomContext("driver_cuda_version", std::to_string(gpu.driver_version));
  benchmark::AddCustomContext("headers_cuda_version", std::to_string(CUDA_VERSION));
  benchmark::AddCustomContext("cublaslt_version", cublaslt_version());
  benchmark::AddCustomContext("commit", kOctileCommit);
  benchmark::AddCustomContext("method",
                              "CUPTI kernel time, union of a call's kernels; 512 MiB fill before "
                              "each round; median of the rounds; checked against float64 first");
}

int main_checked(int argc, char** argv) {
  Session session{parse_options(argc, argv), {}, 0};
  const Options& options = session.options;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;

  std::vector<Contender> contenders = octile_contenders();
  const std::vector<Contender> peers = cublaslt_contenders(options.algorithm);
  contenders.insert(contenders.end(), peers.begin(), peers.end());
  for (const Shape& shape : options.shapes) {
    for (const Contender& contender : contenders) {
      const std::string name = contender.name + "/" + to_string(shape);
      if (options.list) {
        std::puts(name.c_str());
        continue;
      }
      benchmark::RegisterBenchmark(name.c_str(),
                                   [&session, contender, shape](benchmark::State& state) {
                                     run_safely(state, contender, shape, session);
                                   })
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond)
          ->Iterations(options.timer.rounds);
    }
  }
  if (options.list) return 0;
  add_context();
  benchmark::RunSpecifiedBenchmarks();
  return session.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace octile::bench

int main(int argc, char** argv) {
  try {
    return octile::bench::main_checked(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "octile_bench: %s\n", error.what());
    return 1;
  }
}
