// Declarations, what is refused when a kernel is traced, places in the source, and long
// expressions.
#include <thread>

#include "octile/codegen/passes/passes.hpp"
#include "octile/tests/dsl/support.hpp"
#include "octile/tests/reference/interpreter.hpp"

namespace octile::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;

TEST(Declare, ParametersInOrder) {
  const auto k =
      define_kernel("every", in<e4m3>("a", M, N), in<f32>("s", M, N / 128_c), scalar<f32>("eps"),
                    scalar<i32>("n"), inout<bf16>("y", 3_c, 7, M, 2_c * 4_c, axis<"H", 64>{}),
                    out<b1>("d", M), [](auto, auto, auto, auto, auto, auto d) {
                      return grid(M / BM, [=](auto i) { return store(d(BM[i]), true); });
                    });
  EXPECT_EQ(head(k), R"(program "every"
dim M
dim N
axis BM = ?
in a: e4m3[M, N]
in s: f32[M, ceil(N / 128)]
scalar eps: f32
scalar n: i32
inout y: bf16[3, 7, M, 8, 64]
out d: b1[M]
)");
  static_assert(decltype(k)::parameter_count == 6);
}

TEST(Declare, ScalarsOfEveryElement) {
  const auto k = define_kernel(
      "scalars", scalar<f32>("a"), scalar<bf16>("b"), scalar<i64>("c"), scalar<b1>("e"),
      out<f32>("d", 1_c), [](auto a, auto b, auto c, auto e, auto d) {
        return grid(1,
                    [=](auto) { return store(d(0), select(e, a + cast<f32>(b), cast<f32>(c))); });
      });
  EXPECT_EQ(text(k), R"(program "scalars"
scalar a: f32
scalar b: bf16
scalar c: i64
scalar e: b1
out d: f32[1]
{
  %0: f32 = scalar_param a
  %1: bf16 = scalar_param b
  %2: i64 = scalar_param c
  %3: b1 = scalar_param e
  %4: i64 = constant 1
  %5: f32 = cast %2
  %6: f32 = cast %1
  %7: f32 = add %0, %6
  %8: f32 = select %3, %7, %5
  %9: i64 = constant 0
  store d[%9], %8
  grid %4
}
)");
}

// A kernel of one output, around the statements of its grid.
template <class F>
std::string error_in(const F& f) {
  return error_of([&] {
    define_kernel("bad", in<f32>("x", M), out<f32>("d", M),
                  [&](auto x, auto d) { return grid(M / BM, [&](auto i) { return f(x, d, i); }); });
  });
}

TEST(Refuse, ParameterDeclaredTwice) {
  EXPECT_EQ(error_of([] {
              define_kernel("bad", in<f32>("x", M), out<f32>("x", M),
                            [](auto, auto d) { return grid(M, [=](auto i) { store(d(i), 1); }); });
            }),
            "octile: kernel 'bad': parameter 'x' is declared twice: rename one");
}

TEST(Refuse, DimOfNoTensor) {
  EXPECT_THAT(error_in([](auto, auto d, auto i) { return store(d(BM[i]), cast<f32>(N)); }),
              HasSubstr("dim 'N' is the extent of no tensor parameter: a launch takes problem "
                        "sizes from its tensors; pass it as scalar<i64>(\"N\")"));
}

TEST(Refuse, OutParameterNeverStored) {
  EXPECT_THAT(error_in([](auto, auto, auto) {}),
              HasSubstr("out parameter 'd' is never stored to: store(d(...), value)"));
}

TEST(Refuse, NoGrid) {
  EXPECT_EQ(error_of([] { define_kernel("bad", in<f32>("x", M), [](auto) {}); }),
            "octile: kernel 'bad': it has no grid: return grid(M / BM, [=](auto i) { ... }) from "
            "its function");
}

TEST(Refuse, SecondGrid) {
  EXPECT_THAT(error_of([] {
                define_kernel("bad", out<f32>("d", M), [](auto d) {
                  grid(M, [=](auto i) { store(d(i), 1); });
                  return grid(M, [=](auto i) { store(d(i), 1); });
                });
              }),
              HasSubstr("it has a second grid: a kernel has one; make two kernels"));
}

TEST(Refuse, GridOfAScalarArgument) {
  EXPECT_THAT(error_of([] {
                define_kernel("bad", scalar<i64>("n"), out<f32>("d", M), [](auto n, auto d) {
                  return grid(n, [=](auto i) { store(d(i), 1); });
                });
              }),
              HasSubstr("grid: expected extents over constants, dims and axis extents, got one "
                        "that depends on 'scalar_param'"));
}

TEST(Refuse, OneNameWithTwoExtents) {
  EXPECT_THAT(error_in([](auto x, auto d, auto i) {
                store(d(BM[i]), x(BM[i]));
                return store(d(axis<"BM", 64>{}[i]), 1);
              }),
              HasSubstr("axis 'BM': declared for the schedule to bind, then with extent 64"));
}

TEST(Refuse, ValueOfALoopOutsideOfIt) {
  EXPECT_THAT(error_in([](auto x, auto d, auto i) {
                auto leaked = x(BM[i]) * 2;
                for_each(4_c, [&](auto k) {
                  leaked = leaked + cast<f32>(k);
                  store(d(k), 1);
                });
                return store(d(BM[i]), leaked);
              }),
              HasSubstr("was made inside a fold and is used outside it: return it from the fold's "
                        "body"));
}

TEST(Refuse, NumberBeyondItsElement) {
  EXPECT_THAT(error_of([] {
                define_kernel("bad", out<u8>("d", M), [](auto d) {
                  return grid(M, [=](auto i) { return store(d(i), 300); });
                });
              }),
              HasSubstr("300 is not a value of u8"));
}

TEST(Refuse, ExpressionsOutsideOfAKernel) {
  const std::string words =
      "octile: tile expressions are only meaningful inside the function given to kernel()";
  EXPECT_EQ(error_of([] { return M + 1; }), words);
  EXPECT_EQ(error_of([] { return BM[0]; }), words);
  EXPECT_EQ(error_of([] { return iota(BM); }), words);
  EXPECT_EQ(error_of([] { return value(8_c); }), words);
  EXPECT_EQ(error_of([] { return cast<e4m3>(1.0); }), words);
  EXPECT_EQ(error_of([] { return sum(4, [](auto k) { return k; }); }), words);
}

TEST(Refuse, AfterAKernelWasRefused) {
  EXPECT_THAT(error_in([](auto, auto, auto) {}), StartsWith("octile: kernel 'bad'"));
  EXPECT_THAT(error_of([] { return M + 1; }), HasSubstr("only meaningful inside"));
}

TEST(Location, ErrorsNameTheStatement) {
  int line = 0;
  const std::string error = error_in([&](auto, auto d, auto i) {
    line = __LINE__ + 1;
    return store(d(BM[i]), cast<f32>(N));
  });
  // The operand is refused before its statement: the last statement that began is named.
  EXPECT_THAT(error, StartsWith("octile: kernel 'bad' near "));
  EXPECT_THAT(error, HasSubstr(std::string(__FILE__) + ":"));
  EXPECT_THAT(error, HasSubstr(": dim 'N' is the extent of no tensor"));
  EXPECT_GT(line, 0);
}

TEST(Location, StatementsOfTheIrNameTheirLine) {
  int first = 0;
  const auto k = define_kernel("k", in<f32>("x", M, N), out<f32>("d", M), [&](auto x, auto d) {
    return grid(M / BM, [&](auto i) {
      first = __LINE__ + 1;
      auto total = sum(N / BN, [=](auto j) {
        auto v = x(BM[i], BN[j]);
        return sum(v, BN);
      });
      return store(d(BM[i]), total);
    });
  });
  std::vector<std::string> places;
  for (const ir::Op* op : k.ir().body->ops) {
    if (op->kind == ir::OpKind::fold) {
      places.push_back(op->location);
      for (const ir::Op* inner : op->regions[0]->ops) {
        if (inner->kind == ir::OpKind::reduce) places.push_back(inner->location);
      }
    }
    if (op->kind == ir::OpKind::store) places.push_back(op->location);
  }
  const auto at = [&](int line) { return "kernel_test.cpp:" + std::to_string(first + line); };
  EXPECT_THAT(places, testing::ElementsAre(at(0), at(2), at(4)));
}

TEST(Trace, IsPerThread) {
  // Two kernels traced at once don't mix.
  const auto make = [](float number) {
    return define_kernel("k", out<f32>("d", M), [=](auto d) {
      return grid(M, [=](auto i) {
        auto v = cast<f32>(i);
        for (int n = 0; n < 200; ++n) v = v * number;
        return store(d(i), v);
      });
    });
  };
  const std::string want = body(make(2)), other = body(make(3));
  std::string got, got_other;
  std::thread a([&] { got = body(make(2)); });
  std::thread b([&] { got_other = body(make(3)); });
  a.join();
  b.join();
  EXPECT_EQ(got, want);
  EXPECT_EQ(got_other, other);
  EXPECT_NE(want, other);
}

// x + x + ... + x, 512 terms in one expression, whose type would be nested as deeply were it not
// erased term by term.
#define OCTILE_TWO(x) x + x
#define OCTILE_EIGHT(x) OCTILE_TWO(x) + OCTILE_TWO(x) + OCTILE_TWO(x) + OCTILE_TWO(x)
#define OCTILE_64(x)                                                                        \
  OCTILE_EIGHT(x) + OCTILE_EIGHT(x) + OCTILE_EIGHT(x) + OCTILE_EIGHT(x) + OCTILE_EIGHT(x) + \
      OCTILE_EIGHT(x) + OCTILE_EIGHT(x) + OCTILE_EIGHT(x)
#define OCTILE_512(x)                                                                       \
  OCTILE_64(x) + OCTILE_64(x) + OCTILE_64(x) + OCTILE_64(x) + OCTILE_64(x) + OCTILE_64(x) + \
      OCTILE_64(x) + OCTILE_64(x)

TEST(Deep, ExpressionOfHundredsOfTerms) {
  const auto k = define_kernel("deep", in<f32>("x", M), out<f32>("d", M), [](auto x, auto d) {
    return grid(M / BM, [=](auto i) {
      auto v = x(BM[i]);
      return store(d(BM[i]), OCTILE_512(v));
    });
  });
  const auto f = ir::clone(k.ir());
  passes::bind_axes(*f, {{"BM", 4}});
  std::vector<float> x{1, 2, -3, 0.5F, 7}, d(5, -1);
  reference::interpret(*f,
                       {reference::packed(x.data(), ElementType::f32, {5}),
                        reference::packed(d.data(), ElementType::f32, {5})},
                       {5});
  EXPECT_THAT(d, testing::ElementsAre(512, 1024, -1536, 256, 3584));
}

TEST(Deep, ChainsOfValues) {
  const auto k = define_kernel("chain", in<f32>("x", M), out<f32>("d", M), [](auto x, auto d) {
    return grid(M / BM, [=](auto i) {
      auto v = x(BM[i]) * 1;
      for (int n = 1; n <= 2000; ++n) v = v + n;
      return store(d(BM[i]), v);
    });
  });
  const auto f = ir::clone(k.ir());
  passes::bind_axes(*f, {{"BM", 2}});
  std::vector<float> x{0, 1, 2}, d(3, -1);
  reference::interpret(*f,
                       {reference::packed(x.data(), ElementType::f32, {3}),
                        reference::packed(d.data(), ElementType::f32, {3})},
                       {3});
  EXPECT_THAT(d, testing::ElementsAre(2001000, 2001001, 2001002));
}

}  // namespace
}  // namespace octile::test
