// Small tiles of a pipelined fold, scales mostly: panels, which TMA brings for several trips at
// once and consumers read column by column, and what loader warps gather trip by trip.
#include <algorithm>
#include <bit>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {
namespace {

// Of at least `rows`, a number that divides `lanes`, or a multiple of them.
int row_span(int rows, int lanes) {
  return rows > lanes ? (rows + lanes - 1) / lanes * lanes
                      : static_cast<int>(std::bit_ceil(static_cast<unsigned>(rows)));
}

}  // namespace

// Whether TMA brings some.
bool Emitter::copies_panels() const {
  return std::any_of(plan_.folds.begin(), plan_.folds.end(), [](const FoldPlan& f) {
    const auto panels = f.all_panels();
    return std::any_of(panels.begin(), panels.end(),
                       [](const PanelLoad* p) { return !p->transposed; });
  });
}

// On the barrier of a slot that is full: each lane that puts something there speaks for itself.
int Emitter::panel_arrivals() const {
  return (copies_panels() ? 1 : 0) + (plan_.transposes() ? 32 * plan_.panel_warps() : 0);
}

void Emitter::produce_panels(const FoldPlan& fold) {
  if (plan_.transposes()) return transpose_panels(fold);
  out_.open("{{");
  fold_bounds(*fold.fold);
  out_.line("#pragma unroll 1");
  out_.open("for (int trip = begin / {0} * {0}; begin < end && trip < end; trip += {1}) {{",
            kPanelAlignedTrips, plan_.panel_trips);
  out_.line("mbarrier_wait(panel_empty + 8 * slot, phase ^ 1);");
  copy_panels(fold);
  advance("slot", "phase", kPanelSlots);
  out_.close();
  out_.close();
}

// Loader warps read what they put down before they wait for its slot: it stays in registers while
// the slot is still read.
void Emitter::transpose_panels(const FoldPlan& fold) {
  const int ahead = parts_ahead(fold), lanes = 32 * plan_.panel_warps();
  int rounds = 1;
  std::vector<const PanelLoad*> panels;
  for (const PanelLoad* p : fold.all_panels()) {
    if (!p->transposed) continue;
    panels.push_back(p);
    const int quads = row_span(p->rows, lanes) * plan_.panel_trips / 4;
    rounds = std::max(rounds, (quads + lanes * ahead - 1) / (lanes * ahead));
  }
  const std::string first =
      rounds > 1 ? fmt::format("loader, round * {}", ahead) : std::string{"loader, 0"};
  out_.open("{{");
  fold_bounds(*fold.fold);
  for (const PanelLoad* p : panels) begin_rows(*p, ahead);
  out_.line("int trip = begin / {0} * {0};", kPanelAlignedTrips);
  if (rounds > 1) out_.line("int round = 0;");
  out_.line("#pragma unroll 1");
  out_.open("while (begin < end && trip < end) {{");
  for (const PanelLoad* p : panels) {
    const std::string name = name_of(p->load->result());
    const int dim = p->row_dim(), trip_dim = p->dim_order[0];
    out_.line("load_rows<{}, {}>({}_ahead, {}, {}_from + trip, {}_s{}, {}_rows, {} - trip);",
              row_span(p->rows, lanes), lanes, name, first, name, param_name(*p->load), dim, name,
              dim_extent(*p->load, static_cast<std::size_t>(trip_dim)));
  }
  if (rounds > 1) out_.open("if (round == 0) {{");
  out_.line("mbarrier_wait(panel_empty + 8 * slot, phase ^ 1);");
  if (copies_panels()) {
    out_.open("if (loader == 0) {{");
    copy_panels(fold);
    out_.close();
  }
  if (rounds > 1) out_.close();
  for (const PanelLoad* p : panels)
    out_.line("put_rows<{}, {}, {}, {}>(ring + {} + slot * {}, {}_ahead, {});", p->rows,
              plan_.panel_trips, row_span(p->rows, lanes), lanes, plan_.panel_offset + p->offset,
              plan_.panel_bytes, name_of(p->load->result()), first);
  if (rounds > 1) out_.open("if (++round == {}) {{", rounds);
  out_.line("mbarrier_arrive(panel_full + 8 * slot);");
  advance("slot", "phase", kPanelSlots);
  out_.line("trip += {};", plan_.panel_trips);
  if (rounds > 1) {
    out_.line("round = 0;");
    out_.close();
  }
  out_.close();
  out_.close();
}

// Of four elements of each panel, that a lane has on their way.
int Emitter::parts_ahead(const FoldPlan& fold) const {
  constexpr int kManyRegisters = 40;  // of a producer thread: four elements take as many
  const auto all = fold.all_panels();
  const auto panels =
      std::count_if(all.begin(), all.end(), [](const PanelLoad* p) { return p->transposed; });
  const int parts = plan_.producer_registers >= kManyRegisters ? 4 : 2;
  return std::max(1, parts / std::max(1, static_cast<int>(panels)));
}

// Where the rows of a panel begin, and how many of them there are.
void Emitter::begin_rows(const PanelLoad& p, int ahead) {
  const std::string name = name_of(p.load->result()), param = param_name(*p.load);
  std::string offset, inside;
  for (std::size_t i = 1; i < p.dim_order.size(); ++i) {
    const int dim = p.dim_order[i];
    const std::string place = fmt::format("{}_{}", name, dim);
    const std::string extent = dim_extent(*p.load, static_cast<std::size_t>(dim));
    out_.line("const long long {} = {};", place, first_index(p, dim));
    offset += fmt::format(" + {} * {}_s{}", place, param, dim);
    inside += i == 1 ? fmt::format("int(min({}ll, {} - {}))", p.rows, extent, place)
                     : fmt::format(" * in_bounds({}, {})", place, extent);
  }
  out_.line("const auto* const {}_from = {}_p{};", name, param, offset);
  out_.line("const int {}_rows = {};", name, inside);
  out_.line("uint4 {}_ahead[{}];", name, ahead);
}

// The panels that TMA brings.
void Emitter::copy_panels(const FoldPlan& fold) {
  int bytes = 0;
  for (const PanelLoad* p : fold.all_panels())
    bytes += p->transposed ? 0 : 4 * plan_.panel_trips * p->rows;
  name_index(*fold.fold, "trip");
  out_.line("mbarrier_expect(panel_full + 8 * slot, {});", bytes);
  out_.line("const u32 to = panels + slot * {};", plan_.panel_bytes);
  for (const PanelLoad* panel : fold.all_panels()) {
    const PanelLoad& p = *panel;
    if (p.transposed) continue;
    for (int row = 0; row < (p.in_pieces ? p.rows : 1); ++row) {
      std::string coordinates;
      for (int dim : p.dim_order) coordinates += fmt::format(", int({})", first_index(p, dim, row));
      out_.line("tma_load_{}d(to + {}, map_{}, panel_full + 8 * slot, kEvictNormal{});  // {}",
                p.dim_order.size(),
                p.offset + row * p.row_step(plan_.panel_trips) * 4 * plan_.panel_trips, p.map,
                coordinates, function_.params[static_cast<std::size_t>(p.load->attr.index)].name);
    }
  }
}

// The first element of a panel along `dim`, or that of one of the tile's pieces.
std::string Emitter::first_index(const PanelLoad& p, int dim, int piece) {
  auto form = analysis_.affine(p.load->operand(dim));
  std::string first = first_text(*form, piece);
  return form->divisor > 1 ? fmt::format("({}) / {}", first, form->divisor) : first;
}

// Whether the place in a panel is a variable.
bool Emitter::counts_columns(const FoldPlan& plan) const {
  return !plan.panels.empty() && plan_.panel_trips != plan.panel_step;
}

// Waits for the first panel. The first copy starts at a multiple of the trips that TMA can start
// at.
void Emitter::begin_panels(const FoldPlan& plan) {
  if (plan.panels.empty()) return;
  if (plan.panel_step > 0) column_ = 0;
  if (counts_columns(plan)) out_.line("column = begin % {};", kPanelAlignedTrips);
  out_.line("mbarrier_wait(panel_full + 8 * slot, slot_phase);");
  if (plan.panels_ahead) read_panel_column(plan);
}

// Registers for the elements of the trip that is read next.
void Emitter::declare_panel(const PanelLoad& p) {
  const ir::Value* v = p.load->result();
  int count = p.chooses_rows() ? p.rows : register_count(v);
  out_.line("{} {}_next[{}];", register_type(v->type.element), name_of(v), count);
}

// Reads the panels' elements of trip `next`, if there is one, while the tensor core works on the
// trip before it.
void Emitter::read_panels(const FoldPlan& plan, const std::string& next) {
  if (!plan.panels_ahead) return;
  // A column that is known to be in a panel can be read whether or not there is such a trip.
  const bool known = column_ > 0;
  if (!known) out_.open("if ({} < end) {{", next);
  wait_panel();
  read_panel_column(plan);
  if (!known) out_.close();
}

// The byte of a row that the current trip's column begins at, as a variable part and a known one.
// A trip whose place in its step is known counts from the step's column, if panels have several.
std::pair<std::string, int> Emitter::column_bytes() const {
  if (column_ < 0) return {"4 * column", 0};
  return {counts_columns(*current_fold_) ? "4 * column" : "0", 4 * column_};
}

// Before the first column of a panel.
void Emitter::wait_panel() {
  if (column_ > 0) return;
  out_.line("{}mbarrier_wait(panel_full + 8 * slot, slot_phase);", when_column(0));
}

// A condition on the place in a panel; none where a step is a whole panel.
std::string Emitter::when_column(int column) const {
  if (!counts_columns(*current_fold_)) return "";
  if (plan_.shares_trips())  // a team's first column, or past its last one
    return column == 0 ? fmt::format("if (column < {}) ", trip_step())
                       : fmt::format("if (column >= {}) ", column);
  return fmt::format("if (column == {}) ", column);
}

void Emitter::read_panel_column(const FoldPlan& plan) {
  for (const PanelLoad& p : plan.panels) read_panel(p);
  if (column_ >= 0) {
    ++column_;
    return;
  }
  out_.line("{};", stepped("column"));
  if (!plan.panels_ahead) release_read_panel(plan);
}

// Frees a panel of which the last column has been read. That waits for the reads, so it comes as
// late as it can: right after them, it held up the products that follow.
void Emitter::release_read_panel(const FoldPlan& plan) {
  if (column_ >= 0) {
    if (column_ < plan.panel_step) return;
    column_ = 0;
    if (counts_columns(plan)) out_.line("column += {};", plan.panel_step);
  }
  out_.open("{}{{", when_column(plan_.panel_trips));
  release_panel(plan, true);
  out_.close();
}

// Where a row's element of a panel for the current trip lies, in the current slot.
std::string Emitter::panel_address(const PanelLoad& p, const std::string& row) const {
  const auto [column, known] = column_bytes();
  std::string at;
  if (p.rows_side_by_side())
    at = fmt::format("4 * ({}) + {} * ({} + {})", row, p.rows, column, known);
  else if (const int swizzle = plan_.panel_swizzle(p); swizzle > 0)
    at = fmt::format("swizzled_offset<{}>({}, {}) + {}", swizzle, row, column, known);
  else
    at = fmt::format("({}) * {} + {} + {}", row, 4 * plan_.panel_trips, column, known);
  return fmt::format("reinterpret_cast<const {}*>(ring + {} + slot * {} + {})",
                     register_type(p.load->result()->type.element), plan_.panel_offset + p.offset,
                     plan_.panel_bytes, at);
}

void Emitter::read_panel(const PanelLoad& p) {
  const ir::Value* v = p.load->result();
  std::string name = name_of(v);
  if (p.chooses_rows()) {
    for (int row = 0; row < p.rows; ++row)
      out_.line("{}_next[{}] = *{};", name, row,
                panel_address(p, std::to_string(row * p.row_step(plan_.panel_trips))));
    return;
  }
  Runs runs = analysis_.runs(v);
  ir::AxisId axis = v->type.axes[0];
  bool swizzled = plan_.panel_swizzle(p) > 0;
  auto digits = family_->registers(v->type.axes, runs);
  // The swizzle repeats every 8 rows.
  bool fixed = !swizzled || std::all_of(digits.begin(), digits.end(),
                                        [](const Factor* f) { return f->place % 8 == 0; });
  if (p.divisor == 1 && fixed) return read_panel_rows(p, runs);
  std::string row = family_->coordinate(axis, runs.count(axis) ? runs.at(axis) : 1);
  if (p.divisor > 1) {
    std::string first = sum_text(*analysis_.affine(p.load->operand(p.row_dim())));
    row = fmt::format("(int(({}) % {}) + {}) / {}", first, p.divisor, row, p.divisor);
  }
  int loops = open_loops(v->type.axes, runs);
  out_.line("{}_next[{}] = *{};", name, family_->register_index(v->type.axes, runs),
            panel_address(p, row));
  close_loops(loops);
}

// Rows at a fixed pitch: one address, and offsets that are known; neighbours in pairs.
void Emitter::read_panel_rows(const PanelLoad& p, const Runs& runs) {
  const ir::Value* v = p.load->result();
  ir::AxisId axis = v->type.axes[0];
  std::string name = name_of(v), type{register_type(v->type.element)}, rows = "0";
  auto digits = family_->registers(v->type.axes, runs);
  const Factor* pair = nullptr;
  for (const Factor* f : digits) {
    if (p.rows_side_by_side() && f->place == 1 && f->size == 2)
      pair = f;
    else
      rows += fmt::format(" + {} * {}", f->var, f->place);
  }
  out_.open("{{");
  out_.line("const {}* const first = {};", type, panel_address(p, family_->thread_part_name(axis)));
  int loops = open_loops(v->type.axes, runs, pair);
  std::string at = family_->register_index(v->type.axes, runs);
  std::string from =
      fmt::format("first + ({}) * {}", rows, p.rows_side_by_side() ? 1 : plan_.panel_trips);
  if (pair != nullptr)
    out_.line("copy_bytes<8>(&{}_next[{}], {});", name, at, from);
  else
    out_.line("{}_next[{}] = *({});", name, at, from);
  close_loops(loops);
  out_.close();
}

// This trip's elements of a panel, read before.
void Emitter::panel_load(const PanelLoad& p) {
  const ir::Value* v = p.load->result();
  Runs runs = analysis_.runs(v);
  std::string name = declare(v);
  if (v->type.is_scalar()) return out_.line("{0} = {0}_next[0];", name);
  std::string at = family_->register_index(v->type.axes, runs),
              element = name + "_next[" + at + "]";
  if (p.chooses_rows()) {
    element = fmt::format("{}_next[{}]", name, p.rows - 1);
    const ir::AxisId axis = v->type.axes[0];
    std::string place;
    if (p.in_pieces) {
      // Of the loops alone: what a thread adds never leads out of a run, nor out of a piece.
      place = "0";
      for (const Factor* f : family_->registers({axis}, runs))
        place += fmt::format(" + {} * {}", f->var, f->place);
    } else if (p.rows > 1) {
      std::string first = sum_text(*analysis_.affine(p.load->operand(p.row_dim())));
      out_.line("const int {}_first = int(({}) % {});", name, first, p.divisor);
      place = fmt::format("{}_first + {}", name,
                          family_->coordinate(axis, runs.count(axis) ? runs.at(axis) : 1));
    }
    for (int row = p.rows - 2; row >= 0; --row) {
      const std::int64_t next =
          p.in_pieces ? plan_.tile_pieces.pieces[static_cast<std::size_t>(row) + 1].first
                      : (row + 1) * p.divisor;
      element = fmt::format("{} < {} ? {}_next[{}] : {}", place, next, name, row, element);
    }
  }
  int loops = open_loops(v->type.axes, runs);
  out_.line("{}[{}] = {};", name, at, element);
  close_loops(loops);
}

// The reads have to be over before TMA writes, and an arrival doesn't wait for loads that are
// queued: a copy overtook them on an H100, behind the stores of another CTA. So the arrival's
// address depends on what was read. (A fence would do, but also waits for the tensor core: that is
// for after the loop, where what was read may be out of scope.)
void Emitter::release_panel(const FoldPlan& plan, bool in_loop) {
  if (plan_.shares_trips())
    out_.line("column -= {};", plan_.panel_trips);
  else if (counts_columns(plan))
    out_.line("column = 0;");
  if (in_loop) {
    out_.line("u32 bits = 0;");
    for (const PanelLoad& p : plan.panels) {
      int count = p.chooses_rows() ? p.rows : register_count(p.load->result());
      add_bits(name_of(p.load->result()) + "_next", count);
    }
  } else {
    out_.line("fence_async_proxy();");
  }
  // Of what lanes of loader warps put there, racecheck wants each reader's word.
  if (!plan_.transposes()) out_.line("__syncwarp();");
  out_.line("{}mbarrier_arrive(panel_empty + 8 * slot{});",
            plan_.transposes() ? "" : "if (lane == 0) ", in_loop ? " + (bits & nothing)" : "");
  advance("slot", "slot_phase", kPanelSlots);
}

// Indices of element `e` of a small tile, where it lies and whether it is inside its tensor.
Emitter::SmallElement Emitter::small_element(const SmallLoad& s) {
  std::size_t rank = function_.params[static_cast<std::size_t>(s.load->attr.index)].shape.size();
  SmallElement element{param_name(*s.load), {}, {}};
  std::map<ir::AxisId, std::string> at;
  std::int64_t scale = 1;
  for (std::size_t i = s.axes.size(); i-- > 0;) {
    at[s.axes[i]] =
        s.counts[i] == 1 ? "0" : fmt::format("(e / {} % {} * {})", scale, s.counts[i], s.runs[i]);
    scale *= s.counts[i];
  }
  point_ = &at;
  for (std::size_t d = 0; d < rank; ++d) {
    out_.line("const long long i{} = {};", d, expr(s.load->operands[d]));
    element.inside +=
        fmt::format("{}in_bounds(i{}, {})", d ? " && " : "", d, dim_extent(*s.load, d));
    element.offset += fmt::format("{}i{} * {}_s{}", d ? " + " : "", d, element.param, d);
  }
  point_ = nullptr;
  return element;
}

// Each loader lane reads its elements of the small tiles of trip `at` into `ahead[u]`; out of
// bounds is zero.
void Emitter::fetch_small(const FoldPlan& fold) {
  int lanes = 32 * plan_.loader_warps(), place = 0;
  for (const SmallLoad& s : fold.small) {
    int rounds = (s.count + lanes - 1) / lanes;
    out_.line("#pragma unroll");
    out_.open("for (int round = 0; round < {}; ++round) {{", rounds);
    out_.line("const int e = loader + round * {};", lanes);
    const SmallElement x = small_element(s);
    out_.line("ahead[u][{} + round] = e < {} && {} ? bit_cast<u32>({}_p[{}]) : 0;", place, s.count,
              x.inside, x.param, x.offset);
    out_.close();
    place += rounds;
  }
}

// Writes them to the stage at `to`.
void Emitter::put_small(const FoldPlan& fold) {
  int lanes = 32 * plan_.loader_warps(), place = 0;
  for (const SmallLoad& s : fold.small) {
    int rounds = (s.count + lanes - 1) / lanes;
    out_.line("#pragma unroll");
    out_.open("for (int round = 0; round < {}; ++round) {{", rounds);
    out_.line("const int e = loader + round * {};", lanes);
    out_.line("if (e < {}) reinterpret_cast<u32*>(to + {})[e] = ahead[u][{} + round];", s.count,
              s.offset, place);
    out_.close();
    place += rounds;
  }
}

// Trips whose elements a loader lane has on their way, in registers.
int Emitter::trips_ahead(const FoldPlan& fold) const {
  constexpr int kRegisters = 2;  // their addresses take several times as many
  int per_trip = 0, lanes = 32 * plan_.loader_warps();
  for (const SmallLoad& s : fold.small) per_trip += (s.count + lanes - 1) / lanes;
  return std::max(1, std::min(2, kRegisters / std::max(1, per_trip)));
}

// Loads run ahead of the ring, as they wait in registers; stores and arrivals follow the stages.
// Not cp.async: its writes were seen on an H100 to overtake what consumers had still to read.
void Emitter::produce_small(const FoldPlan& fold) {
  int ahead = trips_ahead(fold), per_trip = 0, lanes = 32 * plan_.loader_warps();
  for (const SmallLoad& s : fold.small) per_trip += (s.count + lanes - 1) / lanes;
  auto fetch = [&](const std::string& trip) {
    out_.open("if ({} < end) {{", trip);
    name_index(*fold.fold, trip);
    fetch_small(fold);
    out_.close();
  };
  out_.open("{{");
  fold_bounds(*fold.fold);
  out_.line("u32 ahead[{}][{}];", ahead, per_trip);
  out_.line("#pragma unroll");
  out_.open("for (int u = 0; u < {}; ++u) {{", ahead);
  fetch("begin + u");
  out_.close();
  out_.line("#pragma unroll 1");
  out_.open("for (int first = begin; first < end; first += {}) {{", ahead);
  out_.line("#pragma unroll");
  out_.open("for (int u = 0; u < {}; ++u) {{", ahead);
  out_.line("if (first + u >= end) break;");
  out_.line("mbarrier_wait(empty + 8 * stage, phase ^ 1);");
  out_.line("unsigned char* const to = ring + stage * {};", plan_.stage_bytes);
  put_small(fold);
  out_.line("mbarrier_arrive(full + 8 * stage);");
  fetch(fmt::format("first + u + {}", ahead));
  advance("stage", "phase", plan_.stages);
  out_.close();
  out_.close();
  out_.close();
}

}  // namespace octile::cuda
