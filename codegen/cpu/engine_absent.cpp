// The engine of a build without LLVM.
#include "octile/codegen/cpu/engine.hpp"

namespace octile::cpu {

bool available() {
  return false;
}

std::unique_ptr<Program> compile(const ir::Function& function, const Options&) {
  throw ir::Error("cpu: '" + function.name +
                  "' can't be compiled: this build of Octile has no CPU back end. Install LLVM 16 "
                  "to 19 (Debian and Ubuntu: llvm-19-dev) and configure with OCTILE_ENABLE_CPU=ON; "
                  "CMake looks for LLVM in LLVM_DIR");
}

}  // namespace octile::cpu
