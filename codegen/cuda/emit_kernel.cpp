// The frame around a tile program: signature, shared memory, barriers, warp roles, the loop over
// tiles, and the producers' side of pipelined folds.
#include <algorithm>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"
#include "octile/codegen/cuda/prelude.hpp"
#include "octile/codegen/cuda/target.hpp"

namespace octile::cuda {

using ir::OpKind;

Emitter::Emitter(const ir::Function& function, const LowerRequest& request, Plan plan,
                 Analysis& analysis)
    : function_(function), request_(request), plan_(std::move(plan)), analysis_(analysis) {
  needed_ = family_values(function_, plan_, analysis_);
  ir::for_each_op(*function_.body, [&](const ir::Op& op) {
    for (const ir::Value* v : op.operands) users_[v].push_back(&op);
  });
}

// Whether the kernel may use wgmma and TMA.
bool Emitter::is_for_hopper() const {
  return features_of(request_.target).wgmma && !plan_.mma_sync;
}

void Emitter::kernel_signature(CudaProgram& program) {
  std::vector<std::string> list;
  for (std::size_t i = 0; i < plan_.tensor_maps.size(); ++i) {
    list.push_back(fmt::format("const __grid_constant__ TensorMap map_{}", i));
    program.args.push_back({ArgKind::tensor_map, static_cast<int>(i), 0});
  }
  for (std::size_t p = 0; p < function_.params.size(); ++p) {
    const ir::Param& param = function_.params[p];
    std::string type{register_type(param.element)};
    int index = static_cast<int>(p);
    if (!param.is_tensor) {
      list.push_back(fmt::format("const {} {}_p", type, param.name));
      program.args.push_back({ArgKind::scalar, index, 0});
      continue;
    }
    bool read_only = param.access == ir::Access::in;
    list.push_back(fmt::format("{}{}* {}{}_p", read_only ? "const " : "", type,
                               read_only ? "__restrict__ " : "", param.name));
    program.args.push_back({ArgKind::pointer, index, 0});
    for (std::size_t d = 0; d < param.shape.size(); ++d) {
      list.push_back(fmt::format("const long long {}_s{}", param.name, d));
      program.args.push_back({ArgKind::stride, index, static_cast<int>(d)});
    }
  }
  for (std::size_t d = 0; d < function_.dims.size(); ++d) {
    list.push_back(fmt::format("const long long {}_dim", function_.dims[d]));
    program.args.push_back({ArgKind::dim, static_cast<int>(d), 0});
  }
  for (std::size_t g = 0; g < function_.grid.size(); ++g) {
    list.push_back(fmt::format("const int tiles_{}", g));
    program.args.push_back({ArgKind::grid_extent, static_cast<int>(g), 0});
  }
  if (plan_.schedule.stream_fold) {
    list.push_back("unsigned char* const workspace");
    program.args.push_back({ArgKind::workspace, 0, 0});
  }
  // Said how many CTAs it holds, a multiprocessor gives threads all the registers they can use.
  const bool counted = plan_.specialized || !is_for_hopper();
  std::string bounds = counted ? fmt::format("{}, {}", plan_.threads, plan_.ctas_per_sm)
                               : fmt::format("{}", plan_.threads);
  out_.raw(fmt::format("extern \"C\" __global__ void __launch_bounds__({}) {}(\n    {}) {{\n",
                       bounds, program.entry, fmt::join(list, ",\n    ")));
}

void Emitter::shared_memory_setup() {
  if (plan_.shared_bytes == 0) return;
  out_.line("extern __shared__ unsigned char shared_bytes[];");
  std::string address =
      fmt::format("(shared_address(shared_bytes) + {0}) & ~{0}u", plan_.shared_alignment - 1);
  // ptxas computes what it takes from special registers anew in every trip, but nothing from a
  // shuffle; a trip of sums in place has little else to do.
  if (plan_.specialized && std::all_of(plan_.folds.begin(), plan_.folds.end(),
                                       [](const FoldPlan& f) { return f.in_place; }))
    address = fmt::format("__shfl_sync(~0u, {}, 0)", address);
  out_.line("const u32 ring_address = {};", address);
  out_.line(
      "unsigned char* const ring = shared_bytes + (ring_address - shared_address(shared_bytes));");
  out_.line("unsigned char* const scratch = ring + {};", plan_.scratch_offset);
  out_.line("const u32 scratch_address = ring_address + {};", plan_.scratch_offset);
  out_.line("unsigned char* const exchange = ring + {};", plan_.reduce_offset);
}

void Emitter::barrier_setup() {
  if (!plan_.specialized) return;
  int cluster = plan_.cluster_position >= 0 ? plan_.schedule.cluster : 1;
  out_.line("const u32 full = ring_address + {}, empty = full + {};", plan_.barrier_offset,
            8 * plan_.stages);
  if (plan_.panel_bytes > 0) {
    out_.line("const u32 panels = ring_address + {};", plan_.panel_offset);
    out_.line("const u32 panel_full = empty + {}, panel_empty = panel_full + {};", 8 * plan_.stages,
              8 * kPanelSlots);
  }
  if (plan_.stages_loads())
    out_.line("const u32 staged_full = {};", plan_.panel_bytes > 0
                                                 ? fmt::format("panel_empty + {}", 8 * kPanelSlots)
                                                 : fmt::format("empty + {}", 8 * plan_.stages));
  if (plan_.store_warps > 0) {
    const int areas = plan_.consumers * plan_.staging_slots();
    out_.line("const u32 store_full = ring_address + {}, store_free = store_full + {};",
              plan_.store_barrier_offset, 8 * areas);
    if (plan_.lends_stage) out_.line("const u32 returned = store_free + {};", 8 * areas);
  }
  if (plan_.schedule.split_fold > 1)
    out_.line("const u32 sums = ring_address + {}, sums_full = ring_address + {};",
              plan_.sums_offset, plan_.sums_barrier_offset);
  out_.open("if (threadIdx.x == 0) {{");
  for (std::size_t i = 0; i < plan_.tensor_maps.size(); ++i)
    out_.line("tma_prefetch_map(map_{});", i);
  out_.open("for (int s = 0; s < {}; ++s) {{", plan_.stages);
  const int outer_warps = plan_.outer_bytes > 0 ? 1 : 0;
  out_.line("mbarrier_init(full + 8 * s, {});", 1 + 32 * plan_.loader_warps() + outer_warps);
  out_.line("mbarrier_init(empty + 8 * s, {});",
            4 * plan_.consumers * cluster * plan_.stage_lanes());
  out_.close();
  if (plan_.panel_bytes > 0) {
    out_.open("for (int s = 0; s < {}; ++s) {{", kPanelSlots);
    out_.line("mbarrier_init(panel_full + 8 * s, {});", panel_arrivals());
    const bool reads = std::any_of(plan_.folds.begin(), plan_.folds.end(),
                                   [](const FoldPlan& f) { return !f.panels.empty(); });
    const int teams = !reads ? 0 : plan_.shares_trips() ? plan_.teams : 1;
    const int lanes = plan_.transposes() ? 32 : 1;  // that speak for themselves
    out_.line("mbarrier_init(panel_empty + 8 * s, {});",
              4 * plan_.consumers * teams * lanes + outer_warps);
    out_.close();
  }
  if (plan_.stages_loads())
    out_.line("for (int w = 0; w < {}; ++w) mbarrier_init(staged_full + 8 * w, 1);",
              plan_.teams * plan_.consumers);
  if (plan_.schedule.split_fold > 1) out_.line("mbarrier_init(sums_full, 1);");
  if (plan_.store_warps > 0) {
    out_.open("for (int s = 0; s < {}; ++s) {{", plan_.consumers * plan_.staging_slots());
    out_.line("mbarrier_init(store_full + 8 * s, 128);");
    out_.line("mbarrier_init(store_free + 8 * s, 1);");
    out_.close();
    if (plan_.lends_stage) out_.line("mbarrier_init(returned, {});", plan_.store_warps);
  }
  out_.line("mbarrier_fence_init();");
  out_.close();
  if (plan_.schedule.stream_fold) share_setup();
  if (cluster > 1) {
    out_.line("cluster_arrive();");
    out_.line("cluster_wait();");
  }
  out_.line("__syncthreads();");
}

std::string Emitter::tiles_text() const {
  std::string text;
  for (std::size_t g = 0; g < function_.grid.size(); ++g) {
    text += fmt::format("{}extent_{}", g ? " * " : "", g);
  }
  return text;
}

// Opens the loop over this CTA's tiles and names the grid indices: groups of `group_width` blocks
// of the fastest position, all blocks of the next one inside a group, the third position slowest.
void Emitter::tile_loop_open() {
  int rank = static_cast<int>(function_.grid.size());
  for (int g = 0; g < rank; ++g) {
    if (g == plan_.cluster_position) {
      int c = plan_.schedule.cluster;
      out_.line("const int extent_{0} = (tiles_{0} + {1}) / {2} * {2};", g, c - 1, c);
    } else {
      out_.line("const int extent_{0} = tiles_{0};", g);
    }
  }
  if (plan_.schedule.stream_fold) {
    share_loop_open();
  } else if (plan_.persistent) {
    out_.open("for (int tile = blockIdx.x; tile < {}; tile += gridDim.x) {{", tiles_text());
  } else {
    out_.open("{{");
    out_.line("const int tile = blockIdx.x / {};", plan_.schedule.split_fold);
  }
  int fast = plan_.fastest_position, other = -1, slow = -1;
  for (int g = 0; g < rank; ++g) {
    if (g == fast) continue;
    (other < 0 ? other : slow) = g;
  }
  if (rank == 1) {
    out_.line("const long long grid_0 = tile;");
  } else {
    std::string in_layer = "tile";
    if (rank == 3) {
      out_.line("const u32 layer = extent_{} * extent_{}, nth_layer = quotient(tile, layer);", fast,
                other);
      out_.line("const long long grid_{} = nth_layer;", slow);
      in_layer = "tile - nth_layer * layer";
    }
    out_.line("const GridPlace grid_at = grid_place({}, extent_{}, extent_{}, {});", in_layer, fast,
              other, plan_.group_width);
    out_.line("const long long grid_{} = grid_at.fast, grid_{} = grid_at.other;", fast, other);
  }
  if (plan_.cluster_position >= 0)
    out_.line("const bool tile_valid = grid_{0} < tiles_{0};", plan_.cluster_position);
  name_pieces();
}

// How far each piece of a tile is from where a contiguous tile begins.
void Emitter::name_pieces() {
  const TilePieces& t = plan_.tile_pieces;
  for (std::size_t p = 0; p < t.pieces.size(); ++p) {
    const auto [first, size] = t.pieces[p];
    const std::string before =
        first > 0 ? fmt::format("tiles_{} * {}ll ", t.position, first) : std::string{};
    out_.line("const long long piece_{} = {}- grid_{} * {};", p, before, t.position,
              analysis_.extent(t.axis) - size);
  }
}

// The first index of a piece of the tile, where `axis` has pieces; of the tile elsewhere.
std::string Emitter::first_text(const AffineIndex& index, int piece) {
  std::string text = sum_text(index);
  if (plan_.tile_pieces.cover(index.axis)) text += fmt::format(" + piece_{}", piece);
  return text;
}

std::string Emitter::sum_text(const AffineIndex& index) {
  std::string text;
  for (const AffineIndex::Term& t : index.terms) {
    text += fmt::format("{}{}", t.negative ? " - " : text.empty() ? "" : " + ", expr(t.value));
  }
  return text.empty() ? "0" : text;
}

void Emitter::produce_tma(const TmaLoad& t) {
  for (int chunk = 0; chunk < t.chunks; ++chunk) {
    for (std::size_t piece = 0; piece < t.boxes.size(); ++piece)
      produce_box(t, chunk, static_cast<int>(piece));
  }
}

// One copy: of a chunk along K, all rows or those of a piece.
void Emitter::produce_box(const TmaLoad& t, int chunk, int piece) {
  const TmaLoad::Box& box = t.boxes[static_cast<std::size_t>(piece)];
  std::size_t rank = t.dim_order.size();
  int ctas = t.multicast ? plan_.schedule.cluster : 1, slice = box.rows / ctas;
  std::string coordinates;
  for (std::size_t d = 0; d < rank; ++d) {
    std::string c = first_text(*analysis_.affine(t.load->operand(t.dim_order[d])), piece);
    if (d == 0 && chunk > 0) c += fmt::format(" + {}", chunk * t.chunk_elements);
    if (d == 1 && ctas > 1) c += fmt::format(" + int(rank) * {}", slice);
    coordinates += fmt::format(", int({})", c);
  }
  std::string to = fmt::format("to + {}", t.offset + (chunk * t.rows + box.first) * t.swizzle);
  if (ctas > 1) to += fmt::format(" + rank * {}", slice * t.swizzle);
  std::string_view name = function_.params[static_cast<std::size_t>(t.load->attr.index)].name;
  if (ctas > 1) {
    out_.line("tma_multicast_{}d({}, map_{}, full + 8 * stage, policy_{}, {}{});  // {}", rank, to,
              box.map, t.map(), (1 << ctas) - 1, coordinates, name);
  } else {
    out_.line("tma_load_{}d({}, map_{}, full + 8 * stage, policy_{}{});  // {}", rank, to, box.map,
              t.map(), coordinates, name);
  }
}

void Emitter::produce_fold(const FoldPlan& fold) {
  out_.open("{{");
  fold_bounds(*fold.fold);
  if (plan_.lends_stage) {
    name_lent_stage();
    out_.line("bool is_lent = tile >= int(gridDim.x);  // by a tile before");
  }
  out_.line("#pragma unroll 1");
  out_.open("for (int trip = begin; trip < end; ++trip) {{");
  name_index(*fold.fold, "trip");
  out_.line("mbarrier_wait(empty + 8 * stage, phase ^ 1);");
  if (plan_.lends_stage) get_stage_back("is_lent && stage == lent");
  out_.line("const u32 to = ring_address + stage * {};", plan_.stage_bytes);
  int bytes = 0;
  for (const TmaLoad& t : fold.tma) bytes += t.bytes;
  out_.line("mbarrier_expect(full + 8 * stage, {});", bytes);
  // The smaller operand first: up to 1.6 % faster (bench/NOTES.md), it isn't known why.
  std::vector<const TmaLoad*> loads;
  for (const TmaLoad& t : fold.tma) loads.push_back(&t);
  std::stable_sort(loads.begin(), loads.end(),
                   [](const TmaLoad* x, const TmaLoad* y) { return x->bytes < y->bytes; });
  for (const TmaLoad* t : loads) produce_tma(*t);
  advance("stage", "phase", plan_.stages);
  out_.close();
  if (plan_.lends_stage) get_stage_back("is_lent");  // of few trips, none came to it
  out_.close();
}

void Emitter::get_stage_back(const std::string& condition) {
  out_.open("if ({}) {{", condition);
  out_.line("mbarrier_wait(returned, returned_phase);");
  out_.line("returned_phase ^= 1;");
  out_.line("is_lent = false;");
  out_.close();
}

void Emitter::producer() {
  int first = plan_.consumer_warps(), loaders = plan_.loader_warps();
  const int last_panels = first + plan_.panel_warps();
  const bool transposes = plan_.transposes();
  out_.open("if (warp >= {}) {{", first);
  out_.line("registers_decrease<{}>();", plan_.producer_registers);
  // While lanes of a warp wait for one that waits on a barrier, that one polls without rest. And of
  // an elected lane, ptxas knows that it is alone: for another, each copy is in a loop over lanes.
  const auto leave_one = [&] { out_.line("if (!elect_one()) return;"); };
  out_.open("if (warp == {}) {{  // bulk copies of dot operands", first);
  leave_one();
  produce_tiles(Role::bulk_copies);
  if (last_panels > first) {
    out_.open("if (warp > {} && warp <= {}) {{  // panels of small tiles", first, last_panels);
    if (transposes)
      out_.line("const int loader = thread - {};", 32 * (first + 1));
    else
      leave_one();
    produce_tiles(Role::panels);
  }
  if (plan_.outer_bytes > 0) {
    out_.open("if (warp == {}) {{  // columns of outer products", last_panels + 1);
    produce_tiles(Role::outer_products);
  }
  if (loaders > 0) {
    out_.open("if (warp > {}) {{  // small tiles", last_panels);
    out_.line("const int loader = thread - {};", 32 * (last_panels + 1));
    produce_tiles(Role::small_tiles);
  }
  if (plan_.store_warps > 0) {
    const int first_store = first + kProducerWarps - plan_.store_warps;
    out_.open("if (warp {} {}) {{  // stores", plan_.store_warps > 1 ? ">=" : "==", first_store);
    leave_one();
    if (plan_.store_warps > 1) out_.line("const int w = warp - {};  // the consumer", first_store);
    produce_tiles(Role::stores);
  }
  out_.line("__syncwarp();");
  out_.close("} else {");
  out_.raw("");
}

// How long the lines of each operand are to stay in the L2.
void Emitter::name_policies() {
  for (const FoldPlan& f : plan_.folds) {
    for (const TmaLoad& t : f.tma) {
      const TensorMap& map = plan_.tensor_maps[static_cast<std::size_t>(t.map())];
      std::string readers;
      for (std::size_t g = 0; g < function_.grid.size(); ++g) {
        if ((map.shared_along >> g & 1) == 0) continue;
        readers += fmt::format("{}tiles_{}", readers.empty() ? "" : " * ", g);
      }
      out_.line("const u64 policy_{} = {};", t.map(),
                readers.empty()
                    ? std::string{"kEvictFirst"}
                    : fmt::format("{} <= {} ? kEvictFirst : kEvictNormal", readers, kFewReaders));
    }
  }
}

// One role's pass over this CTA's tiles; closes the role's scope.
void Emitter::produce_tiles(Role role) {
  if (role == Role::stores) {
    begin_stores();
  } else {
    out_.line("int {} = 0;", role == Role::panels ? "slot" : "stage");
    out_.line("u32 phase = 0;");
    if (role == Role::outer_products) {
      out_.line("int slot = 0;");
      out_.line("u32 slot_phase = 0;");
      out_.line("u32 pairs_done = 0;");
      out_.line("bool unsettled = false;");
    }
  }
  if (role == Role::bulk_copies) {
    if (plan_.lends_stage) out_.line("u32 returned_phase = 0;");
    name_policies();
  }
  tile_loop_open();
  for (const FoldPlan& f : plan_.folds) {
    if (role == Role::bulk_copies) produce_fold(f);
    if (role == Role::panels && !f.all_panels().empty()) produce_panels(f);
    if (role == Role::outer_products) produce_columns(f);
    if (role == Role::small_tiles) produce_small(f);
  }
  if (role == Role::stores) send_tile();
  out_.close();
  if (role == Role::stores) out_.line("tma_store_wait_read<0>();");
  out_.close();
}

// Names what the thread's number gives of each axis. Ranks of a split fold share its results out:
// they change it.
void Emitter::name_places() {
  const std::string_view fixed = plan_.schedule.split_fold > 1 ? "" : "const ";
  for (const auto& entry : plan_.family.axes()) {
    const AxisLayout& layout = entry.second;
    out_.line("{}int {} = {};", fixed, plan_.family.thread_part_name(layout.axis),
              plan_.family.thread_part(layout.axis));
  }
}

// The same at the start of a tile and after its fold, or the compiler keeps every address that
// follows from it in registers, from before all tiles and through their folds.
void Emitter::renew_places() {
  out_.line("const int thread = thread_index(){};",
            plan_.teams > 1 ? fmt::format(" % {}", plan_.compute_threads) : "");
  name_places();
}

void Emitter::consumer() {
  if (plan_.specialized) {
    out_.line("registers_increase<{}>();", plan_.consumer_registers);
    if (plan_.sums_apart) out_.line("cluster_arrive();  // sums may come");
    out_.line("int stage = 0;");
    out_.line("u32 phase = 0;");
    out_.line("bool ready = false;");
    if (plan_.outer_bytes > 0) out_.line("u32 pairs_done = 0;");
    if (plan_.stages_loads()) out_.line("u32 staged_phase = 0;");
    if (plan_.store_warps > 0 && !plan_.stages_loads()) out_.line("u32 store_phases = 0;");
    if (plan_.panel_bytes > 0) {
      const bool counts = std::any_of(plan_.folds.begin(), plan_.folds.end(),
                                      [&](const FoldPlan& f) { return counts_columns(f); });
      out_.line("int slot = 0{};", counts ? ", column = 0" : "");
      out_.line("u32 slot_phase = 0;");
    }
    if (plan_.panel_bytes > 0 || plan_.loader_warps() > 0)
      out_.line("const u32 nothing = threadIdx.y;  // 0, unknown to the compiler");
    if (plan_.orders_blocks()) {
      out_.line("if (warpgroup == {}) named_barrier_arrive({}, 256);", plan_.consumers - 1,
                kOrderBarrier);
    }
  }
  begin_team();
  const bool renews = plan_.specialized && plan_.schedule.split_fold == 1;
  if (!renews) name_places();
  tile_loop_open();
  skip_tile();
  if (renews) renew_places();
  family_ = &plan_.family;
  if (plan_.schedule.split_fold > 1 || plan_.shares_trips()) {
    parted_body();
  } else if (plan_.schedule.stream_fold) {
    stream_body();
  } else {
    int scopes = 0;
    for (const ir::Op* op : function_.body->ops) {
      operation(*op);
      if (!renews || plan_.find_fold(op) == nullptr) continue;
      if (plan_.stores_in_ring) meet();  // until nobody reads the ring
      out_.open("{{");
      renew_places();
      ++scopes;
    }
    close_loops(scopes);
  }
  out_.close();
  // Shared memory must outlive the copies that read it.
  if (!plan_.stores.empty() && plan_.store_warps == 0)
    out_.line("if (thread % 128 == 0) tma_store_wait_read<0>();");
  end_team();
  if (plan_.specialized && plan_.orders_blocks()) {
    // Takes the turn that the last warpgroup handed on.
    out_.line("if (warpgroup == 0) named_barrier_sync({}, 256);", kOrderBarrier);
  }
}

CudaProgram Emitter::run() {
  CudaProgram program;
  program.entry = function_.name;
  program.arch = request_.target.arch;
  program.options = {"-fmad=false"};
  program.threads = plan_.threads;
  program.shared_bytes = plan_.shared_bytes;
  program.tensor_maps = plan_.tensor_maps;
  program.persistent = plan_.persistent;
  program.max_ctas = request_.target.sm_count * plan_.ctas_per_sm;
  program.streamed = plan_.schedule.stream_fold;
  if (program.streamed) {
    family_ = &plan_.family;
    program.workspace_bytes = workspace_bytes(program.max_ctas);
  }
  program.cluster = plan_.schedule.cluster * plan_.schedule.split_fold;
  program.ctas_per_tile = plan_.schedule.split_fold;
  program.cluster_grid_position = plan_.cluster_position;
  program.dependent_launch = plan_.schedule.dependent_launch;
  out_.raw(fmt::format("// {}: printed by Octile for {}, schedule [{}]\n", function_.name,
                       program.arch, to_string(request_.schedule)));
  out_.raw(is_for_hopper() ? prelude() : portable_prelude());
  if (plan_.schedule.stream_fold) out_.raw(stream_prelude());
  const std::size_t functions = out_.text().size();
  out_.raw("\n");
  kernel_signature(program);
  const std::size_t start = out_.text().size();
  out_.open("  // roles and shared memory");
  shared_memory_setup();
  bool cluster = program.cluster > 1;
  if (cluster) out_.line("const u32 rank = cluster_rank();");
  out_.line(
      "const int thread = threadIdx.x, warp = __shfl_sync(~0u, thread / 32, 0), lane = "
      "lane_index();");
  out_.line("const int warpgroup = warp / 4;");
  barrier_setup();
  if (program.dependent_launch) {
    // The next kernel waits for all of this one itself: its CTAs may come as soon as there is room.
    out_.line("dependent_launch_wait();");
    out_.line("dependent_launch_release();");
  }
  if (plan_.specialized) producer();
  consumer();
  if (plan_.specialized) out_.line("}}");
  if (plan_.cluster_position >= 0) {
    // No CTA leaves while another may still write its barriers. Sums are waited for.
    out_.line("__syncwarp();");
    out_.line("cluster_arrive();");
    out_.line("cluster_wait();");
  }
  out_.close();
  program.source = out_.text();
  program.source.insert(start, accumulator_declarations());
  program.source.insert(functions, fmt::format("{}", fmt::join(functions_, "")));
  return program;
}

CudaProgram lower(const ir::Function& function, const LowerRequest& request) {
  Analysis analysis(function);
  Plan plan = make_plan(function, request, analysis);
  return Emitter(function, request, std::move(plan), analysis).run();
}

}  // namespace octile::cuda
