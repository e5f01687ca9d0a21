#include "octile/tests/cuda/nvrtc_text.hpp"

#include <nvrtc.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "octile/runtime/nvrtc.hpp"
#include "octile/runtime/shared_library.hpp"

namespace octile::test {
namespace {

/// libnvrtc as the library finds it. Its builtins are loaded once the library has compiled.
const runtime::SharedLibrary& library() {
  static const runtime::SharedLibrary found = [] {
    if (const std::string problem = runtime::nvrtc_problem(); !problem.empty())
      throw std::runtime_error(problem);
    std::string tried;
    const char* path = std::getenv("OCTILE_NVRTC_PATH");
    std::vector<std::string> places = runtime::nvrtc_candidates();
    if (path != nullptr) {
      const std::string folder = path;
      places = {folder, folder + "/libnvrtc.so.13", folder + "/libnvrtc.so.12"};
    }
    return runtime::SharedLibrary::open_first(places, tried);
  }();
  return found;
}

template <class Function>
Function* function(const char* name, Function*) {
  return reinterpret_cast<Function*>(library().symbol(name));
}
#define OCTILE_NVRTC(name) function(#name, &name)

template <class Size, class Get>
std::string text(nvrtcProgram program, Size size_of, Get get) {
  std::size_t size = 0;
  if (size_of(program, &size) != NVRTC_SUCCESS || size == 0) return {};
  std::string result(size, '\0');
  if (get(program, result.data()) != NVRTC_SUCCESS) return {};
  return result;
}

}  // namespace

NvrtcResult run_nvrtc(const std::string& source, const std::vector<std::string>& options) {
  nvrtcProgram program = nullptr;
  if (OCTILE_NVRTC(nvrtcCreateProgram)(&program, source.c_str(), "test.cu", 0, nullptr, nullptr) !=
      NVRTC_SUCCESS) {
    throw std::runtime_error("nvrtcCreateProgram failed");
  }
  std::vector<const char*> pointers;
  for (const std::string& option : options) pointers.push_back(option.c_str());
  NvrtcResult result;
  result.ok = OCTILE_NVRTC(nvrtcCompileProgram)(program, static_cast<int>(pointers.size()),
                                                pointers.data()) == NVRTC_SUCCESS;
  result.log =
      text(program, OCTILE_NVRTC(nvrtcGetProgramLogSize), OCTILE_NVRTC(nvrtcGetProgramLog));
  result.ptx = text(program, OCTILE_NVRTC(nvrtcGetPTXSize), OCTILE_NVRTC(nvrtcGetPTX));
  result.cubin = text(program, OCTILE_NVRTC(nvrtcGetCUBINSize), OCTILE_NVRTC(nvrtcGetCUBIN));
  OCTILE_NVRTC(nvrtcDestroyProgram)(&program);
  return result;
}

std::string disassemble(const std::string& cubin) {
  if (std::system("command -v nvdisasm > /dev/null 2>&1") != 0) return {};
  char path[] = "/tmp/octile-test-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) throw std::runtime_error("no temporary file");
  const bool written =
      write(file, cubin.data(), cubin.size()) == static_cast<ssize_t>(cubin.size());
  close(file);
  std::string sass;
  if (written) {
    const auto close_pipe = [](FILE* pipe) { pclose(pipe); };
    const std::unique_ptr<FILE, decltype(close_pipe)> pipe(
        popen((std::string("nvdisasm ") + path).c_str(), "r"), close_pipe);
    std::array<char, 4096> buffer{};
    while (pipe && std::fgets(buffer.data(), buffer.size(), pipe.get())) sass += buffer.data();
  }
  std::remove(path);
  return sass;
}

}  // namespace octile::test
