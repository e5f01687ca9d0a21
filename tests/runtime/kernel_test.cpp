// Kernels from expression to result on the CPU.
#include <fstream>
#include <sstream>

#include "octile/octile.hpp"
#include "support.hpp"

namespace octile {
namespace {

using test::error_of;
using testing::HasSubstr;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 128_c;

/// y = a * x + y
auto axpy() {
  return kernel(
      "axpy", scalar<f32>("a"), in<f32>("x", N), inout<f32>("y", N), [](auto a, auto x, auto y) {
        return grid(N / BN, [=](auto i) { return store(y(BN[i]), a * x(BN[i]) + y(BN[i])); });
      });
}

auto gemm() {
  return kernel("gemm", in<e4m3>("a", M, K), in<e4m3>("b", N, K), out<f32>("d", M, N),
                [](auto a, auto b, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc =
                        sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
                    return store(d(BM[i], BN[j]), acc);
                  });
                });
}

class KernelOnCpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::available()) GTEST_SKIP() << "built without the CPU back end";
  }
  const Stream stream = Stream::cpu();
};

TEST_F(KernelOnCpu, RunsOverViewsTensorsAndNumbers) {
  const auto k = axpy();
  std::vector<float> x(100);
  for (int i = 0; i < 100; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i);
  Tensor y = Tensor::empty<f32>(stream, {100});
  y.copy_from(std::vector<float>(100, 1.0f));
  k(stream, 2, view(static_cast<const float*>(x.data()), {100}), y);
  const std::vector<float> result = y.to_floats();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(result[static_cast<std::size_t>(i)], 2.0f * static_cast<float>(i) + 1) << i;
  }
}

TEST_F(KernelOnCpu, SchedulesDontChangeResults) {
  const std::int64_t m = 70, n = 33, k = 256;
  Tensor a = Tensor::empty<e4m3>(stream, {m, k});
  Tensor b = Tensor::empty<e4m3>(stream, {n, k});
  std::vector<float> av, bv;
  for (std::int64_t i = 0; i < m * k; ++i) av.push_back(static_cast<float>(i % 5 - 2));
  for (std::int64_t i = 0; i < n * k; ++i) bv.push_back(static_cast<float>(i % 3 - 1));
  a.copy_from(av);
  b.copy_from(bv);
  std::vector<float> expected;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      float total = 0;
      for (std::int64_t x = 0; x < k; ++x) {
        total += av[static_cast<std::size_t>(i * k + x)] * bv[static_cast<std::size_t>(j * k + x)];
      }
      expected.push_back(total);
    }
  }
  const auto f = gemm();
  for (const auto& variant : {f, f.with({BM(16), BN(16)}), f.with({BM(64)})}) {
    Tensor d = Tensor::empty<f32>(stream, {m, n});
    d.fill_bytes(0xFF);
    variant(stream, a, b, d);
    EXPECT_EQ(d.to_floats(), expected) << to_string(variant.schedule());
  }
}

TEST_F(KernelOnCpu, NothingToDoIsNothingDone) {
  const auto k = axpy();
  Tensor empty = Tensor::empty<f32>(stream, {0});
  EXPECT_NO_THROW(k(stream, 1, empty, empty));
  EXPECT_EQ(k.statistics().compiles, 0);
}

TEST_F(KernelOnCpu, AnEmptyFoldStoresZeros) {
  const auto f = gemm();
  Tensor a = Tensor::empty<e4m3>(stream, {5, 0});
  Tensor b = Tensor::empty<e4m3>(stream, {3, 0});
  Tensor d = Tensor::empty<f32>(stream, {5, 3});
  d.fill_bytes(0xFF);
  f(stream, a, b, d);
  EXPECT_EQ(d.to_floats(), std::vector<float>(15, 0.0f));
}

TEST_F(KernelOnCpu, RefusalsNameTheKernel) {
  const auto k = axpy();
  Tensor x = Tensor::empty<f32>(stream, {4});
  Tensor y = Tensor::empty<f32>(stream, {5});
  EXPECT_EQ(
      error_of(ErrorCode::user, [&] { k(stream, 1, x, y); }),
      "kernel `axpy`, argument `y`: expected 4 in dimension 0, which is N (N = 4 from argument "
      "`x`, dimension 0), got 5; make the tensors' sizes agree");
  EXPECT_THAT(error_of(ErrorCode::user, [&] { k.with({BM(16)})(stream, 1, x, x); }),
              testing::AllOf(HasSubstr("kernel `axpy`"), HasSubstr("BM")));
}

TEST_F(KernelOnCpu, CheckedModeComesWithTheStream) {
  const auto k = kernel("escape", in<f32>("x", N), out<f32>("y", N), [](auto x, auto y) {
    return grid(N / BN, [=](auto i) { return store(y(BN[i]), x(i + 1000000)); });
  });
  Tensor x = Tensor::zeros(Place::host, ElementType::f32, {64});
  Tensor y = Tensor::empty<f32>(stream, {64});
  k(stream, x, y);
  EXPECT_EQ(y.to_floats(), std::vector<float>(64, 0.0f));
  try {
    k(Stream::cpu({.checked = true}), x, y);
    FAIL() << "expected a cpu::CheckError";
  } catch (const cpu::CheckError& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(HasSubstr("load of 'x'[1000000]"), HasSubstr("expected 0 to 63")));
  }
}

TEST_F(KernelOnCpu, ShowsItsCode) {
  const auto k = axpy();
  Tensor x = Tensor::empty<f32>(stream, {64});
  const std::string text = k.source(stream, 1.0, x, x);
  EXPECT_THAT(text, HasSubstr("define"));
  const std::string path = write_source(testing::TempDir() + "octile/axpy.ll", text);
  std::ifstream file(path);
  std::stringstream written;
  written << file.rdbuf();
  EXPECT_EQ(written.str(), text);
  EXPECT_GT(k.schedule_for(stream, 1.0, x, x).axes.at("BN"), 0);
}

TEST(KernelValue, SaysThatThereIsNoCpuBackEnd) {
  if (cpu::available()) GTEST_SKIP() << "built with the CPU back end";
  Tensor x = Tensor::empty<f32>(Place::host, {4});
  EXPECT_THAT(error_of(ErrorCode::device, [&] { axpy()(Stream::cpu(), 1, x, x); }),
              HasSubstr("kernel `axpy`: this library was built without the CPU back end"));
}

TEST(WriteSource, RefusesWhatCantBeWritten) {
  EXPECT_THAT(error_of(ErrorCode::user, [] { write_source("/proc/octile/x.cu", "text"); }),
              testing::StartsWith("write_source: /proc/octile/x.cu can't be written"));
}

TEST(KernelValue, EmitsCudaWithoutAGpu) {
  const auto f = gemm();
  const std::string source = f.emit({{"M", 256}, {"N", 256}, {"K", 512}});
  EXPECT_THAT(source, HasSubstr("extern \"C\""));
  EXPECT_THAT(source, HasSubstr("gemm"));
  EXPECT_EQ(source, f.emit({{"M", 256}, {"N", 256}, {"K", 512}}));
  EXPECT_NE(source, f.with({BM(64), BN(64)}).emit({{"M", 256}, {"N", 256}, {"K", 512}}));
}

TEST(KernelValue, RefusesIllegalSchedulesBeforeCompiling) {
  const auto f = gemm();
  const std::string message = error_of(ErrorCode::user, [&] {
    f.with({BM(128), BN(128), stages(100)}).emit({{"M", 256}, {"N", 256}, {"K", 512}});
  });
  EXPECT_THAT(message, testing::StartsWith("kernel `gemm`: "));
  EXPECT_EQ(f.statistics().compiles, 0);
}

TEST(KernelValue, KeepsItsProgram) {
  const auto f = gemm();
  EXPECT_EQ(f.name(), "gemm");
  EXPECT_EQ(f.ir().params.size(), 3u);
  EXPECT_EQ(f.with({BM(64)}).with({BN(32)}).schedule(), apply_knobs({}, {BM(64), BN(32)}));
}

}  // namespace
}  // namespace octile
