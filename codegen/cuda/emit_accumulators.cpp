// Sums and products of a pipelined fold in registers that only PTX names: `acc3_0` to `acc3_71` are
// the accumulators of one wgmma. NVRTC takes a variable through all of its passes at every
// statement that has it for an operand, which is a quarter of the time of a large tile's kernel; of
// these registers it knows nothing, as ptxas allocates them. Folds whose sums need more than a few
// operations on f32 have them in arrays.
#include <algorithm>
#include <set>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

namespace {

// The instruction of an operation on f32 that rounds like the C++ that would be printed.
std::string_view instruction(OpKind kind) {
  switch (kind) {
    case OpKind::add:
      return "add.rn.f32";
    case OpKind::sub:
      return "sub.rn.f32";
    case OpKind::mul:
      return "mul.rn.f32";
    case OpKind::fma:
      return "fma.rn.f32";
    default:
      return {};
  }
}

bool is_zero(const ir::Value* v) {
  return v->def != nullptr && v->def->kind == OpKind::constant && v->def->attr.int_value == 0 &&
         v->def->attr.float_value == 0;
}

// The statement `name` as a function template over what numbers the accumulators.
std::string statement(std::string_view templates, const std::string& name,
                      std::string_view arguments, const std::vector<std::string>& lines,
                      const std::string& operands) {
  std::string text =
      fmt::format("template <{}> __device__ __forceinline__ void {}({}) {{\n  asm volatile(\n",
                  templates, name, arguments);
  for (const std::string& line : lines) text += fmt::format("      \"{}\\n\"\n", line);
  return text + fmt::format("      {});\n}}\n", operands);
}

}  // namespace

Emitter::Accumulators Emitter::new_accumulators(int size, int count) {
  const int first = static_cast<int>(accumulator_sizes_.size());
  accumulator_sizes_.insert(accumulator_sizes_.end(), static_cast<std::size_t>(count), size);
  return {first, size, count};
}

// All of them, for the kernel's start.
std::string Emitter::accumulator_declarations() const {
  if (accumulator_sizes_.empty()) return {};
  std::string list;
  for (std::size_t i = 0; i < accumulator_sizes_.size(); ++i)
    list += fmt::format("{}acc{}_<{}>", i ? ", " : "", i, accumulator_sizes_[i]);
  return fmt::format("  asm volatile(\".reg .f32 {};\");\n", list);
}

// How functions of one instruction have its accumulators: an array's from a place on, or a
// number's.
Emitter::AccumulatorOperands Emitter::accumulator_operands(int count, bool named) {
  AccumulatorOperands list;
  for (int i = 0; i < count; ++i) {
    const std::string_view comma = i > 0 ? ", " : "";
    list.text += fmt::format("{}{}{}", comma, named ? "acc%0_" : "%", i);
    if (!named) list.bindings += fmt::format("{}\"+f\"(d[At + {}])", comma, i);
  }
  if (named) return {"int Acc", "", list.text, ": \"n\"(Acc), ", 1};
  return {"int At, int N", "float (&d)[N], ", list.text,
          list.bindings + "\n               : ", count};
}

// The start of a call of such a function.
std::string Emitter::accumulators_argument(const std::string& array, int at) const {
  const auto named = accumulators_.find(array);
  if (named == accumulators_.end()) return fmt::format("{}>({}, ", at, array);
  return fmt::format("{}>(", named->second.first + at / named->second.size);
}

// A function of the prelude's, printed when it is first used.
void Emitter::need_function(const std::string& text) {
  if (std::find(functions_.begin(), functions_.end(), text) == functions_.end())
    functions_.push_back(text);
}

// Keeps an array's registers from moving across an asynchronous wgmma.
void Emitter::pin(const std::string& array) {
  if (accumulators_.count(array) == 0) out_.line("pin_registers({});", array);
}

// Whether a fold has enough sums and products for it to matter, and computes these from those by
// what a statement of PTX can be made of.
bool Emitter::names_accumulators(const FoldPlan& plan) {
  constexpr int kMany = 96;
  if (plan_.schedule.stream_fold || plan.pipelined_dots.empty() || plan.stage_used_late)
    return false;
  const int elements = plan.blocks * register_count(plan.pipelined_dots[0]->result());
  int registers = plan_.sum_registers(plan);
  for (const ir::Op* op : plan.pipelined_dots) {
    if (plan.blocks * register_count(op->result()) != elements) return false;
    registers += plan.in_place ? 0 : plan.sets * elements / plan.blocks;
  }
  if (registers < kMany) return false;
  const ir::Op& fold = *plan.fold;
  for (std::size_t i = 0; i < fold.results.size(); ++i) {
    const ir::Value* v = fold.results[i];
    if (v->type.is_scalar() || v->type.element != ElementType::f32 ||
        family_->register_count(v->type.axes, {}) != elements || !is_zero(fold.operands[i + 1]))
      return false;
  }
  if (plan.in_place) return true;
  const auto& ops = fold.regions[0]->ops;
  std::set<const ir::Value*> sums;
  const auto is_sum = [&](const ir::Value* v) {
    return is_step(plan, v) && is_promotion(plan, v) && sums.insert(v).second;
  };
  if (!std::all_of(ops.back()->operands.begin(), ops.back()->operands.end(), is_sum)) return false;
  // Nothing else is made of products or sums.
  return std::all_of(ops.begin(), ops.end(), [&](const ir::Op* op) {
    const bool is_free = op->kind == OpKind::yield || is_product(plan, *op) ||
                         (!depends_on_dots(plan, *op) && !depends_on_sums(plan, *op));
    return is_free || (op->results.size() == 1 && is_step(plan, op->result()));
  });
}

bool Emitter::is_product(const FoldPlan& plan, const ir::Op& op) const {
  const auto& dots = plan.pipelined_dots;
  return std::find(dots.begin(), dots.end(), &op) != dots.end();
}

// The place of a carried value among the fold's results, or -1.
int Emitter::carried_place(const FoldPlan& plan, const ir::Value* v) const {
  const auto& args = plan.fold->regions[0]->args;
  const auto arg = std::find(args.begin() + 1, args.end(), v);
  return arg == args.end() ? -1 : static_cast<int>(arg - args.begin()) - 1;
}

bool Emitter::depends_on_sums(const FoldPlan& plan, const ir::Op& op) const {
  return std::any_of(op.operands.begin(), op.operands.end(), [&](const ir::Value* v) {
    if (carried_place(plan, v) >= 0) return true;
    const bool is_inside = v->def != nullptr && v->def->parent == plan.fold->regions[0];
    return is_inside && depends_on_sums(plan, *v->def);
  });
}

// Whether the statement computes a value, element by element: of products and sums so far, or of so
// much else that it would have too many operands.
bool Emitter::is_step(const FoldPlan& plan, const ir::Value* v) {
  constexpr int kFewInputs = 32;
  if (v->def == nullptr || v->def->parent != plan.fold->regions[0] || is_outer(v)) return false;
  if (v->type.is_scalar() || v->type.element != ElementType::f32) return false;
  if (instruction(v->def->kind).empty()) return false;
  return depends_on_dots(plan, *v->def) || depends_on_sums(plan, *v->def) ||
         (is_inline(v) && register_count(v) / plan.blocks > kFewInputs);
}

bool Emitter::is_promotion(const FoldPlan& plan, const ir::Value* v) {
  constexpr int kMostInputs = 64;
  if (carried_place(plan, v) >= 0 || is_outer(v)) return true;
  if (v->def != nullptr && is_product(plan, *v->def)) return true;
  if (is_step(plan, v))
    return std::all_of(v->def->operands.begin(), v->def->operands.end(),
                       [&](const ir::Value* x) { return is_promotion(plan, x); });
  return !depends_on_dots(plan, v) && v->type.element == ElementType::f32 &&
         (v->type.is_scalar() || register_count(v) / plan.blocks <= kMostInputs);
}

// Sums are divided like products, in place by instructions.
void Emitter::begin_accumulators(const FoldPlan& plan) {
  in_ptx_ = names_accumulators(plan);
  if (!in_ptx_) return;
  for (const ir::Value* v : plan.fold->results) {
    const int count = family_->register_count(v->type.axes, {});
    const int size =
        plan.in_place ? plan_.find_dot(plan.pipelined_dots[0])->shape.n / 2 : count / plan.blocks;
    accumulators_[names_.at(v)] = new_accumulators(size, count / size);
  }
}

// Sums are zero where a fold has no trips, and before the loops that only add to them.
void Emitter::clear_sums(const FoldPlan& plan) {
  for (const ir::Value* v : plan.fold->results) {
    const Accumulators& a = accumulators_.at(names_.at(v));
    std::vector<std::string> lines;
    for (int i = 0; i < a.size; ++i) lines.push_back(fmt::format("mov.b32 acc%0_{}, 0;", i));
    const std::string name = fmt::format("clear_{}", a.size);
    need_function(statement("int Acc", name, "", lines, "::\"n\"(Acc)"));
    for (int i = 0; i < a.count; ++i) out_.line("{}<{}>();", name, a.first + i);
  }
}

// What follows the fold has its sums in arrays.
void Emitter::read_sums(const FoldPlan& plan) {
  for (const ir::Value* v : plan.fold->results) {
    const Accumulators& a = accumulators_.at(names_.at(v));
    std::vector<std::string> lines;
    std::string outputs;
    for (int i = 0; i < a.size; ++i) {
      lines.push_back(fmt::format("mov.b32 %{0}, acc%{1}_{0};", i, a.size));
      outputs += fmt::format("{}\"=f\"(x[At + {}])", i ? ", " : "", i);
    }
    const std::string name = fmt::format("read_{}", a.size);
    need_function(statement("int Acc, int At, int N", name, "float (&x)[N]", lines,
                            fmt::format(": {} : \"n\"(Acc)", outputs)));
    for (int i = 0; i < a.count; ++i)
      out_.line("{}<{}, {}>({});", name, a.first + i, i * a.size, names_.at(v));
    accumulators_.erase(names_.at(v));
  }
}

// Values of one element: registers of PTX's, operands of the statement, or what it computes.
struct Emitter::Promotion {
  const FoldPlan& plan;
  std::vector<int> accumulators;  ///< the operands' numbers begin with these, then come the inputs
  std::vector<std::string> lines, inputs;
  std::map<std::pair<const ir::Value*, int>, int> known;  ///< places among the inputs
  std::map<const ir::Value*, std::string> computed;       ///< of the element
  std::map<std::string, int> digits;                      ///< of the element
  int temporaries = 0, most_temporaries = 0;
};

// Which register of a value's belongs to an element.
int Emitter::register_number(const ir::Value* v, const std::map<std::string, int>& digits) {
  return family_of(v).register_number(v->type.axes, analysis_.runs(v), digits);
}

std::string Emitter::accumulator_name(const Promotion& p, const std::string& array,
                                      int number) const {
  const Accumulators& a = accumulators_.at(array);
  const auto at =
      std::find(p.accumulators.begin(), p.accumulators.end(), a.first + number / a.size);
  return fmt::format("acc%{}_{}", at - p.accumulators.begin(), number % a.size);
}

std::string Emitter::promoted(Promotion& p, const ir::Value* v, const std::string& to) {
  const FoldPlan& plan = p.plan;
  if (const int place = carried_place(plan, v); place >= 0) {
    if (from_zero_) return "0f00000000";
    const ir::Value* sum = plan.fold->results[static_cast<std::size_t>(place)];
    return accumulator_name(p, names_.at(sum), register_number(sum, p.digits));
  }
  if (v->def != nullptr && is_product(plan, *v->def))
    return accumulator_name(p, names_.at(v), register_number(v, p.digits));
  if (is_outer(v)) return accumulator_name(p, names_.at(v), register_number(v, p.digits) ^ 1);
  if (is_step(plan, v)) {
    if (const auto done = p.computed.find(v); done != p.computed.end()) return done->second;
    std::vector<std::string> operands;
    for (const ir::Value* x : v->def->operands) operands.push_back(promoted(p, x, ""));
    const std::string result = to.empty() ? fmt::format("t{}", p.temporaries++) : to;
    p.most_temporaries = std::max(p.most_temporaries, p.temporaries);
    p.lines.push_back(
        fmt::format("{} {}, {};", instruction(v->def->kind), result, fmt::join(operands, ", ")));
    return p.computed[v] = result;
  }
  const int number = v->type.is_scalar() ? 0 : register_number(v, p.digits);
  const auto [at, isnew] = p.known.try_emplace({v, number}, static_cast<int>(p.inputs.size()));
  if (isnew) {
    p.inputs.push_back(v->type.is_scalar() ? expr(v) : fmt::format("{}[{}]", names_.at(v), number));
  }
  return fmt::format("%{}", static_cast<int>(p.accumulators.size()) + at->second);
}

// Adds a block's products to the sums: what depends on the trip's dots, in one statement.
void Emitter::promote(const FoldPlan& plan) {
  Promotion p{plan, block_accumulators(plan), {}, {}, {}, {}, {}, 0, 0};
  const auto& sums = plan.fold->regions[0]->ops.back()->operands;
  out_.open("{{");
  const auto inputs = compute_inputs(plan);
  // Several sums that are computed from each other have to be read before one is written.
  const bool is_one = sums.size() == 1;
  const ir::Value* products = plan.pipelined_dots[0]->result();
  const auto factors = family_of(products).registers(products->type.axes, {});
  for (int element = 0; element < register_count(products); ++element) {
    p.computed.clear();
    p.temporaries = 0;
    if (block_ >= 0) p.digits[block_digit_] = block_;
    for (int left = element; const Factor* f : factors) {
      p.digits[f->var] = left % f->size;
      left /= f->size;
    }
    std::vector<std::string> results;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const ir::Value* sum = plan.fold->results[i];
      const std::string to = accumulator_name(p, names_.at(sum), register_number(sum, p.digits));
      results.push_back(to);
      results.push_back(promoted(p, sums[i], is_one ? to : ""));
    }
    for (std::size_t i = 0; !is_one && i < results.size(); i += 2)
      p.lines.push_back(fmt::format("mov.b32 {}, {};", results[i], results[i + 1]));
  }
  print_promotion(p);
  for (const ir::Value* v : inputs) names_.erase(v);
  out_.close();
}

// The accumulators of a block's sums and products.
std::vector<int> Emitter::block_accumulators(const FoldPlan& plan) const {
  std::vector<int> all;
  for (const ir::Value* v : plan.fold->results)
    all.push_back(accumulators_.at(names_.at(v)).first + std::max(block_, 0));
  const auto add = [&](const ir::Value* v) {
    const Accumulators& a = accumulators_.at(names_.at(v));
    for (int i = 0; i < a.count; ++i) all.push_back(a.first + i);
  };
  for (const ir::Op* op : plan.pipelined_dots) add(op->result());
  if (plan.outer) add(plan.outer->op->result());
  return all;
}

// Of what the statement reads, tiles that aren't in registers yet.
std::vector<const ir::Value*> Emitter::compute_inputs(const FoldPlan& plan) {
  std::vector<const ir::Value*> computed;
  std::function<void(const ir::Value*)> visit = [&](const ir::Value* v) {
    if (v->def == nullptr || is_outer(v) || is_product(plan, *v->def)) return;
    if (is_step(plan, v)) {
      for (const ir::Value* x : v->def->operands) visit(x);
    } else if (!v->type.is_scalar() && names_.count(v) == 0) {
      materialize(*v->def);
      computed.push_back(v);
    }
  };
  for (const ir::Value* v : plan.fold->regions[0]->ops.back()->operands) visit(v);
  return computed;
}

// The statement as a function, which trips and blocks share, and the call.
void Emitter::print_promotion(const Promotion& p) {
  std::vector<std::string> lines = p.lines, operands, parameters, templates;
  if (p.most_temporaries > 0)
    lines.insert(lines.begin(), fmt::format("{{.reg .f32 t<{}>;", p.most_temporaries));
  if (p.most_temporaries > 0) lines.emplace_back("}");
  for (std::size_t i = 0; i < p.accumulators.size(); ++i) {
    templates.push_back(fmt::format("int A{}", i));
    operands.push_back(fmt::format("\"n\"(A{})", i));
  }
  for (std::size_t i = 0; i < p.inputs.size(); ++i) {
    parameters.push_back(fmt::format("float x{}", i));
    operands.push_back(fmt::format("\"f\"(x{})", i));
  }
  const auto text = [&](const std::string& name) {
    return statement(fmt::format("{}", fmt::join(templates, ", ")), name,
                     fmt::format("{}", fmt::join(parameters, ", ")), lines,
                     fmt::format("::{}", fmt::join(operands, ", ")));
  };
  const std::string name = fmt::format(
      "promote_{}", promotions_.try_emplace(text(""), promotions_.size()).first->second);
  need_function(text(name));
  out_.line("{}<{}>({});", name, fmt::join(p.accumulators, ", "), fmt::join(p.inputs, ", "));
}

}  // namespace octile::cuda
