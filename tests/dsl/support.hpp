// What the tests of the language share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "octile/codegen/ir/printer.hpp"
#include "octile/dsl/dsl.hpp"

namespace octile::test {

/// The text of a traced kernel without the places in the source.
template <class Kernel>
std::string text(const Kernel& kernel) {
  std::string all = ir::to_string(kernel.ir());
  for (std::size_t at = all.find(" @ \""); at != std::string::npos; at = all.find(" @ \"", at))
    all.erase(at, all.find('\n', at) - at);
  return all;
}

/// A line end and the statements of a traced kernel, without declarations and without the places in
/// the source.
template <class Kernel>
std::string body(const Kernel& kernel) {
  const std::string all = text(kernel);
  const std::size_t first = all.find("\n{\n") + 2;
  return all.substr(first, all.rfind("}\n") - first);
}

/// The declarations of a traced kernel.
template <class Kernel>
std::string head(const Kernel& kernel) {
  const std::string all = text(kernel);
  return all.substr(0, all.find("\n{\n") + 1);
}

/// The message of the ir::Error that `run` throws.
template <class Run>
std::string error_of(const Run& run) {
  try {
    run();
  } catch (const ir::Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an ir::Error";
  return "";
}

}  // namespace octile::test
