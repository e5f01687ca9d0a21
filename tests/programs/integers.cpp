// Integers, bytes, truth values, scalars and bits.
#include <algorithm>
#include <cstring>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/tests/programs/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"N"> N;
constexpr axis<"BN"> BN;
constexpr std::int64_t kSizes[] = {1, 7, 63, 65, 129, 1000};

OCTILE_PROGRAM(division_of_negatives) {
  const auto k = kernel("division", in<i32>("x", N), in<i64>("y", N), scalar<i32>("c"),
                        out<i32>("q", N), out<i32>("r", N), out<i64>("p", N), out<i64>("s", N),
                        [](auto x, auto y, auto c, auto q, auto r, auto p, auto s) {
                          return grid(N / BN, [=](auto i) {
                            auto v = x(BN[i]);
                            auto w = y(BN[i]);
                            return stores(store(q(BN[i]), v / 7), store(r(BN[i]), v % c),
                                          store(p(BN[i]), w / cast<i64>(c)),
                                          store(s(BN[i]), abs(w) % 5 - min(-w, w / 3)));
                          });
                        });
  for (const std::int64_t n : kSizes) {
    const Input x = t.input(ElementType::i32, {n}, Fill::signed_counting);
    const Input y = t.input(ElementType::i64, {n}, Fill::signed_counting, {false, 0, 1});
    const auto whole = [](const Input& a, std::int64_t i) { return a->integer(Index{i}); };
    const auto i32 = ElementType::i32, i64 = ElementType::i64;
    const auto number = [](std::int64_t v) { return static_cast<double>(v); };
    const Input q = t.output(i32, {n}, [=](const Index& e) { return number(whole(x, e[0]) / 7); });
    const Input r = t.output(i32, {n}, [=](const Index& e) { return number(whole(x, e[0]) % -3); });
    const Input p = t.output(i64, {n}, [=](const Index& e) { return number(whole(y, e[0]) / -3); });
    const Input s = t.output(i64, {n}, [=](const Index& e) {
      const std::int64_t w = whole(y, e[0]);
      return number(std::abs(w) % 5 - std::min(-w, w / 3));
    });
    t.run(k, x, y, -3, q, r, p, s);
  }
}

OCTILE_PROGRAM(integer_limits) {
  const auto k = kernel(
      "limits", in<f32>("x", N), out<i32>("a", N), out<i64>("b", N), out<u8>("c", N),
      out<i32>("wrapped", N), [](auto x, auto a, auto b, auto c, auto wrapped) {
        return grid(N / BN, [=](auto i) {
          auto v = x(BN[i]);
          auto least = value(-9223372036854775807LL - 1);
          return stores(store(a(BN[i]), cast<i32>(v)),
                        store(b(BN[i]), max(cast<i64>(v), least + 1)), store(c(BN[i]), cast<u8>(v)),
                        store(wrapped(BN[i]), cast<i32>(v) * 2147483647 + (-2147483647 - 1)));
        });
      });
  const Input x = t.input(ElementType::f32, {8}, Fill::counting);
  const float values[] = {0, -1.9F, 300.5F, 3e9F, -3e9F, NAN, 1e30F, -0.5F};
  for (std::int64_t i = 0; i < 8; ++i) x->set(Index{i}, values[i]);
  const auto f = [=](const Index& e) { return static_cast<float>((*x)(e[0])); };
  const auto whole = [=](ElementType type, const Index& e) {
    return numerics::to_integer(type, f(e));
  };
  const Input a = t.output(ElementType::i32, {8}, [=](const Index& e) {
    return static_cast<double>(whole(ElementType::i32, e));
  });
  const Input b = t.output(ElementType::i64, {8}, [=](const Index& e) {
    return static_cast<double>(std::max(whole(ElementType::i64, e), -INT64_MAX));
  });
  const Input c = t.output(ElementType::u8, {8}, [=](const Index& e) {
    return static_cast<double>(whole(ElementType::u8, e));
  });
  const Input wrapped = t.output(ElementType::i32, {8}, [=](const Index& e) {
    const auto v = static_cast<std::uint32_t>(whole(ElementType::i32, e));
    return static_cast<double>(static_cast<std::int32_t>(v * 2147483647U + 2147483648U));
  });
  t.run(k, x, a, b, c, wrapped);
}

// An image in bytes: a blur of three neighbours, and a mask of what is bright.
OCTILE_PROGRAM(bytes_and_masks) {
  const auto k = kernel(
      "bytes", in<u8>("x", N), in<b1>("keep", N), out<u8>("y", N), out<b1>("bright", N),
      out<u8>("untouched", N), [](auto x, auto keep, auto y, auto bright, auto u) {
        return grid(N / BN, [=](auto i) {
          auto at = i * BN;
          auto v = cast<i32>(x(BN[i]));
          auto mean = (cast<i32>(x(BN.at(at - 1))) + v + cast<i32>(x(BN.at(at + 1)))) / 3;
          auto is_bright = mean > 100 && !(v == 7);
          return stores(store(y(BN[i]), select(keep(BN[i]), x(BN[i]), cast<u8>(mean))),
                        store(bright(BN[i]), is_bright),
                        store(u(BN[i]), cast<u8>(is_bright || keep(BN[i])), when(keep(BN[i]))));
        });
      });
  for (const std::int64_t n : kSizes) {
    for (const std::int64_t shift : {0, 1}) {
      const Input x = t.input(ElementType::u8, {n}, Fill::counting, {false, 0, shift});
      const Input keep = t.input(ElementType::b1, {n}, Fill::counting);
      if (t.where() != Where::nvrtc) {
        for (std::int64_t i = 0; i < n; ++i) {
          x->set(Index{i}, static_cast<double>(i * 37 % 256));
          keep->set(Index{i}, i % 3 == 1);
        }
      }
      const auto at = [=](std::int64_t i) { return i < 0 || i >= n ? 0 : x->integer(Index{i}); };
      const auto mean = [=](std::int64_t i) { return (at(i - 1) + at(i) + at(i + 1)) / 3; };
      const auto kept = [=](std::int64_t i) { return keep->integer(Index{i}) != 0; };
      const auto number = [](std::int64_t v) { return static_cast<double>(v); };
      const auto bright = [=](std::int64_t i) { return mean(i) > 100 && at(i) != 7; };
      const Input y =
          t.output(ElementType::u8, {n},
                   [=](const Index& e) { return number(kept(e[0]) ? at(e[0]) : mean(e[0])); },
                   kExact, {false, 0, shift});
      const Input b =
          t.output(ElementType::b1, {n}, [=](const Index& e) { return number(bright(e[0])); });
      const Input u =
          t.output(ElementType::u8, {n}, [=](const Index& e) { return kept(e[0]) ? 1.0 : 255.0; });
      t.run(k, x, keep, y, b, u);
    }
  }
}

// A generator of random numbers: products that wrap, of i32 and i64, and their sums.
OCTILE_PROGRAM(hashes_wrap_around) {
  constexpr axis<"W", 64> W;
  const auto k = kernel(
      "hashes", in<i32>("x", N), out<i64>("h", N), out<i32>("g", N), out<i32>("total", N / 64_c),
      [=](auto x, auto h, auto g, auto total) {
        return grid(N / W, [=](auto i) {
          auto at = index(W[i]);
          auto wide = (at + 12345) * 6364136223846793005LL + 1442695040888963407LL;
          auto narrow = x(W[i]) * 1103515245 + 12345;
          auto inside = select(at < N, narrow, 0);
          return stores(store(h(W[i]), abs(wide / 65536 % 1000) - wide * wide),
                        store(g(W[i]), -narrow - abs(narrow) * 3), store(total(i), sum(inside, W)));
        });
      });
  for (const std::int64_t n : kSizes) {
    const Input x = t.input(ElementType::i32, {n}, Fill::signed_counting);
    const auto narrow = [=](std::int64_t i) {
      return static_cast<std::uint32_t>(x->integer(Index{i})) * 1103515245U + 12345U;
    };
    const auto whole = [](std::uint32_t v) {
      return static_cast<double>(static_cast<std::int32_t>(v));
    };
    const Input h = t.output(ElementType::i64, {n}, [=](const Index& e) {
      const std::uint64_t v =
          (static_cast<std::uint64_t>(e[0]) + 12345U) * 6364136223846793005U + 1442695040888963407U;
      const std::int64_t part = std::abs(static_cast<std::int64_t>(v) / 65536 % 1000);
      return static_cast<double>(
          static_cast<std::int64_t>(static_cast<std::uint64_t>(part) - v * v));
    });
    const Input g = t.output(ElementType::i32, {n}, [=](const Index& e) {
      const std::uint32_t v = narrow(e[0]);
      const std::uint32_t size = static_cast<std::int32_t>(v) < 0 ? 0U - v : v;
      return whole(0U - v - size * 3U);
    });
    const Input total = t.output(ElementType::i32, {(n + 63) / 64}, [=](const Index& e) {
      std::uint32_t sum = 0;
      for (std::int64_t i = 64 * e[0]; i < std::min(n, 64 * e[0] + 64); ++i) sum += narrow(i);
      return whole(sum);
    });
    t.run(k, x, h, g, total);
  }
}

// No tile at all: scalars in, scalars out.
OCTILE_PROGRAM(only_scalars) {
  const auto k =
      kernel("scalars", scalar<f32>("a"), scalar<i64>("b"), scalar<bf16>("c"), scalar<i32>("d"),
             in<f32>("x", N), out<f32>("y", 4_c), out<i64>("z", 2_c),
             [](auto a, auto b, auto c, auto d, auto x, auto y, auto z) {
               return grid(1_c, [=](auto i) {
                 auto total = fold(N, 0.0f, [=](auto j, auto s) { return s * 0.5f + x(j); });
                 return stores(store(y(0), a * cast<f32>(c)), store(y(1), total),
                               store(y(2), cast<f32>(b % 1000)), store(y(3), cast<f32>(i)),
                               store(z(0), b + cast<i64>(d)), store(z(1), value(N)));
               });
             });
  for (const std::int64_t n : {0, 1, 7, 63}) {
    const Input x = t.input(ElementType::f32, {n}, Fill::integers);
    const std::int64_t b = 5'000'000'123;
    const Input y = t.output(ElementType::f32, {4}, [=](const Index& e) {
      double total = 0;
      for (std::int64_t j = 0; j < n; ++j) total = static_cast<float>(total * 0.5 + (*x)(j));
      const double all[] = {1.5 * -2.25, total, 123, 0};
      return all[e[0]];
    });
    const Input z = t.output(ElementType::i64, {2}, [=](const Index& e) {
      return static_cast<double>(e[0] == 0 ? b - 9 : n);
    });
    t.run(k, 1.5f, b, -2.25f, -9, x, y, z);
  }
}

OCTILE_PROGRAM(bits) {
  const auto k =
      kernel("bits", in<f32>("x", N), in<e4m3>("q", N), out<i32>("exponent", N), out<u8>("code", N),
             out<ue8m0>("scale", N), out<f32>("back", N), out<e5m2>("r", N),
             [](auto x, auto q, auto exponent, auto code, auto scale, auto back, auto r) {
               return grid(N / BN, [=](auto i) {
                 auto v = x(BN[i]);
                 auto word = bitcast<i32>(v);
                 auto s = cast<ue8m0>(v);
                 return stores(store(exponent(BN[i]), word / 8388608 % 256),
                               store(code(BN[i]), bitcast<u8>(q(BN[i]))), store(scale(BN[i]), s),
                               store(back(BN[i]), bitcast<f32>(word) * cast<f32>(s)),
                               store(r(BN[i]), cast<e5m2>(q(BN[i]))));
               });
             });
  for (const std::int64_t n : kSizes) {
    const Input x = t.input(ElementType::f32, {n}, Fill::uniform);
    const Input q = t.input(ElementType::e4m3, {n}, Fill::normal, {false, 0, n % 3});
    const auto f = [=](const Index& e) { return static_cast<float>((*x)(e[0])); };
    const auto through = [](ElementType type, double v) -> double {
      return numerics::decode(type, numerics::encode(type, static_cast<float>(v)));
    };
    const Input exponent =
        t.output(ElementType::i32, {n}, [=](const Index& e) { return 127.0 + std::ilogb(f(e)); });
    const Input code = t.output(ElementType::u8, {n},
                                [=](const Index& e) { return static_cast<double>(q->integer(e)); });
    const Input scale = t.output(ElementType::ue8m0, {n},
                                 [=](const Index& e) { return through(ElementType::ue8m0, f(e)); });
    const Input back = t.output(ElementType::f32, {n}, [=](const Index& e) {
      return f(e) * through(ElementType::ue8m0, f(e));
    });
    const Input r = t.output(ElementType::e5m2, {n}, [=](const Index& e) {
      return through(ElementType::e5m2, (*q)(e[0]));
    });
    t.run(k, x, q, exponent, code, scale, back, r);
  }
}

// Reductions of 64-bit integers over more than a warp, and of many rows at once.
OCTILE_PROGRAM(wide_integer_reductions) {
  constexpr dim<"M"> M;
  constexpr axis<"BM"> BM;
  const auto k =
      kernel("wide", in<i64>("x", M, N), out<i64>("total", M), out<i64>("top", M),
             out<i32>("low", M), [=](auto x, auto total, auto top, auto low) {
               return grid(M / BM, [=](auto i) {
                 auto v = x(BM[i], BN.at(0));
                 return stores(store(total(BM[i]), sum(v, BN)), store(top(BM[i]), max(v, BN)),
                               store(low(BM[i]), min(cast<i32>(v), BN)));
               });
             });
  for (const auto& [m, n] : {std::pair{1, 1}, {3, 64}, {5, 2048}, {1, 8192}}) {
    const Input x = t.input(ElementType::i64, {m, n}, Fill::signed_counting);
    const auto over = [=, n = n](std::int64_t i, int what) {
      double s = 0, top = -1e18, low = 1e18;
      for (std::int64_t j = 0; j < n; ++j) {
        const double v = (*x)(i, j);
        s += v, top = std::max(top, v), low = std::min(low, v);
      }
      return what == 0 ? s : what == 1 ? top : low;
    };
    const Input total =
        t.output(ElementType::i64, {m}, [=](const Index& e) { return over(e[0], 0); });
    const Input top =
        t.output(ElementType::i64, {m}, [=](const Index& e) { return over(e[0], 1); });
    const Input low =
        t.output(ElementType::i32, {m}, [=](const Index& e) { return over(e[0], 2); });
    t.run(k, {{BM(1), warps(32)}, {BM(1), warps(8)}, {BM(2), warps(16)}}, x, total, top, low);
  }
}

// Long, and scalars of narrow types.
OCTILE_PROGRAM(long_vectors) {
  const auto k = kernel("axpy", scalar<f16>("a"), in<bf16>("x", N), inout<f32>("y", N),
                        [](auto a, auto x, auto y) {
                          return grid(N / BN, [=](auto i) {
                            return store(y(BN[i]), cast<f32>(a) * cast<f32>(x(BN[i])) + y(BN[i]));
                          });
                        });
  for (const std::int64_t n : {1, 1000, 100'003}) {
    const Input x = t.input(ElementType::bf16, {n}, Fill::integers);
    const Input start = t.input(ElementType::f32, {n}, Fill::integers);
    const Input y =
        t.inout(start, [=](const Index& e) { return 0.25 * (*x)(e[0]) + (*start)(e[0]); }, kExact,
                {false, 0, n % 2});
    t.run(k, {{BN(100)}, {BN(4096)}}, 0.25f, x, y);
  }
}

}  // namespace
}  // namespace octile::test
