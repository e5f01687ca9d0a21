#include "octile/codegen/ir/printer.hpp"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

namespace octile::ir {
namespace {

/// Shortest text that reads back as the same float; always looks like a float.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", static_cast<float>(value));
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

class Printer {
 public:
  explicit Printer(const Function& function) : function_(function) {}

  std::string run() {
    line("program {}", quoted(function_.name));
    for (const std::string& dim : function_.dims) line("dim {}", dim);
    for (const Axis& axis : function_.axes) {
      line("axis {} = {}{}", axis.name, axis.is_bound() ? std::to_string(axis.extent) : "?",
           axis.is_literal ? " literal" : "");
    }
    for (const Param& param : function_.params) print_param(param);
    line("{{");
    ++depth_;
    print_ops(*function_.body);
    if (!function_.grid.empty()) line("grid {}", names(function_.grid, 0));
    --depth_;
    line("}}");
    return std::move(out_);
  }

 private:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_.append(static_cast<std::size_t>(2 * depth_), ' ');
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }

  void print_param(const Param& param) {
    const std::string_view element = octile::info(param.element).name;
    if (!param.is_tensor) return line("scalar {}: {}", param.name, element);
    std::string shape;
    for (const Extent& extent : param.shape) {
      shape += (shape.empty() ? "" : ", ") + to_string(function_, extent);
    }
    line("{} {}: {}[{}]", to_string(param.access), param.name, element, shape);
  }

  /// The value's name in the text: given once, distinct, a number where the program has none.
  const std::string& name(const Value* value) {
    std::string& text = names_[value];
    if (!text.empty()) return text;
    if (value->name.empty()) return text = fmt::format("%{}", next_number_++);
    std::string base = "%";
    // A number alone would read back as an unnamed value.
    if (std::isdigit(static_cast<unsigned char>(value->name[0])) != 0) base += '_';
    for (char c : value->name) base += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    std::string candidate = base;
    for (int suffix = 1; !taken_.insert(candidate).second; ++suffix) {
      candidate = fmt::format("{}_{}", base, suffix);
    }
    return text = candidate;
  }

  std::string names(const std::vector<Value*>& values, std::size_t first) {
    std::string text;
    for (std::size_t i = first; i < values.size(); ++i) {
      text += (i == first ? "" : ", ") + name(values[i]);
    }
    return text;
  }

  std::string typed(const Value* value) {
    return fmt::format("{}: {}", name(value), to_string(function_, value->type));
  }

  void print_ops(const Region& region) {
    for (const Op* op : region.ops) print_op(*op);
  }

  void print_op(const Op& op) {
    if (op.kind == OpKind::fold) return print_fold(op);
    std::string text;
    for (const Value* result : op.results) text += (text.empty() ? "" : ", ") + typed(result);
    if (!op.results.empty()) text += " = ";
    line("{}{}{}{}", text, info(op.kind).name, arguments(op), location(op));
  }

  std::string arguments(const Op& op) {
    const auto& attr = op.attr;
    switch (op.kind) {
      case OpKind::constant:
        return ' ' + (octile::is_float(op.result()->type.element) ? float_text(attr.float_value)
                                                                  : std::to_string(attr.int_value));
      case OpKind::scalar_param:
        return ' ' + param(attr.index);
      case OpKind::dim:
        return ' ' + function_.dims[static_cast<std::size_t>(attr.index)];
      case OpKind::grid_index:
        return fmt::format(" {}", attr.index);
      case OpKind::axis_extent:
      case OpKind::iota:
        return ' ' + axis(attr.axis);
      case OpKind::load:
        return load(op);
      case OpKind::store:
        return store(op);
      case OpKind::dot:
        return fmt::format(" {} over {}{}", names(op.operands, 0), axis(attr.axis),
                           attr.fast_accumulate ? " fast" : "");
      case OpKind::reduce:
        return fmt::format(" {} {} over {}{}", ir::name(attr.reduce), names(op.operands, 0),
                           axis(attr.axis),
                           attr.group > 0 ? fmt::format(" by {}", attr.group) : "");
      default:
        return op.operands.empty() ? "" : ' ' + names(op.operands, 0);
    }
  }

  const std::string& param(ParamId id) const {
    return function_.params[static_cast<std::size_t>(id)].name;
  }
  const std::string& axis(AxisId id) const {
    return function_.axes[static_cast<std::size_t>(id)].name;
  }

  std::string indices(const Op& op) {
    const std::size_t rank = function_.params[static_cast<std::size_t>(op.attr.index)].shape.size();
    const std::vector<Value*> head(op.operands.begin(),
                                   op.operands.begin() + static_cast<std::ptrdiff_t>(rank));
    return fmt::format(" {}[{}]", param(op.attr.index), names(head, 0));
  }

  std::string load(const Op& op) {
    std::string text = indices(op);
    if (op.attr.has_other) text += " other " + name(op.operands.back());
    return text;
  }

  std::string store(const Op& op) {
    const std::size_t rank = function_.params[static_cast<std::size_t>(op.attr.index)].shape.size();
    std::string text = indices(op) + ", " + name(op.operands[rank]);
    if (op.attr.has_mask) text += " mask " + name(op.operands.back());
    return text;
  }

  void print_fold(const Op& op) {
    const Region& body = *op.regions[0];
    std::string head;
    for (std::size_t i = 0; i < op.results.size(); ++i) {
      head += (i == 0 ? "" : ", ") + typed(op.results[i]);
    }
    if (!op.results.empty()) head += " = ";
    head += fmt::format("fold {} ({}", name(op.operands[0]), typed(body.args[0]));
    for (std::size_t i = 1; i < body.args.size(); ++i) {
      head += fmt::format(", {} = {}", typed(body.args[i]), name(op.operands[i]));
    }
    line("{}) {{{}", head, location(op));
    ++depth_;
    print_ops(body);
    --depth_;
    line("}}");
  }

  std::string location(const Op& op) const {
    return op.location.empty() ? "" : " @ " + quoted(op.location);
  }

  const Function& function_;
  std::string out_;
  int depth_ = 0;
  int next_number_ = 0;
  std::unordered_map<const Value*, std::string> names_;
  std::unordered_set<std::string> taken_;
};

}  // namespace

std::string to_string(const Function& function) {
  return Printer(function).run();
}

std::string to_string(const Function& function, const TileType& type) {
  std::string text(octile::info(type.element).name);
  for (std::size_t i = 0; i < type.axes.size(); ++i) {
    text += (i == 0 ? "[" : ", ") + function.axes[static_cast<std::size_t>(type.axes[i])].name;
  }
  return type.axes.empty() ? text : text + "]";
}

std::string to_string(const Function& function, const Extent& extent) {
  const std::string base = extent.dim >= 0 ? function.dims[static_cast<std::size_t>(extent.dim)]
                                           : std::to_string(extent.constant);
  return extent.divisor == 1 ? base : fmt::format("ceil({} / {})", base, extent.divisor);
}

std::string_view to_string(Access access) {
  switch (access) {
    case Access::in:
      return "in";
    case Access::out:
      return "out";
    case Access::inout:
      return "inout";
  }
  return "?";
}

}  // namespace octile::ir
