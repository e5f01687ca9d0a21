// Launches on a GPU.
#include <chrono>
#include <cmath>
#include <cstring>

#include "octile/octile.hpp"
#include "octile/runtime/device.hpp"
#include "octile/runtime/driver.hpp"
#include "octile/runtime/shared_library.hpp"
#include "support.hpp"

namespace octile {
namespace {

using runtime::Driver;
using test::error_of;
using testing::HasSubstr;

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 128_c;

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

/// A function of the driver that only this test needs.
template <class Function>
Function driver_function(const char* name) {
  std::string tried;
  return reinterpret_cast<Function>(
      runtime::SharedLibrary::open_first({"libcuda.so.1"}, tried).symbol(name));
}

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = gpu_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
};

TEST_F(Gpu, IsTheDefaultAndIsDescribed) {
  EXPECT_TRUE(default_stream().is_gpu());
  const std::vector<DeviceInfo> all = devices();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0].compute_capability, 90);
  EXPECT_EQ(all[0].target.shared_bytes_per_block, 232448);
}

TEST_F(Gpu, TensorsRoundTrip) {
  Tensor t = Tensor::empty<bf16>(Place::device, {3, 5});
  std::vector<float> values(15);
  for (int i = 0; i < 15; ++i) values[static_cast<std::size_t>(i)] = static_cast<float>(i) - 7;
  t.copy_from(values);
  EXPECT_EQ(t.to_floats(), values);
  EXPECT_EQ(t.to_host().to_floats(), values);
  EXPECT_EQ(t.to_host().to(Place::device).to_floats(), values);
}

TEST_F(Gpu, LaunchesAndMatchesTheCpu) {
  const Stream stream = Stream::gpu();
  const auto k = axpy();
  std::vector<float> x, y;
  for (int i = 0; i < 1000; ++i) {
    x.push_back(static_cast<float>(i % 17));
    y.push_back(static_cast<float>(i % 5));
  }
  Tensor dx = Tensor::empty<f32>(stream, {1000});
  Tensor dy = Tensor::empty<f32>(stream, {1000});
  dx.copy_from(x);
  dy.copy_from(y);
  k(stream, 3, dx, dy);
  stream.synchronize();
  const std::vector<float> result = dy.to_floats();
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(result[i], 3 * x[i] + y[i]) << i;
}

/// Multiplies small integers, whose sums are exact, and compares every element.
template <class Gemm>
void expect_exact(const Gemm& f, std::int64_t m, std::int64_t n, std::int64_t k) {
  const Stream stream = Stream::gpu();
  Tensor a = Tensor::empty<e4m3>(stream, {m, k});
  Tensor b = Tensor::empty<e4m3>(stream, {n, k});
  Tensor d = Tensor::empty<f32>(stream, {m, n});
  std::vector<float> av, bv;
  for (std::int64_t i = 0; i < m * k; ++i) av.push_back(static_cast<float>(i % 5 - 2));
  for (std::int64_t i = 0; i < n * k; ++i) bv.push_back(static_cast<float>(i % 3 - 1));
  a.copy_from(av);
  b.copy_from(bv);
  d.fill_bytes(0xFF);
  f(stream, a, b, d);
  stream.synchronize();
  const std::vector<float> result = d.to_floats();
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      float total = 0;
      for (std::int64_t x = 0; x < k; ++x) {
        total += av[static_cast<std::size_t>(i * k + x)] * bv[static_cast<std::size_t>(j * k + x)];
      }
      ASSERT_EQ(result[static_cast<std::size_t>(i * n + j)], total)
          << m << "x" << n << "x" << k << " at " << i << ", " << j;
    }
  }
}

TEST_F(Gpu, MultipliesExactly) {
  const auto f = gemm();
  expect_exact(f, 1, 8, 128);
  expect_exact(f, 65, 72, 256);
  expect_exact(f, 130, 136, 200);  // K is no multiple of 16: no TMA
  expect_exact(f, 130, 136, 208);
  expect_exact(f, 64, 24, 16);
}

TEST_F(Gpu, AnEmptyFoldStoresZeros) {
  expect_exact(gemm(), 5, 16, 0);
}

TEST_F(Gpu, LaunchAttributesDontChangeResults) {
  const auto f = gemm().with({BM(128), BN(64)});
  for (const auto& variant :
       {f, f.with({cluster(2, BM)}), f.with({cluster(2, BN)}), f.with({dependent_launch()}),
        f.with({persistent(false)}), f.with({persistent(true)})}) {
    SCOPED_TRACE(to_string(variant.schedule()));
    expect_exact(variant, 300, 200, 256);
  }
}

/// What the runtime has no need of.
struct Graphs {
  decltype(&cuStreamBeginCapture) begin =
      driver_function<decltype(&cuStreamBeginCapture)>("cuStreamBeginCapture_v2");
  decltype(&cuStreamEndCapture) end =
      driver_function<decltype(&cuStreamEndCapture)>("cuStreamEndCapture");
  decltype(&cuGraphInstantiate) instantiate =
      driver_function<decltype(&cuGraphInstantiate)>("cuGraphInstantiateWithFlags");
  decltype(&cuGraphLaunch) launch = driver_function<decltype(&cuGraphLaunch)>("cuGraphLaunch");
};

TEST_F(Gpu, RunsOnTheCallersStreamAndInGraphs) {
  Stream::gpu();  // makes the primary context current
  const Driver& driver = Driver::get();
  const auto [begin, end, instantiate, launch] = Graphs{};
  CUstream stream = nullptr;
  driver.check(driver.stream_create(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  const auto k = axpy();
  Tensor x = Tensor::empty<f32>(Place::device, {256});
  Tensor y = Tensor::zeros(Place::device, ElementType::f32, {256});
  x.copy_from(std::vector<float>(256, 1.0f));
  k(stream, 1, x, y);
  driver.check(begin(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), "cuStreamBeginCapture");
  k(stream, 2, x, y);
  CUgraph graph = nullptr;
  driver.check(end(stream, &graph), "cuStreamEndCapture");
  CUgraphExec replay = nullptr;
  driver.check(instantiate(&replay, graph, 0), "cuGraphInstantiate");
  for (int i = 0; i < 3; ++i) driver.check(launch(replay, stream), "cuGraphLaunch");
  Stream(stream).synchronize();
  EXPECT_EQ(y.to_floats(), std::vector<float>(256, 7.0f));
  driver.stream_destroy(stream);
}

/// A product whose few tiles many CTAs share, so that every launch goes through the workspace.
struct Streamed {
  Streamed()
      : a(Tensor::empty<e4m3>(Place::device, {m, k})),
        b(Tensor::empty<e4m3>(Place::device, {n, k})) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < m * k; ++i) values.push_back(static_cast<float>(i % 37) / 16 - 1);
    a.copy_from(values);
    values.clear();
    for (std::int64_t i = 0; i < n * k; ++i) values.push_back(static_cast<float>(i % 23) / 8 - 1);
    b.copy_from(values);
  }
  static Tensor output() {
    Tensor d = Tensor::empty<f32>(Place::device, {m, n});
    d.fill_bytes(0xFF);
    return d;
  }

  static constexpr std::int64_t m = 300, n = 200, k = 16384;
  decltype(gemm()) f = gemm().with({BM(64), BN(64), stream_fold()});
  Tensor a, b;
};

CUstream new_stream() {
  Stream::gpu();  // makes the primary context current
  const Driver& driver = Driver::get();
  CUstream stream = nullptr;
  driver.check(driver.stream_create(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  return stream;
}

TEST_F(Gpu, StreamedFoldsOfTwoStreamsDontMeet) {
  constexpr int kLaunches = 20;
  const CUstream streams[] = {new_stream(), new_stream()};
  Streamed product;
  std::vector<Tensor> results;
  for (int i = 0; i < 2 * kLaunches; ++i) results.push_back(Streamed::output());
  for (std::size_t i = 0; i < results.size(); ++i)
    product.f(streams[i % 2], product.a, product.b, results[i]);
  for (const CUstream stream : streams) Stream(stream).synchronize();
  const std::vector<std::byte> first = results[0].to_bytes();
  for (std::size_t i = 1; i < results.size(); ++i)
    ASSERT_EQ(results[i].to_bytes(), first) << "in launch " << i;
  Tensor whole = Streamed::output();
  gemm().with({BM(64), BN(64)})(Stream::gpu(), product.a, product.b, whole);
  Stream::gpu().synchronize();
  const std::vector<float> want = whole.to_floats(), got = results[0].to_floats();
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], 1e-3 * (1 + std::abs(want[i]))) << i;
  for (const CUstream stream : streams) Driver::get().stream_destroy(stream);
}

TEST_F(Gpu, StreamedFoldsRunInGraphs) {
  const CUstream stream = new_stream();
  const Driver& driver = Driver::get();
  const auto [begin, end, instantiate, launch] = Graphs{};
  Streamed product;
  Tensor d = Streamed::output();
  // Compiled and loaded, but without memory on this stream.
  product.f(Stream::gpu(), product.a, product.b, d);
  Stream::gpu().synchronize();
  const std::vector<std::byte> want = d.to_bytes();
  CUgraph graph = nullptr;
  driver.check(begin(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), "cuStreamBeginCapture");
  EXPECT_THAT(error_of(ErrorCode::user, [&] { product.f(stream, product.a, product.b, d); }),
              HasSubstr("launch the kernel once on this stream before the capture begins"));
  driver.check(end(stream, &graph), "cuStreamEndCapture");
  product.f(stream, product.a, product.b, d);
  driver.check(begin(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), "cuStreamBeginCapture");
  product.f(stream, product.a, product.b, d);
  product.f(stream, product.a, product.b, d);
  driver.check(end(stream, &graph), "cuStreamEndCapture");
  CUgraphExec replay = nullptr;
  driver.check(instantiate(&replay, graph, 0), "cuGraphInstantiate");
  for (int i = 0; i < 5; ++i) {
    Stream(stream).synchronize();
    d.fill_bytes(0xFF);
    driver.check(launch(replay, stream), "cuGraphLaunch");
    Stream(stream).synchronize();
    ASSERT_EQ(d.to_bytes(), want) << "in replay " << i;
  }
  driver.stream_destroy(stream);
}

TEST_F(Gpu, NothingToDoIsNothingDone) {
  const auto k = axpy();
  Tensor empty = Tensor::empty<f32>(Place::device, {0});
  EXPECT_NO_THROW(k(Stream::gpu(), 1, empty, empty));
}

TEST_F(Gpu, RefusesHostMemory) {
  const auto k = axpy();
  std::vector<float> host(64);
  EXPECT_EQ(
      error_of(ErrorCode::user,
               [&] { k(Stream::gpu(), 1, view(host.data(), {64}), view(host.data(), {64})); }),
      "kernel `axpy`, argument `x`: expected memory that the GPU can reach, got host memory that "
      "CUDA doesn't know; copy it with Tensor::to(stream) or launch on Stream::cpu()");
  const Tensor tensor = Tensor::empty<f32>(Place::host, {64});
  EXPECT_THAT(error_of(ErrorCode::user, [&] { k(Stream::gpu(), 1, tensor, tensor); }),
              HasSubstr("expected device memory, since the stream is a GPU's, got host memory"));
}

TEST_F(Gpu, TheCpuRefusesDeviceMemory) {
  if (!cpu::available()) GTEST_SKIP() << "built without the CPU back end";
  const Tensor tensor = Tensor::empty<f32>(Place::device, {64});
  const TensorView open = view<f32>(tensor.data(), {64});
  EXPECT_THAT(error_of(ErrorCode::user, [&] { axpy()(Stream::cpu(), 1, open, open); }),
              HasSubstr("expected memory that the CPU can reach, got device memory"));
}

TEST_F(Gpu, AResolvedLaunchIsCheap) {
  const Stream stream = Stream::gpu();
  const auto f = gemm();
  Tensor a = Tensor::zeros(Place::device, ElementType::e4m3, {64, 128});
  Tensor d = Tensor::empty<f32>(stream, {64, 64});
  f(stream, a, a, d);
  stream.synchronize();
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int round = 0; round < 50; ++round) {
    const auto start = Clock::now();
    for (int i = 0; i < 100; ++i) f(stream, a, a, d);
    best = std::min(best,
                    std::chrono::duration<double, std::micro>(Clock::now() - start).count() / 100);
    stream.synchronize();
  }
  RecordProperty("microseconds", std::to_string(best));
  // The driver's own launch is about 2 microseconds of it.
  EXPECT_LT(best, 5.0);
}

TEST_F(Gpu, RefusesUnknownDevices) {
  EXPECT_THAT(error_of(ErrorCode::device, [] { Stream::gpu(1000); }),
              HasSubstr("cuDeviceGet failed: CUDA_ERROR_INVALID_DEVICE"));
}

}  // namespace
}  // namespace octile
