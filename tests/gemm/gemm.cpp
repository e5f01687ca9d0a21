#include "octile/tests/gemm/gemm.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "octile/octile.hpp"

namespace octile::test {
namespace {

constexpr dim<"M"> M;
constexpr dim<"N"> N;
constexpr dim<"K"> K;
constexpr axis<"BM"> BM;
constexpr axis<"BN"> BN;
constexpr auto BK = 128_c;

/// examples/06, for any element types.
template <class A, class B, class D>
auto scaled_kernel(const char* name) {
  return kernel(name, in<A>("a", M, K), in<f32>("sa", M, K / 128_c), in<B>("b", N, K),
                in<f32>("sb", N / 128_c, K / 128_c), out<D>("d", M, N),
                [](auto a, auto sa, auto b, auto sb, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k])) * sa(BM[i], k) *
                             sb(BN[j] / 128_c, k);
                    });
                    return store(d(BM[i], BN[j]), cast<D>(acc));
                  });
                });
}

template <class A, class B>
auto plain_kernel() {
  return kernel("plain_product", in<A>("a", M, K), in<B>("b", N, K), out<f32>("d", M, N),
                [](auto a, auto b, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc =
                        sum(K / BK, [=](auto k) { return dot(a(BM[i], BK[k]), b(BN[j], BK[k])); });
                    return store(d(BM[i], BN[j]), acc);
                  });
                });
}

template <class A, class B>
auto fast_kernel() {
  return kernel("fast_product", in<A>("a", M, K), in<B>("b", N, K), out<f32>("d", M, N),
                [](auto a, auto b, auto d) {
                  return grid(M / BM, N / BN, [=](auto i, auto j) {
                    auto acc = sum(K / BK, [=](auto k) {
                      return dot(a(BM[i], BK[k]), b(BN[j], BK[k]), fast_accumulate);
                    });
                    return store(d(BM[i], BN[j]), acc);
                  });
                });
}

template <class Kernel>
auto compiler(const Kernel& kernel) {
  return [kernel](const Schedule& schedule, const Shape& shape, const cuda::Target& target) {
    return kernel.with(schedule).compile_for(shape.sizes(), target);
  };
}

template <class A, class B, class D>
Gemm make_scaled(const char* name) {
  const auto k = scaled_kernel<A, B, D>(name);
  return {Mode::scaled,
          A::type,
          B::type,
          D::type,
          [k](const Stream& stream, const Schedule& schedule, const Operands& o) {
            k.with(schedule)(stream, o.a, o.sa, o.b, o.sb, o.d);
          },
          compiler(k)};
}

template <class A, class B, class Kernel>
Gemm make_unscaled(Mode mode, const Kernel& k) {
  return {mode,
          A::type,
          B::type,
          ElementType::f32,
          [k](const Stream& stream, const Schedule& schedule, const Operands& o) {
            k.with(schedule)(stream, o.a, o.b, o.d);
          },
          compiler(k)};
}

template <class A, class B>
void add_pair(std::vector<Gemm>& list) {
  list.push_back(make_scaled<A, B, f32>("scaled_product"));
  list.push_back(make_unscaled<A, B>(Mode::plain, plain_kernel<A, B>()));
  list.push_back(make_unscaled<A, B>(Mode::fast, fast_kernel<A, B>()));
}

}  // namespace

std::string to_string(const Shape& shape) {
  return fmt::format("{}x{}x{}", shape.m, shape.n, shape.k);
}

std::string to_string(Mode mode) {
  return mode == Mode::scaled ? "scaled" : mode == Mode::plain ? "plain" : "fast";
}

const Gemm& block_scaled(ElementType d) {
  static const Gemm narrow = make_scaled<e4m3, e4m3, bf16>("block_scaled_bf16");
  static const Gemm wide = make_scaled<e4m3, e4m3, f32>("block_scaled_f32");
  return d == ElementType::bf16 ? narrow : wide;
}

const Gemm& product(Mode mode, ElementType a, ElementType b) {
  static const std::vector<Gemm> all = [] {
    std::vector<Gemm> list;
    add_pair<e4m3, e4m3>(list);
    add_pair<e4m3, e5m2>(list);
    add_pair<e5m2, e4m3>(list);
    add_pair<e5m2, e5m2>(list);
    return list;
  }();
  for (const Gemm& gemm : all) {
    if (gemm.mode == mode && gemm.a == a && gemm.b == b) return gemm;
  }
  throw std::invalid_argument("no product of these types");
}

}  // namespace octile::test
