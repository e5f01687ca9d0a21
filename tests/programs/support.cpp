#include "octile/tests/programs/support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/ir/numerics.hpp"
#include "octile/codegen/ir/walk.hpp"
#include "octile/tests/cuda/emulator/emulator.hpp"
#include "octile/tests/gemm/parallel.hpp"

namespace octile::test {
namespace {

/// A multiple of every alignment that matters, and wider than a vector or a swizzle.
constexpr std::int64_t kGuardBytes = 4096;
constexpr std::byte kGuard{0xFF};

std::string text(const Index& index, int rank) {
  std::string out;
  for (int d = 0; d < rank; ++d) {
    out += fmt::format("{}{}", d ? ", " : "", index[static_cast<std::size_t>(d)]);
  }
  return out;
}

Dims strides_of(const Dims& extents, const Layout& layout) {
  const int rank = extents.size();
  Dims strides = extents;
  std::int64_t step = 1;
  for (int n = 0; n < rank; ++n) {
    const int d = layout.reversed ? n : rank - 1 - n;
    strides[d] = step;
    step *= std::max<std::int64_t>(extents[d], 1);
    if (n == 0) step += layout.gap;
  }
  return strides;
}

}  // namespace

Array::Array(ElementType element, const Dims& extents, const Layout& layout)
    : element_(element), extents_(extents), strides_(strides_of(extents, layout)) {
  const std::int64_t size = size_in_bytes(element);
  first_ = kGuardBytes + layout.shift * size;
  std::int64_t span = 1;
  for (int d = 0; d < extents.size(); ++d)
    span += std::max<std::int64_t>(extents[d] - 1, 0) * strides_[d];
  bytes.assign(static_cast<std::size_t>(first_ + span * size + kGuardBytes), kGuard);
}

std::int64_t Array::count() const {
  std::int64_t n = 1;
  for (const std::int64_t extent : extents_) n *= extent;
  return n;
}

std::int64_t Array::offset(const Index& index) const {
  std::int64_t at = 0;
  for (int d = 0; d < extents_.size(); ++d) at += index[static_cast<std::size_t>(d)] * strides_[d];
  return first_ + at * size_in_bytes(element_);
}

std::int64_t Array::integer(const Index& index) const {
  const std::byte* from = bytes.data() + offset(index);
  switch (element_) {
    case ElementType::i64: {
      std::int64_t v;
      std::memcpy(&v, from, sizeof v);
      return v;
    }
    case ElementType::i32: {
      std::int32_t v;
      std::memcpy(&v, from, sizeof v);
      return v;
    }
    default:
      return std::to_integer<std::int64_t>(*from);
  }
}

double Array::get(const Index& index) const {
  if (!is_float(element_)) return static_cast<double>(integer(index));
  std::uint32_t bits = 0;
  std::memcpy(&bits, bytes.data() + offset(index),
              static_cast<std::size_t>(size_in_bytes(element_)));
  return numerics::decode(element_, bits);
}

void Array::set(const Index& index, double value) {
  std::byte* to = bytes.data() + offset(index);
  const auto size = static_cast<std::size_t>(size_in_bytes(element_));
  if (is_float(element_)) {
    const std::uint32_t bits = numerics::encode(element_, static_cast<float>(value));
    std::memcpy(to, &bits, size);
  } else {
    const auto whole = static_cast<std::int64_t>(value);
    std::memcpy(to, &whole, size);
  }
}

void Array::for_each(const std::function<void(const Index&)>& visit) const {
  if (count() == 0) return;
  Index index{};
  const int rank = extents_.size();
  while (true) {
    visit(index);
    int d = rank - 1;
    while (d >= 0 && ++index[static_cast<std::size_t>(d)] == extents_[d]) {
      index[static_cast<std::size_t>(d--)] = 0;
    }
    if (d < 0) return;
  }
}

TensorView Array::at(void* base, Place place) const {
  return octile::view(static_cast<void*>(static_cast<std::byte*>(base) + first_), element_,
                      extents_, strides_, place);
}

TensorView Array::host_view() {
  return at(bytes.data(), Place::any);
}

TensorView Array::view(const Stream& stream) {
  return stream.is_gpu() ? at(memory_.data(), Place::device) : at(bytes.data(), Place::host);
}

void Array::upload(const Stream& stream) {
  if (!stream.is_gpu()) return;
  if (memory_.data() == nullptr) {
    memory_ = Tensor::empty(stream, ElementType::u8, {static_cast<std::int64_t>(bytes.size())});
  }
  memory_.copy_from(std::span<const std::byte>(bytes));
}

void Array::download(const Stream& stream) {
  if (stream.is_gpu()) bytes = memory_.to_bytes();
}

void Array::poison() {
  std::fill(bytes.begin(), bytes.end(), kGuard);
}

std::string Array::damage() const {
  std::vector<bool> inside(bytes.size());
  const int size = size_in_bytes(element_);
  for_each([&](const Index& index) {
    for (int b = 0; b < size; ++b) inside[static_cast<std::size_t>(offset(index) + b)] = true;
  });
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (inside[i] || bytes[i] == kGuard) continue;
    return fmt::format("byte {} from its start, outside of the tensor, was written",
                       static_cast<std::int64_t>(i) - first_);
  }
  return {};
}

Trial::Trial(Where where) : where_(where) {}
Trial::~Trial() = default;

Trial::Trial(Where where, const MmaSync& by) : where_(where), mma_sync_(true), target_(by.target) {}

namespace {

bool has_tensor_core_dot(const ir::Function& function) {
  bool found = false;
  ir::for_each_op(*function.body, [&](const ir::Op& op) {
    found |= op.kind == ir::OpKind::dot && op.operand(0)->type.axes.size() == 2 &&
             op.operand(1)->type.axes.size() == 2 &&
             cuda::tensor_core_types(op.operand(0)->type.element, op.operand(1)->type.element);
  });
  return found;
}

}  // namespace

std::size_t Trial::most_schedules() const {
  if (where_ == Where::emulated) {
    const char* text = std::getenv("OCTILE_TEST_SCHEDULES");
    return text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
  }
  return where_ == Where::cpu || (mma_sync_ && where_ == Where::nvrtc) ? 0 : 1000;
}

void Trial::emulate(const ir::Function& function, const Schedule& schedule,
                    const std::vector<runtime::Argument>& arguments) const {
  octile::test::emulate(function, schedule, target_, arguments);
}

std::optional<Schedule> Trial::adapted(const ir::Function& function, Schedule schedule) const {
  if (!mma_sync_) return schedule;
  if (!has_tensor_core_dot(function))
    return where_ == Where::nvrtc ? std::optional<Schedule>(schedule) : std::nullopt;
  const Schedule initial;
  if (schedule.consumers == 1 || schedule.consumers == 2) schedule.warps = 4 * schedule.consumers;
  schedule.consumers = initial.consumers;
  schedule.accumulators = initial.accumulators;
  schedule.order_consumers = initial.order_consumers;
  schedule.stagger_consumers = initial.stagger_consumers;
  schedule.cluster = initial.cluster;
  schedule.cluster_axis = initial.cluster_axis;
  schedule.split_fold = initial.split_fold;
  schedule.fold_teams = initial.fold_teams;
  schedule.stream_fold = initial.stream_fold;
  schedule.ping_pong = initial.ping_pong;
  schedule.epilogue_overlap = initial.epilogue_overlap;
  schedule.stores_apart = initial.stores_apart;
  schedule.transpose_panels = initial.transpose_panels;
  schedule.outer_products = initial.outer_products;
  schedule.ctas_per_sm = initial.ctas_per_sm;
  schedule.tile_pieces = initial.tile_pieces;
  schedule.tma_store = initial.tma_store;
  if (where_ == Where::gpu) schedule.mma_sync = 1;
  return schedule;
}

Input Trial::input(ElementType element, const Dims& extents, Fill fill, const Layout& layout) {
  auto array = std::make_shared<Array>(element, extents, layout);
  inputs_.push_back(array);
  // A launch isn't made, and what is read doesn't matter, where code is only compiled.
  if (where_ == Where::nvrtc) return array;
  std::mt19937 random(seed_++);
  std::normal_distribution<double> normal;
  std::int64_t n = 0;
  const std::int64_t middle = array->count() / 2;
  array->for_each([&](const Index& index) {
    double value = 0;
    switch (fill) {
      case Fill::normal:
        value = normal(random);
        break;
      case Fill::uniform:
        value = 0.5 + 1.5 * static_cast<double>(random() >> 8) / (1 << 24);
        break;
      case Fill::integers:
        value = static_cast<double>(random() % 9) - 4;
        break;
      case Fill::subnormals:
        value = (static_cast<double>(random() % 9) - 4) * 0x1p-145;
        break;
      case Fill::powers:
        value = std::exp2(static_cast<double>(random() % 3) - 1);
        break;
      case Fill::counting:
        value = static_cast<double>(n);
        break;
      case Fill::signed_counting:
        value = static_cast<double>(n - middle);
        break;
    }
    array->set(index, value);
    ++n;
  });
  return array;
}

Input Trial::output(ElementType element, const Dims& extents, Reference reference,
                    Tolerance tolerance, const Layout& layout) {
  auto array = std::make_shared<Array>(element, extents, layout);
  outputs_.push_back({array, array->bytes, std::move(reference), tolerance, {}, {}, {}});
  return array;
}

Input Trial::output(ElementType element, const Dims& extents, Reference reference, Reference room,
                    const Layout& layout) {
  const Input array = output(element, extents, std::move(reference), kExact, layout);
  outputs_.back().room = std::move(room);
  return array;
}

Input Trial::inout(const Input& start, Reference reference, Tolerance tolerance,
                   const Layout& layout) {
  auto array = std::make_shared<Array>(start->element(), start->extents(), layout);
  if (where_ != Where::nvrtc) {
    start->for_each([&](const Index& index) { array->set(index, start->get(index)); });
  }
  outputs_.push_back({array, array->bytes, std::move(reference), tolerance, {}, {}, {}});
  return array;
}

Input Trial::inout(const Input& start, Reference reference, Reference room, const Layout& layout) {
  const Input array = inout(start, std::move(reference), kExact, layout);
  outputs_.back().room = std::move(room);
  return array;
}

std::string Trial::describe(const std::string& kernel, const Schedule& schedule) const {
  std::string shapes;
  for (const Expected& out : outputs_) {
    const Dims& e = out.array->extents();
    shapes += fmt::format(" {}", fmt::join(e.begin(), e.end(), "x"));
  }
  return fmt::format("{} to{} [{}]", kernel, shapes, to_string(schedule));
}

void Trial::compile(const std::string& what, std::function<CompiledVariant()> job) {
  jobs_.emplace_back(what, std::move(job));
}

void Trial::launch(const std::string& what, const std::function<void(const Stream&)>& call) {
  static const bool verbose = std::getenv("OCTILE_TEST_VERBOSE") != nullptr;
  if (verbose) std::fprintf(stderr, "%s\n", what.c_str());
  try {
    const Stream stream = where_ == Where::gpu ? Stream::gpu() : Stream::cpu();
    for (const Input& array : inputs_) array->upload(stream);
    for (Expected& out : outputs_) {
      out.array->bytes = out.before;
      out.array->upload(stream);
    }
    call(stream);
    stream.synchronize();
    for (Expected& out : outputs_) {
      out.array->download(stream);
      compare(what, out);
    }
  } catch (const std::exception& error) {
    problems_.push_back(fmt::format("{}: {}", what, error.what()));
  }
}

void Trial::compare(const std::string& what, Expected& expected) {
  const Array& got = *expected.array;
  if (expected.want.empty()) {
    got.for_each([&](const Index& index) {
      expected.want.push_back(expected.reference(index));
      expected.want_room.push_back(expected.room ? expected.room(index) : 0);
    });
  }
  const std::ptrdiff_t which = &expected - outputs_.data();
  std::int64_t n = 0, wrong = 0;
  std::string first;
  got.for_each([&](const Index& index) {
    const auto at = static_cast<std::size_t>(n++);
    const double want = expected.want[at], value = got.get(index);
    const bool both_nan = std::isnan(want) && std::isnan(value);
    const double room = expected.tolerance.absolute + expected.tolerance.relative * std::abs(want) +
                        expected.want_room[at];
    if (value == want || both_nan || std::abs(value - want) <= room) return;
    if (wrong++ == 0) {
      first = fmt::format("got {:.9g} instead of {:.9g} at [{}]", value, want,
                          text(index, got.extents().size()));
    }
  });
  if (wrong > 0) {
    problems_.push_back(fmt::format("{}: output {}: {} of {} elements are wrong: {}", what, which,
                                    wrong, n, first));
  }
  if (const std::string damage = got.damage(); !damage.empty()) {
    problems_.push_back(fmt::format("{}: output {}: {}", what, which, damage));
  }
}

void Trial::forget() {
  inputs_.clear();
  outputs_.clear();
}

std::vector<std::string> Trial::finish() {
  std::vector<std::string> found(jobs_.size());
  parallel_for(static_cast<std::int64_t>(jobs_.size()), 1, [&](std::int64_t i) {
    const auto& [what, job] = jobs_[static_cast<std::size_t>(i)];
    std::string& problem = found[static_cast<std::size_t>(i)];
    try {
      const CompiledVariant variant = job();
      const PtxasReport& report = variant.kernel.report;
      const std::string as = fmt::format("{} as [{}]", what, to_string(variant.schedule));
      if (report.registers == 0) problem = as + ": ptxas reports no registers";
      if (report.spills() && !may_spill_) {
        problem = fmt::format("{}: spills {} bytes, {} threads of {} registers", as,
                              report.spill_store_bytes + report.spill_load_bytes,
                              variant.program.threads, report.registers);
      }
      if (report.wgmma_serialized) problem = as + ": ptxas serialises wgmma";
    } catch (const std::exception& error) {
      problem = fmt::format("{}: {}", what, error.what());
    }
  });
  for (std::string& problem : found) {
    if (!problem.empty()) problems_.push_back(std::move(problem));
  }
  jobs_.clear();
  return std::move(problems_);
}

namespace {

std::vector<Program>& registry() {
  static std::vector<Program> all;
  return all;
}

}  // namespace

bool add_program(const char* name, void (*run)(Trial&)) {
  registry().push_back({name, run});
  return true;
}

const std::vector<Program>& programs() {
  static const bool sorted = [] {
    std::sort(registry().begin(), registry().end(),
              [](const Program& a, const Program& b) { return a.name < b.name; });
    return true;
  }();
  static_cast<void>(sorted);
  return registry();
}

}  // namespace octile::test
