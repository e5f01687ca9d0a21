// Compiling for sm_90a without a GPU.
#include "octile/runtime/nvrtc.hpp"

#include <fstream>
#include <sstream>

#include "octile/runtime/log.hpp"
#include "support.hpp"

namespace octile::runtime {
namespace {

using test::error_of;
using testing::HasSubstr;

cuda::CudaProgram program_of(const std::string& source) {
  cuda::CudaProgram program;
  program.source = source;
  program.entry = "k";
  program.arch = "sm_90a";
  return program;
}

constexpr const char* kScale =
    "extern \"C\" __global__ void __launch_bounds__(128) k(float* p, float s) {\n"
    "  __shared__ float tile[128];\n"
    "  tile[threadIdx.x] = p[threadIdx.x] * s;\n"
    "  __syncthreads();\n"
    "  p[threadIdx.x] = tile[127 - threadIdx.x];\n"
    "}\n";

TEST(Nvrtc, IsNewEnough) {
  EXPECT_GE(nvrtc_version(), kMinimumNvrtcVersion);
}

TEST(Nvrtc, CompilesToACubinWithAReport) {
  const CompiledKernel kernel = compile_cuda(program_of(kScale));
  EXPECT_EQ(kernel.cubin.substr(0, 4),
            "\x7f"
            "ELF");
  EXPECT_THAT(kernel.log, HasSubstr("Compiling entry function 'k' for 'sm_90a'"));
  EXPECT_GT(kernel.report.registers, 0);
  EXPECT_EQ(kernel.report.shared_bytes, 512);
  EXPECT_FALSE(kernel.report.spills());
  EXPECT_GT(kernel.seconds, 0);
}

TEST(Nvrtc, PassesOptionsOn) {
  cuda::CudaProgram program = program_of(
      "#ifndef TWO\n#error no two\n#endif\nextern \"C\" __global__ void k(float* p) { *p = TWO; "
      "}\n");
  EXPECT_THAT(error_of(ErrorCode::compile, [&] { compile_cuda(program); }), HasSubstr("no two"));
  program.options = {"-DTWO=2", "-fmad=false"};
  EXPECT_NO_THROW(compile_cuda(program));
}

TEST(Nvrtc, CompilesOnSeveralThreads) {
  EXPECT_EQ(
      compile_cuda(program_of(kScale), {.split_threads = 2, .nvrtc_path = {}}).cubin.substr(0, 4),
      "\x7f"
      "ELF");
}

TEST(Nvrtc, ReportsSpills) {
  // More live values than the 32 registers that 2048 threads per SM leave.
  std::string body;
  for (int i = 0; i < 80; ++i)
    body += "float v" + std::to_string(i) + " = p[" + std::to_string(i * 7) + "];\n";
  body += "__syncthreads();\n";
  for (int i = 0; i < 80; ++i)
    body += "p[" + std::to_string(i) + "] = v" + std::to_string((i * 37) % 80) + " + v" +
            std::to_string(79 - i) + ";\n";
  const CompiledKernel kernel = compile_cuda(program_of(
      "extern \"C\" __global__ void __launch_bounds__(1024, 2) k(float* p) {\n" + body + "}\n"));
  EXPECT_TRUE(kernel.report.spills()) << kernel.log;
  EXPECT_EQ(kernel.report.registers, 32);
}

TEST(Nvrtc, RefusalsHaveTheLogAndTheSource) {
  const std::string source = "extern \"C\" __global__ void k() { oops; }\n";
  const std::string message =
      error_of(ErrorCode::compile, [&] { compile_cuda(program_of(source)); });
  EXPECT_THAT(message,
              testing::StartsWith("kernel `k`: NVRTC refused the generated source for sm_90a"));
  EXPECT_THAT(message, HasSubstr("identifier \"oops\" is undefined"));
  const std::size_t begin = message.find("the source is in ") + 17;
  const std::string path = message.substr(begin, message.find('\n', begin) - begin);
  std::ifstream file(path);
  std::stringstream written;
  written << file.rdbuf();
  EXPECT_EQ(written.str(), source) << path;
  std::remove(path.c_str());
}

TEST(Nvrtc, LogsCompiles) {
  std::string lines;
  set_log_sink([&](LogLevel, std::string_view line) { lines += line; });
  compile_cuda(program_of(kScale));
  set_log_sink({});
  EXPECT_THAT(lines, HasSubstr("compiled k for sm_90a in "));
}

}  // namespace
}  // namespace octile::runtime
