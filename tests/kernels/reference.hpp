// Inputs of the products of kernels/gemm.hpp, their float64 sums, and how far off each may be.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "octile/tests/programs/support.hpp"

namespace octile::test {

/// What scales the operands have.
enum class Scales : std::uint8_t {
  none,
  per_tensor,          ///< numbers
  per_row_and_column,  ///< [M], [N]
  by_128x128,          ///< [M, K / 128], [N / 128, K / 128]
  by_1x128,            ///< [M, K / 128], [N, K / 128]
};

struct Sizes {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t batch = 0;  ///< 0: no such dimension

  Dims dims(std::initializer_list<std::int64_t> of_one) const;
  ProblemSizes problem() const;
};

/// Few rows, odd sizes, K that no block divides, and none at all; then several tiles. Fewer where
/// kernels are only compiled.
std::vector<Sizes> edge_sizes(const Trial& t);

/// Exact inputs and any, or either where it doesn't matter.
std::vector<bool> fills(const Trial& t);

/// Schedules beyond the one that is chosen, all with BN in steps of 128.
std::vector<std::vector<Knob>> schedules_of(const Sizes& sizes);

struct Setup {
  Scales scales = Scales::none;
  ElementType a = ElementType::e4m3, b = ElementType::e4m3;
  bool fast = false;  ///< FP8 sums stay in the tensor core
  Layout a_layout = {}, b_layout = {}, scales_layout = {};
};

/// Operands of one product and its sums. Copies share them.
class Sums {
 public:
  /// Adds the operands to `t`: integers with scales that are powers of two when `exact`, else
  /// normals and any scales.
  Sums(Trial& t, const Setup& setup, const Sizes& sizes, bool exact);

  Input a, sa, b, sb;
  float number_a = 1, number_b = 1;  ///< per_tensor

  const Sizes& sizes() const { return sizes_; }
  bool exact() const { return exact_; }
  /// The element of [batch,] m, n.
  double value(const Index& e) const { return at(e).value; }
  /// What the tensor core may miss: the truncation of every fused sum, f32 additions in any order.
  double room(const Index& e) const { return at(e).room; }

 private:
  struct Element {
    double value = 0, room = 0;
  };
  const Element& at(const Index& e) const;
  std::vector<Element> compute() const;
  Element element(const std::vector<float>& a_values, const std::vector<float>& b_values,
                  std::int64_t z, std::int64_t i, std::int64_t j) const;
  double scale(std::int64_t z, std::int64_t i, std::int64_t j, std::int64_t block) const;

  Setup setup_;
  Sizes sizes_;
  bool exact_;
  std::shared_ptr<std::vector<Element>> known_;
};

/// Runs a product's kernel on its operands and the epilogue's arguments.
template <Scales S, class Kernel, class... More>
void run_product(Trial& t, const Kernel& kernel, const Sums& s, const More&... more) {
  const auto schedules = schedules_of(s.sizes());
  if constexpr (S == Scales::none) {
    t.run(kernel, schedules, s.a, s.b, more...);
  } else if constexpr (S == Scales::per_tensor) {
    t.run(kernel, schedules, s.a, s.number_a, s.b, s.number_b, more...);
  } else {
    t.run(kernel, schedules, s.a, s.sa, s.b, s.sb, more...);
  }
}

/// `value` rounded to `type`, and half of a step there.
double rounded(ElementType type, double value);
double half_step(ElementType type, double value);

/// An output of `type` that holds f(sums): to the bit when the sums are exact and f is, else within
/// what the sums may be off, times the largest slope of f, and half of a step.
Input rounded_output(Trial& t, ElementType type, const Sums& sums, const Reference& f_of_sums,
                     double slope = 1, double own_error = 0);

}  // namespace octile::test
