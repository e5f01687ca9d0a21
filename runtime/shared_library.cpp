#include "octile/runtime/shared_library.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace octile::runtime {

SharedLibrary SharedLibrary::open_first(const std::vector<std::string>& candidates,
                                        std::string& tried) {
  SharedLibrary library;
  for (const std::string& candidate : candidates) {
    library.handle_ = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library.handle_ != nullptr) {
      library.path_ = candidate;
      return library;
    }
    const char* reason = dlerror();
    tried += "\n  " + std::string(reason != nullptr ? reason : candidate.c_str());
  }
  return library;
}

void* SharedLibrary::symbol(const char* name) const {
  return handle_ == nullptr ? nullptr : dlsym(handle_, name);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace octile::runtime
