#include "octile/tests/cuda/emulator/emulator.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "octile/codegen/cuda/prelude.hpp"
#include "octile/codegen/passes/passes.hpp"
#include "octile/runtime/bind.hpp"
#include "octile/runtime/plan.hpp"

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
              read(fs::path(OCTILE_DEVICE_DIR) / "grid.cuh") +
              read(fs::path(OCTILE_DEVICE_DIR) / "swizzle.cuh") + multiply_text());
  for (const auto& [what, by] :
       {std::pair{"extern __shared__ ", "extern "}, {"__shared__ ", "static "}}) {
    while (text.find(what) != std::string::npos) replace(text, what, by);
  }
  text += fmt::format(
      "extern \"C\" void emulate(int blocks, int threads, int shared, void** arguments) {{\n"
      "  launch_kernel({}, blocks, threads, shared, arguments);\n}}\n",
      program.entry);
  return text;
}

using Entry = void(int, int, int, void**);

/// Compiled, loaded, and kept.
Entry* compile(const cuda::CudaProgram& program) {
  static auto& known = *new std::map<std::string, Entry*>();
  Entry*& entry = known[program.source];
  if (entry != nullptr) return entry;
  std::string folder = (fs::temp_directory_path() / "octile_emulator_XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("can't make " + folder);
  const std::string source = folder + "/kernel.cpp", library = folder + "/kernel.so";
  std::ofstream(source) << host_text(program);
  const std::string command =
      fmt::format("{} -std=c++17 -O1 -ffp-contract=off -w -shared -fPIC {} -o {} > {}/log 2>&1",
                  OCTILE_HOST_COMPILER, source, library, folder);
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error(command + "\n" + read(folder + "/log"));
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  fs::remove_all(folder);
  return entry = reinterpret_cast<Entry*>(dlsym(handle, "emulate"));
}

}  // namespace

void emulate(const ir::Function& function, const Schedule& schedule, const cuda::Target& target,
             std::span<const runtime::Argument> arguments) {
  // Not owned: the binder lives no longer than the function.
  const runtime::Binder binder(std::shared_ptr<const ir::Function>(&function, [](const auto*) {}));
  runtime::Binding binding;
  binder.bind(arguments, Place::host, binding);
  const std::vector<std::int64_t> dims = binding.dim_vector();
  const std::vector<cuda::TensorFacts> facts = binding.fact_vector();
  const Schedule chosen = cuda::choose_schedule(function, schedule, dims, facts, target);
  const auto prepared = ir::clone(function);
  passes::prepare(*prepared, chosen.axes);
  cuda::CudaProgram program = cuda::lower(*prepared, {chosen, facts, dims, target});
  // Several tiles per block, where one may have several.
  program.max_ctas = 2;
  runtime::Grid grid = runtime::launch_grid(*prepared, program, dims);
  std::vector<const void*> pointers;
  for (const runtime::Argument& argument : arguments) pointers.push_back(argument.view.data);
  std::vector<void*> list;
  for (const cuda::KernelArg& arg : program.args) {
    const auto index = static_cast<std::size_t>(arg.index);
    switch (arg.kind) {
      case cuda::ArgKind::pointer:
        list.push_back(&pointers[index]);
        break;
      case cuda::ArgKind::stride:
        list.push_back(&binding.strides[index][arg.dim]);
        break;
      case cuda::ArgKind::dim:
        list.push_back(&binding.dim_values[index]);
        break;
      case cuda::ArgKind::scalar:
        list.push_back(&binding.scalars[index]);
        break;
      case cuda::ArgKind::grid_extent:
        list.push_back(&grid.tiles[index]);
        break;
      default:
        throw std::runtime_error("an argument that isn't emulated");
    }
  }
  if (grid.ctas == 0) return;
  compile(program)(static_cast<int>(grid.ctas), program.threads, program.shared_bytes, list.data());
}

}  // namespace octile::test
