// A shared library opened at run time.
#pragma once

#include <string>
#include <vector>

namespace octile::runtime {

/// Owns a dlopen handle; closes nothing, since drivers don't survive being unloaded.
class SharedLibrary {
 public:
  SharedLibrary() = default;

  /// Opens the first of `candidates` (names or paths) that loads. On failure the result is empty
  /// and `tried` has a line per candidate with the loader's words.
  static SharedLibrary open_first(const std::vector<std::string>& candidates, std::string& tried);

  explicit operator bool() const { return handle_ != nullptr; }
  const std::string& path() const { return path_; }
  /// Null when the library has no such symbol.
  void* symbol(const char* name) const;

 private:
  void* handle_ = nullptr;
  std::string path_;
};

/// An environment variable's value, empty when it is not set.
std::string environment(const char* name);

}  // namespace octile::runtime
