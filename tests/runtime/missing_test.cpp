// What is said when the driver or NVRTC is absent, too old or incomplete.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "octile/runtime/driver.hpp"
#include "octile/runtime/nvrtc.hpp"
#include "octile/runtime/stream.hpp"
#include "support.hpp"

namespace octile::runtime {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::StartsWith;

cuda::CudaProgram tiny() {
  cuda::CudaProgram program;
  program.source = "extern \"C\" __global__ void k() {}";
  program.entry = "k";
  program.arch = "sm_90a";
  return program;
}

std::string compile_with(const std::string& path) {
  return error_of(ErrorCode::device,
                  [&] { compile_cuda(tiny(), {.split_threads = 1, .nvrtc_path = path}); });
}

TEST(Missing, CpuStreamsNeedNeither) {
  const Stream stream = Stream::cpu();
  EXPECT_FALSE(stream.is_gpu());
  EXPECT_NO_THROW(stream.synchronize());
}

#ifdef OCTILE_HAS_CUDA

TEST(Missing, NvrtcIsAbsent) {
  const std::string message = compile_with("/nonexistent/libnvrtc.so.13");
  EXPECT_THAT(message, StartsWith("NVRTC: libnvrtc.so.13 or .12 can't be opened; install the CUDA "
                                  "toolkit (12.9 or newer) or the wheel nvidia-cuda-nvrtc, and set "
                                  "OCTILE_NVRTC_PATH to the library's folder. Tried:"));
  EXPECT_THAT(message, HasSubstr("/nonexistent/libnvrtc.so.13"));
}

TEST(Missing, NvrtcFolderIsEmpty) {
  EXPECT_THAT(compile_with("/usr/share"), HasSubstr("/usr/share/libnvrtc.so.13"));
}

TEST(Missing, NvrtcIsTooOld) {
  const std::string message = compile_with(OLD_NVRTC);
  EXPECT_THAT(message, HasSubstr("is version 11.8, expected 12.9 or newer"));
  EXPECT_THAT(message, HasSubstr("OCTILE_NVRTC_PATH"));
}

TEST(Missing, NvrtcPathOfTheEnvironmentIsTheOnlyOneTried) {
  setenv("OCTILE_NVRTC_PATH", "/nonexistent", 1);
  const std::string message = error_of(ErrorCode::device, [] { compile_cuda(tiny()); });
  EXPECT_EQ(nvrtc_problem(), message);
  EXPECT_THAT(message, HasSubstr("Tried:\n  /nonexistent: cannot open"));
  unsetenv("OCTILE_NVRTC_PATH");
  EXPECT_EQ(nvrtc_problem(), "") << "a failed search is made again";
}

TEST(Missing, NvrtcIsFoundInWheels) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(testing::TempDir()) / "octile-wheels";
  fs::remove_all(root);
  const fs::path cu13 = root / "site/nvidia/cu13/lib";
  const fs::path cu12 = root / "venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib";
  for (const fs::path& folder : {cu13, cu12}) fs::create_directories(folder);
  std::ofstream(cu13 / "libnvrtc.so.13") << "x";
  std::ofstream(cu12 / "libnvrtc.so.12") << "x";
  setenv("OCTILE_SITE_PACKAGES", (root / "site").c_str(), 1);
  setenv("VIRTUAL_ENV", (root / "venv").c_str(), 1);
  const std::vector<std::string> candidates = nvrtc_candidates();
  unsetenv("OCTILE_SITE_PACKAGES");
  unsetenv("VIRTUAL_ENV");
  EXPECT_EQ(candidates[0], "libnvrtc.so.13") << "the loader's path comes first";
  EXPECT_THAT(candidates, testing::Contains((cu13 / "libnvrtc.so.13").string()));
  EXPECT_THAT(candidates, testing::Contains((cu12 / "libnvrtc.so.12").string()));
  fs::remove_all(root);
}

TEST(Missing, WithoutADriverTheDefaultIsTheCpu) {
  setenv("OCTILE_CUDA_DRIVER_PATH", "/nonexistent/libcuda.so.1", 1);
  EXPECT_THAT(gpu_problem(), HasSubstr("libcuda.so.1 can't be opened"));
  EXPECT_FALSE(default_stream().is_gpu());
  EXPECT_TRUE(devices().empty());
  EXPECT_THAT(error_of(ErrorCode::device, [] { Stream::gpu(); }), HasSubstr("Stream::cpu()"));
}

TEST(Missing, DriverIsAbsent) {
  const std::string message =
      error_of(ErrorCode::device, [] { load_driver("/nonexistent/libcuda.so.1"); });
  EXPECT_THAT(
      message,
      StartsWith("CUDA driver: libcuda.so.1 can't be opened; install the NVIDIA driver (CUDA "
                 "12.0 or newer) or run on the CPU with Stream::cpu(). Tried:"));
  EXPECT_THAT(message, HasSubstr("/nonexistent/libcuda.so.1"));
}

TEST(Missing, DriverIsTooOld) {
  EXPECT_THAT(error_of(ErrorCode::device, [] { load_driver(OLD_DRIVER); }),
              HasSubstr("supports CUDA 11.8, expected 12.0 or newer; update the NVIDIA driver"));
}

TEST(Missing, DriverLacksAFunction) {
  EXPECT_THAT(error_of(ErrorCode::device, [] { load_driver(EMPTY_DRIVER); }),
              HasSubstr("has no cuInit; update the NVIDIA driver"));
}

#else

TEST(Missing, EveryGpuEntrySaysHowItWasBuilt) {
  const char* words = "was built without CUDA; configure it with -DOCTILE_ENABLE_CUDA=ON";
  EXPECT_THAT(compile_with({}), HasSubstr(words));
  EXPECT_THAT(error_of(ErrorCode::device, [] { Stream::gpu(); }), HasSubstr(words));
  EXPECT_THAT(error_of(ErrorCode::device, [] { Stream stream(nullptr); }), HasSubstr(words));
  EXPECT_THAT(error_of(ErrorCode::device, [] { nvrtc_version(); }), HasSubstr(words));
  EXPECT_THAT(gpu_problem(), HasSubstr(words));
  EXPECT_FALSE(default_stream().is_gpu());
  EXPECT_TRUE(devices().empty());
}

#endif

}  // namespace
}  // namespace octile::runtime
