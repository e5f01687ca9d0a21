// One compiled form of a kernel on the CPU. Internal to the runtime.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "octile/codegen/cpu/engine.hpp"
#include "octile/codegen/ir/ir.hpp"
#include "octile/runtime/bind.hpp"

namespace octile::runtime {

struct CpuKey {
  Schedule schedule;  ///< complete
  cpu::Options options;
  bool operator==(const CpuKey& other) const {
    return schedule == other.schedule && options.checked == other.options.checked &&
           options.threads == other.options.threads && options.cpu == other.options.cpu;
  }
};

/// Prepared and compiled once, on first use. Thread-safe.
class CpuVariant {
 public:
  CpuVariant(const ir::Function& function, CpuKey key);

  const CpuKey& key() const { return key_; }
  /// The prepared function.
  const ir::Function& function();
  const std::string& llvm_ir() { return program().llvm_ir(); }
  bool is_compiled() const;
  /// Runs the grid and returns when it is done. Throws cpu::CheckError in checked mode.
  void run(std::span<const Argument> arguments, const Binding& binding);

 private:
  cpu::Program& program();
  void prepare_locked();

  const ir::Function& source_;
  const CpuKey key_;
  mutable std::mutex mutex_;
  std::unique_ptr<ir::Function> function_;
  std::unique_ptr<cpu::Program> program_;
};

/// Throws octile::Error(device) when the library has no CPU back end.
void require_cpu(const ir::Function& function);

}  // namespace octile::runtime
