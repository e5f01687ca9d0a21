#include "octile/runtime/bind.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/runtime/error.hpp"

namespace octile::runtime {
namespace {

/// `ir::evaluate_extent` without a vector.
std::int64_t extent_value(const ir::Extent& extent, const Binding& binding) {
  const std::int64_t base =
      extent.dim < 0 ? extent.constant : binding.dim_values[static_cast<std::size_t>(extent.dim)];
  return (base + extent.divisor - 1) / extent.divisor;
}

bool is_whole(const ir::Extent& extent) {
  return extent.dim >= 0 && extent.divisor == 1;
}

const char* place_name(Place place) {
  return place == Place::host ? "host" : "device";
}

std::uint64_t as_bits(const auto& value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(value));
  return bits;
}

/// Range of an integer element type.
std::pair<std::int64_t, std::int64_t> integer_range(ElementType element) {
  switch (element) {
    case ElementType::b1:
      return {0, 1};
    case ElementType::u8:
      return {0, 255};
    case ElementType::i32:
      return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
    default:
      return {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
  }
}

std::uint64_t float_bits(ElementType element, double value) {
  const float rounded = static_cast<float>(value);
  if (element == ElementType::f32) return as_bits(rounded);
  return numerics::encode(element, rounded);
}

}  // namespace

Dims normalised_strides(const TensorView& view) {
  Dims strides = view.strides;
  const bool is_empty = view.element_count() == 0;
  int contiguous = -1;
  int candidate = -1;
  std::int64_t span = 1;
  for (int d = 0; d < view.rank(); ++d) {
    if (strides[d] == 1) contiguous = d;
    if (is_empty || view.extents[d] == 1) {
      candidate = d;
    } else {
      span += (view.extents[d] - 1) * strides[d];
    }
  }
  if (contiguous < 0) contiguous = candidate;
  // Past the other dimensions' elements, and a multiple of 16 bytes for every element type.
  const std::int64_t outer = (span + 15) / 16 * 16;
  for (int d = 0; d < view.rank(); ++d) {
    if (is_empty || view.extents[d] == 1) strides[d] = d == contiguous ? 1 : outer;
  }
  return strides;
}

cuda::TensorFacts facts_of(const TensorView& view, const Dims& strides) {
  cuda::TensorFacts facts;
  for (int d = view.rank() - 1; d >= 0 && facts.contiguous_dim < 0; --d) {
    if (strides[d] == 1) facts.contiguous_dim = d;
  }
  const std::uint64_t width = static_cast<std::uint64_t>(size_in_bytes(view.element));
  const bool is_empty = view.element_count() == 0;
  std::uint64_t bits = is_empty ? 0 : reinterpret_cast<std::uintptr_t>(view.data);
  for (int d = 0; d < view.rank(); ++d) {
    if (d != facts.contiguous_dim) bits |= static_cast<std::uint64_t>(strides[d]) * width;
  }
  bits |= 16;
  facts.alignment = static_cast<int>(bits & (~bits + 1));
  return facts;
}

namespace {

// TMA writes whole granules of 16 bytes, also over the end of a row that isn't one: a tensor of
// several dimensions that is stored to counts as aligned to no more than its rows are long.
void only_whole_rows(const TensorView& view, cuda::TensorFacts& facts) {
  if (view.rank() < 2 || facts.contiguous_dim < 0 || view.element_count() == 0) return;
  const auto bytes = static_cast<std::uint64_t>(view.extents[facts.contiguous_dim]) *
                     static_cast<std::uint64_t>(size_in_bytes(view.element));
  facts.alignment = std::min(facts.alignment, static_cast<int>((bytes | 16) & (~(bytes | 16) + 1)));
}

}  // namespace

Binder::Binder(std::shared_ptr<const ir::Function> function) : function_(std::move(function)) {
  const auto fail = [&](const std::string& rest) {
    throw Error(ErrorCode::user, fmt::format("kernel `{}`: {}", function_->name, rest));
  };
  if (function_->params.size() > kMaxParams) {
    fail(fmt::format("expected at most {} parameters, got {}; split the kernel", kMaxParams,
                     function_->params.size()));
  }
  if (function_->dims.size() > kMaxDimNames) {
    fail(fmt::format("expected at most {} problem sizes, got {}; split the kernel", kMaxDimNames,
                     function_->dims.size()));
  }
  sources_.resize(function_->dims.size());
  for (int p = 0; p < static_cast<int>(function_->params.size()); ++p) {
    const std::vector<ir::Extent>& shape = function_->params[static_cast<std::size_t>(p)].shape;
    for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
      const ir::Extent& extent = shape[static_cast<std::size_t>(d)];
      if (!is_whole(extent)) continue;
      Source& source = sources_[static_cast<std::size_t>(extent.dim)];
      if (source.param < 0) source = {p, d};
    }
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].param >= 0) continue;
    fail(
        fmt::format("no tensor gives the problem size {0} its value; declare a tensor that has {0} "
                    "alone, not divided, as a dimension",
                    function_->dims[i]));
  }
}

void Binder::refuse(int param, const std::string& rest) const {
  throw Error(ErrorCode::user,
              fmt::format("kernel `{}`, argument `{}`: {}", function_->name,
                          function_->params[static_cast<std::size_t>(param)].name, rest));
}

std::string Binder::extent_text(const ir::Extent& extent) const {
  const std::string base = extent.dim < 0 ? std::to_string(extent.constant)
                                          : function_->dims[static_cast<std::size_t>(extent.dim)];
  return extent.divisor == 1 ? base : fmt::format("{} / {}", base, extent.divisor);
}

void Binder::check_tensor(int param, const TensorView& view, Place stream_place) const {
  const ir::Param& declared = function_->params[static_cast<std::size_t>(param)];
  if (view.element != declared.element) {
    const std::string_view expected = info(declared.element).name;
    refuse(param, fmt::format("expected element type {}, got {}; pass a view of {} elements",
                              expected, info(view.element).name, expected));
  }
  const int rank = static_cast<int>(declared.shape.size());
  if (view.rank() != rank || view.strides.size() != rank) {
    std::vector<std::string> shape;
    for (const ir::Extent& extent : declared.shape) shape.push_back(extent_text(extent));
    refuse(param, fmt::format("expected {} dimensions, got {}; pass a view of extents {{{}}}", rank,
                              view.rank(), fmt::join(shape, ", ")));
  }
  for (int d = 0; d < rank; ++d) {
    if (view.extents[d] < 0) {
      refuse(param,
             fmt::format("expected an extent of at least 0 in dimension {}, got {}; pass the "
                         "number of elements",
                         d, view.extents[d]));
    }
    if (view.extents[d] > 1 && view.strides[d] < 0) {
      refuse(param, fmt::format("expected a stride of at least 0 in dimension {}, got {}; copy the "
                                "tensor into increasing order",
                                d, view.strides[d]));
    }
  }
  if (view.element_count() > 0) {
    if (view.data == nullptr) {
      refuse(param,
             fmt::format("expected the address of {} elements, got a null pointer; pass a view "
                         "of allocated memory",
                         view.element_count()));
    }
    const auto width = static_cast<std::uintptr_t>(size_in_bytes(view.element));
    if (const std::uintptr_t rest = reinterpret_cast<std::uintptr_t>(view.data) % width;
        rest != 0) {
      refuse(param, fmt::format("expected an address that is a multiple of {} bytes ({}), got one "
                                "that is {} bytes off; align the memory to its elements",
                                width, info(view.element).name, rest));
    }
  }
  if (view.place != Place::any && view.place != stream_place) {
    refuse(param, fmt::format("expected {} memory, since the stream is {}, got {} memory; copy the "
                              "tensor with Tensor::to(stream), or launch on {}",
                              place_name(stream_place),
                              stream_place == Place::host ? "the CPU's" : "a GPU's",
                              place_name(view.place),
                              stream_place == Place::host ? "Stream::gpu()" : "Stream::cpu()"));
  }
  if (declared.access != ir::Access::in) check_output(param, view);
}

void Binder::check_output(int param, const TensorView& view) const {
  if (view.read_only) {
    refuse(param,
           "expected writable memory, since the kernel stores to it, got a view of a pointer to "
           "const; pass a pointer to non-const");
  }
  for (int d = 0; d < view.rank(); ++d) {
    if (view.element_count() > 0 && view.extents[d] > 1 && view.strides[d] == 0) {
      refuse(param, fmt::format("expected every element of an output at an address of its own, got "
                                "stride 0 in dimension {} of extent {}; pass memory for all {} "
                                "elements",
                                d, view.extents[d], view.element_count()));
    }
  }
}

void Binder::check_extents(int param, const TensorView& view, const Binding& out) const {
  const ir::Param& declared = function_->params[static_cast<std::size_t>(param)];
  for (int d = 0; d < view.rank(); ++d) {
    const ir::Extent& extent = declared.shape[static_cast<std::size_t>(d)];
    const std::int64_t expected = extent_value(extent, out);
    if (view.extents[d] == expected) continue;
    std::string reason;
    if (extent.dim >= 0) {
      const Source& source = sources_[static_cast<std::size_t>(extent.dim)];
      reason =
          fmt::format(" ({} = {} from argument `{}`, dimension {})",
                      function_->dims[static_cast<std::size_t>(extent.dim)],
                      out.dim_values[static_cast<std::size_t>(extent.dim)],
                      function_->params[static_cast<std::size_t>(source.param)].name, source.dim);
    }
    refuse(param,
           fmt::format("expected {} in dimension {}, which is {}{}, got {}; make the tensors' "
                       "sizes agree",
                       expected, d, extent_text(extent), reason, view.extents[d]));
  }
}

void Binder::bind_scalar(int param, const Argument& argument, Binding& out) const {
  const ElementType element = function_->params[static_cast<std::size_t>(param)].element;
  std::uint64_t& bits = out.scalars[static_cast<std::size_t>(param)];
  if (is_float(element)) {
    bits = float_bits(element, argument.kind == Argument::Kind::integer
                                   ? static_cast<double>(argument.integer)
                                   : argument.floating);
    return;
  }
  if (argument.kind == Argument::Kind::floating) {
    refuse(param,
           fmt::format("expected an integer ({}), got the floating-point value {}; convert it "
                       "in your code",
                       info(element).name, argument.floating));
  }
  const auto [low, high] = integer_range(element);
  if (argument.integer < low || argument.integer > high) {
    refuse(param, fmt::format("expected a value in [{}, {}] ({}), got {}; declare the scalar wider",
                              low, high, info(element).name, argument.integer));
  }
  // Little-endian: the first bytes are the value in its own width.
  bits = as_bits(argument.integer);
}

void Binder::bind(std::span<const Argument> arguments, Place stream_place, Binding& out) const {
  const std::vector<ir::Param>& params = function_->params;
  if (arguments.size() != params.size()) {
    throw Error(
        ErrorCode::user,
        fmt::format("kernel `{}`: expected {} arguments after the stream, got {}; pass one per "
                    "parameter, in order",
                    function_->name, params.size(), arguments.size()));
  }
  out.params = static_cast<int>(params.size());
  out.dims = static_cast<int>(sources_.size());
  for (int p = 0; p < out.params; ++p) {
    const std::size_t i = static_cast<std::size_t>(p);
    const bool given_tensor = arguments[i].kind == Argument::Kind::tensor;
    if (given_tensor != params[i].is_tensor) {
      refuse(p, params[i].is_tensor ? "expected a tensor, got a number; pass a view or a Tensor"
                                    : "expected a number, got a tensor; pass the scalar's value");
    }
    if (given_tensor) check_tensor(p, arguments[i].view, stream_place);
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Source& source = sources_[i];
    out.dim_values[i] = arguments[static_cast<std::size_t>(source.param)].view.extents[source.dim];
  }
  for (int p = 0; p < out.params; ++p) {
    const std::size_t i = static_cast<std::size_t>(p);
    if (!params[i].is_tensor) {
      bind_scalar(p, arguments[i], out);
      out.facts[i] = {};
      continue;
    }
    const TensorView& view = arguments[i].view;
    check_extents(p, view, out);
    out.strides[i] = normalised_strides(view);
    out.facts[i] = facts_of(view, out.strides[i]);
    if (params[i].access != ir::Access::in) only_whole_rows(view, out.facts[i]);
  }
}

Binding Binder::bind_sizes(std::span<const std::pair<std::string, std::int64_t>> sizes) const {
  Binding out;
  out.params = static_cast<int>(function_->params.size());
  out.dims = static_cast<int>(sources_.size());
  const auto fail = [&](const std::string& rest) {
    throw Error(ErrorCode::user,
                fmt::format("kernel `{}`: {}; its problem sizes are {{{}}}", function_->name, rest,
                            fmt::join(function_->dims, ", ")));
  };
  std::vector<bool> given(sources_.size(), false);
  for (const auto& [name, value] : sizes) {
    const ir::DimId dim = function_->find_dim(name);
    if (dim < 0) fail(fmt::format("got the unknown problem size {}", name));
    if (value < 0) fail(fmt::format("expected a size of at least 0 for {}, got {}", name, value));
    out.dim_values[static_cast<std::size_t>(dim)] = value;
    given[static_cast<std::size_t>(dim)] = true;
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i]) fail(fmt::format("expected a value for {}, got none", function_->dims[i]));
  }
  for (std::size_t p = 0; p < function_->params.size(); ++p) {
    const ir::Param& param = function_->params[p];
    out.facts[p] = {};
    if (!param.is_tensor) continue;
    TensorView view;
    view.element = param.element;
    view.extents = Dims(std::vector<std::int64_t>(param.shape.size()));
    for (int d = 0; d < view.rank(); ++d) {
      view.extents[d] = extent_value(param.shape[static_cast<std::size_t>(d)], out);
    }
    view.strides = packed_strides(view.extents);
    out.strides[p] = normalised_strides(view);
    out.facts[p] = facts_of(view, out.strides[p]);  // a null address is aligned to anything
    if (param.access != ir::Access::in) only_whole_rows(view, out.facts[p]);
  }
  return out;
}

}  // namespace octile::runtime
