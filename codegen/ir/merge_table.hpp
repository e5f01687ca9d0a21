// Finds an equal operation made earlier in scope: the table behind hash-consing.
#pragma once

#include <bit>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "octile/codegen/ir/ir.hpp"

namespace octile::ir {

/// Values of mergeable operations, by what they compute, in a stack of nested regions. A value is
/// found from its own region and those inside it, and forgotten when its region is left.
class MergeTable {
 public:
  void enter() { scopes_.emplace_back(); }
  void leave() { scopes_.pop_back(); }

  /// An equal operation's result, or null.
  Value* find(OpKind kind, const std::vector<Value*>& operands, const Attributes& attr,
              ElementType element) const {
    const Key key{kind, operands, attr, element};
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(key);
      if (found != scope->end()) return found->second;
    }
    return nullptr;
  }

  /// Remembers a one-result operation in the innermost region.
  void insert(const Op& op) {
    scopes_.back().emplace(Key{op.kind, op.operands, op.attr, op.result()->type.element},
                           op.result());
  }

 private:
  struct Key {
    OpKind kind;
    std::vector<Value*> operands;
    Attributes attr;
    ElementType element;

    // Floats compare by bits: NaN equals itself, and -0 is not +0.
    bool operator==(const Key& other) const {
      Attributes mine = attr;
      Attributes theirs = other.attr;
      const bool same_float = std::bit_cast<std::uint64_t>(mine.float_value) ==
                              std::bit_cast<std::uint64_t>(theirs.float_value);
      mine.float_value = theirs.float_value = 0;
      return same_float && kind == other.kind && element == other.element && mine == theirs &&
             operands == other.operands;
    }
  };

  struct Hash {
    std::size_t operator()(const Key& key) const {
      std::uint64_t h =
          static_cast<std::uint64_t>(key.kind) * 31 + static_cast<std::uint64_t>(key.element);
      const auto mix = [&h](std::uint64_t v) { h = (h ^ v) * 0x9E3779B97F4A7C15u + (h >> 29); };
      for (const Value* operand : key.operands) mix(static_cast<std::uint64_t>(operand->id));
      mix(std::bit_cast<std::uint64_t>(key.attr.float_value));
      mix(static_cast<std::uint64_t>(key.attr.int_value));
      mix(static_cast<std::uint64_t>(key.attr.index));
      mix(static_cast<std::uint64_t>(key.attr.axis));
      mix(static_cast<std::uint64_t>(key.attr.group));
      return static_cast<std::size_t>(h);
    }
  };

  std::vector<std::unordered_map<Key, Value*, Hash>> scopes_;
};

}  // namespace octile::ir
