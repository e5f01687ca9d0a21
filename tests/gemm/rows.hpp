// FP8 products recorded to the bit: inputs that try every rule of the tensor core, and what a GPU
// gave. tests/data/h200_rows.txt is such a record, so that machines without a GPU check the model.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "octile/tests/gemm/gemm.hpp"

namespace octile::test {

/// A small product: FP8 storage bits, row-major; scales only where the mode has them.
struct RowCase {
  std::string data;  ///< what the inputs are like
  Mode mode = Mode::scaled;
  ElementType a_type = ElementType::e4m3, b_type = ElementType::e4m3;
  Shape shape;
  std::vector<std::uint8_t> a, b;
  std::vector<float> sa, sb;
  std::vector<float> d;  ///< the result, once there is one
};

/// How FP8 operands are drawn.
enum class Data {
  any,         ///< every finite value alike
  subnormal,   ///< subnormals and zeros
  sparse,      ///< mostly zeros of either sign
  cancelling,  ///< pairs of opposite products, a few terms left over
  special,     ///< NaN and infinities in some rows, scales of every kind
};
inline constexpr Data kAllData[] = {Data::any, Data::subnormal, Data::sparse, Data::cancelling,
                                    Data::special};
std::string to_string(Data data);

/// Inputs without a result; the same for equal arguments on every machine.
RowCase make_case(Data data, Mode mode, ElementType a, ElementType b, const Shape& shape);

/// The cases of a record.
std::vector<RowCase> record_cases();

/// What the host's model (numerics.hpp) gives for `row_case`.
std::vector<float> model(const RowCase& row_case);

/// Runs `row_case` and returns the f32 result. Throws octile::Error.
std::vector<float> run_case(const Stream& stream, const Schedule& schedule,
                            const RowCase& row_case);

/// The first element in which `got` differs from `want` in its bits, or ""; NaNs are alike.
std::string bit_mismatch(const std::vector<float>& got, const std::vector<float>& want,
                         std::int64_t columns);

/// Text: comment lines that start with #, then per case a line of words and hexadecimal rows.
void write_rows(std::ostream& out, const std::string& comment, const std::vector<RowCase>& cases);
/// Throws std::runtime_error with the case's number for anything that isn't such a text.
std::vector<RowCase> read_rows(std::istream& in);

}  // namespace octile::test
