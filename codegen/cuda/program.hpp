// What the CUDA back end makes of a tile program: self-contained CUDA C++ and how to launch it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "octile/codegen/ir/ir.hpp"
#include "octile/codegen/schedule.hpp"

namespace octile::cuda {

/// What a kernel variant may assume of one tensor argument, taken from its view at launch.
struct TensorFacts {
  int contiguous_dim = -1;  ///< dimension with stride 1; -1: none
  int alignment = 1;        ///< bytes: divides the base address and every other dimension's stride
                            ///< in bytes (a power of two, at most 16)
  bool operator==(const TensorFacts&) const = default;
};

/// The machine and the problem a program is lowered for.
struct Target {
  std::string arch = "sm_90a";
  int sm_count = 132;
  int shared_bytes_per_block = 232448;  ///< opt-in limit, 227 KiB on Hopper
  double memory_bytes_per_us = 4.8e6;   ///< nominal bandwidth of device memory: an H200's 4.8 TB/s
  bool operator==(const Target&) const = default;
};

struct LowerRequest {
  Schedule schedule;                     ///< every axis of the program bound
  std::vector<TensorFacts> tensors;      ///< per parameter; ignored for scalars
  std::vector<std::int64_t> dim_values;  ///< problem sizes the schedule was chosen for (hints only)
  Target target;
};

/// Tiles that so few CTAs read only pass through the L2: their lines are first to be evicted, which
/// leaves the place of others alone, and no more is fetched at a time than a box is wide.
inline constexpr int kFewReaders = 2;
inline constexpr int kStreamedPromotionBytes = 128;

/// TMA descriptors that a launcher has room for.
inline constexpr int kMaxTensorMaps = 16;

/// A TMA descriptor that the launcher encodes from a tensor argument.
struct TensorMap {
  ir::ParamId param = 0;
  std::vector<int> dim_order;     ///< tensor dimensions, innermost (contiguous) first
  std::vector<std::int64_t> box;  ///< elements per dimension, in that order
  int swizzle_bytes = 0;          ///< 0, 32, 64 or 128
  int l2_promotion_bytes = 128;   ///< 0, 64, 128 or 256; for few readers at most the above
  unsigned shared_along = 0;      ///< bit p: tiles along grid position p read the same boxes
};

enum class ArgKind : std::uint8_t {
  tensor_map,   ///< index = position in CudaProgram::tensor_maps; a 128-byte __grid_constant__
  pointer,      ///< index = param; device address
  stride,       ///< index = param, dim; i64 elements
  dim,          ///< index = DimId; i64
  scalar,       ///< index = param; the scalar's own type
  grid_extent,  ///< index = 0..2; i32: tiles along one grid extent
  workspace,    ///< device address of `workspace_bytes`; between launches the first
                ///< kWorkspaceFlagBytes are zero, the rest is anything
};

/// Of a workspace: a flag of 4 bytes per CTA, set and reset in a launch.
inline constexpr int kWorkspaceFlagBytes = 16384;

struct KernelArg {
  ArgKind kind = ArgKind::pointer;
  int index = 0;
  int dim = 0;
};

/// A program ready for NVRTC and for launching.
struct CudaProgram {
  std::string source;                ///< self-contained CUDA C++
  std::string entry;                 ///< extern "C" name of the kernel
  std::string arch;                  ///< "sm_90a"
  std::vector<std::string> options;  ///< further NVRTC options
  std::vector<KernelArg> args;       ///< in the kernel's parameter order
  std::vector<TensorMap> tensor_maps;
  int threads = 0;       ///< per CTA
  int shared_bytes = 0;  ///< dynamic
  int cluster = 1;       ///< CTAs per cluster, along x
  /// Tiles are numbered over the grid's extents; launched CTAs =
  /// persistent ? min(tiles rounded up to whole clusters, max_ctas) : tiles, times `ctas_per_tile`.
  bool persistent = false;
  int max_ctas = 0;
  bool streamed = false;  ///< persistent, and `max_ctas` CTAs share fewer tiles, too
  int ctas_per_tile = 1;
  /// Along grid position `cluster_grid_position` (if >= 0) the tile count is rounded up to a
  /// multiple of `cluster / ctas_per_tile`; surplus tiles are skipped by the kernel.
  int cluster_grid_position = -1;
  std::int64_t workspace_bytes = 0;
  bool dependent_launch = false;
};

/// Lowers `function` (axes bound, simplified) to CUDA C++. Throws ir::Error for a schedule that is
/// not legal, naming the limit, the amount and what would fit.
CudaProgram lower(const ir::Function& function, const LowerRequest& request);

/// Completes a schedule for `function` on `target`: binds axes that are unbound and fills what is
/// automatic, with a cost model over the problem sizes. Deterministic.
Schedule choose_schedule(const ir::Function& function, const Schedule& partial,
                         const std::vector<std::int64_t>& dim_values,
                         const std::vector<TensorFacts>& tensors, const Target& target);

}  // namespace octile::cuda
