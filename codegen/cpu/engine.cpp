#include "octile/codegen/cpu/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <new>

#include "octile/codegen/cpu/arena.hpp"
#include "octile/codegen/cpu/checker.hpp"
#include "octile/codegen/cpu/float_mode.hpp"
#include "octile/codegen/cpu/llvm/jit.hpp"
#include "octile/codegen/cpu/llvm/lowering.hpp"
#include "octile/codegen/cpu/thread_pool.hpp"
#include "octile/codegen/ir/verifier.hpp"

namespace octile::cpu {
namespace {

/// Scratch memory of one thread, its first bytes zero.
class Scratch {
 public:
  explicit Scratch(std::int64_t bytes)
      : data_(
            static_cast<std::byte*>(::operator new(static_cast<std::size_t>(bytes), kAlignment))) {
    std::fill_n(data_, Arena::kZeros, std::byte{0});
  }
  ~Scratch() { ::operator delete(data_, kAlignment); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::byte* data() { return data_; }

 private:
  static constexpr std::align_val_t kAlignment{Arena::kAlignment};
  std::byte* data_;
};

/// Scratch memories that no thread uses at the moment.
class ScratchPool {
 public:
  explicit ScratchPool(std::int64_t bytes) : bytes_(bytes) {}

  /// One scratch memory, given back when the lease ends.
  class Lease {
   public:
    explicit Lease(ScratchPool& pool) : pool_(pool), scratch_(pool.take()) {}
    ~Lease() {
      const std::lock_guard lock(pool_.mutex_);
      pool_.free_.push_back(std::move(scratch_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    std::byte* data() { return scratch_->data(); }

   private:
    ScratchPool& pool_;
    std::unique_ptr<Scratch> scratch_;
  };

 private:
  std::unique_ptr<Scratch> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
      }
      // Room for what comes back later, so that giving back never throws.
      free_.reserve(static_cast<std::size_t>(++made_));
    }
    return std::make_unique<Scratch>(bytes_);
  }

  const std::int64_t bytes_;
  std::mutex mutex_;
  int made_ = 0;
  std::vector<std::unique_ptr<Scratch>> free_;
};

/// The program compiled for tensors with given contiguous dimensions.
struct Variant {
  Variant(Lowered lowered, const std::string& cpu)
      : dots(std::move(lowered.dots)),
        sites(std::move(lowered.sites)),
        scratch(lowered.scratch_bytes),
        code(compile_module(std::move(lowered), cpu)) {}

  std::vector<DotShape> dots;
  std::vector<CheckSite> sites;
  ScratchPool scratch;
  std::unique_ptr<Code> code;
};

/// The dimension of `arg` with stride 1, the last one where there are several; -1: none.
int contiguous_dim(const Arg& arg) {
  const auto rank = static_cast<int>(arg.strides.size());
  for (int d = rank - 1; d >= 0; --d) {
    if (arg.strides[static_cast<std::size_t>(d)] == 1) return d;
  }
  // A dimension of one element has any stride.
  return rank > 0 && arg.extents.back() <= 1 ? rank - 1 : -1;
}

class JitProgram final : public Program {
 public:
  JitProgram(const ir::Function& function, const Options& options)
      : function_(ir::clone(function)), options_(options), env_layout_(*function_) {
    variant(usual_dims());
  }

  void run(const std::vector<Arg>& args, const std::vector<std::int64_t>& dim_values) override {
    check_arguments(args, dim_values);
    std::array<std::int64_t, 3> extents{1, 1, 1};
    for (std::size_t i = 0; i < function_->grid.size(); ++i) {
      extents[i] = std::max<std::int64_t>(
          ir::evaluate_scalar(*function_, function_->grid[i], dim_values), 0);
    }
    std::int64_t count = 0;
    if (__builtin_mul_overflow(extents[0], extents[1], &count) ||
        __builtin_mul_overflow(count, extents[2], &count)) {
      throw ir::Error(fmt::format("{}: the grid has over 2^63 programs", function_->name));
    }
    if (count == 0) return;
    std::vector<int> dims;
    for (const Arg& arg : args) dims.push_back(contiguous_dim(arg));
    Variant& chosen = variant(dims);
    std::vector<std::int64_t> env = environment(chosen, args, dim_values);
    if (options_.checked) {
      run_checked(chosen, env, args, extents, count);
    } else {
      run_parallel(chosen, env, extents, count);
    }
  }

  const std::string& llvm_ir() const override {
    // Made when asked for: printing costs as much as compiling.
    std::call_once(text_once_, [this] {
      text_ = optimised_text(lower(*function_, usual_dims(), options_.checked), options_.cpu);
    });
    return text_;
  }

 private:
  /// Row-major tensors: what is compiled before any argument is seen.
  std::vector<int> usual_dims() const {
    std::vector<int> dims;
    for (const ir::Param& param : function_->params) {
      dims.push_back(static_cast<int>(param.shape.size()) - 1);
    }
    return dims;
  }

  Variant& variant(const std::vector<int>& dims) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Variant>& found = variants_[dims];
    if (found == nullptr) {
      found = std::make_unique<Variant>(lower(*function_, dims, options_.checked), options_.cpu);
    }
    return *found;
  }

  void check_arguments(const std::vector<Arg>& args,
                       const std::vector<std::int64_t>& dim_values) const {
    if (args.size() != function_->params.size()) {
      throw ir::Error(fmt::format("{}: expected {} arguments, got {}", function_->name,
                                  function_->params.size(), args.size()));
    }
    if (dim_values.size() != function_->dims.size()) {
      throw ir::Error(fmt::format("{}: expected {} problem sizes ({}), got {}", function_->name,
                                  function_->dims.size(), fmt::join(function_->dims, ", "),
                                  dim_values.size()));
    }
    for (std::size_t i = 0; i < dim_values.size(); ++i) {
      if (dim_values[i] >= 0) continue;
      throw ir::Error(fmt::format("{}: problem size '{}' is {}: expected 0 or more",
                                  function_->name, function_->dims[i], dim_values[i]));
    }
    for (std::size_t i = 0; i < args.size(); ++i) {
      check_argument(function_->params[i], args[i], dim_values);
    }
  }

  void check_argument(const ir::Param& param, const Arg& arg,
                      const std::vector<std::int64_t>& dim_values) const {
    const auto fail = [&](const std::string& what) {
      throw ir::Error(fmt::format("{}: argument '{}': {}", function_->name, param.name, what));
    };
    const std::size_t rank = param.shape.size();
    if (arg.extents.size() != rank || arg.strides.size() != rank) {
      fail(fmt::format("expected {} extents and strides, got {} and {}", rank, arg.extents.size(),
                       arg.strides.size()));
    }
    bool empty = false;
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t expected = ir::evaluate_extent(param.shape[d], dim_values);
      if (arg.extents[d] != expected) {
        fail(fmt::format("expected extent {} in dimension {}, got {}: pass a tensor of that shape",
                         expected, d, arg.extents[d]));
      }
      empty = empty || expected == 0;
    }
    if (arg.data == nullptr && !empty) fail("the address is null: pass the tensor's memory");
  }

  std::vector<std::int64_t> environment(const Variant& chosen, const std::vector<Arg>& args,
                                        const std::vector<std::int64_t>& dim_values) const {
    std::vector<std::int64_t> env(static_cast<std::size_t>(env_layout_.size()));
    const auto set = [&](int word, std::int64_t value) {
      env[static_cast<std::size_t>(word)] = value;
    };
    const auto address = [](const auto* pointer) {
      return static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(pointer));
    };
    for (std::size_t p = 0; p < args.size(); ++p) {
      const auto param = static_cast<ir::ParamId>(p);
      set(env_layout_.data(param), address(args[p].data));
      for (std::size_t d = 0; d < args[p].extents.size(); ++d) {
        set(env_layout_.extent(param, static_cast<int>(d)), args[p].extents[d]);
        set(env_layout_.stride(param, static_cast<int>(d)), args[p].strides[d]);
      }
    }
    for (std::size_t i = 0; i < dim_values.size(); ++i) {
      set(env_layout_.dim(static_cast<ir::DimId>(i)), dim_values[i]);
    }
    const DotFunction dot_function = [](const DotShape* shape, const void* a, const void* b,
                                        const float* start, float* out, std::byte* scratch) {
      dot(*shape, a, b, start, out, scratch);
    };
    const CheckFunction check_function = &Checker::check;
    set(env_layout_.dot_function(),
        static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(dot_function)));
    set(env_layout_.check_function(),
        static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(check_function)));
    set(env_layout_.dot_shapes(), address(chosen.dots.data()));
    return env;
  }

  static std::array<std::int64_t, 3> place(std::int64_t number,
                                           const std::array<std::int64_t, 3>& extents) {
    return {number / extents[2] / extents[1], number / extents[2] % extents[1],
            number % extents[2]};
  }

  void run_parallel(Variant& chosen, const std::vector<std::int64_t>& env,
                    const std::array<std::int64_t, 3>& extents, std::int64_t count) const {
    ThreadPool& pool = ThreadPool::shared();
    // Several pieces per thread even out programs that take differently long.
    const std::int64_t grain = std::clamp<std::int64_t>(count / (pool.size() * 16), 1, 256);
    const ProgramFunction entry = chosen.code->entry();
    pool.run(count, grain, options_.threads, [&](std::int64_t begin, std::int64_t end) {
      const FloatMode mode;
      ScratchPool::Lease scratch(chosen.scratch);
      for (std::int64_t n = begin; n < end; ++n) {
        const auto [i, j, k] = place(n, extents);
        entry(env.data(), i, j, k, scratch.data());
      }
    });
  }

  /// One program after the other, so that the report is the same every time.
  void run_checked(Variant& chosen, std::vector<std::int64_t>& env, const std::vector<Arg>& args,
                   const std::array<std::int64_t, 3>& extents, std::int64_t count) const {
    Checker checker(*function_, chosen.sites, args);
    env[static_cast<std::size_t>(env_layout_.check_context())] =
        static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(&checker));
    const FloatMode mode;
    ScratchPool::Lease scratch(chosen.scratch);
    for (std::int64_t n = 0; n < count; ++n) {
      const auto at = place(n, extents);
      checker.begin_program(at);
      chosen.code->entry()(env.data(), at[0], at[1], at[2], scratch.data());
      if (!checker.error().empty()) throw CheckError(checker.error());
    }
  }

  std::unique_ptr<ir::Function> function_;
  Options options_;
  EnvLayout env_layout_;
  std::mutex mutex_;
  std::map<std::vector<int>, std::unique_ptr<Variant>> variants_;
  mutable std::once_flag text_once_;
  mutable std::string text_;
};

}  // namespace

bool available() {
  return true;
}

std::unique_ptr<Program> compile(const ir::Function& function, const Options& options) {
  ir::verify(function, "");
  return std::make_unique<JitProgram>(function, options);
}

}  // namespace octile::cpu
