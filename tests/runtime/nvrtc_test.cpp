// Compiling for sm_90a without a GPU.
#include "octile/runtime/nvrtc.hpp"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>

#include "octile/runtime/log.hpp"
#include "octile/runtime/operand_reuse.hpp"
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

// Forty sums that are scaled alike, as when a tensor core's are promoted.
std::string promotion() {
  std::string load, scale, store;
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i), at = "[threadIdx.x + 128 * " + n + "]";
    load += "float a" + n + " = a" + at + ", d" + n + " = 0;\n";
    scale += "d" + n + " = fmaf(a" + n + ", s, d" + n + ");\n";
    store += "d" + at + " = d" + n + ";\n";
  }
  return "extern \"C\" __global__ void __launch_bounds__(128) k(const float* a, const float* f, "
         "float* d, int trips) {\n" +
         load + "#pragma unroll 1\nfor (int t = 0; t < trips; ++t) {\nfloat s = f[t];\n" + scale +
         "}\n" + store + "}\n";
}

std::uint64_t word(const std::string& text, std::size_t at) {
  std::uint64_t value;
  std::memcpy(&value, text.data() + at, sizeof value);
  return value;
}

TEST(OperandReuse, ChangesHintsOfFmasAlone) {
  CompileOptions plain;
  plain.reuse_operands = false;
  const std::string before = compile_cuda(program_of(promotion()), plain).cubin;
  std::string after = before;
  const int changed = reuse_operands(after);
  EXPECT_GE(changed, 4);  // one in eight yields
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(after, compile_cuda(program_of(promotion())).cubin);
  int differ = 0;
  for (std::size_t at = 0; at + 16 <= before.size(); at += 16) {
    EXPECT_EQ(word(after, at), word(before, at));
    const std::uint64_t bits = word(after, at + 8) ^ word(before, at + 8);
    if (bits == 0) continue;
    ++differ;
    EXPECT_EQ(word(before, at) & 0xffff, 0x7223u);                             // FFMA of registers
    EXPECT_EQ(bits & ~(std::uint64_t{1} << 45 | std::uint64_t{3} << 58), 0u);  // yield, reuse
  }
  EXPECT_EQ(differ, changed);
  EXPECT_EQ(reuse_operands(after), 0);  // nothing is left to do
}

TEST(OperandReuse, LeavesWhatIsNoCubin) {
  const std::string cubin = compile_cuda(program_of(kScale)).cubin;
  for (std::size_t size = 0; size < cubin.size(); size += 61) {
    std::string part = cubin.substr(0, size);
    EXPECT_EQ(reuse_operands(part), 0) << size;
    EXPECT_EQ(part, cubin.substr(0, size));
  }
  std::string text(4096, 'x');
  EXPECT_EQ(reuse_operands(text), 0);
  EXPECT_EQ(text, std::string(4096, 'x'));
}

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
