#include "octile/runtime/cpu_variant.hpp"

#include <fmt/format.h>

#include "octile/codegen/passes/passes.hpp"
#include "octile/runtime/cuda_variant.hpp"
#include "octile/runtime/error.hpp"

namespace octile::runtime {

void require_cpu(const ir::Function& function) {
  if (cpu::available()) return;
  throw Error(
      ErrorCode::device,
      fmt::format("kernel `{}`: this library was built without the CPU back end; configure it "
                  "with -DOCTILE_ENABLE_CPU=ON and LLVM 16 to 19, or launch on a GPU",
                  function.name));
}

CpuVariant::CpuVariant(const ir::Function& function, CpuKey key)
    : source_(function), key_(std::move(key)) {}

void CpuVariant::prepare_locked() {
  if (function_ != nullptr) return;
  std::unique_ptr<ir::Function> prepared = ir::clone(source_);
  with_kernel_name(source_, [&] { passes::prepare(*prepared, key_.schedule.axes); });
  function_ = std::move(prepared);
}

const ir::Function& CpuVariant::function() {
  const std::lock_guard lock(mutex_);
  prepare_locked();
  return *function_;
}

cpu::Program& CpuVariant::program() {
  const std::lock_guard lock(mutex_);
  prepare_locked();
  if (program_ == nullptr) {
    program_ = with_kernel_name(source_, [&] { return cpu::compile(*function_, key_.options); });
  }
  return *program_;
}

bool CpuVariant::is_compiled() const {
  const std::lock_guard lock(mutex_);
  return program_ != nullptr;
}

void CpuVariant::run(std::span<const Argument> arguments, const Binding& binding) {
  std::vector<cpu::Arg> args(arguments.size());
  std::array<std::uint64_t, kMaxParams> scalars = binding.scalars;
  for (std::size_t p = 0; p < arguments.size(); ++p) {
    if (arguments[p].kind != Argument::Kind::tensor) {
      args[p].data = &scalars[p];
      continue;
    }
    const TensorView& view = arguments[p].view;
    args[p].data = view.data;
    args[p].extents.assign(view.extents.begin(), view.extents.end());
    args[p].strides.assign(binding.strides[p].begin(), binding.strides[p].end());
    args[p].written = view.written;
  }
  program().run(args, binding.dim_vector());
}

}  // namespace octile::runtime
