#include "octile/runtime/log.hpp"

#include <gtest/gtest.h>

#include <string>

namespace octile {
namespace {

TEST(Log, GoesToTheSinkAndNowhereElse) {
  std::string lines;
  EXPECT_FALSE(runtime::log_enabled());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  runtime::log(LogLevel::info, "lost");
  set_log_sink([&](LogLevel level, std::string_view line) {
    lines += (level == LogLevel::warning ? "warning " : "") + std::string(line) + "\n";
  });
  EXPECT_TRUE(runtime::log_enabled());
  runtime::log(LogLevel::info, "one");
  runtime::log(LogLevel::warning, "two");
  set_log_sink({});
  runtime::log(LogLevel::info, "lost too");
  EXPECT_EQ(lines, "one\nwarning two\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace octile
