#include "octile/runtime/device.hpp"

#include <fmt/format.h>

#include <memory>
#include <mutex>

#include "octile/runtime/nvrtc.hpp"

namespace octile {
namespace runtime {

void require_supported(const DeviceInfo& info) {
  if (info.supported) return;
  throw Error(ErrorCode::device,
              fmt::format("device {} ({}) has compute capability {}.{}, expected 9.0 (sm_90a), 8.9 "
                          "(sm_89) or 12.0 (sm_120a); use such a GPU or Stream::cpu()",
                          info.ordinal, info.name, info.compute_capability / 10,
                          info.compute_capability % 10));
}

#ifdef OCTILE_HAS_CUDA
namespace {

DeviceInfo describe(const Driver& driver, CUdevice device) {
  const auto attribute = [&](CUdevice_attribute which) {
    int value = 0;
    driver.check(driver.device_attribute(&value, which, device), "cuDeviceGetAttribute");
    return value;
  };
  DeviceInfo info;
  info.ordinal = device;
  char name[256] = {};
  driver.check(driver.device_name(name, sizeof(name), device), "cuDeviceGetName");
  info.name = name;
  info.compute_capability = 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                            attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  constexpr std::pair<int, const char*> kArchitectures[] = {
      {90, "sm_90a"}, {89, "sm_89"}, {120, "sm_120a"}};
  for (const auto& [capability, arch] : kArchitectures) {
    if (info.compute_capability != capability) continue;
    info.supported = true;
    info.target.arch = arch;
  }
  info.target.sm_count = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  // Kilohertz, bits and two transfers a clock.
  info.target.memory_bytes_per_us = 2e-3 / 8 * attribute(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) *
                                    attribute(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
  info.target.shared_bytes_per_block =
      attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  return info;
}

CUdeviceptr make_zeros(const Driver& driver) {
  constexpr std::size_t kBytes = 256;
  CUdeviceptr zeros = 0;
  driver.check(driver.mem_alloc(&zeros, kBytes), "cuMemAlloc");
  driver.check(driver.set_bytes(zeros, 0, kBytes, nullptr), "cuMemsetD8Async");
  driver.check(driver.stream_synchronize(nullptr), "cuStreamSynchronize");
  return zeros;
}

/// The record of a context that is current. Records are never removed: a context that was destroyed
/// leaves one behind, and a new context at its address has the same device in practice only if
/// checked, so the device is compared.
const DeviceContext& record_of(CUcontext handle) {
  static std::mutex mutex;
  // Not destroyed at exit: kernels that are global variables may be destroyed later still.
  static auto& records = *new std::vector<std::unique_ptr<DeviceContext>>();
  thread_local const DeviceContext* last = nullptr;
  if (last != nullptr && last->handle == handle) return *last;
  const Driver& driver = Driver::get();
  CUdevice device = 0;
  driver.check(driver.context_device(&device), "cuCtxGetDevice");
  const std::lock_guard lock(mutex);
  for (const auto& record : records) {
    if (record->handle == handle && record->info.ordinal == device) return *(last = record.get());
  }
  auto record = std::make_unique<DeviceContext>();
  record->handle = handle;
  record->info = describe(driver, device);
  record->zeros = make_zeros(driver);
  records.push_back(std::move(record));
  return *(last = records.back().get());
}

}  // namespace

const DeviceContext& current_context() {
  const Driver& driver = Driver::get();
  CUcontext handle = nullptr;
  driver.check(driver.context_get(&handle), "cuCtxGetCurrent");
  return handle != nullptr ? record_of(handle) : primary_context(0);
}

const DeviceContext& primary_context(int device) {
  const Driver& driver = Driver::get();
  CUdevice handle = 0;
  driver.check(driver.device_get(&handle, device), "cuDeviceGet");
  CUcontext context = nullptr;
  // Kept for the life of the process, as the CUDA runtime does.
  driver.check(driver.primary_retain(&context, handle), "cuDevicePrimaryCtxRetain");
  driver.check(driver.context_set(context), "cuCtxSetCurrent");
  return record_of(context);
}

bool gpu_reaches(const void* data) {
  unsigned type = 0;
  return Driver::get().pointer_attribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                         reinterpret_cast<CUdeviceptr>(data)) == CUDA_SUCCESS;
}

bool host_reaches(const void* data) {
  const Driver* driver = Driver::loaded();
  if (driver == nullptr) return true;  // nothing has made device memory
  const auto address = reinterpret_cast<CUdeviceptr>(data);
  unsigned type = 0;
  unsigned managed = 0;
  if (driver->pointer_attribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) != CUDA_SUCCESS) {
    return true;  // unknown to CUDA
  }
  driver->pointer_attribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, address);
  return type != CU_MEMORYTYPE_DEVICE || managed != 0;
}

ContextScope::ContextScope(const DeviceContext& context) {
  const Driver& driver = Driver::get();
  CUcontext current = nullptr;
  driver.check(driver.context_get(&current), "cuCtxGetCurrent");
  if (current == context.handle) return;
  driver.check(driver.context_push(context.handle), "cuCtxPushCurrent");
  pushed_ = true;
}

ContextScope::~ContextScope() {
  CUcontext ignored = nullptr;
  if (pushed_) Driver::get().context_pop(&ignored);
}

#else

bool gpu_reaches(const void*) {
  return false;
}
bool host_reaches(const void*) {
  return true;
}

#endif
}  // namespace runtime

#ifdef OCTILE_HAS_CUDA

Stream::Stream(CUstream_st* stream) : context_(&runtime::current_context()), handle_(stream) {
  runtime::require_supported(context_->info);
}

Stream Stream::gpu(int device) {
  Stream stream;
  stream.context_ = &runtime::primary_context(device);
  runtime::require_supported(stream.context_->info);
  return stream;
}

void Stream::synchronize() const {
  if (!is_gpu()) return;
  const runtime::ContextScope scope(*context_);
  const runtime::Driver& driver = runtime::Driver::get();
  driver.check(driver.stream_synchronize(handle_), "cuStreamSynchronize");
}

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> result;
  if (!runtime::driver_problem().empty()) return result;
  const runtime::Driver& driver = runtime::Driver::get();
  int count = 0;
  driver.check(driver.device_count(&count), "cuDeviceGetCount");
  for (int i = 0; i < count; ++i) {
    CUdevice device = 0;
    driver.check(driver.device_get(&device, i), "cuDeviceGet");
    result.push_back(runtime::describe(driver, device));
  }
  return result;
}

#else

Stream::Stream(CUstream_st*) {
  throw Error(ErrorCode::device, runtime::driver_problem());
}
Stream Stream::gpu(int) {
  throw Error(ErrorCode::device, runtime::driver_problem());
}
void Stream::synchronize() const {}
std::vector<DeviceInfo> devices() {
  return {};
}

#endif

Stream Stream::cpu(const cpu::Options& options) {
  Stream stream;
  stream.cpu_ = options;
  return stream;
}

std::string gpu_problem() {
  if (std::string problem = runtime::driver_problem(); !problem.empty()) return problem;
  if (std::string problem = runtime::nvrtc_problem(); !problem.empty()) return problem;
  try {
    runtime::require_supported(devices().front());
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

Stream default_stream() {
  // Looked into once: the answer doesn't change, and opening a missing library is slow.
  static const bool gpu = gpu_problem().empty();
  return gpu ? Stream::gpu() : Stream::cpu();
}

}  // namespace octile
