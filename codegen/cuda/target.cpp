#include "octile/codegen/cuda/target.hpp"

#include <fmt/format.h>

#include <charconv>

namespace octile::cuda {

TargetFeatures features_of(const Target& target) {
  std::string_view arch = target.arch;
  int number = 0;
  constexpr std::string_view kPrefix = "sm_";
  if (arch.substr(0, kPrefix.size()) == kPrefix) {
    const char* end = arch.data() + arch.size();
    auto [rest, error] = std::from_chars(arch.data() + kPrefix.size(), end, number);
    std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
    if (error != std::errc{} || (suffix != "" && suffix != "a")) number = 0;
  }
  if (number < 89) {
    throw ir::Error(
        fmt::format("target '{}': code is generated for sm_90a (wgmma), and with mma.sync for "
                    "sm_89 and newer, such as sm_120a",
                    target.arch));
  }
  return {arch == "sm_90a", number == 89 || number >= 120, number >= 90};
}

Target target_named(std::string_view arch) {
  constexpr int kConsumerShared = 101376;  // 99 KiB, opt-in
  if (arch == "sm_90a") return {};
  if (arch == "sm_89") return {"sm_89", 128, kConsumerShared};
  if (arch == "sm_120a") return {"sm_120a", 170, kConsumerShared};
  throw ir::Error(fmt::format("target '{}': expected sm_89, sm_90a or sm_120a", arch));
}

bool uses_mma_sync(const Schedule& schedule, const Target& target) {
  return schedule.mma_sync == 1 || !features_of(target).wgmma;
}

std::string target_problem(const Schedule& s, const Target& target) {
  const TargetFeatures features = features_of(target);
  if (s.mma_sync == 0 && !features.wgmma) {
    return fmt::format("mma_sync=0 asks for wgmma, which {} doesn't have; leave it out",
                       target.arch);
  }
  if (s.dependent_launch && !features.dependent_launch) {
    return fmt::format("dependent_launch needs sm_90 or newer, the target is {}; leave it out",
                       target.arch);
  }
  return {};
}

}  // namespace octile::cuda
