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

/// NaN made quiet: the C library's fmin and fmax, unlike the IR's, don't ignore a signalling one.
std::uint64_t quiet(ElementType type, std::uint64_t bits) {
  const ElementTypeInfo& format = info(type);
  if (!format.has_infinity || !std::isnan(as_number(type, bits))) return bits;
  return bits | std::uint64_t{1} << (format.mantissa_bits - 1);
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
    } else if (how == Fill::any_bits) {
      bits = quiet(tensor.element, bits);
    } else {
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

void build_block_scaled_product(Function& function) {
  Builder b(function);
  const ir::DimId M = b.dim("M"), N = b.dim("N"), K = b.dim("K");
  const AxisId BM = b.axis("BM"), BN = b.axis("BN"), BK = b.axis("BK", 128);
  const auto input = [&](const char* name, ElementType type, ir::Extent rows, ir::Extent columns) {
    return b.tensor({name, type, true, ir::Access::in, {rows, columns}});
  };
  const ParamId a = input("a", ElementType::e4m3, {M, 0, 1}, {K, 0, 1});
  const ParamId sa = input("sa", ElementType::f32, {M, 0, 1}, {K, 0, 128});
  const ParamId w = input("b", ElementType::e4m3, {N, 0, 1}, {K, 0, 1});
  const ParamId sb = input("sb", ElementType::f32, {N, 0, 128}, {K, 0, 128});
  const ParamId d =
      b.tensor({"d", ElementType::bf16, true, ir::Access::out, {{M, 0, 1}, {N, 0, 1}}});
  Value* rows = block_index(b, b.grid_index(0), BM);
  Value* columns = block_index(b, b.grid_index(1), BN);
  Value* coarse = b.binary(OpKind::div, columns, b.constant_int(ElementType::i64, 128));
  const auto sum =
      b.fold(blocks(b, "K", BK), {b.constant(ElementType::f32, 0)},
             [&](Value* i, const std::vector<Value*>& carried) -> std::vector<Value*> {
               Value* depth = block_index(b, i, BK);
               Value* product = b.dot(b.load(a, {rows, depth}), b.load(w, {columns, depth}), BK);
               Value* scaled = b.binary(OpKind::mul, product, b.load(sa, {rows, i}));
               scaled = b.binary(OpKind::mul, scaled, b.load(sb, {coarse, i}));
               return {b.binary(OpKind::add, carried[0], scaled)};
             });
  b.store(d, {rows, columns}, b.cast(ElementType::bf16, sum[0]));
  b.set_grid({blocks(b, "M", BM), blocks(b, "N", BN)});
}

std::vector<Tensor> block_scaled_arguments(std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t k_blocks = (k + 127) / 128;
  std::vector<Tensor> args = {
      tensor(ElementType::e4m3, {m, k}), tensor(ElementType::f32, {m, k_blocks}),
      tensor(ElementType::e4m3, {n, k}), tensor(ElementType::f32, {(n + 127) / 128, k_blocks}),
      tensor(ElementType::bf16, {m, n})};
  std::mt19937 random(1);
  for (Tensor& arg : args) fill(arg, random, Fill::normal);
  fill_bytes(args[4], 0xFF);
  return args;
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

void expect_interpreted(const Function& function, std::vector<Tensor> before,
                        const std::vector<Tensor>& got, const std::vector<std::int64_t>& dims,
                        const RunOptions& options) {
  std::vector<reference::Arg> reference_args;
  for (Tensor& arg : before) {
    reference_args.push_back({arg.data(), arg.element, arg.extents, arg.strides});
  }
  reference::interpret(function, reference_args, dims);
  expect_equal(function, got, before, options);
}

void expect_same(Function& function, std::vector<Tensor>& args,
                 const std::vector<std::int64_t>& dims, const RunOptions& options) {
  passes::prepare(function, options.axes);
  const std::vector<Tensor> before = args;
  cpu::Options cpu_options;
  cpu_options.checked = options.checked;
  cpu_options.cpu = options.cpu;
  run(function, args, dims, cpu_options);
  expect_interpreted(function, before, args, dims, options);
}

}  // namespace octile::test
