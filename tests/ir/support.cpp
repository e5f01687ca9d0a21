#include "octile/tests/ir/support.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "octile/codegen/ir/walk.hpp"

namespace octile::testing {

using ir::Builder;
using ir::OpKind;
using ir::Value;

ir::Param tensor(Builder& builder, const std::string& name, ElementType element,
                 const std::vector<std::string>& dims, ir::Access access) {
  ir::Param param{name, element, true, access, {}};
  for (const std::string& dim : dims) param.shape.push_back({builder.dim(dim), 0, 1});
  return param;
}

Value* block(Builder& builder, ir::AxisId axis, Value* index) {
  Value* start = builder.binary(OpKind::mul, index, builder.axis_extent(axis));
  return builder.binary(OpKind::add, start, builder.iota(axis));
}

namespace {

/// ceil(dim / extent(axis)). Operands are made one by one, here and below: the order in which a
/// compiler evaluates arguments would show in the text.
Value* blocks(Builder& b, Value* dim, ir::AxisId axis) {
  Value* extent = b.axis_extent(axis);
  return b.binary(OpKind::ceil_div, dim, extent);
}

}  // namespace

std::unique_ptr<ir::Function> block_scaled_product() {
  auto function = std::make_unique<ir::Function>("block_scaled");
  Builder b(*function);
  const ir::DimId m = b.dim("M");
  const ir::DimId n = b.dim("N");
  const ir::DimId k = b.dim("K");
  const ir::AxisId bm = b.axis("BM");
  const ir::AxisId bn = b.axis("BN");
  const ir::AxisId bk = b.axis("BK", 128);
  const ir::ParamId a = b.tensor(tensor(b, "a", ElementType::e4m3, {"M", "K"}));
  ir::Param scales{"sa", ElementType::f32, true, ir::Access::in, {{m, 0, 1}, {k, 0, 128}}};
  const ir::ParamId sa = b.tensor(scales);
  const ir::ParamId w = b.tensor(tensor(b, "b", ElementType::e4m3, {"N", "K"}));
  scales = {"sb", ElementType::f32, true, ir::Access::in, {{n, 0, 128}, {k, 0, 128}}};
  const ir::ParamId sb = b.tensor(scales);
  const ir::ParamId d = b.tensor(tensor(b, "d", ElementType::bf16, {"M", "N"}, ir::Access::out));
  Value* row_blocks = blocks(b, b.dim_value(m), bm);
  Value* column_blocks = blocks(b, b.dim_value(n), bn);
  b.set_grid({row_blocks, column_blocks});
  b.set_location("product.cpp:12");
  Value* rows = block(b, bm, b.grid_index(0));
  Value* columns = block(b, bn, b.grid_index(1));
  Value* trips = blocks(b, b.dim_value(k), bk);
  const auto results =
      b.fold(trips, {b.constant(ElementType::f32, 0)}, [&](Value* index, const auto& carried) {
        index->name = "k";
        carried[0]->name = "acc";
        Value* depth = block(b, bk, index);
        Value* left = b.load(a, {rows, depth});
        Value* right = b.load(w, {columns, depth});
        Value* dot = b.dot(left, right, bk);
        Value* coarse = b.binary(OpKind::div, columns, b.constant_int(ElementType::i64, 128));
        Value* scaled = b.binary(OpKind::mul, dot, b.load(sa, {rows, index}));
        scaled = b.binary(OpKind::mul, scaled, b.load(sb, {coarse, index}));
        return std::vector<Value*>{b.binary(OpKind::add, carried[0], scaled)};
      });
  b.set_location("product.cpp:15");
  b.store(d, {rows, columns}, b.cast(ElementType::bf16, results[0]));
  return function;
}

std::unique_ptr<ir::Function> row_softmax() {
  auto function = std::make_unique<ir::Function>("row_softmax");
  Builder b(*function);
  const ir::AxisId bm = b.axis("BM");
  const ir::AxisId bn = b.axis("BN");
  const ir::ParamId x = b.tensor(tensor(b, "x", ElementType::f32, {"M", "N"}));
  const ir::ParamId y = b.tensor(tensor(b, "y", ElementType::f32, {"M", "N"}, ir::Access::out));
  b.set_grid({blocks(b, b.dim_value(b.dim("M")), bm)});
  Value* rows = block(b, bm, b.grid_index(0));
  Value* width = b.dim_value(b.dim("N"));
  Value* trips = blocks(b, width, bn);
  Value* lowest = b.constant(ElementType::f32, -INFINITY);
  const auto tile = [&](Value* index) { return b.load(x, {rows, block(b, bn, index)}, lowest); };
  const std::vector<Value*> init{lowest, b.constant(ElementType::f32, 0)};
  const auto stats = b.fold(trips, init, [&](Value* index, const auto& carried) {
    carried[0]->name = "peak";
    carried[1]->name = "total";
    Value* values = tile(index);
    Value* peak = b.binary(OpKind::max, carried[0], b.reduce(ir::ReduceKind::max, values, bn));
    Value* shrink = b.unary(OpKind::exp, b.binary(OpKind::sub, carried[0], peak));
    Value* terms = b.unary(OpKind::exp, b.binary(OpKind::sub, values, peak));
    Value* before = b.binary(OpKind::mul, carried[1], shrink);
    Value* total = b.binary(OpKind::add, before, b.reduce(ir::ReduceKind::sum, terms, bn));
    return std::vector<Value*>{peak, total};
  });
  b.fold(trips, {}, [&](Value* index, const auto&) {
    Value* terms = b.unary(OpKind::exp, b.binary(OpKind::sub, tile(index), stats[0]));
    b.store(y, {rows, block(b, bn, index)}, b.binary(OpKind::div, terms, stats[1]));
    return std::vector<Value*>{};
  });
  return function;
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(OCTILE_GOLDEN_DIR) + "/" + name + ".txt";
  if (std::getenv("OCTILE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << "no golden file " << path << "; write it with OCTILE_UPDATE_GOLDEN=1";
  std::ostringstream wanted;
  wanted << file.rdbuf();
  EXPECT_EQ(wanted.str(), text) << "differs from " << path
                                << "; if that is meant, run again with OCTILE_UPDATE_GOLDEN=1";
}

int count(const ir::Function& function, OpKind kind) {
  int found = 0;
  ir::for_each_op(*function.body, [&](const ir::Op& op) { found += op.kind == kind ? 1 : 0; });
  return found;
}

}  // namespace octile::testing
