// Outputs of random problems against float64.
#pragma once

#include <string>
#include <vector>

#include "octile/tests/gemm/problem.hpp"

namespace octile::test {

/// Compares sampled rows of several outputs of one problem with one reference.
class Comparison {
 public:
  explicit Comparison(const Problem& problem);

  /// What is wrong with `d`, or "": an element out of its bound, or the relative L2 of all.
  std::string mismatch(const Guarded& d) const;

 private:
  const Problem& problem_;
  std::vector<std::int64_t> rows_;
  std::vector<Problem::Row> reference_;
};

}  // namespace octile::test
