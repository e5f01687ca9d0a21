// A fold whose trips the CTAs of a cluster share: what comes before it, the sum over the cluster,
// and what each CTA goes on with.
#include <algorithm>
#include <numeric>
#include <set>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

// A split fold is followed by fewer registers per tile: each CTA goes on with its slice. So what
// the fold needs comes before it, and everything else after it, where tiles that both need are
// computed once more.
void Emitter::split_body() {
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
  out_.open("if (rank < {}) {{", split_ranks_);
  for (const ir::Op* op : ops) {
    bool again = op->results.size() == 1 && !op->result()->type.is_scalar() && op->regions.empty();
    if (op != &fold && (before.count(op) == 0 || again) && !(before.count(op) && has_store(*op)))
      operation(*op);
  }
  out_.close();
}

// Sums the carried values of the cluster's CTAs, in CTA order, through distributed shared memory.
// Each CTA goes on with a slice of the tile where a register digit can be divided among them.
void Emitter::combine_split(const FoldPlan& plan) {
  int s = plan_.schedule.split_fold, threads = plan_.compute_threads;
  out_.line("// sum over the {} CTAs of the cluster", s);
  out_.line("__syncwarp();");
  out_.line("named_barrier_sync(1, {});", threads);
  int total = 0;
  std::vector<int> offsets;
  for (const ir::Value* v : plan.fold->results) {
    int count = family_->register_count(v->type.axes, {});
    offsets.push_back(total);
    out_.line("#pragma unroll");
    out_.line(
        "for (int r = 0; r < {}; ++r) reinterpret_cast<float*>(ring)[({} + r) * {} + thread] = "
        "{}[r];",
        count, total, threads, names_.at(v));
    total += count;
  }
  if (4 * total * threads > plan_.stages * plan_.stage_bytes) {
    throw ir::Error(fmt::format(
        "kernel '{}': split_fold needs {} bytes to exchange sums, the ring has {}; use more stages",
        function_.name, 4 * total * threads, plan_.stages * plan_.stage_bytes));
  }
  out_.line("cluster_arrive();");
  out_.line("cluster_wait();");
  std::string slice;
  const Family whole = *family_;
  // What is combined across a tile later has to be with one CTA.
  std::set<ir::AxisId> whole_axes;
  bool whole_tile = false;
  for (const ir::Op* op : function_.body->ops) {
    if (op == plan.fold) continue;
    if (op->kind == OpKind::reduce) whole_axes.insert(op->attr.axis);
    whole_tile |= op->kind == OpKind::dot || op->kind == OpKind::fold;
  }
  std::vector<ir::AxisId> axes;
  for (ir::AxisId axis : plan.fold->results[0]->type.axes) {
    if (!whole_tile && whole_axes.count(axis) == 0) axes.push_back(axis);
  }
  for (const Factor* f : whole.registers(axes, {})) {
    int ranks = std::gcd(f->size, s);
    if (ranks > split_ranks_) {
      split_ranks_ = ranks;
      slice = f->var;
    }
  }
  plan_.outer = whole;
  for (const auto& entry : whole.axes()) {
    ir::AxisId axis = entry.first;
    AxisLayout& mine = plan_.outer.at(axis);
    for (std::size_t i = 0; i < mine.factors.size(); ++i) {
      Factor& f = mine.factors[i];
      if (slice.empty() || f.var != slice) continue;
      f.size /= split_ranks_;
      int place = f.place * f.size;
      out_.line("const int {}_slice = {} + int(rank) * {};", mine.name,
                family_->thread_part_name(axis), place);
      mine.factors.push_back({Factor::Kind::cta, split_ranks_, place, 1, 0, {}});
      break;
    }
  }
  std::vector<std::string> sums;
  for (std::size_t i = 0; i < plan.fold->results.size(); ++i) {
    const ir::Value* v = plan.fold->results[i];
    std::string name = names_.at(v) + "_sum";
    sums.push_back(name);
    out_.line("float {}[{}];", name, plan_.outer.register_count(v->type.axes, {}));
    family_ = &plan_.outer;
    int loops = open_loops(v->type.axes, {});
    std::string at = plan_.outer.register_index(v->type.axes, {});
    out_.open("{{");
    std::string from = "0";
    int scale = 1;
    for (const Factor* f : whole.registers(v->type.axes, {})) {
      std::string digit = f->var;
      if (f->var == slice)
        digit = fmt::format("({} + int(rank) % {} * {})", f->size == split_ranks_ ? "0" : f->var,
                            split_ranks_, f->size / split_ranks_);
      from += fmt::format(" + {} * {}", digit, scale);
      scale *= f->size;
    }
    out_.line("const u32 from = ring_address + (({} + {}) * {} + thread) * 4;", offsets[i], from,
              threads);
    out_.line("float sum = load_cluster_f32(from, 0);");
    out_.line("#pragma unroll");
    out_.line("for (int cta = 1; cta < {}; ++cta) sum += load_cluster_f32(from, cta);", s);
    out_.line("{}[{}] = sum;", name, at);
    out_.close();
    close_loops(loops);
    names_[v] = name;
  }
  family_ = &plan_.outer;
  for (auto& [axis, layout] : plan_.outer.axes()) {
    for (const Factor& f : layout.factors) {
      if (f.kind == Factor::Kind::cta) out_.line("{0}_t = {0}_slice;", layout.name);
    }
  }
}

}  // namespace octile::cuda
