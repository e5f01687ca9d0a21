// Stores through shared memory: registers to swizzled staging, from where TMA copies parts of 64
// rows and up to 128 bytes of each, as few as make up a row. Where shared memory is better spent on
// stages, a warpgroup has room for two parts, and fills one while the other is copied; where a CTA
// has one tile, all parts take the place of the ring, and each is copied as soon as it is there. Of
// several tiles, parts behind the first two have the stage of the tile's last trip, as many as it
// has room for. Warps of the producer send them off where they can, as consumers have the next tile
// to compute.
#include <algorithm>
#include <climits>
#include <map>

#include "octile/codegen/cuda/emitter.hpp"

namespace octile::cuda {

namespace {

// The byte of a part's row that an element is at, of columns as wide as the run's first.
std::string byte_of_part(const TmaStore::Columns& first) {
  const int shift = first.first % first.width;
  if (shift == 0) return fmt::format("byte % {}", first.width);
  return fmt::format("(byte - {}) % {}", shift, first.width);
}

}  // namespace

// The register digits of a tile that is stored, and the texts made of them.
Emitter::StoreDigits Emitter::store_digits(const TmaStore& t) {
  StoreDigits digits;
  const auto& rows = family_->at(t.row_axis).factors;
  digits.pair = family_->registers({t.column_axis}, {})[0];
  std::string columns = "0";
  for (const Factor* f : family_->registers({t.row_axis, t.column_axis}, {})) {
    bool is_row = f >= rows.data() && f < rows.data() + rows.size();
    if (is_row && f->place < kPartRows) {
      digits.half = f;
      continue;
    }
    if (f == digits.pair) continue;
    digits.others.push_back(f);
    if (is_row)
      digits.block = f->var;
    else
      columns += fmt::format(" + {} * {}", f->var, f->place);
  }
  digits.byte = fmt::format("({}) * {}", columns, t.element_bytes);
  return digits;
}

// Neighbouring columns of one width: the numbers of the first and of the one behind the last.
std::vector<std::pair<int, int>> Emitter::widths(const TmaStore& t) {
  std::vector<std::pair<int, int>> runs;
  for (int c = 0; c < static_cast<int>(t.columns.size()); ++c) {
    const bool same = c > 0 && t.columns_of(c).width == t.columns_of(c - 1).width;
    same ? ++runs.back().second : (runs.push_back({c, c + 1}), 0);
  }
  return runs;
}

// Of a long epilogue, so many elements make up a basic block: ptxas takes out of proportion long
// for thousands of instructions in one, and orders them no better.
int Emitter::block_elements() const {
  constexpr int kInstructions = 300;
  const int instructions = epilogue_instructions(function_);
  return instructions > kShortEpilogue ? std::max(8, kInstructions / instructions) : INT_MAX;
}

// Loops over the registers of columns of one width, or of one part of them: each digit from the
// first value that some of these have to the last. An iteration stores so many elements.
Emitter::PartLoops Emitter::open_part(const TmaStore& t, const StoreDigits& digits,
                                      std::pair<int, int> run, int part, int iteration) {
  const TmaStore::Columns &first = t.columns_of(run.first), &last = t.columns_of(run.second - 1);
  const auto& others = digits.others;
  std::vector<int> value(others.size()), least(others.size(), INT_MAX), most(others.size(), -1);
  int registers = 1, inside = 0, looped = 1;
  for (const Factor* f : others) registers *= f->size;
  for (int r = 0; r < registers; ++r) {
    int rest = r, byte = 0, block = 0;
    for (std::size_t i = 0; i < others.size(); ++i) {
      value[i] = rest % others[i]->size;
      rest /= others[i]->size;
      if (others[i]->var == digits.block)
        block = value[i];
      else
        byte += value[i] * others[i]->place * t.element_bytes;
    }
    if (byte < first.first || byte >= last.first + last.width) continue;
    const int column = run.first + (byte - first.first) / first.width;
    if (part >= 0 && block * static_cast<int>(t.columns.size()) + column != part) continue;
    ++inside;
    for (std::size_t i = 0; i < others.size(); ++i) {
      least[i] = std::min(least[i], value[i]);
      most[i] = std::max(most[i], value[i]);
    }
  }
  // Elements of an iteration of each loop, from the innermost one on, and those of a basic block.
  std::vector<int> elements = {iteration};
  for (std::size_t i = 0; i < others.size(); ++i)
    elements.push_back(elements[i] * (most[i] + 1 - least[i]));
  const int block = block_elements();
  const bool ends_blocks = registers * iteration > block;
  if (ends_blocks && elements.back() <= block) out_.line("end_block();");
  for (std::size_t i = others.size(); i-- > 0;) {
    out_.line("#pragma unroll");
    out_.open("for (int {0} = {1}; {0} < {2}; ++{0}) {{", others[i]->var, least[i], most[i] + 1);
    looped *= most[i] + 1 - least[i];
    if (!ends_blocks || elements[i] > block || elements[i + 1] <= block) continue;
    if (const int every = block / elements[i]; every > 1)
      out_.line("if ({} % {} == 0) end_block();", others[i]->var, every);
    else
      out_.line("end_block();");
  }
  return {static_cast<int>(others.size()), looped == inside};
}

// The byte of the staging area, which holds `part` or all of them, that an element's part begins
// at; what isn't among those columns, or of that part, is left out.
std::string Emitter::begin_part(const TmaStore& t, const StoreDigits& digits,
                                std::pair<int, int> run, int part, bool exact) {
  const TmaStore::Columns &first = t.columns_of(run.first), &last = t.columns_of(run.second - 1);
  const int end = last.first + last.width;
  out_.line("const int byte = {};", digits.byte);
  // Of the columns of this width.
  const std::string nth = first.first > 0
                              ? fmt::format("(byte - {}) / {}", first.first, first.width)
                              : fmt::format("byte / {}", first.width);
  if (!exact) {
    out_.line("if (byte < {} || byte >= {}) continue;", first.first, end);
    if (part >= 0)
      out_.line("if ({} * {} + {} + {} != {}) continue;", digits.block, t.columns.size(), run.first,
                nth, part);
  }
  if (part >= 0) return std::to_string(plan_.place_of(t, part));
  return fmt::format("({} * {} + {} + {} * {}) * {}", digits.block, t.row_bytes, first.first, nth,
                     first.width, kPartRows);
}

// Every thread puts neighbouring elements into the staging area of its warpgroup.
void Emitter::stage_elements(const TmaStore& t, const ir::Value* value, int part,
                             std::pair<int, int> run) {
  StoreDigits digits = store_digits(t);
  const int bytes = t.element_bytes, width = t.columns_of(run.first).width;
  const int halves = open_loops({digits.half});
  const PartLoops loops = open_part(t, digits, run, part, digits.pair->size);
  const std::string first = begin_part(t, digits, run, part, loops.exact);
  out_.line("constexpr int {} = 0;", digits.pair->var);
  std::string column = family_->thread_part_name(t.column_axis);
  if (plan_.slice.axis == t.column_axis) column += fmt::format(" % {}", plan_.slice.span);
  out_.line("const int row = {} % {}, place = {} + {} * {};", family_->coordinate(t.row_axis),
            kPartRows, byte_of_part(t.columns_of(run.first)), column, bytes);
  out_.line("unsigned char* const at = staging + {} + swizzled_offset<{}>(row, place);", first,
            width);
  if (t.staged != nullptr) {
    out_.line("{} held[{}];", register_type(value->type.element), digits.pair->size);
    out_.line("copy_bytes<{}>(held, at);", digits.pair->size * bytes);
    held_ = t.staged->result();
    held_digit_ = digits.pair->var;
  }
  pack_elements(value, *digits.pair, digits.pair->size);
  held_ = nullptr;
  out_.line("copy_bytes<{}>(at, elements);", digits.pair->size * bytes);
  close_loops(loops.count + halves);
}

// Elements of two bytes: a warp puts 16 rows of 16 columns at a time, or of 8 where their number is
// odd, of which each lane holds pairs in both halves of the rows.
void Emitter::stage_matrices(const TmaStore& t, const ir::Value* value, int part,
                             std::pair<int, int> run) {
  StoreDigits digits = store_digits(t);
  const int width = t.columns_of(run.first).width;
  const auto& columns = family_->at(t.column_axis).factors;
  const auto eights = std::find_if(columns.begin(), columns.end(), [](const Factor& f) {
    return f.kind == Factor::Kind::reg && f.place == 8 && f.size % 2 == 0;
  });
  const bool wide = eights != columns.end();
  Factor sixteens = wide ? *eights : Factor{};
  if (wide) {
    sixteens.size /= 2;
    sixteens.place *= 2;
    sixteens.var += "_pair";
    std::replace(digits.others.begin(), digits.others.end(), &*eights,
                 static_cast<const Factor*>(&sixteens));
  }
  out_.line(
      "const int row = thread % 16 + thread / 32 % 4 * 16;  // of those that this lane points to");
  out_.line("const u32 place = swizzled_offset<{}>(row, {});", width,
            wide ? "thread / 16 % 2 * 16" : "0");
  out_.line("const u32 to = shared_address(staging);");
  const PartLoops loops = open_part(t, digits, run, part, wide ? 8 : 4);
  if (wide) out_.line("const int {} = 2 * {};", eights->var, sixteens.var);
  const std::string first = begin_part(t, digits, run, part, loops.exact);
  out_.line("u32 matrices[{}];", wide ? 4 : 2);
  if (wide) {
    out_.line("#pragma unroll");
    out_.open("for (int eight = 0; eight < 2; ++eight) {{");
    out_.line("const int {} = 2 * {} + eight;", eights->var, sixteens.var);
  }
  out_.line("#pragma unroll");
  out_.open("for (int {0} = 0; {0} < 2; ++{0}) {{", digits.half->var);
  pack_elements(value, *digits.pair, 2);
  out_.line("memcpy(&matrices[{}{}], elements, 4);", wide ? "2 * eight + " : "", digits.half->var);
  out_.close();
  if (wide) out_.close();
  // What differs between parts is added last, so that it becomes a part of the instruction.
  out_.line("store_matrices(to + (place ^ {}) + {}, matrices);",
            byte_of_part(t.columns_of(run.first)), first);
  close_loops(loops.count);
}

// Where a part is staged, in the ring's bytes or addresses.
std::string Emitter::staging_text(const std::string& ring, const std::string& warpgroup,
                                  int part) const {
  std::string from = std::to_string(plan_.store_offset);
  if (plan_.has_own_place(part)) {
    const int place = plan_.own_place(part / 2);
    from = plan_.lends_stage ? fmt::format("lent * {} + {}", plan_.stage_bytes, place)
                             : fmt::format("(last ? {} : {})", place, from);
  }
  return fmt::format("{} + {} + {} * {}", ring, from, warpgroup, plan_.store_bytes);
}

void Emitter::name_staging(int part) {
  out_.line("unsigned char* const staging = {};",
            staging_text("ring", team_text("warpgroup"), part));
}

void Emitter::name_own_place() {
  if (plan_.lends_stage) name_lent_stage();
  if (plan_.last_in_ring)
    out_.line("const bool last = tile + int(gridDim.x) >= {};  // of this CTA", tiles_text());
}

// That of the last trip, where `stage` is the next one's.
std::string Emitter::stage_before() const {
  return fmt::format("stage < 1 ? {} : stage - 1", plan_.stages - 1);
}

void Emitter::name_lent_stage() {
  out_.line("const int lent = {};", stage_before());
}

// Starts to bring the tile that is stored over to where its result will be staged.
void Emitter::bring_staged(const TmaStore& t, const std::string& warpgroup) {
  out_.line("mbarrier_expect(staged_full + 8 * {}, {});", warpgroup, t.rows * t.row_bytes);
  for (int part = 0; part < t.parts(); ++part) {
    out_.line("tma_load_{}d({} + {}, map_{}, staged_full + 8 * {}, kEvictFirst{});",
              t.dim_order.size(), staging_text("ring_address", warpgroup, 0), t.place_of(part),
              t.columns_of(part).map, warpgroup,
              part_coordinates(t, part, plan_.teams > 1 ? "warpgroup" : warpgroup));
  }
}

void Emitter::bring_staged() {
  if (plan_.store_warps > 0) return;
  for (const TmaStore& t : plan_.stores) {
    if (t.staged == nullptr) continue;
    out_.open("if (thread % 128 == 0) {{  // {}, stored over later", param_name(*t.store));
    out_.line("tma_store_wait_read<0>();");
    bring_staged(t, team_text("warpgroup"));
    out_.close();
  }
}

std::string Emitter::part_coordinates(const TmaStore& t, int part, const std::string& warpgroup) {
  const ir::Op& op = *t.store;
  std::string coordinates;
  for (std::size_t d = 0; d < t.dim_order.size(); ++d) {
    const TmaStore::Columns& columns = t.columns_of(part);
    std::string c = first_text(*analysis_.affine(op.operand(t.dim_order[d])), columns.piece);
    int first = d == 0   ? columns.within / t.element_bytes
                : d == 1 ? t.block_of(part) * kPartRows
                         : 0;
    if (first > 0) c += fmt::format(" + {}", first);
    if (d == 1) c += fmt::format(" + {} * {}", warpgroup, t.pitch);
    if (d < 2 && plan_.slice.axis == (d == 0 ? t.column_axis : t.row_axis))
      c += fmt::format(" + int(rank) * {}", plan_.slice.span);
    coordinates += fmt::format(", int({})", c);
  }
  return coordinates;
}

// Copies one part, or all of them (-1), from where they are staged.
void Emitter::copy_parts(const TmaStore& t, int part, const std::string& warpgroup) {
  const auto copy = [&](int p, int place) {
    out_.line("tma_{}_{}d(map_{}, staging + {}{});", t.added != nullptr ? "add" : "store",
              t.dim_order.size(), t.columns_of(p).map, place, part_coordinates(t, p, warpgroup));
  };
  if (part >= 0) return copy(part, plan_.place_of(t, part));
  for (int p = 0; p < t.parts(); ++p) copy(p, t.place_of(p));
}

// Waits until there is room for a part, or for all of them (-1).
void Emitter::await_room(const TmaStore& t, int part) {
  if (part == 2) name_own_place();
  const int slot = part < 0 ? 0 : part % 2;
  const std::string turn = fmt::format("{} * warpgroup + {}", plan_.staging_slots(), slot);
  if (t.staged != nullptr) {
    out_.line("mbarrier_wait(staged_full + 8 * {}, staged_phase);", team_text("warpgroup"));
    out_.line("staged_phase ^= 1;");
  } else if (plan_.store_warps > 0) {
    out_.line("mbarrier_wait(store_free + 8 * ({}), store_phases >> {} & 1);", turn, slot);
  } else if (!plan_.stores_in_ring || (part <= 0 && &t != &plan_.stores.front())) {
    if (plan_.has_own_place(part))
      out_.open("if (!last) {{");  // no store warp, so no stage is lent
    out_.line("if (thread % 128 == 0) tma_store_wait_read<{}>();",
              plan_.other_slot_precedes(t, part) ? 1 : 0);
    out_.line("named_barrier_sync({} + {}, 128);", kStagingBarrier, team_text("warpgroup"));
    if (plan_.has_own_place(part)) out_.close();
  }
  if (plan_.has_own_place(part) && part == 2) {
    // Behind the wait for the slot: before it, ptxas spills in a kernel that has all registers.
    out_.line("// for who still reads the ring");
    if (plan_.lends_stage)
      out_.line("mbarrier_wait(empty + 8 * lent, phase ^ (stage < 1));");
    else
      out_.line("if (last) mbarrier_wait(empty + 8 * ({}), phase ^ (stage < 1));", stage_before());
  }
}

// Stages one part, or all of them (-1), and sends them off or leaves that to a store warp.
void Emitter::store_part(const TmaStore& t, int part) {
  const ir::Value* value = t.value;
  const int slot = part < 0 ? 0 : part % 2;
  await_room(t, part);
  for (const std::pair<int, int>& run : widths(t)) {
    const int column = part % static_cast<int>(t.columns.size());
    if (part >= 0 && (column < run.first || column >= run.second)) continue;
    out_.open("{{");
    if (plan_.has_own_place(part)) name_staging(part);
    if (t.element_bytes == 2)
      stage_matrices(t, value, part, run);
    else
      stage_elements(t, value, part, run);
    out_.close();
  }
  out_.line("fence_async_proxy();");
  if (plan_.store_warps > 0) {
    out_.line(
        "mbarrier_arrive(store_full + 8 * ({} * warpgroup + {}));  // every lane, for what it "
        "put there",
        plan_.staging_slots(), slot);
    if (t.staged == nullptr) out_.line("store_phases ^= {};", 1 << slot);
    return;
  }
  out_.line("named_barrier_sync({} + {}, 128);", kStagingBarrier, team_text("warpgroup"));
  out_.open("if (thread % 128 == 0{}) {{", plan_.cluster_position >= 0 ? " && tile_valid" : "");
  out_.line("const u32 staging = {};", staging_text("ring_address", team_text("warpgroup"), part));
  copy_parts(t, part, "warpgroup");
  out_.line("tma_store_commit();");
  out_.close();
}

void Emitter::tma_store(const TmaStore& t) {
  out_.line("// store {} through shared memory", param_name(*t.store));
  out_.open("{{");
  name_staging(0);
  if (plan_.sends_parts() && t.parts() > 1) {
    for (int part = 0; part < t.parts(); ++part) store_part(t, part);
  } else {
    store_part(t, -1);
  }
  out_.close();
}

// The store warps' side. Each warpgroup's staging area has one slot or two; a slot goes from free
// to full and back. All are free when a store begins. Of two, one is freed when the other has been
// sent off: by the warp of this warpgroup, or by that of all once it has sent off the part of each.
void Emitter::begin_stores() {
  out_.line("u32 store_phases = 0;");
  if (plan_.lends_stage) out_.line("int stage = 0;  // of the trip behind the tile's last one");
  if (plan_.stages_loads()) return;
  const bool one = plan_.store_warps == 1;  // sends off the parts of all
  const int slots = plan_.staging_slots();
  out_.line("for (int s = 0; s < {}; ++s) mbarrier_arrive(store_free + 8 * {});",
            one ? plan_.consumers * slots : slots, one ? "s" : fmt::format("({} * w + s)", slots));
}

// A loop over the consumers whose parts a store warp sends off, unless it has one.
std::string Emitter::each_sender() const {
  if (plan_.store_warps > 1) return {};
  return fmt::format("for (int w = 0; w < {}; ++w) ", plan_.consumers);
}

std::string Emitter::free_text(int slot) const {
  return fmt::format("{}mbarrier_arrive(store_free + 8 * ({} * w + {}));", each_sender(),
                     plan_.staging_slots(), slot);
}

void Emitter::send_part(const TmaStore& t, int part) {
  const int slots = plan_.staging_slots(), slot = part < 0 ? 0 : part % 2;
  if (plan_.store_warps == 1) out_.line("#pragma unroll 1");
  out_.open("{}{{", each_sender());
  out_.line("const u32 staging = {};", staging_text("ring_address", "w", part));
  out_.line("mbarrier_wait(store_full + 8 * ({} * w + {}), store_phases >> {} & 1);", slots, slot,
            slot);
  if (plan_.cluster_position >= 0) out_.open("if (tile_valid) {{");
  copy_parts(t, part, "w");
  if (plan_.cluster_position >= 0) out_.close();
  out_.line("tma_store_commit();");
  out_.close();
  out_.line("store_phases ^= {};", 1 << slot);
  const auto free_read = [&](int read, int pending) {
    out_.line("tma_store_wait_read<{}>();", pending);
    // Of staged loads, what the next tile adds to takes the slot.
    if (t.staged == nullptr) out_.line("{}", free_text(read));
  };
  if (plan_.lends_stage) return free_places(t, part);
  if (plan_.last_in_ring && part + 2 < t.parts())
    out_.line("if (last) {}  // has its own room", free_text(slot));
  const bool but_last = plan_.last_in_ring && part > 0;
  if (but_last) out_.open("if (!last) {{");
  if (part > 0) free_read(1 - slot, plan_.store_warps == 1 ? plan_.consumers : 1);
  if (part < 0 || part + 1 == t.parts()) free_read(slot, 0);
  if (but_last) out_.close();
}

// Where a stage is lent: frees a slot for the part after the next one, at once if that has a place
// of its own, else when what was in the slot has been read. Behind the last part, frees whatever
// was read first, the lent stage among it.
void Emitter::free_places(const TmaStore& t, int part) {
  const int senders = plan_.store_warps == 1 ? plan_.consumers : 1, last = t.parts() - 1;
  const auto await_read = [&](int of) {
    out_.line("tma_store_wait_read<{}>();", senders * (part - of));
  };
  const auto in_slot = [&](int of) {  // the last part up to this one that has its slot
    return plan_.has_own_place(of) ? of % 2 : of;
  };
  if (part + 2 <= last) {
    const bool has_own = plan_.has_own_place(part + 2);
    if (!has_own) await_read(in_slot(part));
    out_.line("{}{}", free_text(part % 2), has_own ? "  // has its own room" : "");
  }
  if (part < last) return;
  std::map<int, std::string> read;
  for (const int of : {last - 1, last}) read[in_slot(of)] = free_text(of % 2);
  read[std::min(last, 2 * plan_.own_turns + 1)] += "mbarrier_arrive(returned);";
  for (const auto& [of, line] : read) {
    await_read(of);
    out_.line("{}", line);
  }
}

void Emitter::send_tile() {
  if (plan_.lends_stage) {
    out_.open("{{");
    fold_bounds(*plan_.folds[0].fold);
    out_.line("stage = (stage + end - begin) % {};", plan_.stages);
    out_.close();
  }
  name_own_place();
  for (const TmaStore& t : plan_.stores) {
    if (t.staged == nullptr) continue;
    out_.open("{}{{", each_sender());
    bring_staged(t, "w");
    out_.close();
  }
  for (const TmaStore& t : plan_.stores) {
    out_.line("// {}", param_name(*t.store));
    for (int part = plan_.stores_in_parts ? 0 : -1; part < (plan_.stores_in_parts ? t.parts() : 0);
         ++part)
      send_part(t, part);
  }
}

}  // namespace octile::cuda
