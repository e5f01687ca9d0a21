#include "octile/tests/gemm/support.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/gemm/parallel.hpp"

namespace octile::test {
namespace {

bool asked_for_cpu() {
  const char* where = std::getenv("OCTILE_TEST_ON");
  return where != nullptr && std::string(where) == "cpu";
}

std::string label(const Launch& run) {
  return fmt::format("{} {} to {} [{}]", to_string(run.shape), to_string(run.gemm->mode),
                     info(run.gemm->d).name, octile::to_string(run.schedule));
}

/// An element of `narrow` that isn't `wide` rounded to bf16, or "".
std::string rounding_mismatch(const Guarded& wide, const Guarded& narrow) {
  std::atomic<std::int64_t> wrong = -1;
  parallel_for(wide.rows(), 8, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < wide.columns(); ++j) {
      const std::uint32_t want = numerics::encode(ElementType::bf16, wide.row<float>(i)[j]);
      if (narrow.row<std::uint16_t>(i)[j] != want) wrong = i * wide.columns() + j;
    }
  });
  if (wrong < 0) return {};
  const std::int64_t i = wrong / wide.columns(), j = wrong % wide.columns();
  return fmt::format("row {}, column {}: got the bf16 {}, expected {} rounded", i, j,
                     numerics::decode(ElementType::bf16, narrow.row<std::uint16_t>(i)[j]),
                     wide.row<float>(i)[j]);
}

}  // namespace

bool GemmTest::on_gpu() {
  return !asked_for_cpu();
}

void GemmTest::SetUp() {
  if (!on_gpu()) return;
  if (const std::string problem = gpu_problem(); !problem.empty()) GTEST_SKIP() << problem;
}

Stream GemmTest::stream() {
  return on_gpu() ? Stream::gpu() : Stream::cpu();
}

bool GemmTest::affordable(const Shape& shape) {
  return on_gpu() || shape.m * shape.n * shape.k <= std::int64_t{1} << 27;
}

void compile_ahead(const std::vector<Launch>& runs) {
  if (asked_for_cpu()) return;
  const cuda::Target target = devices().at(0).target;
  parallel_for(static_cast<std::int64_t>(runs.size()), 1, [&](std::int64_t i) {
    const Launch& run = runs[static_cast<std::size_t>(i)];
    try {
      run.gemm->compile(run.schedule, run.shape, target);
    } catch (const std::exception&) {
      // The launch says so again, where a test sees it.
    }
  });
}

std::string launch(const Stream& stream, const Launch& run, const Operands& operands) {
  static const bool verbose = std::getenv("OCTILE_TEST_VERBOSE") != nullptr;
  if (verbose) std::fprintf(stderr, "%s\n", label(run).c_str());
  try {
    run.gemm->launch(stream, run.schedule, operands);
    stream.synchronize();
    return {};
  } catch (const std::exception& error) {
    return fmt::format("{}: {}", label(run), error.what());
  }
}

std::string check_exact(const Stream& stream, const Problem& problem, const Launch& run,
                        const Launch& bf16_run) {
  const auto fetch = [&](Guarded& d, const Launch& what) {
    if (std::string error = launch(stream, what, problem.operands(d)); !error.empty()) return error;
    const std::string damage = d.download();
    return damage.empty() ? damage : label(what) + ": " + damage;
  };
  Guarded wide = problem.output(stream, ElementType::f32);
  if (std::string error = fetch(wide, run); !error.empty()) return error;
  if (std::string error = problem.exact_mismatch(wide); !error.empty())
    return label(run) + ": " + error;
  if (bf16_run.gemm == nullptr) return {};
  Guarded narrow = problem.output(stream, ElementType::bf16);
  if (std::string error = fetch(narrow, bf16_run); !error.empty()) return error;
  const std::string error = rounding_mismatch(wide, narrow);
  return error.empty() ? error : label(bf16_run) + ": " + error;
}

std::int64_t first_difference(const Guarded& a, const Guarded& b, const Shape& shape, int bytes) {
  for (std::int64_t row = 0; row < shape.m; ++row) {
    const auto length = static_cast<std::size_t>(shape.n * bytes);
    if (std::memcmp(a.row<std::byte>(row), b.row<std::byte>(row), length) != 0) return row;
  }
  return -1;
}

}  // namespace octile::test
