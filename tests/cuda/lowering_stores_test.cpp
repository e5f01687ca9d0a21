// Decisions of the lowering about stores, in the emitted text: how results are staged, where, and
// who sends them off.
#include <gmock/gmock.h>

#include <regex>

#include "octile/tests/cuda/lowering.hpp"

namespace octile::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Lowering, StagingInPartsMakesRoomForAStage) {
  const auto emit = [](std::initializer_list<Knob> knobs) {
    return tensor_wise().with(knobs).emit(kSizes);
  };
  EXPECT_THAT(emit({BM(128), BN(256)}), HasSubstr("// fold, 4 stages"));
  EXPECT_THAT(emit({BM(128), BN(256), stores_apart(false)}), HasSubstr("tma_store_wait_read<2>()"));
  EXPECT_THAT(emit({BM(128), BN(256), epilogue_overlap()}), HasSubstr("// fold, 3 stages"));
  EXPECT_THAT(emit({BM(128), BN(256), epilogue_overlap()}),
              Not(HasSubstr("tma_store_wait_read<2>()")));
  // A whole tile costs no stage that is missed.
  EXPECT_THAT(emit({BM(128), BN(128)}), Not(HasSubstr("tma_store_wait_read<2>()")));
  // Of 64, 32, 64 and 16 columns, every second one needs half of the room.
  const std::string narrow = emit({BM(192), BN(176)});
  EXPECT_THAT(narrow, HasSubstr("// fold, 4 stages"));
  EXPECT_THAT(narrow, HasSubstr("+ warpgroup * 12288;"));
  EXPECT_THAT(narrow, HasSubstr("tma_store_2d(map_3, staging + 8192, int((grid_1 * 176ll) + 64)"));
  EXPECT_THAT(narrow, HasSubstr("tma_store_2d(map_2, staging + 0, int((grid_1 * 176ll) + 96)"));
}

// ptxas takes out of proportion long for an epilogue of thousands of instructions in one basic
// block: it ends at each part, or after so many elements of a tile that is staged as a whole.
TEST(Lowering, LongEpiloguesEndBasicBlocks) {
  const auto emit = [](const auto& gemm, std::initializer_list<Knob> knobs) {
    const std::string text = gemm.with(knobs).emit(kSizes);
    return text.substr(text.find("__global__"));
  };
  EXPECT_THAT(emit(tensor_wise_gelu(), {BM(128), BN(160), ping_pong()}),
              ContainsRegex("u32 to = shared_address\\(staging\\);\n *end_block\\(\\);"));
  EXPECT_THAT(emit(tensor_wise_gelu(), {BM(128), BN(128)}),
              HasSubstr("if (BN_i8_pair % 2 == 0) end_block();"));
  EXPECT_THAT(emit(tensor_wise(), {BM(128), BN(128)}), Not(HasSubstr("end_block")));
  // A few elements.
  EXPECT_THAT(emit(tensor_wise_gelu(), {BM(64), BN(16)}), Not(HasSubstr("end_block")));
}

// All slots are free when a store begins, so the last part's is waited for.
TEST(Lowering, PartsOfAnyNumberTakeTurns) {
  const std::string text = tensor_wise()
                               .with({BM(128), BN(192), epilogue_overlap(false), order_consumers()})
                               .emit(kSizes);
  const std::string free =
      "for \\(int w = 0; w < 2; \\+\\+w\\) mbarrier_arrive\\(store_free \\+ 8 "
      "\\* \\(2 \\* w \\+ ";
  EXPECT_THAT(text, HasSubstr("for (int s = 0; s < 4; ++s) mbarrier_arrive(store_free + 8 * s);"));
  EXPECT_THAT(text, ContainsRegex("192ll\\) \\+ 128\\)[^}]*}\n *store_phases \\^= 1;\n *"
                                  "tma_store_wait_read<2>\\(\\);\n *" +
                                  free + "1\\)\\);\n *tma_store_wait_read<0>\\(\\);\n *" + free +
                                  "0\\)\\);"));
}

// Apart, no consumer waits for another's copies, for each has a warp that sends off its parts or,
// where the producer's have something else to do, does it by itself. From the third on, parts don't
// wait at all: the ring lends them the stage of the tile's last trip or, without such warps, has
// room for those of a CTA's last tile.
TEST(Lowering, ConsumersStoreApart) {
  const auto gemm = tensor_wise().with({BM(128), BN(256)});
  const auto gradient = weight_gradient().with({BM(128), BN(136), outer_products()});
  const auto count = [](const std::string& text, const char* pattern) {
    const std::regex regex(pattern);
    return std::distance(std::sregex_iterator(text.begin(), text.end(), regex), {});
  };
  const std::string apart = gemm.with({stores_apart(), order_consumers(false)}).emit(kSizes);
  EXPECT_THAT(apart, AllOf(HasSubstr("const int w = warp - 10;"),
                           HasSubstr("staging = ring + lent * 49152 + 0 + warpgroup * 16384;"),
                           HasSubstr("staging = ring_address + lent * 49152 + 0 + w * 16384;"),
                           HasSubstr("stage = (stage + end - begin) % 4;"),
                           HasSubstr("bool is_lent = tile >= int(gridDim.x);"),
                           HasSubstr("if (is_lent && stage == lent) {"),
                           HasSubstr("mbarrier_init(returned, 2);")));
  EXPECT_EQ(count(apart, "mbarrier_wait\\(empty \\+ 8 \\* lent, "), 1);
  EXPECT_EQ(count(apart, "const int lent = stage < 1 \\? 3 : stage - 1;"), 3);
  EXPECT_THAT(apart,
              ContainsRegex("store_phases \\^= 2;\n *tma_store_wait_read<3>\\(\\);\n.*w \\+ 0\\)"
                            "\\);\n *tma_store_wait_read<2>\\(\\);\n.*w \\+ 1\\)\\);\n *"
                            "tma_store_wait_read<0>\\(\\);\n *mbarrier_arrive\\(returned\\);"));
  // Five parts, of which the last has a place behind the third and fourth.
  const std::string threads = gradient.with({stores_apart()}).emit(kSizes);
  EXPECT_THAT(threads, AllOf(HasSubstr("staging = ring + (last ? 0 : "),
                             HasSubstr("staging = ring + (last ? 32768 : "),
                             HasSubstr("if (thread % 128 == 0) tma_store_wait_read<1>();"),
                             Not(HasSubstr("store_free"))));
  EXPECT_EQ(count(threads, "if \\(last\\) mbarrier_wait\\(empty \\+ 8 \\* \\(stage < 1 \\? "), 1);
  // Of six parts, the stage has room for one turn of two, the ring for both.
  const std::string six =
      fp8_gemm().with({BM(256), BN(112), consumers(2), stores_apart()}).emit(kSizes);
  EXPECT_THAT(six, AllOf(HasSubstr("(last ? "), HasSubstr("store_free"), Not(HasSubstr("lent"))));
  EXPECT_THAT(gemm.with({stores_apart(), cluster(2, BM)}).emit(kSizes),
              AllOf(Not(HasSubstr("last ?")), Not(HasSubstr("lent"))));
  // Where registers are short, there is none for the place of the stage.
  EXPECT_THAT(tensor_wise_gelu().with({BM(128), BN(256), stores_apart()}).emit(kSizes),
              AllOf(HasSubstr("(last ? 0 : 196608)"), Not(HasSubstr("lent"))));
  const auto narrow = tensor_wise_gelu().with({BM(192), BN(176), stores_apart()});
  EXPECT_THAT(narrow.with({order_consumers(false)}).emit(kSizes), HasSubstr("lent * 47104"));
  // Consumers that end a tile in turn would wait for those that still read the stage.
  EXPECT_THAT(narrow.with({order_consumers()}).emit(kSizes),
              AllOf(Not(HasSubstr("last ?")), Not(HasSubstr("lent"))));
  for (const auto& all : {gemm.with({stores_apart(false)}).emit(kSizes),
                          gradient.with({stores_apart(false)}).emit(kSizes)}) {
    EXPECT_THAT(all, AllOf(Not(HasSubstr("last ?")), HasSubstr("if (warp == 11) {  // stores"),
                           HasSubstr("tma_store_wait_read<2>()")));
  }
}

// So do parts that one warp sends off for all, as many as the stage has room for: of five, the last
// one has the first one's slot again, once that was read. Not of four that TMA adds.
TEST(Lowering, AStageIsLentToPartsOfAllConsumers) {
  const auto emit = [](const auto& gemm, std::initializer_list<Knob> knobs) {
    return gemm.with(knobs).emit({{"M", 8192}, {"N", 8192}, {"K", 4096}});
  };
  const auto gradient = [&](int columns) {
    return emit(weight_gradient(), {BM(128), BN(columns), outer_products()});
  };
  const auto frees = [](const std::string& read, int slot, const char* why = "") {
    return read +
           "for \\(int w = 0; w < 2; \\+\\+w\\) mbarrier_arrive\\(store_free \\+ 8 \\* \\(2 " +
           "\\* w \\+ " + std::to_string(slot) + "\\)\\);" + why + "\n *";
  };
  const auto once_read = [](int pending) {
    return "tma_store_wait_read<" + std::to_string(pending) + ">\\(\\);\n *";
  };
  const std::string five = gradient(136);
  EXPECT_THAT(five, HasSubstr("staging = ring_address + lent * 33792 + 0 + w * 16384;"));
  EXPECT_THAT(five, HasSubstr("staging = ring + lent * 33792 + 0 + warpgroup * 16384;"));
  const char* const own = "  // has its own room";
  const std::string sent = "\\^= [12];\n *";
  for (const std::string& text :
       {sent + frees("", 0, own), sent + frees("", 1, own), sent + frees(once_read(4), 0),
        sent + frees(once_read(6), 1) + once_read(2) + "mbarrier_arrive\\(returned\\);\n *" +
            frees(once_read(0), 0)})
    EXPECT_TRUE(std::regex_search(five, std::regex(text))) << text;
  EXPECT_THAT(gradient(128), Not(HasSubstr("lent")));
  EXPECT_THAT(emit(tensor_wise(), {BM(128), BN(256)}), HasSubstr("lent * 49152 + 0 + w * 16384"));
}

// Where CTAs have four tiles at most.
TEST(Lowering, ConsumersOfFewTilesStoreApart) {
  const auto emit = [](const auto& gemm, std::int64_t m) {
    return gemm.emit({{"M", m}, {"N", 4096}, {"K", 4096}});
  };
  const auto apart = HasSubstr("stores_apart=1]");
  EXPECT_THAT(emit(tensor_wise().with({BM(128), BN(256)}), 4224), apart);
  EXPECT_THAT(emit(tensor_wise().with({BM(128), BN(256)}), 4225), Not(apart));
  // Of whole tiles there is nothing to wait for, and of one tile, no other one.
  EXPECT_THAT(emit(tensor_wise().with({BM(128), BN(128)}), 1024), Not(apart));
  EXPECT_THAT(emit(tensor_wise().with({BM(128), BN(256)}), 1024), Not(apart));
}

// Nobody loads what a sum is stored over, unless another CTA's piece may be the one that is stored.
TEST(Lowering, TmaAddsToWhatIsThere) {
  const auto emit = [](std::initializer_list<Knob> knobs) {
    return weight_gradient().with(knobs).emit(kSizes);
  };
  const std::string text = emit({BM(128), BN(128)});
  EXPECT_THAT(text, HasSubstr("tma_add_2d(map_"));
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("d_p + i0"), HasSubstr("d_p[i0"))));
  // Without a tile to wait for, staging in parts makes room for stages.
  EXPECT_THAT(emit({BM(256), BN(96)}), HasSubstr("// fold, 4 stages"));
  for (const Knob& knob : {tma_store(false), split_fold(2), stream_fold()}) {
    const std::string other = emit({BM(128), BN(128), knob});
    EXPECT_THAT(other, Not(HasSubstr("tma_add_2d(map_")));
    EXPECT_THAT(other, AnyOf(HasSubstr("d_p + i0"), HasSubstr("d_p[i0")));
  }
}

TEST(Lowering, ATileThatIsComputedFromIsBroughtUnderTheFold) {
  const auto halved = kernel(
      "halved", in<e4m3>("a", M, K), in<e4m3>("b", N, K), inout<f32>("d", M, N),
      [](auto a, auto b, auto d) {
        return grid(M / BM, N / BN, [=](auto i, auto j) {
          auto sums = sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
          return store(d(BM[i], BN[j]), d(BM[i], BN[j]) * 0.5f + sums);
        });
      });
  const auto emit = [&](std::initializer_list<Knob> knobs) {
    return halved.with(knobs).emit(kSizes);
  };
  EXPECT_THAT(emit({BM(128), BN(128)}), HasSubstr("mbarrier_wait(staged_full"));
  for (const Knob& knob : {tma_store(false), split_fold(2), stream_fold()})
    EXPECT_THAT(emit({BM(128), BN(128), knob}), Not(HasSubstr("staged_full")));
}

// Where a CTA has one tile, what it stores takes the place of the ring, part by part.
TEST(Lowering, TheOnlyTileIsStagedInTheRing) {
  const auto emit = [](std::int64_t m, std::initializer_list<Knob> knobs) {
    return tensor_wise()
        .with({BM(128), BN(144)})
        .with(knobs)
        .emit({{"M", m}, {"N", 576}, {"K", 7168}});
  };
  const auto in_ring = AllOf(HasSubstr("// fold, 6 stages"), HasSubstr("staging = ring + 0 +"),
                             HasSubstr("tile = blockIdx.x / 1;"));
  const auto apart = AllOf(HasSubstr("// fold, 5 stages"), HasSubstr("staging = ring + 174080 +"));
  EXPECT_THAT(emit(33 * 128, {}), AllOf(in_ring, HasSubstr("persistent=0]")));
  EXPECT_THAT(emit(33 * 128, {persistent(false), epilogue_overlap(false)}), in_ring);
  EXPECT_THAT(emit(33 * 128 + 1, {}), AllOf(apart, Not(HasSubstr("persistent=0"))));
  EXPECT_THAT(emit(33 * 128, {persistent()}), apart);
  EXPECT_THAT(emit(33 * 128, {persistent(false), epilogue_overlap()}), apart);
  // Where registers are short, a store warp finds the tile's place.
  const ProblemSizes one_wave = {{"M", 2048}, {"N", 2048}, {"K", 4096}};
  const auto alone = HasSubstr("persistent=0");
  EXPECT_THAT(fp8_gemm().with({BM(256), BN(128)}).emit(one_wave), alone);
  EXPECT_THAT(
      weight_gradient().with({BM(128), BN(128)}).emit({{"M", 1024}, {"N", 2048}, {"K", 4096}}),
      alone);
  EXPECT_THAT(weight_gradient().with({BM(256), BN(128)}).emit(one_wave), Not(alone));
  EXPECT_THAT(fp8_gemm().with({BM(192), BN(128)}).emit(one_wave), Not(alone));
  const std::string text = emit(128, {});
  for (const char* part :
       {"staging + 0, int(mul", "staging + 8192, int(mul", "staging + 16384, int(mul"})
    EXPECT_THAT(text, HasSubstr(part));
}

// 176 columns are 352 bytes: two parts of 128 bytes, and what is left in fewer and fewer.
TEST(Lowering, RowsAreStoredInAsFewPartsAsMakeThemUp) {
  const std::string text = fp8_text({BM(128), BN(176), epilogue_overlap(), tile_pieces(false)});
  for (const char* part :
       {"swizzled_offset<128>(row, thread", "swizzled_offset<64>(row, thread",
        "swizzled_offset<32>(row, thread", "staging + 16384, int((grid_1 * 176ll) + 128)",
        "staging + 20480, int((grid_1 * 176ll) + 160)"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("int((grid_1 * 176ll) + 168)")));
  EXPECT_THAT(fp8_text({BM(64), BN(72), tile_pieces(false)}),
              HasSubstr("staging + 8192, int((grid_1 * 72ll) + 64)"));
}

// Of 176 columns, 128 are staged as two parts and 48 as two narrower ones.
TEST(Lowering, StagingLoopsOverNothingButItsColumns) {
  const std::string text = tensor_wise().with({kernels::BM(128), kernels::BN(176)}).emit(kSizes);
  for (const char* columns :
       {"0; BN_i8_pair < 4;", "4; BN_i8_pair < 8;", "8; BN_i8_pair < 10;", "10; BN_i8_pair < 11;"})
    EXPECT_THAT(text, HasSubstr(std::string("BN_i8_pair = ") + columns));
  EXPECT_THAT(text, Not(HasSubstr("if (byte")));
}

// Where groups of 96 columns end inside of a part of 128 bytes, a loop also has what isn't its own,
// and leaves that out.
TEST(Lowering, StagingLoopsLeaveOutOtherColumns) {
  const std::string text = amax_of_96().with({BM(128), BN(192)}).emit(kSizes);
  EXPECT_THAT(text, AllOf(HasSubstr("if (byte < 0 || byte >= 128) continue;"),
                          Not(HasSubstr("if (byte < 128"))));
}

TEST(Lowering, AnIdleWarpSendsOffTilesWhereThereIsANextOne) {
  const std::string text = fp8_text({BM(128), BN(128)});
  EXPECT_THAT(text, HasSubstr("if (warp == 11) {  // stores"));
  EXPECT_THAT(text, HasSubstr("mbarrier_arrive(store_full"));
  EXPECT_THAT(text, Not(HasSubstr("if (thread % 128 == 0) tma_store_wait_read")));
  for (const Knob& knob : {persistent(false), ping_pong(), stream_fold()}) {
    const std::string other = fp8_text({BM(128), BN(128), knob});
    EXPECT_THAT(other, Not(HasSubstr("store_full")));
    EXPECT_THAT(other, HasSubstr("if (thread % 128 == 0) tma_store_wait_read"));
  }
}

// A bulk copy may be under way when the tile is read again.
TEST(Lowering, ATileThatIsReadAgainIsNotStoredInBulk) {
  const auto twice = [](bool again) {
    return kernel("twice", in<e4m3>("a", M, K), in<e4m3>("b", N, K), inout<f32>("d", M, N),
                  out<f32>("e", M, N),
                  [again](auto a, auto b, auto d, auto e) {
                    return grid(M / BM, N / BN, [=](auto i, auto j) {
                      auto sums = sum(
                          K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
                      auto first = store(d(BM[i], BN[j]), sums);
                      return again ? stores(first, store(e(BM[i], BN[j]), d(BM[i], BN[j]) + 1.0f))
                                   : stores(first, store(e(BM[i], BN[j]), sums + 1.0f));
                    });
                  })
        .with({BM(128), BN(64)})
        .emit(kSizes);
  };
  EXPECT_THAT(twice(false), HasSubstr("// store d through shared memory"));
  EXPECT_THAT(twice(true), Not(HasSubstr("// store d through shared memory")));
  EXPECT_THAT(twice(true), HasSubstr("// store e through shared memory"));
}

}  // namespace
}  // namespace octile::test
