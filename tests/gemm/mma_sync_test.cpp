// The FP8 products by mma.sync, the way of targets without wgmma: exact on small integers, near
// float64 on random data. Its bits are not the model's (docs/targets.md).
#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/octile.hpp"
#include "octile/tests/gemm/comparison.hpp"
#include "octile/tests/gemm/rows.hpp"
#include "octile/tests/gemm/support.hpp"

namespace octile::test {
namespace {

constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

constexpr int kMostFailures = 8;

Schedule with(std::initializer_list<Knob> knobs) {
  Schedule schedule = apply_knobs({}, knobs);
  schedule.mma_sync = 1;
  return schedule;
}

/// M from 1 to 4096, every N with several K, whole blocks of K and not, aligned for copies of 16, 8
/// and 4 bytes and for none.
std::vector<Shape> shapes() {
  constexpr std::int64_t kM[] = {1, 7, 16, 65, 129, 1024};
  constexpr std::int64_t kN[] = {8, 24, 72, 576};
  constexpr std::int64_t kK[] = {128, 200, 256, 1000, 7168};
  std::vector<Shape> list;
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 4; ++j) list.push_back({kM[i], kN[j], kK[(i + j) % 5]});
  }
  for (const std::int64_t k : {16, 72, 132, 202, 333}) {
    list.push_back({1, 264, k});
    list.push_back({70, 136, k});
  }
  list.push_back({4096, 2112, 384});
  list.push_back({4096, 576, 1040});
  list.push_back({64, 7168, 2048});
  return list;
}

std::vector<Schedule> schedules() {
  return {
      with({BM(128), BN(128)}),
      with({BM(128), BN(128), stages(2), warps(16)}),
      with({BM(64), BN(64), warps(4)}),
      with({BM(64), BN(128), warps(8), stages(3)}),
      with({BM(64), BN(64), stages(1)}),
      with({BM(16), BN(8), warps(1)}),
      with({BM(16), BN(64), warps(2), stages(4)}),
      with({BM(96), BN(72), persistent()}),
      with({BM(128), BN(64), persistent(), fastest(BN), group_width(3)}),
      with({BM(8), BN(64), swap_operands()}),
      with({BM(24), BN(128), swap_operands(), stages(4)}),
      with({BM(64), BN(96), unroll(2)}),
      with({BM(64), BN(32), dependent_launch()}),
      // Extents that blocks of 16 and 8 don't divide, and warps that some of a tile leaves idle.
      with({BM(100), BN(100)}),
      with({BM(40), BN(20), warps(8)}),
      with({BM(12), BN(4)}),
  };
}

class MmaSync : public GemmTest {
 protected:
  void check(const Problem& problem, const Schedule& schedule) {
    if (failures_ >= kMostFailures) return;
    const std::string error = check_exact(stream(), problem, {&f32_, schedule, problem.shape()},
                                          {&bf16_, schedule, problem.shape()});
    EXPECT_EQ(error, "");
    failures_ += !error.empty();
  }
  void compile_all(const std::vector<Shape>& shapes, const std::vector<Schedule>& schedules) {
    std::vector<Launch> runs;
    for (const Shape& shape : shapes) {
      for (const Schedule& schedule : schedules) {
        runs.push_back({&f32_, schedule, shape});
        runs.push_back({&bf16_, schedule, shape});
      }
    }
    compile_ahead(runs);
  }

  const Gemm& f32_ = block_scaled(ElementType::f32);
  const Gemm& bf16_ = block_scaled(ElementType::bf16);
  int failures_ = 0;
};

TEST_F(MmaSync, EveryShapeIsExact) {
  compile_all(shapes(), {with({})});
  for (const Shape& shape : shapes()) {
    if (!affordable(shape)) continue;
    check(Problem(stream(), shape, Fill::integers), with({}));
  }
}

TEST_F(MmaSync, EmptyExtents) {
  for (const Shape& shape : {Shape{0, 576, 256}, Shape{65, 0, 256}, Shape{1, 8, 0},
                             Shape{65, 72, 0}, Shape{129, 576, 0}}) {
    check(Problem(stream(), shape, Fill::integers), with({}));
  }
}

TEST_F(MmaSync, StridedRowsAreExact) {
  const Layouts layouts[] = {{{16, 0}, {32, 0}, {8, 0}}, {{16, 16}, {16, 48}, {16, 8}},
                             {{8, 0}, {4, 4}, {0, 0}},   {{0, 0}, {1, 0}, {0, 0}},
                             {{0, 1}, {0, 4}, {0, 1}},   {{3, 5}, {7, 2}, {5, 3}}};
  for (const Layouts& layout : layouts) {
    for (const Shape& shape : {Shape{130, 200, 256}, Shape{65, 72, 208}, Shape{7, 136, 1000}})
      check(Problem(stream(), shape, Fill::integers, layout), with({}));
  }
}

TEST_F(MmaSync, EveryScheduleIsExact) {
  const std::vector<Shape> some = {{300, 520, 640}, {65, 136, 1000}, {9, 576, 2048}};
  compile_all(some, schedules());
  for (const Shape& shape : some) {
    if (!affordable(shape)) continue;
    const Problem problem(stream(), shape, Fill::integers);
    for (const Schedule& schedule : schedules()) check(problem, schedule);
  }
}

// All pairs of types, summed in each way: small integers and powers of two.
TEST_F(MmaSync, EveryPairOfTypesIsExact) {
  constexpr ElementType kTypes[] = {ElementType::e4m3, ElementType::e5m2};
  const std::vector<Schedule> some = {with({}), with({BM(64), BN(64), warps(4)})};
  for (const Mode mode : {Mode::scaled, Mode::plain, Mode::fast}) {
    for (const ElementType a : kTypes) {
      for (const ElementType b : kTypes) {
        RowCase c = make_case(Data::any, mode, a, b, {70, 136, 656});
        const auto draw = [](ElementType type, std::vector<std::uint8_t>& bytes, std::size_t salt) {
          for (std::size_t i = 0; i < bytes.size(); ++i) {
            const float x =
                static_cast<float>(static_cast<int>((i * 7919 + i / 13 + salt) % 7) - 3);
            bytes[i] = static_cast<std::uint8_t>(numerics::encode(type, x));
          }
        };
        draw(a, c.a, 1);
        draw(b, c.b, 3);
        for (std::size_t i = 0; i < c.sa.size(); ++i) c.sa[i] = std::ldexp(1.0f, int(i % 3) - 1);
        for (std::size_t i = 0; i < c.sb.size(); ++i) c.sb[i] = std::ldexp(1.0f, int(i % 2));
        std::vector<float> want;
        for (std::int64_t i = 0; i < c.shape.m; ++i) {
          for (std::int64_t j = 0; j < c.shape.n; ++j) {
            double sum = 0;
            for (std::int64_t k = 0; k < c.shape.k; ++k) {
              const std::size_t at = static_cast<std::size_t>(i * c.shape.k + k),
                                bt = static_cast<std::size_t>(j * c.shape.k + k);
              double x = double{numerics::decode(a, c.a[at])} * numerics::decode(b, c.b[bt]);
              if (mode == Mode::scaled) {
                const std::int64_t runs = c.shape.k_blocks();
                x *= c.sa[static_cast<std::size_t>(i * runs + k / 128)];
                x *= c.sb[static_cast<std::size_t>(j / 128 * runs + k / 128)];
              }
              sum += x;
            }
            want.push_back(static_cast<float>(sum));
          }
        }
        for (const Schedule& schedule : some) {
          SCOPED_TRACE(fmt::format("{} {} by {} [{}]", to_string(mode), info(a).name, info(b).name,
                                   octile::to_string(schedule)));
          std::vector<float> got;
          ASSERT_NO_THROW(got = run_case(stream(), schedule, c));
          EXPECT_EQ(bit_mismatch(got, want, c.shape.n), "");
        }
      }
    }
  }
}

TEST_F(MmaSync, RandomDataIsNearFloat64) {
  for (const Shape& shape : shapes()) {
    if (!affordable(shape)) continue;
    const Problem problem(stream(), shape, Fill::normals);
    const Comparison comparison(problem);
    for (const Gemm* gemm : {&f32_, &bf16_}) {
      SCOPED_TRACE(fmt::format("{} to {}", to_string(shape), info(gemm->d).name));
      Guarded d = problem.output(stream(), gemm->d);
      ASSERT_EQ(launch(stream(), {gemm, with({}), shape}, problem.operands(d)), "");
      EXPECT_EQ(d.download(), "");
      EXPECT_EQ(comparison.mismatch(d), "");
    }
  }
}

}  // namespace
}  // namespace octile::test
