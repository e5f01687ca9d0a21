// Wrong uses of the language, each with a twin: the nearest program that is right.
//
// A case is a block `#if TWIN || CASE == n`, then a comment with the words that the compiler must
// say, then code in which WRONG(...) and RIGHT(...) differ. Compiled with CASE=n it holds the wrong
// use n alone; with TWIN, every right one. check.cmake reads the words from the file.
#pragma once

#include "octile/dsl/dsl.hpp"

#ifndef TWIN
#define TWIN 0
#endif
#ifndef CASE
#define CASE 0
#endif

#if TWIN
#define WRONG(...)
#define RIGHT(...) __VA_ARGS__
#else
#define WRONG(...) __VA_ARGS__
#define RIGHT(...)
#endif

/// A kernel around the statements of one point (i, j) of its grid.
#define BODY(...)                                                                              \
  define_kernel("wrong", in<e4m3>("a", M, K), in<e4m3>("b", N, K), in<f32>("x", M, N),         \
                in<bf16>("h", M, N), in<i32>("n", M), scalar<f32>("s"), inout<f32>("y", M, N), \
                out<f32>("d", M, N), out<f32>("r", M),                                         \
                [](auto a, auto b, auto x, auto h, auto n, auto s, auto y, auto d, auto r) {   \
                  return grid(M / BM, N / BN, [=](auto i, auto j) { __VA_ARGS__ });            \
                })

namespace octile {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr axis<"BK", 128> BK;
constexpr axis<"H", 96> H;

}  // namespace octile
