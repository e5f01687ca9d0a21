// Part of Nest, for its source files.
#pragma once

#include "octile/codegen/cpu/llvm/nest.hpp"

namespace octile::cpu {

class Nest::At {
 public:
  At(Nest& nest, int level) : nest_(nest), level_(level) {
    // With no loop open, code simply goes on where it is.
    if (!nest.levels_.empty()) nest.b_.SetInsertPoint(nest.block_of(level));
  }
  ~At() {
    if (nest_.levels_.empty()) return;
    nest_.block_of(level_) = nest_.b_.GetInsertBlock();
    nest_.b_.SetInsertPoint(nest_.levels_.back().block);
  }
  At(const At&) = delete;
  At& operator=(const At&) = delete;

 private:
  Nest& nest_;
  int level_;
};

}  // namespace octile::cpu
