// octile_sweep: times Octile's products under many schedules. Reads lines
//   [kernel] m n k | BM=128 BN=128 stages=5 ...
// ("#" starts a comment, an empty schedule lets Octile pick) and prints a row for each: median GPU
// time with a cold L2, TFLOP/s, whether the result was right, registers, spilled bytes, compile
// time. All schedules are compiled first, on all cores.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
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
    "octile_sweep [--kernel=octile_blockwise] [--rounds=N] [--threads=N] [--compile-only]\n"
    "             [--in-a-row=N] [--json] [--best=FILE] [--emit=DIR] [FILE]\n"
    "  FILE            lines \"[kernel] m n k | knob=value ...\"; standard input without one\n"
    "  --kernel        the kernel of lines without one; octile_bench --list names them\n"
    "  --rounds        timed rounds of each schedule (24); 0 only checks, for a profiler's sake\n"
    "  --in-a-row      launches of a round (1); of several, the time from one to the next, which\n"
    "                  dependent_launch=1 shortens, all but the first on a warm L2\n"
    "  --threads       compiles at a time (one per core)\n"
    "  --compile-only  no GPU needed: registers, spills and compile times for sm_90a; fails where\n"
    "                  a schedule is refused, spills or has its wgmma serialised\n"
    "  --json          a JSON object per line instead of a table\n"
    "  --best          writes the fastest right schedule of every kernel and shape that isn't "
    "known\n"
    "                  to spill or to have its wgmma serialised, as lines that\n"
    "                  octile_bench --schedules reads\n"
    "  --emit          a folder for the printed CUDA of every line, 0.cu, 1.cu, ...\n";

struct Options {
  std::string kernel = "octile_blockwise", file, best, emit;
  TimerOptions timer;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  bool compile_only = false, json = false;
};

struct Entry {
  ScheduleLine line;
  const OctileGemm* gemm = nullptr;
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
      options.timer.rounds = parse_count(flag, value, 0);
    } else if (flag == "--in-a-row") {
      options.timer.in_a_row = parse_count(flag, value, 1);
    } else if (flag == "--threads") {
      options.threads = static_cast<unsigned>(parse_count(flag, value, 1));
    } else if (flag == "--emit") {
      options.emit = value;
    } else if (flag == "--compile-only") {
      options.compile_only = true;
    } else if (flag == "--json") {
      options.json = true;
    } else if (flag == "--best") {
      options.best = value;
    } else if (flag.rfind("--", 0) == 0) {
      std::fputs(kUsage, flag == "--help" ? stdout : stderr);
      std::exit(flag == "--help" ? 0 : 2);
    } else {
      options.file = argument;
    }
  }
  return options;
}

std::vector<Entry> read_entries(const Options& options) {
  const std::vector<ScheduleLine> lines = options.file.empty()
                                              ? read_schedules(std::cin, options.kernel)
                                              : read_schedule_file(options.file, options.kernel);
  std::vector<Entry> entries;
  for (const ScheduleLine& line : lines) {
    const OctileGemm& gemm = find_octile_gemm(line.kernel);
    if (line.shape.batch > 1 && !gemm.batched) throw Error(line.kernel + " takes m n k alone");
    entries.push_back({line, &gemm, {}, {}, {}});
  }
  if (entries.empty()) throw Error("no schedules were given");
  return entries;
}

// Keeps an error on one table row.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.substr(0, 300);
}

void compile_all(std::vector<Entry>& entries, const cuda::Target& target, unsigned threads) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < entries.size(); i = next++) {
      Entry& entry = entries[i];
      try {
        entry.variant = entry.gemm->compile(entry.line.schedule, entry.line.shape, target);
      } catch (const std::exception& error) {
        entry.problem = one_line(error.what());
      }
    }
  };
  std::vector<std::jthread> pool;
  for (unsigned i = 0; i < threads; ++i) pool.emplace_back(work);
}

void time_entry(Entry& entry, DataCache& cache, const TimerOptions& options) {
  const OctileGemm& gemm = *entry.gemm;
  try {
    GemmData& data = cache.get(entry.line.shape, gemm.product);
    const auto launch = gemm.bind(entry.line.schedule, data);
    const Check check = data.check(launch, tolerance(gemm.product, gemm.fast_accumulate));
    if (!check.ok) throw Error("WRONG: " + check.problem);
    if (options.rounds > 0) entry.timing = KernelTimer::instance().time(launch, options);
  } catch (const std::exception& error) {
    entry.problem = one_line(error.what());
  }
}

double tflops(const Entry& entry) {
  return entry.line.shape.flops() / entry.timing->median_us * 1e-6;
}

std::string schedule_text(const Entry& entry) {
  return octile::to_string(entry.variant ? entry.variant->schedule : entry.line.schedule);
}

void print_row(const Entry& entry) {
  std::printf("%-18s %-18s ", entry.line.kernel.c_str(), to_string(entry.line.shape).c_str());
  if (entry.timing) {
    std::printf("%9.2f %8.1f right ", entry.timing->median_us, tflops(entry));
  } else {
    std::printf("%9s %8s %-5s ", "-", "-", "-");
  }
  if (entry.variant) {
    const auto& report = entry.variant->kernel.report;
    std::printf("%4d %5d %6.0f %s", report.registers,
                report.spill_store_bytes + report.spill_load_bytes,
                entry.variant->kernel.seconds * 1e3, report.wgmma_serialized ? "SERIALIZED " : "");
  } else {
    std::printf("%4s %5s %6s ", "-", "-", "-");
  }
  std::printf("| %s%s%s\n", schedule_text(entry).c_str(), entry.problem.empty() ? "" : " ! ",
              entry.problem.c_str());
  std::fflush(stdout);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

// {"kernel", "batch", "m", "n", "k", "schedule"}, and what is known of "us", "us_min", "tflops",
// "registers", "spill_bytes", "serialized", "compile_ms", "problem".
void print_json(const Entry& entry) {
  const Shape& s = entry.line.shape;
  std::printf("{\"kernel\": %s, \"batch\": %d, \"m\": %d, \"n\": %d, \"k\": %d, \"schedule\": %s",
              quoted(entry.line.kernel).c_str(), s.batch, s.m, s.n, s.k,
              quoted(schedule_text(entry)).c_str());
  if (entry.timing) {
    std::printf(", \"us\": %.3f, \"us_min\": %.3f, \"tflops\": %.1f", entry.timing->median_us,
                entry.timing->min_us, tflops(entry));
  }
  if (entry.variant) {
    const auto& report = entry.variant->kernel.report;
    std::printf(
        ", \"registers\": %d, \"spill_bytes\": %d, \"serialized\": %s, \"compile_ms\": %.0f",
        report.registers, report.spill_store_bytes + report.spill_load_bytes,
        report.wgmma_serialized ? "true" : "false", entry.variant->kernel.seconds * 1e3);
  }
  if (!entry.problem.empty()) std::printf(", \"problem\": %s", quoted(entry.problem).c_str());
  std::printf("}\n");
  std::fflush(stdout);
}

bool spills_or_waits(const PtxasReport& report) {
  return report.spills() || report.wgmma_serialized;
}

// A kernel without registers is one whose report is missing.
bool compiles_clean(const Entry& entry) {
  return entry.variant && entry.variant->kernel.report.registers > 0 &&
         !spills_or_waits(entry.variant->kernel.report);
}

// Written after every row, so that a sweep that is cut short leaves a table.
void write_best(const std::string& path, const std::vector<Entry>& entries) {
  std::map<std::pair<std::string, Shape>, const Entry*> best;
  for (const Entry& entry : entries) {
    if (!entry.timing || spills_or_waits(entry.variant->kernel.report)) continue;
    const Entry*& slot = best[{entry.line.kernel, entry.line.shape}];
    if (slot == nullptr || entry.timing->median_us < slot->timing->median_us) slot = &entry;
  }
  std::ofstream file(path);
  for (const auto& [key, entry] : best) {
    const ScheduleLine line{key.first, key.second, entry->variant->schedule};
    char figures[64];
    std::snprintf(figures, sizeof figures, "  # %.2f us, %.0f TFLOP/s", entry->timing->median_us,
                  tflops(*entry));
    file << to_string(line) << figures << "\n";
  }
  if (!file.flush()) throw Error("can't write " + path);
}

int run(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  std::vector<Entry> entries = read_entries(options);

  cuda::Target target;
  if (!options.compile_only) {
    device();  // the context that launches use becomes current
    target = devices().at(0).target;
  }
  compile_all(entries, target, options.threads);

  for (std::size_t i = 0; !options.emit.empty() && i < entries.size(); ++i) {
    if (entries[i].variant)
      write_source(options.emit + "/" + std::to_string(i) + ".cu",
                   entries[i].variant->program.source);
  }
  if (!options.json) {
    std::printf("%-18s %-18s %9s %8s %-5s %4s %5s %6s | schedule\n", "kernel", "m x n x k", "us",
                "TFLOP/s", "check", "regs", "spill", "ms");
  }
  DataCache cache;
  int failures = 0;
  for (Entry& entry : entries) {
    // A refused schedule is an answer; one that compiles and then fails is not.
    if (entry.variant && !options.compile_only) time_entry(entry, cache, options.timer);
    failures +=
        options.compile_only ? !compiles_clean(entry) : entry.variant && !entry.problem.empty();
    options.json ? print_json(entry) : print_row(entry);
    if (entry.timing && !options.best.empty()) write_best(options.best, entries);
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
