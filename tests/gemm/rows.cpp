#include "octile/tests/gemm/rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <istream>
#include <limits>
#include <ostream>
#include <random>
#include <span>
#include <stdexcept>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/gemm/guarded.hpp"
#include "octile/tests/gemm/parallel.hpp"

namespace octile::test {
namespace {

constexpr const char* kDataNames[] = {"any", "subnormal", "sparse", "cancelling", "special"};

std::uint8_t finite_byte(ElementType type, std::mt19937& random) {
  const int specials = type == ElementType::e4m3 ? 0x7F : 0x7C;
  std::uint8_t byte = 0;
  do {
    byte = static_cast<std::uint8_t>(random());
  } while ((byte & 0x7F) >= specials);
  return byte;
}

std::vector<std::uint8_t> draw(ElementType type, Data data, bool first, std::int64_t rows,
                               std::int64_t k, std::mt19937& random) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(rows * k));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::uint8_t byte = finite_byte(type, random);
    if (data == Data::subnormal) byte &= type == ElementType::e4m3 ? 0x87 : 0x83;
    if (data == Data::sparse && random() % 4 != 0) byte &= 0x80;
    // Neighbours are opposite on one side and mostly equal on the other.
    const bool second = i % static_cast<std::size_t>(k) % 2 == 1;
    if (data == Data::cancelling && second && (first || random() % 8 != 0))
      byte = bytes[i - 1] ^ (first ? 0x80 : 0);
    bytes[i] = byte;
  }
  // One special value in some rows, so that others stay finite.
  for (std::int64_t r = 0; data == Data::special && r < rows; ++r) {
    if (random() % 2 == 0) continue;
    const std::uint8_t codes[] = {0x7F, 0xFF, 0x7C, 0xFC, 0x7D, 0x00};
    bytes[static_cast<std::size_t>(r * k + random() % k)] =
        codes[type == ElementType::e4m3 ? random() % 2 : random() % 6];
  }
  return bytes;
}

std::vector<float> draw_scales(Data data, std::int64_t count, std::mt19937& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kOdd[] = {0.0f, -0.0f, -1.5f, 1e-40f, 3e38f, kInfinity};
  std::vector<float> scales;
  for (std::int64_t i = 0; i < count; ++i) {
    // A full mantissa, 2^-10 to 2^10.
    const auto exponent = static_cast<std::uint32_t>(117 + random() % 20);
    float scale =
        std::bit_cast<float>(exponent << 23 | static_cast<std::uint32_t>(random() & 0x7FFFFF));
    if (data == Data::special && random() % 6 == 0) scale = kOdd[random() % 6];
    scales.push_back(scale);
  }
  return scales;
}

ElementType parse_type(const std::string& name) {
  ElementType type{};
  if (!parse_element_type(name, type)) throw std::runtime_error("unknown element type " + name);
  return type;
}

template <class T>
std::string hex(const T* values, std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (sizeof(T) == 1) {
      text += fmt::format("{:02x}", values[i]);
    } else {
      text += fmt::format("{}{:08x}", i ? " " : "", std::bit_cast<std::uint32_t>(values[i]));
    }
  }
  return text;
}

std::uint32_t parse_hex(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size())
    throw std::runtime_error("not a hexadecimal number: " + std::string(text));
  return value;
}

std::string next_word(std::istream& in) {
  std::string word;
  if (!(in >> word)) throw std::runtime_error("the text ends early");
  return word;
}

std::vector<std::uint8_t> read_bytes(std::istream& in, std::int64_t rows, std::int64_t k) {
  std::vector<std::uint8_t> bytes;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::string word = next_word(in);
    if (static_cast<std::int64_t>(word.size()) != 2 * k)
      throw std::runtime_error("a row of operands has the wrong length");
    for (std::size_t i = 0; i < word.size(); i += 2)
      bytes.push_back(static_cast<std::uint8_t>(parse_hex(std::string_view(word).substr(i, 2))));
  }
  return bytes;
}

std::vector<float> read_floats(std::istream& in, std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(std::bit_cast<float>(parse_hex(next_word(in))));
  return values;
}

void upload_bytes(Guarded& to, const std::uint8_t* bytes) {
  for (std::int64_t r = 0; r < to.rows(); ++r)
    std::copy_n(bytes + r * to.columns(), to.columns(), to.row<std::uint8_t>(r));
  to.upload();
}

void upload_floats(Guarded& to, const float* values) {
  for (std::int64_t r = 0; r < to.rows(); ++r)
    std::copy_n(values + r * to.columns(), to.columns(), to.row<float>(r));
  to.upload();
}

float model_element(const RowCase& c, std::int64_t i, std::int64_t j) {
  const auto k = static_cast<std::size_t>(c.shape.k);
  const std::span<const std::uint8_t> a(c.a.data() + static_cast<std::size_t>(i) * k, k);
  const std::span<const std::uint8_t> b(c.b.data() + static_cast<std::size_t>(j) * k, k);
  if (c.mode != Mode::scaled)
    return numerics::fp8_dot(c.a_type, a, c.b_type, b, c.mode == Mode::fast);
  float acc = 0;
  const auto blocks = static_cast<std::size_t>(c.shape.k_blocks());
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t count = std::min<std::size_t>(128, k - 128 * block);
    const float partial = numerics::fp8_dot(c.a_type, a.subspan(128 * block, count), c.b_type,
                                            b.subspan(128 * block, count));
    const float scale = c.sa[static_cast<std::size_t>(i) * blocks + block] *
                        c.sb[static_cast<std::size_t>(j / 128) * blocks + block];
    acc = std::fma(partial, scale, acc);
  }
  return acc;
}

}  // namespace

std::string to_string(Data data) {
  return kDataNames[static_cast<int>(data)];
}

RowCase make_case(Data data, Mode mode, ElementType a, ElementType b, const Shape& shape) {
  std::seed_seq seed{static_cast<int>(data), static_cast<int>(mode), static_cast<int>(a),
                     static_cast<int>(b), static_cast<int>(shape.k)};
  std::mt19937 random(seed);
  RowCase c{to_string(data), mode, a, b, shape, {}, {}, {}, {}, {}};
  c.a = draw(a, data, true, shape.m, shape.k, random);
  c.b = draw(b, data, false, shape.n, shape.k, random);
  if (mode == Mode::scaled) {
    c.sa = draw_scales(data, shape.m * shape.k_blocks(), random);
    c.sb = draw_scales(data, shape.n_blocks() * shape.k_blocks(), random);
  }
  return c;
}

std::vector<RowCase> record_cases() {
  constexpr ElementType kTypes[] = {ElementType::e4m3, ElementType::e5m2};
  std::vector<RowCase> cases;
  for (const ElementType a : kTypes) {
    for (const ElementType b : kTypes) {
      for (const Data data : kAllData) {
        // 208: the last block comes short through TMA; 200: through the threads.
        const std::int64_t k = (a == b) == (data == Data::sparse) ? 200 : 208;
        cases.push_back(make_case(data, Mode::scaled, a, b, {8, 8, k}));
      }
      cases.push_back(make_case(Data::any, Mode::plain, a, b, {8, 8, 256}));
      cases.push_back(make_case(Data::any, Mode::fast, a, b, {8, 8, 384}));
      cases.push_back(make_case(Data::cancelling, Mode::fast, a, b, {8, 8, 256}));
    }
  }
  return cases;
}

std::vector<float> model(const RowCase& c) {
  std::vector<float> d(static_cast<std::size_t>(c.shape.m * c.shape.n));
  parallel_for(c.shape.m * c.shape.n, 64, [&](std::int64_t at) {
    d[static_cast<std::size_t>(at)] = model_element(c, at / c.shape.n, at % c.shape.n);
  });
  return d;
}

std::vector<float> run_case(const Stream& stream, const Schedule& schedule, const RowCase& c) {
  const Shape& s = c.shape;
  Guarded a(stream, c.a_type, s.m, s.k), b(stream, c.b_type, s.n, s.k);
  Guarded sa(stream, ElementType::f32, s.m, s.k_blocks());
  Guarded sb(stream, ElementType::f32, s.n_blocks(), s.k_blocks());
  Guarded d(stream, ElementType::f32, s.m, s.n);
  upload_bytes(a, c.a.data());
  upload_bytes(b, c.b.data());
  if (c.mode == Mode::scaled) {
    upload_floats(sa, c.sa.data());
    upload_floats(sb, c.sb.data());
  }
  product(c.mode, c.a_type, c.b_type)
      .launch(stream, schedule, {a.view(), sa.view(), b.view(), sb.view(), d.view()});
  stream.synchronize();
  if (const std::string damage = d.download(); !damage.empty()) throw std::runtime_error(damage);
  std::vector<float> result;
  for (std::int64_t r = 0; r < s.m; ++r)
    result.insert(result.end(), d.row<float>(r), d.row<float>(r) + s.n);
  return result;
}

std::string bit_mismatch(const std::vector<float>& got, const std::vector<float>& want,
                         std::int64_t columns) {
  if (got.size() != want.size())
    return fmt::format("got {} elements, expected {}", got.size(), want.size());
  std::size_t count = 0, first = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(got[i]) && std::isnan(want[i])) continue;
    if (std::bit_cast<std::uint32_t>(got[i]) == std::bit_cast<std::uint32_t>(want[i])) continue;
    if (count++ == 0) first = i;
  }
  if (count == 0) return {};
  return fmt::format(
      "{} of {} elements differ, the first at {}, {}: got {:a} ({:08x}), expected "
      "{:a} ({:08x})",
      count, got.size(), first / static_cast<std::size_t>(columns),
      first % static_cast<std::size_t>(columns), got[first],
      std::bit_cast<std::uint32_t>(got[first]), want[first],
      std::bit_cast<std::uint32_t>(want[first]));
}

void write_rows(std::ostream& out, const std::string& comment, const std::vector<RowCase>& cases) {
  out << "# " << comment << "\n"
      << "# d[m, n] = a[m, k] * b[n, k] to the bit: rows of a and of b in FP8 codes, scales of a\n"
      << "# (per row and 128 of k) and of b (per 128 rows and 128 of k), rows of d; f32 as "
         "words.\n";
  for (const RowCase& c : cases) {
    const Shape& s = c.shape;
    out << fmt::format("case {} {} {} {} {} {} {}\n", c.data, to_string(c.mode),
                       info(c.a_type).name, info(c.b_type).name, s.m, s.n, s.k);
    for (std::int64_t r = 0; r < s.m; ++r) out << hex(c.a.data() + r * s.k, s.k) << "\n";
    for (std::int64_t r = 0; r < s.n; ++r) out << hex(c.b.data() + r * s.k, s.k) << "\n";
    if (c.mode == Mode::scaled) {
      out << hex(c.sa.data(), static_cast<std::int64_t>(c.sa.size())) << "\n";
      out << hex(c.sb.data(), static_cast<std::int64_t>(c.sb.size())) << "\n";
    }
    for (std::int64_t r = 0; r < s.m; ++r) out << hex(c.d.data() + r * s.n, s.n) << "\n";
  }
}

std::vector<RowCase> read_rows(std::istream& in) {
  std::vector<RowCase> cases;
  std::string comment;
  while ((in >> std::ws) && in.peek() == '#') std::getline(in, comment);
  try {
    for (std::string word; in >> word;) {
      if (word != "case") throw std::runtime_error("expected `case`, got " + word);
      RowCase c;
      c.data = next_word(in);
      const std::string mode = next_word(in);
      c.mode = mode == "scaled" ? Mode::scaled : mode == "plain" ? Mode::plain : Mode::fast;
      if (mode != to_string(c.mode)) throw std::runtime_error("unknown mode " + mode);
      c.a_type = parse_type(next_word(in));
      c.b_type = parse_type(next_word(in));
      Shape& s = c.shape;
      if (!(in >> s.m >> s.n >> s.k) || s.m < 1 || s.n < 1 || s.k < 1)
        throw std::runtime_error("expected three sizes");
      c.a = read_bytes(in, s.m, s.k);
      c.b = read_bytes(in, s.n, s.k);
      if (c.mode == Mode::scaled) {
        c.sa = read_floats(in, s.m * s.k_blocks());
        c.sb = read_floats(in, s.n_blocks() * s.k_blocks());
      }
      c.d = read_floats(in, s.m * s.n);
      cases.push_back(std::move(c));
    }
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("case {}: {}", cases.size(), error.what()));
  }
  return cases;
}

}  // namespace octile::test
