#include "octile/codegen/cpu/arena.hpp"

#include <gtest/gtest.h>

namespace octile::cpu {
namespace {

TEST(Arena, BuffersAliveTogetherLieApart) {
  Arena arena;
  const int a = arena.add(100);
  const int b = arena.add(200);
  arena.touch(a);
  arena.touch(b);
  const auto offsets = arena.place();
  EXPECT_EQ(offsets[static_cast<std::size_t>(a)], Arena::kZeros);
  EXPECT_EQ(offsets[static_cast<std::size_t>(b)], Arena::kZeros + 128);
  EXPECT_EQ(arena.bytes(), Arena::kZeros + 128 + 256 + Arena::kSlack);
}

TEST(Arena, ABufferTakesThePlaceOfADeadOne) {
  Arena arena;
  const int a = arena.add(64);
  arena.touch(a);
  const int b = arena.add(64);
  arena.touch(b);
  const auto offsets = arena.place();
  EXPECT_EQ(offsets[0], offsets[1]);
  EXPECT_EQ(b, 1);
}

TEST(Arena, WhatALoopUsesLivesUntilItsEnd) {
  Arena arena;
  const int outer = arena.add(64);
  arena.enter_loop();
  arena.touch(outer);
  const int inner = arena.add(64);
  arena.touch(inner);
  const int later = arena.add(64);  // in the next trip `outer` is read again
  arena.touch(later);
  arena.leave_loop();
  const auto offsets = arena.place();
  EXPECT_NE(offsets[static_cast<std::size_t>(outer)], offsets[static_cast<std::size_t>(later)]);
  EXPECT_EQ(offsets[static_cast<std::size_t>(inner)], offsets[static_cast<std::size_t>(later)]);
}

TEST(Arena, TheLowestGapWideEnough) {
  Arena arena;
  const int a = arena.add(64);
  const int b = arena.add(64);
  arena.touch(a);  // dies
  const int wide = arena.add(128);
  const int narrow = arena.add(64);
  for (const int buffer : {b, wide, narrow}) arena.touch(buffer);
  const auto offsets = arena.place();
  EXPECT_EQ(offsets[static_cast<std::size_t>(narrow)], offsets[static_cast<std::size_t>(a)]);
  EXPECT_GT(offsets[static_cast<std::size_t>(wide)], offsets[static_cast<std::size_t>(b)]);
}

}  // namespace
}  // namespace octile::cpu
