#include "octile/tests/cpu/support.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/codegen/ir/printer.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/reference/interpreter.hpp"

namespace octile::test {
namespace {

std::uint64_t read_bits(const Tensor& tensor, std::int64_t i) {
  const auto bytes = static_cast<std::size_t>(size_in_bytes(tensor.element));
  std::uint64_t bits = 0;
  std::memcpy(&bits, tensor.bytes.data() + static_cast<std::size_t>(i) * bytes, bytes);
  return bits;
}

void write_bits(Tensor& tensor, std::int64_t i, std::uint64_t bits) {
  const auto bytes = static_cast<std::size_t>(size_in_bytes(tensor.element));
  std::memcpy(tensor.bytes.data() + static_cast<std::size_t>(i) * bytes, &bits, bytes);
}

double as_number(ElementType type, std::uint64_t bits) {
  if (is_float(type)) return numerics::decode(type, static_cast<std::uint32_t>(bits));
  if (type == ElementType::i32) return static_cast<std::int32_t>(bits);
  return static_cast<double>(static_cast<std::int64_t>(bits));
}

bool equal(ElementType type, std::uint64_t x, std::uint64_t y, const RunOptions& options) {
  if (x == y) return true;
  if (!is_float(type)) return false;
  const double a = as_number(type, x);
  const double b = as_number(type, y);
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (options.compare_bits) return false;
  return a == b || std::fabs(a - b) <= options.tolerance * (1 + std::fabs(b));
}

void expect_equal(const Function& function, const std::vector<Tensor>& got,
                  const std::vector<Tensor>& wanted, const RunOptions& options) {
  for (std::size_t p = 0; p < got.size(); ++p) {
    if (function.params[p].access == ir::Access::in) continue;
    const ElementType type = got[p].element;
    int wrong = 0;
    for (std::int64_t i = 0; i < got[p].count(); ++i) {
      const std::uint64_t x = read_bits(got[p], i);
      const std::uint64_t y = read_bits(wanted[p], i);
      if (equal(type, x, y, options)) continue;
      if (++wrong > 3) continue;
      ADD_FAILURE() << function.params[p].name << " element " << i << ": got " << as_number(type, x)
                    << " (0x" << std::hex << x << "), expected " << std::dec << as_number(type, y)
                    << " (0x" << std::hex << y << ")";
    }
    if (wrong > 0) {
      ADD_FAILURE() << wrong << " of " << got[p].count() << " elements of "
                    << function.params[p].name << " differ in\n"
                    << ir::to_string(function);
    }
  }
}

}  // namespace

std::int64_t Tensor::count() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) count *= extent;
  return count;
}

Tensor tensor(ElementType element, std::vector<std::int64_t> extents) {
  Tensor out{element, std::move(extents), {}, {}};
  out.strides.assign(out.extents.size(), 1);
  for (std::size_t i = out.extents.size(); i > 1; --i) {
    out.strides[i - 2] = out.strides[i - 1] * out.extents[i - 1];
  }
  out.bytes.resize(static_cast<std::size_t>(out.count() * size_in_bytes(element)));
  return out;
}

Tensor column_major(ElementType element, std::vector<std::int64_t> extents) {
  Tensor out = tensor(element, std::move(extents));
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < out.extents.size(); ++i) {
    out.strides[i] = stride;
    stride *= out.extents[i];
  }
  return out;
}

void fill(Tensor& tensor, std::mt19937& random, Fill how) {
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < tensor.count(); ++i) {
    std::uint64_t bits = (static_cast<std::uint64_t>(random()) << 32) | random();
    if (tensor.element == ElementType::b1) {
      bits &= 1;
    } else if (how == Fill::any_bits && tensor.element == ElementType::f32) {
      // The C library's fmin and fmax, unlike the IR's, don't ignore a signalling NaN: none of
      // them.
      if ((bits & 0x7F800000) == 0x7F800000 && (bits & 0x7FFFFF) != 0) bits |= 0x400000;
    } else if (how != Fill::any_bits) {
      const auto integer = static_cast<std::int64_t>(random() % 17) - 8;
      const float value = how == Fill::normal ? normal(random) : static_cast<float>(integer);
      bits = is_float(tensor.element) ? numerics::encode(tensor.element, value)
                                      : static_cast<std::uint64_t>(integer);
    }
    write_bits(tensor, i, bits);
  }
}

void fill_bytes(Tensor& tensor, int byte) {
  std::fill(tensor.bytes.begin(), tensor.bytes.end(), static_cast<std::byte>(byte));
}

Value* block_index(Builder& b, Value* block, AxisId axis) {
  return b.binary(OpKind::add, b.binary(OpKind::mul, block, b.axis_extent(axis)), b.iota(axis));
}

ParamId add_tensor(Builder& b, const std::string& name, ElementType element, ir::Access access,
                   const std::vector<std::string>& dims) {
  ir::Param param{name, element, true, access, {}};
  for (const std::string& dim : dims) param.shape.push_back({b.dim(dim), 0, 1});
  return b.tensor(std::move(param));
}

Value* blocks(Builder& b, const std::string& dim, AxisId axis) {
  return b.binary(OpKind::ceil_div, b.dim_value(b.dim(dim)), b.axis_extent(axis));
}

std::vector<cpu::Arg> cpu_args(std::vector<Tensor>& args) {
  std::vector<cpu::Arg> out;
  for (Tensor& arg : args) out.push_back({arg.data(), arg.extents, arg.strides, nullptr});
  return out;
}

void run(const Function& function, std::vector<Tensor>& args, const std::vector<std::int64_t>& dims,
         const cpu::Options& options) {
  cpu::compile(function, options)->run(cpu_args(args), dims);
}

void expect_same(Function& function, std::vector<Tensor>& args,
                 const std::vector<std::int64_t>& dims, const RunOptions& options) {
  passes::prepare(function, options.axes);
  std::vector<Tensor> expected = args;
  std::vector<reference::Arg> reference_args;
  for (Tensor& arg : expected) {
    reference_args.push_back({arg.data(), arg.element, arg.extents, arg.strides});
  }
  reference::interpret(function, reference_args, dims);
  cpu::Options cpu_options;
  cpu_options.checked = options.checked;
  run(function, args, dims, cpu_options);
  expect_equal(function, args, expected, options);
}

}  // namespace octile::test
