#include "octile/runtime/workspace.hpp"

#ifdef OCTILE_HAS_CUDA
#include <fmt/format.h>

#include <algorithm>

namespace octile::runtime {
namespace {

/// Whether a handle means one stream as long as that lives: those of default streams don't.
bool is_a_streams_own(CUstream stream) {
  return stream != nullptr && stream != CU_STREAM_LEGACY && stream != CU_STREAM_PER_THREAD;
}

}  // namespace

Workspaces::Workspace& Workspaces::find(const Driver& driver, const DeviceContext* context,
                                        CUstream stream) {
  Workspace wanted{context, stream, 0, 0, {}};
  driver.check(driver.stream_id(stream, &wanted.id), "cuStreamGetId");
  for (Workspace& known : list_) {
    if (known.context == context && known.id == wanted.id) return known;
  }
  list_.push_back(wanted);
  return list_.back();
}

// A captured stream can't be asked for its id; the last one of its handle is it, or is gone.
CUdeviceptr Workspaces::get_captured(const DeviceContext* context, CUstream stream,
                                     std::size_t bytes, const std::string& kernel) {
  const auto mine = std::find_if(list_.rbegin(), list_.rend(), [&](const Workspace& known) {
    return known.context == context && known.stream == stream && is_a_streams_own(stream);
  });
  const std::size_t known = mine == list_.rend() ? 0 : mine->bytes;
  if (known >= bytes) return mine->blocks.back();
  throw Error(ErrorCode::user,
              fmt::format("kernel `{}`: expected a workspace of {} bytes, the captured stream has "
                          "one of {}, and a capture can't allocate; launch the kernel once on "
                          "this stream before the capture begins{}",
                          kernel, bytes, known,
                          is_a_streams_own(stream) ? "" : ", which must be one that you created"));
}

CUdeviceptr Workspaces::get(const Driver& driver, const DeviceContext* context, CUstream stream,
                            std::size_t bytes, const std::string& kernel) {
  const std::lock_guard lock(mutex_);
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  driver.check(driver.stream_capturing(stream, &status), "cuStreamIsCapturing");
  if (status != CU_STREAM_CAPTURE_STATUS_NONE) return get_captured(context, stream, bytes, kernel);
  Workspace& mine = find(driver, context, stream);
  if (mine.bytes >= bytes) return mine.blocks.back();
  // A destroyed stream's handle is given out again. Freeing waits for the work that uses the
  // memory.
  for (Workspace& other : list_) {
    if (&other == &mine || other.context != context || other.stream != stream ||
        !is_a_streams_own(stream))
      continue;
    for (const CUdeviceptr block : other.blocks) driver.mem_free(block);
    other.blocks.clear();
    other.bytes = 0;
  }
  // At least doubled, so that what is kept is no more than what is used.
  const std::size_t size = std::max(bytes, 2 * mine.bytes);
  CUdeviceptr memory = 0;
  driver.check(driver.mem_alloc(&memory, size), "cuMemAlloc");
  driver.check(driver.set_bytes(memory, 0, cuda::kWorkspaceFlagBytes, stream), "cuMemsetD8Async");
  mine.blocks.push_back(memory);
  mine.bytes = size;
  return memory;
}

Workspaces& workspaces() {
  // Not destroyed at exit: kernels that are global variables may launch later still.
  static auto& all = *new Workspaces();
  return all;
}

}  // namespace octile::runtime
#endif
