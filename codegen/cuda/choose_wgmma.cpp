#include "octile/codegen/cuda/choose_wgmma.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {
namespace {

// Fitted to 6445 products of all kinds on an H100 and an H200 (bench/NOTES.md). Clocks are an SM's
// under load. Some constants make up for what others leave out: they rank tiles, they aren't rates.
constexpr double kClocksPerMicrosecond = 1533;
constexpr double kLaunch = 1.33;       // microseconds
constexpr double kTileOverhead = 362;  // clocks: barriers, the first product
// Clocks of that; by hand: 128x224 was ranked too high where K = 2048, by 3 to 5 %.
constexpr double kFirstProduct = 256;
constexpr double kFirstOperands = 356;  // clocks, of the first tile alone
// Clocks per 128 elements of a consumer's tile, stored by TMA or directly.
constexpr double kBulkEpilogue = 1.77, kDirectEpilogue = 104;
constexpr double kPart = 174;  // clocks of a part that TMA stores, 64 rows of up to 128 bytes
constexpr double kColumnEpilogue = 2.72;  // clocks per column of a block, each with a value to load
// Clocks per 128 elements of an instruction, of which stores hide a few. By hand: 19.5 were fitted
// for GELU by tanh, twice that for GELU by erf.
constexpr double kInstruction = 1.6;
constexpr int kHiddenInstructions = 5, kLongElement = 24;
// By hand, as 266 schedules of few tiles took: clocks until all teams have their sums, and of one
// of them from a promotion to its next product.
constexpr double kJoin = 200, kTeamIssue = 60;
constexpr double kTurn = 104;  // clocks, from one team's last product to the other's first
constexpr double kSplitOverhead = 1050;  // clocks: the cluster's start and meeting
constexpr double kExchangeBytesPerClock = 9.02;
constexpr double kSplitOverheadPerCta = 101;
constexpr double kSharedBytesPerClock = 178;  // read by the tensor core and written by TMA, per SM
constexpr double kL2BytesPerClock = 69.1;     // per SM, all of them drawing
// Few SMs drawing. The fit gave 79.5, which made 64x72 tiles of bf16 1024x576x7168 11 % too slow.
constexpr double kL2BytesPerClockAlone = 90;
constexpr double kFewSms = 0.984;
constexpr double kOutside = 0.967;     // TMA takes longer for a row of zeros, by this part
constexpr double kSharedSm = 1.15;     // where CTAs share an SM, each with a ring of its own
constexpr double kOuterBlocks = 1.12;  // of outer products: by hand, 256x88 beside 128x128
constexpr double kLoadLatency = 1268;  // clocks, of a stage's copies
// A warpgroup's way from one block's last product to the next one's first: waits and promotion.
constexpr double kIssue = 40.2;                // clocks between two blocks that stay in place
constexpr double kIssueInTurn = 8.52;          // the same, where one consumer issues them all
constexpr double kPromotion = 131;             // clocks
constexpr double kPromotionPerColumn = 0.356;  // of N
constexpr double kPromotionPerScale = 36.3;
constexpr double kReadyScale = 17;           // the same, where they take few registers
constexpr double kScalePerColumn = 0.968;    // where each column has one of its own
constexpr double kScaleLoad = 3.46;          // the same, once a trip: reading it, or a pair
constexpr double kMemoryEfficiency = 0.831;  // of the nominal bandwidth, past the start
constexpr double kSplitMemory = 0.88;        // of that, where CTAs share folds
constexpr double kMemoryAlone = 0.533, kMemoryPerBusySm = 0.964;
constexpr double kMemoryStart = 2.71;  // microseconds
// Norms: how far two bounds hide each other; teams keep more copies under way.
constexpr double kOverlap = 3, kTeamOverlap = 4.5, kSharpOverlap = 8;
constexpr int kLeastTrips = 4, kMostReady = 20, kFewScales = 4;
constexpr int kMostStages = 24, kEnoughStages = 5, kMostSumsInPlace = 128, kMostSumsInTurn = 208;
constexpr int kOtherRegisters = 20, kLeastOtherRegisters = 15, kFewestOtherRegisters = 13,
              kRichEpilogue = 48, kElement = 8, kBesideProduct = 26, kBesideCopies = 44,
              kBesideOuterProduct = 28;
constexpr double kCopiedRow = 0.3, kColumnRegisters = 17, kElementPerInstruction = 0.8;
constexpr double kReservedShared = 3072;  // alignment, barriers, panels' rounding
constexpr double kPanels = 9216;          // bytes

// Part of the SMs that clusters of so many CTAs can fill, as a GPC's SMs aren't a multiple of it.
double cluster_fit(int ctas) {
  return ctas >= 8 ? 0.889 : ctas >= 4 ? 0.91 : 1.0;
}

// Distinct values along N that a trip's sums are scaled by: where runs end inside of a tile, those
// of its pieces, if it can have some (plan_pieces.cpp has what that takes), or any column's.
int row_scales(const WgmmaTiles& t, const Schedule& s) {
  if (t.scale_run <= 1 || t.scale_run % t.n == 0) return 1;
  const bool in_pieces = t.by_tma && t.scales_by_tma && t.bulk_store && !t.epilogue_columns &&
                         !t.epilogue_tiles && s.tile_pieces != 0 && s.split_fold == 1 &&
                         s.cluster == 1 && !s.stream_fold;
  const auto pieces = static_cast<int>(pieces_of_tile(t.n, t.scale_run & -t.scale_run).size());
  return in_pieces && pieces > 0 ? pieces : static_cast<int>(t.n / std::gcd(t.n, t.scale_run));
}

}  // namespace

int wgmma_consumers(std::int64_t m, const Schedule& schedule) {
  std::int64_t blocks = (m + 63) / 64;
  if (schedule.ping_pong) return 1;
  if (schedule.fold_teams > 1) return std::max(1, schedule.consumers / schedule.fold_teams);
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
  if (s.fold_teams * consumers > 4 || blocks % consumers != 0) return std::nullopt;
  if (ctas_per_sm > 1 && consumers > 2) return std::nullopt;  // too few registers for addresses
  const int per_consumer = blocks / consumers;

  // One instruction has to do with the registers that a thread is launched with.
  const int teams = s.ping_pong ? 2 : s.fold_teams, all_consumers = teams * consumers;
  const double sums = per_consumer * n / 2;
  const bool sparing = s.ping_pong && sums > kMostSumsInPlace;
  const RegisterShares shares = share_registers(all_consumers, true, ctas_per_sm, sparing);
  if (n / 2 + kBesideProduct > shares.launched) return std::nullopt;
  const int sets = t.promoted ? std::max(1, s.accumulators) : 0;
  if (sets == 2 && per_consumer > 1) return std::nullopt;
  // More sums in place than one instruction has were slower than the model knows.
  if (!t.promoted && sums > (s.ping_pong ? kMostSumsInTurn : kMostSumsInPlace)) return std::nullopt;
  const int distinct = row_scales(t, s);
  // The tensor core multiplies scales: threads have products of them instead of those of columns.
  const bool outer = s.outer_products && t.promoted && t.scales_on_n && t.scales_by_tma;
  if (outer && sets == 2) return std::nullopt;
  const bool reads_columns = t.scales_on_n && !outer;
  const double scales = (t.promoted ? distinct : 0) + (outer ? n / 2 : reads_columns ? n / 4 : 0);
  double epilogue_registers = t.epilogue_tiles ? sums + kRichEpilogue : 0;
  epilogue_registers += t.epilogue_columns ? n / 4 + (s.ping_pong ? 0 : kColumnRegisters) : 0;
  const int instructions = std::max(0, t.epilogue_instructions - kHiddenInstructions);
  // By what doesn't spill: of several blocks, ptxas has elements of more than one under way, where
  // they are in place or an element takes long.
  const bool is_long = instructions > kLongElement;
  const bool many_elements = per_consumer > 1 && !s.ping_pong && (!t.promoted || is_long);
  if (instructions > 0)
    epilogue_registers +=
        many_elements ? kRichEpilogue : kElement + kElementPerInstruction * instructions;
  const double beside = sums + std::max(sets * n / 2 + scales, epilogue_registers);
  // Other registers, by what doesn't spill: few are needed where scales come by TMA and a large
  // epilogue has one block of rows, if columns' values aren't beside many of a row's scales, the
  // fewest where sums are stored as they are. Producers spare theirs for that.
  int others = kOtherRegisters;
  if (t.scales_by_tma && epilogue_registers == 0 && !t.scales_on_n)
    others = kFewestOtherRegisters;
  else if (t.scales_by_tma && (t.scales_on_n || (sets == 1 && per_consumer == 1)) &&
           !(t.epilogue_columns && distinct > kFewScales))
    others = kLeastOtherRegisters;
  if (outer) others = kBesideOuterProduct;
  const bool spares = t.scales_on_n || others < kOtherRegisters;
  if (beside + others >
      (spares ? share_registers(all_consumers, true, ctas_per_sm, true) : shares).consumer)
    return std::nullopt;

  // Operands that threads copy pass through registers: columns do, and rows beyond 128 a little.
  const double copied =
      sums + n + (t.scales_on_n ? n / 2 : 0) + kCopiedRow * std::max(0.0, m - 128) + kBesideCopies;
  if (!t.by_tma && copied > kMostConsumerRegisters) return std::nullopt;

  if (ctas_per_sm > 1 && split > 2) return std::nullopt;  // larger clusters leave SMs idle then
  const double trips = std::ceil(t.trips / split);
  if (split > 1 && trips < kLeastTrips) return std::nullopt;
  const double ctas = t.tiles * split, sms = target.sm_count;
  const double slots = std::max(1.0, std::floor(sms * ctas_per_sm * cluster_fit(split) / split));
  const double waves = std::ceil(t.tiles / slots);
  if (s.fold_teams > 1 && waves > 1) return std::nullopt;
  // A turn needs another tile. One team alone is slow with erf, and spills.
  if (s.ping_pong && (waves < 2 || is_long || per_consumer > 2)) return std::nullopt;
  // CTAs that share an SM: its tensor core, its shared memory's bandwidth and its way to the L2.
  const double sharing = std::clamp(ctas / sms, 1.0, static_cast<double>(ctas_per_sm));

  const double steps = t.k_bytes / 32;  // instructions of one block and trip
  const double product = (steps + (outer ? 1 : 0)) * n / 2, warpgroups = consumers * sharing;
  double block = std::max(warpgroups * product, product + (s.ping_pong ? kIssueInTurn : kIssue));
  if (t.promoted) {
    // Few scales are ready before the product is.
    const double scale = 2 * distinct > kMostReady ? kPromotionPerScale : kReadyScale;
    const double promotion = kPromotion + kPromotionPerColumn * n + scale * (distinct - 1) +
                             (reads_columns ? kScalePerColumn * n : 0);
    // Teams that take trips in turn promote under each other's products.
    const double turn =
        (sets == 2 ? 0.9 * promotion : product + promotion) + (s.fold_teams > 1 ? kTeamIssue : 0);
    block = std::max(block, turn / s.fold_teams);
  }
  const double scale_loads =
      reads_columns ? kScaleLoad * n / (t.scales_in_pairs ? 2 : 1) / s.fold_teams : 0;
  const double stage = t.k_bytes * (m + n);
  double reads = blocks * steps * (64 * 32 + 32 * n);
  // A register of scales takes a warp as long as 128 bytes.
  if (t.promoted) reads += 128 * 4 * consumers * (2 * per_consumer + (reads_columns ? n / 4 : 0));
  if (outer) reads += (2 * blocks + 0.5) * kOuterBytes * n;
  const double brought = stage + kOutside * t.k_bytes * t.outside;
  const double l2 = ctas >= kFewSms * sms ? kL2BytesPerClock : kL2BytesPerClockAlone;
  // CTAs of a split fold that a tile's blocks of columns or rows are divided among.
  const int ranks = std::max({std::gcd(split, static_cast<int>(t.n) / 8),
                              std::gcd(split, per_consumer), std::gcd(split, 2)});
  const bool bulk_store = t.bulk_store && t.out_bytes * t.n / ranks % 16 == 0;
  const double shared = (target.shared_bytes_per_block + 1024.0) / ctas_per_sm - kReservedShared;
  const auto stages_in = [&](double room) {
    const int pair = outer ? kOuterBytes * static_cast<int>(n) : 0;
    return std::clamp(Plan::stages_in(static_cast<int>(room), static_cast<int>(stage), pair), 1,
                      kMostStages);
  };
  // Of its only tile, a CTA stages what it stores where the ring was.
  const bool one_tile =
      s.persistent == 0 || (s.persistent < 0 && waves <= 1 && consumers <= kMostConsumersOfOneTile);
  const bool staged_apart = bulk_store && (split > 1 || !one_tile || !t.by_tma);
  const int storing_teams = s.ping_pong ? 2 : 1;
  const int row_bytes = t.out_bytes * static_cast<int>(t.n) / ranks;
  const std::vector<int> parts = part_widths(row_bytes);
  const auto staged = slot_widths(alternated(parts), per_consumer);  // Planner::choose_staging
  double stages =
      stages_in(shared - (staged_apart ? storing_teams * t.out_bytes * m * n / ranks : 0));
  if (staged_apart && split == 1 && stages < kEnoughStages && m * n > 128 * 128)
    stages = std::max<double>(
        stages, stages_in(shared - kPartRows * (staged[0] + staged[1]) * all_consumers -
                          (t.promoted ? kPanels : 0.0)));
  // As Planner::most_stages has it; settle_schedule.cpp lifts that for folds that aren't split.
  if (split > 1 && all_consumers * ctas_per_sm == 1)
    stages = std::min(stages, std::max(2.0, std::floor(kMostBytesAhead / stage)));
  double trip =
      std::pow(std::pow(per_consumer * block + scale_loads, kSharpOverlap) +
                   std::pow(sharing * (reads + stage) / kSharedBytesPerClock, kSharpOverlap) +
                   std::pow(sharing * brought / l2, kSharpOverlap),
               1 / kSharpOverlap);
  if (ctas_per_sm > 1) trip *= kSharedSm;
  if (outer && per_consumer > 1) trip *= kOuterBlocks;
  // Few stages hide a part of what their copies take.
  trip =
      std::pow(std::pow(trip, kOverlap) + std::pow(kLoadLatency / stages, kOverlap), 1 / kOverlap);
  const double epilogue =
      (bulk_store ? kBulkEpilogue : kDirectEpilogue) * m * n / ranks / consumers / 128 +
      (bulk_store ? kPart * parts.size() * blocks : 0) +
      (t.epilogue_columns ? kColumnEpilogue * n * per_consumer : 0) +
      instructions * kInstruction * m * n / std::min(consumers, 2) / 128;  // two fill schedulers
  const double fold = trips * trip;
  // Sums are written to shared memory and read again.
  const double join = s.fold_teams > 1 ? kJoin + 8 * m * n * (s.fold_teams - 1) / 128 : 0;
  // A tile's first product, where it is long, isn't hidden (bench/NOTES.md).
  const double first = t.promoted && waves > 1 ? std::max(0.0, product - kFirstProduct) : 0;
  const double rest = kTileOverhead + first + epilogue + join +
                      (split > 1 ? kSplitOverhead + kSplitOverheadPerCta * split +
                                       4 * m * n / ranks * (split - 1) / kExchangeBytesPerClock
                                 : 0);
  // Teams take turns: one's epilogue runs under the other's fold.
  const double tiles = s.ping_pong ? waves * std::max(fold + kTurn, (fold + rest) / 2) + rest
                                   : waves * (fold + rest);
  const double compute = (kFirstOperands + tiles) / kClocksPerMicrosecond + kLaunch;
  const double bandwidth = kMemoryEfficiency * (split > 1 ? kSplitMemory : 1) *
                           target.memory_bytes_per_us *
                           std::min(1.0, kMemoryAlone + kMemoryPerBusySm * ctas / sms);
  const double memory = t.bytes / bandwidth + kMemoryStart;
  if (s.fold_teams > 1 && memory > compute) return std::nullopt;  // teams wait for it as one does
  const double overlap = s.fold_teams > 1 && split == 1 ? kTeamOverlap : kOverlap;
  return std::pow(std::pow(compute, overlap) + std::pow(memory, overlap), 1 / overlap);
}

}  // namespace octile::cuda
