// Checked mode: what it reports, by parameter and index, and what it lets pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/cpu/support.hpp"

namespace octile::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Value* integer(Builder& b, std::int64_t value) {
  return b.constant_int(ElementType::i64, value);
}

/// The report of a checked run; empty when there is none.
std::string report(Function& function, std::vector<Tensor>& args,
                   const std::vector<std::int64_t>& dims,
                   const std::map<std::string, std::int64_t>& axes = {},
                   const std::uint8_t* written = nullptr) {
  passes::prepare(function, axes);
  cpu::Options options;
  options.checked = true;
  const auto program = cpu::compile(function, options);
  auto cpu = cpu_args(args);
  cpu[0].written = written;
  try {
    program->run(cpu, dims);
  } catch (const cpu::CheckError& error) {
    return error.what();
  }
  return "";
}

/// d(N) = x(n) in blocks of 16, one program per block; x and d may be indexed by something else.
struct Copy {
  Function function{"copy"};
  Builder b{function};
  AxisId BN = b.axis("BN");
  ParamId x = add_tensor(b, "x", ElementType::f32, ir::Access::in, {"N"});
  ParamId d = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"N"});
  Value* n = block_index(b, b.grid_index(0), BN);
  std::vector<Tensor> args = {tensor(ElementType::f32, {50}), tensor(ElementType::f32, {50})};

  std::string run(const std::uint8_t* written = nullptr) {
    b.set_grid({blocks(b, "N", BN)});
    return report(function, args, {50}, {{"BN", 16}}, written);
  }
};

TEST(Checked, BlocksOverTheEdgeAreFine) {
  Copy p;
  p.args[0].at<float>(49) = 7;
  p.b.store(p.d, {p.n}, p.b.load(p.x, {p.b.binary(OpKind::sub, p.n, integer(p.b, 2))}));
  EXPECT_EQ(p.run(), "");
}

TEST(Checked, ReadsOfUnwrittenMemory) {
  Copy p;
  p.b.store(p.d, {p.n}, p.b.load(p.x, {p.n}));
  std::vector<std::uint8_t> written(50, 1);
  written[37] = 0;
  EXPECT_THAT(p.run(written.data()), AllOf(HasSubstr("load of 'x'[37]"), HasSubstr("never written"),
                                           HasSubstr("program (2, 0, 0)")));
}

TEST(Checked, WhatTheLaunchWritesCountsAsWritten) {
  Function function("twice");
  Builder b(function);
  const AxisId N = b.axis("N", 20);
  const ParamId d = add_tensor(b, "d", ElementType::f32, ir::Access::inout, {"n"});
  b.store(d, {b.iota(N)}, b.constant(ElementType::f32, 3));
  b.store(d, {b.iota(N)}, b.unary(OpKind::neg, b.load(d, {b.iota(N)})));
  b.set_grid({integer(b, 1)});
  std::vector<Tensor> args = {tensor(ElementType::f32, {20})};
  const std::vector<std::uint8_t> written(20, 0);
  EXPECT_EQ(report(function, args, {20}, {}, written.data()), "");
}

TEST(Checked, StoresOfDifferentBitsToOneElement) {
  Copy p;
  Value* here = p.b.binary(OpKind::rem, p.n, integer(p.b, 40));
  p.b.store(p.d, {here}, p.b.cast(ElementType::f32, p.n));
  EXPECT_THAT(p.run(), AllOf(HasSubstr("store to 'd'[0]"), HasSubstr("program (2, 0, 0)"),
                             HasSubstr("program (0, 0, 0) has stored other bits")));
}

TEST(Checked, StoresOfEqualBitsAreFine) {
  Copy p;
  Value* here = p.b.binary(OpKind::rem, p.n, integer(p.b, 40));
  p.b.store(p.d, {here}, p.b.constant(ElementType::f32, 1));
  EXPECT_EQ(p.run(), "");
}

TEST(Checked, IndicesReadFromMemory) {
  Function function("gather");
  Builder b(function);
  const AxisId N = b.axis("N", 8);
  const ParamId pi = add_tensor(b, "i", ElementType::i64, ir::Access::in, {"n"});
  const ParamId px = add_tensor(b, "x", ElementType::f32, ir::Access::in, {"r"});
  const ParamId pd = add_tensor(b, "d", ElementType::f32, ir::Access::out, {"n"});
  b.set_location("kernel.cpp:12");
  b.store(pd, {b.iota(N)}, b.load(px, {b.load(pi, {b.iota(N)})}));
  b.set_grid({integer(b, 1)});
  std::vector<Tensor> args = {tensor(ElementType::i64, {8}), tensor(ElementType::f32, {5}),
                              tensor(ElementType::f32, {8})};
  args[0].at<std::int64_t>(3) = 5;
  EXPECT_THAT(report(function, args, {8, 5}),
              AllOf(HasSubstr("load of 'x'[5] at kernel.cpp:12"), HasSubstr("out of bounds"),
                    HasSubstr("expected 0 to 4")));
}

TEST(Checked, ALoadThatSaysWhatLiesOutsideIsFine) {
  Copy p;
  Value* far = p.b.load(p.x, {integer(p.b, 70)}, p.b.constant(ElementType::f32, 2));
  p.b.store(p.d, {p.n}, far);
  EXPECT_EQ(p.run(), "");
  EXPECT_EQ(p.args[1].at<float>(10), 2);
}

TEST(Checked, ScalarIndices) {
  Copy p;
  p.b.store(p.d, {p.n},
            p.b.load(p.x, {p.b.binary(OpKind::add, p.b.grid_index(0), integer(p.b, 49))}));
  EXPECT_THAT(p.run(), AllOf(HasSubstr("load of 'x'[50]"), HasSubstr("program (1, 0, 0)")));
}

TEST(Checked, MaskedStoresAreNotLookedAt) {
  Copy p;
  Value* inside = p.b.binary(OpKind::cmp_lt, p.n, integer(p.b, 10));
  p.b.store(p.d, {p.b.binary(OpKind::rem, p.n, integer(p.b, 10))}, p.b.cast(ElementType::f32, p.n),
            inside);
  EXPECT_EQ(p.run(), "");
}

TEST(Checked, NegativeStrides) {
  Copy p;
  p.b.store(p.d, {p.n}, p.b.load(p.x, {p.n}));
  p.b.set_grid({blocks(p.b, "N", p.BN)});
  passes::prepare(p.function, {{"BN", 16}});
  cpu::Options options;
  options.checked = true;
  std::vector<std::uint8_t> written(50, 1);
  written[0] = 0;  // the lowest address: the last index
  std::vector<cpu::Arg> args = cpu_args(p.args);
  args[0].data = static_cast<float*>(args[0].data) + 49;
  args[0].strides = {-1};
  args[0].written = written.data();
  try {
    cpu::compile(p.function, options)->run(args, {50});
    FAIL() << "expected a report";
  } catch (const cpu::CheckError& error) {
    EXPECT_THAT(error.what(), HasSubstr("load of 'x'[49]"));
  }
}

TEST(Checked, WithoutItNothingIsReported) {
  Copy p;
  p.b.store(p.d, {p.n}, p.b.load(p.x, {integer(p.b, 70)}));
  p.b.set_grid({blocks(p.b, "N", p.BN)});
  passes::prepare(p.function, {{"BN", 16}});
  fill_bytes(p.args[1], 0xFF);
  run(p.function, p.args, {50});
  EXPECT_EQ(p.args[1].at<float>(49), 0);
}

}  // namespace
}  // namespace octile::test
