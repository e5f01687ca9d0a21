// Compiles LLVM modules into this process. No LLVM type is named here.
#pragma once

#include <memory>
#include <string>

#include "octile/codegen/cpu/abi.hpp"

namespace octile::cpu {

struct Lowered;

/// Machine code of one program; freed with it.
class Code {
 public:
  virtual ~Code() = default;
  virtual ProgramFunction entry() const = 0;
};

/// Optimises the module for `cpu` (LLVM's name; empty: this machine's) and compiles it; takes the
/// module. Thread-safe.
std::unique_ptr<Code> compile_module(Lowered lowered, const std::string& cpu);

/// The module as text, after optimisation.
std::string optimised_text(Lowered lowered, const std::string& cpu);

}  // namespace octile::cpu
