// Decisions of the lowering that show in the emitted text: how long lines stay in the L2, whose
// turn it is, what a fold's first trip adds to.
#include "octile/tests/cuda/lowering.hpp"

#include <gmock/gmock.h>

#include <array>
#include <regex>
#include <string>

namespace octile::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// The number of rows of the other operand's tiles is known at the launch.
TEST(Lowering, OperandsOfFewReadersAreEvictedFirst) {
  const std::string text = fp8_gemm().with({BM(64), BN(64)}).emit(kSizes);
  EXPECT_THAT(text, HasSubstr("policy_0 = tiles_1 <= 2 ? kEvictFirst : kEvictNormal;"));
  EXPECT_THAT(text, HasSubstr("policy_1 = tiles_0 <= 2 ? kEvictFirst : kEvictNormal;"));
}

// Of 136 columns, 128 have one scale and 8 another, whatever the tile: nothing is chosen by column.
TEST(Lowering, TilesAreMadeOfPiecesThatNoBlockOfScalesEndsIn) {
  const std::string text = fp8_text({BM(128), BN(136)});
  EXPECT_THAT(text, HasSubstr("const long long piece_0 = - grid_1 * 8;"));
  EXPECT_THAT(text, HasSubstr("const long long piece_1 = tiles_1 * 128ll - grid_1 * 128;"));
  const auto copies = [](const std::string& of, const std::string& text) {
    const std::regex copy("tma_\\w+_2d\\([^\n]*" + of);
    return std::distance(std::sregex_iterator(text.begin(), text.end(), copy), {});
  };
  EXPECT_EQ(copies("piece_0\\)\\);  // b\n", text), 1);
  EXPECT_EQ(copies("piece_1\\)\\);  // b\n", text), 1);
  EXPECT_EQ(copies("\\+ piece_1\\) / 128\\)\\);  // sb\n", text), 1);
  EXPECT_EQ(copies("staging [^\n]*\\+ piece_0", text), 2);  // 64 columns each
  EXPECT_EQ(copies("staging [^\n]*\\+ piece_1\\)", text), 1);
  EXPECT_THAT(text, Not(HasSubstr("% 128);")));
  // A contiguous tile chooses.
  const std::string contiguous = fp8_text({BM(128), BN(136), tile_pieces(false)});
  EXPECT_THAT(contiguous, AllOf(Not(HasSubstr("piece_")), HasSubstr("% 128);")));
  for (int columns : {32, 64, 128})
    EXPECT_THAT(fp8_text({BM(64), BN(columns)}), Not(HasSubstr("piece_")));
  for (const Knob& knob : {split_fold(2), cluster(2, BM), stream_fold(), tma_store(false)})
    EXPECT_THAT(fp8_text({BM(128), BN(144), knob}), Not(HasSubstr("piece_")));
  EXPECT_THAT(gemm_bias_gelu().with({BM(128), BN(136)}).emit(kSizes), Not(HasSubstr("piece_")));
}

// Two halves begin at a multiple of four trips, so that each trip's column of scales is known.
TEST(Lowering, HalvesOfAFoldBeginWherePanelsMay) {
  const auto emit = [](int split) {
    return fp8_gemm().with({BM(64), BN(64), accumulators(2), split_fold(split)}).emit(kSizes);
  };
  EXPECT_THAT(emit(2), HasSubstr("const int share = (trips + 7) / 8 * 4;"));
  EXPECT_THAT(emit(4), HasSubstr("const int share = (trips + 3) / 4;"));
}

// What comes from memory for one CTA alone isn't asked for as far ahead as what others read too.
TEST(Lowering, RingsOfOneBlockOfRowsReachFurtherForSharedOperands) {
  const auto emit = [gemm = fp8_gemm().with({BM(64), BN(128)})](std::int64_t m) {
    return gemm.emit({{"M", m}, {"N", 7168}, {"K", 16384}});
  };
  EXPECT_THAT(emit(64), HasSubstr("// fold, 6 stages"));
  EXPECT_THAT(emit(128),
              AllOf(HasSubstr("// fold, 7 stages"), HasSubstr("BN=128 stages=7 persistent=0]")));
}

// Tiles next to each other lie side by side in what is mostly written if their rows are whole
// lines, or share the larger operand if all run at the same time; the grid's first extent, rows of
// tiles, is the fastest of itself.
TEST(Lowering, TheFastestAxisFollowsTheTraffic) {
  const auto emit = [](const auto& gemm, std::int64_t m, std::int64_t n, std::int64_t k,
                       auto... knobs) {
    return gemm.with({BM(128), BN(128)}).with({knobs...}).emit({{"M", m}, {"N", n}, {"K", k}});
  };
  const auto second = HasSubstr("fastest_axis=BN");
  EXPECT_THAT(emit(tensor_wise(), 3072, 576, 7168), second);
  EXPECT_THAT(emit(tensor_wise(), 576, 3072, 7168), Not(second));
  EXPECT_THAT(emit(tensor_wise(), 4096, 576, 7168), Not(second));
  EXPECT_THAT(emit(tensor_wise(), 4096, 4096, 4096), Not(second));
  EXPECT_THAT(emit(tensor_wise(), 4096, 4096, 1024), second);
  EXPECT_THAT(emit(tensor_wise(), 4096, 4096, 1024, BN(160)), Not(second));
  EXPECT_THAT(emit(weight_gradient(), 4096, 4096, 1024), Not(second));
  EXPECT_THAT(emit(tensor_wise(), 3072, 576, 7168, fastest(BM)), HasSubstr("fastest_axis=BM"));
  EXPECT_THAT(emit(tensor_wise(), 3072, 576, 7168, cluster(2, BM)), Not(second));
}

// The CTAs of a split fold send each other neighbouring columns, and store them in bulk.
TEST(Lowering, SplitFoldsShareNeighbouringColumnsOut) {
  const std::string text = fp8_text({BM(64), BN(64), split_fold(2)});
  EXPECT_THAT(text, HasSubstr("send_floats("));
  EXPECT_THAT(text, HasSubstr("_t += int(rank) * 32;"));
  EXPECT_THAT(text, HasSubstr("+ int(rank) * 32), int("));  // of the bulk store
  // Small sums have room beside the ring, where they may come before it is empty.
  EXPECT_THAT(text, HasSubstr("cluster_arrive();  // sums may come"));
  EXPECT_THAT(fp8_text({BM(128), BN(192), split_fold(2)}), Not(HasSubstr("// sums may come")));
  // A consumer's two blocks of rows go to a CTA each.
  EXPECT_THAT(fp8_text({BM(256), BN(128), split_fold(2)}), HasSubstr("_t += int(rank) * 64;"));
}

// Teams have a stage each, all read panels, and the first one goes on from the trip that is last.
TEST(Lowering, TeamsTakeTripsInTurn) {
  const std::string text = fp8_text({BM(64), BN(72), fold_teams(2)});
  EXPECT_THAT(text, HasSubstr("const int own = begin + (end - begin + 1 - team) % 2;"));
  EXPECT_THAT(text, HasSubstr("trip < end; trip += 2) {"));
  EXPECT_THAT(text, HasSubstr("mbarrier_init(empty + 8 * s, 4);"));
  EXPECT_THAT(text, HasSubstr("mbarrier_init(panel_empty + 8 * s, 8);"));
  EXPECT_THAT(text, HasSubstr("write_sums(sums + 0, thread, 128, "));
  EXPECT_THAT(text, Not(HasSubstr("cluster_wait();")));
  // As many as the teams can share evenly, though 7 fit.
  EXPECT_THAT(fp8_text({BM(64), BN(160), stages(7)}), HasSubstr("// fold, 7 stages"));
  EXPECT_THAT(fp8_text({BM(64), BN(160), fold_teams(2)}), HasSubstr("// fold, 6 stages"));
  // Threads that have said that sums may come wait for the cluster before they leave.
  EXPECT_THAT(fp8_text({BM(64), BN(64), fold_teams(2), split_fold(2)}),
              AllOf(HasSubstr("cluster_arrive();  // sums may come"),
                    HasSubstr("named_barrier_arrive(6, 256);\n        cluster_wait();")));
}

// Where a CTA's only tile has one block of rows and waits for its own promotion, not for memory.
TEST(Lowering, TeamsArePickedWhereOneWarpgroupIsNotEnough) {
  const auto schedule = [](const auto& gemm, std::int64_t m, std::initializer_list<Knob> knobs) {
    const std::string text = gemm.with(knobs).emit({{"M", m}, {"N", 576}, {"K", 7168}});
    return text.substr(0, text.find('\n'));
  };
  const Knob contiguous = tile_pieces(false);  // its scales are many, promotion takes long
  EXPECT_THAT(schedule(fp8_gemm(), 1024, {}), HasSubstr("fold_teams=2"));
  EXPECT_THAT(schedule(fp8_gemm(), 1024, {contiguous}), HasSubstr("fold_teams=3"));
  EXPECT_THAT(schedule(fp8_gemm(), 1, {}), Not(HasSubstr("fold_teams")));
  EXPECT_THAT(schedule(tensor_wise(), 1024, {}), Not(HasSubstr("fold_teams")));
  for (const Knob& knob : {persistent(), ping_pong(), stream_fold(), consumers(1)})
    EXPECT_THAT(schedule(fp8_gemm(), 1024, {contiguous, knob}), Not(HasSubstr("fold_teams")));
}

// The ring of a split fold's 64x144 tiles has 5 stages, which don't hide what their copies take.
TEST(Lowering, SplitFoldsArePickedByTheStagesThatTheyHave) {
  const auto gemm =
      kernels::gemm<bf16, bf16>("bf16_product", kernels::unscaled, kernels::to<bf16>());
  const std::string text = gemm.emit({{"M", 1024}, {"N", 576}, {"K", 7168}});
  EXPECT_THAT(text.substr(0, text.find('\n')),
              AllOf(HasSubstr("BM=64 BN=72"), Not(HasSubstr("split_fold"))));
}

// A lane that polls a barrier polls without rest while others of its warp wait for it, so these
// leave. Of one that isn't elected, ptxas doesn't know that it is alone.
TEST(Lowering, OneElectedLaneAsksForCopies) {
  for (const Knob& knob : {persistent(), persistent(false), split_fold(2)}) {
    const std::string text = fp8_gemm().with({BM(128), BN(64), knob}).emit(kSizes);
    EXPECT_THAT(text, HasSubstr("// bulk copies of dot operands\n      if (!elect_one()) return;"));
    EXPECT_THAT(text, HasSubstr("// panels of small tiles\n      if (!elect_one()) return;"));
  }
}

// One question per tile, not one per pair of columns, and one address.
TEST(Lowering, ScalesOfATileThatIsInsideAreLoadedAtOnce) {
  const std::string text =
      kernels::gemm<e4m3>("row_wise", kernels::per_row_and_column(fast_accumulate),
                          kernels::to<bf16>())
          .with({BM(128), BN(192)})
          .emit(kSizes);
  EXPECT_THAT(text, HasSubstr("_first0 + 192 <= N_dim) {"));
  EXPECT_THAT(text, HasSubstr("_first0 + 128 <= M_dim) {"));
  EXPECT_THAT(text, Not(HasSubstr("+ 2 <= N_dim")));
  // At an edge each is a load under a predicate, not a branch.
  EXPECT_THAT(text, HasSubstr("= load_inside(sb_"));
  EXPECT_THAT(text, HasSubstr("= load_inside(sa_"));
}

// What an element's expression uses twice is a register where the element is stored, or kept; not a
// tile.
TEST(Lowering, ValuesUsedInOnePlaceAreComputedThere) {
  const auto has = [](const std::string& text, const char* pattern) {
    return std::regex_search(text, std::regex(pattern));
  };
  const std::string stored = gemm_bias_gelu().with({BM(128), BN(128)}).emit(kSizes);
  EXPECT_TRUE(has(stored, "const float add_\\d+ = "));
  EXPECT_FALSE(has(stored, "float add_\\d+\\["));
  // Two ends, a largest magnitude and a store: the result is kept, what only it needs is not.
  const std::string kept = kernels::gemm<e4m3>("amax", kernels::scale_1x128_128x128,
                                               kernels::with_amax<bf16>(kernels::gelu))
                               .with({kernels::BM(128), kernels::BN(128)})
                               .emit(kSizes);
  EXPECT_TRUE(has(kept, "float fma_\\d+\\[64\\]"));
  EXPECT_TRUE(has(kept, "power_of_2\\(\\(-fmaf"));
  EXPECT_TRUE(has(kept, "const float min_\\d+ = "));
  EXPECT_FALSE(has(kept, "float min_\\d+\\["));
}

// wgmma reads a column's 16 bytes twice, memcheck takes the second half of K to lie behind the
// first: inside of shared memory, if panels do. Those of 16 trips are swizzled, which takes
// multiples of 512 bytes.
TEST(Lowering, ColumnsOfOuterProductsLieBeforePanels) {
  for (const auto& [m, n, trips, alignment] :
       {std::array{100, 40, 16, 512}, {64, 24, 16, 512}, {128, 104, 4, 128}, {128, 144, 4, 128}}) {
    const std::string text = weight_gradient()
                                 .with({BM(m), BN(n), outer_products()})
                                 .emit({{"M", 132}, {"N", 200}, {"K", 2048}});
    EXPECT_THAT(text, HasSubstr("trip += " + std::to_string(trips) + ")")) << n;
    std::smatch columns, panels;
    ASSERT_TRUE(std::regex_search(text, columns, std::regex("\\(ring_address \\+ (\\d+)\\) / 16")));
    ASSERT_TRUE(std::regex_search(text, panels, std::regex("panels = ring_address \\+ (\\d+);")));
    EXPECT_LE(std::stoi(columns[1]) + 16 * n, std::stoi(panels[1])) << n;
    EXPECT_EQ(std::stoi(panels[1]) % alignment, 0) << n;
  }
}

// Tiles with many scales need more of a consumer's registers than others.
TEST(Lowering, ProducersSpareRegistersForScales) {
  EXPECT_THAT(weight_gradient().with({BM(256), BN(128)}).emit(kSizes),
              HasSubstr("registers_increase<240>();"));
  EXPECT_THAT(fp8_gemm().with({BM(256), BN(128)}).emit(kSizes),
              HasSubstr("registers_increase<224>();"));
}

// So do the widest tiles, which shared memory has the least to carry for; they are not for rows of
// scales that TMA can't bring, or for folds of few trips, as a tile's first product is long.
TEST(Lowering, ProducersSpareRegistersForTheWidestTiles) {
  const auto emit = [](const auto& gemm, std::int64_t m, std::int64_t n, std::int64_t k) {
    return gemm.emit({{"M", m}, {"N", n}, {"K", k}});
  };
  const auto spared = HasSubstr("registers_increase<240>();");
  EXPECT_THAT(emit(fp8_gemm(), 1024, 7168, 16384), AllOf(HasSubstr("BM=128 BN=224"), spared));
  EXPECT_THAT(emit(fp8_gemm(), 8192, 8192, 8192), AllOf(HasSubstr("BM=256 BN=144"), spared));
  EXPECT_THAT(emit(gemm_bias_gelu(), 4096, 24576, 1536), HasSubstr("BM=128 BN=192"));
  EXPECT_THAT(emit(fp8_gemm(), 3000, 6000, 6000), Not(spared));
  EXPECT_THAT(emit(fp8_gemm(), 4096, 7168, 2048), HasSubstr("BM=256 BN=128"));
}

// The second consumer's products come while the first one promotes.
TEST(Lowering, ConsumersThatWaitTogetherGoOnApart) {
  const auto emit = [](const auto& gemm, std::int64_t k, std::initializer_list<Knob> knobs) {
    return gemm.with(knobs).emit({{"M", 4096}, {"N", 4096}, {"K", k}});
  };
  const auto apart = ContainsRegex(" pause\\([0-9]+ \\* warpgroup\\);");
  const std::string text = emit(fp8_gemm(), 7168, {BM(256), BN(128), consumers(2)});
  EXPECT_THAT(text, HasSubstr("stagger_consumers=1"));
  EXPECT_THAT(text, ContainsRegex("if \\(!ready\\) \\{\n *mbarrier_wait\\(full \\+ 8 \\* stage, "
                                  "phase\\);\n *pause\\(256 \\* warpgroup\\);"));
  EXPECT_THAT(text, Not(HasSubstr("if (!ready) mbarrier_wait(")));
  EXPECT_THAT(emit(fp8_gemm(), 2048, {BM(128), BN(192)}), apart);
  EXPECT_THAT(emit(fp8_gemm(), 2048, {BM(128), BN(72)}), Not(apart));
  EXPECT_THAT(emit(fp8_gemm(), 7168, {BM(128), BN(192)}), apart);
  EXPECT_THAT(emit(fp8_gemm(), 7168, {BM(128), BN(72), stagger_consumers()}), apart);
  EXPECT_THAT(emit(gemm_bias_gelu(), 7168, {BM(256), BN(128)}), Not(apart));
  EXPECT_THAT(emit(outer_scaled_gemm(), 7168, {BM(128), BN(136), outer_products()}), apart);
  for (const Knob& knob : {stagger_consumers(false), order_consumers(), stream_fold()})
    EXPECT_THAT(emit(fp8_gemm(), 7168, {BM(256), BN(128), consumers(2), knob}), Not(apart));
  EXPECT_THAT(emit(fp8_gemm(), 2048, {BM(128), BN(128)}), apart);
  for (const Knob& knob : {consumers(1), accumulators(2), ping_pong()})
    EXPECT_THAT(emit(fp8_gemm(), 2048, {BM(128), BN(128), knob}), Not(apart));
}

// One consumer's epilogue comes under another's products then.
TEST(Lowering, ConsumersTakeTurnsAtManyShortFolds) {
  const auto schedule = [](const auto& gemm, std::int64_t m, std::int64_t k,
                           std::initializer_list<Knob> knobs) {
    const std::string text = gemm.with(knobs).emit({{"M", m}, {"N", 32768}, {"K", k}});
    return text.substr(0, text.find('\n'));
  };
  const auto turns = HasSubstr("order_consumers=1");
  EXPECT_THAT(schedule(fp8_gemm(), 1024, 512, {}), turns);
  EXPECT_THAT(schedule(fp8_gemm(), 1024, 512, {BM(128), BN(128)}), turns);
  EXPECT_THAT(schedule(fp8_gemm(), 64, 512, {BM(128), BN(128)}), Not(turns));
  EXPECT_THAT(schedule(fp8_gemm(), 1024, 1536, {}), Not(turns));
  EXPECT_THAT(schedule(tensor_wise(), 1024, 512, {}), Not(turns));
  EXPECT_THAT(schedule(fp8_gemm(), 1024, 512, {order_consumers(false)}), Not(turns));
  for (const Knob& knob : {accumulators(2), persistent(false), consumers(1), stream_fold()})
    EXPECT_THAT(schedule(fp8_gemm(), 1024, 512, {BM(128), BN(128), knob}), Not(turns));
  // Trips that differ from tile to tile leave the other rules alone.
  const auto triangular = kernel(
      "triangular", in<e4m3>("a", M, K), in<e4m3>("b", N, K), in<f32>("sb", N / 128_c, K / 128_c),
      out<bf16>("d", M, N), [](auto a, auto b, auto sb, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto acc = sum(i + 1, [=](auto k) {
            return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sb(BN[j] / 128_c, k);
          });
          return store(d(BM[i], BN[j]), cast<bf16>(acc));
        });
      });
  EXPECT_THAT(schedule(triangular, 1024, 1024, {BM(128), BN(128)}),
              AllOf(HasSubstr("fastest_axis=BN"), Not(turns)));
}

TEST(Lowering, SumsNeedNoZerosBeforeTheFirstProduct) {
  const std::string promoted = fp8_gemm().with({BM(256), BN(128)}).emit(kSizes);
  EXPECT_THAT(promoted, HasSubstr("0f00000000;"));
  EXPECT_THAT(fp8_gemm().with({BM(128), BN(64)}).emit(kSizes), HasSubstr("_zeros["));
  EXPECT_THAT(promoted, HasSubstr("for (int base = begin + 1; base < end; base += 4)"));
  const std::string in_place = tensor_wise().with({BM(128), BN(128)}).emit(kSizes);
  EXPECT_THAT(in_place, HasSubstr("for (int trip = begin + 1; trip < end; ++trip)"));
  // Pieces of a fold begin anywhere.
  EXPECT_THAT(fp8_gemm().with({BM(256), BN(128), stream_fold()}).emit(kSizes),
              AllOf(Not(HasSubstr("_zeros[")), Not(HasSubstr("0f00000000;"))));
}

// Where NVRTC takes long, there are fewer copies of a trip.
TEST(Lowering, ManySumsAndOuterProductsHaveFewCopiesOfATrip) {
  EXPECT_THAT(fp8_text({BM(256), BN(144), producer_registers(24), consumer_registers(240)}),
              HasSubstr("for (int base = begin + 1; base < end; base += 2)"));
  EXPECT_THAT(outer_scaled_gemm().with({BM(128), BN(136), outer_products()}).emit(kSizes),
              AllOf(HasSubstr("for (int base = begin; base < end; base += 4)"),
                    HasSubstr("clear_68<0>();"), Not(HasSubstr("0f00000000;"))));
}

// So there are where an epilogue does.
TEST(Lowering, LongEpiloguesHaveFewTripsPerIteration) {
  const std::string text = gemm_bias_gelu().with({BM(256), BN(128)}).emit(kSizes);
  EXPECT_THAT(text, HasSubstr("for (int base = begin; base < end; base += 2)"));
  EXPECT_THAT(text, Not(HasSubstr("0f00000000;")));
  EXPECT_THAT(gemm_bias_gelu().with({BM(128), BN(64)}).emit(kSizes),
              HasSubstr("for (int base = begin + 1; base < end; base += 4)"));
}

// What ptxas would compute anew in every trip is taken from a shuffle, and the barrier of the stage
// before from the trip before.
TEST(Lowering, TripsOfSumsInPlaceComputeLittle) {
  const std::string two =
      tensor_wise().with({BM(128), BN(256), order_consumers(false)}).emit(kSizes);
  EXPECT_THAT(two, HasSubstr("u32 ring_address = __shfl_sync(~0u, "));
  EXPECT_THAT(two, ContainsRegex(
                       "const u32 full_now = full \\+ 8 \\* stage;\n +mbarrier_wait\\(full_now, "));
  EXPECT_THAT(two, ContainsRegex(
                       "mbarrier_arrive\\(full_before \\+ [0-9]+\\);\n +full_before = full_now;"));
  EXPECT_THAT(two, HasSubstr("#pragma unroll 1\n        for (int trip = begin + 1;"));
  const std::string three = tensor_wise().with({BM(192), BN(176)}).emit(kSizes);
  EXPECT_THAT(three, HasSubstr("#pragma unroll 2\n        for (int trip = begin + 1;"));
  const std::string promoted = fp8_text({BM(192), BN(128)});
  EXPECT_THAT(promoted, Not(HasSubstr("ring_address = __shfl_sync")));
  EXPECT_THAT(promoted, HasSubstr("mbarrier_arrive(empty + 8 * done)"));
}

// Panels of few trips where stages are few; longer ones where many small stages are under way.
TEST(Lowering, PanelsReachAsFarAsStages) {
  EXPECT_THAT(fp8_gemm().with({BM(256), BN(128)}).emit(kSizes), Not(HasSubstr(", column = 0;")));
  EXPECT_THAT(fp8_gemm().with({BM(64), BN(16), accumulators(2)}).emit(kSizes),
              HasSubstr("column += 4;"));
  // As many stages fit, but a tile of one block of rows doesn't ask so far ahead.
  const std::string alone =
      fp8_gemm().with({BM(64), BN(128)}).emit({{"M", 64}, {"N", 4096}, {"K", 4096}});
  EXPECT_THAT(alone, HasSubstr("// fold, 6 stages"));
  EXPECT_THAT(alone, Not(HasSubstr(", column = 0;")));
}

// Rows of 16 bytes would be as many requests by TMA; long ones cost threads more.
TEST(Lowering, ShortRowsOfScalesAreTransposed) {
  const auto emit = [](std::int64_t k, std::initializer_list<Knob> knobs) {
    return fp8_gemm().with(knobs).emit({{"M", 4096}, {"N", 4096}, {"K", k}});
  };
  EXPECT_THAT(emit(512, {BM(128), BN(128)}), HasSubstr("load_rows<128, 64>("));
  EXPECT_THAT(emit(512, {}), HasSubstr("put_rows<"));
  EXPECT_THAT(emit(512, {BM(128), BN(128), transpose_panels(false)}), Not(HasSubstr("_rows<")));
  EXPECT_THAT(emit(4096, {BM(128), BN(128)}), Not(HasSubstr("_rows<")));
  EXPECT_THAT(emit(4096, {BM(128), BN(128), transpose_panels()}), HasSubstr("load_rows<128, 64>("));
  // Rows that aren't 16-byte aligned are gathered, and a stage is free once they were read.
  const std::string gathered = emit(384, {BM(128), BN(128)});
  EXPECT_THAT(gathered, Not(HasSubstr("_rows<")));
  EXPECT_TRUE(std::regex_search(
      gathered, std::regex("bits \\|= bits_of\\(sa_\\d+\\[i\\]\\);\\s+"
                           "mbarrier_arrive\\(empty \\+ 8 \\* done \\+ \\(bits & nothing\\)\\);")));
}

// A warp splits the columns' scales, one more arrival on a full stage; consumers read those of
// rows.
TEST(Lowering, OuterProductsComeFromTheTensorCore) {
  const auto gemm = outer_scaled_gemm().with({BM(128), BN(64)});
  const std::string with = gemm.with({outer_products()}).emit(kSizes), without = gemm.emit(kSizes);
  for (const char* text :
       {"wgmma_outer_n64<0>(mul_", "put_column(to + 512 * i, values[2 * i], values[2 * i + 1]);",
        "mbarrier_init(full + 8 * s, 2);", "mbarrier_init(panel_empty + 8 * s, 9);",
        "if (warp == 10) {  // columns of outer products"}) {
    EXPECT_THAT(with, HasSubstr(text));
    EXPECT_THAT(without, Not(HasSubstr(text)));
  }
  EXPECT_THAT(without, ContainsRegex("sb_[0-9]+_next"));
  EXPECT_THAT(with, Not(ContainsRegex("sb_[0-9]+_next")));
}

// Of 100 rows, the tensor core's blocks make 128: threads read scales of rows that aren't there.
TEST(Lowering, PanelsHaveRoomForRowsThatPadATile) {
  const int bytes = 512 + 16 * 4 * 128;  // scales of B; 16 trips of 128 rows
  EXPECT_THAT(fp8_gemm().with({BM(100), BN(100)}).emit(kSizes),
              HasSubstr("slot * " + std::to_string(bytes)));
}

TEST(Lowering, PingPongHandsOnTheTurnOncePerTile) {
  const std::string text = fp8_gemm().with({BM(128), BN(128), ping_pong()}).emit(kSizes);
  EXPECT_THAT(text, HasSubstr("if (team == 1) named_barrier_arrive(4, 256);"));
  EXPECT_THAT(text, HasSubstr("named_barrier_sync(4 + team, 256);\n"));
  EXPECT_THAT(text, HasSubstr("named_barrier_arrive(4 + (team + 1) % 2, 256);"));
  EXPECT_THAT(fp8_gemm().with({BM(128), BN(128)}).emit(kSizes), Not(HasSubstr("team")));
}

// The next team's first product queues behind the last one, which nobody waits for until then.
TEST(Lowering, TeamsWithSumsInPlaceHandOnTheTurnUnderTheirLastProduct) {
  const auto hands_on_early = ContainsRegex(
      "}\n *named_barrier_arrive\\(4 \\+ \\(team \\+ 1\\) % 2, 256\\);.*\n *wgmma_wait<0>\\(\\);");
  const std::string text = tensor_wise().with({BM(128), BN(128), ping_pong()}).emit(kSizes);
  EXPECT_THAT(text, hands_on_early);
  // Without trips, too.
  EXPECT_THAT(text, ContainsRegex("} else \\{\n *\\{\n *named_barrier_arrive\\(4 "));
  EXPECT_THAT(fp8_gemm().with({BM(128), BN(128), ping_pong()}).emit(kSizes), Not(hands_on_early));
}

// Each consumer multiplies a tile's last trips by itself, and its epilogue comes under the others'
// products. Where CTAs have few tiles each, or the epilogue is long.
TEST(Lowering, ConsumersWithSumsInPlaceEndATileInTurn) {
  const std::string text = tensor_wise().with({BM(192), BN(176), order_consumers()}).emit(kSizes);
  EXPECT_THAT(text,
              HasSubstr("int turn = end - begin >= 4 && warpgroup > 0 ? end - 3 : begin - 1;"));
  EXPECT_THAT(text,
              ContainsRegex("if \\(trip == turn\\) \\{[^\n]*\n *wgmma_wait<0>\\(\\);\n *if \\(lane "
                            "== 0\\) mbarrier_arrive\\(full_before \\+ 32\\);\n *"
                            "named_barrier_sync\\(12 \\+ warpgroup, 256\\);"));
  EXPECT_THAT(text, HasSubstr("if (end - begin >= 4 && warpgroup + 1 < 3) "
                              "named_barrier_arrive(13 + warpgroup, 256);"));
  EXPECT_THAT(text, Not(HasSubstr("named_barrier_sync(2 + ")));
  const auto schedule = [](const auto& gemm, std::int64_t m, std::initializer_list<Knob> knobs) {
    const std::string all = gemm.with(knobs).emit({{"M", m}, {"N", 4096}, {"K", 4096}});
    return all.substr(0, all.find('\n'));
  };
  const auto turns = HasSubstr("order_consumers=1");
  EXPECT_THAT(schedule(tensor_wise(), 4224, {BM(128), BN(256)}), turns);
  EXPECT_THAT(schedule(tensor_wise(), 4225, {BM(128), BN(256)}), Not(turns));
  EXPECT_THAT(schedule(tensor_wise(), 1024, {BM(128), BN(256)}), Not(turns));  // one tile each
  for (const Knob& knob : {order_consumers(false), persistent(false)})
    EXPECT_THAT(schedule(tensor_wise(), 4224, {BM(128), BN(256), knob}), Not(turns));
  EXPECT_THAT(schedule(tensor_wise(), 2048, {BM(128), BN(128), ping_pong()}), Not(turns));
  EXPECT_THAT(schedule(tensor_wise_gelu(), 8192, {BM(128), BN(224)}), turns);
  EXPECT_THAT(schedule(tensor_wise_gelu(), 4224, {BM(128), BN(256)}), Not(turns));  // would spill
}

// An epilogue that runs under another tile's products pays where folds are short. Sums that are
// promoted leave the tensor core idle when one team has it alone.
TEST(Lowering, ShortFoldsInPlaceTakeTurns) {
  const ProblemSizes short_fold = {{"M", 4096}, {"N", 24576}, {"K", 1536}},
                     one_tile = {{"M", 1024}, {"N", 576}, {"K", 7168}};
  EXPECT_THAT(tensor_scaled_gemm().emit(short_fold), HasSubstr("team"));
  EXPECT_THAT(tensor_scaled_gemm().emit(one_tile), Not(HasSubstr("team")));
  EXPECT_THAT(fp8_gemm().emit(short_fold), Not(HasSubstr("team")));
}

}  // namespace
}  // namespace octile::test
