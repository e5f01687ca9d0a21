#include "octile/tests/cpu/generator.hpp"

#include <algorithm>

namespace octile::test {
namespace {

using ir::Access;
using ir::ReduceKind;

class Generator {
 public:
  Generator(std::uint32_t seed, const GeneratorOptions& options)
      : options_(options),
        random_(seed),
        function_(std::make_unique<Function>("random_" + std::to_string(seed))),
        b_(*function_) {}

  RandomProgram run() {
    make_axes();
    make_inputs();
    std::vector<Value*> pool;
    for (int i = 0; i < 4; ++i) pool.push_back(load());
    grow(pool, 8 + below(12), /*depth=*/0);
    const int stores = 1 + below(3);
    for (int i = 0; i < stores; ++i) store(pool, i);
    RandomProgram out;
    out.args = arguments();
    out.function = std::move(function_);
    out.dims = dims_;
    out.axes = axes_;
    return out;
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename T>
  T pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(below(static_cast<int>(from.size())))];
  }

  Value* integer(std::int64_t value) { return b_.constant_int(ElementType::i64, value); }
  Value* number(double value) { return b_.constant(ElementType::f32, value); }

  std::int64_t extent(AxisId axis) const { return extents_[static_cast<std::size_t>(axis)]; }

  std::string add_dim(std::int64_t size) {
    const std::string name = "n" + std::to_string(dims_.size());
    b_.dim(name);
    dims_.push_back(size);
    return name;
  }

  void make_axes() {
    const int count = 1 + below(3);
    for (int i = 0; i < count; ++i) {
      const std::int64_t size = pick<std::int64_t>({1, 2, 3, 5, 8, 16, 17, 24, 33, 40, 70});
      const std::string name(1, static_cast<char>('A' + i));
      const bool literal = chance(50);
      b_.axis(name, literal ? size : 0);
      if (!literal) axes_[name] = size;
      extents_.push_back(size);
    }
    for (int i = 0; i < 2; ++i) grid_[i] = 1 + below(3);
    b_.set_grid({integer(grid_[0]), integer(grid_[1])});
  }

  void make_inputs() {
    for (int i = 0; i < 4; ++i) {
      const auto type = static_cast<ElementType>(below(kElementTypeCount));
      const int rank = 1 + below(3);
      std::vector<std::string> dims;
      std::vector<std::int64_t> extents;
      for (int d = 0; d < rank; ++d) {
        extents.push_back(1 + below(60));
        dims.push_back(add_dim(extents.back()));
      }
      add_tensor(b_, "x" + std::to_string(i), type, Access::in, dims);
      Tensor tensor = chance(75) ? test::tensor(type, extents) : column_major(type, extents);
      fill(tensor, random_, chance(60) ? Fill::normal : Fill::any_bits);
      tensors_.push_back(std::move(tensor));
    }
  }

  /// An i64 index, scalar or over one axis; within about [-4, 80).
  Value* index() {
    if (chance(15)) return integer(below(20));
    if (chance(15)) return b_.grid_index(below(2));
    const AxisId axis = below(static_cast<int>(extents_.size()));
    Value* base = b_.iota(axis);
    if (chance(40)) base = block_index(b_, b_.grid_index(below(2)), axis);
    switch (below(6)) {
      case 0:
        return b_.binary(OpKind::add, base, integer(below(9) - 4));
      case 1:
        return b_.binary(OpKind::div, base, integer(pick<std::int64_t>({2, 3, 16, 32})));
      case 2:
        return b_.binary(OpKind::rem, base, integer(pick<std::int64_t>({2, 7, 16})));
      case 3:
        return b_.binary(OpKind::sub, integer(30), base);
      default:
        return base;
    }
  }

  Value* load() {
    const int tensor = below(4);
    const std::size_t rank = tensors_[static_cast<std::size_t>(tensor)].extents.size();
    std::vector<Value*> indices;
    for (std::size_t d = 0; d < rank; ++d) indices.push_back(index());
    Value* other = nullptr;
    const ElementType type = tensors_[static_cast<std::size_t>(tensor)].element;
    if (chance(20)) other = b_.cast(type, b_.constant_int(ElementType::i32, below(5)));
    return b_.load(tensor, indices, other);
  }

  Value* as(ElementType type, Value* value) { return b_.cast(type, value); }
  Value* as_f32(Value* value) { return as(ElementType::f32, value); }

  /// Back ends differ in which zero min and max give; adding +0 makes it +0.
  Value* positive_zero(Value* value) {
    return value->type.element == ElementType::f32 ? b_.binary(OpKind::add, value, number(0))
                                                   : value;
  }

  /// A whole number of at most 64: sums of them are exact.
  Value* small_integer(Value* value) {
    Value* whole = b_.unary(OpKind::floor, as_f32(value));
    whole = b_.binary(OpKind::max, whole, number(-64));
    return positive_zero(b_.binary(OpKind::min, whole, number(64)));
  }

  /// One of at most 8.
  Value* tiny_integer(Value* value) {
    Value* whole = b_.binary(OpKind::max, small_integer(value), number(-8));
    return positive_zero(b_.binary(OpKind::min, whole, number(8)));
  }

  Value* arithmetic(Value* value) {
    if (is_arithmetic(value->type.element)) return value;
    return as(pick<ElementType>({ElementType::f32, ElementType::i32, ElementType::i64}), value);
  }

  Value* divisor(Value* y) {
    if (!options_.gpu || is_float(y->type.element)) return y;
    Value* zero = b_.constant_int(y->type.element, 0);
    return b_.select(b_.binary(OpKind::cmp_eq, y, zero), b_.constant_int(y->type.element, 1), y);
  }

  Value* elementwise(const std::vector<Value*>& pool) {
    Value* x = arithmetic(pick(pool));
    const ElementType type = x->type.element;
    Value* y = as(type, pick(pool));
    const bool is_f32 = type == ElementType::f32;
    switch (below(12)) {
      case 0:
        return b_.unary(pick<OpKind>({OpKind::neg, OpKind::abs}), x);
      case 1:
        return b_.unary(options_.gpu ? pick<OpKind>({OpKind::sqrt, OpKind::floor})
                                     : pick<OpKind>({OpKind::sqrt, OpKind::floor, OpKind::rsqrt}),
                        as_f32(x));
      case 2:
        return b_.fma(as_f32(x), as_f32(y), as_f32(pick(pool)));
      case 3:
        return positive_zero(b_.binary(chance(50) ? OpKind::min : OpKind::max, x, y));
      case 4:
        return b_.binary(OpKind::div, x, divisor(y));
      case 5:
        return b_.binary(is_f32 ? OpKind::div : OpKind::rem, x, divisor(y));
      case 6: {
        const OpKind kind = pick<OpKind>({OpKind::cmp_eq, OpKind::cmp_ne, OpKind::cmp_lt,
                                          OpKind::cmp_le, OpKind::cmp_gt, OpKind::cmp_ge});
        return b_.select(b_.binary(kind, x, y), x, as(type, pick(pool)));
      }
      case 7: {
        Value* left = b_.binary(OpKind::cmp_lt, x, y);
        Value* right = as(ElementType::b1, pick(pool));
        Value* both = b_.binary(chance(50) ? OpKind::logical_and : OpKind::logical_or, left, right);
        return chance(50) ? both : b_.unary(OpKind::logical_not, both);
      }
      case 8:
        return as(static_cast<ElementType>(below(kElementTypeCount)), x);
      default:
        return b_.binary(pick<OpKind>({OpKind::add, OpKind::sub, OpKind::mul}), x, y);
    }
  }

  Value* reduce(const std::vector<Value*>& pool) {
    Value* x = arithmetic(pick(pool));
    if (x->type.is_scalar()) return x;
    const AxisId axis = pick(x->type.axes);
    const auto kind = static_cast<ReduceKind>(below(3));
    if (kind == ReduceKind::sum && x->type.element == ElementType::f32) x = small_integer(x);
    std::int64_t group = 0;
    if (chance(30)) {
      for (const std::int64_t run : {24, 16, 8, 5, 3, 2}) {
        if (extent(axis) % run == 0) group = run;
      }
    }
    return positive_zero(b_.reduce(kind, x, axis, group));
  }

  Value* dot(const std::vector<Value*>& pool) {
    const AxisId axis = below(static_cast<int>(extents_.size()));
    // Operands that share this axis and no other.
    Value* x = nullptr;
    Value* y = nullptr;
    for (int tries = 0; tries < 20; ++tries) {
      x = with_axis(pick(pool), axis);
      y = with_axis(pick(pool), axis);
      const auto shared = std::count_if(x->type.axes.begin(), x->type.axes.end(),
                                        [&](AxisId a) { return y->type.has_axis(a); });
      if (shared == 1) break;
      x = nullptr;
    }
    if (x == nullptr) return elementwise(pool);
    if (chance(70)) {
      const auto fp8 = [&] { return chance(50) ? ElementType::e4m3 : ElementType::e5m2; };
      if (options_.gpu && (x->type.axes.size() != 2 || y->type.axes.size() != 2)) {
        x = tiny_integer(x);
        y = tiny_integer(y);
      }
      return b_.dot(as(fp8(), x), as(fp8(), y), axis);
    }
    const auto type = pick<ElementType>({ElementType::f32, ElementType::bf16, ElementType::f16});
    return b_.dot(as(type, small_integer(x)), as(type, small_integer(y)), axis);
  }

  Value* with_axis(Value* value, AxisId axis) {
    Value* x = as_f32(value);
    return x->type.has_axis(axis) ? x : b_.binary(OpKind::add, x, as_f32(b_.iota(axis)));
  }

  void fold(std::vector<Value*>& pool, int depth) {
    const int count = 1 + below(3);
    std::vector<Value*> init;
    for (int i = 0; i < count; ++i) init.push_back(pick(pool));
    Value* trips = chance(70) ? integer(below(4)) : b_.grid_index(below(2));
    const std::mt19937 body_random(random_());
    const int steps = 2 + below(5);
    // The body may be traced more than once: it must draw the same each time.
    const auto results = b_.fold(trips, init, [&](Value* index, const std::vector<Value*>& args) {
      const std::mt19937 saved = random_;
      random_ = body_random;
      std::vector<Value*> inner = pool;
      inner.insert(inner.end(), args.begin(), args.end());
      inner.insert(inner.end(), args.begin(), args.end());
      inner.push_back(index);
      grow(inner, steps, depth + 1);
      std::vector<Value*> yields;
      for (std::size_t i = 0; i < args.size(); ++i) {
        Value* value = chance(20) ? pick(inner) : inner[inner.size() - 1 - i];
        yields.push_back(as(args[i]->type.element, value));
      }
      random_ = saved;
      return yields;
    });
    pool.insert(pool.end(), results.begin(), results.end());
  }

  void grow(std::vector<Value*>& pool, int steps, int depth) {
    for (int i = 0; i < steps; ++i) {
      const int what = below(100);
      if (what < 8 && depth < 2) {
        fold(pool, depth);
      } else if (what < 20) {
        pool.push_back(reduce(pool));
      } else if (what < 30) {
        pool.push_back(dot(pool));
      } else if (what < 42) {
        pool.push_back(load());
      } else {
        pool.push_back(elementwise(pool));
      }
    }
  }

  /// Stores a late value to an output that has a place for every program and element.
  void store(const std::vector<Value*>& pool, int number) {
    const auto from = std::max<std::size_t>(pool.size(), 6) - 6;
    const std::size_t late = from + static_cast<std::size_t>(below(6));
    Value* value = late < pool.size() ? pool[late] : pool.back();
    std::vector<std::string> dims = {add_dim(grid_[0]), add_dim(grid_[1])};
    std::vector<std::int64_t> sizes = {grid_[0], grid_[1]};
    std::vector<Value*> indices = {b_.grid_index(0), b_.grid_index(1)};
    std::vector<AxisId> axes = value->type.axes;
    if (chance(30)) std::reverse(axes.begin(), axes.end());
    for (const AxisId axis : axes) {
      // Now and then the tensor is too small, and what is over its edge is dropped.
      const std::int64_t size = std::max<std::int64_t>(1, extent(axis) - (chance(30) ? 3 : 0));
      dims.push_back(add_dim(size));
      sizes.push_back(size);
      indices.push_back(b_.iota(axis));
    }
    const ElementType type = value->type.element;
    const ParamId d = add_tensor(b_, "d" + std::to_string(number), type, Access::out, dims);
    Value* mask = nullptr;
    if (chance(25) && !axes.empty()) {
      mask = b_.binary(OpKind::cmp_lt, b_.iota(axes[0]), integer(below(20)));
    }
    b_.store(d, indices, value, mask);
    tensors_.push_back(tensor(type, sizes));
    fill_bytes(tensors_.back(), 0x5A);
  }

  std::vector<Tensor> arguments() { return tensors_; }

  GeneratorOptions options_;
  std::mt19937 random_;
  std::unique_ptr<Function> function_;
  Builder b_;
  std::vector<std::int64_t> extents_;  ///< per axis
  std::map<std::string, std::int64_t> axes_;
  std::vector<std::int64_t> dims_;
  std::vector<Tensor> tensors_;
  std::int64_t grid_[2] = {1, 1};
};

}  // namespace

RandomProgram random_program(std::uint32_t seed, const GeneratorOptions& options) {
  return Generator(seed, options).run();
}

}  // namespace octile::test
