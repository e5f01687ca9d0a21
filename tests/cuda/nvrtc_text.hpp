// NVRTC for what the library doesn't ask of it: PTX, and sources that are no whole kernel.
#pragma once

#include <string>
#include <vector>

namespace octile::test {

/// What NVRTC made of a source.
struct NvrtcResult {
  bool ok = false;
  std::string log;
  std::string ptx;
  std::string cubin;
};

/// Compiles with `options`, among them the architecture. Throws std::runtime_error without NVRTC.
NvrtcResult run_nvrtc(const std::string& source, const std::vector<std::string>& options);

/// SASS of a cubin; "" where there is no nvdisasm on the PATH.
std::string disassemble(const std::string& cubin);

}  // namespace octile::test
