#include "octile/codegen/cuda/choose_mma.hpp"

#include <algorithm>
#include <cmath>

#include "octile/codegen/cuda/target.hpp"

namespace octile::cuda {

namespace {

constexpr double kBytesSquaredPerClock = 512;  // m * n * bytes of K that one SM multiplies
constexpr double kCopyBytesPerClock = 24;      // from L2, per SM
constexpr double kMemoryBytesPerClock = 400;   // of the whole device
constexpr double kTileOverhead = 2500;         // first copies and epilogue
constexpr double kTripOverhead = 300;          // barrier, addresses, latency of the first products
constexpr int kMostAccumulators = 128;         // registers per thread
constexpr int kMostEmulated = 64;              // the same where FP8 operands are converted in place
constexpr int kWarps = 8;
constexpr int kWantedStages = 3;
constexpr double kShallowRing = 1.15;

}  // namespace

std::optional<double> mma_cost(const MmaTiles& t, const Schedule& schedule, const Target& target) {
  if (t.m % 16 != 0 || t.n % 8 != 0 || t.n > 256) return std::nullopt;
  const int warps = schedule.warps > 0 ? schedule.warps : kWarps;
  // Of several dots, the sums that they are added to and what is computed between them take more.
  const int sets = t.dots > 1 ? 2 * t.dots : t.promoted ? 2 : 1;
  const double accumulators = static_cast<double>(t.m * t.n) / (32 * warps) * sets;
  const bool native = !t.fp8 || features_of(target).fp8_mma;
  if (accumulators > (native ? kMostAccumulators : kMostEmulated)) return std::nullopt;
  const double stage = static_cast<double>(t.m + t.n) * t.k_bytes;
  const double stages = std::floor(0.98 * target.shared_bytes_per_block / stage);
  if (stages < 1) return std::nullopt;
  const double math = static_cast<double>(t.m * t.n) * t.k_bytes / kBytesSquaredPerClock;
  const double trip =
      std::max(math, stage / kCopyBytesPerClock) * (stages < kWantedStages ? kShallowRing : 1) +
      kTripOverhead;
  const double waves = std::ceil(t.tiles / target.sm_count);
  return std::max(waves * (t.trips * trip + kTileOverhead), t.bytes / kMemoryBytesPerClock);
}

}  // namespace octile::cuda
