#include "octile/tests/kernels/reference.hpp"

#include <algorithm>
#include <cmath>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/gemm/parallel.hpp"

namespace octile::test {
namespace {

std::vector<float> elements(const Array& x) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(x.count()));
  x.for_each([&](const Index& e) { values.push_back(static_cast<float>(x.get(e))); });
  return values;
}

/// Running sum of 32 products at a time, and what the tensor core may have lost of it.
struct FusedSum {
  double value = 0, lost = 0;

  void add(const float* a, const float* b, std::int64_t count, bool fp8) {
    double step = 0, top = fp8 ? 0x1p-12 : 0;  // products of two subnormals count as this large
    for (std::int64_t k = 0; k < count; ++k) {
      const double product = static_cast<double>(a[k]) * b[k];
      step += product;
      top = std::max(top, std::abs(product));
    }
    const double before = std::abs(value) + lost;
    value += step;
    // FP8: 33 terms lose less than 2^-13 of the largest each, and their sum 2^-13 of itself. Of
    // wider types two fused sums of 16 products each keep 2^-23.
    const double part = fp8 ? 0x1p-13 : 0x1p-22;
    lost += part * (33 * std::max(top, before) + std::abs(value) + lost);
  }
};

}  // namespace

Dims Sizes::dims(std::initializer_list<std::int64_t> of_one) const {
  std::vector<std::int64_t> all;
  if (batch > 0) all.push_back(batch);
  all.insert(all.end(), of_one);
  return Dims(std::span<const std::int64_t>(all));
}

ProblemSizes Sizes::problem() const {
  ProblemSizes sizes{{"M", m}, {"N", n}, {"K", k}};
  if (batch > 0) sizes.emplace_back("Z", batch);
  return sizes;
}

std::vector<Sizes> edge_sizes(const Trial& t) {
  if (t.where() == Where::nvrtc) return {{65, 136, 656}, {65, 72, 0}};
  return {{1, 8, 128},   {7, 72, 656}, {65, 136, 656}, {1, 136, 656},   {65, 8, 128},
          {7, 136, 128}, {65, 72, 0},  {1, 8, 0},      {300, 264, 1040}};
}

std::vector<bool> fills(const Trial& t) {
  return t.where() == Where::nvrtc ? std::vector<bool>{true} : std::vector<bool>{true, false};
}

std::vector<std::vector<Knob>> schedules_of(const Sizes& sizes) {
  constexpr axis<"BM"> BM;
  constexpr axis<"BN"> BN;
  std::vector<std::vector<Knob>> all = {{BM(64), BN(128)}, {BM(128), BN(128), stages(3)}};
  // What comes through TMA only.
  if (sizes.k > 0) {
    all.push_back({BM(128), BN(128), cluster(2, BM)});
    all.push_back({BM(64), BN(128), split_fold(2)});
    all.push_back({BM(64), BN(128), ping_pong()});
    all.push_back({BM(64), BN(128), stream_fold()});
  }
  return all;
}

Sums::Sums(Trial& t, const Setup& setup, const Sizes& sizes, bool exact)
    : setup_(setup),
      sizes_(sizes),
      exact_(exact),
      known_(std::make_shared<std::vector<Element>>()) {
  const Fill values = exact ? Fill::integers : Fill::normal;
  const Fill scales = exact ? Fill::powers : Fill::uniform;
  const auto [m, n, k, batch] = sizes;
  const std::int64_t k_blocks = (k + 127) / 128, n_blocks = (n + 127) / 128;
  a = t.input(setup.a, sizes.dims({m, k}), values, setup.a_layout);
  b = t.input(setup.b, sizes.dims({n, k}), values, setup.b_layout);
  const auto f32_input = [&](std::initializer_list<std::int64_t> dims) {
    return t.input(ElementType::f32, sizes.dims(dims), scales, setup.scales_layout);
  };
  switch (setup.scales) {
    case Scales::none:
      break;
    case Scales::per_tensor:
      number_a = exact ? 0.5f : 0.3f;
      number_b = exact ? 4.0f : 1.7f;
      break;
    case Scales::per_row_and_column:
      sa = f32_input({m});
      sb = f32_input({n});
      break;
    case Scales::by_128x128:
      sa = f32_input({m, k_blocks});
      sb = f32_input({n_blocks, k_blocks});
      break;
    case Scales::by_1x128:
      sa = f32_input({m, k_blocks});
      sb = f32_input({n, k_blocks});
      break;
  }
}

double Sums::scale(std::int64_t z, std::int64_t i, std::int64_t j, std::int64_t block) const {
  const auto get = [&](const Input& scales, std::int64_t row, bool blocks) {
    const bool batched = sizes_.batch > 0;
    if (!blocks) return batched ? (*scales)(z, row) : (*scales)(row);
    return batched ? (*scales)(z, row, block) : (*scales)(row, block);
  };
  switch (setup_.scales) {
    case Scales::none:
      return 1;
    case Scales::per_tensor:
      return static_cast<double>(number_a) * number_b;
    case Scales::per_row_and_column:
      return get(sa, i, false) * get(sb, j, false);
    case Scales::by_128x128:
      return get(sa, i, true) * get(sb, j / 128, true);
    case Scales::by_1x128:
      return get(sa, i, true) * get(sb, j, true);
  }
  return 0;
}

Sums::Element Sums::element(const std::vector<float>& a_values, const std::vector<float>& b_values,
                            std::int64_t z, std::int64_t i, std::int64_t j) const {
  const auto [m, n, k, batch] = sizes_;
  const bool fp8 = size_in_bytes(setup_.a) == 1;
  const bool promoted = fp8 && !setup_.fast;
  const float* row_a = a_values.data() + (z * m + i) * k;
  const float* row_b = b_values.data() + (z * n + j) * k;
  Element total;
  double largest = 0;
  FusedSum sum;
  for (std::int64_t from = 0; from < k; from += 128) {
    for (std::int64_t at = from; at < std::min(k, from + 128); at += 32)
      sum.add(row_a + at, row_b + at, std::min<std::int64_t>(32, k - at), fp8);
    if (!promoted && from + 128 < k) continue;
    const double s = scale(z, i, j, from / 128);
    total.value += s * sum.value;
    total.room += std::abs(s) * sum.lost;
    largest = std::max(largest, std::abs(total.value) + total.room);
    sum = {};
  }
  total.room += 0x1p-22 * static_cast<double>(k / 128 + 2) * largest;
  return total;
}

std::vector<Sums::Element> Sums::compute() const {
  const auto [m, n, k, batch] = sizes_;
  const std::vector<float> a_values = elements(*a), b_values = elements(*b);
  const std::int64_t rows = std::max<std::int64_t>(1, batch) * m;
  std::vector<Element> all(static_cast<std::size_t>(rows * n));
  parallel_for(rows, 4, [&, m = m, n = n](std::int64_t row) {
    for (std::int64_t j = 0; j < n; ++j) {
      Element& slot = all[static_cast<std::size_t>(row * n + j)];
      slot = element(a_values, b_values, row / m, row % m, j);
    }
  });
  return all;
}

const Sums::Element& Sums::at(const Index& e) const {
  if (known_->empty()) *known_ = compute();
  const bool batched = sizes_.batch > 0;
  const std::int64_t row = batched ? e[0] * sizes_.m + e[1] : e[0];
  return (*known_)[static_cast<std::size_t>(row * sizes_.n + e[batched ? 2 : 1])];
}

double rounded(ElementType type, double value) {
  return numerics::decode(type, numerics::encode(type, static_cast<float>(value)));
}

double half_step(ElementType type, double value) {
  switch (type) {
    case ElementType::bf16:
      return 0x1p-8 * std::abs(value);
    case ElementType::f16:
      return 0x1p-11 * std::abs(value) + 0x1p-25;
    case ElementType::e4m3:
      return 0x1p-4 * std::abs(value) + 0x1p-10;
    case ElementType::e5m2:
      return 0x1p-3 * std::abs(value) + 0x1p-17;
    default:
      return 0x1p-24 * std::abs(value);
  }
}

Input rounded_output(Trial& t, ElementType type, const Sums& sums, const Reference& f_of_sums,
                     double slope, double own_error) {
  const Dims dims = sums.sizes().dims({sums.sizes().m, sums.sizes().n});
  if (sums.exact() && own_error == 0) {
    return t.output(type, dims, [=](const Index& e) { return rounded(type, f_of_sums(e)); });
  }
  const double most = type == ElementType::e4m3 ? 448 : INFINITY;
  return t.output(
      type, dims, [=](const Index& e) { return std::clamp(f_of_sums(e), -most, most); },
      [=](const Index& e) {
        const double room = slope * sums.room(e) + own_error;
        return room + half_step(type, std::abs(f_of_sums(e)) + room);
      });
}

}  // namespace octile::test
