#include "octile/runtime/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

#include "octile/runtime/error.hpp"

namespace octile::runtime {

Signature::Signature(const Binding& binding, const Stream& stream) {
  const auto push = [this](std::uint64_t word) {
    words_[static_cast<std::size_t>(size_++)] = word;
  };
  push(reinterpret_cast<std::uintptr_t>(stream.context()));
  push(static_cast<std::uint64_t>(stream.cpu_options().threads) << 1 |
       static_cast<std::uint64_t>(stream.cpu_options().checked));
  const std::string& cpu = stream.cpu_options().cpu;
  push(cpu.empty() ? 0 : std::hash<std::string>{}(cpu));
  for (int d = 0; d < binding.dims; ++d) {
    push(static_cast<std::uint64_t>(binding.dim_values[static_cast<std::size_t>(d)]));
  }
  std::uint64_t packed = 0;
  for (int p = 0; p < binding.params; ++p) {
    const cuda::TensorFacts& facts = binding.facts[static_cast<std::size_t>(p)];
    packed = packed << 16 | static_cast<std::uint64_t>(facts.contiguous_dim + 1) << 8 |
             static_cast<std::uint64_t>(facts.alignment);
    if (p % 4 == 3 || p == binding.params - 1) {
      push(packed);
      packed = 0;
    }
  }
  std::uint64_t hash = 0x9E3779B97F4A7C15u;
  for (int i = 0; i < size_; ++i) {
    hash = (std::rotl(hash, 23) ^ words_[static_cast<std::size_t>(i)]) * 0xD6E8FEB86659FD93u;
  }
  hash_ = static_cast<std::size_t>(hash ^ hash >> 32);
}

bool Signature::operator==(const Signature& other) const {
  return std::equal(words_.begin(), words_.begin() + size_, other.words_.begin(),
                    other.words_.begin() + other.size_);
}

std::array<std::int32_t, 3> grid_tiles(const ir::Function& function,
                                       const std::vector<std::int64_t>& dims) {
  std::array<std::int32_t, 3> tiles{1, 1, 1};
  for (std::size_t i = 0; i < function.grid.size(); ++i) {
    const std::int64_t count = ir::evaluate_scalar(function, function.grid[i], dims);
    if (count > std::numeric_limits<std::int32_t>::max()) {
      throw Error(
          ErrorCode::user,
          fmt::format("kernel `{}`: expected at most 2^31 - 1 programs along grid extent {}, "
                      "got {}; use larger tiles",
                      function.name, i, count));
    }
    tiles[i] = static_cast<std::int32_t>(std::max<std::int64_t>(count, 0));
  }
  return tiles;
}

Grid launch_grid(const ir::Function& function, const cuda::CudaProgram& program,
                 const std::vector<std::int64_t>& dims) {
  Grid grid;
  grid.tiles = grid_tiles(function, dims);
  const std::int64_t cluster_tiles = std::max(program.cluster / program.ctas_per_tile, 1);
  const auto round_up = [&](std::int64_t n) {
    return (n + cluster_tiles - 1) / cluster_tiles * cluster_tiles;
  };
  // Each factor is below 2^31, and the product is compared after every step.
  std::int64_t tiles = 1;
  for (int i = 0; i < 3; ++i) {
    const std::int64_t along = grid.tiles[static_cast<std::size_t>(i)];
    tiles *= i == program.cluster_grid_position ? round_up(along) : along;
    if (tiles > std::numeric_limits<std::int32_t>::max()) {
      throw Error(
          ErrorCode::user,
          fmt::format("kernel `{}`: expected at most 2^31 - 1 programs in the grid, got more "
                      "({} x {} x {} tiles); use larger tiles",
                      function.name, grid.tiles[0], grid.tiles[1], grid.tiles[2]));
    }
  }
  if (program.persistent) {
    const std::int64_t limit =
        std::max<std::int64_t>(program.max_ctas / cluster_tiles * cluster_tiles, cluster_tiles);
    tiles = program.streamed && tiles > 0 ? limit : std::min(round_up(tiles), limit);
  }
  const std::int64_t ctas = tiles * program.ctas_per_tile;
  if (ctas > std::numeric_limits<std::int32_t>::max()) {
    throw Error(
        ErrorCode::user,
        fmt::format("kernel `{}`: expected at most 2^31 - 1 CTAs, got {}; use larger tiles or "
                    "a smaller split_fold",
                    function.name, ctas));
  }
  grid.ctas = static_cast<std::uint32_t>(ctas);
  return grid;
}

}  // namespace octile::runtime
