// A pass over sm_90 machine code, after ptxas.
#pragma once

#include <string>

namespace octile::runtime {

/// Lets runs of FFMA that multiply by one register keep it in the operand cache. Sums that are
/// promoted are such runs, one row's scale after the other, and read two registers each then
/// instead of three, while another warpgroup's wgmma reads and writes its accumulators. ptxas lets
/// every second one yield to other warps, and a warp that yields loses what it keeps; here, one in
/// eight does. Only hints change, so the results are the same bits.
///
/// `cubin` is an ELF file for sm_90a; what isn't one is left as it is. Returns the instructions
/// changed. The encoding is what nvdisasm shows (`.reuse`), the bit beside it was found by
/// comparing; DeepGEMM's README of 2025 describes its meaning.
int reuse_operands(std::string& cubin);

}  // namespace octile::runtime
