#include "octile/codegen/cuda/choose_wgmma.hpp"

#include <algorithm>
#include <cmath>

namespace octile::cuda {
namespace {

// Fitted to 5712 products of all kinds on an H100 and an H200 (bench/NOTES.md). Clocks are an SM's
// under load.
constexpr double kClocksPerMicrosecond = 1533;
constexpr double kLaunch = 1.5;         // microseconds
constexpr double kTileOverhead = 658;   // clocks: barriers, the first product
constexpr double kFirstOperands = 368;  // clocks, of the first tile alone
// Clocks per 128 elements of a consumer's tile, stored by TMA or directly.
constexpr double kBulkEpilogue = 2.64, kDirectEpilogue = 77.1;
constexpr double kNarrowParts = 42.8;    // the same, more where TMA stores parts of 32 bytes
constexpr double kColumnEpilogue = 4;    // clocks per column of a block, each with a value to load
constexpr double kSplitOverhead = 1468;  // clocks: the cluster's start and meeting
constexpr double kExchangeBytesPerClock = 6.9;
constexpr double kSplitOverheadPerCta = 265;
constexpr double kSharedBytesPerClock = 146;  // read by the tensor core and written by TMA, per SM
constexpr double kL2BytesPerClock = 52.6;     // per SM, all of them drawing
constexpr double kL2BytesPerClockAlone = 57.6;  // few SMs drawing
constexpr double kFewSms = 0.863;
constexpr double kSharedSm = 1.32;     // where CTAs share an SM, each with a ring of its own
constexpr double kLoadLatency = 1502;  // clocks, of a stage's copies
// A warpgroup's way from one block's last product to the next one's first: waits and promotion.
constexpr double kIssue = 43.1;                // clocks between two blocks that stay in place
constexpr double kPromotion = 149;             // clocks
constexpr double kPromotionPerColumn = 0.582;  // of N
constexpr double kPromotionPerScale = 23.7;
constexpr double kReadyScale = 23;           // the same, where they take few registers
constexpr double kScalePerColumn = 1.24;     // where each column has one of its own
constexpr double kMemoryEfficiency = 0.894;  // of the nominal bandwidth, past the start
constexpr double kSplitMemory = 0.732;       // of that, where CTAs share folds
constexpr double kMemoryAlone = 0.591, kMemoryPerBusySm = 0.842;
constexpr double kMemoryStart = 2.22;              // microseconds
constexpr double kOverlap = 3, kSharpOverlap = 8;  // norms: how far two bounds hide each other
constexpr int kLeastTrips = 4, kMostReady = 20;
constexpr int kMostStages = 24, kEnoughStages = 5, kMostSumsInPlace = 128;
constexpr int kOtherRegisters = 20, kLeastOtherRegisters = 16, kRichEpilogue = 48,
              kBesideProduct = 26;
constexpr double kReservedShared = 3072;                    // alignment, barriers, panels' rounding
constexpr double kTwoParts = 2 * 64 * 128, kPanels = 9216;  // bytes of staging and of panels

// Part of the SMs that clusters of so many CTAs can fill, as a GPC's SMs aren't a multiple of it.
double cluster_fit(int ctas) {
  return ctas >= 8 ? 0.889 : ctas >= 4 ? 0.935 : 1.0;
}

}  // namespace

int wgmma_consumers(std::int64_t m, const Schedule& schedule) {
  std::int64_t blocks = (m + 63) / 64;
  if (schedule.ping_pong) return 1;
  if (schedule.consumers > 0) return schedule.consumers;
  return blocks % 2 == 0 ? 2 : blocks % 3 == 0 ? 3 : 1;
}

RegisterShares share_registers(int consumers, bool pipelined, int ctas_per_sm, bool sparing) {
  constexpr int kPerSm = 65536, kLeastProducer = 24;
  constexpr int kProducer[] = {0, 96, 56, 56, 32}, kSharedProducer[] = {0, 48, 48, 32, 24};
  const int threads = 128 * (consumers + (pipelined ? 1 : 0));
  RegisterShares r;
  r.launched = std::min(255, kPerSm / ctas_per_sm / threads) / 8 * 8;
  r.producer = std::min((ctas_per_sm > 1 ? kSharedProducer : kProducer)[consumers], r.launched);
  if (sparing) r.producer = std::min(r.producer, kLeastProducer);
  r.consumer = std::min(kMostConsumerRegisters,
                        (r.launched * threads - 128 * r.producer) / (128 * consumers) / 8 * 8);
  return r;
}

std::optional<double> wgmma_cost(const WgmmaTiles& t, const Schedule& s, const Target& target) {
  if (t.m % 64 != 0 || t.n > 256 || t.n % 8 != 0) return std::nullopt;
  const double m = static_cast<double>(t.m), n = static_cast<double>(t.n);
  const int ctas_per_sm = std::max(1, s.ctas_per_sm), split = s.split_fold;
  const int consumers = wgmma_consumers(t.m, s), blocks = static_cast<int>(t.m / 64);
  if (consumers > 4 || blocks % consumers != 0) return std::nullopt;
  if (ctas_per_sm > 1 && consumers > 2) return std::nullopt;  // too few registers for addresses
  const int per_consumer = blocks / consumers;

  // One instruction has to do with the registers that a thread is launched with.
  const int all_consumers = s.ping_pong ? 2 * consumers : consumers;
  const RegisterShares shares = share_registers(all_consumers, true, ctas_per_sm);
  if (n / 2 + kBesideProduct > shares.launched) return std::nullopt;
  const int sets = t.promoted ? std::max(1, s.accumulators) : 0;
  if (sets == 2 && per_consumer > 1) return std::nullopt;
  const double sums = per_consumer * n / 2;
  // More sums in place than one instruction has were slower than the model knows.
  if (!t.promoted && sums > kMostSumsInPlace) return std::nullopt;
  const double scales = (t.promoted ? t.row_scales : 0) + (t.scales_on_n ? n / 4 : 0);
  double epilogue_registers = t.epilogue_tiles ? sums + kRichEpilogue : 0;
  epilogue_registers += t.epilogue_columns ? n / 4 + kOtherRegisters : 0;
  epilogue_registers += t.epilogue_functions ? kRichEpilogue : 0;
  const double beside = sums + std::max(sets * n / 2 + scales, epilogue_registers);
  const int spared = share_registers(all_consumers, true, ctas_per_sm, true).consumer;
  if (beside + kOtherRegisters > shares.consumer &&
      (!t.scales_on_n || beside + kLeastOtherRegisters > spared))
    return std::nullopt;

  const double trips = std::ceil(t.trips / split);
  if (split > 1 && trips < kLeastTrips) return std::nullopt;
  const double ctas = t.tiles * split, sms = target.sm_count;
  const double slots = std::max(1.0, std::floor(sms * ctas_per_sm * cluster_fit(split) / split));
  const double waves = std::ceil(t.tiles / slots);
  // CTAs that share an SM: its tensor core, its shared memory's bandwidth and its way to the L2.
  const double sharing = std::clamp(ctas / sms, 1.0, static_cast<double>(ctas_per_sm));

  const double steps = t.k_bytes / 32;  // instructions of one block and trip
  const double product = steps * n / 2, warpgroups = consumers * sharing;
  double block = std::max(warpgroups * product, product + kIssue);
  if (t.promoted) {
    // Few scales are ready before the product is.
    const double scale = 2 * t.row_scales > kMostReady ? kPromotionPerScale : kReadyScale;
    const double promotion = kPromotion + kPromotionPerColumn * n + scale * (t.row_scales - 1) +
                             (t.scales_on_n ? kScalePerColumn * n : 0);
    block = std::max(block, sets == 2 ? 0.9 * promotion : product + promotion);
  }
  const double stage = t.k_bytes * (m + n);
  double reads = blocks * steps * (64 * 32 + 32 * n);
  // A register of scales takes a warp as long as 128 bytes.
  if (t.promoted) reads += 128 * 4 * consumers * (2 * per_consumer + (t.scales_on_n ? n / 4 : 0));
  const double l2 = ctas >= kFewSms * sms ? kL2BytesPerClock : kL2BytesPerClockAlone;
  const bool bulk_store = split == 1 && t.bulk_store;
  const double shared = (target.shared_bytes_per_block + 1024.0) / ctas_per_sm - kReservedShared;
  const auto stages_in = [&](double room) {
    return std::clamp(std::floor(room / stage), 1.0, double{kMostStages});
  };
  double stages = stages_in(shared - (bulk_store ? t.out_bytes * m * n : 0));
  if (bulk_store && stages < kEnoughStages && m * n > 128 * 128)
    stages = std::max(stages,
                      stages_in(shared - kTwoParts * all_consumers - (t.promoted ? kPanels : 0.0)));
  double trip =
      std::pow(std::pow(per_consumer * block, kSharpOverlap) +
                   std::pow(sharing * (reads + stage) / kSharedBytesPerClock, kSharpOverlap) +
                   std::pow(sharing * stage / l2, kSharpOverlap),
               1 / kSharpOverlap);
  if (ctas_per_sm > 1) trip *= kSharedSm;
  trip = std::max(trip, kLoadLatency / stages);
  const bool narrow = t.out_bytes * t.n % 64 != 0;
  const double epilogue =
      (bulk_store ? kBulkEpilogue + (narrow ? kNarrowParts : 0) : kDirectEpilogue) * m * n /
          consumers / 128 +
      (t.epilogue_columns ? kColumnEpilogue * n * per_consumer : 0);
  const double clocks =
      kFirstOperands + waves * (trips * trip + kTileOverhead + epilogue +
                                (split > 1 ? kSplitOverhead + kSplitOverheadPerCta * split +
                                                 4 * m * n / kExchangeBytesPerClock
                                           : 0));
  const double compute = clocks / kClocksPerMicrosecond + kLaunch;
  const double bandwidth = kMemoryEfficiency * (split > 1 ? kSplitMemory : 1) *
                           target.memory_bytes_per_us *
                           std::min(1.0, kMemoryAlone + kMemoryPerBusySm * ctas / sms);
  const double memory = t.bytes / bandwidth + kMemoryStart;
  return std::pow(std::pow(compute, kOverlap) + std::pow(memory, kOverlap), 1 / kOverlap);
}

}  // namespace octile::cuda
