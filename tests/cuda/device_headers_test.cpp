// Every device header compiles alone, on top of base.cuh, and all of its functions assemble.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "octile/codegen/cuda/prelude.hpp"
#include "octile/tests/cuda/nvrtc_text.hpp"

namespace octile::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<fs::path> headers() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(OCTILE_DEVICE_DIR)) {
    if (entry.path().extension() == ".cuh") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Without `__forceinline__` every function that is no template is emitted, used or not.
std::string emit_everything(const std::string& text) {
  return "#undef __forceinline__\n#define __forceinline__\n" + text;
}

TEST(DeviceHeaders, EachCompilesAlone) {
  const fs::path base = fs::path(OCTILE_DEVICE_DIR) / "base.cuh";
  ASSERT_GE(headers().size(), 5u);
  for (const fs::path& path : headers()) {
    SCOPED_TRACE(path.filename().string());
    const std::string text = path == base ? read(base) : read(base) + read(path);
    const NvrtcResult result =
        run_nvrtc(emit_everything(text), {"--gpu-architecture=sm_90a", "-std=c++17", "-rdc=true"});
    EXPECT_TRUE(result.ok) << result.log;
    EXPECT_EQ(result.cubin.substr(1, 3), "ELF");
  }
}

TEST(DeviceHeaders, AreThePrelude) {
  std::size_t hopper = 0, portable = 0, stream = 0;
  for (const fs::path& path : headers()) {
    const std::string text = read(path);
    const bool in_hopper = cuda::prelude().find(text) != std::string::npos;
    const bool in_portable = cuda::portable_prelude().find(text) != std::string::npos;
    const bool in_stream = cuda::stream_prelude().find(text) != std::string::npos;
    EXPECT_TRUE(in_hopper || in_portable || in_stream) << path;
    EXPECT_EQ(text.find("#include"), std::string::npos) << path << " has to compile without files";
    if (in_hopper) hopper += text.size();
    if (in_portable) portable += text.size();
    if (in_stream) stream += text.size();
  }
  EXPECT_EQ(cuda::prelude().size(), hopper);
  EXPECT_EQ(cuda::portable_prelude().size(), portable);
  EXPECT_EQ(cuda::stream_prelude().size(), stream);
}

TEST(DeviceHeaders, MistakesAreSeen) {
  // The test above fails on a function that nothing calls.
  const char* wrong = "__device__ __forceinline__ void f() { asm volatile(\"wgmma.nothing;\"); }\n";
  const NvrtcResult result =
      run_nvrtc(emit_everything(wrong), {"--gpu-architecture=sm_90a", "-rdc=true"});
  EXPECT_FALSE(result.ok);
}

}  // namespace
}  // namespace octile::test
