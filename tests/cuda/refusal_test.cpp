// Schedules that can't be had are refused before anything is compiled, with the limit, the amount
// and what would fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octile/codegen/cuda/target.hpp"
#include "octile/tests/cuda/kernels.hpp"

namespace octile::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const ProblemSizes kSizes = {{"M", 1024}, {"N", 2112}, {"K", 7168}};

/// The words that a schedule of `kernel` is refused with; "" if it is not.
template <class Kernel>
std::string refusal(const Kernel& kernel, std::initializer_list<Knob> knobs,
                    const ProblemSizes& sizes = kSizes) {
  try {
    kernel.with(knobs).emit(sizes);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(ErrorCode::user)) << error.what();
    return error.what();
  }
}

TEST(Refusals, LegalSchedulesAreNotRefused) {
  EXPECT_EQ(refusal(fp8_gemm(), {}), "");
  EXPECT_EQ(refusal(fp8_gemm(), {BM(128), BN(128), stages(5)}), "");
  EXPECT_EQ(refusal(plain_fp8_gemm(), {BM(64), BN(8)}), "");
}

TEST(Refusals, SharedMemory) {
  const std::string words = refusal(fp8_gemm(), {BM(128), BN(128), stages(9)});
  EXPECT_THAT(words, AllOf(HasSubstr("fp8_gemm"), HasSubstr("BM=128 BN=128 stages=9"),
                           HasSubstr("stages=9 of 32768 bytes need 294912"), HasSubstr("are left"),
                           HasSubstr("stages would fit")));
  const auto softmax = row_softmax().with({BN(1024)});
  EXPECT_EQ(refusal(softmax, {BM(4)}, {{"M", 64}, {"N", 1000}}), "");
}

TEST(Refusals, Registers) {
  const std::string words =
      refusal(fp8_gemm(), {BM(128), BN(128), consumers(2), consumer_registers(256)});
  EXPECT_THAT(words, AllOf(HasSubstr("256 registers per consumer"), HasSubstr("need "),
                           HasSubstr("registers of 64512")));
  // Four consumers have 112 registers each; three are launched with 128; two CTAs share 65536.
  EXPECT_THAT(refusal(fp8_gemm(), {BM(256), BN(128), consumers(4)}),
              AllOf(HasSubstr("64 registers for sums, 64 for dots under way"),
                    HasSubstr("28 over its 112"), HasSubstr("use smaller tiles")));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(64), BN(256), accumulators(2)}),
              HasSubstr("use smaller tiles, accumulators=1"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(128), BN(128), ctas_per_sm(2)}),
              AllOf(HasSubstr("one product of 128 columns takes 64 registers"),
                    HasSubstr("launched with 80"), HasSubstr("tiles of 104 columns")));
  EXPECT_EQ(refusal(fp8_gemm(), {BM(256), BN(128), consumers(2)}), "");
  EXPECT_EQ(refusal(fp8_gemm(), {BM(128), BN(128), consumers(1), ctas_per_sm(2)}), "");
}

// A product that is issued before the last one is waited for holds a stage more: a ring of fewer
// would wait for itself for ever.
TEST(Refusals, StagesThatAreHeld) {
  const std::string held = "are held at a time, as the next product is issued before the last";
  EXPECT_EQ(refusal(tensor_scaled_gemm(), {BM(64), BN(64), stages(2)}), "");
  EXPECT_THAT(refusal(tensor_scaled_gemm(), {BM(64), BN(64), stages(1)}),
              AllOf(HasSubstr("stages=1, but 2 " + held), HasSubstr("use stages=2 or more")));
  EXPECT_EQ(refusal(fp8_gemm(), {BM(64), BN(64), stages(1)}), "");
  const auto teams = fp8_gemm().with({BM(64), BN(64), fold_teams(2)});
  EXPECT_EQ(refusal(teams, {stages(2)}), "");
  EXPECT_EQ(refusal(teams, {stages(4), accumulators(2)}), "");
  EXPECT_THAT(refusal(teams, {stages(2), accumulators(2)}), HasSubstr("stages=2, but 4 " + held));
  // What fits by itself counts too.
  EXPECT_THAT(
      refusal(outer_scaled_gemm(), {BM(8), BN(64), fold_teams(4), accumulators(2), ctas_per_sm(3)}),
      HasSubstr("two stages take 18432 bytes, of each team,"));
}

TEST(Refusals, SharedMemoryOfSeveralCtas) {
  EXPECT_EQ(refusal(fp8_gemm(), {BM(64), BN(128), ctas_per_sm(2), stages(3)}), "");
  EXPECT_THAT(refusal(fp8_gemm(), {BM(64), BN(128), ctas_per_sm(2), stages(5)}),
              AllOf(HasSubstr("stages=5 of 24576 bytes need 122880"), HasSubstr("are left"),
                    HasSubstr("stages would fit")));
}

TEST(Refusals, Consumers) {
  EXPECT_THAT(refusal(fp8_gemm(), {BM(128), BN(128), consumers(3)}),
              HasSubstr("consumers=3 doesn't divide the tile's 2 blocks of 64 rows; use 1"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(320), BN(64), consumers(5)}),
              HasSubstr("consumers=5 is above the limit of 4"));
}

TEST(Refusals, Clusters) {
  EXPECT_THAT(refusal(fp8_gemm(), {BM(64), BN(64), cluster(16, BM)}),
              HasSubstr("cluster=16 is above 8"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(128), BN(136), cluster(2, BM)}),
              HasSubstr("cluster=2 must divide a shared tile of 136 rows into multiples of 8"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(64), BN(64), cluster(2, BM), split_fold(2)}),
              HasSubstr("cluster and split_fold can't be combined"));
}

TEST(Refusals, SplitFold) {
  EXPECT_THAT(refusal(fp8_gemm(), {BM(64), BN(64), split_fold(16)}),
              HasSubstr("split_fold=16 is above the portable cluster size of 8"));
  EXPECT_THAT(refusal(row_softmax(), {BM(4), BN(1024), split_fold(2)}, {{"M", 64}, {"N", 1000}}),
              HasSubstr("split_fold needs exactly one pipelined fold that is a sum"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(128), BN(192), split_fold(5)}),
              AllOf(HasSubstr("split_fold needs 393216 bytes to exchange sums"),
                    HasSubstr("a split_fold that divides its blocks of 8 columns")));
}

// 64 rows of one instruction don't hold groups of 96; columns do, and are chosen.
TEST(Refusals, GroupsThatTheLayoutDivides) {
  EXPECT_THAT(refusal(amax_of_96(), {BM(16), BN(192), swap_operands()}),
              HasSubstr("groups of 96 along axis 'BN' (extent 192) don't fit"));
  EXPECT_EQ(refusal(amax_of_96(), {BM(128), BN(192)}), "");
  EXPECT_EQ(refusal(amax_of_96(), {}), "");
}

TEST(Refusals, StreamFold) {
  const auto gemm = fp8_gemm().with({BM(128), BN(64), stream_fold()});
  EXPECT_EQ(refusal(gemm, {}), "");
  EXPECT_EQ(refusal(gemm, {persistent(), tma_store(), ctas_per_sm(2), consumers(1)}), "");
  EXPECT_EQ(refusal(fp8_gemm(), {stream_fold()}), "");
  EXPECT_THAT(refusal(gemm, {split_fold(2)}),
              HasSubstr("stream_fold=1 and split_fold=2 both share a fold's trips out"));
  EXPECT_THAT(refusal(gemm, {cluster(2, BM)}), HasSubstr("stream_fold=1 with cluster=2"));
  EXPECT_THAT(refusal(gemm, {persistent(false)}), HasSubstr("but persistent=0; leave one out"));
  const std::string one_fold = "stream_fold needs exactly one pipelined fold that is a sum";
  EXPECT_THAT(refusal(row_softmax(), {BM(4), BN(1024), stream_fold()}, {{"M", 64}, {"N", 1000}}),
              HasSubstr(one_fold));
  // Rows of 200 bytes don't go through TMA.
  EXPECT_THAT(refusal(gemm, {}, {{"M", 100}, {"N", 72}, {"K", 200}}), HasSubstr(one_fold));
}

TEST(Refusals, TilePieces) {
  const auto gemm = fp8_gemm().with({BM(128), BN(136), tile_pieces()});
  EXPECT_EQ(refusal(gemm, {}), "");
  EXPECT_EQ(refusal(gemm, {BN(120), fold_teams(2)}), "");
  for (int columns : {64, 128, 256})
    EXPECT_THAT(refusal(gemm, {BN(columns)}),
                HasSubstr("tile_pieces=1, but no block of scales ends inside of a tile"));
  EXPECT_THAT(refusal(gemm, {BN(248)}),
              HasSubstr("248 elements along 'BN' would take more than 4"));
  EXPECT_THAT(refusal(gemm, {BN(100)}), HasSubstr("or one of fewer than 8"));
  const std::string combined = "can't be combined with cluster, split_fold or stream_fold";
  for (const Knob& knob : {cluster(2, BM), split_fold(2), stream_fold()})
    EXPECT_THAT(refusal(gemm, {BN(144), knob}), HasSubstr(combined));
  EXPECT_THAT(refusal(gemm, {tma_store(false)}),
              HasSubstr("'d' isn't copied by TMA in pieces along 'BN'"));
  // Rows of 200 bytes don't go through TMA.
  EXPECT_THAT(refusal(gemm, {}, {{"M", 100}, {"N", 100}, {"K", 256}}),
              HasSubstr("'d' isn't copied by TMA in pieces along 'BN'"));
  const std::string bias = "'bias' isn't copied by TMA in pieces along 'BN'";
  EXPECT_THAT(refusal(gemm_bias_gelu(), {BM(128), BN(136), tile_pieces()}), HasSubstr(bias));
  EXPECT_EQ(refusal(gemm_bias_gelu(), {BM(128), BN(136)}), "");
  EXPECT_THAT(refusal(gemm, {BM(8), BN(192)}), HasSubstr("'BN' is on the tensor core's M side"));
  // Each piece of each operand and of each width of columns has a tensor map.
  const auto gated =
      kernel("gated", in<e4m3>("a", M, K), in<e4m3>("b", N, K), in<e4m3>("c", N, K),
             in<f32>("sb", N / 128_c, K / 128_c), out<bf16>("d", M, N), out<bf16>("e", M, N),
             [](auto a, auto b, auto c, auto sb, auto d, auto e) {
               return grid(M / BM, N / BN, [=](auto i, auto j) {
                 auto [x, y] = fold(K / BK, tuple(0.0f, 0.0f), [=](auto k, auto x, auto y) {
                   const auto s = sb(BN[j] / 128_c, k);
                   return tuple(x + dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * s,
                                y + dot(a(BM[i], BK[k]), c(BN[j], BK[k])) * s);
                 });
                 return stores(store(d(BM[i], BN[j]), cast<bf16>(x)),
                               store(e(BM[i], BN[j]), cast<bf16>(y)));
               });
             });
  EXPECT_EQ(refusal(gated, {BM(64), BN(72), tile_pieces()}), "");
  EXPECT_THAT(refusal(gated, {BM(64), BN(120), tile_pieces()}),
              HasSubstr("a kernel has room for 16 tensor maps, and 18 may be needed"));
  // A tile's number says which columns it has only where these are neighbours.
  const auto per_tile = kernel(
      "per_tile", in<e4m3>("a", M, K), in<e4m3>("b", N, K), in<f32>("sb", N / 128_c, K / 128_c),
      in<f32>("t", N), out<bf16>("d", M, N), [](auto a, auto b, auto sb, auto t, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(K / BK, [=](auto k) {
            return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sb(BN[j] / 128_c, k);
          });
          return store(d(BM[i], BN[j]), cast<bf16>(acc * t(j)));
        });
      });
  const std::string counted = "tiles along 'BN' are counted for more than indices tile by tile";
  EXPECT_THAT(refusal(per_tile, {BM(128), BN(136), tile_pieces()}), HasSubstr(counted));
  EXPECT_EQ(refusal(per_tile, {BM(128), BN(136)}), "");
  EXPECT_THAT(refusal(row_softmax(), {BM(4), BN(1024), tile_pieces()}, {{"M", 64}, {"N", 1000}}),
              HasSubstr("there is no pipelined fold"));
}

TEST(Refusals, FoldTeams) {
  const auto gemm = fp8_gemm().with({BM(128), BN(64), fold_teams(2)});
  EXPECT_EQ(refusal(gemm, {}), "");
  EXPECT_EQ(refusal(gemm, {persistent(false), split_fold(2), consumers(4)}), "");
  EXPECT_EQ(refusal(fp8_gemm(), {fold_teams(2)}), "");
  for (const Knob& knob : {ping_pong(), stream_fold(), order_consumers()})
    EXPECT_THAT(refusal(gemm, {knob}), HasSubstr("can't be combined: leave one out"));
  EXPECT_THAT(refusal(gemm, {persistent()}), HasSubstr("fold_teams is for CTAs of one tile"));
  EXPECT_THAT(refusal(gemm, {consumers(3)}),
              HasSubstr("consumers=3 are to be shared by fold_teams=2: use a multiple of it"));
  EXPECT_THAT(refusal(gemm, {fold_teams(4), consumers(8)}),
              HasSubstr("consumers=8 is above the limit of 4"));
  // A stage that teams took turns at would be waited for by the wrong phase.
  EXPECT_THAT(refusal(gemm, {stages(5)}),
              HasSubstr("stages=5 can't be shared evenly by fold_teams=2; use a multiple of it"));
  EXPECT_THAT(refusal(gemm, {stages(20)}), HasSubstr("8 stages would fit"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(128), BN(144), fold_teams(2), stages(2)}),
              HasSubstr("fold_teams=2 need 73728 bytes to add their sums up, the ring has 69632"));
  const std::string one_fold = "fold_teams needs exactly one pipelined fold that is a sum";
  EXPECT_THAT(refusal(row_softmax(), {BM(4), BN(1024), fold_teams(2)}, {{"M", 64}, {"N", 1000}}),
              HasSubstr(one_fold));
  // Rows of 200 bytes don't go through TMA.
  EXPECT_THAT(refusal(gemm, {}, {{"M", 100}, {"N", 72}, {"K", 200}}), HasSubstr(one_fold));
}

/// A kernel with a product of one-byte operands, block by block, of which `body` makes what it
/// does.
auto folded_product(const auto& body) {
  return kernel("product", in<e4m3>("a", M, K), in<e4m3>("b", N, K), out<f32>("d", M, N),
                [=](auto a, auto b, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    const auto block = [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k]));
                    };
                    return body(block, d(BM[i], BN[j]), i);
                  });
                });
}

std::string refused_fold(const Knob& knob, const auto& body) {
  return refusal(folded_product(body), {BM(64), BN(64), knob});
}

TEST(Refusals, SharedTripsOfOtherFolds) {
  const auto store_before = [](auto block, auto d, auto) {
    fold(2, 0, [=](auto, auto carried) {
      store(d, 1.0f);
      return carried;
    });
    return store(d, sum(K / BK, block));
  };
  for (const auto& [name, knob] : {std::pair{"split_fold", split_fold(2)},
                                   {"stream_fold", stream_fold()},
                                   {"fold_teams", fold_teams(2)}}) {
    SCOPED_TRACE(name);
    const std::string one_sum =
        std::string(name) + " needs exactly one pipelined fold that is a sum";
    EXPECT_EQ(refused_fold(knob,
                           [](auto block, auto d, auto) {
                             return stores(store(d, sum(K / BK, block)), store(d, 1.0f));
                           }),
              "");
    EXPECT_THAT(refused_fold(knob,
                             [](auto block, auto d, auto) {
                               return store(d, fold(K / BK, 1.0f,
                                                    [=](auto k, auto x) { return x + block(k); }));
                             }),
                HasSubstr(one_sum));
    EXPECT_THAT(
        refused_fold(knob, [](auto block, auto d,
                              auto) { return store(d, sum(K / BK, block) * sum(N / BK, block)); }),
        HasSubstr(one_sum));
    EXPECT_THAT(refused_fold(knob,
                             [](auto block, auto d, auto) {
                               const auto [x, n] =
                                   fold(K / BK, tuple(0.0f, 0.0f), [=](auto k, auto x, auto n) {
                                     return tuple(x + block(k), n + 1.0f);
                                   });
                               return store(d, x * n);
                             }),
                HasSubstr(std::string(name) +
                          " adds sums up that are tiles of f32, one is a scalar of f32"));
  }
  // The CTAs of a split fold store the same before it; the others would run it again.
  EXPECT_EQ(refused_fold(split_fold(2), store_before), "");
  for (const Knob& knob : {stream_fold(), fold_teams(2)}) {
    EXPECT_THAT(refused_fold(knob, store_before),
                HasSubstr("runs what is before the fold several times, a store among it"));
  }
  // What can't be shared isn't picked either.
  const ProblemSizes sizes = {{"M", 1024}, {"N", 576}, {"K", 7168}};
  const auto just_sum = [](auto block, auto d, auto) { return store(d, sum(K / BK, block)); };
  EXPECT_THAT(folded_product(just_sum).with({accumulators(1)}).emit(sizes),
              HasSubstr("fold_teams=2"));
  EXPECT_THAT(folded_product(store_before).with({accumulators(1)}).emit(sizes),
              Not(HasSubstr("fold_teams=")));
  EXPECT_THAT(refused_fold(stream_fold(),
                           [](auto block, auto d, auto i) { return store(d, sum(i + 1, block)); }),
              HasSubstr("their number isn't one that all tiles have"));
}

TEST(Refusals, Stores) {
  EXPECT_THAT(refusal(row_softmax(), {BM(4), BN(1024), tma_store(true)}, {{"M", 64}, {"N", 1000}}),
              HasSubstr("tma_store=1 needs a pipelined fold"));
  // Each CTA has every other eight rows.
  EXPECT_THAT(refusal(fp8_gemm(), {BM(64), BN(24), split_fold(2), tma_store(true)}),
              HasSubstr("the store to 'd' can't be a TMA copy"));
  EXPECT_THAT(
      refusal(fp8_gemm(), {BM(8), BN(64), swap_operands(), tma_store(true)}),
      AllOf(HasSubstr("the store to 'd' can't be a TMA copy"), HasSubstr("16-byte strides")));
}

TEST(Refusals, Axes) {
  constexpr axis<"BX"> BX;
  EXPECT_THAT(refusal(fp8_gemm(), {BX(128)}),
              AllOf(HasSubstr("axis BX"), HasSubstr("its axes are: BM, BN, ")));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(128), BN(128), cluster(2, BX)}),
              HasSubstr("there is no axis 'BX'"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(128), BN(128), fastest(BX)}),
              HasSubstr("there is no axis 'BX'"));
  EXPECT_THAT(refusal(fp8_gemm(), {BM(0), BN(128)}),
              HasSubstr("schedule binds axis BM to 0: expected 1 or more"));
  EXPECT_THAT(refusal(quantize(), {BM(4), BN(96)}, {{"M", 64}, {"K", 1024}}),
              HasSubstr("bind it to a multiple of 128"));
}

TEST(Refusals, Warps) {
  EXPECT_THAT(refusal(vector_add(), {BM(1024), warps(3)}, {{"M", 4096}}),
              HasSubstr("warps=3 must be a power of two up to 32"));
  EXPECT_THAT(refusal(vector_add(), {BM(1024), warps(64)}, {{"M", 4096}}),
              HasSubstr("warps=64 must be a power of two up to 32"));
}

/// A knob that a refusal has to name, and the refusal.
struct Refused {
  std::string what;
  std::string words;
};

TEST(Refusals, KnobsThatAreNotLowered) {
  const auto gemm = fp8_gemm().with({BM(128), BN(64)});
  const auto add = vector_add().with({BM(1024)});
  const ProblemSizes few = {{"M", 4096}};
  const std::vector<Refused> list = {
      {"ping_pong", refusal(gemm, {ping_pong(), persistent(false)})},
      {"ping_pong", refusal(gemm, {ping_pong(), split_fold(2)})},
      {"ping_pong", refusal(gemm, {ping_pong(), order_consumers()})},
      {"ping_pong", refusal(gemm, {ping_pong(), consumers(4)})},
      {"or persistent=0, over tiles that nothing is computed from, but each store has 1 at most; "
       "leave",
       refusal(gemm, {epilogue_overlap(false), persistent()})},
      {"epilogue_overlap", refusal(gemm, {epilogue_overlap(), tma_store(false)})},
      {"but all of its parts, 1, are staged at the same time; leave it out",
       refusal(gemm, {stores_apart(), persistent()})},
      {"stores_apart=0 needs one TMA store in parts that take turns",
       refusal(gemm, {stores_apart(false), tma_store(false)})},
      {"several tiles, but each CTA has one tile; leave it out",
       refusal(tensor_scaled_gemm(), {BM(128), BN(256), stores_apart(), persistent(false)})},
      {"several tiles, but no warp of the producer can send it off",
       refusal(gemm, {BM(256), BN(128), epilogue_overlap(false), stores_apart(false)},
               {{"M", 64}, {"N", 64}, {"K", 640}})},
      {"warps", refusal(gemm, {warps(8)})},
      {"order_consumers", refusal(gemm, {consumers(1), order_consumers()})},
      {"stream_fold and order_consumers can't be combined",
       refusal(tensor_scaled_gemm(), {BM(128), BN(64), order_consumers(), stream_fold()})},
      {"order_consumers and stagger_consumers",
       refusal(gemm, {order_consumers(), stagger_consumers()})},
      {"before the next ones, but a tile has 1; leave it out",
       refusal(gemm, {consumers(1), stagger_consumers()})},
      {"but accumulators=2 issues them ahead",
       refusal(gemm, {accumulators(2), stagger_consumers()})},
      {"but fast accumulation never waits",
       refusal(tensor_scaled_gemm(), {BM(128), BN(64), stagger_consumers()})},
      {"unroll", refusal(gemm, {accumulators(2), unroll(4)})},
      {"unroll", refusal(tensor_scaled_gemm(), {BM(128), BN(64), stream_fold(), unroll(4)})},
      {"transpose_panels", refusal(gemm, {transpose_panels()}, {{"M", 64}, {"N", 64}, {"K", 640}})},
      {"outer_products=1 needs a product", refusal(gemm, {outer_products()})},
      {"outer_products=1 needs a product",
       refusal(tensor_scaled_gemm(), {BM(128), BN(64), outer_products()})},
      {"outer_products=1 and accumulators=2",
       refusal(outer_scaled_gemm(), {BM(128), BN(64), outer_products(), accumulators(2)})},
      {"persistent", refusal(gemm, {split_fold(2), persistent()})},
      {"fastest_axis", refusal(gemm, {cluster(2, BM), fastest(BN)})},
      // No dot.
      {"stages", refusal(add, {stages(3)}, few)},
      {"consumers", refusal(add, {consumers(2)}, few)},
      {"swap_operands", refusal(add, {swap_operands()}, few)},
      {"accumulators", refusal(add, {accumulators(2)}, few)},
      {"unroll", refusal(add, {unroll(2)}, few)},
      {"order_consumers", refusal(add, {order_consumers()}, few)},
      {"stagger_consumers", refusal(add, {stagger_consumers()}, few)},
      {"transpose_panels", refusal(add, {transpose_panels()}, few)},
      {"outer_products", refusal(add, {outer_products()}, few)},
      {"group_width", refusal(add, {group_width(4)}, few)},
      {"consumer_registers", refusal(add, {consumer_registers(64)}, few)},
      {"producer_registers", refusal(add, {producer_registers(64)}, few)},
      {"ping_pong", refusal(add, {ping_pong()}, few)},
  };
  for (const Refused& r : list) EXPECT_THAT(r.words, HasSubstr(r.what));
}

// Rows of 200 bytes don't go through TMA: the same schedule stays legal, there is just no ring.
TEST(Refusals, KnobsOfTheRingStayLegalOnOtherStrides) {
  const ProblemSizes odd = {{"M", 100}, {"N", 72}, {"K", 200}};
  EXPECT_EQ(refusal(fp8_gemm(), {BM(128), BN(64), stages(3), consumers(2)}, odd), "");
  EXPECT_EQ(refusal(fp8_gemm(), {BM(128), BN(64), consumer_registers(64)}, odd), "");
  // The same where only rows of scales are 20 bytes.
  const auto outer = outer_scaled_gemm().with({BM(128), BN(64), outer_products()});
  EXPECT_THAT(outer.emit({{"M", 128}, {"N", 64}, {"K", 640}}), Not(HasSubstr("wgmma_outer")));
}

TEST(Refusals, KnobsThatMmaSyncHasNoUseFor) {
  const auto gemm = fp8_gemm().with({BM(128), BN(64), mma_sync()});
  const std::vector<Refused> list = {
      {"consumers=2 counts warpgroups of wgmma; use warps", refusal(gemm, {consumers(2)})},
      {"accumulators=2 hides the wait for wgmma", refusal(gemm, {accumulators(2)})},
      {"order_consumers=1 orders warpgroups", refusal(gemm, {order_consumers()})},
      {"stagger_consumers=1 is for warpgroups", refusal(gemm, {stagger_consumers()})},
      {"cluster=2 shares tiles that TMA loads", refusal(gemm, {cluster(2, BM)})},
      {"split_fold=4 sums over a cluster", refusal(gemm, {split_fold(4)})},
      {"stream_fold=1 shares out trips of wgmma's ring", refusal(gemm, {stream_fold()})},
      {"tile_pieces=1 is for scales of wgmma's", refusal(gemm, {tile_pieces()})},
      {"outer_products=1 is for scales of wgmma's", refusal(gemm, {outer_products()})},
      {"tma_store=1 stages warpgroups' tiles", refusal(gemm, {tma_store()})},
      {"ctas_per_sm=2 divides an SM", refusal(gemm, {ctas_per_sm(2)})},
      {"producer_registers=40 is for", refusal(gemm, {producer_registers(40)})},
      {"consumer_registers=232 is for", refusal(gemm, {consumer_registers(232)})},
      {"warps=3 must be a power of two up to 16", refusal(gemm, {warps(3)})},
      {"warps=32 must be a power of two up to 16", refusal(gemm, {warps(32)})},
      {"ping_pong", refusal(gemm, {ping_pong()})},
      {"fold_teams=2 gives trips to warpgroups of wgmma", refusal(gemm, {fold_teams(2)})},
      {"epilogue_overlap", refusal(gemm, {epilogue_overlap()})},
      {"stores_apart is for stores", refusal(gemm, {stores_apart()})},
      {"stages=20 of", refusal(gemm, {stages(20)})},
      {"mma_sync is for tensor-core dots",
       refusal(vector_add(), {BM(1024), mma_sync()}, {{"M", 4096}})},
  };
  for (const Refused& r : list) EXPECT_THAT(r.words, HasSubstr(r.what));
  // What is off, or one of a kind, is as asked.
  EXPECT_EQ(refusal(gemm, {tma_store(false), order_consumers(false), accumulators(1), unroll(2),
                           persistent(), swap_operands(), dependent_launch(), stages(2), warps(8)}),
            "");
}

TEST(Refusals, WhatTargetsLack) {
  const auto words = [](const Schedule& schedule, const cuda::Target& target) -> std::string {
    try {
      fp8_gemm().with(schedule).emit(kSizes, target);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  const auto with = [](std::initializer_list<Knob> knobs) { return apply_knobs({}, knobs); };
  const cuda::Target ada = cuda::target_named("sm_89"), blackwell = cuda::target_named("sm_120a");
  EXPECT_THAT(words(with({mma_sync(false)}), ada),
              HasSubstr("mma_sync=0 asks for wgmma, which sm_89 doesn't have"));
  EXPECT_THAT(words(with({mma_sync(false)}), blackwell), HasSubstr("sm_120a doesn't have"));
  EXPECT_THAT(words(with({dependent_launch()}), ada), HasSubstr("needs sm_90 or newer"));
  EXPECT_EQ(words(with({dependent_launch()}), blackwell), "");
  EXPECT_EQ(words(with({mma_sync()}), ada), "");
  EXPECT_THAT(words(with({BM(128), BN(128), consumers(2)}), ada),
              HasSubstr("counts warpgroups of wgmma"));
  // 99 KiB, not 227.
  EXPECT_THAT(words(with({BM(128), BN(128), stages(4)}), ada),
              AllOf(HasSubstr("stages=4 of"), HasSubstr("3 stages would fit")));
  cuda::Target old = ada;
  old.arch = "sm_80";
  EXPECT_THAT(words({}, old), AllOf(HasSubstr("sm_80"), HasSubstr("sm_89 and newer")));
}

TEST(Refusals, ValuesOutOfRange) {
  const auto gemm = fp8_gemm().with({BM(128), BN(64)});
  Schedule two;
  two.mma_sync = 2;
  const std::vector<Refused> list = {
      {"accumulators=3", refusal(gemm, {accumulators(3)})},
      {"accumulators=2", refusal(gemm, {accumulators(2), stages(1)})},
      {"stages=-1", refusal(gemm, {stages(-1)})},
      {"split_fold=0", refusal(gemm, {split_fold(0)})},
      {"split_fold=-2", refusal(gemm, {split_fold(-2)})},
      {"fold_teams=0", refusal(gemm, {fold_teams(0)})},
      {"fold_teams=5", refusal(gemm, {fold_teams(5)})},
      {"cluster=0", refusal(gemm, {cluster(0, BM)})},
      {"consumer_registers=100", refusal(gemm, {consumer_registers(100)})},
      {"consumer_registers=8", refusal(gemm, {consumer_registers(8)})},
      {"producer_registers=20", refusal(gemm, {producer_registers(20)})},
      {"unroll=-3", refusal(gemm, {unroll(-3)})},
      {"ctas_per_sm=5", refusal(gemm, {ctas_per_sm(5)})},
      {"mma_sync=2", refusal(fp8_gemm().with(two), {})},
      {"group_width=-2", refusal(gemm, {group_width(-2)})},
      {"warps=-4", refusal(vector_add(), {BM(1024), warps(-4)}, {{"M", 4096}})},
      {"cluster=2",
       refusal(row_softmax(), {BM(4), BN(1024), cluster(2, BM)}, {{"M", 64}, {"N", 1000}})},
      // Last, as it ends the process.
      {"consumers=-1", refusal(gemm, {consumers(-1)})},
  };
  for (const Refused& r : list) EXPECT_THAT(r.words, HasSubstr(r.what));
}

}  // namespace
}  // namespace octile::test
