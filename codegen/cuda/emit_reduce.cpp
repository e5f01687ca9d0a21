// Reductions: over a thread's own registers, then lanes by shuffles, then warps through shared
// memory, always in one order so that results repeat.
#include <algorithm>

#include "octile/codegen/cuda/emitter.hpp"

namespace octile::cuda {

using ir::ReduceKind;

std::string Emitter::combine(const ir::Op& op, const std::string& x, const std::string& y) const {
  ElementType type = op.result()->type.element;
  bool f32 = is_float(type);
  switch (op.attr.reduce) {
    case ReduceKind::sum:
      if (f32) return fmt::format("{} + {}", x, y);
      // Modulo 2 to the width.
      return type == ElementType::i64 ? fmt::format("(long long)(u64({}) + u64({}))", x, y)
                                      : fmt::format("(int)(u32({}) + u32({}))", x, y);
    case ReduceKind::max:
      return fmt::format("{}({}, {})", f32 ? "fmaxf" : "int_max", x, y);
    case ReduceKind::min:
      return fmt::format("{}({}, {})", f32 ? "fminf" : "int_min", x, y);
  }
  throw ir::Error("unknown reduction");
}

namespace {

// What the plan sets aside for sums that cross warps.
constexpr int kExchangeBytes = kReduceBytes;

std::string identity_text(const ir::Op& op) {
  ElementType type = op.result()->type.element;
  if (op.attr.reduce == ReduceKind::sum) return type == ElementType::f32 ? "0.0f" : "0";
  bool max = op.attr.reduce == ReduceKind::max;
  if (type == ElementType::f32)
    return max ? "__int_as_float(0xff800000)" : "__int_as_float(0x7f800000)";
  if (type == ElementType::i64)
    return max ? "(-9223372036854775807ll - 1)" : "9223372036854775807ll";
  return max ? "(-2147483647 - 1)" : "2147483647";
}

}  // namespace

void Emitter::reduce(const ir::Op& op) {
  reduce_terms(op, [&] { return combine(op, "sum", "(" + expr(op.operand(0)) + ")"); });
}

// A dot that the tensor core doesn't take, and that no thread can evaluate by itself since an
// operand is spread over threads.
bool Emitter::is_reduction(const ir::Op& op) const {
  return !plan_.find_dot(&op)->tensor_core &&
         !(analysis_.is_pointwise(op.operand(0)) && analysis_.is_pointwise(op.operand(1)));
}

void Emitter::dot_by_reduction(const ir::Op& op) {
  auto factor = [&](const ir::Value* x) {
    ElementType type = x->type.element;
    return type == ElementType::f32 ? expr(x)
                                    : fmt::format("{}_to_f32({})", info(type).name, expr(x));
  };
  reduce_terms(op, [&] {
    return fmt::format("fmaf({}, {}, sum)", factor(op.operand(0)), factor(op.operand(1)));
  });
}

// The sum, or least or largest, of what `term` makes of `sum` along the op's axis.
void Emitter::reduce_terms(const ir::Op& op, const std::function<std::string()>& term) {
  const ir::Value* v = op.result();
  ir::AxisId axis = op.attr.axis;
  const AxisLayout& layout = family_->at(axis);
  std::vector<ir::AxisId> all;
  for (const ir::Value* x : op.operands) all = ir::union_axes(all, x->type.axes);
  require_home(all);
  std::int64_t group = op.attr.group == 0 ? layout.padded : op.attr.group;
  std::vector<const Factor*> inner, threads;
  const Factor* whole = nullptr;  // a digit of registers that holds several groups
  for (const Factor& f : layout.factors) {
    if (f.size == 1 || f.place >= group) continue;
    if (f.kind == Factor::Kind::reg && f.place == 1 && f.size > group) {
      whole = &f;
      continue;
    }
    if (f.kind == Factor::Kind::reg) inner.push_back(&f);
    if (f.kind == Factor::Kind::thread) threads.push_back(&f);
  }
  out_.line("// {} over {}", ir::name(op.attr.reduce), layout.name);
  std::string name = declare(v);
  int loops = open_loops(v->type.axes, analysis_.runs(v));
  out_.open("{{");
  out_.line("{} sum = {};", register_type(v->type.element), identity_text(op));
  int inner_loops = open_loops(inner);
  if (whole != nullptr) {
    out_.line("const int group = {0} - {0} % {1};", whole->var, group);
    out_.line("#pragma unroll");
    out_.open("for (int {0} = group; {0} < group + {1}; ++{0}) {{", whole->var, group);
    ++inner_loops;
  }
  std::string inside;
  if (layout.is_padded() && op.attr.group == 0)
    inside = fmt::format("if ({} < {}) ", family_->coordinate(axis), layout.extent);
  out_.line("{}sum = {};", inside, term());
  close_loops(inner_loops);
  reduce_across_threads(op, threads);
  std::string at =
      v->type.is_scalar()
          ? ""
          : fmt::format("[{}]", family_->register_index(v->type.axes, analysis_.runs(v)));
  out_.line("{}{} = sum;", name, at);
  out_.close();
  close_loops(loops);
}

void Emitter::reduce_across_threads(const ir::Op& op, const std::vector<const Factor*>& digits) {
  std::string type{register_type(op.result()->type.element)};
  std::vector<std::pair<int, int>> warps;  // stride and size of the digits that cross warps
  for (const Factor* f : digits) {
    for (int step = 1; step < f->size; step *= 2) {
      int distance = f->stride * step;
      if (distance < 32) {
        out_.line("sum = {};",
                  combine(op, "sum", fmt::format("__shfl_xor_sync(~0u, sum, {})", distance)));
      } else {
        warps.emplace_back(distance, f->size / step);
        break;
      }
    }
  }
  for (auto [stride, size] : warps) exchange_sums(op, stride, size);
}

// Everyone reads the same values in the same order, so every copy gets the same bits.
void Emitter::exchange_sums(const ir::Op& op, int stride, int size) {
  ElementType element = op.result()->type.element;
  std::string_view type = register_type(element);
  // 4 bytes per thread are set aside: wider values of many threads go in halves.
  bool halves = size_in_bytes(element) * plan_.compute_threads > kExchangeBytes;
  out_.open("{{");
  if (plan_.barrier_offset == plan_.reduce_offset)
    out_.line("__shared__ u64 exchange[{}];", kExchangeBytes / 8);
  out_.line("const int first = thread - thread / {} % {} * {};", stride, size, stride);
  if (!halves) {
    meet();
    out_.line("reinterpret_cast<{}*>(exchange)[thread] = sum;", type);
    meet();
    out_.line("sum = reinterpret_cast<const {}*>(exchange)[first];", type);
    out_.line("#pragma unroll 8");
    out_.line("for (int w = 1; w < {}; ++w) sum = {};", size,
              combine(op, "sum",
                      fmt::format("reinterpret_cast<const {}*>(exchange)[first + w * {}]", type,
                                  stride)));
  } else {
    out_.line("u64 parts[{}] = {{}};", size);
    for (int shift : {0, 32}) {
      meet();
      out_.line("reinterpret_cast<u32*>(exchange)[thread] = u32(u64(sum) >> {});", shift);
      meet();
      out_.line("#pragma unroll");
      out_.line(
          "for (int w = 0; w < {}; ++w) parts[w] |= u64(reinterpret_cast<const "
          "u32*>(exchange)[first + w * {}]) << {};",
          size, stride, shift);
    }
    out_.line("sum = (long long)(parts[0]);");
    out_.line("#pragma unroll");
    out_.line("for (int w = 1; w < {}; ++w) sum = {};", size,
              combine(op, "sum", "(long long)(parts[w])"));
  }
  out_.close();
}

}  // namespace octile::cuda
