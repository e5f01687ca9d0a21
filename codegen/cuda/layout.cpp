#include "octile/codegen/cuda/layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace octile::cuda {
namespace {

std::int64_t run_of(const Runs& runs, ir::AxisId axis) {
  auto it = runs.find(axis);
  return it == runs.end() ? 1 : it->second;
}

// A digit that no run begins inside of: all its values lie in one run.
bool inside_run(const Factor& f, std::int64_t run) {
  return run % (std::int64_t{f.place} * f.size) == 0;
}

int largest_power_of_two_divisor(int x) {
  return x & -x;
}

std::string thread_digit(const Factor& f) {
  std::string t = f.stride == 1 ? "thread" : fmt::format("thread / {}", f.stride);
  return fmt::format("{} % {}", t, f.size);
}

}  // namespace

std::vector<const Factor*> Family::registers(const std::vector<ir::AxisId>& axes,
                                             const Runs& runs) const {
  std::vector<const Factor*> out;
  for (ir::AxisId axis : axes) {
    for (const Factor& f : at(axis).factors) {
      if (f.kind == Factor::Kind::reg && f.size > 1 && !inside_run(f, run_of(runs, axis))) {
        out.push_back(&f);
      }
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Factor* a, const Factor* b) { return a->order < b->order; });
  return out;
}

int Family::register_count(const std::vector<ir::AxisId>& axes, const Runs& runs) const {
  int n = 1;
  for (const Factor* f : registers(axes, runs)) n *= f->size;
  return n;
}

std::string Family::register_index(const std::vector<ir::AxisId>& axes, const Runs& runs) const {
  std::string text;
  int scale = 1;
  for (const Factor* f : registers(axes, runs)) {
    std::string term = scale == 1 ? f->var : fmt::format("{} * {}", f->var, scale);
    text = text.empty() ? term : term + " + " + text;
    scale *= f->size;
  }
  return text.empty() ? "0" : text;
}

int Family::register_number(const std::vector<ir::AxisId>& axes, const Runs& runs,
                            const std::map<std::string, int>& digits) const {
  int number = 0, scale = 1;
  for (const Factor* f : registers(axes, runs)) {
    number += digits.at(f->var) * scale;
    scale *= f->size;
  }
  return number;
}

std::string Family::coordinate(ir::AxisId axis, std::int64_t run) const {
  const AxisLayout& layout = at(axis);
  std::string text = thread_part_name(axis);
  for (const Factor& f : layout.factors) {
    if (f.kind != Factor::Kind::reg || f.size == 1 || inside_run(f, run)) continue;
    text += f.place == 1 ? " + " + f.var : fmt::format(" + {} * {}", f.var, f.place);
  }
  return "(" + text + ")";
}

std::string Family::thread_part_name(ir::AxisId axis) const {
  return at(axis).name + "_t";
}

std::string Family::thread_part(ir::AxisId axis) const {
  std::string text;
  for (const Factor& f : at(axis).factors) {
    if (f.kind == Factor::Kind::reg || f.size == 1) continue;
    std::string digit = f.kind == Factor::Kind::cta ? "int(rank)" : thread_digit(f);
    std::string term = f.place == 1 ? digit : fmt::format("{} * {}", digit, f.place);
    text = text.empty() ? term : text + " + " + term;
  }
  return text.empty() ? "0" : text;
}

std::string Family::primary_condition(const std::vector<ir::AxisId>& axes, const Runs& runs) const {
  // Thread digits that select an element of the tile; the rest of the thread index must be zero.
  std::vector<std::pair<int, int>> used;  // stride, size
  for (ir::AxisId axis : axes) {
    for (const Factor& f : at(axis).factors) {
      if (f.kind == Factor::Kind::thread && f.size > 1 && !inside_run(f, run_of(runs, axis))) {
        used.emplace_back(f.stride, f.size);
      }
    }
  }
  std::sort(used.begin(), used.end());
  std::string text;
  auto require_zero = [&](int stride, int size) {
    if (size <= 1) return;
    std::string t = stride == 1 ? "thread" : fmt::format("thread / {}", stride);
    if (stride * size < threads) t = fmt::format("{} % {}", t, size);
    text += fmt::format("{}{} == 0", text.empty() ? "" : " && ", t);
  };
  int next = 1;
  for (auto [stride, size] : used) {
    require_zero(next, stride / next);
    next = stride * size;
  }
  require_zero(next, (threads + next - 1) / next);
  return text;
}

bool Family::is_consistent(const std::vector<ir::AxisId>& axes) const {
  std::vector<std::pair<int, int>> used;
  for (ir::AxisId axis : axes) {
    for (const Factor& f : at(axis).factors) {
      if (f.kind == Factor::Kind::thread && f.size > 1) used.emplace_back(f.stride, f.size);
    }
  }
  std::sort(used.begin(), used.end());
  for (std::size_t i = 1; i < used.size(); ++i) {
    if (used[i].first < used[i - 1].first * used[i - 1].second) return false;
  }
  return true;
}

namespace {

// Register order of accumulator digits; the gaps leave room for splits.
constexpr int kOrderPair = 0, kOrderHalf = 100, kOrderColumns = 200, kOrderBlocks = 100000;

// Not to be taken for a value's name, which ends in "_" and a number.
std::string digit_name(const std::string& axis, int place) {
  return fmt::format("{}_i{}", axis, place);
}

Factor reg(const std::string& axis, int size, int place, int order) {
  return {Factor::Kind::reg, size, place, 1, order, digit_name(axis, place)};
}
Factor thread(int size, int place, int stride) {
  return {Factor::Kind::thread, size, place, stride, 0, {}};
}

}  // namespace

namespace {

// Splits the digit that straddles `run`; false where that isn't even.
bool split_evenly(AxisLayout& layout, std::int64_t run) {
  std::vector<Factor> out;
  bool even = true;
  for (const Factor& f : layout.factors) {
    bool straddles = f.place < run && run < std::int64_t{f.place} * f.size;
    bool divides = run % f.place == 0 && f.size % (run / f.place) == 0;
    if (f.kind == Factor::Kind::cta || !straddles || !divides) {
      even = even && (!straddles || f.kind == Factor::Kind::cta);
      out.push_back(f);
      continue;
    }
    Factor inner = f, outer = f;
    inner.size = static_cast<int>(run / f.place);
    outer.size = f.size / inner.size;
    outer.place = f.place * inner.size;
    outer.var = digit_name(layout.name, outer.place);
    outer.order = f.order + 1;
    if (f.kind == Factor::Kind::thread) outer.stride = f.stride * inner.size;
    out.push_back(inner);
    out.push_back(outer);
  }
  layout.factors = std::move(out);
  return even;
}

// A blocked layout divided at runs that its powers of two don't reach: between one run and the next
// come the vector, then as many of its threads as divide what is left, then registers. Runs that
// don't divide each other leave the whole axis to registers.
void divide_anew(AxisLayout& layout) {
  int lanes = 1, stride = 1, order = 0, vector = 1;
  for (const Factor& f : layout.undivided) {
    if (f.kind == Factor::Kind::thread) lanes = f.size, stride = f.stride;
    if (f.kind == Factor::Kind::reg && f.place == 1) vector = f.size, order = f.order;
  }
  layout.factors.clear();
  int place = 1;
  auto push_reg = [&](int size) {
    if (size > 1) layout.factors.push_back(reg(layout.name, size, place, order++));
    place *= size;
  };
  auto push_threads = [&](int size) {
    if (size > 1) layout.factors.push_back(thread(size, place, stride));
    place *= size;
    stride *= size;
    lanes /= size;
  };
  bool nested = true;
  std::int64_t before = 1;
  for (std::int64_t run : layout.runs) {
    nested = nested && run % before == 0;
    before = run;
  }
  for (std::int64_t run : nested ? layout.runs : std::vector<std::int64_t>{}) {
    int rest = static_cast<int>(run / place);
    if (place == 1) {
      push_reg(std::gcd(vector, rest));
      rest = static_cast<int>(run / place);
    }
    push_threads(std::min(lanes, largest_power_of_two_divisor(rest)));
    push_reg(static_cast<int>(run / place));
  }
  int rest = (layout.extent + place - 1) / place, some = 1;
  while (nested && some < lanes && some < rest) some *= 2;
  push_threads(some);
  push_reg((rest + some - 1) / some);
  layout.padded = place;
}

}  // namespace

void split_at_run(AxisLayout& layout, std::int64_t run) {
  if (run <= 1 || std::count(layout.runs.begin(), layout.runs.end(), run) != 0) return;
  if (layout.runs.empty()) layout.undivided = layout.factors;
  layout.runs.insert(std::lower_bound(layout.runs.begin(), layout.runs.end(), run), run);
  // From the start, so that the order in which runs are found doesn't show.
  layout.factors = layout.undivided;
  bool even = true;
  for (std::int64_t r : layout.runs) even = split_evenly(layout, r) && even;
  if (!even && layout.blocked) divide_anew(layout);
}

AxisLayout mma_m_layout(ir::AxisId axis, const std::string& name, int extent, const MmaShape& s) {
  AxisLayout layout{axis, name, extent, 64 * s.m_blocks * s.warpgroups, {}};
  layout.factors = {thread(8, 1, 4), reg(name, 2, 8, kOrderHalf), thread(4, 16, 32),
                    reg(name, s.m_blocks, 64, kOrderBlocks + 100),
                    thread(s.warpgroups, 64 * s.m_blocks, 128)};
  return layout;
}

AxisLayout mma_n_layout(ir::AxisId axis, const std::string& name, int extent, const MmaShape& s) {
  AxisLayout layout{axis, name, extent, s.n * s.n_blocks, {}};
  layout.factors = {reg(name, 2, 1, kOrderPair), thread(4, 2, 1),
                    reg(name, s.n / 8, 8, kOrderColumns), reg(name, s.n_blocks, s.n, kOrderBlocks)};
  return layout;
}

AxisLayout warp_m_layout(ir::AxisId axis, const std::string& name, int extent, const WarpGrid& w) {
  int blocks = (extent + 16 * w.m - 1) / (16 * w.m);
  AxisLayout layout{axis, name, extent, 16 * blocks * w.m, {}};
  layout.factors = {thread(8, 1, 4), reg(name, 2, 8, kOrderHalf),
                    reg(name, blocks, 16, kOrderBlocks + 100), thread(w.m, 16 * blocks, 32)};
  return layout;
}

AxisLayout warp_n_layout(ir::AxisId axis, const std::string& name, int extent, const WarpGrid& w) {
  int blocks = (extent + 8 * w.n - 1) / (8 * w.n);
  AxisLayout layout{axis, name, extent, 8 * blocks * w.n, {}};
  layout.factors = {reg(name, 2, 1, kOrderPair), thread(4, 2, 1),
                    reg(name, blocks, 8, kOrderColumns), thread(w.n, 8 * blocks, 32 * w.m)};
  return layout;
}

Family blocked_family(const std::vector<AxisLayout>& axes, int threads, int vector,
                      const std::function<bool(ir::AxisId, ir::AxisId)>& meet) {
  Family family;
  family.threads = threads;
  int order = 0;
  std::vector<int> ends;  // per axis: past the threads that walk along it
  for (std::size_t i = 0; i < axes.size(); ++i) {
    AxisLayout layout = axes[i];
    int stride = 1;
    for (std::size_t j = 0; j < i; ++j) {
      if (!meet || meet(axes[i].axis, axes[j].axis)) stride = std::max(stride, ends[j]);
    }
    int v = i == 0 ? std::min(vector, largest_power_of_two_divisor(layout.extent)) : 1;
    int chunks = layout.extent / v;
    // Threads along the axis: a power of two, no more than are left, and none wasted if possible.
    int lanes = 1;
    while (lanes * 2 <= threads / stride && lanes < chunks) lanes *= 2;
    int exact = std::min(largest_power_of_two_divisor(chunks), threads / stride);
    if (exact >= 32 || exact * 2 > lanes) lanes = exact;
    int rest = (chunks + lanes - 1) / lanes;
    layout.padded = v * lanes * rest;
    layout.factors.clear();
    layout.blocked = true;
    if (v > 1) layout.factors.push_back(reg(layout.name, v, 1, order++));
    if (lanes > 1) layout.factors.push_back(thread(lanes, v, stride));
    if (rest > 1) layout.factors.push_back(reg(layout.name, rest, v * lanes, order + 1000));
    order += 2000;
    ends.push_back(stride * lanes);
    family.add(std::move(layout));
  }
  return family;
}

}  // namespace octile::cuda
