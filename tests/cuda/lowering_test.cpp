// Decisions of the lowering that show in the emitted text: how long lines stay in the L2, how
// results are staged, whose turn it is.
#include <gmock/gmock.h>

#include "octile/kernels/gemm.hpp"
#include "octile/tests/cuda/kernels.hpp"

namespace octile::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

const ProblemSizes kSizes = {{"M", 4096}, {"N", 4096}, {"K", 4096}};

auto tensor_wise() {
  return kernels::gemm<e4m3>("tensor_wise", kernels::per_tensor(fast_accumulate),
                             kernels::to<bf16>());
}

auto weight_gradient() {
  return kernels::gemm<e4m3>("weight_gradient", kernels::scale_1x128_1x128,
                             kernels::accumulate<f32>());
}

// The number of rows of the other operand's tiles is known at the launch.
TEST(Lowering, OperandsOfFewReadersAreEvictedFirst) {
  const std::string text = fp8_gemm().with({BM(64), BN(64)}).emit(kSizes);
  EXPECT_THAT(text, HasSubstr("policy_0 = tiles_1 <= 2 ? kEvictFirst : kEvictNormal;"));
  EXPECT_THAT(text, HasSubstr("policy_1 = tiles_0 <= 2 ? kEvictFirst : kEvictNormal;"));
}

TEST(Lowering, StagingInPartsMakesRoomForAStage) {
  const auto emit = [](std::initializer_list<Knob> knobs) {
    return tensor_wise().with(knobs).emit(kSizes);
  };
  EXPECT_THAT(emit({BM(128), BN(256)}), HasSubstr("// fold, 4 stages"));
  EXPECT_THAT(emit({BM(128), BN(256)}), HasSubstr("tma_store_wait_read<1>()"));
  EXPECT_THAT(emit({BM(128), BN(256), epilogue_overlap()}), HasSubstr("// fold, 3 stages"));
  EXPECT_THAT(emit({BM(128), BN(256), epilogue_overlap()}),
              Not(HasSubstr("tma_store_wait_read<1>()")));
  // A whole tile costs no stage that is missed.
  EXPECT_THAT(emit({BM(128), BN(128)}), Not(HasSubstr("tma_store_wait_read<1>()")));
}

TEST(Lowering, ATileThatIsAddedToIsBroughtUnderTheFold) {
  const auto emit = [](std::initializer_list<Knob> knobs) {
    return weight_gradient().with(knobs).emit(kSizes);
  };
  EXPECT_THAT(emit({BM(128), BN(128)}), HasSubstr("mbarrier_wait(staged_full"));
  // Nowhere to bring it to; or another CTA's piece may be the one that is stored.
  for (const Knob& knob : {tma_store(false), split_fold(2), stream_fold()}) {
    const std::string text = emit({BM(128), BN(128), knob});
    EXPECT_THAT(text, Not(HasSubstr("staged_full")));
    EXPECT_THAT(text, AnyOf(HasSubstr("d_p + i0"), HasSubstr("d_p[i0")));
  }
}

TEST(Lowering, PingPongHandsOnTheTurnOncePerTile) {
  const std::string text = fp8_gemm().with({BM(128), BN(128), ping_pong()}).emit(kSizes);
  EXPECT_THAT(text, HasSubstr("if (team == 1) named_barrier_arrive(4, 256);"));
  EXPECT_THAT(text, HasSubstr("named_barrier_sync(4 + team, 256);\n"));
  EXPECT_THAT(text, HasSubstr("named_barrier_arrive(4 + (team + 1) % 2, 256);"));
  EXPECT_THAT(fp8_gemm().with({BM(128), BN(128)}).emit(kSizes), Not(HasSubstr("team")));
}

}  // namespace
}  // namespace octile::test
