// Calls of a kernel: CASE 0 compiles, each other is one mistake in the same place.
#include "octile/octile.hpp"

using namespace octile;

constexpr dim<"N"> N;
constexpr axis<"BN"> BN;

void call() {
  const auto scale =
      kernel("scale", scalar<f32>("a"), scalar<i32>("shift"), in<f32>("x", N), out<f32>("y", N),
             [](auto a, auto, auto x, auto y) {
               return grid(N / BN, [=](auto i) { return store(y(BN[i]), a * x(BN[i])); });
             });
  float data[4] = {};
  const TensorView x = view(data, {4});
  const Stream stream = Stream::cpu();
#if CASE == 0
  scale(stream, 2.0, 3, x, x);
  scale.with({BN(32), fastest(BN)})(stream, 2.0, 3, x, x);
  scale.source(stream, 2, 3, x, x);
#elif CASE == 1
  scale(stream, 2.0, 3, x);
#elif CASE == 2
  scale(stream, 2.0, 3, x, x, x);
#elif CASE == 3
  scale(stream, 2.0, 3, 4.0, x);
#elif CASE == 4
  scale(stream, x, 3, x, x);
#elif CASE == 5
  scale(stream, 2.0, 3.5, x, x);
#elif CASE == 6
  scale(stream, 2.0, 3, data, x);
#elif CASE == 7
  scale.with({fastest(32)});
#elif CASE == 8
  scale.source(stream, 2.0, 3, x);
#endif
}
