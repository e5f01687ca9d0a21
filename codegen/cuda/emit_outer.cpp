// Products of a value per row and one per column of a fold's dots, which the tensor core makes
// beside these: a warp of the producer puts the parts of the columns' values into the stage,
// consumers have those of the rows' in registers.
#include "octile/codegen/cuda/emitter.hpp"

namespace octile::cuda {

// Neighbouring columns change places: a thread's element of a sum, its product and the dot's would
// lie in the same bank of registers otherwise, three operands of one instruction.
std::string Emitter::outer_index(const ir::Value* value) {
  return fmt::format("({}) ^ 1", register_index(value));
}

bool Emitter::is_outer(const ir::Value* value) const {
  return current_fold_ != nullptr && current_fold_->outer &&
         current_fold_->outer->op->result() == value;
}

// Before a fold's trips: pairs of an even trip and the one behind it count on from those of the
// folds before; each has its turn in a ring of its own.
void Emitter::begin_pairs(const FoldPlan& fold) {
  if (fold.outer) out_.line("const u32 pairs = pairs_done - begin / 2;");
}

void Emitter::end_pairs(const FoldPlan& fold) {
  if (fold.outer) out_.line("if (begin < end) pairs_done += (end + 1) / 2 - begin / 2;");
}

std::string Emitter::pair_text(const std::string& trip) const {
  return fmt::format("(pairs + {} / 2) % {}", trip, plan_.outer_slots());
}

// The producer's side: a column's parts for two trips, as soon as their panel is there and the
// first one's stage is free. This warp has its quarter of the SM's instructions from consumers, so
// what there is to count is known where panels are short, and one lane speaks for all.
void Emitter::produce_columns(const FoldPlan& fold) {
  if (!fold.outer) return;
  const PanelLoad& p = fold.outer->columns;
  const int pairs = plan_.panel_trips / 2;
  out_.open("{{");
  fold_bounds(*fold.fold);
  begin_pairs(fold);
  settle_pairs();
  out_.line("#pragma unroll 1");
  out_.open("for (int first = begin / {0} * {0}; begin < end && first < end; first += {1}) {{",
            kPanelAlignedTrips, plan_.panel_trips);
  out_.line("mbarrier_wait_idle(panel_full + 8 * slot, slot_phase);");
  out_.line("#pragma unroll {}", plan_.panel_trips == kPanelAlignedTrips ? pairs : 1);
  out_.open("for (int pair = 0; pair < {}; ++pair) {{", pairs);
  out_.line("const int column = 2 * pair, trip = first + column;");
  out_.line("if (trip >= end) break;");
  out_.line("if (trip + 1 < begin) continue;");
  out_.line("const bool even = trip >= begin, odd = trip + 1 < end;");
  const int rows = plan_.outer_bytes / kOuterBytes, rounds = (rows + 31) / 32;
  out_.line("float values[{}];", 2 * rounds);
  out_.line("#pragma unroll");
  out_.open("for (int i = 0; i < {}; ++i) {{", rounds);
  out_.line("const int row = lane + 32 * i;");
  out_.line("if (row >= {}) break;", rows);
  out_.line("const float* const at = {};", panel_address(p, "row"));
  // Of a trip that isn't there, the other's: rows have zeros for it.
  if (p.rows_side_by_side()) {
    out_.line("values[2 * i] = at[even ? 0 : {0}], values[2 * i + 1] = at[odd ? {0} : 0];", p.rows);
  } else {
    out_.line("copy_bytes<8>(&values[2 * i], at);");
    out_.line("if (!even) values[2 * i] = values[2 * i + 1];");
    out_.line("if (!odd) values[2 * i + 1] = values[2 * i];");
  }
  out_.close();
  out_.line("mbarrier_wait_idle(empty + 8 * stage, phase ^ 1);");
  out_.line("unsigned char* const to = ring + {} + {} * {} + (lane ^ 1) * {};", plan_.outer_offset,
            pair_text("trip"), plan_.outer_bytes, kOuterBytes);
  out_.line("#pragma unroll");
  out_.open("for (int i = 0; i < {}; ++i) {{", rounds);
  out_.line("if (lane + 32 * i >= {}) break;", rows);
  out_.line("put_column(to + {} * i, values[2 * i], values[2 * i + 1]);", 32 * kOuterBytes);
  out_.close();
  out_.line("fence_async_proxy();");
  out_.line("__syncwarp();");
  out_.line("if (lane == 0) mbarrier_arrive(full + 8 * stage);");
  advance("stage", "phase", plan_.stages);
  out_.open("if (even && odd) {{");
  out_.line("mbarrier_wait_idle(empty + 8 * stage, phase ^ 1);");
  // Who came later than that would wait on, for a phase that is over and done.
  out_.line("__syncwarp();");
  out_.line("if (lane == 0) mbarrier_arrive(full + 8 * stage);");
  advance("stage", "phase", plan_.stages);
  out_.close();
  out_.close();
  out_.line("if (lane == 0) mbarrier_arrive(panel_empty + 8 * slot);");
  advance("slot", "slot_phase", kPanelSlots);
  out_.close();
  end_pairs(fold);
  out_.close();
}

// The stage of a pair's first trip is free once the trips of a whole ring of pairs are done, if at
// most two of these pairs are of one trip. Shorter folds that have such pairs are waited for.
void Emitter::settle_pairs() {
  out_.open("if (unsettled) {{");
  out_.line("for (int s = 0; s < {}; ++s)", plan_.stages);
  out_.line("  mbarrier_wait_idle(empty + 8 * s, s < stage ? phase : phase ^ 1);");
  out_.close();
  out_.line("const int whole = (end + 1) / 2 - begin / 2;");
  out_.line("unsettled = whole < {} && 2 * whole > end - begin;", plan_.outer_slots() - 1);
}

// The consumers' side: issued behind a block's dots.
void Emitter::issue_outer(const FoldPlan& plan, int block, const std::string& parity) {
  const OuterProduct& outer = *plan.outer;
  const DotPlan& d = *plan_.find_dot(outer.dot);
  const int first = plan.blocks > 1 ? block : 0;
  const int last = plan.blocks > 1 ? block + 1 : d.shape.m_blocks;
  const auto digits = family_->registers({d.m.axis}, {});
  for (int mb = first; mb < last; ++mb) {
    out_.open("{{");
    out_.line("float rows[2];");
    std::string half;
    int loops = 0;
    for (const Factor* f : digits) {
      if (f->place == 8) {
        half = f->var;
        out_.line("#pragma unroll");
        out_.open("for (int {0} = 0; {0} < 2; ++{0}) {{", f->var);
        ++loops;
      } else {
        out_.line("constexpr int {} = {};", f->var, mb);
      }
    }
    out_.line("rows[{}] = {};", half, expr(outer.rows));
    close_loops(loops);
    // The address's high bits, a CTA's place in its cluster, would be a distance of K's halves.
    out_.line("const u32 b = ((ring_address + {}) / 16 & 0x3fff) + {} * {};", plan_.outer_offset,
              pair_text("trip"), plan_.outer_bytes / 16);
    const std::string products = name_of(outer.op->result());
    need_function(outer_function(d, accumulators_.count(products) != 0));
    out_.line("wgmma_outer_n{}<{}rows, lane, {}, b);", d.shape.n,
              accumulators_argument(products, (mb - first) * d.shape.n / 2), parity);
    out_.close();
  }
}

// The accumulators = the products of two rows' values and of the columns' at `b`: eight of them in
// 128 bytes, not swizzled, which both halves of K read.
std::string Emitter::outer_function(const DotPlan& d, bool named) const {
  const AccumulatorOperands list = accumulator_operands(d.shape.n / 2, named);
  return fmt::format(
      "template <{0}> __device__ __forceinline__ void wgmma_outer_n{1}({2}const float (&rows)[2], "
      "int lane, int trip, u32 b) {{\n"
      "  const Parts x = row_parts(rows[0], lane, trip), y = row_parts(rows[1], lane, trip);\n"
      "  wgmma_fence();\n"
      "  asm volatile(\"{{.reg .pred none; .reg .b64 b;\\n\"\n"
      "               \"setp.ne.b32 none, 0, 0; mov.b64 b, {{%{3}, %{4}}};\\n\"\n"
      "               \"wgmma.mma_async.sync.aligned.m64n{1}k8.f32.tf32.tf32 {{{5}}}, {{%{6}, "
      "%{7}, "
      "%{8}, %{9}}}, b, none, 1, 1;}}\"\n"
      "               : {10}\"r\"(__float_as_uint(x.high)), \"r\"(__float_as_uint(y.high)), "
      "\"r\"(__float_as_uint(x.low)), \"r\"(__float_as_uint(y.low)), \"r\"(b), "
      "\"n\"({11}));\n}}\n",
      list.templates, d.shape.n, list.parameter, list.next + 4, list.next + 5, list.text, list.next,
      list.next + 1, list.next + 2, list.next + 3, list.bindings, 8 * kOuterBytes / 16);
}

}  // namespace octile::cuda
