// A kernel as the user defines it: parameters and body, traced once into the tile IR.
#pragma once

#include <boost/hana/basic_tuple.hpp>
#include <boost/hana/unpack.hpp>
#include <memory>
#include <string>

#include "octile/dsl/control.hpp"
#include "octile/dsl/parameter.hpp"
#include "octile/dsl/refusals.hpp"

namespace octile {

/// A traced kernel: the tile program, whose axes are not yet bound, and its parameters as types
/// (`tensor_decl` and `scalar_decl`, in order).
template <class... Params>
class kernel_definition {
 public:
  static constexpr std::size_t parameter_count = sizeof...(Params);

  explicit kernel_definition(std::shared_ptr<const ir::Function> function)
      : function_(std::move(function)) {}

  const ir::Function& ir() const { return *function_; }
  const std::shared_ptr<const ir::Function>& shared_ir() const { return function_; }

 private:
  std::shared_ptr<const ir::Function> function_;
};

namespace detail {

template <class Body, class... Symbols>
constexpr bool check_body() {
  constexpr fit call = fit_of<Body, Symbols...>();
  static_assert(call != fit::other_arguments,
                "octile: the last argument of kernel() is a function of one argument per "
                "parameter, in order: [](auto a, auto b, auto d) { ... }");
  if constexpr (call == fit::fits) {
    using R = std::invoke_result_t<const Body&, Symbols...>;
    constexpr bool ok = is_statement<R, gridded>;
    static_assert(ok, "octile: a kernel's function returns grid(extents..., [=](auto i) { ... })");
    return ok;
  }
  return call == fit::fits;
}

template <class P>
inline constexpr bool is_parameter = false;
template <class T, ir::Access Access, std::size_t Rank>
inline constexpr bool is_parameter<tensor_decl<T, Access, Rank>> = true;
template <class T>
inline constexpr bool is_parameter<scalar_decl<T>> = true;

template <bool Ok>
constexpr bool check_parameters() {
  static_assert(Ok,
                "octile: kernel() takes a name, then parameters - in, out, inout, scalar - and "
                "last its function");
  return Ok;
}

template <class Body, class... Params>
kernel_definition<Params...> define(std::string name, const Body& body, const Params&... params) {
  const auto run = [&] {
    if constexpr (check_parameters<(is_parameter<Params> && ...)>()) {
      if constexpr (check_body<Body, typename Params::symbol...>()) {
        // Parameters are declared in order: braces fix the order of evaluation.
        boost::hana::unpack(
            boost::hana::basic_tuple<typename Params::symbol...>{params.declare()...},
            [&](const auto&... symbols) { static_cast<void>(body(symbols...)); });
      }
    }
  };
  return kernel_definition<Params...>(core::trace(std::move(name), callback<void>(run)));
}

}  // namespace detail

/// Traces a kernel: its name, its parameters, and a function of their symbols that stores results.
/// Throws ir::Error for what the types can't tell, such as a parameter declared twice.
template <class Name, class... Args>
auto define_kernel(const Name& name, const Args&... args) {
  if constexpr (!detail::check_parameters < std::is_convertible_v<const Name&, std::string> &&
                sizeof...(Args) != 0 > ()) {
    return kernel_definition<>(nullptr);
  } else {
    const auto all = boost::hana::basic_tuple<const Args*...>{&args...};
    constexpr std::size_t last = sizeof...(Args) - 1;
    return [&]<std::size_t... N>(std::index_sequence<N...>) {
      return detail::define(name, *boost::hana::at_c<last>(all), *boost::hana::at_c<N>(all)...);
    }
    (std::make_index_sequence<last>{});
  }
}

}  // namespace octile
