// Programs and checks that the IR's tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "octile/codegen/ir/builder.hpp"
#include "octile/codegen/ir/ir.hpp"

namespace octile::testing {

/// A rank-n tensor whose extents are the named dims.
ir::Param tensor(ir::Builder& builder, const std::string& name, ElementType element,
                 const std::vector<std::string>& dims, ir::Access access = ir::Access::in);

/// index * extent(axis) + iota(axis): element indices of one block.
ir::Value* block(ir::Builder& builder, ir::AxisId axis, ir::Value* index);

/// d[M, N] = sum over blocks of 128 of K: dot(a, b) * sa * sb, FP8 in, bf16 out.
std::unique_ptr<ir::Function> block_scaled_product();

/// y[M, N] = softmax of x along N, by a fold that carries the running maximum and sum.
std::unique_ptr<ir::Function> row_softmax();

/// Compares `text` with tests/ir/golden/<name>.txt; with OCTILE_UPDATE_GOLDEN set, writes it.
void expect_golden(const std::string& name, const std::string& text);

/// The message of the ir::Error that `run` throws; fails the test when it throws none.
template <typename Run>
std::string error_of(const Run& run) {
  try {
    run();
  } catch (const ir::Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an ir::Error";
  return "";
}

/// Number of operations of `kind`, nested ones included.
int count(const ir::Function& function, ir::OpKind kind);

}  // namespace octile::testing
