#include "octile/bench/device.hpp"

#include <dlfcn.h>
#include <nvrtc.h>

#include <cstdlib>
#include <map>
#include <utility>

namespace octile::bench {
namespace {

#define OCTILE_BENCH_TEXT_(x) #x
#define OCTILE_BENCH_TEXT(x) OCTILE_BENCH_TEXT_(x)

std::vector<std::string> toolkit_folders() {
  std::vector<std::string> folders;
  for (const char* variable : {"CUDA_PATH", "CUDA_HOME"}) {
    if (const char* root = std::getenv(variable)) {
      folders.push_back(std::string(root) + "/lib64");
      folders.push_back(std::string(root) + "/lib");
      folders.push_back(std::string(root) + "/extras/CUPTI/lib64");
    }
  }
  folders.emplace_back("/usr/local/cuda/lib64");
  folders.emplace_back("/usr/local/cuda/extras/CUPTI/lib64");
  return folders;
}

struct Nvrtc {
  decltype(&nvrtcCreateProgram) create_program;
  decltype(&nvrtcDestroyProgram) destroy_program;
  decltype(&nvrtcCompileProgram) compile_program;
  decltype(&nvrtcGetProgramLogSize) get_log_size;
  decltype(&nvrtcGetProgramLog) get_log;
  decltype(&nvrtcGetCUBINSize) get_cubin_size;
  decltype(&nvrtcGetCUBIN) get_cubin;
};

const Nvrtc& nvrtc() {
  static const Nvrtc table = [] {
    static const SharedLibrary library({"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"});
    Nvrtc t{};
    const auto load = [](auto& function, const char* name) {
      function =
          reinterpret_cast<std::remove_reference_t<decltype(function)>>(library.symbol(name));
    };
    load(t.create_program, "nvrtcCreateProgram");
    load(t.destroy_program, "nvrtcDestroyProgram");
    load(t.compile_program, "nvrtcCompileProgram");
    load(t.get_log_size, "nvrtcGetProgramLogSize");
    load(t.get_log, "nvrtcGetProgramLog");
    load(t.get_cubin_size, "nvrtcGetCUBINSize");
    load(t.get_cubin, "nvrtcGetCUBIN");
    return t;
  }();
  return table;
}

void check_nvrtc(nvrtcResult result, std::string_view what, const std::string& log = {}) {
  if (result == NVRTC_SUCCESS) return;
  throw Error(std::string(what) + ": NVRTC error " + std::to_string(static_cast<int>(result)) +
              (log.empty() ? "" : "\n" + log));
}

Device open_device() {
  const Driver& d = driver();
  check(d.cuInit_(0), "cuInit");
  Device device;
  CUdevice handle = 0;
  CUcontext context = nullptr;
  char name[256] = {};
  check(d.cuDeviceGet_(&handle, 0), "cuDeviceGet: is there a GPU?");
  check(d.cuDeviceGetName_(name, sizeof name, handle), "cuDeviceGetName");
  check(d.cuDevicePrimaryCtxRetain_(&context, handle), "cuDevicePrimaryCtxRetain");
  check(d.cuCtxSetCurrent_(context), "cuCtxSetCurrent");
  check(d.cuStreamCreate_(&device.stream, CU_STREAM_DEFAULT), "cuStreamCreate");
  check(d.cuDriverGetVersion_(&device.driver_version), "cuDriverGetVersion");
  const auto attribute = [&](CUdevice_attribute which) {
    int value = 0;
    check(d.cuDeviceGetAttribute_(&value, which, handle), "cuDeviceGetAttribute");
    return value;
  };
  const int major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  const int minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  device.name = name;
  device.arch = "sm_" + std::to_string(major * 10 + minor) + (major >= 9 ? "a" : "");
  device.sm_count = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  device.l2_bytes = attribute(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  return device;
}

}  // namespace

SharedLibrary::SharedLibrary(const std::vector<std::string>& names) {
  std::string messages;
  const auto attempt = [&](const std::string& path) {
    handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    name_ = path;
    if (handle_ == nullptr) messages += std::string("\n  ") + dlerror();
    return handle_ != nullptr;
  };
  for (const std::string& name : names) {
    if (attempt(name)) return;
    for (const std::string& folder : toolkit_folders()) {
      if (attempt(folder + "/" + name)) return;
    }
  }
  throw Error("no " + names.front() + " here; set CUDA_PATH to the toolkit:" + messages);
}

void* SharedLibrary::symbol(const char* name) const {
  void* address = dlsym(handle_, name);
  if (address == nullptr) throw Error(name_ + " has no " + name);
  return address;
}

const Driver& driver() {
  static const Driver table = [] {
    static const SharedLibrary library({"libcuda.so.1"});
    Driver t;
#define OCTILE_BENCH_LOAD(name) \
  t.name##_ = reinterpret_cast<decltype(t.name##_)>(library.symbol(OCTILE_BENCH_TEXT(name)));
    OCTILE_BENCH_DRIVER_FUNCTIONS(OCTILE_BENCH_LOAD)
#undef OCTILE_BENCH_LOAD
    return t;
  }();
  return table;
}

void check(CUresult result, std::string_view what) {
  if (result == CUDA_SUCCESS) return;
  const char* text = nullptr;
  driver().cuGetErrorString_(result, &text);
  throw Error(std::string(what) + ": " + (text != nullptr ? text : "unknown CUDA error"));
}

const Device& device() {
  static const Device instance = open_device();
  return instance;
}

void Device::synchronize() const {
  check(driver().cuStreamSynchronize_(stream), "cuStreamSynchronize");
}

DeviceBuffer::DeviceBuffer(std::size_t bytes) : bytes_(bytes) {
  device();
  check(driver().cuMemAlloc_(&address_, bytes),
        "cuMemAlloc of " + std::to_string(bytes) + " bytes");
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : address_(std::exchange(other.address_, 0)), bytes_(std::exchange(other.bytes_, 0)) {}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ != 0) driver().cuMemFree_(address_);
}

void DeviceBuffer::upload(const void* host, std::size_t bytes) {
  check(driver().cuMemcpyHtoD_(address_, host, bytes), "cuMemcpyHtoD");
}

void DeviceBuffer::download(void* host, std::size_t bytes, std::size_t offset) const {
  check(driver().cuMemcpyDtoH_(host, address_ + offset, bytes), "cuMemcpyDtoH");
}

std::string compile(const std::string& source, const std::string& arch) {
  nvrtcProgram program = nullptr;
  check_nvrtc(nvrtc().create_program(&program, source.c_str(), "bench.cu", 0, nullptr, nullptr),
              "nvrtcCreateProgram");
  const std::string arch_option = "--gpu-architecture=" + arch;
  const char* options[] = {arch_option.c_str()};
  const nvrtcResult result = nvrtc().compile_program(program, 1, options);
  std::size_t size = 0;
  nvrtc().get_log_size(program, &size);
  std::string log(size, '\0');
  nvrtc().get_log(program, log.data());
  check_nvrtc(result, "compiling the harness's kernels", log);
  check_nvrtc(nvrtc().get_cubin_size(program, &size), "nvrtcGetCUBINSize");
  std::string cubin(size, '\0');
  check_nvrtc(nvrtc().get_cubin(program, cubin.data()), "nvrtcGetCUBIN");
  nvrtc().destroy_program(&program);
  return cubin;
}

DeviceKernel::DeviceKernel(const std::string& source, const std::string& entry) {
  // One module per source text, kept until the process ends.
  static std::map<std::string, CUmodule> modules;
  CUmodule& module = modules[source];
  if (module == nullptr) {
    const std::string cubin = compile(source, device().arch);
    check(driver().cuModuleLoadData_(&module, cubin.data()), "cuModuleLoadData");
  }
  check(driver().cuModuleGetFunction_(&function_, module, entry.c_str()), entry);
}

void DeviceKernel::launch(unsigned grid_x, unsigned grid_y, unsigned threads,
                          std::vector<void*> args) const {
  check(driver().cuLaunchKernel_(function_, grid_x, grid_y, 1, threads, 1, 1, 0, device().stream,
                                 args.data(), nullptr),
        "cuLaunchKernel");
}

}  // namespace octile::bench
