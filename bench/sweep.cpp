// octile_sweep: times one of Octile's products under many schedules. Reads lines
//   m n k | BM=128 BN=128 stages=5 ...
// ("#" starts a comment, an empty schedule lets Octile pick) and prints a row for each: median GPU
// time with a cold L2, TFLOP/s, whether the result was right, registers, spilled bytes, compile
// time. All schedules are compiled first, on all cores.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "octile/bench/kernel_timer.hpp"
#include "octile/bench/octile_gemm.hpp"
#include "octile/bench/schedule_text.hpp"
#include "octile/runtime/dump.hpp"

namespace octile::bench {
namespace {

constexpr char kUsage[] =
    "octile_sweep [--kernel=octile_blockwise] [--rounds=N] [--threads=N] [--compile-only] "
    "[--emit=DIR]\n"
    "             [FILE]\n"
    "  FILE            lines \"m n k | knob=value ...\"; standard input without one\n"
    "  --kernel        octile_blockwise, octile_tensorwise or octile_bf16\n"
    "  --rounds        timed rounds of each schedule (24); 0 only checks, for a profiler's sake\n"
    "  --threads       compiles at a time (one per core)\n"
    "  --compile-only  no GPU needed: registers, spills and compile times for sm_90a\n"
    "  --emit          a folder for the printed CUDA of every line, 0.cu, 1.cu, ...\n";

struct Options {
  std::string kernel = "octile_blockwise", file, emit;
  TimerOptions timer;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  bool compile_only = false;
};

struct Entry {
  Shape shape;
  Schedule schedule;
  std::optional<CompiledVariant> variant;
  std::string problem;  ///< why there is no figure
  std::optional<Timing> timing;
};

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equals = argument.find('=');
    const std::string flag = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (flag == "--kernel") {
      options.kernel = value;
    } else if (flag == "--rounds") {
      options.timer.rounds = std::stoi(value);
    } else if (flag == "--threads") {
      options.threads = static_cast<unsigned>(std::max(1, std::stoi(value)));
    } else if (flag == "--emit") {
      options.emit = value;
    } else if (flag == "--compile-only") {
      options.compile_only = true;
    } else if (flag.rfind("--", 0) == 0) {
      std::fputs(kUsage, flag == "--help" ? stdout : stderr);
      std::exit(flag == "--help" ? 0 : 2);
    } else {
      options.file = argument;
    }
  }
  return options;
}

const OctileGemm& find_gemm(const std::string& name) {
  for (const OctileGemm& gemm : octile_gemms()) {
    if (gemm.name == name) return gemm;
  }
  throw Error("--kernel: there is no \"" + name + "\"; see --help");
}

std::vector<Entry> read_entries(std::istream& input) {
  std::vector<Entry> entries;
  int number = 0;
  for (std::string line; std::getline(input, line);) {
    ++number;
    line.erase(std::find(line.begin(), line.end(), '#'), line.end());
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::size_t bar = line.find('|');
    try {
      if (bar == std::string::npos) throw Error("expected \"m n k | knob=value ...\"");
      Entry entry;
      entry.shape = parse_shape(line.substr(0, bar));
      entry.schedule = parse_schedule(line.substr(bar + 1));
      entries.push_back(std::move(entry));
    } catch (const std::exception& error) {
      throw Error("line " + std::to_string(number) + ": " + error.what());
    }
  }
  if (entries.empty()) throw Error("no schedules were given");
  return entries;
}

// Keeps an error on one table row.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.substr(0, 300);
}

void compile_all(const OctileGemm& gemm, std::vector<Entry>& entries, const cuda::Target& target,
                 unsigned threads) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < entries.size(); i = next++) {
      Entry& entry = entries[i];
      try {
        entry.variant = gemm.compile(entry.schedule, entry.shape, target);
      } catch (const std::exception& error) {
        entry.problem = one_line(error.what());
      }
    }
  };
  std::vector<std::jthread> pool;
  for (unsigned i = 0; i < threads; ++i) pool.emplace_back(work);
}

void time_entry(const OctileGemm& gemm, Entry& entry, DataCache& cache,
                const TimerOptions& options) {
  try {
    GemmData& data = cache.get(entry.shape, gemm.precision);
    const auto launch = gemm.bind(entry.schedule, data);
    const Check check = data.check(launch, tolerance(gemm.precision, gemm.fast_accumulate));
    if (!check.ok) throw Error("WRONG: " + check.problem);
    if (options.rounds > 0) entry.timing = KernelTimer::instance().time(launch, options);
  } catch (const std::exception& error) {
    entry.problem = one_line(error.what());
  }
}

void print_row(const Entry& entry) {
  std::printf("%-18s ", to_string(entry.shape).c_str());
  if (entry.timing) {
    const double us = entry.timing->median_us;
    std::printf("%9.2f %8.1f right ", us, entry.shape.flops() / us * 1e-6);
  } else {
    std::printf("%9s %8s %-5s ", "-", "-", "-");
  }
  if (entry.variant) {
    const auto& report = entry.variant->kernel.report;
    std::printf("%4d %5d %6.0f %s", report.registers,
                report.spill_store_bytes + report.spill_load_bytes,
                entry.variant->kernel.seconds * 1e3, report.wgmma_serialized ? "SERIALIZED " : "");
    std::printf("| %s", to_string(entry.variant->schedule).c_str());
  } else {
    std::printf("%4s %5s %6s | %s", "-", "-", "-", to_string(entry.schedule).c_str());
  }
  std::printf("%s%s\n", entry.problem.empty() ? "" : " ! ", entry.problem.c_str());
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  const OctileGemm& gemm = find_gemm(options.kernel);
  std::ifstream file;
  if (!options.file.empty()) {
    file.open(options.file);
    if (!file) throw Error("can't read " + options.file);
  }
  std::vector<Entry> entries = read_entries(options.file.empty() ? std::cin : file);

  cuda::Target target;
  if (!options.compile_only) {
    device();  // the context that launches use becomes current
    target = devices().at(0).target;
  }
  compile_all(gemm, entries, target, options.threads);

  for (std::size_t i = 0; !options.emit.empty() && i < entries.size(); ++i) {
    if (entries[i].variant)
      write_source(options.emit + "/" + std::to_string(i) + ".cu",
                   entries[i].variant->program.source);
  }

  std::printf("%-18s %9s %8s %-5s %4s %5s %6s | schedule\n", "m x n x k", "us", "TFLOP/s", "check",
              "regs", "spill", "ms");
  DataCache cache;
  int failures = 0;
  for (Entry& entry : entries) {
    // A refused schedule is an answer; one that compiles and then fails is not.
    if (entry.variant && !options.compile_only) time_entry(gemm, entry, cache, options.timer);
    failures += entry.variant && !entry.problem.empty();
    print_row(entry);
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace octile::bench

int main(int argc, char** argv) {
  try {
    return octile::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "octile_sweep: %s\n", error.what());
    return 1;
  }
}
