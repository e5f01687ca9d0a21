// Without a GPU: the host's model and the CPU back end equal what an H200 gave, to the bit.
#include "octile/tests/gemm/rows.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "octile/codegen/cpu/engine.hpp"

namespace octile::test {
namespace {

class Rows : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(OCTILE_ROWS_FILE);
    ASSERT_TRUE(file) << OCTILE_ROWS_FILE;
    cases_ = read_rows(file);
    ASSERT_EQ(cases_.size(), record_cases().size());
  }
  static std::string label(const RowCase& c) {
    return c.data + " " + to_string(c.mode) + " " + std::string(info(c.a_type).name) + " by " +
           std::string(info(c.b_type).name) + ", k " + std::to_string(c.shape.k);
  }

  std::vector<RowCase> cases_;
};

TEST_F(Rows, AreTheHostsModel) {
  for (const RowCase& c : cases_) EXPECT_EQ(bit_mismatch(model(c), c.d, c.shape.n), "") << label(c);
}

TEST_F(Rows, AreTheCpuBackEnds) {
  if (!cpu::available()) GTEST_SKIP() << "built without the CPU back end";
  for (const RowCase& c : cases_) {
    EXPECT_EQ(bit_mismatch(run_case(Stream::cpu(), {}, c), c.d, c.shape.n), "") << label(c);
  }
}

}  // namespace
}  // namespace octile::test
