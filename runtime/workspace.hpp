// Device memory that kernels share sums through. Internal to the runtime.
#pragma once

#include "octile/runtime/device.hpp"

#ifdef OCTILE_HAS_CUDA
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace octile::runtime {

/// One workspace per stream, as launches on one stream follow each other and those on two don't.
/// Thread-safe.
class Workspaces {
 public:
  /// The memory of `stream`, `bytes` of it or more, the first cuda::kWorkspaceFlagBytes zero in the
  /// stream's order. It may move when it has to grow; what it was stays, for launches under way and
  /// captured graphs, until the stream is gone. Allocates on a stream's first launch and when it
  /// grows: then throws octile::Error(user) that names `kernel` if the stream is being captured.
  CUdeviceptr get(const Driver& driver, const DeviceContext* context, CUstream stream,
                  std::size_t bytes, const std::string& kernel);

 private:
  struct Workspace {
    const DeviceContext* context = nullptr;
    CUstream stream = nullptr;
    unsigned long long id = 0;  ///< of the stream: a handle can be another thread's or a later one
    std::size_t bytes = 0;      ///< of the last block
    std::vector<CUdeviceptr> blocks;
  };
  Workspace& find(const Driver& driver, const DeviceContext* context, CUstream stream);
  CUdeviceptr get_captured(const DeviceContext* context, CUstream stream, std::size_t bytes,
                           const std::string& kernel);

  std::mutex mutex_;
  std::vector<Workspace> list_;
};

/// The process's, kept to its end.
Workspaces& workspaces();

}  // namespace octile::runtime
#endif
