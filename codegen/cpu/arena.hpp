// Scratch memory of one program: buffers with lifetimes, placed so that those that are never alive
// together share memory.
#pragma once

#include <cstdint>
#include <vector>

namespace octile::cpu {

class Arena {
 public:
  static constexpr std::int64_t kAlignment = 64;
  /// Zero bytes at the start, where loads that are out of bounds read.
  static constexpr std::int64_t kZeros = 64;
  /// Bytes after the last buffer that vector loads may touch.
  static constexpr std::int64_t kSlack = 512;

  /// A buffer, alive from now on; returns its number.
  int add(std::int64_t bytes);
  /// Says that a buffer is used now: it is kept until here, or, where it is older than a loop that
  /// is open now, until that loop ends.
  void touch(int buffer);
  void enter_loop();
  void leave_loop();

  /// Places all buffers; entry i is the offset of buffer i.
  std::vector<std::int64_t> place();
  /// Bytes of the arena; after `place`.
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Buffer {
    std::int64_t bytes, first, last;
  };
  struct Loop {
    std::int64_t start;
    std::vector<int> outer;  ///< older buffers that it uses
  };

  std::vector<Buffer> buffers_;
  std::vector<Loop> loops_;
  std::int64_t now_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace octile::cpu
