// Dots by mma.sync: operands in swizzled shared memory, read with ldmatrix by every warp for its
// part of the tile. A fold's operands are copied some trips ahead, with cp.async, by all threads,
// into a ring of stages; other operands are copied or computed right before the dot, or, where the
// dot is in a loop that they don't change in, before that loop.
#include <algorithm>
#include <set>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

namespace {

std::string mma_name(ElementType a, ElementType b) {
  auto name = [](ElementType t) {
    switch (t) {
      case ElementType::e4m3:
        return "E4m3";
      case ElementType::e5m2:
        return "E5m2";
      case ElementType::f16:
        return "F16";
      default:
        return "Bf16";
    }
  };
  return is_fp8(a) ? fmt::format("Mma{}{}", name(a), name(b)) : fmt::format("Mma{}", name(a));
}

}  // namespace

// Brings a tile to shared memory at address `to`, in the background; zero out of bounds.
void Emitter::copy_tile(const CopyLoad& c, const std::string& to) {
  const ir::Op& load = *c.load;
  std::size_t rank = function_.params[static_cast<std::size_t>(load.attr.index)].shape.size();
  const int bytes = size_in_bytes(load.result()->type.element);
  const int units = c.chunks * c.swizzle / c.width;
  const int k_extent = static_cast<int>(analysis_.extent(c.k_axis));
  std::string name = param_name(load);
  out_.line("#pragma unroll 4");
  out_.open("for (int e = thread; e < {}; e += {}) {{  // {}", c.rows * units,
            plan_.compute_threads, name);
  out_.line("const int row = e / {0}, column = e % {0} * {1};", units, c.width / bytes);
  std::map<ir::AxisId, std::string> at{{c.row_axis, "row"}, {c.k_axis, "column"}};
  point_ = &at;
  std::string offset;
  for (std::size_t d = 0; d < rank; ++d) {
    out_.line("const long long i{} = {};", d, expr(load.operand(static_cast<int>(d))));
    offset += fmt::format("{}i{} * {}_s{}", d ? " + " : "", d, name, d);
  }
  point_ = nullptr;
  std::string bounds = bounds_text(load, rank, c.k_dim);
  if (!bounds.empty()) bounds += " && ";
  std::string left =
      fmt::format("{} - i{}", dim_extent(load, static_cast<std::size_t>(c.k_dim)), c.k_dim);
  if (k_extent * bytes != c.chunks * c.swizzle)
    left = fmt::format("int_min({}, {}ll - column)", left, k_extent);
  out_.line("const int valid = {}i{} >= 0 ? bytes_left({}, {}, {}) : 0;", bounds, c.k_dim, left,
            bytes, c.width);
  out_.line("const u32 place = column / {} * {} + swizzled_offset<{}>(row, column % {} * {});",
            c.swizzle / bytes, c.padded_rows * c.swizzle, c.swizzle, c.swizzle / bytes, bytes);
  out_.line("copy_async<{}>({} + place, {}_p + (valid > 0 ? {} : 0), valid);", c.width, to, name,
            offset);
  out_.close();
}

// Puts an operand that isn't in the ring where the dot reads it.
void Emitter::fill(const DotPlan& d, const Operand& o) {
  if (o.copy < 0) return fill_scratch(d, o);
  copy_tile(plan_.copies[static_cast<std::size_t>(o.copy)],
            fmt::format("scratch_address + {}", o.scratch));
  out_.line("copy_async_commit();");
  out_.line("copy_async_wait<0>();");
}

// Operands that `op` defines and that dots in loops after it read unchanged.
void Emitter::fill_early(const ir::Op& op) {
  for (const DotPlan& d : plan_.dots) {
    if (!d.tensor_core) continue;
    for (const Operand* o : {&d.m, &d.n}) {
      if (!o->early || o->value->def != &op) continue;
      out_.line("// an operand of the dots over {}",
                function_.axes[static_cast<std::size_t>(d.k_axis)].name);
      out_.line("named_barrier_sync(1, {});", plan_.compute_threads);
      fill(d, *o);
      out_.line("named_barrier_sync(1, {});", plan_.compute_threads);
    }
  }
}

std::string Emitter::operand_address(const DotPlan& d, const Operand& o, int chunk) const {
  const int at = chunk * o.rows * d.swizzle;
  if (!o.in_ring) return fmt::format("scratch_address + {}", o.scratch + at);
  return fmt::format("ring_address + {} * {} + {}", stage_, plan_.stage_bytes,
                     plan_.copies[static_cast<std::size_t>(o.copy)].offset + at);
}

// Adds the products over K chunks [begin, end) to `array`.
void Emitter::multiply(const DotPlan& d, const std::string& array, int begin, int end) {
  const int bytes = size_in_bytes(d.m.value->type.element);
  const int m = d.m.rows / (16 * plan_.warps.m), n = d.n.rows / (8 * plan_.warps.n);
  out_.open("{{");
  out_.line("const u32 m_lane = m_fragment<{}>(warp % {} * {}, lane);", d.swizzle, plan_.warps.m,
            16 * m);
  out_.line("const u32 n_lane = n_fragment<{}>(warp / {} * {}, lane);", d.swizzle, plan_.warps.m,
            8 * n);
  for (int chunk = begin; chunk < end; ++chunk) {
    const int left = d.k_extent * bytes - chunk * d.swizzle;
    out_.line("multiply<{}, {}, {}, {}, {}>({}, {}, {}, m_lane, n_lane);",
              mma_name(d.m.value->type.element, d.n.value->type.element), m, n,
              (std::min(left, d.swizzle) + 31) / 32, d.swizzle, array,
              operand_address(d, d.m, chunk), operand_address(d, d.n, chunk));
  }
  out_.close();
}

void Emitter::dot_by_mma(const DotPlan& d) {
  out_.line("// dot over {}", function_.axes[static_cast<std::size_t>(d.k_axis)].name);
  auto is_filled_here = [](const Operand& o) { return !o.in_ring && !o.early; };
  if (is_filled_here(d.m) || is_filled_here(d.n)) {
    out_.line("named_barrier_sync(1, {});", plan_.compute_threads);
    if (is_filled_here(d.m)) fill(d, d.m);
    if (is_filled_here(d.n)) fill(d, d.n);
    out_.line("named_barrier_sync(1, {});", plan_.compute_threads);
  }
  if (auto carried = in_place_.find(d.op); carried != in_place_.end())
    return multiply(d, carried->second, 0, d.chunks);
  const int count = family_->register_count(d.op->result()->type.axes, {});
  auto zero = [&](const std::string& array) {
    out_.line("#pragma unroll");
    out_.line("for (int r = 0; r < {}; ++r) {}[r] = 0.0f;", count, array);
  };
  std::string name = declare(d.op->result());
  zero(name);
  multiply(d, name, 0, d.chained ? d.chunks : 1);
  for (int chunk = 1; !d.chained && chunk < d.chunks; ++chunk) {
    // The FP8 accumulator carries at most 128 elements of K before promotion to f32.
    out_.open("{{");
    out_.line("float partial[{}];", count);
    zero("partial");
    multiply(d, "partial", chunk, chunk + 1);
    out_.line("#pragma unroll");
    out_.line("for (int r = 0; r < {0}; ++r) {1}[r] += partial[r];", count, name);
    out_.close();
  }
}

// Threads copy the stored elements of a small tile; out of bounds is zero.
void Emitter::copy_small(const SmallLoad& s) {
  out_.line("#pragma unroll");
  out_.open("for (int e = loader; e < {}; e += {}) {{", s.count, plan_.compute_threads);
  const SmallElement x = small_element(s);
  out_.line("const bool inside = {};", x.inside);
  out_.line("copy_async<4>(to + {} + 4 * e, {}_p + (inside ? {} : 0), inside ? 4 : 0);", s.offset,
            x.param, x.offset);
  out_.close();
}

// Starts the copies of one trip, as one group.
void Emitter::copy_stage(const FoldPlan& plan, const std::string& trip, const std::string& stage) {
  name_index(*plan.fold, trip);
  out_.line("const u32 to = ring_address + {} * {};", stage, plan_.stage_bytes);
  for (int i : plan.copies) {
    const CopyLoad& c = plan_.copies[static_cast<std::size_t>(i)];
    copy_tile(c, fmt::format("to + {}", c.offset));
  }
  for (const SmallLoad& s : plan.small) copy_small(s);
}

// The body of one trip, and what it carries on. A dot that adds in place stands for the sum, too.
void Emitter::copied_trip(const FoldPlan& plan) {
  const ir::Op& op = *plan.fold;
  const ir::Op& yield = *op.regions[0]->ops.back();
  std::set<const ir::Op*> sums;
  for (const auto& [dot, i] : plan.in_place_dots) {
    in_place_[dot] = names_.at(op.results[i]);
    sums.insert(yield.operands[i]->def);
    names_[yield.operands[i]] = names_.at(op.results[i]);
  }
  for (const ir::Op* x : op.regions[0]->ops) {
    if (!sums.count(x)) operation(*x);
  }
  if (plan.in_place_dots.size() < op.results.size()) end_carried(op);
}

// A fold with a ring of stages, `stages - 1` trips ahead. The barrier of a trip says both that all
// threads' copies for it are there and that the stage that is filled next is no longer read.
void Emitter::copied_fold(const FoldPlan& plan) {
  const ir::Op& op = *plan.fold;
  const int stages = plan_.stages, threads = plan_.compute_threads;
  out_.line("// fold, {} stages", stages);
  declare_carried(op);
  begin_carried(op);
  out_.open("{{");
  out_.line("const int trips = int({});", expr(op.operand(0)));
  if (!plan.small.empty()) out_.line("const int loader = thread;");
  out_.line("named_barrier_sync(1, {});", threads);
  if (stages > 1) {
    out_.line("#pragma unroll 1");
    out_.open("for (int ahead = 0; ahead < {}; ++ahead) {{", stages - 1);
    out_.open("if (ahead < trips) {{");
    copy_stage(plan, "ahead", "ahead");
    out_.close();
    out_.line("copy_async_commit();");
    out_.close();
  }
  out_.line("int stage = 0;");
  out_.line("#pragma unroll {}", plan_.schedule.unroll > 0 ? plan_.schedule.unroll : 1);
  out_.open("for (int trip = 0; trip < trips; ++trip) {{");
  if (stages > 1) {
    out_.line("copy_async_wait<{}>();", stages - 2);
    out_.line("named_barrier_sync(1, {});", threads);
    out_.open("if (trip + {} < trips) {{", stages - 1);
    out_.line("const int next = stage == 0 ? {} : stage - 1;", stages - 1);
    copy_stage(plan, fmt::format("trip + {}", stages - 1), "next");
    out_.close();
    out_.line("copy_async_commit();");
  } else {
    out_.open("{{");
    out_.line("named_barrier_sync(1, {});", threads);
    copy_stage(plan, "trip", "stage");
    out_.line("copy_async_commit();");
    out_.line("copy_async_wait<0>();");
    out_.line("named_barrier_sync(1, {});", threads);
    out_.close();
  }
  name_index(op, "trip");
  const FoldPlan* outer = current_fold_;
  current_fold_ = &plan;
  copied_trip(plan);
  current_fold_ = outer;
  if (stages > 1) out_.line("if (++stage == {}) stage = 0;", stages);
  out_.close();
  out_.close();
}

}  // namespace octile::cuda
