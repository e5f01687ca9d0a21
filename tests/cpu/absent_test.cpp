// A build without LLVM: it says so, and how to get the back end; schedules can still be chosen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octile/codegen/cpu/engine.hpp"

namespace octile::cpu {
namespace {

TEST(Absent, SaysHowToGetIt) {
  EXPECT_FALSE(available());
  const ir::Function function("kernel");
  try {
    compile(function, {});
    FAIL() << "expected an error";
  } catch (const ir::Error& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("'kernel'"), testing::HasSubstr("llvm-19-dev"),
                               testing::HasSubstr("OCTILE_ENABLE_CPU")));
  }
}

}  // namespace
}  // namespace octile::cpu
