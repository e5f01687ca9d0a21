#include "octile/runtime/tensor.hpp"

#include <fmt/format.h>

#include <cstring>
#include <new>

#include "octile/codegen/ir/numerics.hpp"
#include "octile/runtime/device.hpp"

namespace octile {
namespace {

constexpr std::align_val_t kHostAlignment{256};

std::shared_ptr<void> allocate_host(std::size_t bytes) {
  return {::operator new(bytes, kHostAlignment),
          [](void* memory) { ::operator delete(memory, kHostAlignment); }};
}

#ifdef OCTILE_HAS_CUDA

CUdeviceptr address(const void* memory) {
  return reinterpret_cast<CUdeviceptr>(memory);
}

std::shared_ptr<void> allocate_device(std::size_t bytes) {
  const runtime::DeviceContext* context = &runtime::current_context();
  const runtime::Driver& driver = runtime::Driver::get();
  CUdeviceptr memory = 0;
  driver.check(driver.mem_alloc(&memory, bytes), "cuMemAlloc");
  return {reinterpret_cast<void*>(memory), [context](void* pointer) {
            try {
              const runtime::ContextScope scope(*context);
              runtime::Driver::get().mem_free(address(pointer));
            } catch (const Error&) {
              // The context is gone, and the memory with it.
            }
          }};
}

void wait(const runtime::Driver& driver) {
  driver.check(driver.stream_synchronize(nullptr), "cuStreamSynchronize");
}

void copy_memory(void* to, Place to_place, const void* from, Place from_place, std::size_t bytes) {
  if (to_place == Place::host && from_place == Place::host) {
    std::memcpy(to, from, bytes);
    return;
  }
  runtime::current_context();
  const runtime::Driver& driver = runtime::Driver::get();
  if (to_place == Place::host) {
    driver.check(driver.copy_to_host(to, address(from), bytes, nullptr), "cuMemcpyDtoHAsync");
  } else if (from_place == Place::host) {
    driver.check(driver.copy_to_device(address(to), from, bytes, nullptr), "cuMemcpyHtoDAsync");
  } else {
    driver.check(driver.copy_on_device(address(to), address(from), bytes, nullptr),
                 "cuMemcpyDtoDAsync");
  }
  wait(driver);
}

void fill_memory(void* memory, Place place, std::uint8_t value, std::size_t bytes) {
  if (place == Place::host) {
    std::memset(memory, value, bytes);
    return;
  }
  runtime::current_context();
  const runtime::Driver& driver = runtime::Driver::get();
  driver.check(driver.set_bytes(address(memory), value, bytes, nullptr), "cuMemsetD8Async");
  wait(driver);
}

#else

std::shared_ptr<void> allocate_device(std::size_t) {
  throw Error(ErrorCode::device, runtime::driver_problem());
}
void copy_memory(void* to, Place, const void* from, Place, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void fill_memory(void* memory, Place, std::uint8_t value, std::size_t bytes) {
  std::memset(memory, value, bytes);
}

#endif

/// Calls `visit(position, offset)` for every element in row-major order of the indices.
template <typename Visit>
void for_each_element(const TensorView& view, const Visit& visit) {
  const std::int64_t count = view.element_count();
  Dims index = view.extents;
  for (int d = 0; d < index.size(); ++d) index[d] = 0;
  std::int64_t offset = 0;
  for (std::int64_t position = 0; position < count; ++position) {
    visit(static_cast<std::size_t>(position), static_cast<std::size_t>(offset));
    for (int d = view.rank() - 1; d >= 0; --d) {
      offset += view.strides[d];
      if (++index[d] < view.extents[d]) break;
      offset -= index[d] * view.strides[d];
      index[d] = 0;
    }
  }
}

void write_element(std::byte* to, ElementType element, float value) {
  const auto put = [to](auto bits) { std::memcpy(to, &bits, sizeof(bits)); };
  switch (element) {
    case ElementType::b1:
      return put(static_cast<std::uint8_t>(value != 0));
    case ElementType::u8:
      return put(static_cast<std::uint8_t>(value));
    case ElementType::i32:
      return put(static_cast<std::int32_t>(value));
    case ElementType::i64:
      return put(static_cast<std::int64_t>(value));
    case ElementType::f32:
      return put(value);
    case ElementType::f16:
    case ElementType::bf16:
      return put(static_cast<std::uint16_t>(numerics::encode(element, value)));
    default:
      return put(static_cast<std::uint8_t>(numerics::encode(element, value)));
  }
}

float read_element(const std::byte* from, ElementType element) {
  const auto get = [from](auto bits) {
    std::memcpy(&bits, from, sizeof(bits));
    return bits;
  };
  switch (element) {
    case ElementType::b1:
    case ElementType::u8:
      return static_cast<float>(get(std::uint8_t{}));
    case ElementType::i32:
      return static_cast<float>(get(std::int32_t{}));
    case ElementType::i64:
      return static_cast<float>(get(std::int64_t{}));
    case ElementType::f32:
      return get(0.0f);
    case ElementType::f16:
    case ElementType::bf16:
      return numerics::decode(element, get(std::uint16_t{}));
    default:
      return numerics::decode(element, get(std::uint8_t{}));
  }
}

void check_size(const char* what, std::size_t expected, std::size_t got) {
  if (expected == got) return;
  throw Error(ErrorCode::user,
              fmt::format("Tensor::copy_from: expected {} {}, got {}; pass the whole "
                          "tensor's data",
                          expected, what, got));
}

}  // namespace

Tensor Tensor::empty(Place place, ElementType element, const Dims& extents, const Dims& strides) {
  if (place == Place::any) {
    throw Error(
        ErrorCode::user,
        "Tensor::empty: expected Place::host or Place::device, got Place::any; say where the "
        "memory is to be");
  }
  for (const std::int64_t extent : extents) {
    if (extent < 0) {
      throw Error(ErrorCode::user, fmt::format("Tensor::empty: expected extents of at least 0, got "
                                               "{}; pass the number of elements per dimension",
                                               extent));
    }
  }
  Tensor tensor;
  tensor.view_ = octile::view(static_cast<void*>(nullptr), element, extents, strides, place);
  if (const std::size_t bytes = tensor.size_bytes(); bytes > 0) {
    tensor.memory_ = place == Place::host ? allocate_host(bytes) : allocate_device(bytes);
    tensor.view_.data = tensor.memory_.get();
  }
  return tensor;
}

Tensor Tensor::empty(const Stream& stream, ElementType element, const Dims& extents,
                     const Dims& strides) {
  return empty(place_of(stream), element, extents, strides);
}

Tensor Tensor::zeros(Place place, ElementType element, const Dims& extents) {
  Tensor tensor = empty(place, element, extents);
  tensor.fill_bytes(0);
  return tensor;
}

std::size_t Tensor::size_bytes() const {
  return static_cast<std::size_t>(view_.span_elements() * size_in_bytes(view_.element));
}

void Tensor::fill_bytes(std::uint8_t value) {
  if (size_bytes() > 0) fill_memory(view_.data, view_.place, value, size_bytes());
}

void Tensor::copy_from(std::span<const std::byte> bytes) {
  check_size("bytes", size_bytes(), bytes.size());
  if (bytes.empty()) return;
  copy_memory(view_.data, view_.place, bytes.data(), Place::host, bytes.size());
}

void Tensor::copy_from(std::span<const float> values) {
  check_size("values", static_cast<std::size_t>(view_.element_count()), values.size());
  if (values.empty()) return;
  const std::size_t width = static_cast<std::size_t>(size_in_bytes(view_.element));
  const bool packed = view_.strides == packed_strides(view_.extents);
  std::vector<std::byte> bytes = packed ? std::vector<std::byte>(size_bytes()) : to_bytes();
  for_each_element(view_, [&](std::size_t position, std::size_t offset) {
    write_element(bytes.data() + offset * width, view_.element, values[position]);
  });
  copy_from(std::span<const std::byte>(bytes));
}

std::vector<std::byte> Tensor::to_bytes() const {
  std::vector<std::byte> bytes(size_bytes());
  if (!bytes.empty()) {
    copy_memory(bytes.data(), Place::host, view_.data, view_.place, bytes.size());
  }
  return bytes;
}

std::vector<float> Tensor::to_floats() const {
  const std::vector<std::byte> bytes = to_bytes();
  const std::size_t width = static_cast<std::size_t>(size_in_bytes(view_.element));
  std::vector<float> values(static_cast<std::size_t>(view_.element_count()));
  for_each_element(view_, [&](std::size_t position, std::size_t offset) {
    values[position] = read_element(bytes.data() + offset * width, view_.element);
  });
  return values;
}

Tensor Tensor::to(Place place) const {
  Tensor copy = empty(place, view_.element, view_.extents, view_.strides);
  if (size_bytes() > 0) copy_memory(copy.view_.data, place, view_.data, view_.place, size_bytes());
  return copy;
}

}  // namespace octile
