#include "octile/codegen/cpu/checker.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>

namespace octile::cpu {
namespace {

std::uint64_t read_bits(const void* data, std::int64_t offset, int bytes) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const std::byte*>(data) + offset * bytes,
              static_cast<std::size_t>(bytes));
  return bits;
}

}  // namespace

Checker::Checker(const ir::Function& function, const std::vector<CheckSite>& sites,
                 const std::vector<Arg>& args)
    : function_(function), sites_(sites), args_(args) {
  for (std::size_t p = 0; p < args.size(); ++p) {
    Shadow shadow;
    std::int64_t span = function.params[p].is_tensor ? 1 : 0;
    for (std::size_t d = 0; d < args[p].extents.size(); ++d) {
      if (args[p].extents[d] <= 0) span = 0;
      const std::int64_t reach = (args[p].extents[d] - 1) * args[p].strides[d];
      if (reach < 0) shadow.lowest += reach;
      if (span > 0) span += reach < 0 ? -reach : reach;
    }
    if (function.params[p].access != ir::Access::in) {
      shadow.writer.resize(static_cast<std::size_t>(span));
    }
    shadows_.push_back(std::move(shadow));
  }
}

void Checker::begin_program(const std::array<std::int64_t, 3>& place) {
  places_.push_back(place);
}

void Checker::check(void* context, std::int64_t site, const std::int64_t* indices,
                    std::uint64_t bits, std::int32_t active) noexcept {
  auto& checker = *static_cast<Checker*>(context);
  if (active == 0 || !checker.error_.empty()) return;
  checker.check(checker.sites_[static_cast<std::size_t>(site)], indices, bits);
}

void Checker::check(const CheckSite& site, const std::int64_t* indices, std::uint64_t bits) {
  if (!in_bounds(site, indices)) return;
  const auto param = static_cast<std::size_t>(site.param);
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < site.is_block.size(); ++d) {
    offset += indices[d] * args_[param].strides[d];
  }
  if (site.is_store) {
    check_store(site, indices, offset, bits);
  } else {
    check_load(site, indices, offset);
  }
}

/// False where the access is dropped: out of bounds, which is reported unless it is allowed there.
bool Checker::in_bounds(const CheckSite& site, const std::int64_t* indices) {
  const Arg& arg = args_[static_cast<std::size_t>(site.param)];
  bool inside = true;
  for (std::size_t d = 0; d < site.is_block.size(); ++d) {
    if (indices[d] >= 0 && indices[d] < arg.extents[d]) continue;
    inside = false;
    if (site.is_block[d] || site.has_other || !error_.empty()) continue;
    report(site, indices,
           fmt::format("index {} of dimension {} is out of bounds: expected 0 to {}. Correct the "
                       "index, mask the store, or give the load a value for out of bounds",
                       indices[d], d, arg.extents[d] - 1));
  }
  return inside;
}

void Checker::check_load(const CheckSite& site, const std::int64_t* indices, std::int64_t offset) {
  const auto param = static_cast<std::size_t>(site.param);
  const auto place = static_cast<std::size_t>(offset - shadows_[param].lowest);
  if (args_[param].written == nullptr || args_[param].written[place] != 0) return;
  const std::vector<std::int64_t>& writer = shadows_[param].writer;
  if (!writer.empty() && writer[place] != 0) return;
  report(site, indices, "the element is read but was never written: initialise the tensor first");
}

void Checker::check_store(const CheckSite& site, const std::int64_t* indices, std::int64_t offset,
                          std::uint64_t bits) {
  const auto param = static_cast<std::size_t>(site.param);
  std::int64_t& writer =
      shadows_[param].writer[static_cast<std::size_t>(offset - shadows_[param].lowest)];
  const auto self = static_cast<std::int64_t>(places_.size());
  if (writer != 0 && writer != self) {
    const int bytes = size_in_bytes(function_.params[param].element);
    const std::uint64_t before = read_bits(args_[param].data, offset, bytes);
    if (before != bits) {
      report(site, indices,
             fmt::format("program ({}) has stored other bits there (0x{:x}, now 0x{:x}): two "
                         "programs of a grid must not store to one element",
                         fmt::join(places_[static_cast<std::size_t>(writer - 1)], ", "), before,
                         bits));
    }
  }
  writer = self;
}

void Checker::report(const CheckSite& site, const std::int64_t* indices, const std::string& what) {
  const std::size_t rank = site.is_block.size();
  error_ = fmt::format("{}: program ({}), {} '{}'[{}]{}: {}", function_.name,
                       fmt::join(places_.back(), ", "), site.is_store ? "store to" : "load of",
                       function_.params[static_cast<std::size_t>(site.param)].name,
                       fmt::join(indices, indices + rank, ", "),
                       site.location.empty() ? "" : " at " + site.location, what);
}

}  // namespace octile::cpu
