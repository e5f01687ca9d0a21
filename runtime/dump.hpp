// Writing generated code to files, for people to read.
#pragma once

#include <string>

namespace octile {

/// Writes `text` (a kernel's generated source, see Kernel::source) to `path`, making its folders.
/// Returns the absolute path. Throws octile::Error(user) when the file can't be written.
std::string write_source(const std::string& path, const std::string& text);

namespace runtime {

/// Writes `text` to a fresh file "octile-<name>-XXXXXX<suffix>" in OCTILE_DUMP_DIR or else the
/// system's temporary folder. Returns its path, or a phrase that says it could not be written: this
/// runs while another error is being reported.
std::string dump_to_temporary(const std::string& name, const std::string& suffix,
                              const std::string& text);

}  // namespace runtime
}  // namespace octile
