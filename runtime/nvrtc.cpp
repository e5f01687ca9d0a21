#include "octile/runtime/nvrtc.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "octile/runtime/dump.hpp"
#include "octile/runtime/error.hpp"
#include "octile/runtime/log.hpp"
#include "octile/runtime/operand_reuse.hpp"
#include "octile/runtime/shared_library.hpp"

#ifdef OCTILE_HAS_CUDA
#include <nvrtc.h>
#endif

namespace octile::runtime {

#ifdef OCTILE_HAS_CUDA
namespace {

namespace fs = std::filesystem;

/// Entry points of libnvrtc, typed by nvrtc.h.
struct Nvrtc {
  decltype(&nvrtcVersion) get_version = nullptr;
  decltype(&nvrtcGetErrorString) error_string = nullptr;
  decltype(&nvrtcCreateProgram) create = nullptr;
  decltype(&nvrtcDestroyProgram) destroy = nullptr;
  decltype(&nvrtcCompileProgram) compile = nullptr;
  decltype(&nvrtcGetProgramLogSize) log_size = nullptr;
  decltype(&nvrtcGetProgramLog) log = nullptr;
  decltype(&nvrtcGetCUBINSize) cubin_size = nullptr;
  decltype(&nvrtcGetCUBIN) cubin = nullptr;
  int version = 0;
  std::string path;
};

constexpr const char* kSonames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

void add_folder(std::vector<std::string>& out, const fs::path& folder) {
  std::error_code ignored;
  for (const char* soname : kSonames) {
    if (fs::exists(folder / soname, ignored)) out.push_back((folder / soname).string());
  }
}

/// NVIDIA's PyPI wheels: nvidia-cuda-nvrtc puts the library under nvidia/cu13 (CUDA 13) or
/// nvidia/cuda_nvrtc (CUDA 12).
void add_wheels(std::vector<std::string>& out, const fs::path& site_packages) {
  add_folder(out, site_packages / "nvidia" / "cu13" / "lib");
  add_folder(out, site_packages / "nvidia" / "cuda_nvrtc" / "lib");
}

void add_virtual_env(std::vector<std::string>& out, const fs::path& root) {
  std::error_code error;
  std::vector<fs::path> pythons;
  for (fs::directory_iterator it(root / "lib", error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string().rfind("python3", 0) == 0) pythons.push_back(it->path());
  }
  std::sort(pythons.begin(), pythons.end());
  for (const fs::path& python : pythons) add_wheels(out, python / "site-packages");
}

std::vector<std::string> candidates_at(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return {path};
  std::vector<std::string> result;
  add_folder(result, path);
  if (result.empty()) result.push_back((fs::path(path) / kSonames[0]).string());
  return result;
}

/// NVRTC opens its builtins by name. A library opened by path finds them only if they are already
/// loaded, unless the loader's path has them.
void preload_builtins(const std::string& nvrtc_path) {
  const fs::path folder = fs::path(nvrtc_path).parent_path();
  if (folder.empty()) return;
  std::error_code error;
  std::vector<std::string> found;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.rfind("libnvrtc-builtins.so.", 0) == 0) found.push_back(it->path().string());
  }
  std::sort(found.begin(), found.end());
  std::string tried;
  for (const std::string& path : found) SharedLibrary::open_first({path}, tried);
}

template <typename Function>
void load_function(Function& member, const SharedLibrary& library, const char* symbol) {
  member = reinterpret_cast<Function>(library.symbol(symbol));
  if (member == nullptr) {
    throw Error(ErrorCode::device,
                fmt::format("NVRTC: {} has no {}; expected NVRTC {}.{} or newer", library.path(),
                            symbol, kMinimumNvrtcVersion / 1000, kMinimumNvrtcVersion % 1000 / 10));
  }
}

void check_version(const Nvrtc& nvrtc) {
  if (nvrtc.version >= kMinimumNvrtcVersion) return;
  throw Error(
      ErrorCode::device,
      fmt::format("NVRTC: {} is version {}.{}, expected {}.{} or newer; install a newer CUDA "
                  "toolkit or the wheel nvidia-cuda-nvrtc and set OCTILE_NVRTC_PATH",
                  nvrtc.path, nvrtc.version / 1000, nvrtc.version % 1000 / 10,
                  kMinimumNvrtcVersion / 1000, kMinimumNvrtcVersion % 1000 / 10));
}

Nvrtc load_nvrtc(const std::string& path) {
  std::string tried;
  const std::vector<std::string> candidates =
      path.empty() ? nvrtc_candidates() : candidates_at(path);
  const SharedLibrary library = SharedLibrary::open_first(candidates, tried);
  if (!library) {
    throw Error(
        ErrorCode::device,
        fmt::format("NVRTC: libnvrtc.so.13 or .12 can't be opened; install the CUDA toolkit "
                    "({}.{} or newer) or the wheel nvidia-cuda-nvrtc, and set "
                    "OCTILE_NVRTC_PATH to the library's folder. Tried:{}",
                    kMinimumNvrtcVersion / 1000, kMinimumNvrtcVersion % 1000 / 10, tried));
  }
  Nvrtc nvrtc;
  nvrtc.path = library.path();
  load_function(nvrtc.get_version, library, "nvrtcVersion");
  int major = 0;
  int minor = 0;
  nvrtc.get_version(&major, &minor);
  nvrtc.version = 1000 * major + 10 * minor;
  check_version(nvrtc);
  load_function(nvrtc.error_string, library, "nvrtcGetErrorString");
  load_function(nvrtc.create, library, "nvrtcCreateProgram");
  load_function(nvrtc.destroy, library, "nvrtcDestroyProgram");
  load_function(nvrtc.compile, library, "nvrtcCompileProgram");
  load_function(nvrtc.log_size, library, "nvrtcGetProgramLogSize");
  load_function(nvrtc.log, library, "nvrtcGetProgramLog");
  load_function(nvrtc.cubin_size, library, "nvrtcGetCUBINSize");
  load_function(nvrtc.cubin, library, "nvrtcGetCUBIN");
  preload_builtins(nvrtc.path);
  return nvrtc;
}

const Nvrtc& default_nvrtc() {
  static const Nvrtc nvrtc = load_nvrtc(environment("OCTILE_NVRTC_PATH"));
  return nvrtc;
}

/// One NVRTC program, destroyed with the scope.
class Program {
 public:
  Program(const Nvrtc& nvrtc, const cuda::CudaProgram& source) : nvrtc_(nvrtc) {
    const nvrtcResult result = nvrtc.create(&program_, source.source.c_str(),
                                            (source.entry + ".cu").c_str(), 0, nullptr, nullptr);
    if (result != NVRTC_SUCCESS) {
      throw Error(ErrorCode::device,
                  fmt::format("NVRTC: nvrtcCreateProgram failed: {}", nvrtc.error_string(result)));
    }
  }
  ~Program() { nvrtc_.destroy(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  nvrtcResult compile(const std::vector<std::string>& options) {
    std::vector<const char*> pointers;
    for (const std::string& option : options) pointers.push_back(option.c_str());
    return nvrtc_.compile(program_, static_cast<int>(pointers.size()), pointers.data());
  }
  std::string log() const { return text(nvrtc_.log_size, nvrtc_.log); }
  std::string cubin() const { return text(nvrtc_.cubin_size, nvrtc_.cubin); }

 private:
  template <typename Size, typename Get>
  std::string text(Size size_of, Get get) const {
    std::size_t size = 0;
    if (size_of(program_, &size) != NVRTC_SUCCESS || size == 0) return {};
    std::string result(size, '\0');
    if (get(program_, result.data()) != NVRTC_SUCCESS) return {};
    return result;
  }

  const Nvrtc& nvrtc_;
  nvrtcProgram program_ = nullptr;
};

std::vector<std::string> option_list(const cuda::CudaProgram& program,
                                     const CompileOptions& options) {
  std::vector<std::string> list = {"--gpu-architecture=" + program.arch, "-std=c++17",
                                   "--ptxas-options=-v",
                                   // Else a compile changes the process's stack limit.
                                   "--modify-stack-limit=false"};
  if (options.split_threads != 1) {
    list.push_back(fmt::format("-split-compile={}", options.split_threads));
  }
  list.insert(list.end(), program.options.begin(), program.options.end());
  return list;
}

[[noreturn]] void throw_refused(const cuda::CudaProgram& program, const std::string& reason,
                                const std::string& log) {
  const std::string path = dump_to_temporary(program.entry, ".cu", program.source);
  throw Error(
      ErrorCode::compile,
      fmt::format("kernel `{}`: NVRTC refused the generated source for {} ({}); the source is "
                  "in {}\n{}",
                  program.entry, program.arch, reason, path, log));
}

}  // namespace

std::vector<std::string> nvrtc_candidates() {
  std::vector<std::string> result(std::begin(kSonames), std::end(kSonames));
  for (const char* variable : {"CUDA_PATH", "CUDA_HOME"}) {
    const std::string root = environment(variable);
    if (root.empty()) continue;
    add_folder(result, fs::path(root) / "lib64");
    add_folder(result, fs::path(root) / "lib");
  }
#ifdef OCTILE_CUDA_LIBRARY_DIR
  add_folder(result, OCTILE_CUDA_LIBRARY_DIR);
#endif
  add_folder(result, "/usr/local/cuda/lib64");
  if (const std::string site = environment("OCTILE_SITE_PACKAGES"); !site.empty()) {
    add_wheels(result, site);
  }
  if (const std::string root = environment("VIRTUAL_ENV"); !root.empty()) {
    add_virtual_env(result, root);
  }
  return result;
}

CompiledKernel compile_cuda(const cuda::CudaProgram& program, const CompileOptions& options) {
  const Nvrtc other = options.nvrtc_path.empty() ? Nvrtc{} : load_nvrtc(options.nvrtc_path);
  const Nvrtc& nvrtc = options.nvrtc_path.empty() ? default_nvrtc() : other;
  const auto start = std::chrono::steady_clock::now();
  Program compiled(nvrtc, program);
  const nvrtcResult result = compiled.compile(option_list(program, options));
  CompiledKernel kernel;
  kernel.log = compiled.log();
  while (!kernel.log.empty() && kernel.log.back() == '\0') kernel.log.pop_back();
  if (result != NVRTC_SUCCESS) throw_refused(program, nvrtc.error_string(result), kernel.log);
  kernel.cubin = compiled.cubin();
  if (kernel.cubin.empty()) throw_refused(program, "no machine code came out", kernel.log);
  if (options.reuse_operands && program.arch == "sm_90a") reuse_operands(kernel.cubin);
  kernel.report = parse_ptxas_log(kernel.log, program.entry);
  kernel.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (log_enabled()) {
    log(LogLevel::info,
        fmt::format("compiled {} for {} in {:.0f} ms: {} registers, {} + {} bytes spilled",
                    program.entry, program.arch, kernel.seconds * 1e3, kernel.report.registers,
                    kernel.report.spill_store_bytes, kernel.report.spill_load_bytes));
  }
  return kernel;
}

int nvrtc_version() {
  return default_nvrtc().version;
}

std::string nvrtc_problem() {
  try {
    default_nvrtc();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

#else

std::vector<std::string> nvrtc_candidates() {
  return {};
}

std::string nvrtc_problem() {
  return "NVRTC: this library was built without CUDA; configure it with -DOCTILE_ENABLE_CUDA=ON "
         "and "
         "the CUDA headers";
}

int nvrtc_version() {
  throw Error(ErrorCode::device, nvrtc_problem());
}

CompiledKernel compile_cuda(const cuda::CudaProgram&, const CompileOptions&) {
  throw Error(ErrorCode::device, nvrtc_problem());
}

#endif

}  // namespace octile::runtime
