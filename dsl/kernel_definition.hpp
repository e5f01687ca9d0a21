// A kernel as the user defines it: parameters and body, traced once into the tile IR.
#pragma once

#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>
#include <memory>
#include <string>

#include "octile/dsl/fold.hpp"

namespace octile {

/// Parameters (types only) and the traced program, whose tile axes are not yet bound.
template <class... Params>
class kernel_definition {
 public:
  explicit kernel_definition(std::shared_ptr<const ir::Function> function)
      : function_(std::move(function)) {}
  const ir::Function& ir() const { return *function_; }
  const std::shared_ptr<const ir::Function>& shared_ir() const { return function_; }
  static constexpr std::size_t parameter_count = sizeof...(Params);

 private:
  std::shared_ptr<const ir::Function> function_;
};

namespace detail {

template <class Body, class... Params>
std::shared_ptr<const ir::Function> trace(std::string name, const hana::tuple<Params...>& params,
                                          const Body& body) {
  auto function = std::make_shared<ir::Function>(std::move(name));
  ir::Builder b(*function);
  TraceScope scope(b);
  // Parameters are declared in order; a tuple's braces fix the order of evaluation.
  auto symbols = hana::unpack(params, [&](const auto&... p) {
    return hana::tuple<typename Params::symbol...>{p.declare(b)...};
  });
  constexpr bool callable = std::invocable<const Body&, typename Params::symbol...>;
  if constexpr (!callable) {
    static_assert(always_false<Body>,
                  "octile: the kernel's function takes one argument per parameter, in order");
  } else {
    hana::unpack(symbols, body);
  }
  return function;
}

// Splits the arguments of kernel(): all but the last are parameters.
template <class Tuple, std::size_t... I>
auto define(std::string name, const Tuple& args, std::index_sequence<I...>) {
  auto params = hana::tuple<std::tuple_element_t<I, Tuple>...>{std::get<I>(args)...};
  return kernel_definition<std::tuple_element_t<I, Tuple>...>(
      trace(std::move(name), params, std::get<sizeof...(I)>(args)));
}

}  // namespace detail

/// Traces a kernel: name, parameters, and the function of their symbols that stores the results.
template <class... Args>
auto define_kernel(std::string name, Args... args) {
  return detail::define(std::move(name), std::make_tuple(std::move(args)...),
                        std::make_index_sequence<sizeof...(Args) - 1>{});
}

}  // namespace octile
