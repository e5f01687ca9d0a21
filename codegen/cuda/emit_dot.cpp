// Dots: wgmma on operands in swizzled shared memory, brought by TMA or filled by threads; a plain
// multiply-add loop for element types that the tensor core doesn't multiply.
#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

namespace {

std::string_view ptx_type(ElementType t) {
  return info(t).name;
}

int instruction_k(const DotPlan& d) {
  return 32 / size_in_bytes(d.m.value->type.element);
}

}  // namespace

std::string Emitter::wgmma_name(const DotPlan& d) const {
  return fmt::format("wgmma_m64n{}k{}_{}_{}", d.shape.n, d.swizzle / 32 * instruction_k(d),
                     ptx_type(d.m.value->type.element), ptx_type(d.n.value->type.element));
}

// One function per shape: the accumulators += a * b, or = a * b where !accumulate, over one swizzle
// width of K, given the descriptors' low words. Its instructions are one statement: each statement
// with so many operands takes the compiler a while.
std::string Emitter::wgmma_function(const DotPlan& d, bool named) const {
  const AccumulatorOperands list = accumulator_operands(d.shape.n / 2, named);
  bool fp8 = is_fp8(d.m.value->type.element);
  std::string instructions;
  for (int step = 0; step < d.swizzle / 32; ++step) {
    instructions += fmt::format(
        "               \"add.u32 low, %{0}, {2}; mov.b64 a, {{low, %{3}}};\"\n"
        "               \"add.u32 low, %{1}, {2}; mov.b64 b, {{low, %{3}}};\\n\"\n"
        "               \"wgmma.mma_async.sync.aligned.m64n{4}k{5}.f32.{6}.{7} {{{8}}}, a, b, "
        "{9}, 1, 1{10};\\n\"\n",
        list.next, list.next + 1, 2 * step, list.next + 3, d.shape.n, instruction_k(d),
        ptx_type(d.m.value->type.element), ptx_type(d.n.value->type.element), list.text,
        step == 0 ? "first" : "true", fp8 ? "" : ", 0, 0");
  }
  return fmt::format(
      "template <{0}> __device__ __forceinline__ void {1}({2}u32 a, u32 b, u32 accumulate) {{\n"
      "  asm volatile(\"{{.reg .pred first, true; .reg .b32 low; .reg .b64 a, b;\\n\"\n"
      "               \"setp.ne.b32 first, %{3}, 0; setp.eq.b32 true, 0, 0;\\n\"\n"
      "{4}"
      "               \"}}\"\n"
      "               : {5}\"r\"(a), \"r\"(b), \"r\"(accumulate), "
      "\"n\"(descriptor_high<{6}>()));\n}}\n",
      list.templates, wgmma_name(d), list.parameter, list.next + 2, instructions, list.bindings,
      d.swizzle);
}

// Low word of the descriptor of one block of an operand: what doesn't change from stage to stage
// first, so that it leaves the loop.
std::string Emitter::operand_descriptor(const DotPlan& d, const Operand& o, bool m_side, int block,
                                        int chunk) const {
  bool ring = o.tma >= 0;
  int fixed = ring ? current_fold_->tma[static_cast<std::size_t>(o.tma)].offset : o.scratch;
  fixed += chunk * o.rows * d.swizzle + block * (m_side ? 64 : d.shape.n) * d.swizzle;
  std::string address = fmt::format("{} + {}", ring ? "ring_address" : "scratch_address", fixed);
  if (m_side) address += fmt::format(" + warpgroup * {}", 64 * d.shape.m_blocks * d.swizzle);
  std::string low = fmt::format("descriptor_low({})", address);
  return ring ? fmt::format("{} + {} * {}", low, stage_, plan_.stage_bytes / 16) : low;
}

// All instructions of a dot over some of its blocks of 64 rows and of its K chunks into `array`,
// which holds these blocks; `accumulate` is the flag of the first one, the rest add.
void Emitter::issue(const DotPlan& d, const std::string& array, std::pair<int, int> blocks,
                    std::pair<int, int> chunks, const std::string& accumulate) {
  need_function(wgmma_function(d, accumulators_.count(array) != 0));
  for (int mb = blocks.first; mb < blocks.second; ++mb) {
    for (int nb = 0; nb < d.shape.n_blocks; ++nb) {
      int at = ((mb - blocks.first) * d.shape.n_blocks + nb) * d.shape.n / 2;
      for (int chunk = chunks.first; chunk < chunks.second; ++chunk) {
        out_.open("{{");
        out_.line("const u32 a = {};", operand_descriptor(d, d.m, true, mb, chunk));
        out_.line("const u32 b = {};", operand_descriptor(d, d.n, false, nb, chunk));
        out_.line("{}<{}a, b, {});", wgmma_name(d), accumulators_argument(array, at),
                  chunk == chunks.first ? accumulate : "1");
        out_.close();
      }
    }
  }
}

// Every thread evaluates elements of the operand and puts them where wgmma reads them; what lies
// beyond the tile is zero.
void Emitter::fill_scratch(const DotPlan& d, const Operand& o) {
  int bytes = size_in_bytes(o.value->type.element);
  int k_padded = d.chunks * d.swizzle / bytes, extent = static_cast<int>(analysis_.extent(o.axis));
  std::string_view type = register_type(o.value->type.element);
  auto place = [&](const std::string& row, const std::string& k) {
    return fmt::format("scratch + {} + ({}) / {} * {} + swizzled_offset<{}>({}, ({}) % {} * {})",
                       o.scratch, k, d.swizzle / bytes, o.rows * d.swizzle, d.swizzle, row, k,
                       d.swizzle / bytes, bytes);
  };
  if (analysis_.is_pointwise(o.value)) {
    // Neighbouring threads take neighbours in memory.
    bool rows_fast = false;
    if (o.value->def->kind == OpKind::load) {
      int dim = request_.tensors[static_cast<std::size_t>(o.value->def->attr.index)].contiguous_dim;
      rows_fast = dim >= 0 && o.value->def->operand(dim)->type.has_axis(o.axis);
    }
    out_.open("for (int e = thread; e < {}; e += {}) {{", o.rows * k_padded, plan_.compute_threads);
    out_.line("const int row = {}, column = {};",
              rows_fast ? fmt::format("e % {}", o.rows) : fmt::format("e / {}", k_padded),
              rows_fast ? fmt::format("e / {}", o.rows) : fmt::format("e % {}", k_padded));
    std::map<ir::AxisId, std::string> at{{o.axis, "row"}, {d.k_axis, "column"}};
    point_ = &at;
    std::string element = expr(o.value);
    point_ = nullptr;
    out_.line("const bool inside = row < {} && column < {};", extent, d.k_extent);
    out_.line("*reinterpret_cast<{}*>({}) = inside ? {} : static_cast<{}>(0);", type,
              place("row", "column"), element, type);
    out_.close();
    return;
  }
  // From registers. Rows and columns that no thread holds are zeroed first.
  if (family_->at(o.axis).padded != o.rows || family_->at(d.k_axis).padded != k_padded ||
      family_->at(o.axis).is_padded() || family_->at(d.k_axis).is_padded()) {
    out_.line("for (int e = thread; e < {}; e += {}) reinterpret_cast<u32*>(scratch + {})[e] = 0;",
              o.rows * d.chunks * d.swizzle / 4, plan_.compute_threads, o.scratch);
    meet();
  }
  if (!family_->is_consistent(o.value->type.axes)) {
    throw ir::Error(fmt::format(
        "kernel '{}': a computed dot operand has both axes on the same side of the tensor core",
        function_.name));
  }
  std::string primary = family_->primary_condition(o.value->type.axes, {});
  out_.open("{}{{", primary.empty() ? "" : fmt::format("if ({}) ", primary));
  int loops = open_loops(o.value->type.axes, {});
  std::string row = family_->coordinate(o.axis), column = family_->coordinate(d.k_axis);
  out_.line("if ({} < {} && {} < {}) *reinterpret_cast<{}*>({}) = {};", row, extent, column,
            d.k_extent, type, place(row, column), expr(o.value));
  close_loops(loops);
  out_.close();
}

// A dot that is not part of the pipelined loop: operands are made ready, multiplied and waited for.
void Emitter::dot(const ir::Op& op) {
  const DotPlan& d = *plan_.find_dot(&op);
  if (!d.tensor_core) return dot_by_fma(op);
  if (plan_.mma_sync) return dot_by_mma(d);
  if (d.pipelined && current_fold_ != nullptr && current_fold_->fold->regions[0] == op.parent)
    return;
  bool scratch = d.m.tma < 0 || d.n.tma < 0;
  out_.line("// dot over {}", function_.axes[static_cast<std::size_t>(d.k_axis)].name);
  if (scratch) {
    meet();
    if (d.m.tma < 0) fill_scratch(d, d.m);
    if (d.n.tma < 0) fill_scratch(d, d.n);
    out_.line("fence_async_proxy();");
    meet();
  }
  std::string name = declare(op.result());
  int count = family_->register_count(op.result()->type.axes, {});
  auto multiply = [&](const std::string& array, int begin, int end) {
    out_.line("pin_registers({});", array);
    out_.line("wgmma_fence();");
    issue(d, array, {0, d.shape.m_blocks}, {begin, end}, "0");
    out_.line("wgmma_commit();");
    out_.line("wgmma_wait<0>();");
    out_.line("pin_registers({});", array);
  };
  multiply(name, 0, d.chained ? d.chunks : 1);
  for (int chunk = 1; !d.chained && chunk < d.chunks; ++chunk) {
    // The FP8 accumulator carries at most 128 elements of K before promotion to f32.
    out_.open("{{");
    out_.line("float partial[{}];", count);
    multiply("partial", chunk, chunk + 1);
    out_.line("#pragma unroll");
    out_.line("for (int r = 0; r < {0}; ++r) {1}[r] += partial[r];", count, name);
    out_.close();
  }
}

// No tensor core instruction for these types or shapes: every thread sums its own elements.
void Emitter::dot_by_fma(const ir::Op& op) {
  const ir::Value *a = op.operand(0), *b = op.operand(1), *v = op.result();
  for (const ir::Value* x : {a, b}) {
    if (!analysis_.is_pointwise(x)) {
      throw ir::Error(fmt::format(
          "kernel '{}': a dot of {} by {} needs operands computed from loads element by element; "
          "cast them to bf16, f16 or FP8 for the tensor core",
          function_.name, info(a->type.element).name, info(b->type.element).name));
    }
  }
  out_.line("// dot over {}, by multiply-add",
            function_.axes[static_cast<std::size_t>(op.attr.axis)].name);
  std::string name = declare(v);
  std::string at =
      v->type.is_scalar()
          ? ""
          : fmt::format("[{}]", family_->register_index(v->type.axes, analysis_.runs(v)));
  auto as_f32 = [](const ir::Value* x, const std::string& text) {
    ElementType t = x->type.element;
    if (t == ElementType::f32) return text;
    return is_float(t) ? fmt::format("{}_to_f32({})", info(t).name, text)
                       : fmt::format("float({})", text);
  };
  int loops = open_loops(v->type.axes, analysis_.runs(v));
  out_.open("{{");
  std::map<ir::AxisId, std::string> at_point{{op.attr.axis, "e"}};
  for (ir::AxisId axis : v->type.axes) at_point[axis] = family_->coordinate(axis);
  out_.line("float sum = 0.0f;");
  out_.open("for (int e = 0; e < {}; ++e) {{", analysis_.extent(op.attr.axis));
  point_ = &at_point;
  std::string x = as_f32(a, expr(a)), y = as_f32(b, expr(b));
  point_ = nullptr;
  out_.line("sum = fmaf({}, {}, sum);", x, y);
  out_.close();
  out_.line("{}{} = sum;", name, at);
  out_.close();
  close_loops(loops);
}

}  // namespace octile::cuda
