// CUDA C++ to machine code, in process, with NVRTC opened at run time. Needs no GPU and no toolkit.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "octile/codegen/cuda/program.hpp"

namespace octile {

/// What ptxas reports of one kernel.
struct PtxasReport {
  int registers = 0;                  ///< per thread
  int spill_store_bytes = 0;          ///< per thread
  int spill_load_bytes = 0;           ///< per thread
  int stack_bytes = 0;                ///< per thread
  int shared_bytes = 0;               ///< static, per CTA
  int barriers = 0;                   ///< named barriers used
  bool wgmma_serialized = false;      ///< ptxas puts waits around each wgmma (C7510 and its kin)
  std::vector<std::string> warnings;  ///< every line that is a warning or a performance advisory

  bool spills() const { return spill_store_bytes > 0 || spill_load_bytes > 0; }
};

/// A kernel's machine code.
struct CompiledKernel {
  std::string cubin;
  std::string log;  ///< NVRTC's and ptxas's
  PtxasReport report;
  double seconds = 0;  ///< wall time of the compile
};

namespace runtime {

/// The oldest NVRTC that knows every instruction and option used here.
inline constexpr int kMinimumNvrtcVersion = 12090;

struct CompileOptions {
  int split_threads = 1;   ///< threads of one compile (0: one per core); -split-compile where > 1
  std::string nvrtc_path;  ///< libnvrtc or its folder; empty: searched for, see nvrtc_candidates
  bool reuse_operands = true;  ///< on sm_90a, see operand_reuse.hpp
};

/// Compiles `program` for its architecture. Throws octile::Error: `device` when NVRTC is missing or
/// too old, `compile` with the log and the path of the written source when the source is refused.
/// OCTILE_NVRTC_PATH (a file or its folder), where set, is the only place looked at.
CompiledKernel compile_cuda(const cuda::CudaProgram& program, const CompileOptions& options = {});

/// Empty when NVRTC is usable, else the sentence that `compile_cuda` throws.
std::string nvrtc_problem();

/// NVRTC's version, 1000 * major + 10 * minor. Throws as `compile_cuda`.
int nvrtc_version();

/// Where NVRTC is looked for, in order: the loader's path, CUDA_PATH, the toolkit found at
/// configure time, /usr/local/cuda, then NVIDIA's PyPI wheels under VIRTUAL_ENV or
/// OCTILE_SITE_PACKAGES.
std::vector<std::string> nvrtc_candidates();

/// Reads ptxas's report on `entry` out of a log made with --ptxas-options=-v.
PtxasReport parse_ptxas_log(const std::string& log, const std::string& entry);

}  // namespace runtime
}  // namespace octile
