// Checking of arguments, by the words of the errors, and what a launch learns from its arguments.
#include "octile/runtime/bind.hpp"

#include <cstring>

#include "octile/codegen/ir/builder.hpp"
#include "octile/runtime/tensor_view.hpp"
#include "support.hpp"

namespace octile::runtime {
namespace {

using test::error_of;

/// a[M, K] e4m3, s[M, K / 128] f32, alpha f32, n i32, d[M, 8] bf16 (out).
std::shared_ptr<const ir::Function> sample() {
  auto function = std::make_shared<ir::Function>("sample");
  ir::Builder b(*function);
  const ir::DimId m = b.dim("M");
  const ir::DimId k = b.dim("K");
  b.tensor({"a", ElementType::e4m3, true, ir::Access::in, {{m, 0, 1}, {k, 0, 1}}});
  b.tensor({"s", ElementType::f32, true, ir::Access::in, {{m, 0, 1}, {k, 0, 128}}});
  b.scalar("alpha", ElementType::f32);
  b.scalar("n", ElementType::i32);
  b.tensor({"d", ElementType::bf16, true, ir::Access::out, {{m, 0, 1}, {-1, 8, 1}}});
  b.set_grid({b.constant_int(ElementType::i64, 1)});
  return function;
}

class Bind : public testing::Test {
 protected:
  static constexpr std::int64_t kM = 4;
  static constexpr std::int64_t kK = 200;

  Bind() : binder(sample()) {
    arguments = {view<e4m3>(static_cast<void*>(memory), {kM, kK}),
                 view<f32>(static_cast<void*>(memory), {kM, 2}), 2.5, 7,
                 view<bf16>(static_cast<void*>(memory), {kM, 8})};
  }
  Binding bind() {
    Binding binding;
    binder.bind(arguments, Place::host, binding);
    return binding;
  }
  std::string refusal() {
    return error_of(ErrorCode::user, [&] { bind(); });
  }

  alignas(16) std::byte memory[1024] = {};
  Binder binder;
  std::vector<Argument> arguments;
};

TEST_F(Bind, BindsSizesFactsAndScalars) {
  const Binding binding = bind();
  EXPECT_EQ(binding.dim_vector(), (std::vector<std::int64_t>{kM, kK}));
  // 200 bytes from row to row: a multiple of 8, not of 16.
  EXPECT_EQ(binding.facts[0], (cuda::TensorFacts{1, 8}));
  EXPECT_EQ(binding.facts[1], (cuda::TensorFacts{1, 8}));
  EXPECT_EQ(binding.facts[4], (cuda::TensorFacts{1, 16}));
  float alpha = 0;
  std::memcpy(&alpha, &binding.scalars[2], sizeof(alpha));
  EXPECT_EQ(alpha, 2.5f);
  std::int32_t n = 0;
  std::memcpy(&n, &binding.scalars[3], sizeof(n));
  EXPECT_EQ(n, 7);
}

TEST_F(Bind, AlignmentComesFromTheAddressToo) {
  arguments[4] = view<bf16>(static_cast<void*>(memory + 4), {kM, 8});
  EXPECT_EQ(bind().facts[4].alignment, 4);
}

TEST_F(Bind, FindsTheContiguousDimension) {
  arguments[0] = view<e4m3>(static_cast<void*>(memory), {kM, kK}, {1, 16});
  EXPECT_EQ(bind().facts[0], (cuda::TensorFacts{0, 16}));
  arguments[4] = view<bf16>(static_cast<void*>(memory), {kM, 8}, {32, 2});
  EXPECT_EQ(bind().facts[4].contiguous_dim, -1);
}

TEST_F(Bind, CountsArguments) {
  arguments.pop_back();
  EXPECT_EQ(
      refusal(),
      "kernel `sample`: expected 5 arguments after the stream, got 4; pass one per parameter, "
      "in order");
}

TEST_F(Bind, TellsTensorsFromNumbers) {
  arguments[0] = 1;
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `a`: expected a tensor, got a number; pass a view or a Tensor");
  arguments[0] = view<e4m3>(static_cast<void*>(memory), {kM, kK});
  arguments[2] = arguments[0];
  EXPECT_EQ(refusal(),
            "kernel `sample`, argument `alpha`: expected a number, got a tensor; pass the scalar's "
            "value");
}

TEST_F(Bind, ChecksElementTypes) {
  arguments[0] = view<e5m2>(static_cast<void*>(memory), {kM, kK});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `a`: expected element type e4m3, got e5m2; pass a view of e4m3 "
      "elements");
}

TEST_F(Bind, ChecksRank) {
  arguments[1] = view<f32>(static_cast<void*>(memory), {kM});
  EXPECT_EQ(refusal(),
            "kernel `sample`, argument `s`: expected 2 dimensions, got 1; pass a view of extents "
            "{M, K / 128}");
}

TEST_F(Bind, ChecksExtentsAgainstNamedSizes) {
  arguments[4] = view<bf16>(static_cast<void*>(memory), {kM + 1, 8});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `d`: expected 4 in dimension 0, which is M (M = 4 from argument "
      "`a`, dimension 0), got 5; make the tensors' sizes agree");
}

TEST_F(Bind, ChecksExtentsThatAreDivided) {
  arguments[1] = view<f32>(static_cast<void*>(memory), {kM, 1});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `s`: expected 2 in dimension 1, which is K / 128 (K = 200 from "
      "argument `a`, dimension 1), got 1; make the tensors' sizes agree");
}

TEST_F(Bind, ChecksExtentsThatAreConstant) {
  arguments[4] = view<bf16>(static_cast<void*>(memory), {kM, 9});
  EXPECT_EQ(refusal(),
            "kernel `sample`, argument `d`: expected 8 in dimension 1, which is 8, got 9; make the "
            "tensors' sizes agree");
}

TEST_F(Bind, ChecksExtentsAndStridesForSign) {
  arguments[0] = view<e4m3>(static_cast<void*>(memory), {-1, kK});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `a`: expected an extent of at least 0 in dimension 0, got -1; "
      "pass the number of elements");
  arguments[0] = view<e4m3>(static_cast<void*>(memory), {kM, kK}, {-kK, 1});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `a`: expected a stride of at least 0 in dimension 0, got -200; "
      "copy the tensor into increasing order");
}

TEST_F(Bind, RefusesNullUnlessEmpty) {
  arguments[0] = view<e4m3>(static_cast<void*>(nullptr), {kM, kK});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `a`: expected the address of 800 elements, got a null pointer; "
      "pass a view of allocated memory");
  arguments[0] = view<e4m3>(static_cast<void*>(nullptr), {kM, 0});
  arguments[1] = view<f32>(static_cast<void*>(nullptr), {kM, 0});
  const Binding binding = bind();
  EXPECT_EQ(binding.dim_values[1], 0);
  // An empty tensor is as well laid out as can be: its layout is never used.
  EXPECT_EQ(binding.facts[0], (cuda::TensorFacts{1, 16}));
  EXPECT_EQ(binding.facts[1], (cuda::TensorFacts{1, 16}));
}

TEST_F(Bind, ChecksAlignmentToTheElement) {
  arguments[1] = view<f32>(static_cast<void*>(memory + 2), {kM, 2});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `s`: expected an address that is a multiple of 4 bytes (f32), "
      "got one that is 2 bytes off; align the memory to its elements");
}

TEST_F(Bind, RefusesOutputsThatOverlap) {
  arguments[4] = view<bf16>(static_cast<void*>(memory), {kM, 8}, {0, 1});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `d`: expected every element of an output at an address of its "
      "own, got stride 0 in dimension 0 of extent 4; pass memory for all 32 elements");
  arguments[4] = view<bf16>(static_cast<void*>(memory), {kM, 8});
  arguments[0] = view<e4m3>(static_cast<void*>(memory), {kM, kK}, {0, 1});
  EXPECT_NO_THROW(bind()) << "an input may be broadcast by stride 0";
}

TEST_F(Bind, RefusesConstOutputs) {
  arguments[4] = view<bf16>(static_cast<const void*>(memory), {kM, 8});
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `d`: expected writable memory, since the kernel stores to it, "
      "got a view of a pointer to const; pass a pointer to non-const");
}

TEST_F(Bind, ChecksThePlace) {
  arguments[0] = view<e4m3>(static_cast<void*>(memory), {kM, kK}, {}, Place::device);
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `a`: expected host memory, since the stream is the CPU's, got "
      "device memory; copy the tensor with Tensor::to(stream), or launch on Stream::gpu()");
}

TEST_F(Bind, ChecksScalars) {
  arguments[3] = std::int64_t{5000000000};
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `n`: expected a value in [-2147483648, 2147483647] (i32), got "
      "5000000000; declare the scalar wider");
  arguments[3] = 0.5;
  EXPECT_EQ(
      refusal(),
      "kernel `sample`, argument `n`: expected an integer (i32), got the floating-point value "
      "0.5; convert it in your code");
}

TEST_F(Bind, OneRowIsAlignedWhateverItsStride) {
  arguments[0] = view<e4m3>(static_cast<void*>(memory), {1, kK}, {3, 1});
  arguments[1] = view<f32>(static_cast<void*>(memory), {1, 2});
  arguments[4] = view<bf16>(static_cast<void*>(memory), {1, 8});
  const Binding binding = bind();
  EXPECT_EQ(binding.facts[0], (cuda::TensorFacts{1, 16}));
  EXPECT_EQ(binding.strides[0], (Dims{208, 1}));
}

TEST_F(Bind, BindsSizesByName) {
  const std::vector<std::pair<std::string, std::int64_t>> sizes{{"K", 256}, {"M", 64}};
  const Binding binding = binder.bind_sizes(sizes);
  EXPECT_EQ(binding.dim_vector(), (std::vector<std::int64_t>{64, 256}));
  EXPECT_EQ(binding.facts[0], (cuda::TensorFacts{1, 16}));
  EXPECT_EQ(binding.facts[1], (cuda::TensorFacts{1, 8}));
}

TEST_F(Bind, RefusesUnknownAndMissingSizes) {
  using Sizes = std::vector<std::pair<std::string, std::int64_t>>;
  EXPECT_EQ(error_of(ErrorCode::user,
                     [&] {
                       binder.bind_sizes(Sizes{{"X", 1}});
                     }),
            "kernel `sample`: got the unknown problem size X; its problem sizes are {M, K}");
  EXPECT_EQ(error_of(ErrorCode::user,
                     [&] {
                       binder.bind_sizes(Sizes{{"M", 1}});
                     }),
            "kernel `sample`: expected a value for K, got none; its problem sizes are {M, K}");
  EXPECT_EQ(error_of(ErrorCode::user,
                     [&] {
                       binder.bind_sizes(Sizes{{"M", -1}});
                     }),
            "kernel `sample`: expected a size of at least 0 for M, got -1; its problem sizes are "
            "{M, K}");
}

TEST(Binder, RefusesASizeThatNoTensorGives) {
  auto function = std::make_shared<ir::Function>("lost");
  ir::Builder b(*function);
  const ir::DimId k = b.dim("K");
  b.tensor({"s", ElementType::f32, true, ir::Access::in, {{k, 0, 128}}});
  EXPECT_EQ(
      error_of(ErrorCode::user, [&] { Binder binder(function); }),
      "kernel `lost`: no tensor gives the problem size K its value; declare a tensor that has K "
      "alone, not divided, as a dimension");
}

}  // namespace
}  // namespace octile::runtime
