#include "octile/runtime/tensor_view.hpp"
#include "support.hpp"

namespace octile {
namespace {

using test::error_of;

TEST(View, IsRowMajorByDefault) {
  float data[24] = {};
  const TensorView v = view(data, {2, 3, 4});
  EXPECT_EQ(v.element, ElementType::f32);
  EXPECT_EQ(v.strides, (Dims{12, 4, 1}));
  EXPECT_EQ(v.element_count(), 24);
  EXPECT_EQ(v.span_elements(), 24);
  EXPECT_EQ(v.place, Place::any);
  EXPECT_FALSE(v.read_only);
}

TEST(View, TakesStridesTagsAndConst) {
  const unsigned char data[100] = {};
  const TensorView v = view<e4m3>(static_cast<const void*>(data), {3, 5}, {32, 2}, Place::host);
  EXPECT_EQ(v.element, ElementType::e4m3);
  EXPECT_EQ(v.span_elements(), 2 * 32 + 4 * 2 + 1);
  EXPECT_TRUE(v.read_only);
  EXPECT_EQ(v.place, Place::host);
}

TEST(View, EmptyTensorsSpanNothing) {
  EXPECT_EQ(view(static_cast<float*>(nullptr), {4, 0}).span_elements(), 0);
  EXPECT_EQ(view(static_cast<float*>(nullptr), {4, 0}).element_count(), 0);
}

TEST(View, RefusesTooManyDimensions) {
  EXPECT_EQ(error_of(ErrorCode::user,
                     [] {
                       view(static_cast<float*>(nullptr), {1, 1, 1, 1, 1, 1});
                     }),
            "tensor view: expected at most 5 dimensions, got 6; merge dimensions that lie next to "
            "each other in memory");
}

TEST(View, RefusesStridesThatDontMatch) {
  EXPECT_EQ(error_of(ErrorCode::user,
                     [] {
                       view(static_cast<float*>(nullptr), {2, 3}, {1});
                     }),
            "tensor view: expected one stride per extent (2), got 1; leave the strides out for a "
            "row-major tensor");
}

}  // namespace
}  // namespace octile
