#include "octile/runtime/cuda_variant.hpp"

#include <fmt/format.h>

#include "octile/codegen/passes/passes.hpp"
#include "octile/runtime/workspace.hpp"

namespace octile::runtime {

CudaVariant::CudaVariant(const ir::Function& function, CudaKey key,
                         std::vector<std::int64_t> dim_hints)
    : source_(function), key_(std::move(key)), dim_hints_(std::move(dim_hints)) {}

void CudaVariant::lower_locked() {
  if (function_ != nullptr) return;
  std::unique_ptr<ir::Function> prepared = ir::clone(source_);
  cuda::CudaProgram program = with_kernel_name(source_, [&] {
    passes::prepare(*prepared, key_.schedule.axes);
    return cuda::lower(*prepared, {key_.schedule, key_.facts, dim_hints_, key_.target});
  });
  if (program.tensor_maps.size() > kMaxTensorMaps || program.args.size() > kMaxKernelArgs) {
    throw Error(
        ErrorCode::user,
        fmt::format("kernel `{}`: expected at most {} TMA descriptors and {} launch arguments, "
                    "got {} and {}; split the kernel",
                    source_.name, kMaxTensorMaps, kMaxKernelArgs, program.tensor_maps.size(),
                    program.args.size()));
  }
  program_ = std::move(program);
  function_ = std::move(prepared);
#ifdef OCTILE_HAS_CUDA
  std::vector<std::string> names;
  for (const cuda::TensorMap& map : program_.tensor_maps) {
    names.push_back(source_.params[static_cast<std::size_t>(map.param)].name);
  }
  maps_ = std::make_unique<TensorMapCache>(program_.tensor_maps, std::move(names));
#endif
}

const cuda::CudaProgram& CudaVariant::program() {
  const std::lock_guard lock(mutex_);
  lower_locked();
  return program_;
}

const ir::Function& CudaVariant::function() {
  const std::lock_guard lock(mutex_);
  lower_locked();
  return *function_;
}

const CompiledKernel& CudaVariant::compiled() {
  const std::lock_guard lock(mutex_);
  lower_locked();
  if (compiled_ == nullptr) {
    compiled_ = std::make_unique<CompiledKernel>(compile_cuda(program_));
  }
  return *compiled_;
}

bool CudaVariant::is_compiled() const {
  const std::lock_guard lock(mutex_);
  return compiled_ != nullptr;
}

#ifdef OCTILE_HAS_CUDA

CudaVariant::~CudaVariant() {
  // A context that the application has destroyed took its modules along.
  for (const Loaded& loaded : loaded_) {
    try {
      const ContextScope scope(*loaded.context);
      Driver::get().module_unload(loaded.module);
    } catch (const Error&) {
    }
  }
}

CUfunction CudaVariant::load(const DeviceContext& context) {
  const CompiledKernel& code = compiled();
  const std::lock_guard lock(mutex_);
  for (const Loaded& loaded : loaded_) {
    if (loaded.context == &context) return loaded.kernel;
  }
  const Driver& driver = Driver::get();
  Loaded loaded{&context, nullptr, nullptr};
  const std::string what = fmt::format("kernel `{}`: cuModuleLoadData", source_.name);
  driver.check(driver.module_load(&loaded.module, code.cubin.data()), what.c_str());
  driver.check(driver.module_function(&loaded.kernel, loaded.module, program_.entry.c_str()),
               "cuModuleGetFunction");
  if (program_.shared_bytes > 0) {
    driver.check(driver.function_set(loaded.kernel, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                     program_.shared_bytes),
                 "cuFuncSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)");
  }
  if (program_.cluster > 8) {
    driver.check(
        driver.function_set(loaded.kernel, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1),
        "cuFuncSetAttribute(NON_PORTABLE_CLUSTER_SIZE_ALLOWED)");
  }
  loaded_.push_back(loaded);
  return loaded.kernel;
}

void CudaVariant::pack(std::span<const Argument> arguments, Binding& binding, Grid& grid,
                       std::uint64_t zeros, CUdeviceptr workspace, EncodeTiled encode,
                       LaunchPacket& packet) {
  packet.workspace = workspace;
  for (std::size_t i = 0; i < program_.args.size(); ++i) {
    const cuda::KernelArg& arg = program_.args[i];
    const auto index = static_cast<std::size_t>(arg.index);
    void*& pointer = packet.pointers[i];
    switch (arg.kind) {
      case cuda::ArgKind::tensor_map: {
        const auto param = static_cast<std::size_t>(program_.tensor_maps[index].param);
        maps_->get(arg.index, arguments[param].view, binding.strides[param], grid.tiles, zeros,
                   encode, packet.maps[index]);
        pointer = &packet.maps[index];
        break;
      }
      case cuda::ArgKind::pointer:
        pointer = const_cast<void**>(&arguments[index].view.data);
        break;
      case cuda::ArgKind::stride:
        pointer = &binding.strides[index][arg.dim];
        break;
      case cuda::ArgKind::dim:
        pointer = &binding.dim_values[index];
        break;
      case cuda::ArgKind::scalar:
        pointer = &binding.scalars[index];
        break;
      case cuda::ArgKind::grid_extent:
        pointer = &grid.tiles[index];
        break;
      case cuda::ArgKind::workspace:
        pointer = &packet.workspace;
        break;
    }
  }
}

void CudaVariant::launch(CUfunction kernel, const Stream& stream,
                         std::span<const Argument> arguments, Binding& binding, Grid& grid) {
  const Driver& driver = Driver::get();
  LaunchPacket packet;
  CUdeviceptr workspace = 0;
  if (program_.workspace_bytes > 0) {
    workspace = workspaces().get(driver, stream.context(), stream.handle(),
                                 static_cast<std::size_t>(program_.workspace_bytes), source_.name);
  }
  pack(arguments, binding, grid, stream.context()->zeros, workspace, driver.encode_tiled, packet);
  CUlaunchAttribute attributes[2];
  CUlaunchConfig config{};
  config.gridDimX = grid.ctas;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = static_cast<unsigned>(program_.threads);
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = static_cast<unsigned>(program_.shared_bytes);
  config.hStream = stream.handle();
  config.attrs = attributes;
  if (program_.cluster > 1) {
    CUlaunchAttribute& attribute = attributes[config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    attribute.value.clusterDim.x = static_cast<unsigned>(program_.cluster);
    attribute.value.clusterDim.y = attribute.value.clusterDim.z = 1;
  }
  if (program_.dependent_launch) {
    CUlaunchAttribute& attribute = attributes[config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
  }
  const CUresult result = driver.launch(&config, kernel, packet.pointers, nullptr);
  if (result != CUDA_SUCCESS) {
    const std::string what = fmt::format(
        "kernel `{}`: cuLaunchKernelEx ({} CTAs of {} threads, {} bytes of shared memory, "
        "clusters of {})",
        source_.name, grid.ctas, program_.threads, program_.shared_bytes, program_.cluster);
    driver.check(result, what.c_str());
  }
}

#else

CudaVariant::~CudaVariant() = default;

#endif

}  // namespace octile::runtime
