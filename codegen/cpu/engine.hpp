// The CPU back end: tile IR to LLVM IR, compiled in process by ORC LLJIT, the grid on a thread
// pool.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "octile/codegen/ir/ir.hpp"
#include "octile/codegen/schedule.hpp"

namespace octile::cpu {

/// One argument of a launch, in parameter order. Strides in elements.
struct Arg {
  void* data = nullptr;               ///< tensor: host address of element 0; scalar: of its value
  std::vector<std::int64_t> extents;  ///< tensor only
  std::vector<std::int64_t> strides;  ///< tensor only
  /// Checked mode only: one byte per element in the span of the view, nonzero where memory has been
  /// written; null if everything counts as written.
  const std::uint8_t* written = nullptr;
};

struct Options {
  /// Checked mode: reports (as an exception of `CheckError`) an out-of-bounds access that a load or
  /// store would otherwise mask, a read of unwritten memory, and two programs storing different
  /// bits to one element, by parameter name and index. Blocks may go over a tensor's edge, and so
  /// may loads that say what lies there: docs/cpu.md says exactly what is reported.
  bool checked = false;
  int threads = 0;  ///< 0: one per hardware thread
  /// Compile for this CPU, by LLVM's name ("x86-64-v3"), instead of for this machine's; it must be
  /// one whose code this machine runs. Results are the same.
  std::string cpu = {};
};

class CheckError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A compiled program. Thread-safe once made.
class Program {
 public:
  virtual ~Program() = default;
  /// Runs every program of the grid; returns when all are done.
  virtual void run(const std::vector<Arg>& args, const std::vector<std::int64_t>& dim_values) = 0;
  /// LLVM IR after optimisation, for reading.
  virtual const std::string& llvm_ir() const = 0;
};

/// True when the library was built with LLVM.
bool available();

/// Compiles `function` (axes bound, simplified). FP8 `dot` follows Hopper's tensor core to the bit
/// (numerics.hpp); one with fast_accumulate whose result is added to a carried value, and used for
/// nothing else, continues the chain from that value. Throws ir::Error when the program can't be
/// lowered.
std::unique_ptr<Program> compile(const ir::Function& function, const Options& options);

/// Binds unbound axes to extents that suit the CPU's caches and vector width. An axis that indexes
/// a tensor without a block number covers that dimension; groups of a reduction divide their
/// axis. Deterministic.
Schedule choose_schedule(const ir::Function& function, const Schedule& partial,
                         const std::vector<std::int64_t>& dim_values);

}  // namespace octile::cpu
