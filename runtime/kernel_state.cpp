#include "octile/runtime/kernel_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "octile/codegen/cpu/engine.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/runtime/bind.hpp"
#include "octile/runtime/cpu_variant.hpp"
#include "octile/runtime/cuda_variant.hpp"
#include "octile/runtime/error.hpp"
#include "octile/runtime/plan.hpp"

namespace octile::runtime {

/// A resolved call: one of the variants, and the grid.
struct Plan {
  CudaVariant* cuda = nullptr;
  CpuVariant* cpu = nullptr;
  Grid grid;
#ifdef OCTILE_HAS_CUDA
  CUfunction kernel = nullptr;
#endif
};

struct Dispatch {
  explicit Dispatch(Schedule schedule) : partial(std::move(schedule)) {}

  const Schedule partial;
  PlanTable<Plan> plans;
};

struct KernelState::Cache {
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<Dispatch>> dispatches;
  std::vector<std::unique_ptr<CudaVariant>> cuda;
  std::vector<std::unique_ptr<CpuVariant>> cpu;
};

namespace {

/// The element of `list` with `key`, made by `make` when there is none.
template <typename Variant, typename Key, typename Make>
Variant& find_or_add(std::vector<std::unique_ptr<Variant>>& list, const Key& key,
                     const Make& make) {
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const auto& variant) { return variant->key() == key; });
  if (found != list.end()) return **found;
  list.push_back(make());
  return *list.back();
}

/// What only `resolve` of KernelState needs of it, so that the steps below are free functions.
struct Resolver {
  const ir::Function& function;
  std::mutex& mutex;
  std::vector<std::unique_ptr<CudaVariant>>& cuda;
  std::vector<std::unique_ptr<CpuVariant>>& cpu;

  CudaVariant& cuda_variant(const Schedule& partial, const Binding& binding,
                            const cuda::Target& target) const {
    const std::vector<std::int64_t> dims = binding.dim_vector();
    CudaKey key{{}, binding.fact_vector(), target};
    key.schedule = with_kernel_name(function, [&] {
      return cuda::choose_schedule(function, partial, dims, key.facts, target);
    });
    const std::lock_guard lock(mutex);
    return find_or_add(cuda, key,
                       [&] { return std::make_unique<CudaVariant>(function, key, dims); });
  }

  CpuVariant& cpu_variant(const Schedule& partial, const Binding& binding,
                          const cpu::Options& options) const {
    require_cpu(function);
    CpuKey key{{}, options};
    key.schedule = with_kernel_name(
        function, [&] { return cpu::choose_schedule(function, partial, binding.dim_vector()); });
    const std::lock_guard lock(mutex);
    return find_or_add(cpu, key, [&] { return std::make_unique<CpuVariant>(function, key); });
  }
};

/// Views whose place the caller left open are looked up once per signature, not per launch.
void check_reachable(const ir::Function& function, const Stream& stream,
                     std::span<const Argument> arguments) {
  for (std::size_t p = 0; p < arguments.size(); ++p) {
    const TensorView& view = arguments[p].view;
    if (arguments[p].kind != Argument::Kind::tensor || view.place != Place::any ||
        view.element_count() == 0) {
      continue;
    }
    if (stream.is_gpu() ? gpu_reaches(view.data) : host_reaches(view.data)) continue;
    throw Error(
        ErrorCode::user,
        fmt::format(
            "kernel `{}`, argument `{}`: {}", function.name, function.params[p].name,
            stream.is_gpu()
                ? "expected memory that the GPU can reach, got host memory that CUDA doesn't "
                  "know; copy it with Tensor::to(stream) or launch on Stream::cpu()"
                : "expected memory that the CPU can reach, got device memory; copy it with "
                  "Tensor::to(stream) or launch on Stream::gpu()"));
  }
}

Plan make_plan(const Resolver& resolver, const Schedule& partial, const Stream& stream,
               std::span<const Argument> arguments, const Binding& binding) {
  Plan plan;
  const std::vector<std::int64_t> dims = binding.dim_vector();
  check_reachable(resolver.function, stream, arguments);
  if (!stream.is_gpu()) {
    plan.cpu = &resolver.cpu_variant(partial, binding, stream.cpu_options());
    plan.grid.tiles = grid_tiles(plan.cpu->function(), dims);
    const auto& tiles = plan.grid.tiles;
    plan.grid.ctas = std::count(tiles.begin(), tiles.end(), 0) > 0 ? 0 : 1;
    return plan;
  }
#ifdef OCTILE_HAS_CUDA
  plan.cuda = &resolver.cuda_variant(partial, binding, stream.context()->info.target);
  plan.grid = launch_grid(plan.cuda->function(), plan.cuda->program(), dims);
  if (plan.grid.ctas > 0) plan.kernel = plan.cuda->load(*stream.context());
#endif
  return plan;
}

/// The cached plan of a call, made on a miss.
Plan find_plan(const Resolver& resolver, Dispatch& dispatch, const Stream& stream,
               std::span<const Argument> arguments, const Binding& binding) {
  const Signature signature(binding, stream);
  Plan plan;
  if (dispatch.plans.find(signature, plan)) return plan;
  plan = make_plan(resolver, dispatch.partial, stream, arguments, binding);
  dispatch.plans.add(signature, plan);
  return plan;
}

}  // namespace

KernelState::KernelState(std::shared_ptr<const ir::Function> function)
    : function_(std::move(function)),
      binder_(std::make_unique<Binder>(function_)),
      cache_(std::make_unique<Cache>()) {}

KernelState::~KernelState() = default;

Dispatch& KernelState::dispatch(const Schedule& partial) {
  const std::lock_guard lock(cache_->mutex);
  for (const auto& dispatch : cache_->dispatches) {
    if (dispatch->partial == partial) return *dispatch;
  }
  cache_->dispatches.push_back(std::make_unique<Dispatch>(partial));
  return *cache_->dispatches.back();
}

const Schedule& KernelState::schedule_of(const Dispatch& dispatch) {
  return dispatch.partial;
}

void KernelState::launch(Dispatch& dispatch, const Stream& stream,
                         std::span<const Argument> arguments) {
  Binding binding;
  binder_->bind(arguments, stream.is_gpu() ? Place::device : Place::host, binding);
  const Resolver resolver{*function_, cache_->mutex, cache_->cuda, cache_->cpu};
#ifdef OCTILE_HAS_CUDA
  if (stream.is_gpu()) {
    const ContextScope scope(*stream.context());
    Plan plan = find_plan(resolver, dispatch, stream, arguments, binding);
    if (plan.grid.ctas == 0) return;
    plan.cuda->launch(plan.kernel, stream, arguments, binding, plan.grid);
    return;
  }
#endif
  const Plan plan = find_plan(resolver, dispatch, stream, arguments, binding);
  if (plan.grid.ctas > 0) plan.cpu->run(arguments, binding);
}

std::string KernelState::source(Dispatch& dispatch, const Stream& stream,
                                std::span<const Argument> arguments) {
  Binding binding;
  binder_->bind(arguments, stream.is_gpu() ? Place::device : Place::host, binding);
  const Resolver resolver{*function_, cache_->mutex, cache_->cuda, cache_->cpu};
#ifdef OCTILE_HAS_CUDA
  if (stream.is_gpu()) {
    const cuda::Target& target = stream.context()->info.target;
    return resolver.cuda_variant(dispatch.partial, binding, target).program().source;
  }
#endif
  return resolver.cpu_variant(dispatch.partial, binding, stream.cpu_options()).llvm_ir();
}

Schedule KernelState::schedule(Dispatch& dispatch, const Stream& stream,
                               std::span<const Argument> arguments) {
  Binding binding;
  binder_->bind(arguments, stream.is_gpu() ? Place::device : Place::host, binding);
  const Resolver resolver{*function_, cache_->mutex, cache_->cuda, cache_->cpu};
#ifdef OCTILE_HAS_CUDA
  if (stream.is_gpu()) {
    const cuda::Target& target = stream.context()->info.target;
    return resolver.cuda_variant(dispatch.partial, binding, target).key().schedule;
  }
#endif
  return resolver.cpu_variant(dispatch.partial, binding, stream.cpu_options()).key().schedule;
}

cuda::CudaProgram KernelState::emit(Dispatch& dispatch, const ProblemSizes& sizes,
                                    const cuda::Target& target) {
  const Resolver resolver{*function_, cache_->mutex, cache_->cuda, cache_->cpu};
  return resolver.cuda_variant(dispatch.partial, binder_->bind_sizes(sizes), target).program();
}

CompiledVariant KernelState::compile_for(Dispatch& dispatch, const ProblemSizes& sizes,
                                         const cuda::Target& target) {
  const Resolver resolver{*function_, cache_->mutex, cache_->cuda, cache_->cpu};
  CudaVariant& variant =
      resolver.cuda_variant(dispatch.partial, binder_->bind_sizes(sizes), target);
  return {variant.key().schedule, variant.program(), variant.compiled()};
}

CompiledVariant KernelState::compile_call(Dispatch& dispatch, std::span<const Argument> arguments,
                                          const cuda::Target& target) {
  std::vector<Argument> open(arguments.begin(), arguments.end());
  for (Argument& argument : open) argument.view.place = Place::any;
  Binding binding;
  binder_->bind(open, Place::device, binding);
  const Resolver resolver{*function_, cache_->mutex, cache_->cuda, cache_->cpu};
  CudaVariant& variant = resolver.cuda_variant(dispatch.partial, binding, target);
  return {variant.key().schedule, variant.program(), variant.compiled()};
}

CacheStatistics KernelState::statistics() const {
  CacheStatistics result;
  const std::lock_guard lock(cache_->mutex);
  for (const auto& dispatch : cache_->dispatches) {
    result.plans += static_cast<int>(dispatch->plans.size());
  }
  result.variants = static_cast<int>(cache_->cuda.size() + cache_->cpu.size());
  for (const auto& variant : cache_->cuda) result.compiles += variant->is_compiled() ? 1 : 0;
  for (const auto& variant : cache_->cpu) result.compiles += variant->is_compiled() ? 1 : 0;
  return result;
}

}  // namespace octile::runtime
