// Tensors, and programs run on the CPU back end and by the interpreter, for the tests of this
// folder.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "octile/codegen/cpu/engine.hpp"
#include "octile/codegen/ir/builder.hpp"

namespace octile::test {

using ir::AxisId;
using ir::Builder;
using ir::Function;
using ir::OpKind;
using ir::ParamId;
using ir::Value;

/// A tensor or (without extents) a scalar argument, with its memory.
struct Tensor {
  ElementType element = ElementType::f32;
  std::vector<std::int64_t> extents;
  std::vector<std::int64_t> strides;
  std::vector<std::byte> bytes;

  std::int64_t count() const;
  void* data() { return bytes.data(); }
  /// Element `i` in memory order.
  template <typename T>
  T& at(std::int64_t i) {
    return reinterpret_cast<T*>(bytes.data())[i];
  }
};

/// A packed row-major tensor of zeros.
Tensor tensor(ElementType element, std::vector<std::int64_t> extents);
/// The same shape with the first two dimensions exchanged in memory.
Tensor column_major(ElementType element, std::vector<std::int64_t> extents);
template <typename T>
Tensor scalar(ElementType element, T value) {
  Tensor out{element, {}, {}, std::vector<std::byte>(sizeof(T))};
  std::memcpy(out.bytes.data(), &value, sizeof(T));
  return out;
}

enum class Fill {
  small_integers,  ///< -8 to 8, exact in every format; sums of them are exact in f32
  normal,          ///< normally distributed
  any_bits,        ///< NaN, infinities and subnormals too
};
void fill(Tensor& tensor, std::mt19937& random, Fill how);
void fill_bytes(Tensor& tensor, int byte);

/// Index of element of block `block` of `axis`: block * extent + iota.
Value* block_index(Builder& b, Value* block, AxisId axis);
/// A parameter whose dimensions are dims of the given names.
ParamId add_tensor(Builder& b, const std::string& name, ElementType element, ir::Access access,
                   const std::vector<std::string>& dims);
/// ceil(dim / axis): blocks of the axis.
Value* blocks(Builder& b, const std::string& dim, AxisId axis);

/// d(M, N) = bf16 of sum over K blocks of dot(a, b) * sa(M, K/128) * sb(N/128, K/128), the axes BM
/// and BN left to the schedule. Dims in the order M, N, K.
void build_block_scaled_product(Function& function);
/// Its arguments, filled.
std::vector<Tensor> block_scaled_arguments(std::int64_t m, std::int64_t n, std::int64_t k);

struct RunOptions {
  std::map<std::string, std::int64_t> axes;
  bool checked = false;
  bool compare_bits = true;  ///< else: within `tolerance`, relative and absolute
  double tolerance = 0;
  std::string cpu = {};  ///< as in cpu::Options
};

/// Prepares `function`, runs it on the CPU and by the interpreter from the same tensors, and
/// expects the same outputs. NaN equals NaN. Leaves the CPU's result in `args`.
void expect_same(Function& function, std::vector<Tensor>& args,
                 const std::vector<std::int64_t>& dims, const RunOptions& options = {});

/// Interprets `function`, prepared already, from `before` and expects the outputs of `got`.
void expect_interpreted(const Function& function, std::vector<Tensor> before,
                        const std::vector<Tensor>& got, const std::vector<std::int64_t>& dims,
                        const RunOptions& options = {});

/// Runs on the CPU only; the function is prepared already.
void run(const Function& function, std::vector<Tensor>& args, const std::vector<std::int64_t>& dims,
         const cpu::Options& options = {});

std::vector<cpu::Arg> cpu_args(std::vector<Tensor>& args);

}  // namespace octile::test
