// Expressions over one element, and values kept in register arrays.
#include <algorithm>
#include <cmath>
#include <limits>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

std::string_view register_type(ElementType type) {
  return info(type).cuda_name;
}

std::string Emitter::name_of(const ir::Value* value) {
  std::string hint = value->name;
  if (hint.empty()) {
    hint = "v";
    if (value->def != nullptr) {
      const ir::Op& op = *value->def;
      hint = op.kind == OpKind::load
                 ? function_.params[static_cast<std::size_t>(op.attr.index)].name
                 : std::string(ir::info(op.kind).name);
    }
  }
  // Apart from what the frame of the kernel names so.
  for (std::string_view taken : {"grid", "extent", "tiles", "map", "trips"}) {
    if (hint == taken) hint += "_value";
  }
  return fmt::format("{}_{}", hint, value->id);
}

bool Emitter::is_inline(const ir::Value* value) const {
  const ir::Op& op = *value->def;
  if (op.operands.empty()) return true;
  if (!ir::info(op.kind).elementwise) return false;
  if (analysis_.affine(value) && !value->type.is_scalar()) return true;
  auto users = users_.find(value);
  if (users == users_.end() || users->second.size() != 1) return false;
  const ir::Op& user = *users->second[0];
  if (user.parent != op.parent || user.kind == OpKind::fold) return false;
  // A smaller tile is computed once, not in every register of the tile it is broadcast into.
  bool smaller = !user.results.empty() && user.result()->type.axes.size() > value->type.axes.size();
  return !smaller || op.operands.size() < 2;
}

// The store, or the value kept in registers, that all uses of an elementwise value end in, element
// by element; or null. Such a value is computed there: a register at a time, not a tile of them.
const ir::Op* Emitter::only_end(const ir::Value* value) {
  if (const auto known = only_ends_.find(value); known != only_ends_.end()) return known->second;
  only_ends_[value] = nullptr;
  const auto users = users_.find(value);
  if (value->def == nullptr || !ir::info(value->def->kind).elementwise || value->type.is_scalar() ||
      users == users_.end())
    return nullptr;
  const ir::Op* last = nullptr;
  for (const ir::Op* user : users->second) {
    const ir::Op* end = user->parent == value->def->parent ? end_of_use(value, *user) : nullptr;
    if (end == nullptr || (last != nullptr && end != last)) return nullptr;
    last = end;
  }
  return only_ends_[value] = last;
}

const ir::Op* Emitter::end_of_use(const ir::Value* value, const ir::Op& user) {
  if (user.kind == OpKind::store) {
    const auto rank = function_.params[static_cast<std::size_t>(user.attr.index)].shape.size();
    const auto uses = std::count(user.operands.begin(), user.operands.end(), value);
    return uses == 1 && user.operands[rank] == value ? &user : nullptr;
  }
  const ir::Value* result = user.results.size() == 1 ? user.result() : nullptr;
  if (result == nullptr || !ir::info(user.kind).elementwise ||
      result->type.axes != value->type.axes || analysis_.runs(result) != analysis_.runs(value))
    return nullptr;
  if (const ir::Op* end = only_end(result)) return end;
  return is_inline(result) ? nullptr : &user;
}

// Names what several parts of an element's expression use, for as long as that is printed.
void Emitter::begin_element(const ir::Value* value) {
  const ir::Op* op = value->def;
  if (names_.count(value) != 0 || value == held_ || op == nullptr ||
      !ir::info(op->kind).elementwise)
    return;
  for (const ir::Value* operand : op->operands) begin_element(operand);
  if (is_inline(value) || only_end(value) == nullptr) return;
  out_.line("const {} {} = {};", register_type(value->type.element), name_of(value), op_expr(*op));
  names_[value] = name_of(value);
  element_values_.insert(value);
}

void Emitter::end_element() {
  for (const ir::Value* value : element_values_) names_.erase(value);
  element_values_.clear();
}

void Emitter::region(const ir::Region& region) {
  for (const ir::Op* op : region.ops) operation(*op);
}

// A fold also runs for the stores in it, whatever becomes of its results.
bool Emitter::is_needed(const ir::Op& op) const {
  bool needed = std::any_of(op.results.begin(), op.results.end(),
                            [&](const ir::Value* v) { return needed_.count(v) != 0; });
  if (op.kind == OpKind::fold && !needed) {
    ir::for_each_op(*op.regions[0], [&](const ir::Op& x) { needed |= x.kind == OpKind::store; });
  }
  return needed;
}

void Emitter::operation(const ir::Op& op) {
  if (plan_.mma_sync) fill_early(op);
  if (op.kind == OpKind::store) return store(op);
  if (op.kind == OpKind::yield) return;
  if (!is_needed(op)) return;
  switch (op.kind) {
    case OpKind::load:
      return load(op);
    case OpKind::dot:
      return is_reduction(op) ? dot_by_reduction(op) : dot(op);
    case OpKind::reduce:
      return reduce(op);
    case OpKind::fold:
      return op.results.empty() && plan_.find_fold(&op) == nullptr ? loop(op) : fold(op);
    default:
      if (!is_inline(op.result()) && only_end(op.result()) == nullptr) materialize(op);
  }
}

// A fold that carries nothing.
void Emitter::loop(const ir::Op& op) {
  const ir::Value* index = op.regions[0]->args[0];
  names_[index] = name_of(index);
  out_.open("for (long long {0} = 0, {0}_end = {1}; {0} < {0}_end; ++{0}) {{", names_[index],
            expr(op.operand(0)));
  region(*op.regions[0]);
  out_.close();
}

std::vector<const Factor*> Emitter::registers(const ir::Value* value) {
  return family_->registers(value->type.axes, analysis_.runs(value));
}

// Refuses a tile whose axes are walked by the same threads: some of its elements have no home.
void Emitter::require_home(const std::vector<ir::AxisId>& axes) const {
  if (family_->is_consistent(axes)) return;
  std::string names;
  for (ir::AxisId axis : axes) {
    names += (names.empty() ? "" : ", ") + function_.axes[static_cast<std::size_t>(axis)].name;
  }
  throw ir::Error(fmt::format(
      "kernel '{}': a tile over the axes {} is kept in registers, but its dots place two "
      "of them on the same side of the tensor core; index that tile with axes of its "
      "own, or split the kernel",
      function_.name, names));
}

// Declares the register array (or scalar) of a value and gives it its name.
std::string Emitter::declare(const ir::Value* value) {
  require_home(value->type.axes);
  std::string name = name_of(value);
  std::string_view type = register_type(value->type.element);
  if (!value->type.is_scalar()) {
    out_.line("{} {}[{}];", type, name, register_count(value));
  } else {
    out_.line("{} {};", type, name);
  }
  names_[value] = name;
  return name;
}

void Emitter::materialize(const ir::Op& op) {
  const ir::Value* v = op.result();
  if (v->type.is_scalar()) {
    std::string text = op_expr(op);
    std::string name = name_of(v);
    out_.line("const {} {} = {};", register_type(v->type.element), name, text);
    names_[v] = name;
    return;
  }
  std::string name = declare(v);
  int loops = open_loops(v->type.axes, analysis_.runs(v));
  for (const ir::Value* operand : op.operands) begin_element(operand);
  out_.line("{}[{}] = {};", name, register_index(v), op_expr(op));
  end_element();
  close_loops(loops);
}

const Family& Emitter::family_of(const ir::Value* value) const {
  return block_values_.count(value) != 0 ? block_family_ : *family_;
}

int Emitter::register_count(const ir::Value* value) {
  return family_of(value).register_count(value->type.axes, analysis_.runs(value));
}

std::string Emitter::register_index(const ir::Value* value) {
  return family_of(value).register_index(value->type.axes, analysis_.runs(value));
}

int Emitter::open_loops(const std::vector<const Factor*>& factors) {
  for (auto it = factors.rbegin(); it != factors.rend(); ++it) {
    if (block_ >= 0 && (*it)->var == block_digit_) {
      out_.open("{{");
      out_.line("constexpr int {} = {};", block_digit_, block_);
      continue;
    }
    out_.line("#pragma unroll");
    out_.open("for (int {0} = 0; {0} < {1}; ++{0}) {{", (*it)->var, (*it)->size);
  }
  return static_cast<int>(factors.size());
}

int Emitter::open_loops(const std::vector<ir::AxisId>& axes, const Runs& runs, const Factor* zero) {
  auto digits = family_->registers(axes, runs);
  std::vector<const Factor*> zeros;
  for (const Factor* f : family_->registers(axes, {})) {
    if (f == zero || std::find(digits.begin(), digits.end(), f) == digits.end()) zeros.push_back(f);
  }
  std::erase(digits, zero);
  int count = open_loops(digits);
  if (zeros.empty()) return count;
  out_.open("{{");
  for (const Factor* f : zeros) out_.line("constexpr int {} = 0;", f->var);
  return count + 1;
}

// NVRTC takes longer to unroll a nest of loops.
int Emitter::open_loop(const std::vector<ir::AxisId>& axes) {
  const auto digits = family_->registers(axes, {});
  if (digits.size() < 2) return open_loops(digits);
  int elements = 1;
  std::vector<std::string> values;
  for (const Factor* f : digits) {
    if (block_ >= 0 && f->var == block_digit_) {
      values.push_back(fmt::format("{} = {}", f->var, block_));
      continue;
    }
    values.push_back(fmt::format("{} = element / {} % {}", f->var, elements, f->size));
    elements *= f->size;
  }
  out_.line("#pragma unroll");
  out_.open("for (int element = 0; element < {}; ++element) {{", elements);
  out_.line("const int {};", fmt::join(values, ", "));
  return 1;
}

void Emitter::close_loops(int count) {
  for (int i = 0; i < count; ++i) out_.close();
}

std::string Emitter::expr(const ir::Value* value) {
  if (value == held_) return fmt::format("held[{}]", held_digit_);
  auto named = names_.find(value);
  if (named != names_.end() && (value->type.is_scalar() || point_ == nullptr)) {
    if (value->type.is_scalar() || element_values_.count(value) != 0) return named->second;
    return fmt::format("{}[{}]", named->second,
                       is_outer(value) ? outer_index(value) : register_index(value));
  }
  if (value->def == nullptr || value->def->kind == OpKind::fold) {
    throw ir::Error(
        fmt::format("kernel '{}': value %{} has no registers here", function_.name, value->id));
  }
  return op_expr(*value->def);
}

std::string Emitter::constant_text(const ir::Op& op) const {
  ElementType type = op.result()->type.element;
  // The least integers have no literals of their own.
  if (type == ElementType::i64 && op.attr.int_value == std::numeric_limits<std::int64_t>::min())
    return "(-9223372036854775807ll - 1)";
  if (type == ElementType::i32 && op.attr.int_value == std::numeric_limits<std::int32_t>::min())
    return "(-2147483647 - 1)";
  if (type == ElementType::i64) return fmt::format("{}ll", op.attr.int_value);
  if (type == ElementType::b1)
    return op.attr.int_value != 0 || op.attr.float_value != 0 ? "true" : "false";
  if (!is_float(type)) return fmt::format("{}", op.attr.int_value);
  double x = op.attr.float_value;
  if (std::isnan(x)) return "__int_as_float(0x7fffffff)";
  if (std::isinf(x)) return x > 0 ? "__int_as_float(0x7f800000)" : "__int_as_float(0xff800000)";
  std::string text = fmt::format("{:.9g}", static_cast<float>(x));
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + "f";
}

std::string Emitter::cast_expr(const ir::Op& op) {
  ElementType from = op.operand(0)->type.element, to = op.result()->type.element;
  std::string x = expr(op.operand(0));
  auto narrow = [](ElementType t) { return is_float(t) && t != ElementType::f32; };
  if (from == to) return x;
  if (narrow(from)) x = fmt::format("{}_to_f32({})", info(from).name, x);
  if (narrow(to)) {
    if (!is_float(from)) x = fmt::format("float({})", x);
    return fmt::format("f32_to_{}({})", info(to).name, x);
  }
  if (to == ElementType::f32) return is_float(from) ? x : fmt::format("float({})", x);
  if (is_float(from)) {
    if (to == ElementType::i32) return fmt::format("__float2int_rz({})", x);
    if (to == ElementType::i64) return fmt::format("f32_to_i64({})", x);
    if (to == ElementType::b1) return fmt::format("({} != 0.0f)", x);
    return fmt::format("f32_to_u8({})", x);
  }
  if (to == ElementType::b1) return fmt::format("({} != 0)", x);
  return fmt::format("(({})({}))", register_type(to), x);
}

// Whether signed C++ arithmetic, whose overflow is undefined, could overflow here. Indices can't,
// and stay signed for the sake of the compiler's view of them.
bool Emitter::may_wrap(const ir::Op& op) {
  ElementType type = op.result()->type.element;
  if (is_float(type)) return false;
  return analysis_.magnitude_bits(op.result()) > 8 * size_in_bytes(type) - 1;
}

// `x o y`, or `o x`, modulo 2 to the width.
std::string Emitter::wrapping(const ir::Op& op, std::string_view o) {
  bool wide = op.result()->type.element == ElementType::i64;
  std::string_view type = wide ? "u64" : "u32";
  std::string text = fmt::format("{}{}({})", o, type, expr(op.operand(0)));
  if (op.operands.size() == 2) {
    text = fmt::format("{}({}) {} {}({})", type, expr(op.operand(0)), o, type, expr(op.operand(1)));
  }
  return fmt::format("(({})({}))", wide ? "long long" : "int", text);
}

std::string Emitter::op_expr(const ir::Op& op) {
  bool f32 = !op.operands.empty() && is_float(op.operand(0)->type.element);
  auto x = [&](int i) { return expr(op.operand(i)); };
  auto call = [&](std::string_view f) { return fmt::format("{}({})", f, x(0)); };
  auto infix = [&](std::string_view o) { return fmt::format("({} {} {})", x(0), o, x(1)); };
  auto call2 = [&](std::string_view f) { return fmt::format("{}({}, {})", f, x(0), x(1)); };
  switch (op.kind) {
    case OpKind::constant:
      return constant_text(op);
    case OpKind::scalar_param:
      return function_.params[static_cast<std::size_t>(op.attr.index)].name + "_p";
    case OpKind::dim:
      return function_.dims[static_cast<std::size_t>(op.attr.index)] + "_dim";
    case OpKind::axis_extent:
      return fmt::format("{}ll", analysis_.extent(op.attr.axis));
    case OpKind::grid_index:
      return fmt::format("grid_{}", op.attr.index);
    case OpKind::iota:
      if (point_ != nullptr) return fmt::format("(long long)({})", point_->at(op.attr.axis));
      return fmt::format("(long long){}", family_->coordinate(op.attr.axis));
    case OpKind::neg:
      return may_wrap(op) ? wrapping(op, "-") : fmt::format("(-{})", x(0));
    case OpKind::abs:
      if (may_wrap(op)) return fmt::format("({} < 0 ? {} : {})", x(0), wrapping(op, "-"), x(0));
      return call(f32 ? "fabsf" : "int_abs");
    case OpKind::exp:
      return call("expf");
    case OpKind::exp2:
      return call("power_of_2");
    case OpKind::log:
      return call("logf");
    case OpKind::log2:
      return call("log2f");
    case OpKind::sqrt:
      return call("sqrtf");
    case OpKind::rsqrt:
      return call("rsqrtf");
    case OpKind::tanh:
      return call("tanhf");
    case OpKind::sigmoid:
      return call("sigmoidf");
    case OpKind::erf:
      return call("erff");
    case OpKind::floor:
      return call("floorf");
    case OpKind::logical_not:
      return fmt::format("(!{})", x(0));
    case OpKind::add:
      return may_wrap(op) ? wrapping(op, "+") : infix("+");
    case OpKind::sub:
      return may_wrap(op) ? wrapping(op, "-") : infix("-");
    case OpKind::mul:
      return may_wrap(op) ? wrapping(op, "*") : infix("*");
    case OpKind::div:
      return infix("/");
    case OpKind::rem:
      return f32 ? call2("fmodf") : infix("%");
    case OpKind::min:
      return call2(f32 ? "fminf" : "int_min");
    case OpKind::max:
      return call2(f32 ? "fmaxf" : "int_max");
    case OpKind::ceil_div:
      return call2("ceil_div");
    case OpKind::logical_and:
      return infix("&&");
    case OpKind::logical_or:
      return infix("||");
    case OpKind::cmp_eq:
      return infix("==");
    case OpKind::cmp_ne:
      return infix("!=");
    case OpKind::cmp_lt:
      return infix("<");
    case OpKind::cmp_le:
      return infix("<=");
    case OpKind::cmp_gt:
      return infix(">");
    case OpKind::cmp_ge:
      return infix(">=");
    case OpKind::fma:
      return fmt::format("fmaf({}, {}, {})", x(0), x(1), x(2));
    case OpKind::select:
      return fmt::format("({} ? {} : {})", x(0), x(1), x(2));
    case OpKind::cast:
      return cast_expr(op);
    case OpKind::bitcast:
      return fmt::format("bit_cast<{}>({})", register_type(op.result()->type.element), x(0));
    case OpKind::load:
      return element_load(op);
    default:
      break;
  }
  throw ir::Error(
      fmt::format("kernel '{}': '{}' can't be evaluated element by element in a dot's operand",
                  function_.name, ir::info(op.kind).name));
}

}  // namespace octile::cuda
