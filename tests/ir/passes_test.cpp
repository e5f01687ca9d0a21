// Each pass: golden text before and after, and the cases where it must leave things alone.
#include "octile/codegen/passes/passes.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "octile/codegen/ir/parser.hpp"
#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/ir/verifier.hpp"
#include "octile/tests/ir/support.hpp"

namespace octile::passes {
namespace {

using octile::testing::error_of;
using octile::testing::expect_golden;
using ::testing::HasSubstr;
using ::testing::Not;

/// A program over f32 tiles with the given statements; what they store to d is kept.
std::unique_ptr<ir::Function> program(const std::string& body) {
  return ir::parse(R"(program "p"
dim M
dim N
axis BM = 8
axis BN = 16
in a: f32[M, N]
in u: f32[M]
in v: f32[N]
scalar s: f32
scalar n: i64
scalar c: b1
inout d: f32[M, N]
{
  %m: i64 = dim M
  grid %m
  %i: i64[BM] = iota BM
  %j: i64[BN] = iota BN
  %n: i64 = scalar_param n
  %c: b1 = scalar_param c
  %s: f32 = scalar_param s
  %x: f32[BM] = load u[%i]
  %y: f32[BN] = load v[%j]
  %t: f32[BM, BN] = load a[%i, %j]
)" + body + "}\n");
}

/// Before and after `pass`, one under the other.
std::string both(ir::Function& f, const std::function<void(ir::Function&)>& pass) {
  const std::string before = ir::to_string(f);
  pass(f);
  ir::verify(f, "the pass");
  return "// before\n" + before + "// after\n" + ir::to_string(f);
}

/// The text after simplification of `%r: type = op` stored to d.
std::string simplified(const std::string& statements) {
  const auto f = program(statements + "  store d[%i, %j], %r\n");
  simplify(*f);
  ir::verify(*f, "simplify");
  return ir::to_string(*f);
}

std::string contracted(const std::string& statements) {
  const auto f = program(statements + "  store d[%i, %j], %r\n");
  contract(*f);
  ir::verify(*f, "contract");
  simplify(*f);
  return ir::to_string(*f);
}

TEST(Prepare, Golden) {
  for (const auto& make : {octile::testing::block_scaled_product, octile::testing::row_softmax}) {
    const auto f = make();
    const std::string name = f->name + "_prepared";
    prepare(*f, {{"BM", 64}, {"BN", 128}});
    expect_golden(name, ir::to_string(*f));
  }
}

TEST(BindAxes, Golden) {
  const auto f = octile::testing::block_scaled_product();
  expect_golden("bind_axes", both(*f, [](ir::Function& g) {
                  bind_axes(g, {{"BM", 64}, {"BN", 128}});
                }));
}

TEST(BindAxes, Errors) {
  const auto f = octile::testing::block_scaled_product();
  EXPECT_EQ(error_of([&] {
              bind_axes(*f, {{"BQ", 8}});
            }),
            "schedule binds axis BQ, which program 'block_scaled' doesn't have; its axes are: BM, "
            "BN, BK");
  EXPECT_EQ(error_of([&] {
              bind_axes(*f, {{"BM", 0}});
            }),
            "schedule binds axis BM to 0: expected 1 or more");
  EXPECT_EQ(error_of([&] {
              bind_axes(*f, {{"BK", 64}});
            }),
            "schedule binds axis BK to 64, but the program fixes it at 128: leave it out of the "
            "schedule");
  EXPECT_NO_THROW(bind_axes(*f, {{"BK", 128}}));
}

TEST(BindAxes, RunsMustDivideTheAxis) {
  const auto f = ir::parse(R"(program "p"
dim M
axis BM = ?
out d: i64[M]
{
  %m: i64 = dim M
  grid %m
  %i: i64[BM] = iota BM
  %r: i64[BM] = reduce sum %i over BM by 48
  store d[%i], %r
}
)");
  EXPECT_EQ(error_of([&] {
              bind_axes(*f, {{"BM", 64}});
            }),
            "schedule binds axis BM to 64, but the program reduces runs of 48 along it: bind it to "
            "a multiple of 48");
}

TEST(Simplify, Golden) {
  const auto f = program(R"(
  %two: i64 = constant 2
  %three: i64 = constant 3
  %six: i64 = mul %two, %three
  %one: f32 = constant 1.0
  %half: f32 = constant 0.5
  %sum: f32 = add %one, %half
  %scaled: f32[BM, BN] = mul %t, %one
  %again: f32[BM, BN] = load a[%i, %j]
  %unused: f32[BM, BN] = exp %t
  %both: f32[BM, BN] = add %scaled, %again
  %dead: f32[BM] = fold %six (%k: i64, %p: f32[BM] = %x) {
    %q: f32[BM] = add %p, %x
    yield %q
  }
  %kept: f32[BM, BN] = fold %six (%l: i64, %w: f32[BM, BN] = %both) {
    %zero: i64 = constant 0
    %next: i64 = add %l, %zero
    %f: f32 = cast %next
    %g: f32 = cast %l
    %h: f32 = add %f, %g
    %r: f32[BM, BN] = mul %w, %h
    yield %r
  }
  %out: f32[BM, BN] = mul %kept, %sum
  store d[%i, %j], %out
)");
  expect_golden("simplify", both(*f, simplify));
}

TEST(Simplify, ExactIdentities) {
  const auto gives_t = [](const std::string& statements) {
    const std::string text = simplified(statements);
    EXPECT_THAT(text, HasSubstr("store d[%i, %j], %t")) << statements;
  };
  gives_t("%o: f32 = constant 1.0 %r: f32[BM, BN] = mul %o, %t");
  gives_t("%o: f32 = constant 1.0 %r: f32[BM, BN] = div %t, %o");
  gives_t("%o: f32 = constant -0.0 %r: f32[BM, BN] = add %t, %o");
  gives_t("%o: f32 = constant 0.0 %r: f32[BM, BN] = sub %t, %o");
  gives_t("%o: f32[BM, BN] = neg %t %r: f32[BM, BN] = neg %o");
  gives_t("%r: f32[BM, BN] = select %c, %t, %t");
  gives_t("%r: f32[BM, BN] = max %t, %t");
  gives_t("%r: f32[BM, BN] = cast %t");
  gives_t("%o: b1 = constant 1 %r: f32[BM, BN] = select %o, %t, %x");
  gives_t("%o: b1 = constant 0 %r: f32[BM, BN] = select %o, %x, %t");
  gives_t("%z: i64 = constant 0 %o: b1 = cmp_lt %z, %z %r: f32[BM, BN] = select %o, %x, %t");
}

TEST(Simplify, LeavesInexactOnesAlone) {
  // -0 + 0 is +0; 0 * NaN is NaN; x / x and x - x too.
  EXPECT_THAT(simplified("%o: f32 = constant 0.0 %r: f32[BM, BN] = add %t, %o"),
              HasSubstr("add %t, %o"));
  EXPECT_THAT(simplified("%o: f32 = constant 0.0 %r: f32[BM, BN] = mul %t, %o"),
              HasSubstr("mul %t, %o"));
  EXPECT_THAT(simplified("%r: f32[BM, BN] = sub %t, %t"), HasSubstr("sub %t, %t"));
  // Rounding to bf16 and back is no identity.
  EXPECT_THAT(simplified("%o: bf16[BM, BN] = cast %t %r: f32[BM, BN] = cast %o"),
              HasSubstr("cast %o"));
  // A scalar can't stand in for a tile.
  EXPECT_THAT(simplified("%l: b1[BM] = cmp_lt %i, %n %r: f32[BM] = select %l, %s, %s"),
              HasSubstr("select %l, %s, %s"));
  // Each back end has its own exp.
  EXPECT_THAT(simplified("%o: f32 = constant 1.0 %r: f32 = exp %o"), HasSubstr("exp %o"));
}

TEST(Simplify, FoldsConstants) {
  const auto gives = [](const std::string& statements, const std::string& constant) {
    EXPECT_THAT(simplified(statements), HasSubstr("%r: f32 = constant " + constant + "\n"))
        << statements;
  };
  gives("%p: f32 = constant 0.1 %q: f32 = constant 0.2 %r: f32 = add %p, %q", "0.3");
  gives("%p: f32 = constant 0.0 %r: f32 = div %p, %p", "nan");
  gives("%p: f32 = constant -7.5 %r: f32 = floor %p", "-8.0");
  gives("%p: i64 = constant -7 %q: i64 = constant 2 %o: i64 = div %p, %q %r: f32 = cast %o",
        "-3.0");
  gives("%p: i64 = constant -7 %q: i64 = constant 2 %o: i64 = rem %p, %q %r: f32 = cast %o",
        "-1.0");
  gives("%p: i32 = constant 2147483647 %o: i32 = add %p, %p %r: f32 = cast %o", "-2.0");
  gives("%p: f32 = constant 1e+30 %o: i32 = cast %p %r: f32 = cast %o", "2147483600.0");
  gives("%p: f32 = constant nan %o: i64 = cast %p %r: f32 = cast %o", "0.0");
  gives("%p: f32 = constant 300.7 %o: u8 = cast %p %r: f32 = cast %o", "255.0");
  // Division by zero is left to run time.
  EXPECT_THAT(simplified("%p: i64 = constant 0 %q: i64 = div %p, %p %r: f32 = cast %q"),
              HasSubstr("div %p, %p"));
}

TEST(Simplify, KeepsLoadsAroundStores) {
  const auto f = program(R"(
  %p: f32[BM, BN] = load d[%i, %j]
  store d[%i, %j], %t
  %q: f32[BM, BN] = load d[%i, %j]
  %r: f32[BM, BN] = add %p, %q
  store d[%i, %j], %r
)");
  simplify(*f);
  EXPECT_EQ(octile::testing::count(*f, ir::OpKind::load), 3);
}

TEST(Contract, Golden) {
  const auto f = octile::testing::block_scaled_product();
  bind_axes(*f, {{"BM", 64}, {"BN", 128}});
  simplify(*f);
  expect_golden("contract", both(*f, [](ir::Function& g) {
                  contract(g);
                  simplify(g);
                }));
}

TEST(Contract, RegroupsProductsByWidth) {
  // Whatever side the wide operand is on, and over longer chains.
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x %r: f32[BM, BN] = mul %p, %y"),
              HasSubstr("%0: f32[BM, BN] = mul %x, %y\n  %r: f32[BM, BN] = mul %t, %0\n"));
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %x, %t %r: f32[BN, BM] = mul %y, %p"),
              HasSubstr("%0: f32[BM, BN] = mul %x, %y\n  %r: f32[BN, BM] = mul %t, %0\n"));
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %s %q: f32[BM, BN] = mul %p, %x "
                         "%r: f32[BM, BN] = mul %q, %s"),
              HasSubstr("%0: f32[BM] = mul %s, %x\n  %1: f32[BM] = mul %0, %s\n"
                        "  %r: f32[BM, BN] = mul %t, %1\n"));
}

TEST(Contract, LeavesOtherProductsAlone) {
  // Equal widths, a product used twice, integers.
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %t %r: f32[BM, BN] = mul %p, %x"),
              HasSubstr("mul %p, %x"));
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x %q: f32[BM, BN] = mul %p, %y "
                         "%r: f32[BM, BN] = sub %q, %p"),
              HasSubstr("mul %p, %y"));
  EXPECT_THAT(
      contracted("%p: i64[BM] = mul %i, %n %q: i64[BM] = mul %p, %n %o: i64[BM] = add %q, %i "
                 "%r: f32[BM] = cast %o"),
      HasSubstr("add %q, %i"));
}

TEST(Contract, FusesProductAndSum) {
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x %r: f32[BN, BM] = add %y, %p"),
              HasSubstr("fma %t, %x, %y"));
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x %r: f32[BM, BN] = add %p, %y"),
              HasSubstr("fma %t, %x, %y"));
  // Of two products the right one is fused.
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x %q: f32[BM, BN] = mul %t, %y "
                         "%r: f32[BM, BN] = add %p, %q"),
              HasSubstr("%r: f32[BM, BN] = fma %t, %y, %p"));
}

TEST(Contract, LeavesOtherSumsAlone) {
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x %r: f32[BM, BN] = sub %y, %p"),
              Not(HasSubstr("fma")));
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x %q: f32[BM, BN] = add %p, %y "
                         "%r: f32[BM, BN] = div %q, %p"),
              Not(HasSubstr("fma")));
  // A product outside the fold stays there.
  EXPECT_THAT(contracted("%p: f32[BM, BN] = mul %t, %x "
                         "%r: f32[BM, BN] = fold %n (%k: i64, %a: f32[BM, BN] = %y) {"
                         "%b: f32[BM, BN] = add %a, %p yield %b }"),
              Not(HasSubstr("fma")));
}

}  // namespace
}  // namespace octile::passes
