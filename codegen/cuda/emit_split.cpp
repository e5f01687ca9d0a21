// A fold whose trips the CTAs of a cluster share, or the teams of a CTA: what comes before it, the
// sum over them, and what each CTA goes on with.
#include <algorithm>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

// A split fold is followed by fewer registers per tile: each CTA goes on with its slice. So what
// the fold needs comes before it, and everything else after it, where tiles that both need are
// computed once more. Teams add up what they have before that, and only the first one goes on.
void Emitter::parted_body() {
  const ir::Op& fold = *plan_.folds[0].fold;
  const std::vector<ir::Op*>& ops = function_.body->ops;
  const auto place = std::find(ops.begin(), ops.end(), &fold);
  std::unordered_set<const ir::Op*> before;
  std::function<void(const ir::Op&)> need = [&](const ir::Op& op) {
    auto from = [&](const ir::Value* v) {
      if (v->def != nullptr && v->def->parent == function_.body && before.insert(v->def).second)
        need(*v->def);
    };
    for (const ir::Value* v : op.operands) from(v);
    for (const auto& region : op.regions) {
      ir::for_each_op(*region, [&](const ir::Op& x) {
        for (const ir::Value* v : x.operands) from(v);
      });
    }
  };
  need(fold);
  for (auto it = ops.begin(); it != place; ++it) {
    if (!has_store(**it)) continue;
    before.insert(*it);
    need(**it);
  }
  for (auto it = ops.begin(); it != place; ++it) {
    if (before.count(*it) != 0) operation(**it);
  }
  operation(fold);
  const bool split = plan_.schedule.split_fold > 1;
  if (plan_.shares_trips()) join_teams(plan_.folds[0]);
  if (split) {
    share_sums(plan_.folds[0]);
    out_.open("if (rank < {}) {{", plan_.slice.ranks);
    take_sums(plan_.folds[0]);
  } else {
    out_.open("{{");
    renew_places();
  }
  for (const ir::Op* op : ops) {
    bool again =
        split && op->results.size() == 1 && !op->result()->type.is_scalar() && op->regions.empty();
    if (op != &fold && (before.count(op) == 0 || again) && !(before.count(op) && has_store(*op)))
      operation(*op);
  }
  out_.close();
  if (plan_.shares_trips()) {
    out_.close();
    out_.line("}}");
  }
}

// Every CTA sends each other rank its slice of the sums, four registers at a time, and the rank's
// barrier counts the bytes that have come. It keeps its own.
void Emitter::share_sums(const FoldPlan& plan) {
  const Slice& slice = plan_.slice;
  const int threads = plan_.compute_threads, vectors = plan_.slice_vectors(plan);
  out_.line("// sum over the {} CTAs of the cluster", plan_.schedule.split_fold);
  // Into the ring only when nobody uses it any more.
  if (!plan_.sums_apart) out_.line("cluster_arrive();");
  out_.line("if (thread == 0) mbarrier_expect(sums_full, {});", plan_.sums_bytes);
  out_.line("cluster_wait();");
  for (const ir::Value* v : plan.fold->results)
    out_.line("float {}_sum[{}];", names_.at(v), 4 * plan_.slice_vectors(v));
  out_.line("#pragma unroll");
  out_.open("for (int to = 0; to < {}; ++to) {{", slice.ranks);
  out_.line("const u32 from = rank - (int(rank) > to);  // of those that send");
  out_.line("const u32 place = cluster_address(sums + 16 * ({} * from + thread), to);",
            vectors * threads);
  out_.line("const u32 arrived = cluster_address(sums_full, to);");
  int first = 0;
  for (const ir::Value* v : plan.fold->results) {
    const int registers = 4 * plan_.slice_vectors(v);
    const std::string name = names_.at(v);
    out_.open("{{");
    out_.line("float part[{}] = {{}};", registers);
    const std::string at = plan_.outer.register_index(v->type.axes, {});
    const int loops = open_loops(plan_.outer.registers(v->type.axes, {}));
    std::string whole = "0";
    int scale = 1;
    for (const Factor* f : plan_.family.registers(v->type.axes, {})) {
      whole += f->var != slice.digit
                   ? fmt::format(" + {} * {}", f->var, scale)
                   : fmt::format(" + ({} + to * {}) * {}", slice.digits > 1 ? f->var : "0",
                                 slice.digits, scale);
      scale *= f->size;
    }
    out_.line("part[{}] = {}[{}];", at, name, whole);
    close_loops(loops);
    out_.line("#pragma unroll");
    out_.open("for (int i = 0; i < {}; i += 4) {{", registers);
    out_.line("if (to == int(rank))");
    out_.line("  for (int j = i; j < i + 4; ++j) {}_sum[j] = part[j];", name);
    out_.line("else");
    out_.line("  send_floats(place + {} * ({} + i), arrived, part + i);", 4 * threads, first);
    out_.close();
    out_.close();
    first += registers;
  }
  out_.close();
}

// Adds the slices up in the order of the CTAs that they are from.
void Emitter::take_sums(const FoldPlan& plan) {
  const int threads = plan_.compute_threads, vectors = plan_.slice_vectors(plan);
  out_.line("mbarrier_wait(sums_full, 0);");
  int first = 0;
  for (const ir::Value* v : plan.fold->results) {
    const std::string name = names_.at(v) + "_sum";
    out_.line("#pragma unroll");
    out_.open("for (int i = 0; i < {}; i += 4) {{", 4 * plan_.slice_vectors(v));
    out_.line(
        "const float4* const from = reinterpret_cast<const float4*>(ring + {}) + {} * ({} + i) + "
        "thread;",
        plan_.sums_offset, threads / 4, first);
    out_.line("add_parts<{}>({} + i, int(rank), from, {});", plan_.schedule.split_fold, name,
              vectors * threads);
    out_.close();
    names_[v] = name;
    first += 4 * plan_.slice_vectors(v);
  }
  family_ = &plan_.outer;
  if (plan_.slice.ranks > 1) {
    out_.line("{} += int(rank) * {};", family_->thread_part_name(plan_.slice.axis),
              plan_.slice.span);
  }
}

}  // namespace octile::cuda
