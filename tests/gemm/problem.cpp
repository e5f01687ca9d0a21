#include "octile/tests/gemm/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <set>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/gemm/parallel.hpp"

namespace octile::test {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

const std::array<float, 256>& e4m3_values() {
  static const std::array<float, 256> values = [] {
    std::array<float, 256> v{};
    for (std::uint32_t i = 0; i < v.size(); ++i) v[i] = numerics::decode(ElementType::e4m3, i);
    return v;
  }();
  return values;
}

/// Bytes to draw from: integers, or normals whose 3.3 sigma is e4m3's largest value.
std::vector<std::uint8_t> make_alphabet(Fill fill) {
  std::vector<std::uint8_t> bytes;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 448.0f / 3.3f);
  for (int i = 0; i < 65536; ++i) {
    const float x = fill == Fill::integers ? static_cast<float>(i % 7 - 3) : normal(random);
    bytes.push_back(static_cast<std::uint8_t>(numerics::encode(ElementType::e4m3, x)));
  }
  return bytes;
}

void fill_values(Guarded& x, Fill fill, std::uint64_t seed) {
  static const std::vector<std::uint8_t> integers = make_alphabet(Fill::integers);
  static const std::vector<std::uint8_t> normals = make_alphabet(Fill::normals);
  const std::vector<std::uint8_t>& alphabet = fill == Fill::integers ? integers : normals;
  parallel_for(x.rows(), 16, [&](std::int64_t r) {
    std::uint8_t* row = x.row<std::uint8_t>(r);
    for (std::int64_t c = 0; c < x.columns(); c += 4) {
      std::uint64_t bits = mix(seed << 48 ^ static_cast<std::uint64_t>(r * x.columns() + c));
      for (std::int64_t i = c; i < std::min(c + 4, x.columns()); ++i, bits >>= 16)
        row[i] = alphabet[bits & 0xFFFF];
    }
  });
  x.upload();
}

void fill_scales(Guarded& x, Fill fill, std::uint64_t seed) {
  for (std::int64_t r = 0; r < x.rows(); ++r) {
    float* row = x.row<float>(r);
    for (std::int64_t c = 0; c < x.columns(); ++c) {
      const std::uint64_t bits = mix(seed << 48 ^ static_cast<std::uint64_t>(r * x.columns() + c));
      constexpr float kPowers[] = {0.5f, 1.0f, 2.0f};
      const float any = std::exp2(static_cast<float>(bits >> 40) * 0x1p-23f - 10.0f);
      row[c] = fill == Fill::integers ? kPowers[bits % 3] : any;
    }
  }
  x.upload();
}

/// Weights whose sums with exact elements stay exact in a double.
double weight(std::int64_t j) {
  return static_cast<double>(1 + mix(static_cast<std::uint64_t>(j)) % 1024);
}

}  // namespace

Problem::Problem(const Stream& stream, const Shape& shape, Fill fill, const Layouts& layouts)
    : shape_(shape),
      layouts_(layouts),
      a_(stream, ElementType::e4m3, shape.m, shape.k, layouts.a),
      sa_(stream, ElementType::f32, shape.m, shape.k_blocks()),
      b_(stream, ElementType::e4m3, shape.n, shape.k, layouts.b),
      sb_(stream, ElementType::f32, shape.n_blocks(), shape.k_blocks()),
      outer_sa_(stream, ElementType::f32, layouts.outer_scales ? shape.k_blocks() : 0, shape.m,
                {(4 - shape.m % 4) % 4, 0}) {
  fill_values(a_, fill, 1);
  fill_scales(sa_, fill, 2);
  fill_values(b_, fill, 3);
  fill_scales(sb_, fill, 4);
  for (std::int64_t k = 0; k < outer_sa_.rows(); ++k) {
    for (std::int64_t i = 0; i < shape.m; ++i) outer_sa_.row<float>(k)[i] = sa_.row<float>(i)[k];
  }
  outer_sa_.upload();
}

TensorView Problem::scales_of_a() const {
  if (!layouts_.outer_scales) return sa_.view();
  TensorView view = outer_sa_.view();
  std::swap(view.extents[0], view.extents[1]);
  std::swap(view.strides[0], view.strides[1]);
  return view;
}

double Problem::exact_element(std::int64_t i, std::int64_t j) const {
  const auto& decoded = e4m3_values();
  double total = 0;
  for (std::int64_t k = 0; k < shape_.k; ++k) {
    total += static_cast<double>(sa_.row<float>(i)[k / 128]) * sb_.row<float>(j / 128)[k / 128] *
             decoded[a_.row<std::uint8_t>(i)[k]] * decoded[b_.row<std::uint8_t>(j)[k]];
  }
  return total;
}

std::string Problem::exact_mismatch(const Guarded& d) const {
  const auto& decoded = e4m3_values();
  // Row i of d times the weights is row i of a times (b transposed times the weights).
  std::vector<double> combined(static_cast<std::size_t>(shape_.k));
  parallel_for(shape_.k_blocks(), 1, [&](std::int64_t block) {
    for (std::int64_t j = 0; j < shape_.n; ++j) {
      const double scaled = weight(j) * sb_.row<float>(j / 128)[block];
      const std::uint8_t* row = b_.row<std::uint8_t>(j);
      for (std::int64_t k = 128 * block; k < std::min(shape_.k, 128 * block + 128); ++k)
        combined[static_cast<std::size_t>(k)] += scaled * decoded[row[k]];
    }
  });
  std::vector<char> wrong(static_cast<std::size_t>(shape_.m));
  parallel_for(shape_.m, 8, [&](std::int64_t i) {
    double got = 0, want = 0;
    for (std::int64_t j = 0; j < shape_.n; ++j) got += weight(j) * d.row<float>(i)[j];
    for (std::int64_t k = 0; k < shape_.k; ++k) {
      want += static_cast<double>(sa_.row<float>(i)[k / 128]) *
              decoded[a_.row<std::uint8_t>(i)[k]] * combined[static_cast<std::size_t>(k)];
    }
    wrong[static_cast<std::size_t>(i)] = !(got == want);
  });
  const auto rows = std::count(wrong.begin(), wrong.end(), 1);
  for (std::int64_t i = 0; i < shape_.m; ++i) {
    if (!wrong[static_cast<std::size_t>(i)]) continue;
    std::int64_t first = -1, count = 0;
    for (std::int64_t j = 0; j < shape_.n; ++j) {
      if (d.row<float>(i)[j] == exact_element(i, j)) continue;
      if (count++ == 0) first = j;
    }
    return fmt::format(
        "{} of {} rows are wrong; row {} in {} of {} elements, the first at column "
        "{}: got {}, expected {}",
        rows, shape_.m, i, count, shape_.n, first, first < 0 ? 0.0f : d.row<float>(i)[first],
        first < 0 ? 0.0 : exact_element(i, first));
  }
  return {};
}

Problem::Row Problem::reference_row(std::int64_t i) const {
  const auto& decoded = e4m3_values();
  std::vector<float> a(static_cast<std::size_t>(128 * shape_.k_blocks()));
  for (std::int64_t k = 0; k < shape_.k; ++k)
    a[static_cast<std::size_t>(k)] = decoded[a_.row<std::uint8_t>(i)[k]];
  Row row;
  row.value.resize(static_cast<std::size_t>(shape_.n));
  row.bound.resize(static_cast<std::size_t>(shape_.n));
  parallel_for(shape_.n, 64, [&](std::int64_t j) {
    const std::uint8_t* b = b_.row<std::uint8_t>(j);
    double total = 0, error = 0, largest = 0;
    for (std::int64_t block = 0; block < shape_.k_blocks(); ++block) {
      double sum = 0, truncated = 0;
      for (std::int64_t k = 128 * block; k < std::min(shape_.k, 128 * block + 128); k += 32) {
        std::array<float, 32> products{};
        const std::int64_t count = std::min<std::int64_t>(32, shape_.k - k);
        for (std::int64_t x = 0; x < count; ++x)
          products[static_cast<std::size_t>(x)] =
              a[static_cast<std::size_t>(k + x)] * decoded[b[k + x]];
        float top = 0x1p-12f;  // products of two subnormals count as this large
        double step = 0;
        for (const float p : products) {
          top = std::max(top, std::abs(p));
          step += p;
        }
        // 33 terms lose less than 2^-13 of the largest each, and their sum 2^-13 of itself.
        const double before = std::abs(sum) + truncated;
        sum += step;
        truncated += 0x1p-13 * (33 * std::max<double>(top, before) + std::abs(sum) + truncated);
      }
      const double scale =
          static_cast<double>(sa_.row<float>(i)[block]) * sb_.row<float>(j / 128)[block];
      total += scale * sum;
      error += scale * truncated;
      largest = std::max(largest, std::abs(total) + error);
    }
    row.value[static_cast<std::size_t>(j)] = total;
    row.bound[static_cast<std::size_t>(j)] =
        error + 0x1p-22 * static_cast<double>(shape_.k_blocks()) * largest;
  });
  return row;
}

std::vector<std::int64_t> sample_rows(const Shape& shape, std::int64_t budget) {
  const std::int64_t count = budget / std::max<std::int64_t>(1, shape.n * shape.k);
  std::set<std::int64_t> rows;
  if (count >= shape.m) {
    for (std::int64_t i = 0; i < shape.m; ++i) rows.insert(i);
  } else {
    for (const std::int64_t i : {std::int64_t{0}, shape.m - 1, std::int64_t{63}, std::int64_t{64},
                                 std::int64_t{127}, std::int64_t{128}}) {
      if (i < shape.m) rows.insert(i);
    }
    for (std::uint64_t i = 0; static_cast<std::int64_t>(rows.size()) < count; ++i)
      rows.insert(static_cast<std::int64_t>(mix(i) % static_cast<std::uint64_t>(shape.m)));
  }
  return {rows.begin(), rows.end()};
}

}  // namespace octile::test
