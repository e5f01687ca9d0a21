// CUDA contexts as the runtime sees them. Internal to the runtime.
#pragma once

#include "octile/runtime/driver.hpp"
#include "octile/runtime/stream.hpp"

namespace octile::runtime {

/// Throws octile::Error(device) when code is not generated for `info`.
void require_supported(const DeviceInfo& info);

/// Whether memory is one that CUDA knows: device, pinned or managed.
bool gpu_reaches(const void* data);
/// Whether memory is anything but plain device memory.
bool host_reaches(const void* data);

#ifdef OCTILE_HAS_CUDA

/// One CUDA context. Lives as long as the process, so that pointers to it can be cache keys.
struct DeviceContext {
  CUcontext handle = nullptr;
  DeviceInfo info;
  /// 256 zero bytes on the device: what a descriptor of an empty tensor points to.
  CUdeviceptr zeros = 0;
};

/// The thread's current context, else device 0's primary context, made current.
const DeviceContext& current_context();

/// The primary context of `device`, made current.
const DeviceContext& primary_context(int device);

/// Makes a context current for a scope, if it is not.
class ContextScope {
 public:
  explicit ContextScope(const DeviceContext& context);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  bool pushed_ = false;
};

#endif

}  // namespace octile::runtime
