// What compiled programs and the engine agree on: the function's signature, and the words of the
// environment that it reads its arguments from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "octile/codegen/cpu/dot/dot.hpp"
#include "octile/codegen/ir/ir.hpp"

namespace octile::cpu {

/// One program of the grid. `env` is laid out by EnvLayout; `scratch` is 64-byte aligned and starts
/// with Arena::kZeros zero bytes.
using ProgramFunction = void (*)(const std::int64_t* env, std::int64_t i, std::int64_t j,
                                 std::int64_t k, std::byte* scratch);

using DotFunction = void (*)(const DotShape* shape, const void* a, const void* b,
                             const float* start, float* out, std::byte* scratch);

/// Called in checked mode before a load or store. `indices` has one entry per dimension; `bits` is
/// the value to store; nothing is done unless `active`.
using CheckFunction = void (*)(void* context, std::int64_t site, const std::int64_t* indices,
                               std::uint64_t bits, std::int32_t active);

/// A load or store of the program, as checked mode reports it.
struct CheckSite {
  ir::ParamId param = 0;
  bool is_store = false;
  bool has_other = false;      ///< a load whose program says what lies out of bounds
  std::vector<bool> is_block;  ///< per dimension: a block's index, which may lie out of bounds
  std::string location;
};

/// Word numbers in the environment. Per parameter: address, then extents and strides.
class EnvLayout {
 public:
  explicit EnvLayout(const ir::Function& function) {
    for (const ir::Param& param : function.params) {
      first_.push_back(size_);
      ranks_.push_back(static_cast<int>(param.shape.size()));
      size_ += 1 + 2 * ranks_.back();
    }
    dims_ = size_;
    size_ += static_cast<int>(function.dims.size());
    helpers_ = size_;
    size_ += 4;
  }
  int data(ir::ParamId param) const { return first_[static_cast<std::size_t>(param)]; }
  int extent(ir::ParamId param, int dim) const { return data(param) + 1 + dim; }
  int stride(ir::ParamId param, int dim) const {
    return data(param) + 1 + ranks_[static_cast<std::size_t>(param)] + dim;
  }
  int dim(ir::DimId dim) const { return dims_ + dim; }
  int dot_function() const { return helpers_; }
  int dot_shapes() const { return helpers_ + 1; }
  int check_function() const { return helpers_ + 2; }
  int check_context() const { return helpers_ + 3; }
  int size() const { return size_; }

 private:
  std::vector<int> first_, ranks_;
  int dims_ = 0, helpers_ = 0, size_ = 0;
};

}  // namespace octile::cpu
