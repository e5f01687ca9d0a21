// Kernels as values: made from an expression, called like functions.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "octile/dsl/kernel_definition.hpp"
#include "octile/runtime/dump.hpp"
#include "octile/runtime/kernel_state.hpp"
#include "octile/runtime/knobs.hpp"
#include "octile/runtime/tensor.hpp"

namespace octile {

namespace detail {

template <class... Args>
struct argument_list {};

/// Whether numbers with a fraction may be passed for a scalar of this type.
constexpr bool takes_fractions(ElementType type) {
  return type != ElementType::b1 && type != ElementType::u8 && type != ElementType::i32 &&
         type != ElementType::i64;
}

/// Checks one argument against one declared parameter, in the caller's build.
template <class Param, class Arg>
constexpr bool check_argument() {
  if constexpr (Param::is_tensor) {
    static_assert(
        runtime::is_tensor_argument<Arg>,
        "octile: this parameter is a tensor: pass a TensorView (view<e4m3>(p, {M, K})) or "
        "a Tensor");
  } else {
    static_assert(runtime::is_scalar_argument<Arg>,
                  "octile: this parameter is a scalar: pass a number");
    if constexpr (runtime::is_scalar_argument<Arg>) {
      static_assert(
          takes_fractions(Param::element::type) || std::is_integral_v<std::remove_cvref_t<Arg>>,
          "octile: this scalar parameter is an integer: pass an integer, not a "
          "floating-point number");
    }
  }
  return true;
}

template <class... Params, class... Args>
constexpr bool check_arguments(argument_list<Params...>, argument_list<Args...>) {
  if constexpr (sizeof...(Params) != sizeof...(Args)) {
    static_assert(sizeof...(Params) == sizeof...(Args),
                  "octile: a kernel is called with the stream and one argument per parameter, in "
                  "order");
    return false;
  } else {
    return (check_argument<Params, Args>() && ...);
  }
}

}  // namespace detail

/// A kernel under a (partial) schedule. Cheap to copy; copies share the cache of compiled code.
/// Thread-safe. `Params` are the declarations it was made from.
///
/// Calls check every argument (octile::Error, code `user`), compile on first use (code `compile` or
/// `user`), and launch without waiting (the CPU's return when done). In a CUDA graph's capture,
/// call it once before, since the first call allocates.
template <class... Params>
class Kernel {
 public:
  explicit Kernel(std::shared_ptr<const ir::Function> function)
      : Kernel(std::make_shared<runtime::KernelState>(std::move(function)), Schedule{}) {}

  /// Runs the kernel on `stream` (a Stream, a cudaStream_t or a CUstream), arguments in parameter
  /// order: views or Tensors for tensors, numbers for scalars.
  template <class... Args>
  void operator()(const Stream& stream, const Args&... args) const {
    if constexpr (checked<Args...>()) {
      const std::array<runtime::Argument, sizeof...(Args)> list{argument(args)...};
      state_->launch(*dispatch_, stream, list);
    }
  }

  /// The same algorithm with knobs set on top of this kernel's schedule.
  Kernel with(std::initializer_list<Knob> knobs) const {
    return Kernel(state_, apply_knobs(schedule(), knobs));
  }
  /// The same algorithm under another schedule.
  Kernel with(const Schedule& schedule) const { return Kernel(state_, schedule); }

  /// The schedule as far as it was given.
  const Schedule& schedule() const { return runtime::KernelState::schedule_of(*dispatch_); }
  /// The complete schedule that a call with these arguments uses.
  template <class... Args>
  Schedule schedule_for(const Stream& stream, const Args&... args) const {
    if constexpr (checked<Args...>()) {
      const std::array<runtime::Argument, sizeof...(Args)> list{argument(args)...};
      return state_->schedule(*dispatch_, stream, list);
    } else {
      return {};  // refused above, in one message
    }
  }

  /// The code that a call with these arguments runs: CUDA C++, or LLVM IR on the CPU.
  template <class... Args>
  std::string source(const Stream& stream, const Args&... args) const {
    if constexpr (checked<Args...>()) {
      const std::array<runtime::Argument, sizeof...(Args)> list{argument(args)...};
      return state_->source(*dispatch_, stream, list);
    } else {
      return {};  // refused above, in one message
    }
  }

  /// CUDA C++ for row-major tensors of these problem sizes: emit({{"M", 128}, ...}). Needs no GPU.
  std::string emit(const ProblemSizes& sizes, const cuda::Target& target = {}) const {
    return state_->emit(*dispatch_, sizes, target).source;
  }
  /// The same, compiled by NVRTC and kept for later launches. Needs no GPU.
  CompiledVariant compile_for(const ProblemSizes& sizes, const cuda::Target& target = {}) const {
    return state_->compile_for(*dispatch_, sizes, target);
  }
  /// The same for the tensors of a call: their extents, strides and alignment count, their memory
  /// is not looked at. `compile_call({}, a, b, d)` compiles for an H200 on any machine.
  template <class... Args>
  CompiledVariant compile_call(const cuda::Target& target, const Args&... args) const {
    if constexpr (checked<Args...>()) {
      const std::array<runtime::Argument, sizeof...(Args)> list{argument(args)...};
      return state_->compile_call(*dispatch_, list, target);
    } else {
      return {};  // refused above, in one message
    }
  }

  /// The tile program, its axes not yet bound.
  const ir::Function& ir() const { return state_->function(); }
  const std::string& name() const { return ir().name; }
  CacheStatistics statistics() const { return state_->statistics(); }
  runtime::KernelState& state() const { return *state_; }

 private:
  Kernel(std::shared_ptr<runtime::KernelState> state, const Schedule& schedule)
      : state_(std::move(state)), dispatch_(&state_->dispatch(schedule)) {}

  template <class... Args>
  static constexpr bool checked() {
    return detail::check_arguments(detail::argument_list<Params...>{},
                                   detail::argument_list<Args...>{});
  }
  template <class Arg>
  static runtime::Argument argument(const Arg& arg) {
    if constexpr (runtime::is_tensor_argument<Arg>) {
      return static_cast<TensorView>(arg);
    } else if constexpr (runtime::is_scalar_argument<Arg>) {
      return arg;
    } else {
      return {};  // check_argument has refused it
    }
  }

  std::shared_ptr<runtime::KernelState> state_;
  runtime::Dispatch* dispatch_;
};

namespace detail {

template <class... Params>
Kernel<Params...> make_kernel(const kernel_definition<Params...>& definition) {
  return Kernel<Params...>(definition.shared_ir());
}

}  // namespace detail

/// Makes a kernel: its name, its parameters in order, and a function of their symbols that stores
/// the results. See docs/language.md.
template <class Name, class... Args>
auto kernel(const Name& name, Args... args) {
  return detail::make_kernel(define_kernel(name, std::move(args)...));
}

}  // namespace octile
