// The erased core of a kernel: its program, its variants and its launches. `Kernel` (kernel.hpp) is
// the typed front.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "octile/codegen/cuda/program.hpp"
#include "octile/codegen/ir/ir.hpp"
#include "octile/runtime/argument.hpp"
#include "octile/runtime/nvrtc.hpp"
#include "octile/runtime/stream.hpp"

namespace octile {

/// Problem sizes by name: {{"M", 128}, {"N", 4096}}.
using ProblemSizes = std::vector<std::pair<std::string, std::int64_t>>;

/// A kernel compiled for a target without being launched.
struct CompiledVariant {
  Schedule schedule;          ///< complete
  cuda::CudaProgram program;  ///< source and launch rules
  CompiledKernel kernel;      ///< machine code and ptxas's report
};

/// What a kernel's cache holds.
struct CacheStatistics {
  int plans = 0;     ///< call signatures resolved
  int variants = 0;  ///< (schedule, facts, target) triples
  int compiles = 0;  ///< variants whose machine code has been made
};

namespace runtime {

class Binder;
struct Binding;
struct Dispatch;

/// One kernel. Thread-safe. The in-memory cache lives here: variants by (complete schedule, facts
/// of every tensor, target), and per partial schedule the calls that were resolved to them.
class KernelState {
 public:
  /// Throws octile::Error(user) for a program that can't be bound, see Binder.
  explicit KernelState(std::shared_ptr<const ir::Function> function);
  ~KernelState();
  KernelState(const KernelState&) = delete;
  KernelState& operator=(const KernelState&) = delete;

  const ir::Function& function() const { return *function_; }

  /// The calls under a partial schedule; the same object for equal schedules. Lives as long as the
  /// kernel.
  Dispatch& dispatch(const Schedule& partial);
  static const Schedule& schedule_of(const Dispatch& dispatch);

  /// Binds, resolves and launches.
  void launch(Dispatch& dispatch, const Stream& stream, std::span<const Argument> arguments);

  /// The code that `launch` would run: CUDA C++ on a GPU's stream, LLVM IR on the CPU's.
  std::string source(Dispatch& dispatch, const Stream& stream, std::span<const Argument> arguments);
  /// The complete schedule that `launch` would use.
  Schedule schedule(Dispatch& dispatch, const Stream& stream, std::span<const Argument> arguments);

  /// The CUDA program for row-major tensors of the given sizes; needs no GPU.
  cuda::CudaProgram emit(Dispatch& dispatch, const ProblemSizes& sizes, const cuda::Target& target);
  /// The same, compiled; a later launch that agrees finds it in the cache.
  CompiledVariant compile_for(Dispatch& dispatch, const ProblemSizes& sizes,
                              const cuda::Target& target);
  /// The same for what is known of a call's tensors, wherever their memory is.
  CompiledVariant compile_call(Dispatch& dispatch, std::span<const Argument> arguments,
                               const cuda::Target& target);

  CacheStatistics statistics() const;

 private:
  struct Cache;

  const std::shared_ptr<const ir::Function> function_;
  const std::unique_ptr<Binder> binder_;
  const std::unique_ptr<Cache> cache_;
};

}  // namespace runtime
}  // namespace octile
