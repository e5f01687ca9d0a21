// octile_bench: Octile's products and cuBLASLt's in one run. Each is checked against a float64
// product before it is timed; times are of the GPU, with a cold L2, median of the rounds. Google
// Benchmark's own flags work (--benchmark_filter, --benchmark_out=FILE for JSON); --help lists the
// rest.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "commit.hpp"
#include "octile/bench/contender.hpp"
#include "octile/bench/cublaslt.hpp"
#include "octile/bench/kernel_timer.hpp"
#include "octile/bench/octile_gemm.hpp"

namespace octile::bench {
namespace {

constexpr char kUsage[] =
    "octile_bench [--shapes=MxNxK,MxNxK...] [--schedules=FILE] [--rounds=N] [--algorithm=N]\n"
    "             [--threads=N] [--list] [Google Benchmark's flags]\n"
    "  --shapes     problem sizes (of a batch ZxMxNxK) instead of each contender's own\n"
    "  --schedules  lines \"kernel m n k | knob=value ...\": how Octile computes these shapes, "
    "which\n"
    "               it picks itself otherwise; lines without a kernel are octile_blockwise's; of\n"
    "               several for one kernel and shape the last counts; may be given more than once\n"
    "  --rounds     timed rounds of each kernel, at least 20 (24)\n"
    "  --algorithm  which of cuBLASLt's proposals, 0 is its first (0)\n"
    "  --threads    compiles at a time, before anything runs (one per core)\n"
    "  --list       print the benchmarks' names, without a GPU\n";

struct Options {
  std::vector<Shape> shapes;  ///< empty: each contender's own
  std::vector<ScheduleLine> schedules;
  TimerOptions timer;
  int algorithm = 0;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
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
    } else if (const char* file = value_of("--schedules=")) {
      const auto lines = read_schedule_file(file, "octile_blockwise");
      for (const ScheduleLine& line : lines) find_octile_gemm(line.kernel);
      options.schedules.insert(options.schedules.end(), lines.begin(), lines.end());
    } else if (const char* threads = value_of("--threads=")) {
      options.threads = static_cast<unsigned>(parse_count("--threads", threads, 1));
    } else if (const char* rounds = value_of("--rounds=")) {
      options.timer.rounds = parse_count("--rounds", rounds, 1);
    } else if (const char* algorithm = value_of("--algorithm=")) {
      options.algorithm = parse_count("--algorithm", algorithm, 0);
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
  GemmData& data = session.cache.get(shape, contender.product);
  const std::function<void()> launch = contender.make(data);
  if (!launch) {
    state.SkipWithError("has no kernel for this shape");
    return;
  }
  const Check check = data.check(launch, tolerance(contender.product, contender.fast_accumulate));
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
  state.counters["batch"] = shape.batch;
  state.counters["m"] = shape.m;
  state.counters["n"] = shape.n;
  state.counters["k"] = shape.k;
  const std::string note = contender.note ? contender.note(shape) : "";
  state.SetLabel(timing.last_kernels.front().name + (note.empty() ? "" : " | " + note));
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

/// A contender at a shape.
struct Entry {
  std::string name;
  Contender contender;
  Shape shape;
};

// Shape by shape, so that the contenders of one share its data.
std::vector<Entry> make_entries(const Options& options) {
  std::vector<Contender> contenders = octile_contenders(options.schedules);
  const std::vector<Contender> peers = cublaslt_contenders(options.algorithm);
  contenders.insert(contenders.end(), peers.begin(), peers.end());
  std::vector<Shape> order;
  std::map<Shape, std::vector<Entry>> entries;
  for (const Contender& contender : contenders) {
    const bool own = options.shapes.empty();
    for (const Shape& shape : own ? default_shapes(contender) : options.shapes) {
      if (contender.batched != (shape.batch > 1)) continue;
      std::vector<Entry>& of_shape = entries[shape];
      if (of_shape.empty()) order.push_back(shape);
      of_shape.push_back({contender.name + "/" + to_string(shape), contender, shape});
    }
  }
  std::vector<Entry> all;
  for (const Shape& shape : order) {
    all.insert(all.end(), entries[shape].begin(), entries[shape].end());
  }
  return all;
}

// Compiles what will run, on all cores. A refusal shows again where it is launched.
void compile_ahead(const std::vector<Entry>& entries, const std::string& filter, unsigned threads) {
  const bool negated = !filter.empty() && filter[0] == '-';
  const std::regex wanted(filter.empty() || filter == "all" ? "." : filter.substr(negated));
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < entries.size(); i = next++) {
      const Entry& entry = entries[i];
      if (!entry.contender.note || std::regex_search(entry.name, wanted) == negated) continue;
      try {
        entry.contender.note(entry.shape);
      } catch (const std::exception&) {
        continue;
      }
    }
  };
  std::vector<std::jthread> pool;
  for (unsigned i = 0; i < threads; ++i) pool.emplace_back(work);
}

int main_checked(int argc, char** argv) {
  Session session{parse_options(argc, argv), {}, 0};
  const Options& options = session.options;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;

  const std::vector<Entry> entries = make_entries(options);
  for (const Entry& entry : entries) {
    if (options.list) {
      std::puts(entry.name.c_str());
      continue;
    }
    benchmark::RegisterBenchmark(entry.name.c_str(),
                                 [&session, &entry](benchmark::State& state) {
                                   run_safely(state, entry.contender, entry.shape, session);
                                 })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond)
        ->Iterations(options.timer.rounds);
  }
  if (options.list) return 0;
  add_context();
  compile_ahead(entries, benchmark::GetBenchmarkFilter(), options.threads);
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
