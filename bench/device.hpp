// The GPU as the benchmarks use it: the driver opened at run time, one context and stream, owned
// memory, and NVRTC for the harness's own kernels. Errors are exceptions with the driver's words.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace octile::bench {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A shared library opened at run time, so that a benchmark binary starts (and can list or compile)
/// on a machine that lacks it.
class SharedLibrary {
 public:
  /// Opens the first of `names` that loads, looking in the loader's path and then in the CUDA
  /// toolkit's folders. Throws Error with every loader message when none does.
  explicit SharedLibrary(const std::vector<std::string>& names);
  void* symbol(const char* name) const;  ///< throws Error when there is none

 private:
  std::string name_;
  void* handle_ = nullptr;
};

#define OCTILE_BENCH_DRIVER_FUNCTIONS(X) \
  X(cuInit)                              \
  X(cuDriverGetVersion)                  \
  X(cuDeviceGet)                         \
  X(cuDeviceGetName)                     \
  X(cuDeviceGetAttribute)                \
  X(cuDevicePrimaryCtxRetain)            \
  X(cuCtxSetCurrent)                     \
  X(cuMemAlloc)                          \
  X(cuMemFree)                           \
  X(cuMemcpyHtoD)                        \
  X(cuMemcpyDtoH)                        \
  X(cuMemsetD8Async)                     \
  X(cuStreamCreate)                      \
  X(cuStreamSynchronize)                 \
  X(cuModuleLoadData)                    \
  X(cuModuleGetFunction)                 \
  X(cuLaunchKernel)                      \
  X(cuGetErrorString)

/// libcuda's functions, under the names of cuda.h.
struct Driver {
#define OCTILE_BENCH_MEMBER(name) decltype(&::name) name##_ = nullptr;
  OCTILE_BENCH_DRIVER_FUNCTIONS(OCTILE_BENCH_MEMBER)
#undef OCTILE_BENCH_MEMBER
};
const Driver& driver();  ///< opened on first use; throws Error where there is no libcuda

void check(CUresult result, std::string_view what);

/// Device memory, freed with the object. Movable.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t bytes);
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();

  CUdeviceptr address() const { return address_; }
  void* pointer() const { return reinterpret_cast<void*>(address_); }
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }
  void upload(const void* host, std::size_t bytes);
  void download(void* host, std::size_t bytes, std::size_t offset = 0) const;

 private:
  CUdeviceptr address_ = 0;
  std::size_t bytes_ = 0;
};

/// The first GPU: its primary context made current, a stream, and what is worth recording of it.
struct Device {
  std::string name;
  std::string arch;  ///< "sm_90a" where the architecture has an `a` variant, else "sm_89"
  int sm_count = 0;
  int l2_bytes = 0;
  int driver_version = 0;  ///< as the driver says: 13000
  CUstream stream = nullptr;

  void synchronize() const;
};
const Device& device();  ///< initialised on first use; throws Error where there is no GPU

/// A kernel made by NVRTC.
class DeviceKernel {
 public:
  DeviceKernel(const std::string& source, const std::string& entry);
  /// `args` point to the arguments, in order.
  void launch(unsigned grid_x, unsigned grid_y, unsigned threads, std::vector<void*> args) const;

 private:
  CUfunction function_ = nullptr;
};

/// Compiles `source` for `arch` and returns the cubin; throws Error with NVRTC's log.
std::string compile(const std::string& source, const std::string& arch);

}  // namespace octile::bench
