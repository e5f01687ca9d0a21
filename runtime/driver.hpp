// The CUDA driver API, opened at run time. Internal to the runtime: included by its sources only.
#pragma once

#include <cstdint>
#include <string>

#include "octile/runtime/error.hpp"

#ifdef OCTILE_HAS_CUDA
#include <cuda.h>

namespace octile::runtime {

/// The oldest driver that has every entry point below.
inline constexpr int kMinimumDriverVersion = 12000;

/// Entry points of libcuda, typed by cuda.h. The list is X(member, function).
#define OCTILE_DRIVER_FUNCTIONS(X)            \
  X(init, cuInit)                             \
  X(driver_version, cuDriverGetVersion)       \
  X(error_name, cuGetErrorName)               \
  X(error_string, cuGetErrorString)           \
  X(device_get, cuDeviceGet)                  \
  X(device_count, cuDeviceGetCount)           \
  X(device_name, cuDeviceGetName)             \
  X(device_attribute, cuDeviceGetAttribute)   \
  X(primary_retain, cuDevicePrimaryCtxRetain) \
  X(context_get, cuCtxGetCurrent)             \
  X(context_set, cuCtxSetCurrent)             \
  X(context_push, cuCtxPushCurrent)           \
  X(context_pop, cuCtxPopCurrent)             \
  X(context_device, cuCtxGetDevice)           \
  X(pointer_attribute, cuPointerGetAttribute) \
  X(mem_alloc, cuMemAlloc)                    \
  X(mem_free, cuMemFree)                      \
  X(copy_to_device, cuMemcpyHtoDAsync)        \
  X(copy_to_host, cuMemcpyDtoHAsync)          \
  X(copy_on_device, cuMemcpyDtoDAsync)        \
  X(set_bytes, cuMemsetD8Async)               \
  X(stream_create, cuStreamCreate)            \
  X(stream_destroy, cuStreamDestroy)          \
  X(stream_synchronize, cuStreamSynchronize)  \
  X(stream_id, cuStreamGetId)                 \
  X(stream_capturing, cuStreamIsCapturing)    \
  X(event_create, cuEventCreate)              \
  X(event_destroy, cuEventDestroy)            \
  X(event_record, cuEventRecord)              \
  X(event_synchronize, cuEventSynchronize)    \
  X(module_load, cuModuleLoadData)            \
  X(module_unload, cuModuleUnload)            \
  X(module_function, cuModuleGetFunction)     \
  X(function_set, cuFuncSetAttribute)         \
  X(function_get, cuFuncGetAttribute)         \
  X(launch, cuLaunchKernelEx)                 \
  X(encode_tiled, cuTensorMapEncodeTiled)

/// The driver's functions. `get()` opens libcuda once and initialises it.
struct Driver {
#define OCTILE_DECLARE(member, function) decltype(&function) member = nullptr;
  OCTILE_DRIVER_FUNCTIONS(OCTILE_DECLARE)
#undef OCTILE_DECLARE
  /// Not in every driver under one name, so typed here: milliseconds between two events.
  CUresult (*event_elapsed)(float*, CUevent, CUevent) = nullptr;
  int version = 0;  ///< 1000 * major + 10 * minor

  /// Throws octile::Error(device) that says what is missing. OCTILE_CUDA_DRIVER_PATH names another
  /// libcuda (a file); it is read when the driver is first asked for.
  static const Driver& get();

  /// The driver if `get` has opened it, else null.
  static const Driver* loaded();

  /// Throws octile::Error(device) with the error's name and `what` when `result` is an error.
  void check(CUresult result, const char* what) const;
};

/// Opens and checks a driver afresh; what `get` does once.
Driver load_driver(const std::string& path);

}  // namespace octile::runtime
#endif

namespace octile::runtime {

/// Empty when there is a usable driver with a device, else the sentence that `Driver::get` throws.
std::string driver_problem();

}  // namespace octile::runtime
