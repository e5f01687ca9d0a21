// The verifier catches what Builder can't make but a wrong pass could.
#include "octile/codegen/ir/verifier.hpp"

#include <gmock/gmock.h>

#include <utility>

#include "octile/codegen/ir/walk.hpp"
#include "octile/tests/ir/support.hpp"

namespace octile::ir {
namespace {

using octile::testing::error_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class VerifierTest : public ::testing::Test {
 protected:
  Op* first(OpKind kind) {
    Op* found = nullptr;
    for_each_op(*f->body, [&](Op& op) {
      if (found == nullptr && op.kind == kind) found = &op;
    });
    return found;
  }
  std::string error() {
    return error_of([&] { verify(*f, "test"); });
  }

  std::unique_ptr<Function> f = octile::testing::block_scaled_product();
};

TEST_F(VerifierTest, AcceptsWhatBuilderMakes) {
  EXPECT_NO_THROW(verify(*f));
  EXPECT_NO_THROW(verify(*octile::testing::row_softmax()));
}

TEST_F(VerifierTest, UseBeforeDefinition) {
  std::swap(f->body->ops.front(), f->body->ops[2]);
  EXPECT_THAT(error(), AllOf(StartsWith("program 'block_scaled' is malformed after test at "
                                        "operation 1 (ceil_div): "),
                             HasSubstr("not defined before it in an enclosing region")));
}

TEST_F(VerifierTest, UseOutsideTheRegion) {
  first(OpKind::store)->operands[2] = first(OpKind::dot)->result();
  EXPECT_THAT(error(), AllOf(HasSubstr("(store) from product.cpp:15: store uses value"),
                             HasSubstr("not defined before it in an enclosing region")));
}

TEST_F(VerifierTest, WrongResultType) {
  first(OpKind::dot)->result()->type.axes.pop_back();
  EXPECT_THAT(error(), HasSubstr("expected a result of f32[BM, BN], got f32[BM]"));
}

TEST_F(VerifierTest, OrderOfAxesIsFree) {
  std::swap(first(OpKind::dot)->result()->type.axes[0], first(OpKind::dot)->result()->type.axes[1]);
  EXPECT_NO_THROW(verify(*f));
}

TEST_F(VerifierTest, AxisTwiceOrUndeclared) {
  first(OpKind::dot)->result()->type.axes = {0, 0};
  EXPECT_THAT(error(), HasSubstr("a value has an axis twice"));
  first(OpKind::dot)->result()->type.axes = {0, 17};
  EXPECT_THAT(error(), HasSubstr("a value has the undeclared axis 17"));
}

TEST_F(VerifierTest, OperandsThatDontFit) {
  first(OpKind::dot)->attr.axis = f->find_axis("BM");
  EXPECT_THAT(error(), HasSubstr("dot: expected both operands to have axis BM"));
}

TEST_F(VerifierTest, MissingYield) {
  first(OpKind::fold)->regions[0]->ops.pop_back();
  EXPECT_THAT(error(), HasSubstr("yield must be the last operation of a fold's region"));
}

TEST_F(VerifierTest, YieldOfTooFew) {
  first(OpKind::yield)->operands.clear();
  EXPECT_THAT(error(), HasSubstr("expected a yield of 1 values, got 0"));
}

TEST_F(VerifierTest, CarriedTypesDisagree) {
  first(OpKind::fold)->results[0]->type.axes.pop_back();
  EXPECT_THAT(error(), HasSubstr("carried value 0 is f32[BM, BN] in the region and f32[BM] as a "
                                 "result"));
}

TEST_F(VerifierTest, BrokenLinks) {
  Op* dot = first(OpKind::dot);
  dot->parent = f->body;
  EXPECT_THAT(error(), HasSubstr("an operation doesn't point back to its region"));
  dot->parent = first(OpKind::fold)->regions[0];
  dot->result()->def = first(OpKind::fold);
  EXPECT_THAT(error(), HasSubstr("a value doesn't point back to what defines it"));
}

TEST_F(VerifierTest, Declarations) {
  f->axes[0].name = "BN";
  EXPECT_THAT(error(), HasSubstr("two axes named BN"));
  f->axes[0].name = "B M";
  EXPECT_THAT(error(), HasSubstr("axis name 'B M'"));
  f->axes[0].name = "BM";
  f->params[0].shape[0].divisor = 0;
  EXPECT_THAT(error(),
              HasSubstr("parameter 'a': expected an extent's divisor of 1 or more, got 0"));
}

TEST_F(VerifierTest, Grid) {
  f->grid.pop_back();
  EXPECT_THAT(error(), HasSubstr("grid position 1 of a grid of 1 extents"));
  f->grid.clear();
  EXPECT_THAT(error(), HasSubstr("the program has no grid: set 1 to 3 extents"));
}

}  // namespace
}  // namespace octile::ir
