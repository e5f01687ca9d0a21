// The GPU's FP8 products equal the host's model to the bit.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "octile/octile.hpp"
#include "octile/tests/gemm/rows.hpp"
#include "octile/tests/gemm/support.hpp"

namespace octile::test {
namespace {

constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

constexpr ElementType kTypes[] = {ElementType::e4m3, ElementType::e5m2};

class Bits : public GemmTest {
 protected:
  /// Runs `row_case` under schedules that keep one order of K.
  void check(const RowCase& row_case, const std::vector<Schedule>& schedules) {
    const std::vector<float> want = model(row_case);
    for (const Schedule& schedule : schedules) {
      SCOPED_TRACE(fmt::format("{} {} {} by {}, {} [{}]", row_case.data, to_string(row_case.mode),
                               info(row_case.a_type).name, info(row_case.b_type).name,
                               to_string(row_case.shape), octile::to_string(schedule)));
      std::vector<float> got;
      ASSERT_NO_THROW(got = run_case(stream(), schedule, row_case));
      ASSERT_EQ(bit_mismatch(got, want, row_case.shape.n), "");
    }
  }
};

Schedule with(std::initializer_list<Knob> knobs) {
  return apply_knobs({}, knobs);
}

Launch launch_of(const RowCase& c, const Schedule& schedule) {
  return {&product(c.mode, c.a_type, c.b_type), schedule, c.shape};
}

// OCTILE_RECORD_ROWS names the file that the results are written to; see tests/gemm/README.md.
TEST_F(Bits, RecordedCases) {
  std::vector<RowCase> cases = record_cases();
  const Schedule schedule = with({BM(64), BN(8)});
  std::vector<Launch> launches;
  for (const RowCase& c : cases) launches.push_back(launch_of(c, schedule));
  compile_ahead(launches);
  for (RowCase& c : cases) ASSERT_NO_THROW(c.d = run_case(stream(), schedule, c));
  if (const char* path = std::getenv("OCTILE_RECORD_ROWS")) {
    std::ofstream file(path);
    const std::string device = on_gpu() ? devices().at(0).name : "the CPU back end";
    write_rows(file, "FP8 products as recorded on " + device + ".", cases);
    ASSERT_TRUE(file.flush()) << "can't write " << path;
  }
  for (const RowCase& c : cases) {
    EXPECT_EQ(bit_mismatch(c.d, model(c), c.shape.n), "")
        << c.data << " " << to_string(c.mode) << " " << info(c.a_type).name << " by "
        << info(c.b_type).name << ", k " << c.shape.k;
  }
}

TEST_F(Bits, EveryTypeAndKindOfData) {
  const Schedule schedule = with({BM(128), BN(72)});
  std::vector<RowCase> cases;
  for (const Mode mode : {Mode::scaled, Mode::plain, Mode::fast}) {
    for (const ElementType a : kTypes) {
      for (const ElementType b : kTypes) {
        for (const Data data : kAllData)
          cases.push_back(make_case(data, mode, a, b, {70, 136, 656}));
      }
    }
  }
  std::vector<Launch> launches;
  for (std::size_t i = 0; i < cases.size(); i += std::size(kAllData))
    launches.push_back(launch_of(cases[i], schedule));
  compile_ahead(launches);
  for (const RowCase& c : cases) check(c, {schedule});
}

TEST_F(Bits, SchedulesWithOneOrderOfK) {
  const Schedule swapped = with({BM(16), BN(64), swap_operands()});
  const std::vector<Schedule> schedules = {
      with({BM(128), BN(128)}),
      with({BM(64), BN(24), stages(2)}),
      swapped,
      with({BM(128), BN(136), tma_store(false)}),
      with({BM(256), BN(64), consumers(2)}),
      with({BM(128), BN(64), accumulators(2)}),
      with({BM(128), BN(128), order_consumers()}),
      with({BM(128), BN(128), stagger_consumers()}),
      with({BM(128), BN(128), cluster(2, BM)}),
      with({BM(64), BN(128), cluster(2, BN), persistent(false)}),
      with({BM(8), BN(128), swap_operands(), stages(6)}),
  };
  const RowCase any =
      make_case(Data::any, Mode::scaled, ElementType::e4m3, ElementType::e4m3, {150, 264, 1040});
  const RowCase threads =
      make_case(Data::any, Mode::scaled, ElementType::e4m3, ElementType::e4m3, {70, 136, 1000});
  std::vector<Launch> launches;
  for (const Schedule& schedule : schedules) {
    launches.push_back(launch_of(any, schedule));
    if (schedule.cluster == 1) launches.push_back(launch_of(threads, schedule));
  }
  compile_ahead(launches);
  check(any, schedules);
  // Rows of 1000 bytes don't go through TMA.
  check(threads, {schedules[0], schedules[1], swapped});
}

}  // namespace
}  // namespace octile::test
