// Inputs of a block-scaled product, and what it should give.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octile/tests/gemm/gemm.hpp"
#include "octile/tests/gemm/guarded.hpp"

namespace octile::test {

enum class Fill {
  integers,  ///< -3 to 3, scales 1/2, 1 or 2: every sum is exact in every order, down to the bit
  normals,   ///< normals that fill e4m3's range, scales within a factor of 4
};

/// Layouts of the operands that may have one.
struct Layouts {
  Layout a, b, d;
  bool outer_scales = false;  ///< those of a: of neighbouring rows side by side
};

/// e4m3 operands with scales per 1x128 and per 128x128, uploaded to where `stream` runs. The same
/// for one shape and fill on every machine.
class Problem {
 public:
  Problem(const Stream& stream, const Shape& shape, Fill fill, const Layouts& layouts = {});

  const Shape& shape() const { return shape_; }
  Operands operands(const Guarded& d) const {
    return {a_.view(), scales_of_a(), b_.view(), sb_.view(), d.view()};
  }
  /// An output full of NaN.
  Guarded output(const Stream& stream, ElementType element) const {
    return Guarded(stream, element, shape_.m, shape_.n, layouts_.d);
  }

  /// Compares every element of the f32 output of `Fill::integers` with the exact one. A row is
  /// first compared as a weighted sum, which costs no product of that row; one wrong element always
  /// shows, several hide with a chance below 1/1000. Returns the first mismatch or "".
  std::string exact_mismatch(const Guarded& d) const;

  /// One row of the product in float64, and how far the tensor core may be from each element: the
  /// truncation of every fused sum (numerics.hpp) and the rounding of f32 additions in any order.
  struct Row {
    std::vector<double> value, bound;
  };
  Row reference_row(std::int64_t i) const;

 private:
  TensorView scales_of_a() const;
  double exact_element(std::int64_t i, std::int64_t j) const;

  Shape shape_;
  Layouts layouts_;
  Guarded a_, sa_, b_, sb_;
  Guarded outer_sa_;  ///< sa transposed, its rows padded to a multiple of 16 bytes; if so laid out
};

/// Rows of a product worth comparing when all are too many: first, last, tile edges, random ones;
/// about `budget` multiplications in all.
std::vector<std::int64_t> sample_rows(const Shape& shape, std::int64_t budget);

}  // namespace octile::test
