#include "octile/runtime/tensor.hpp"

#include "support.hpp"

namespace octile {
namespace {

using test::error_of;

TEST(HostTensor, RoundTripsFloats) {
  Tensor t = Tensor::empty<f32>(Place::host, {2, 3});
  t.copy_from(std::vector<float>{1, 2, 3, 4, 5, 6});
  EXPECT_EQ(t.to_floats(), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(t.size_bytes(), 24u);
}

TEST(HostTensor, EncodesToTheElementType) {
  Tensor t = Tensor::empty<e4m3>(Place::host, {4});
  t.copy_from(std::vector<float>{1.0f, 1000.0f, -0.0625f, 17.0f});
  // 17 is halfway between 16 and 18 and goes to the even mantissa.
  EXPECT_EQ(t.to_floats(), (std::vector<float>{1.0f, 448.0f, -0.0625f, 16.0f}));
  EXPECT_EQ(std::to_integer<int>(t.to_bytes()[0]), 0x38);
}

TEST(HostTensor, KeepsGapsBetweenStrides) {
  Tensor t = Tensor::empty(Place::host, ElementType::u8, {2, 2}, {5, 2});
  t.fill_bytes(0xEE);
  t.copy_from(std::vector<float>{1, 2, 3, 4});
  std::vector<int> bytes;
  for (const std::byte b : t.to_bytes()) bytes.push_back(std::to_integer<int>(b));
  EXPECT_EQ(bytes, (std::vector<int>{1, 0xEE, 2, 0xEE, 0xEE, 3, 0xEE, 4}));
}

TEST(HostTensor, ReadsColumnMajorByIndex) {
  Tensor t = Tensor::empty(Place::host, ElementType::f32, {2, 3}, {1, 2});
  t.copy_from(std::vector<float>{1, 2, 3, 4, 5, 6});
  EXPECT_EQ(t.to_floats(), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(static_cast<float*>(t.data())[1], 4.0f);
}

TEST(HostTensor, CopiesShareMemoryAndHostCopiesDont) {
  Tensor t = Tensor::zeros(Place::host, ElementType::f32, {1});
  const Tensor shared = t;
  const Tensor separate = t.to_host();
  t.copy_from(std::vector<float>{9});
  EXPECT_EQ(shared.to_floats()[0], 9);
  EXPECT_EQ(separate.to_floats()[0], 0);
}

TEST(HostTensor, MayBeEmpty) {
  const Tensor t = Tensor::zeros(Place::host, ElementType::f32, {0, 4});
  EXPECT_TRUE(t.to_floats().empty());
  EXPECT_EQ(t.data(), nullptr);
}

TEST(HostTensor, RefusesWrongSizes) {
  Tensor t = Tensor::empty<f32>(Place::host, {4});
  EXPECT_EQ(error_of(ErrorCode::user, [&] { t.copy_from(std::vector<float>(3)); }),
            "Tensor::copy_from: expected 4 values, got 3; pass the whole tensor's data");
  EXPECT_EQ(
      error_of(ErrorCode::user, [] { Tensor::empty<f32>(Place::host, {-2}); }),
      "Tensor::empty: expected extents of at least 0, got -2; pass the number of elements per "
      "dimension");
  EXPECT_EQ(error_of(ErrorCode::user, [] { Tensor::empty<f32>(Place::any, {2}); }),
            "Tensor::empty: expected Place::host or Place::device, got Place::any; say where the "
            "memory is to be");
}

}  // namespace
}  // namespace octile
