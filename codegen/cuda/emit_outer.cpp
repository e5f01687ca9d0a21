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

// The producer's side: a column's parts for each trip, as soon as its panel is there and the stage
// is free. Each lane speaks for itself on the barriers.
void Emitter::produce_columns(const FoldPlan& fold) {
  if (!fold.outer) return;
  const PanelLoad& p = fold.outer->columns;
  out_.open("{{");
  fold_bounds(*fold.fold);
  out_.line("#pragma unroll 1");
  out_.open("for (int first = begin / {0} * {0}; begin < end && first < end; first += {1}) {{",
            kPanelAlignedTrips, plan_.panel_trips);
  out_.line("mbarrier_wait_idle(panel_full + 8 * slot, slot_phase);");
  out_.line("const int columns = min({}, end - first);", plan_.panel_trips);
  out_.line("#pragma unroll 1");
  out_.open("for (int column = max(0, begin - first); column < columns; ++column) {{");
  const int rows = plan_.outer_bytes / kOuterBytes, rounds = (rows + 31) / 32;
  out_.line("float values[{}];", rounds);
  out_.line("#pragma unroll");
  out_.open("for (int i = 0; i < {}; ++i) {{", rounds);
  out_.line("const int row = lane + 32 * i;");
  out_.line("if (row < {}) values[i] = *{};", rows, panel_address(p, "row"));
  out_.close();
  out_.line("mbarrier_wait_idle(empty + 8 * stage, phase ^ 1);");
  out_.line("unsigned char* const to = ring + {} + stage * {};", plan_.outer_offset,
            plan_.outer_bytes);
  out_.line("#pragma unroll");
  out_.open("for (int i = 0; i < {}; ++i) {{", rounds);
  out_.line("const int row = lane + 32 * i;");
  out_.line("if (row < {}) put_column(to + swizzled_offset<{}>(row ^ 1, 0), values[i]);", rows,
            kOuterBytes);
  out_.close();
  out_.line("fence_async_proxy();");
  out_.line("mbarrier_arrive(full + 8 * stage);");
  advance("stage", "phase", plan_.stages);
  out_.close();
  out_.line("mbarrier_arrive(panel_empty + 8 * slot);");
  advance("slot", "slot_phase", kPanelSlots);
  out_.close();
  out_.close();
}

// Half of each column's bytes, which nothing is put into, is read too.
void Emitter::clear_columns() {
  out_.line("for (int i = lane; i < {}; i += 32)", plan_.stages * plan_.outer_bytes / 16);
  out_.line("  reinterpret_cast<uint4*>(ring + {})[i] = uint4{{}};", plan_.outer_offset);
  out_.line("__syncwarp();");
}

// The consumers' side: issued behind a block's dots.
void Emitter::issue_outer(const FoldPlan& plan, int block) {
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
    out_.line("const u32 b = descriptor_low(ring_address + {}) + {} * {};", plan_.outer_offset,
              stage_, plan_.outer_bytes / 16);
    out_.line("wgmma_outer_n{}<{}>({}, rows, lane, b);", d.shape.n, (mb - first) * d.shape.n / 2,
              name_of(outer.op->result()));
    out_.close();
  }
}

// d[At .. At + n/2) = the products of two rows' values and of the columns' at `b`.
std::string Emitter::outer_functions() const {
  std::string text;
  for (const FoldPlan& f : plan_.folds) {
    if (!f.outer) continue;
    const int n = plan_.find_dot(f.outer->dot)->shape.n, registers = n / 2;
    std::string list, bindings;
    for (int i = 0; i < registers; ++i) {
      list += fmt::format("{}%{}", i ? ", " : "", i);
      bindings += fmt::format("{}\"+f\"(d[At + {}])", i ? ", " : "", i);
    }
    text += fmt::format(
        "template <int At, int N> __device__ __forceinline__ void wgmma_outer_n{0}(float (&d)[N], "
        "const float (&rows)[2], int lane, u32 b) {{\n"
        "  const u32 x = row_part(rows[0], lane % 4), y = row_part(rows[1], lane % 4);\n"
        "  wgmma_fence();\n"
        "  asm volatile(\"{{.reg .pred none; .reg .b64 b;\\n\"\n"
        "               \"setp.ne.b32 none, 0, 0; mov.b64 b, {{%{1}, %{2}}};\\n\"\n"
        "               \"wgmma.mma_async.sync.aligned.m64n{0}k8.f32.tf32.tf32 {{{3}}}, {{%{4}, "
        "%{5}, %{6}, %{7}}}, b, none, 1, 1;}}\"\n"
        "               : {8}\n"
        "               : \"r\"(x), \"r\"(y), \"r\"(0), \"r\"(0), \"r\"(b), "
        "\"n\"(descriptor_high<32>()));\n}}\n",
        n, registers + 4, registers + 5, list, registers, registers + 1, registers + 2,
        registers + 3, bindings);
  }
  return text;
}

}  // namespace octile::cuda
