// Attention: a fold that carries an online softmax and multiplies what it has computed.
#include <algorithm>

#include "octile/tests/programs/support.hpp"

namespace octile::test {
namespace {

constexpr dim<"H"> H;
constexpr dim<"Q"> Q;
constexpr dim<"S"> S;
constexpr axis<"BQ"> BQ;
constexpr axis<"BS", 64> BS;
constexpr axis<"D", 64> D;
constexpr axis<"E", 64> E;

constexpr float kScale = 0.125f;

// Probabilities of one query over all keys, in float64.
auto softmax_rows(std::int64_t rows, std::int64_t keys, auto score) {
  return remembered(rows, [=](std::int64_t row) {
    std::vector<double> p(static_cast<std::size_t>(keys));
    double top = -1e300, total = 0;
    for (std::int64_t s = 0; s < keys; ++s)
      top = std::max(top, p[static_cast<std::size_t>(s)] = score(row, s));
    for (double& x : p) total += x = std::exp(x - top);
    for (double& x : p) x /= total;
    return p;
  });
}

// One query per head, as in decoding: products with vectors, summed along an axis.
OCTILE_PROGRAM(attention_of_one_query) {
  t.may_spill();
  const auto k = kernel(
      "decode", in<bf16>("q", H, 64_c), in<bf16>("k", H, S, 64_c), in<bf16>("v", H, S, 64_c),
      out<f32>("o", H, 64_c), [=](auto q, auto k, auto v, auto o) {
        return grid(H, [=](auto h) {
          auto query = cast<f32>(q(h, D.at(0))) * kScale;
          auto [top, total, acc] =
              fold(S / BS, tuple(-1e30f, 0.0f, 0.0f), [=](auto j, auto top, auto total, auto acc) {
                auto keys = cast<f32>(k(h, BS[j], D.at(0)));
                auto raw = sum(query * keys, D);
                auto score = select(index(BS[j]) < S, raw, -1e30f);
                auto next = max(top, max(score, BS));
                auto p = exp(score - next);
                auto keep = exp(top - next);
                auto values = cast<f32>(v(h, BS[j], E.at(0)));
                return tuple(next, total * keep + sum(p, BS), acc * keep + sum(p * values, BS));
              });
          return store(o(h, E.at(0)), acc / total);
        });
      });
  for (const auto& [heads, keys] : {std::pair{1, 1}, {3, 63}, {2, 129}, {5, 1000}}) {
    const Input q = t.input(ElementType::bf16, {heads, 64});
    const Input key = t.input(ElementType::bf16, {heads, keys, 64});
    const Input v = t.input(ElementType::bf16, {heads, keys, 64});
    const auto p = softmax_rows(heads, keys, [=](std::int64_t h, std::int64_t s) {
      double dot = 0;
      for (std::int64_t d = 0; d < 64; ++d) dot += (*q)(h, d) * (*key)(h, s, d);
      return dot * kScale;
    });
    const Input o = t.output(ElementType::f32, {heads, 64},
                             [=](const Index& e) {
                               const std::vector<double>& row = p(e[0]);
                               double total = 0;
                               for (std::size_t s = 0; s < row.size(); ++s)
                                 total += row[s] * (*v)(e[0], static_cast<std::int64_t>(s), e[1]);
                               return total;
                             },
                             {1e-4, 1e-4});
    t.run(k, {{warps(4)}, {warps(16)}}, q, key, v, o);
  }
}

// The same with dots of vectors: the probabilities are computed, not loaded.
OCTILE_PROGRAM(attention_of_one_query_by_dots) {
  const auto k = kernel(
      "decode_dots", in<f32>("q", H, 64_c), in<f32>("k", H, S, 64_c), in<f32>("v", H, S, 64_c),
      out<f32>("o", H, 64_c), [=](auto q, auto k, auto v, auto o) {
        return grid(H, [=](auto h) {
          auto [top, total, acc] =
              fold(S / BS, tuple(-1e30f, 0.0f, 0.0f), [=](auto j, auto top, auto total, auto acc) {
                auto raw = dot(q(h, D.at(0)), k(h, BS[j], D.at(0))) * kScale;
                auto score = select(index(BS[j]) < S, raw, -1e30f);
                auto next = max(top, max(score, BS));
                auto p = exp(score - next);
                auto keep = exp(top - next);
                return tuple(next, total * keep + sum(p, BS),
                             acc * keep + dot(p, v(h, BS[j], E.at(0))));
              });
          return store(o(h, E.at(0)), acc / total);
        });
      });
  for (const auto& [heads, keys] : {std::pair{1, 1}, {2, 129}}) {
    const Input q = t.input(ElementType::f32, {heads, 64});
    const Input key = t.input(ElementType::f32, {heads, keys, 64});
    const Input v = t.input(ElementType::f32, {heads, keys, 64});
    const auto p = softmax_rows(heads, keys, [=](std::int64_t h, std::int64_t s) {
      double dot = 0;
      for (std::int64_t d = 0; d < 64; ++d) dot += (*q)(h, d) * (*key)(h, s, d);
      return dot * kScale;
    });
    const Input o = t.output(ElementType::f32, {heads, 64},
                             [=](const Index& e) {
                               const std::vector<double>& row = p(e[0]);
                               double total = 0;
                               for (std::size_t s = 0; s < row.size(); ++s)
                                 total += row[s] * (*v)(e[0], static_cast<std::int64_t>(s), e[1]);
                               return total;
                             },
                             {1e-4, 1e-4});
    t.run(k, q, key, v, o);
  }
}

// Flash attention: blocks of queries, two tensor-core dots per trip, causal or not.
template <bool Causal>
void flash(Trial& t, const char* name) {
  const auto k = kernel(
      name, in<bf16>("q", H, Q, 64_c), in<bf16>("k", H, S, 64_c), in<bf16>("v", H, S, 64_c),
      out<bf16>("o", H, Q, 64_c), out<f32>("lse", H, Q),
      [](auto q, auto k, auto v, auto o, auto lse) {
        return grid(Q / BQ, H, [=](auto i, auto h) {
          auto query = q(h, BQ[i], D.at(0));
          auto [top, total, acc] =
              fold(S / BS, tuple(-1e30f, 0.0f, 0.0f), [=](auto j, auto top, auto total, auto acc) {
                auto raw = dot(query, k(h, BS[j], D.at(0))) * kScale;
                auto seen = index(BS[j]) < S;
                auto allowed = [&] {
                  if constexpr (Causal) {
                    return seen && index(BS[j]) <= index(BQ[i]);
                  } else {
                    return seen;
                  }
                }();
                auto score = select(allowed, raw, -1e30f);
                auto next = max(top, max(score, BS));
                auto p = exp(score - next);
                auto keep = exp(top - next);
                auto weighted = dot(cast<bf16>(p), v(h, BS[j], E.at(0)));
                return tuple(next, total * keep + sum(p, BS), acc * keep + weighted);
              });
          return stores(store(o(h, BQ[i], E.at(0)), cast<bf16>(acc / total)),
                        store(lse(h, BQ[i]), top + log(total)));
        });
      });
  for (const auto& [heads, queries, keys] :
       {std::array{1, 1, 1}, {2, 65, 129}, {3, 128, 128}, {1, 200, 72}}) {
    const Input q = t.input(ElementType::bf16, {heads, queries, 64});
    const Input key = t.input(ElementType::bf16, {heads, keys, 64});
    const Input v = t.input(ElementType::bf16, {heads, keys, 64});
    const auto score = [=, queries = queries](std::int64_t row, std::int64_t s) {
      const std::int64_t h = row / queries, i = row % queries;
      if (Causal && s > i) return -1e30;
      double dot = 0;
      for (std::int64_t d = 0; d < 64; ++d) dot += (*q)(h, i, d) * (*key)(h, s, d);
      return dot * kScale;
    };
    const auto p = softmax_rows(std::int64_t{heads} * queries, keys, score);
    const Input o = t.output(ElementType::bf16, {heads, queries, 64},
                             [=, queries = queries](const Index& e) {
                               const std::vector<double>& row = p(e[0] * queries + e[1]);
                               double total = 0;
                               for (std::size_t s = 0; s < row.size(); ++s)
                                 total += row[s] * (*v)(e[0], static_cast<std::int64_t>(s), e[2]);
                               return total;
                             },
                             {2e-2, 1e-2});
    const Input lse = t.output(ElementType::f32, {heads, queries},
                               [=, queries = queries, keys = keys](const Index& e) {
                                 double total = 0;
                                 for (std::int64_t s = 0; s < keys; ++s)
                                   total += std::exp(score(e[0] * queries + e[1], s));
                                 return std::log(total);
                               },
                               {1e-4, 1e-4});
    t.run(k, {{BQ(64)}, {BQ(128)}, {BQ(192), stages(2)}}, q, key, v, o, lse);
  }
}

OCTILE_PROGRAM(flash_attention) {
  flash<false>(t, "flash");
}
OCTILE_PROGRAM(causal_flash_attention) {
  flash<true>(t, "flash_causal");
}

}  // namespace
}  // namespace octile::test
