// The textual form: golden text, round trip, and the words of the parser's errors.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "octile/codegen/ir/parser.hpp"
#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/ir/walk.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/ir/support.hpp"

namespace octile::ir {
namespace {

using octile::testing::error_of;
using octile::testing::expect_golden;
using ::testing::HasSubstr;

void expect_round_trip(const Function& f) {
  const std::string text = to_string(f);
  const auto back = parse(text);
  EXPECT_EQ(to_string(*back), text);
}

TEST(Printer, Golden) {
  expect_golden("block_scaled", to_string(*octile::testing::block_scaled_product()));
  expect_golden("row_softmax", to_string(*octile::testing::row_softmax()));
}

TEST(Parser, RoundTrip) {
  for (const auto& make : {octile::testing::block_scaled_product, octile::testing::row_softmax}) {
    const auto f = make();
    expect_round_trip(*f);
    passes::prepare(*f, {{"BM", 64}, {"BN", 128}});
    expect_round_trip(*f);
  }
}

// Every operation and attribute in one program.
constexpr const char* kEverything = R"(program "every \"thing\""
dim M
dim N
axis BM = 16
axis BK = 128 literal
axis BN = ?
in a: e4m3[M, N]
in w: e5m2[ceil(N / 128), 7, M]
out d: f32[M, N]
inout e: f32[M]
scalar s: bf16
{
  %0: i64 = dim M
  %1: i64 = grid_index 0
  %extent: i64 = axis_extent BN
  %row: i64[BM] = iota BM
  %k: i64[BK] = iota BK
  %n: i64[BN] = iota BN
  %zero: f32 = constant 0.0
  %2: f32 = constant -inf
  %3: f32 = constant nan
  %4: f32 = constant 1e-05
  %5: f32 = constant -0.0
  %6: i32 = constant -2147483648
  %7: u8 = constant 255
  %8: b1 = constant 1
  %9: bf16 = scalar_param s
  %10: f32 = cast %9
  %11: i32 = bitcast %10
  %12: e4m3 = cast %2
  %left: e4m3[BM, BK] = load a[%row, %k]
  %13: e4m3[BM, BK] = load a[%k, %row] other %12
  %right: e5m2[BN, BK] = load w[%n, %1, %k]
  %14: f32[BM, BN] = dot %left, %right over BK
  %15: f32[BM, BN] = dot %left, %right over BK fast
  %16: f32[BM] = reduce max %14 over BN
  %17: f32[BM, BN] = reduce min %14 over BM by 4
  %18: i64 = reduce sum %row over BM
  %19: f32[BM, BN] = fma %14, %16, %zero
  %20: b1[BM] = cmp_lt %row, %0
  %21: b1[BM] = logical_not %20
  %22: f32[BM] = select %21, %16, %4
  %sum: f32[BM], %last: i64 = fold %0 (%i: i64, %part: f32[BM] = %zero, %23: i64 = %18) { @ "a.cpp:3"
    %24: f32[BM] = add %part, %22
    fold %i (%j: i64) {
      store e[%j], %zero
      yield
    }
    yield %24, %i
  }
  store e[%row], %sum mask %20
  store d[%row, %n], %19 @ "a.cpp:4"
  grid %0
}
)";

TEST(Parser, EveryOperation) {
  const auto f = parse(kEverything);
  EXPECT_EQ(to_string(*f), kEverything);
  EXPECT_EQ(f->name, "every \"thing\"");
  EXPECT_EQ(f->params[1].shape[0], (Extent{1, 0, 128}));
  EXPECT_TRUE(f->axes[1].is_literal);
  EXPECT_FALSE(f->axes[2].is_bound());
}

TEST(Parser, EveryElementwiseOperation) {
  int seen = 0;
  for (int i = 0; i < kOpKindCount; ++i) {
    const OpKind kind = static_cast<OpKind>(i);
    if (!info(kind).elementwise || kind == OpKind::cast || kind == OpKind::bitcast) continue;
    Function f("one");
    Builder b(f);
    b.axis("BM", 4);
    b.set_grid({b.constant_int(ElementType::i64, 1)});
    Value* index = b.iota(0);
    const bool logical =
        kind == OpKind::logical_not || kind == OpKind::logical_and || kind == OpKind::logical_or;
    const bool whole = kind == OpKind::rem || kind == OpKind::ceil_div;
    Value* flag = b.binary(OpKind::cmp_eq, index, index);
    Value* x = logical ? flag : whole ? index : b.cast(ElementType::f32, index);
    std::vector<Value*> operands(static_cast<std::size_t>(info(kind).operands), x);
    if (kind == OpKind::select) operands[0] = flag;
    b.append(kind, operands, {}, ElementType::f32);
    expect_round_trip(f);
    ++seen;
  }
  EXPECT_EQ(seen, 31);
}

TEST(Printer, NamesAreDistinct) {
  Function f("names");
  Builder b(f);
  b.axis("BM", 4);
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  for (const char* name : {"x", "x", "x_1", "7", "a b"}) {
    Value* value = b.constant_int(ElementType::i64, 10 + static_cast<int>(f.body->ops.size()));
    value->name = name;
  }
  EXPECT_THAT(to_string(f), HasSubstr("  %x: i64 = constant 11\n"
                                      "  %x_1: i64 = constant 12\n"
                                      "  %x_1_1: i64 = constant 13\n"
                                      "  %_7: i64 = constant 14\n"
                                      "  %a_b: i64 = constant 15\n"));
  expect_round_trip(f);
}

/// A program around `body`, whose first line is line 6.
std::string around(const std::string& body) {
  return "program \"p\"\ndim M\naxis BM = 8\nin a: f32[M]\nout d: f32[M] {\n" + body +
         "  %g: i64 = dim M\n  grid %g\n}\n";
}

TEST(Parser, ErrorsSayWhereAndWhat) {
  const auto error = [](const std::string& text) { return error_of([&] { parse(text); }); };
  EXPECT_EQ(error("kernel"), "line 1, column 1: expected 'program', got 'kernel'");
  EXPECT_EQ(error("program p"), "line 1, column 9: expected the program's name, got 'p'");
  EXPECT_EQ(error("program \"p"),
            "line 1, column 11: expected a closing '\"', got the end of the text");
  EXPECT_EQ(error("program \"p\" tensor"),
            "line 1, column 13: expected 'dim', 'axis', 'in', 'out', 'inout', 'scalar' or '{', got "
            "'tensor'");
  EXPECT_EQ(error("program \"p\"\naxis BM = 0"),
            "line 2, column 11: expected an extent of 1 or more, got '0'");
  EXPECT_EQ(error("program \"p\"\ndim M\ndim M"),
            "line 3, column 5: expected a name no other dim has, got 'M'");
  EXPECT_EQ(error("program \"p\"\nin a: f33[7]"),
            "line 2, column 7: expected an element type, got 'f33'");
  EXPECT_EQ(error("program \"p\"\nin a: f32[ceil(7 / 0)]"),
            "line 2, column 4: parameter 'a': expected an extent's divisor of 1 or more, got 0");
  EXPECT_EQ(error(around("  %x: f32 = contant 1\n")),
            "line 6, column 13: expected an operation, got 'contant'");
  EXPECT_EQ(error(around("  %x: f32 = constant one\n")),
            "line 6, column 22: expected a number, inf or nan, got 'one'");
  EXPECT_EQ(error(around("  %x: u8 = constant 256\n")),
            "line 6, column 21: expected a value of u8, got '256'");
  EXPECT_EQ(error(around("  %x: i64 = iota BQ\n")),
            "line 6, column 18: expected a declared axis, got 'BQ'");
  EXPECT_EQ(error(around("  %x: f32 = neg %y\n")),
            "line 6, column 17: expected a value defined above, in an enclosing region, got '%y'");
  EXPECT_EQ(error(around("  %x: i64[BM] = iota BM\n  %x: i64[BM] = iota BM\n")),
            "line 7, column 3: expected a name not used in this scope, got '%x'");
  EXPECT_EQ(error(around("  %x: i64 = iota BM\n")),
            "line 6, column 3: expected a result of i64[BM], got i64");
  EXPECT_EQ(error(around("  %x: i64[BM] = iota BM\n  %y: f32[BM] = exp %x\n")),
            "line 7, column 17: exp: expected operand 0 of element type f32, got i64[BM]: cast it");
  EXPECT_EQ(error(around("  store d[%x], %x\n")),
            "line 6, column 11: expected a value defined above, in an enclosing region, got '%x'");
  EXPECT_EQ(error(around("  iota BM\n")),
            "line 6, column 3: expected an operation with 0 results, "
            "got 'iota'");
}

TEST(Parser, ErrorsInFolds) {
  const auto error = [](const std::string& body) {
    const std::string head = "  %z: f32 = constant 0.0\n  %n: i64 = constant 3\n";
    return error_of([&] { parse(around(head + body)); });
  };
  EXPECT_EQ(error("  fold %n (%i: i64) {\n  }\n"),
            "line 9, column 3: expected 'yield' at the end of the fold, got '}'");
  EXPECT_EQ(error("  fold %n (%i: i64, %a: f32 = %z) {\n  }\n"),
            "line 8, column 3: expected a fold with 0 carried values, got 'fold'");
  EXPECT_EQ(error("  %a: f32 = fold %n (%i: i64, %c: f32 = %z) { yield }\n"),
            "line 8, column 47: expected a yield of 1 values, got 0");
  EXPECT_EQ(error("  %a: f32 = fold %n (%i: i64, %c: f32 = %n) { yield %c }\n"),
            "line 8, column 41: fold: initial value 0 is i64, which can't be broadcast to f32");
  EXPECT_EQ(error("  %a: f32 = fold %n (%i: i64, %c: f32 = %z) { yield %i }\n"),
            "line 8, column 47: fold: yielded value 0 is i64, which can't be broadcast to f32");
  EXPECT_EQ(error("  fold %n (%i: i64) { yield }\n  %q: i64 = neg %i\n"),
            "line 9, column 17: expected a value defined above, in an enclosing region, got '%i'");
}

TEST(Parser, ExampleOfTheReferencePage) {
  std::ifstream page(std::string(OCTILE_DOCS_DIR) + "/ir.md");
  std::ostringstream text;
  text << page.rdbuf();
  const std::string open = "```tile\n";
  const std::size_t begin = text.str().find(open);
  ASSERT_NE(begin, std::string::npos);
  const std::size_t first = begin + open.size();
  const auto f = parse(text.str().substr(first, text.str().find("```", first) - first));
  EXPECT_EQ(f->params.size(), 5u);
  expect_round_trip(*f);
}

// Whatever is cut off, or put in, is an error with a place, never a crash.
TEST(Parser, SurvivesDamage) {
  const std::string whole = kEverything;
  for (std::size_t cut = 0; cut + 3 < whole.size(); ++cut) {
    EXPECT_THAT(error_of([&] { parse(whole.substr(0, cut)); }), HasSubstr("line ")) << cut;
  }
  for (std::size_t place = 0; place < whole.size(); ++place) {
    for (const char* junk : {"%", "}", "\"", "~", "BM", "9"}) {
      std::string text = whole;
      text.insert(place, junk);
      try {
        parse(text);
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace octile::ir
