// One compiled form of a kernel on GPUs. Internal to the runtime.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "octile/runtime/bind.hpp"
#include "octile/runtime/device.hpp"
#include "octile/runtime/nvrtc.hpp"
#include "octile/runtime/plan.hpp"
#include "octile/runtime/tensor_map.hpp"

namespace octile::runtime {

using cuda::kMaxTensorMaps;
inline constexpr int kMaxKernelArgs = 128;

/// What a variant is made of; equal keys share code.
struct CudaKey {
  Schedule schedule;  ///< complete
  std::vector<cuda::TensorFacts> facts;
  cuda::Target target;
  bool operator==(const CudaKey&) const = default;
};

#ifdef OCTILE_HAS_CUDA
/// The kernel's parameters as the driver takes them: addresses into the binding, the arguments, the
/// grid and this packet.
struct LaunchPacket {
  CUtensorMap maps[kMaxTensorMaps];
  CUdeviceptr workspace = 0;
  void* pointers[kMaxKernelArgs];
};
#endif

/// Lowered once, compiled once, loaded once per context; each on first use, by one thread while the
/// others wait. Thread-safe.
class CudaVariant {
 public:
  CudaVariant(const ir::Function& function, CudaKey key, std::vector<std::int64_t> dim_hints);
  ~CudaVariant();
  CudaVariant(const CudaVariant&) = delete;
  CudaVariant& operator=(const CudaVariant&) = delete;

  const CudaKey& key() const { return key_; }

  /// The program. Throws octile::Error(user) when the schedule is not legal.
  const cuda::CudaProgram& program();
  /// The prepared function that the program was made from.
  const ir::Function& function();
  /// The machine code. `compiles` counts calls of NVRTC. Throws as runtime::compile_cuda.
  const CompiledKernel& compiled();
  bool is_compiled() const;

#ifdef OCTILE_HAS_CUDA
  /// The kernel in `context`, which is current.
  CUfunction load(const DeviceContext& context);

  /// Fills `packet` for a launch. Allocates nothing once descriptors are cached.
  void pack(std::span<const Argument> arguments, Binding& binding, Grid& grid, std::uint64_t zeros,
            CUdeviceptr workspace, EncodeTiled encode, LaunchPacket& packet);

  /// Launches `kernel` (from `load`) on `stream`, whose context is current. Never waits.
  void launch(CUfunction kernel, const Stream& stream, std::span<const Argument> arguments,
              Binding& binding, Grid& grid);
#endif

 private:
  void lower_locked();

  const ir::Function& source_;
  const CudaKey key_;
  const std::vector<std::int64_t> dim_hints_;

  mutable std::mutex mutex_;
  std::unique_ptr<ir::Function> function_;  ///< set when lowered
  cuda::CudaProgram program_;
  std::unique_ptr<CompiledKernel> compiled_;

#ifdef OCTILE_HAS_CUDA
  struct Loaded {
    const DeviceContext* context;
    CUmodule module;
    CUfunction kernel;
  };
  std::vector<Loaded> loaded_;
  std::unique_ptr<TensorMapCache> maps_;
#endif
};

/// Runs `make`, turning an ir::Error into an octile::Error(user) that names the kernel.
template <typename Make>
auto with_kernel_name(const ir::Function& function, const Make& make) {
  try {
    return make();
  } catch (const ir::Error& error) {
    throw Error(ErrorCode::user, "kernel `" + function.name + "`: " + error.what());
  }
}

}  // namespace octile::runtime
