#include "octile/runtime/driver.hpp"

#include <fmt/format.h>

#include <atomic>
#include <vector>

#include "octile/runtime/shared_library.hpp"

namespace octile::runtime {

#ifdef OCTILE_HAS_CUDA

#define OCTILE_STRING(text) #text
// cuda.h renames functions to their current version by macro (cuMemAlloc is cuMemAlloc_v2):
// expanding before quoting gives the symbol whose type was declared.
#define OCTILE_SYMBOL(function) OCTILE_STRING(function)

namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

SharedLibrary open_driver(const std::string& path) {
  std::string tried;
  const std::vector<std::string> candidates =
      path.empty() ? std::vector<std::string>{"libcuda.so.1", "libcuda.so"}
                   : std::vector<std::string>{path};
  SharedLibrary library = SharedLibrary::open_first(candidates, tried);
  if (!library) {
    throw Error(ErrorCode::device,
                fmt::format("CUDA driver: libcuda.so.1 can't be opened; install the NVIDIA driver "
                            "(CUDA {} or newer) or run on the CPU with Stream::cpu(). Tried:{}",
                            version_text(kMinimumDriverVersion), tried));
  }
  return library;
}

void read_version(Driver& driver, const SharedLibrary& library) {
  driver.driver_version = reinterpret_cast<decltype(driver.driver_version)>(
      library.symbol(OCTILE_SYMBOL(cuDriverGetVersion)));
  if (driver.driver_version != nullptr) driver.driver_version(&driver.version);
  if (driver.version < kMinimumDriverVersion) {
    throw Error(ErrorCode::device,
                fmt::format("CUDA driver: {} supports CUDA {}, expected {} or newer; update the "
                            "NVIDIA driver or run on the CPU with Stream::cpu()",
                            library.path(), version_text(driver.version),
                            version_text(kMinimumDriverVersion)));
  }
}

std::atomic<const Driver*> loaded_driver{nullptr};

template <typename Function>
void load_function(Function& member, const SharedLibrary& library, const char* symbol) {
  member = reinterpret_cast<Function>(library.symbol(symbol));
  if (member == nullptr) {
    throw Error(
        ErrorCode::device,
        fmt::format("CUDA driver: {} has no {}; update the NVIDIA driver", library.path(), symbol));
  }
}

}  // namespace

Driver load_driver(const std::string& path) {
  const SharedLibrary library = open_driver(path);
  Driver driver;
  read_version(driver, library);
#define OCTILE_LOAD(member, function) \
  load_function(driver.member, library, OCTILE_SYMBOL(function));
  OCTILE_DRIVER_FUNCTIONS(OCTILE_LOAD)
#undef OCTILE_LOAD
  load_function(driver.event_elapsed, library, "cuEventElapsedTime");
  driver.check(driver.init(0), "cuInit");
  int devices = 0;
  driver.check(driver.device_count(&devices), "cuDeviceGetCount");
  if (devices == 0) {
    throw Error(ErrorCode::device,
                "CUDA driver: it sees no GPU; check CUDA_VISIBLE_DEVICES or run on the CPU with "
                "Stream::cpu()");
  }
  return driver;
}

const Driver& Driver::get() {
  // A static whose initialiser throws is tried again by the next caller.
  static const Driver driver = load_driver(environment("OCTILE_CUDA_DRIVER_PATH"));
  loaded_driver.store(&driver, std::memory_order_release);
  return driver;
}

const Driver* Driver::loaded() {
  return loaded_driver.load(std::memory_order_acquire);
}

void Driver::check(CUresult result, const char* what) const {
  if (result == CUDA_SUCCESS) return;
  const char* error = nullptr;
  const char* text = nullptr;
  if (error_name != nullptr) error_name(result, &error);
  if (error_string != nullptr) error_string(result, &text);
  throw Error(
      ErrorCode::device,
      fmt::format("{} failed: {} ({}): {}", what, error != nullptr ? error : "unknown error",
                  static_cast<int>(result), text != nullptr ? text : ""));
}

std::string driver_problem() {
  try {
    Driver::get();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

#else

std::string driver_problem() {
  return "CUDA driver: this library was built without CUDA; configure it with "
         "-DOCTILE_ENABLE_CUDA=ON and the CUDA headers";
}

#endif

}  // namespace octile::runtime
