// Where a kernel runs: the CPU, or a CUDA stream of the caller's.
#pragma once

#include <string>
#include <vector>

#include "octile/codegen/cpu/engine.hpp"
#include "octile/codegen/cuda/program.hpp"

// The driver's stream type (CUstream and cudaStream_t are pointers to it).
struct CUstream_st;

namespace octile {

namespace runtime {
struct DeviceContext;
}

/// A place in line. Cheap to copy; owns nothing.
class Stream {
 public:
  /// A stream of the thread's current CUDA context or, where there is none, of device 0's primary
  /// context, which becomes current. Throws octile::Error(device) without a usable GPU.
  Stream(CUstream_st* stream);  // NOLINT: a cudaStream_t is a Stream

  /// The calling thread and the CPU back end's pool; a launch returns when the work is done.
  static Stream cpu(const cpu::Options& options = {});

  /// The default stream of `device`'s primary context, the one that the CUDA runtime uses. Makes
  /// that context current. Throws octile::Error(device) without a usable GPU.
  static Stream gpu(int device = 0);

  bool is_gpu() const { return context_ != nullptr; }
  CUstream_st* handle() const { return handle_; }
  const cpu::Options& cpu_options() const { return cpu_; }
  const runtime::DeviceContext* context() const { return context_; }

  /// Waits for the work on the stream. Throws octile::Error(device) when a kernel has failed.
  void synchronize() const;

 private:
  Stream() = default;

  const runtime::DeviceContext* context_ = nullptr;
  CUstream_st* handle_ = nullptr;
  cpu::Options cpu_;
};

/// `Stream::gpu()` where there is a GPU that code is generated for, its driver and NVRTC; else the
/// CPU.
Stream default_stream();

/// A GPU that the driver sees.
struct DeviceInfo {
  int ordinal = 0;
  std::string name;
  int compute_capability = 0;  ///< 10 * major + minor
  bool supported = false;      ///< code is generated for it
  cuda::Target target;
};

/// Every GPU; empty without a driver.
std::vector<DeviceInfo> devices();

/// Empty when `default_stream` is a GPU's, else why it is not.
std::string gpu_problem();

}  // namespace octile
