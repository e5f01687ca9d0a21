// Helpers of the runtime's tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "octile/runtime/error.hpp"

namespace octile::test {

/// The message of the octile::Error that `run` throws with `code`; a failure and "" if it doesn't.
template <class Run>
std::string error_of(ErrorCode code, const Run& run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected an octile::Error";
  return {};
}

}  // namespace octile::test
