// A fold whose trips CTAs share through global memory: the loop over a CTA's pieces, and the sums
// that one piece hands on to the next.
#include <algorithm>

#include "octile/codegen/cuda/emitter.hpp"

namespace octile::cuda {

// One thread finds this CTA's share for all roles, before they start. It takes a few bytes of those
// that the ring leaves free.
void Emitter::share_setup() {
  std::string tiles;
  for (std::size_t g = 0; g < function_.grid.size(); ++g)
    tiles += fmt::format("{}tiles_{}", g ? " * " : "", g);
  out_.line("__shared__ Share share;");
  out_.line("if (threadIdx.x == 32) share.set({}, int({}), blockIdx.x, gridDim.x);", tiles,
            expr(plan_.folds[0].fold->operand(0)));
}

// Opens the loop over this CTA's tiles, with the trips that it has of each.
void Emitter::share_loop_open() {
  out_.line("const int trips = int({});", expr(plan_.folds[0].fold->operand(0)));
  out_.line("const int cta = blockIdx.x, ctas = gridDim.x;");
  out_.open("for (int tile = share.start(cta); tile < {}; tile = share.next(tile, cta, ctas)) {{",
            tiles_text());
  out_.line("const int begin = share.begin(tile), end = share.end(tile, trips);");
}

// What follows the fold is for the CTA that has a tile's last trips.
void Emitter::stream_body() {
  const FoldPlan& plan = plan_.folds[0];
  const std::vector<ir::Op*>& ops = function_.body->ops;
  const auto fold = std::find(ops.begin(), ops.end(), plan.fold);
  std::for_each(ops.begin(), fold + 1, [&](const ir::Op* op) { operation(*op); });
  hand_on_sums(plan);
  out_.open("if (share.end(tile, trips) == trips) {{");
  renew_places();
  add_sums(plan);
  std::for_each(fold + 1, ops.end(), [&](const ir::Op* op) { operation(*op); });
  out_.close();
}

std::int64_t Emitter::workspace_bytes(int ctas) const {
  const std::int64_t sums =
      std::int64_t{4} * plan_.sum_registers(plan_.folds[0]) * plan_.compute_threads;
  return kWorkspaceFlagBytes + sums * ctas;
}

std::string Emitter::sums_of(const std::string& cta) const {
  return fmt::format("reinterpret_cast<float*>(workspace + {}) + {}ll * {}", kWorkspaceFlagBytes,
                     plan_.sum_registers(plan_.folds[0]) * plan_.compute_threads, cta);
}

// Lets this CTA read what those from `first` to the one before it have handed on. Each flag is seen
// by one thread alone, which can reset it at once.
void Emitter::take_flags(const std::string& first) {
  const int threads = plan_.compute_threads;
  out_.line("for (int from = {} + thread; from < cta; from += {})", first, threads);
  out_.line("  take_flag(reinterpret_cast<u32*>(workspace) + from);");
  out_.line("__syncwarp();");
  out_.line("named_barrier_sync(1, {});", threads);
}

// Goes on from the sums of the CTA that had the trips before.
void Emitter::continue_sums(const FoldPlan& plan) {
  out_.open("if (begin > 0 && share.in_turn(ctas)) {{  // another CTA had the trips before");
  take_flags("cta - 1");
  out_.line("const float* const sums = {};", sums_of("(cta - 1)"));
  each_sum(plan, "read_sums", ", false");
  out_.close();
}

// Writes sums whose tile another CTA finishes.
void Emitter::hand_on_sums(const FoldPlan& plan) {
  out_.open("if (share.end(tile, trips) < trips) {{  // another CTA has the trips after");
  out_.line("float* const sums = {};", sums_of("cta"));
  each_sum(plan, "write_sums", "");
  out_.line("__syncwarp();");
  out_.line("named_barrier_sync(1, {});", plan_.compute_threads);
  out_.line("if (thread == 0) set_flag(reinterpret_cast<u32*>(workspace) + cta);");
  out_.close();
}

// Adds the sums of CTAs that computed their part of the tile meanwhile, in order of trips.
void Emitter::add_sums(const FoldPlan& plan) {
  out_.open(
      "if (share.begin(tile) > 0 && !share.in_turn(ctas)) {{  // other CTAs had the trips before");
  out_.line("const int first_cta = share.first_cta(tile, trips, ctas);");
  take_flags("first_cta");
  // A pointer that moves: one made anew for each CTA cost registers, and spills in large tiles.
  out_.line("const float* sums = {};", sums_of("first_cta"));
  out_.line("#pragma unroll 1");
  out_.open("for (int from = first_cta; from < cta; ++from) {{");
  each_sum(plan, "read_sums", ", true");
  out_.line("sums += {};", plan_.sum_registers(plan_.folds[0]) * plan_.compute_threads);
  out_.close();
  out_.close();
}

}  // namespace octile::cuda
