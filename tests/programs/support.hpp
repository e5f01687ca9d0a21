// Programs that nobody prepared the compiler for, each with a plain C++ reference. One program runs
// in three places: on the CPU back end, through NVRTC without a GPU, and on a GPU.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/octile.hpp"

namespace octile::test {

enum class Where : std::uint8_t { cpu, nvrtc, gpu, emulated };

/// Indices of one element, outermost first; unused ones are 0.
using Index = std::array<std::int64_t, 5>;

/// What inputs hold.
enum class Fill : std::uint8_t {
  normal,           ///< standard normals
  uniform,          ///< in [0.5, 2)
  integers,         ///< whole numbers in [-4, 4]: products and sums of them are exact
  powers,           ///< 1/2, 1 or 2: what scales integers without rounding
  subnormals,       ///< whole multiples of 2^-145 up to 4: subnormal in f32
  counting,         ///< 0, 1, 2, ... in row-major order
  signed_counting,  ///< ..., -1, 0, 1, ... around the middle
};

/// How a tensor lies in memory.
struct Layout {
  bool reversed = false;   ///< the first dimension is contiguous instead of the last
  std::int64_t gap = 0;    ///< unused elements after each run of the contiguous dimension
  std::int64_t shift = 0;  ///< elements that the first one is moved by: breaks alignment
};

/// How far a result may be from the reference: absolute + relative * |reference|.
struct Tolerance {
  double absolute = 0;
  double relative = 0;
};
inline constexpr Tolerance kExact{};
inline constexpr Tolerance kF32{2e-5, 2e-5};
inline constexpr Tolerance kBf16{1e-5, 1.0 / 200};
inline constexpr Tolerance kF16{1e-5, 1.0 / 1500};

/// A tensor with guard bytes before, after and in the gaps, which stay as they are.
class Array {
 public:
  Array(ElementType element, const Dims& extents, const Layout& layout);

  const Dims& extents() const { return extents_; }
  ElementType element() const { return element_; }
  std::int64_t count() const;
  /// The value at an index, decoded.
  double operator()(std::int64_t i0, std::int64_t i1 = 0, std::int64_t i2 = 0, std::int64_t i3 = 0,
                    std::int64_t i4 = 0) const {
    return get(Index{i0, i1, i2, i3, i4});
  }
  double get(const Index& index) const;
  std::int64_t integer(const Index& index) const;
  void set(const Index& index, double value);
  /// Calls `visit` with the index of every element, in row-major order.
  void for_each(const std::function<void(const Index&)>& visit) const;

  /// The tensor where `stream` runs.
  TensorView view(const Stream& stream);
  /// The tensor on the host, for compiling alone.
  TensorView host_view();
  void upload(const Stream& stream);
  void download(const Stream& stream);
  /// Guard bytes where elements are: NaN in every float type.
  void poison();
  /// What is wrong with the guard bytes, or "".
  std::string damage() const;

  std::vector<std::byte> bytes;  ///< the host's copy, guards included

 private:
  std::int64_t offset(const Index& index) const;
  TensorView at(void* base, Place place) const;

  ElementType element_;
  Dims extents_, strides_;
  std::int64_t first_ = 0;  ///< bytes before the first element
  Tensor memory_;
};

/// An array that is passed to kernels; its copies are the same array.
using Input = std::shared_ptr<Array>;

using Reference = std::function<double(const Index&)>;

/// That dots are to be multiplied by mma.sync; the target matters without a GPU. Kernels that are
/// emulated (tests/cuda/emulator) always are, on sm_89.
struct MmaSync {
  cuda::Target target = {};
};

/// Runs one program's kernels in one place and compares what they store with references. Problems
/// are collected, not thrown.
class Trial {
 public:
  explicit Trial(Where where);
  /// Dots are multiplied by mma.sync, compiled for `target` or, on a GPU, as a knob asks. Knobs
  /// that only wgmma has are left out of a program's schedules. Where kernels are compiled only,
  /// the compiler's own schedule is enough; elsewhere, kernels without such a dot aren't run.
  Trial(Where where, const MmaSync& by);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  Where where() const { return where_; }
  /// Registers may spill under the schedules that are chosen today; everything else is checked.
  void may_spill() { may_spill_ = true; }

  Input input(ElementType element, const Dims& extents, Fill fill = Fill::normal,
              const Layout& layout = {});
  /// Poisoned before every run and compared after it.
  Input output(ElementType element, const Dims& extents, Reference reference,
               Tolerance tolerance = kExact, const Layout& layout = {});
  /// The same, each element within `room` of the reference.
  Input output(ElementType element, const Dims& extents, Reference reference, Reference room,
               const Layout& layout = {});
  /// Holds `start`'s elements before every run; compared after it.
  Input inout(const Input& start, Reference reference, Tolerance tolerance = kExact,
              const Layout& layout = {});
  Input inout(const Input& start, Reference reference, Reference room, const Layout& layout = {});

  /// Runs `kernel` on its own schedule and, except on the CPU, under each of `schedules`, on
  /// arrays and numbers in parameter order.
  template <class Kernel, class... Args>
  void run(const Kernel& kernel, const std::vector<std::vector<Knob>>& schedules,
           const Args&... args) {
    try_schedule(kernel, kernel.schedule(), args...);
    for (std::size_t i = 0; i < std::min(schedules.size(), most_schedules()); ++i) {
      const std::vector<Knob>& knobs = schedules[i];
      Schedule schedule = kernel.schedule();
      for (const Knob& knob : knobs) knob.apply(schedule);
      try_schedule(kernel, schedule, args...);
    }
    forget();
  }
  template <class Kernel, class... Args>
  void run(const Kernel& kernel, const Args&... args) {
    run(kernel, std::vector<std::vector<Knob>>{}, args...);
  }

  /// Only where kernels are compiled alone: under each schedule (an empty one is chosen), for
  /// row-major tensors of these sizes, larger than any that a test holds.
  template <class Kernel>
  void compile_for(const Kernel& kernel, const ProblemSizes& sizes,
                   const std::vector<std::vector<Knob>>& schedules) {
    for (const std::vector<Knob>& knobs : schedules) {
      if (where_ != Where::nvrtc) break;
      Schedule schedule = kernel.schedule();
      for (const Knob& knob : knobs) knob.apply(schedule);
      const Kernel chosen = kernel.with(schedule);
      compile(describe(kernel.name(), schedule), [=] { return chosen.compile_for(sizes); });
    }
  }

  /// Waits for compiles that are under way; everything that went wrong, one line each.
  std::vector<std::string> finish();
  int runs() const { return runs_; }

 private:
  struct Expected {
    Input array;
    std::vector<std::byte> before;
    Reference reference;
    Tolerance tolerance;
    Reference room;  ///< beyond the tolerance, element by element; may be empty
    std::vector<double> want, want_room;
  };

  template <class Kernel, class... Args>
  void try_schedule(const Kernel& kernel, const Schedule& schedule, const Args&... args) {
    if (auto s = adapted(kernel.ir(), schedule)) one(kernel.with(*s), args...);
  }
  template <class Kernel, class... Args>
  void one(const Kernel& kernel, const Args&... args) {
    ++runs_;
    const std::string what = describe(kernel.name(), kernel.schedule());
    if (where_ == Where::nvrtc) {
      compile(what, [kernel, target = target_, args...] {
        return kernel.compile_call(target, host(args)...);
      });
      return;
    }
    launch(what, [&](const Stream& stream) {
      if (where_ == Where::emulated)
        return emulate(kernel.ir(), kernel.schedule(), {host(args)...});
      kernel(stream, on(stream, args)...);
    });
  }
  template <class T>
  static auto host(const T& arg) {
    if constexpr (std::is_same_v<T, Input>) {
      return arg->host_view();
    } else {
      return arg;
    }
  }
  template <class T>
  static auto on(const Stream& stream, const T& arg) {
    if constexpr (std::is_same_v<T, Input>) {
      return arg->view(stream);
    } else {
      return arg;
    }
  }

  /// Of those that a program lists, how many are run beside its own.
  std::size_t most_schedules() const;
  std::optional<Schedule> adapted(const ir::Function& function, Schedule schedule) const;
  std::string describe(const std::string& kernel, const Schedule& schedule) const;
  void emulate(const ir::Function& function, const Schedule& schedule,
               const std::vector<runtime::Argument>& arguments) const;
  void compile(const std::string& what, std::function<CompiledVariant()> job);
  void launch(const std::string& what, const std::function<void(const Stream&)>& call);
  void compare(const std::string& what, Expected& expected);
  void forget();

  Where where_;
  bool mma_sync_ = false;
  cuda::Target target_;
  int runs_ = 0;
  bool may_spill_ = false;
  std::uint32_t seed_ = 1;
  std::vector<Input> inputs_;
  std::vector<Expected> outputs_;
  std::vector<std::pair<std::string, std::function<CompiledVariant()>>> jobs_;
  std::vector<std::string> problems_;
};

/// What `make(i)` gives, made once for every i in [0, count) that is asked for.
template <class F>
auto remembered(std::int64_t count, F make) {
  using T = decltype(make(std::int64_t{}));
  auto known = std::make_shared<std::vector<std::optional<T>>>(static_cast<std::size_t>(count));
  return [known, make](std::int64_t i) -> const T& {
    std::optional<T>& slot = (*known)[static_cast<std::size_t>(i)];
    if (!slot) slot.emplace(make(i));
    return *slot;
  };
}

/// A program by name.
struct Program {
  std::string name;
  void (*run)(Trial&);
};

/// All programs, in the order of their names.
const std::vector<Program>& programs();

/// Adds a program at start-up; used by OCTILE_PROGRAM.
bool add_program(const char* name, void (*run)(Trial&));

#define OCTILE_PROGRAM(name)                                                            \
  static void name##_program(Trial& t);                                                 \
  [[maybe_unused]] static const bool name##_added = add_program(#name, name##_program); \
  static void name##_program(Trial& t)

}  // namespace octile::test
