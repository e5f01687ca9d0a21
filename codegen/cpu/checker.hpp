// Checked mode: looks at every load and store before it happens.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "octile/codegen/cpu/abi.hpp"
#include "octile/codegen/cpu/engine.hpp"

namespace octile::cpu {

/// Watches one launch, whose programs run one after the other. Reports, the first violation only:
///   - an index out of bounds, where it is a scalar or read from memory. The indices of a block
///   (made
///     of iota and scalars) may go over the edge, and so may a load that says what lies there;
///   - a load of an element that `Arg::written` says was never written, nor by this launch;
///   - a store to an element where another program of the grid has stored other bits.
class Checker {
 public:
  Checker(const ir::Function& function, const std::vector<CheckSite>& sites,
          const std::vector<Arg>& args);

  void begin_program(const std::array<std::int64_t, 3>& place);
  /// Empty as long as nothing is wrong.
  const std::string& error() const { return error_; }

  /// As compiled programs call it; `context` is a Checker.
  static void check(void* context, std::int64_t site, const std::int64_t* indices,
                    std::uint64_t bits, std::int32_t active) noexcept;

 private:
  struct Shadow {
    std::int64_t lowest = 0;           ///< offset of the element at the lowest address
    std::vector<std::int64_t> writer;  ///< per element of the span: number of the program, 0: none
  };

  void check(const CheckSite& site, const std::int64_t* indices, std::uint64_t bits);
  bool in_bounds(const CheckSite& site, const std::int64_t* indices);
  void check_load(const CheckSite& site, const std::int64_t* indices, std::int64_t offset);
  void check_store(const CheckSite& site, const std::int64_t* indices, std::int64_t offset,
                   std::uint64_t bits);
  void report(const CheckSite& site, const std::int64_t* indices, const std::string& what);

  const ir::Function& function_;
  const std::vector<CheckSite>& sites_;
  const std::vector<Arg>& args_;
  std::vector<Shadow> shadows_;                      ///< per parameter
  std::vector<std::array<std::int64_t, 3>> places_;  ///< of the programs so far, in order
  std::string error_;
};

}  // namespace octile::cpu
