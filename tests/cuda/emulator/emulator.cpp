#include "octile/tests/cuda/emulator/emulator.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "octile/codegen/cuda/prelude.hpp"

namespace octile::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void replace(std::string& text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw std::runtime_error("the kernel has no \"" + what + "\"");
  text.replace(at, what.size(), by);
}

/// The part of mma.cuh that is plain C++: what a warp multiplies.
std::string multiply_text() {
  const std::string text = read(fs::path(OCTILE_DEVICE_DIR) / "mma.cuh");
  return text.substr(text.find("// d += a * b over Steps"));
}

std::string host_text(const cuda::CudaProgram& program) {
  std::string text = program.source;
  replace(text, cuda::portable_prelude(),
          "#include \"" OCTILE_EMULATOR_DIR "/device.hpp\"\n" +
              read(fs::path(OCTILE_DEVICE_DIR) / "swizzle.cuh") + multiply_text());
  replace(text, "extern __shared__ unsigned char", "extern unsigned char");
  text += fmt::format(
      "extern \"C\" void emulate(int blocks, int threads, void** arguments) {{\n"
      "  launch_kernel({}, blocks, threads, arguments);\n}}\n",
      program.entry);
  return text;
}

using Entry = void(int, int, void**);

/// Compiled, loaded, and kept.
Entry* compile(const cuda::CudaProgram& program) {
  std::string folder = (fs::temp_directory_path() / "octile_emulator_XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("can't make " + folder);
  const std::string source = folder + "/kernel.cpp", library = folder + "/kernel.so";
  std::ofstream(source) << host_text(program);
  const std::string command =
      fmt::format("{} -std=c++17 -O1 -w -shared -fPIC {} -o {} > {}/log 2>&1", OCTILE_HOST_COMPILER,
                  source, library, folder);
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error(command + "\n" + read(folder + "/log"));
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  fs::remove_all(folder);
  return reinterpret_cast<Entry*>(dlsym(handle, "emulate"));
}

}  // namespace

void emulate(const cuda::CudaProgram& program, const std::vector<EmulatedTensor>& tensors,
             const std::vector<std::int64_t>& dims, const std::vector<int>& tiles) {
  std::deque<std::int64_t> numbers;
  std::deque<void*> pointers;
  std::deque<int> counts(tiles.begin(), tiles.end());
  std::vector<void*> arguments;
  for (const cuda::KernelArg& arg : program.args) {
    const auto index = static_cast<std::size_t>(arg.index);
    switch (arg.kind) {
      case cuda::ArgKind::pointer:
        arguments.push_back(&pointers.emplace_back(tensors.at(index).data));
        break;
      case cuda::ArgKind::stride: {
        std::int64_t stride = 1;
        const auto& extents = tensors.at(index).extents;
        for (std::size_t d = static_cast<std::size_t>(arg.dim) + 1; d < extents.size(); ++d)
          stride *= extents[d];
        arguments.push_back(&numbers.emplace_back(stride));
        break;
      }
      case cuda::ArgKind::dim:
        arguments.push_back(&numbers.emplace_back(dims.at(index)));
        break;
      case cuda::ArgKind::grid_extent:
        arguments.push_back(&counts.at(index));
        break;
      default:
        throw std::runtime_error("an argument that isn't emulated");
    }
  }
  int blocks = 1;
  for (const int n : tiles) blocks *= n;
  if (program.persistent) blocks = std::min(blocks, 2);
  compile(program)(blocks, program.threads, arguments.data());
}

}  // namespace octile::test
