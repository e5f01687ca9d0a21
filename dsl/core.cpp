#include "octile/dsl/core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "octile/codegen/ir/builder.hpp"

namespace octile::detail::core {
namespace {

/// The kernel being traced by this thread.
struct Session {
  explicit Session(std::string name)
      : function(std::make_shared<ir::Function>(std::move(name))), builder(*function) {}

  std::shared_ptr<ir::Function> function;
  ir::Builder builder;
  std::string location;  ///< "file:line" of the last statement, as the compiler names the file
};

thread_local Session* current = nullptr;

Session& session() {
  if (current == nullptr) {
    throw ir::Error(
        "octile: tile expressions are only meaningful inside the function given to kernel()");
  }
  return *current;
}

ir::Builder& builder() {
  return session().builder;
}

ir::AxisId axis_id(axis_key axis) {
  return builder().axis(std::string(axis.name), axis.extent);
}

bool stores_to(const ir::Region& region, ir::ParamId param) {
  for (const ir::Op* op : region.ops) {
    if (op->kind == ir::OpKind::store && op->attr.index == param) return true;
    for (const ir::Region* nested : op->regions) {
      if (stores_to(*nested, param)) return true;
    }
  }
  return false;
}

void check_complete(const ir::Function& function) {
  if (function.grid.empty()) {
    throw ir::Error("it has no grid: return grid(M / BM, [=](auto i) { ... }) from its function");
  }
  for (std::size_t i = 0; i < function.params.size(); ++i) {
    const ir::Param& param = function.params[i];
    if (param.is_tensor && param.access == ir::Access::out &&
        !stores_to(*function.body, static_cast<ir::ParamId>(i))) {
      throw ir::Error(fmt::format("out parameter '{}' is never stored to: store({}(...), value)",
                                  param.name, param.name));
    }
  }
}

// A tensor's place that is only stored to, or read with other(), leaves a load that nothing uses.
class Pruner {
 public:
  explicit Pruner(ir::Function& function) : function_(function) {
    count(*function.body);
    for (const ir::Value* extent : function.grid) ++uses_[extent];
  }
  void run() { prune(*function_.body); }

 private:
  void count(const ir::Region& region) {
    for (const ir::Op* op : region.ops) {
      for (const ir::Value* operand : op->operands) ++uses_[operand];
      for (const ir::Region* nested : op->regions) count(*nested);
    }
  }

  void prune(ir::Region& region) {
    for (auto op = region.ops.rbegin(); op != region.ops.rend(); ++op) {
      for (ir::Region* nested : (*op)->regions) prune(*nested);
      if (!removable(**op)) continue;
      for (const ir::Value* operand : (*op)->operands) --uses_[operand];
      *op = nullptr;
    }
    std::erase(region.ops, nullptr);
  }

  bool removable(const ir::Op& op) {
    const bool value = ir::info(op.kind).pure || op.kind == ir::OpKind::load;
    return value && uses_[op.result()] == 0;
  }

  ir::Function& function_;
  std::unordered_map<const ir::Value*, int> uses_;
};

// Whether the value is never negative, as far as a short look at its operations tells.
bool is_non_negative(const ir::Value* value, int depth = 8) {
  const ir::Op* op = value->def;
  if (op == nullptr) return value->index == 0;  // a fold's index, not what it carries
  if (depth == 0) return false;
  const auto operand = [&](int i) { return is_non_negative(op->operand(i), depth - 1); };
  switch (op->kind) {
    case ir::OpKind::constant:
      return op->attr.int_value >= 0;
    case ir::OpKind::dim:
    case ir::OpKind::axis_extent:
    case ir::OpKind::grid_index:
    case ir::OpKind::iota:
      return true;
    case ir::OpKind::add:
    case ir::OpKind::mul:
    case ir::OpKind::div:
    case ir::OpKind::ceil_div:
    case ir::OpKind::min:
      return operand(0) && operand(1);
    case ir::OpKind::rem:
      return operand(0);
    case ir::OpKind::max:
      return operand(0) || operand(1);
    default:
      return false;
  }
}

bool is_statement(const ir::Op& op) {
  return op.kind == ir::OpKind::store || op.kind == ir::OpKind::fold;
}

void add_operands(const ir::Op& op, std::unordered_set<const ir::Value*>& values) {
  values.insert(op.operands.begin(), op.operands.end());
  for (const ir::Region* region : op.regions) {
    for (const ir::Op* inner : region->ops) add_operands(*inner, values);
  }
}

// Moves `op` behind `previous` if it stands before it, and with it what was computed for it alone,
// so that as little as possible is alive in between.
void move_behind(const ir::Op& previous, ir::Op& op) {
  std::vector<ir::Op*>& ops = op.parent->ops;
  const auto after = std::find(ops.begin(), ops.end(), &previous);
  const auto at = std::find(ops.begin(), after, &op);
  if (at == after) return;
  const ir::Function& function = *session().function;
  std::unordered_set<const ir::Value*> needed(function.grid.begin(), function.grid.end());
  add_operands(previous, needed);
  std::vector<ir::Op*> moved{&op};
  for (auto i = after; i != ops.begin();) {
    ir::Op* x = *--i;
    if (x == &op) {
      *i = nullptr;
      continue;
    }
    if (i < at && is_statement(*x)) break;
    const bool free =
        ir::info(x->kind).pure ||
        (x->kind == ir::OpKind::load &&
         function.params[static_cast<std::size_t>(x->attr.index)].access == ir::Access::in);
    if (free && !needed.contains(x->result())) {
      moved.push_back(x);
      *i = nullptr;
    } else {
      add_operands(*x, needed);
    }
  }
  ops.insert(after + 1, moved.rbegin(), moved.rend());
  std::erase(ops, nullptr);
}

// A value of the type that `carried` has in the body. Not meant to be computed: the builder widens
// a fold's argument to what a first call of the body returns.
ir::Value* widened(const carried_spec& carried) {
  ir::Value* value = carried.init;
  for (std::size_t i = 0; i < carried.axis_count; ++i) {
    const ir::AxisId axis = axis_id(carried.axes[i]);
    if (value->type.has_axis(axis)) continue;
    ir::Value* index = builder().iota(axis);
    value =
        builder().select(builder().binary(ir::OpKind::cmp_eq, index, index), carried.init, value);
  }
  return value;
}

}  // namespace

std::shared_ptr<const ir::Function> trace(std::string name, const callback<void>& body) {
  Session session(std::move(name));
  struct Scope {
    Session* saved;
    ~Scope() { current = saved; }
  } scope{std::exchange(current, &session)};
  try {
    body();
    check_complete(*session.function);
    Pruner(*session.function).run();
  } catch (const ir::Error& error) {
    const std::string at = session.location.empty() ? "" : " near " + session.location;
    throw ir::Error(
        fmt::format("octile: kernel '{}'{}: {}", session.function->name, at, error.what()));
  }
  return session.function;
}

void here(const std::source_location& location) {
  Session& s = session();
  s.location = fmt::format("{}:{}", location.file_name(), location.line());
  // The IR holds no paths of the machine that it was traced on.
  const std::size_t slash = s.location.find_last_of("/\\");
  s.builder.set_location(slash == std::string::npos ? s.location : s.location.substr(slash + 1));
}

namespace {

void check_new(std::string_view name) {
  if (session().function->find_param(name) >= 0) {
    throw ir::Error(fmt::format("parameter '{}' is declared twice: rename one", name));
  }
}

}  // namespace

ir::ParamId declare_tensor(std::string_view name, ElementType element, ir::Access access,
                           const extent_spec* shape, std::size_t rank) {
  check_new(name);
  ir::Param param{std::string(name), element, true, access, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    const ir::DimId dim = shape[i].dim.empty() ? -1 : builder().dim(std::string(shape[i].dim));
    param.shape.push_back({dim, shape[i].constant, shape[i].divisor});
  }
  return builder().tensor(std::move(param));
}

handle declare_scalar(std::string_view name, ElementType element) {
  check_new(name);
  return builder().scalar_param(builder().scalar(std::string(name), element));
}

void set_grid(const handle* extents, std::size_t count) {
  if (!session().function->grid.empty()) {
    throw ir::Error("it has a second grid: a kernel has one; make two kernels");
  }
  builder().set_grid({extents, extents + count});
}

handle number(ElementType element, double value) {
  const bool narrow = is_float(element) && element != ElementType::f32;
  if (!narrow) return builder().constant(element, value);
  return builder().cast(element, builder().constant(ElementType::f32, value));
}

handle integer(ElementType element, std::int64_t value) {
  if (is_float(element)) return number(element, static_cast<double>(value));
  return builder().constant_int(element, value);
}

handle dim_value(std::string_view name) {
  const ir::DimId dim = session().function->find_dim(name);
  if (dim < 0) {
    throw ir::Error(
        fmt::format("dim '{}' is the extent of no tensor parameter: a launch takes problem sizes "
                    "from its tensors; pass it as scalar<i64>(\"{}\")",
                    name, name));
  }
  return builder().dim_value(dim);
}

handle axis_extent(axis_key axis) {
  if (axis.extent > 0) return builder().constant_int(ElementType::i64, axis.extent);
  return builder().axis_extent(axis_id(axis));
}

handle grid_index(int position) {
  return builder().grid_index(position);
}

handle iota(axis_key axis) {
  return builder().iota(axis_id(axis));
}

handle span_from(axis_key axis, handle start) {
  return builder().binary(ir::OpKind::add, start, iota(axis));
}

handle block(axis_key axis, handle block) {
  ir::Value* extent = builder().axis_extent(axis_id(axis));
  return span_from(axis, builder().binary(ir::OpKind::mul, block, extent));
}

handle floor_div(handle x, std::int64_t divisor) {
  ir::Value* d = builder().constant_int(ElementType::i64, divisor);
  ir::Value* quotient = builder().binary(ir::OpKind::div, x, d);
  if (is_non_negative(x)) return quotient;
  // Division truncates: below zero, round away from it.
  ir::Value* lower =
      builder().binary(ir::OpKind::sub, x, builder().constant_int(ElementType::i64, divisor - 1));
  ir::Value* negative =
      builder().binary(ir::OpKind::cmp_lt, x, builder().constant_int(ElementType::i64, 0));
  return builder().select(negative, builder().binary(ir::OpKind::div, lower, d), quotient);
}

handle unary(ir::OpKind kind, handle x) {
  return builder().unary(kind, x);
}

handle binary(ir::OpKind kind, handle x, handle y) {
  return builder().binary(kind, x, y);
}

handle fma(handle a, handle b, handle c) {
  return builder().fma(a, b, c);
}

handle select(handle condition, handle x, handle y) {
  return builder().select(condition, x, y);
}

handle cast(ElementType to, handle x) {
  return builder().cast(to, x);
}

handle bitcast(ElementType to, handle x) {
  return builder().bitcast(to, x);
}

handle load(ir::ParamId tensor, const handle* indices, std::size_t rank, handle other) {
  return builder().load(tensor, {indices, indices + rank}, other);
}

ir::Op* store(ir::ParamId tensor, const handle* indices, std::size_t rank, handle value,
              handle mask) {
  builder().store(tensor, {indices, indices + rank}, value, mask);
  return builder().insertion_region()->ops.back();
}

std::vector<ir::Op*> in_order(std::initializer_list<const std::vector<ir::Op*>*> lists) {
  std::vector<ir::Op*> statements;
  for (const std::vector<ir::Op*>* list : lists)
    statements.insert(statements.end(), list->begin(), list->end());
  const ir::Op* previous = nullptr;
  for (ir::Op* op : statements) {
    if (previous != nullptr && op->parent == previous->parent) move_behind(*previous, *op);
    previous = op;
  }
  return statements;
}

handle dot(handle a, handle b, axis_key axis, bool fast_accumulate) {
  return builder().dot(a, b, axis_id(axis), fast_accumulate);
}

handle reduce(ir::ReduceKind kind, handle x, axis_key axis, std::int64_t group) {
  return builder().reduce(kind, x, axis_id(axis), group);
}

ir::Op* fold(handle trip_count, const carried_spec* carried, std::size_t count,
             const fold_body& body, handle* last) {
  std::vector<ir::Value*> init;
  bool wide = true;
  for (std::size_t i = 0; i < count; ++i) {
    init.push_back(carried[i].init);
    wide = wide && carried[i].init->type.axes.size() == carried[i].axis_count;
  }
  const auto run = [&](ir::Value* index, const std::vector<ir::Value*>& arguments) {
    std::vector<ir::Value*> results(count);
    if (std::exchange(wide, true)) {
      body(index, arguments.data(), results.data());
    } else {
      for (std::size_t i = 0; i < count; ++i) results[i] = widened(carried[i]);
    }
    return results;
  };
  const std::vector<ir::Value*> results = builder().fold(trip_count, init, run);
  std::copy(results.begin(), results.end(), last);
  return builder().insertion_region()->ops.back();
}

}  // namespace octile::detail::core
