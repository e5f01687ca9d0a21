#include "octile/runtime/dump.hpp"

#include <fmt/format.h>
#include <stdlib.h>  // mkstemps is POSIX, not in <cstdlib>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "octile/runtime/error.hpp"
#include "octile/runtime/shared_library.hpp"

namespace octile {
namespace fs = std::filesystem;

std::string write_source(const std::string& path, const std::string& text) {
  std::error_code error;
  const fs::path full = fs::absolute(path, error);
  if (full.has_parent_path()) fs::create_directories(full.parent_path(), error);
  std::ofstream file(full, std::ios::binary);
  file << text;
  file.close();
  if (!file) {
    throw Error(
        ErrorCode::user,
        fmt::format("write_source: {} can't be written; expected a path in a writable folder",
                    full.string()));
  }
  return full.string();
}

namespace runtime {

std::string dump_to_temporary(const std::string& name, const std::string& suffix,
                              const std::string& text) {
  std::error_code error;
  fs::path folder = environment("OCTILE_DUMP_DIR");
  if (folder.empty()) folder = fs::temp_directory_path(error);
  fs::create_directories(folder, error);
  std::string path = (folder / ("octile-" + name + "-XXXXXX" + suffix)).string();
  const int file = mkstemps(path.data(), static_cast<int>(suffix.size()));
  if (file < 0) return fmt::format("(not written: {} is not writable)", folder.string());
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  ::close(file);
  return done == text.size() ? path : path + " (truncated)";
}

}  // namespace runtime
}  // namespace octile
