#include "octile/codegen/ir/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "octile/codegen/ir/infer.hpp"
#include "octile/codegen/ir/lexer.hpp"
#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/ir/verifier.hpp"
#include "octile/codegen/ir/walk.hpp"

namespace octile::ir {
namespace {

/// "%name: type", before the value exists.
struct Declared {
  Token token;
  TileType type;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  std::unique_ptr<Function> run() {
    lexer_.expect_word("program");
    function_ = std::make_unique<Function>(lexer_.take(TokenKind::text, "the program's name").text);
    while (lexer_.peek().kind == TokenKind::word) parse_declaration();
    lexer_.expect_mark("{");
    while (!lexer_.at_mark("}")) parse_statement(function_->body);
    lexer_.expect_mark("}");
    if (lexer_.peek().kind != TokenKind::end) lexer_.fail("the end of the text");
    verify(*function_, "parsing");
    return std::move(function_);
  }

 private:
  // Names.
  int declared(int id, const Token& token, std::string_view what) const {
    if (id < 0) Lexer::fail(token, fmt::format("a declared {}", what));
    return id;
  }
  AxisId axis() {
    const Token token = lexer_.take(TokenKind::word, "an axis");
    return declared(function_->find_axis(token.text), token, "axis");
  }
  DimId dim() {
    const Token token = lexer_.take(TokenKind::word, "a dim");
    return declared(function_->find_dim(token.text), token, "dim");
  }
  ParamId param() {
    const Token token = lexer_.take(TokenKind::word, "a parameter");
    return declared(function_->find_param(token.text), token, "parameter");
  }
  ElementType element() {
    const Token token = lexer_.take(TokenKind::word, "an element type");
    ElementType type = ElementType::f32;
    if (!parse_element_type(token.text, type)) Lexer::fail(token, "an element type");
    return type;
  }
  Value* use() {
    const Token token = lexer_.take(TokenKind::value, "a value");
    const auto found = values_.find(token.text);
    if (found == values_.end()) Lexer::fail(token, "a value defined above, in an enclosing region");
    return found->second;
  }
  std::vector<Value*> use_list() {
    std::vector<Value*> values{use()};
    while (lexer_.accept_mark(",")) values.push_back(use());
    return values;
  }

  void define(const Token& token, Value* value) {
    if (!values_.emplace(token.text, value).second) {
      Lexer::fail(token, "a name not used in this scope");
    }
    scope_.push_back(token.text);
    if (!std::all_of(token.text.begin(), token.text.end(),
                     [](char c) { return c >= '0' && c <= '9'; })) {
      value->name = token.text;
    }
  }

  TileType type() {
    TileType type{element(), {}};
    if (!lexer_.accept_mark("[")) return type;
    do {
      type.axes.push_back(axis());
    } while (lexer_.accept_mark(","));
    lexer_.expect_mark("]");
    return type;
  }

  Declared declared_value() {
    Declared value;
    value.token = lexer_.take(TokenKind::value, "a value");
    lexer_.expect_mark(":");
    value.type = type();
    return value;
  }

  // Declarations.
  void parse_declaration() {
    const Token token = lexer_.take();
    if (token.text == "dim") {
      const Token name = lexer_.take(TokenKind::word, "a dim's name");
      if (function_->find_dim(name.text) >= 0) Lexer::fail(name, "a name no other dim has");
      function_->dims.push_back(name.text);
    } else if (token.text == "axis") {
      parse_axis();
    } else if (token.text == "scalar") {
      Param param{param_name(), ElementType::f32, false, Access::in, {}};
      lexer_.expect_mark(":");
      param.element = element();
      function_->params.push_back(std::move(param));
    } else if (token.text == "in") {
      parse_tensor(Access::in);
    } else if (token.text == "out") {
      parse_tensor(Access::out);
    } else if (token.text == "inout") {
      parse_tensor(Access::inout);
    } else {
      Lexer::fail(token, "'dim', 'axis', 'in', 'out', 'inout', 'scalar' or '{'");
    }
  }

  std::string param_name() {
    const Token name = lexer_.take(TokenKind::word, "a parameter's name");
    if (function_->find_param(name.text) >= 0) {
      Lexer::fail(name, "a name no other parameter has");
    }
    return name.text;
  }

  void parse_axis() {
    const Token name = lexer_.take(TokenKind::word, "an axis' name");
    if (function_->find_axis(name.text) >= 0) Lexer::fail(name, "a name no other axis has");
    Axis axis{name.text, 0, false};
    lexer_.expect_mark("=");
    if (!lexer_.accept_mark("?")) {
      const Token extent = lexer_.peek();
      axis.extent = lexer_.integer("an extent or '?'");
      if (axis.extent < 1) Lexer::fail(extent, "an extent of 1 or more");
      axis.is_literal = lexer_.accept_word("literal");
    }
    function_->axes.push_back(std::move(axis));
  }

  void parse_tensor(Access access) {
    const Token at = lexer_.peek();
    Param param{param_name(), ElementType::f32, true, access, {}};
    lexer_.expect_mark(":");
    param.element = element();
    lexer_.expect_mark("[");
    do {
      param.shape.push_back(extent());
    } while (lexer_.accept_mark(","));
    lexer_.expect_mark("]");
    located(at, [&] { check_param(*function_, param); });
    function_->params.push_back(std::move(param));
  }

  Extent extent() {
    Extent extent;
    const bool coarser = lexer_.accept_word("ceil");
    if (coarser) lexer_.expect_mark("(");
    if (lexer_.peek().kind == TokenKind::number) {
      extent.constant = lexer_.integer("an extent");
    } else {
      extent.dim = dim();
    }
    if (!coarser) return extent;
    lexer_.expect_mark("/");
    extent.divisor = lexer_.integer("a divisor");
    lexer_.expect_mark(")");
    return extent;
  }

  /// Adds the place of `token` to an Error from `check`.
  template <typename Check>
  void located(const Token& token, const Check& check) const {
    try {
      check();
    } catch (const Error& error) {
      throw Error(fmt::format("line {}, column {}: {}", token.line, token.column, error.what()));
    }
  }

  // Statements.
  void parse_statement(Region* region) {
    if (region == function_->body && lexer_.accept_word("grid")) {
      const Token at = lexer_.peek();
      function_->grid = use_list();
      located(at, [&] { check_grid(*function_, function_->grid); });
      return;
    }
    std::vector<Declared> results;
    if (lexer_.peek().kind == TokenKind::value) {
      do {
        results.push_back(declared_value());
      } while (lexer_.accept_mark(","));
      lexer_.expect_mark("=");
    }
    const Token at = lexer_.take(TokenKind::word, "an operation");
    const OpKind kind = operation(at);
    if (kind == OpKind::fold) return parse_fold(at, results, region);
    Op* op = function_->make_op(kind, region);
    const std::size_t wanted = kind == OpKind::store || kind == OpKind::yield ? 0 : 1;
    if (results.size() != wanted)
      Lexer::fail(at, fmt::format("an operation with {} results", results.size()));
    parse_arguments(*op, wanted == 1 ? results[0].type.element : ElementType::f32);
    parse_location(*op);
    if (kind != OpKind::yield) add_result(at, *op, results);
    region->ops.push_back(op);
  }

  static OpKind operation(const Token& token) {
    for (int i = 0; i < kOpKindCount; ++i) {
      if (info(static_cast<OpKind>(i)).name == token.text) return static_cast<OpKind>(i);
    }
    Lexer::fail(token, "an operation");
  }

  void add_result(const Token& at, Op& op, const std::vector<Declared>& results) {
    std::optional<TileType> inferred;
    const ElementType element = results.empty() ? ElementType::f32 : results[0].type.element;
    located(at, [&] { inferred = infer_type(*function_, op.kind, op.operands, op.attr, element); });
    if (!inferred) return;
    const Declared& result = results[0];
    if (!same_shape(result.type, *inferred)) {
      throw Error(fmt::format("line {}, column {}: expected a result of {}, got {}",
                              result.token.line, result.token.column,
                              to_string(*function_, *inferred),
                              to_string(*function_, result.type)));
    }
    op.results.push_back(function_->make_value(result.type, &op, op.parent, 0));
    define(result.token, op.result());
  }

  void parse_location(Op& op) {
    if (lexer_.accept_mark("@"))
      op.location = lexer_.take(TokenKind::text, "a location in quotes").text;
  }

  void parse_arguments(Op& op, ElementType element) {
    Attributes& attr = op.attr;
    switch (op.kind) {
      case OpKind::constant:
        return parse_constant(attr, element);
      case OpKind::scalar_param:
        attr.index = param();
        return;
      case OpKind::dim:
        attr.index = dim();
        return;
      case OpKind::grid_index:
        attr.index = static_cast<int>(std::clamp<std::int64_t>(lexer_.integer("0, 1 or 2"), -1, 3));
        return;
      case OpKind::axis_extent:
      case OpKind::iota:
        attr.axis = axis();
        return;
      case OpKind::load:
        return parse_load(op);
      case OpKind::store:
        return parse_store(op);
      case OpKind::dot:
        op.operands = use_list();
        lexer_.expect_word("over");
        attr.axis = axis();
        attr.fast_accumulate = lexer_.accept_word("fast");
        return;
      case OpKind::reduce:
        return parse_reduce(op);
      default:
        if (lexer_.peek().kind == TokenKind::value) op.operands = use_list();
    }
  }

  void parse_constant(Attributes& attr, ElementType element) {
    if (element == ElementType::f32) {
      attr.float_value = lexer_.real();
      return;
    }
    const Token at = lexer_.peek();
    attr.int_value = lexer_.integer("an integer");
    const std::int64_t high = octile::is_float(element) || element == ElementType::i64
                                  ? std::numeric_limits<std::int64_t>::max()
                                  : static_cast<std::int64_t>(octile::info(element).max_finite);
    const std::int64_t low = element == ElementType::i32 ? -high - 1
                             : high > 255                ? std::numeric_limits<std::int64_t>::min()
                                                         : 0;
    if (attr.int_value < low || attr.int_value > high) {
      Lexer::fail(at, fmt::format("a value of {}", octile::info(element).name));
    }
  }

  void parse_indices(Op& op) {
    op.attr.index = param();
    lexer_.expect_mark("[");
    op.operands = use_list();
    lexer_.expect_mark("]");
  }

  void parse_load(Op& op) {
    parse_indices(op);
    op.attr.has_other = lexer_.accept_word("other");
    if (op.attr.has_other) op.operands.push_back(use());
  }

  void parse_store(Op& op) {
    parse_indices(op);
    lexer_.expect_mark(",");
    op.operands.push_back(use());
    op.attr.has_mask = lexer_.accept_word("mask");
    if (op.attr.has_mask) op.operands.push_back(use());
  }

  void parse_reduce(Op& op) {
    const Token token = lexer_.take(TokenKind::word, "'sum', 'max' or 'min'");
    const auto found = std::find_if(kReductions.begin(), kReductions.end(),
                                    [&](ReduceKind kind) { return name(kind) == token.text; });
    if (found == kReductions.end()) Lexer::fail(token, "'sum', 'max' or 'min'");
    op.attr.reduce = *found;
    op.operands = {use()};
    lexer_.expect_word("over");
    op.attr.axis = axis();
    if (!lexer_.accept_word("by")) return;
    const Token at = lexer_.peek();
    op.attr.group = lexer_.integer("a run length");
    if (op.attr.group < 1) Lexer::fail(at, "a run length of 1 or more");
  }

  /// "(%k: i64, %acc: f32[BM] = %zero)": the region's arguments and the fold's initial values.
  std::vector<Declared> parse_fold_arguments(Op& fold) {
    lexer_.expect_mark("(");
    std::vector<Declared> args{declared_value()};
    while (lexer_.accept_mark(",")) {
      args.push_back(declared_value());
      lexer_.expect_mark("=");
      const Token at = lexer_.peek();
      fold.operands.push_back(use());
      located(at, [&] {
        check_carried(*function_, "initial value", args.size() - 2, fold.operands.back()->type,
                      args.back().type);
      });
    }
    lexer_.expect_mark(")");
    return args;
  }

  void parse_fold_body(Region* region) {
    while (!lexer_.at_mark("}")) {
      if (lexer_.peek().kind == TokenKind::end) lexer_.fail("'}'");
      if (!region->ops.empty() && region->ops.back()->kind == OpKind::yield) {
        lexer_.fail("'}' after yield");
      }
      const Token at = lexer_.peek();
      parse_statement(region);
      const Op& op = *region->ops.back();
      if (op.kind == OpKind::yield) located(at, [&] { check_yield(op, *region); });
    }
    if (region->ops.empty() || region->ops.back()->kind != OpKind::yield) {
      lexer_.fail("'yield' at the end of the fold");
    }
    lexer_.expect_mark("}");
  }

  void check_yield(const Op& yield, const Region& region) const {
    const std::size_t carried = region.args.size() - 1;
    if (yield.operands.size() != carried) {
      throw Error(
          fmt::format("expected a yield of {} values, got {}", carried, yield.operands.size()));
    }
    for (std::size_t i = 0; i < carried; ++i) {
      check_carried(*function_, "yielded value", i, yield.operand(static_cast<int>(i))->type,
                    region.args[i + 1]->type);
    }
  }

  void parse_fold(const Token& at, const std::vector<Declared>& results, Region* parent) {
    Op* op = function_->make_op(OpKind::fold, parent);
    op->operands = {use()};
    Region* region = function_->make_region(op);
    op->regions = {region};
    const std::vector<Declared> args = parse_fold_arguments(*op);
    if (results.size() + 1 != args.size()) {
      Lexer::fail(at, fmt::format("a fold with {} carried values", results.size()));
    }
    lexer_.expect_mark("{");
    parse_location(*op);
    const std::size_t outer = scope_.size();
    for (std::size_t i = 0; i < args.size(); ++i) {
      region->args.push_back(
          function_->make_value(args[i].type, nullptr, region, static_cast<int>(i)));
      define(args[i].token, region->args.back());
    }
    parse_fold_body(region);
    for (std::size_t i = outer; i < scope_.size(); ++i) values_.erase(scope_[i]);
    scope_.resize(outer);
    for (std::size_t i = 0; i < results.size(); ++i) {
      op->results.push_back(
          function_->make_value(results[i].type, op, parent, static_cast<int>(i)));
      define(results[i].token, op->results.back());
    }
    parent->ops.push_back(op);
  }

  static constexpr std::array<ReduceKind, 3> kReductions{ReduceKind::sum, ReduceKind::max,
                                                         ReduceKind::min};

  Lexer lexer_;
  std::unique_ptr<Function> function_;
  std::map<std::string, Value*> values_;
  std::vector<std::string> scope_;  ///< names defined and visible, innermost last
};

}  // namespace

std::unique_ptr<Function> parse(std::string_view text) {
  return Parser(text).run();
}

}  // namespace octile::ir
