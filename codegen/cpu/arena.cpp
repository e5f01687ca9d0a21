#include "octile/codegen/cpu/arena.hpp"

#include <algorithm>

namespace octile::cpu {

int Arena::add(std::int64_t bytes) {
  ++now_;
  const std::int64_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  buffers_.push_back({size, now_, now_});
  return static_cast<int>(buffers_.size()) - 1;
}

void Arena::touch(int buffer) {
  Buffer& touched = buffers_[static_cast<std::size_t>(buffer)];
  touched.last = ++now_;
  for (Loop& loop : loops_) {
    if (touched.first < loop.start) loop.outer.push_back(buffer);
  }
}

void Arena::enter_loop() {
  loops_.push_back({++now_, {}});
}

void Arena::leave_loop() {
  ++now_;
  for (const int buffer : loops_.back().outer) {
    buffers_[static_cast<std::size_t>(buffer)].last = now_;
  }
  loops_.pop_back();
}

std::vector<std::int64_t> Arena::place() {
  std::vector<std::int64_t> offsets(buffers_.size(), kZeros);
  bytes_ = kZeros;
  std::vector<std::size_t> neighbours;  // placed, and alive at the same time
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    neighbours.clear();
    for (std::size_t j = 0; j < i; ++j) {
      if (buffers_[j].first <= buffer.last && buffer.first <= buffers_[j].last) {
        neighbours.push_back(j);
      }
    }
    std::sort(neighbours.begin(), neighbours.end(),
              [&](std::size_t a, std::size_t b) { return offsets[a] < offsets[b]; });
    // The lowest gap that is wide enough.
    std::int64_t offset = kZeros;
    for (const std::size_t j : neighbours) {
      if (offset + buffer.bytes <= offsets[j]) break;
      offset = std::max(offset, offsets[j] + buffers_[j].bytes);
    }
    offsets[i] = offset;
    bytes_ = std::max(bytes_, offset + buffer.bytes);
  }
  bytes_ += kSlack;
  return offsets;
}

}  // namespace octile::cpu
