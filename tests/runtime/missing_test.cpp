// What is said when the driver or NVRTC is absent, too old or incomplete.
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
