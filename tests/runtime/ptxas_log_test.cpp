#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octile/runtime/nvrtc.hpp"

namespace octile::runtime {
namespace {

TEST(PtxasLog, ReadsTheEntrysReport) {
  const PtxasReport r = parse_ptxas_log(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'k' for 'sm_90a'\n"
      "ptxas info    : Function properties for k\n"
      "ptxas         .     256 bytes stack frame, 48 bytes spill stores, 52 bytes spill loads\n"
      "ptxas info    : Used 168 registers, used 9 barriers, 256 bytes cumulative stack size, 512 "
      "bytes smem\n"
      "ptxas info    : Compile time = 0.426 ms\n",
      "k");
  EXPECT_EQ(r.registers, 168);
  EXPECT_EQ(r.spill_store_bytes, 48);
  EXPECT_EQ(r.spill_load_bytes, 52);
  EXPECT_EQ(r.stack_bytes, 256);
  EXPECT_EQ(r.shared_bytes, 512);
  EXPECT_EQ(r.barriers, 9);
  EXPECT_TRUE(r.spills());
  EXPECT_TRUE(r.warnings.empty());
  EXPECT_FALSE(r.wgmma_serialized);
}

TEST(PtxasLog, LeavesOtherFunctionsOut) {
  const PtxasReport r = parse_ptxas_log(
      "ptxas info    : Compiling entry function 'kernel_b' for 'sm_90a'\n"
      "ptxas info    : Function properties for kernel_b\n"
      "    0 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads\n"
      "ptxas info    : Used 99 registers\n"
      "ptxas info    : Compiling entry function 'kernel' for 'sm_90a'\n"
      "ptxas info    : Function properties for kernel\n"
      "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 32 registers\n"
      "ptxas info    : Function properties for helper\n"
      "    64 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads\n",
      "kernel");
  EXPECT_EQ(r.registers, 32);
  EXPECT_FALSE(r.spills());
  EXPECT_EQ(r.stack_bytes, 0);
}

TEST(PtxasLog, SeesSerializedWgmma) {
  const PtxasReport r = parse_ptxas_log(
      "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are "
      "serialized due to insufficient register resources for the wgmma pipeline in function 'k'\n"
      "k.cu(3): warning #177-D: variable \"x\" was declared but never referenced\n",
      "k");
  EXPECT_TRUE(r.wgmma_serialized);
  ASSERT_EQ(r.warnings.size(), 2u);
  EXPECT_THAT(r.warnings[0], testing::HasSubstr("C7510"));
}

}  // namespace
}  // namespace octile::runtime
