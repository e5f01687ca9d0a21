#include "octile/runtime/operand_reuse.hpp"

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace octile::runtime {
namespace {

constexpr std::size_t kBytes = 16;  // of an instruction
constexpr int kLeastRun = 16, kYieldEvery = 8;

/// FFMA d = a * b + c of registers, in two words. Bits 105 and up are for the scheduler.
struct Ffma {
  std::uint64_t low = 0, high = 0;

  static constexpr std::uint64_t kOpcode = 0x223, kAlways = 7 << 12;
  static constexpr std::uint64_t kStay = std::uint64_t{1} << 45;  // doesn't yield
  static constexpr std::uint64_t kReuseA = std::uint64_t{1} << 58, kReuseB = kReuseA << 1,
                                 kReuse = kReuseA * 7;  // of any operand

  bool matches() const { return (low & 0xffff) == (kOpcode | kAlways); }
  int d() const { return low >> 16 & 0xff; }
  int factor(int slot) const { return low >> (24 + 8 * slot) & 0xff; }  // a or b
};

template <class T>
std::optional<T> read(std::string_view file, std::uint64_t at) {
  if (at > file.size() || file.size() - at < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + at, sizeof(T));
  return value;
}

Ffma instruction(std::string_view code, std::size_t index) {
  Ffma f;
  std::memcpy(&f.low, code.data() + index * kBytes, 8);
  std::memcpy(&f.high, code.data() + index * kBytes + 8, 8);
  return f;
}

/// Instructions from `first` on that have the same register for one factor, which none of them
/// writes.
std::size_t run_length(std::string_view code, std::size_t first, int slot) {
  const std::size_t count = code.size() / kBytes;
  const int factor = instruction(code, first).factor(slot);
  std::size_t end = first;
  for (; end < count; ++end) {
    const Ffma f = instruction(code, end);
    if (!f.matches() || f.factor(slot) != factor || f.d() == factor) break;
  }
  return end - first;
}

int reuse_in(std::string& cubin, std::size_t offset, std::size_t size) {
  const std::string_view code(cubin.data() + offset, size);
  int changed = 0;
  for (std::size_t first = 0; first < size / kBytes;) {
    const std::size_t lengths[] = {run_length(code, first, 0), run_length(code, first, 1)};
    const int slot = lengths[1] >= lengths[0] ? 1 : 0;
    const std::uint64_t reuse = slot == 1 ? Ffma::kReuseB : Ffma::kReuseA;
    const std::size_t length = lengths[slot];
    // The last one has nobody to keep it for.
    for (std::size_t i = 0; length >= kLeastRun && i + 1 < length; ++i) {
      Ffma f = instruction(code, first + i);
      const std::uint64_t before = f.high;
      if ((i + 1) % kYieldEvery != 0)
        f.high |= reuse | Ffma::kStay;
      else if ((f.high & Ffma::kReuse & ~reuse) == 0)
        f.high &= ~(reuse | Ffma::kStay);
      changed += f.high != before;
      std::memcpy(cubin.data() + offset + (first + i) * kBytes + 8, &f.high, 8);
    }
    first += std::max<std::size_t>(1, length);
  }
  return changed;
}

}  // namespace

int reuse_operands(std::string& cubin) {
  const auto header = read<Elf64_Ehdr>(cubin, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_shentsize != sizeof(Elf64_Shdr))
    return 0;
  int changed = 0;
  for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto section = read<Elf64_Shdr>(cubin, header->e_shoff + i * sizeof(Elf64_Shdr));
    if (!section) return changed;
    const bool code = section->sh_type == SHT_PROGBITS && (section->sh_flags & SHF_EXECINSTR) != 0;
    if (!code || section->sh_offset > cubin.size() ||
        section->sh_size > cubin.size() - section->sh_offset)
      continue;
    changed += reuse_in(cubin, section->sh_offset, section->sh_size);
  }
  return changed;
}

}  // namespace octile::runtime
