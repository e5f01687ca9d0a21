// The emitter: prints a planned program as CUDA C++. One short method per kind of operation; the
// files emit_*.cpp group them by what they print.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "octile/codegen/cuda/plan.hpp"

namespace octile::cuda {

/// Register type that holds one element.
std::string_view register_type(ElementType type);

/// Indented text.
class Writer {
 public:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += std::string(static_cast<std::size_t>(2 * depth_), ' ');
    text_ += fmt::format(format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  template <typename... Args>
  void open(fmt::format_string<Args...> format, Args&&... args) {
    line(format, std::forward<Args>(args)...);
    ++depth_;
  }
  void close(std::string_view text = "}") {
    --depth_;
    line("{}", text);
  }
  void raw(std::string_view text) { text_ += text; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int depth_ = 0;
};

/// Named barriers of a CTA, 0 being __syncthreads'. All that compute a tile meet at 1, of several
/// teams at 1 + team. Those of one line don't occur together with another's of the same number.
inline constexpr int kOrderBarrier = 2;  ///< + consumer, up to 5: `order_consumers`, block by block
inline constexpr int kTurnBarrier = 4;   ///< + team: ping-pong, whose teams order no consumers
inline constexpr int kJoinBarrier = 6;   ///< of teams that share a fold's trips
inline constexpr int kStagingBarrier = 8;     ///< + consumer or team, up to 11: of what it stages
inline constexpr int kLastTripsBarrier = 12;  ///< + consumer, 13 to 15: its turn at a tile's end

class Emitter {
 public:
  Emitter(const ir::Function& function, const LowerRequest& request, Plan plan, Analysis& analysis);
  CudaProgram run();

 private:
  // emit_kernel.cpp: the frame around the tile program.
  void kernel_signature(CudaProgram& program);
  void shared_memory_setup();
  void barrier_setup();
  void tile_loop_open();
  void producer();
  enum class Role { bulk_copies, panels, outer_products, small_tiles, stores };  ///< of its warps
  void produce_tiles(Role role);
  void produce_fold(const FoldPlan& fold);
  void name_policies();
  void produce_tma(const TmaLoad& load);
  void produce_box(const TmaLoad& load, int chunk, int piece);
  void name_places();
  void renew_places();
  void consumer();
  void fold_bounds(const ir::Op& fold);
  std::string sum_text(const AffineIndex& index);
  std::string first_text(const AffineIndex& index, int piece);
  void name_pieces();
  bool is_for_hopper() const;
  std::string tiles_text() const;

  // emit_values.cpp: expressions over one element, and values in register arrays.
  void region(const ir::Region& region);
  void operation(const ir::Op& op);
  bool is_needed(const ir::Op& op) const;
  void loop(const ir::Op& op);
  void materialize(const ir::Op& op);
  bool is_inline(const ir::Value* value) const;
  const ir::Op* only_end(const ir::Value* value);
  const ir::Op* end_of_use(const ir::Value* value, const ir::Op& user);
  void begin_element(const ir::Value* value);
  void end_element();
  std::string expr(const ir::Value* value);
  std::string op_expr(const ir::Op& op);
  bool may_wrap(const ir::Op& op);
  std::string wrapping(const ir::Op& op, std::string_view o);
  std::string cast_expr(const ir::Op& op);
  std::string constant_text(const ir::Op& op) const;
  std::string name_of(const ir::Value* value);
  std::string declare(const ir::Value* value);
  void require_home(const std::vector<ir::AxisId>& axes) const;
  int open_loops(const std::vector<const Factor*>& factors);
  /// Loops over the registers of a tile; digits inside runs, and `zero`, are constants 0.
  int open_loops(const std::vector<ir::AxisId>& axes, const Runs& runs,
                 const Factor* zero = nullptr);
  int open_loop(const std::vector<ir::AxisId>& axes);  ///< the same without runs, in one loop
  void close_loops(int count);
  /// Registers of a value and the place of an element among them, as text over the digits.
  const Family& family_of(const ir::Value* value) const;
  int register_count(const ir::Value* value);
  std::string register_index(const ir::Value* value);
  std::vector<const Factor*> registers(const ir::Value* value);

  // emit_memory.cpp
  std::string extent_text(const ir::Extent& extent) const;
  std::string dim_extent(const ir::Op& op, std::size_t dim) const;
  std::string param_name(const ir::Op& op) const;
  std::string element_load(const ir::Op& op);
  void load(const ir::Op& op);
  struct VectorAccess {
    int width = 1;
    int dim = -1;
    const Factor* factor = nullptr;
    ir::AxisId axis = -1;
  };
  bool load_whole(const ir::Op& op, const VectorAccess& access, const std::string& other);
  std::string small_index(const SmallLoad& small);
  void small_load(const SmallLoad& small);
  void store(const ir::Op& op);
  VectorAccess vector_access(const ir::Op& op, const Runs& runs);
  std::vector<std::string> index_texts(const ir::Op& op, std::size_t rank);
  std::string bounds_text(const ir::Op& op, std::size_t rank, int skip_dim) const;
  std::string padding_text(const std::vector<ir::AxisId>& axes, ir::AxisId skip,
                           const Runs& runs) const;

  // emit_teams.cpp
  std::string team_text(const std::string& alone) const;
  void meet();
  int trip_step() const { return plan_.schedule.fold_teams; }  ///< from one trip to a team's next
  std::string next_trip(const std::string& trip) const;
  std::string stepped(const std::string& counter) const;
  void begin_trips();
  void join_teams(const FoldPlan& fold);
  void begin_team();
  void end_team();
  void take_turn(const FoldPlan& fold);
  void hand_on_turn(const FoldPlan& fold);
  void skip_tile();

  // emit_store.cpp
  struct StoreDigits {
    const Factor *pair = nullptr, *half = nullptr;  ///< neighbouring columns; rows 8 apart
    std::vector<const Factor*> others;
    std::string byte;         ///< of the digits' column
    std::string block = "0";  ///< of 64 rows
  };
  void bring_staged();
  void bring_staged(const TmaStore& t, const std::string& warpgroup);
  void begin_stores();
  void send_tile();
  void send_part(const TmaStore& t, int part);
  void free_places(const TmaStore& t, int part);
  std::string staging_text(const std::string& ring, const std::string& warpgroup, int part) const;
  void name_staging(int part);
  void name_own_place();
  std::string stage_before() const;
  void name_lent_stage();
  void get_stage_back(const std::string& condition);
  void await_room(const TmaStore& t, int part);
  std::string each_sender() const;
  std::string free_text(int slot) const;
  const ir::Value* held_ = nullptr;  ///< whose elements are in `held`, counted by `held_digit_`
  std::string held_digit_;
  StoreDigits store_digits(const TmaStore& t);
  static std::vector<std::pair<int, int>> widths(const TmaStore& t);
  int block_elements() const;
  struct PartLoops {
    int count = 0;
    bool exact = true;  ///< nothing else is in them
  };
  PartLoops open_part(const TmaStore& t, const StoreDigits& digits, std::pair<int, int> run,
                      int part, int iteration);
  std::string begin_part(const TmaStore& t, const StoreDigits& digits, std::pair<int, int> run,
                         int part, bool exact);
  void stage_elements(const TmaStore& t, const ir::Value* value, int part, std::pair<int, int> run);
  void stage_matrices(const TmaStore& t, const ir::Value* value, int part, std::pair<int, int> run);
  std::string part_coordinates(const TmaStore& t, int part, const std::string& warpgroup);
  void copy_parts(const TmaStore& t, int part, const std::string& warpgroup);
  void store_part(const TmaStore& t, int part);
  void tma_store(const TmaStore& t);
  bool meets_itself(const ir::Op& op);
  void settle(const ir::Op& op);
  void pack_elements(const ir::Value* value, const Factor& digit, int width);
  void store_vector(const ir::Op& op, const ir::Value* value, const VectorAccess& access);

  // emit_panels.cpp: small tiles of a pipelined fold.
  struct SmallElement {
    std::string param, inside, offset;
  };
  SmallElement small_element(const SmallLoad& load);
  void fetch_small(const FoldPlan& fold);
  void put_small(const FoldPlan& fold);
  void produce_small(const FoldPlan& fold);
  bool copies_panels() const;
  int panel_arrivals() const;
  void produce_panels(const FoldPlan& fold);
  void copy_panels(const FoldPlan& fold);
  void transpose_panels(const FoldPlan& fold);
  int parts_ahead(const FoldPlan& fold) const;
  void begin_rows(const PanelLoad& panel, int ahead);
  std::string first_index(const PanelLoad& panel, int dim, int piece = 0);
  int trips_ahead(const FoldPlan& fold) const;
  std::string panel_address(const PanelLoad& panel, const std::string& row) const;
  void read_panel_rows(const PanelLoad& panel, const Runs& runs);
  void declare_panel(const PanelLoad& panel);
  void read_panel(const PanelLoad& panel);
  void panel_load(const PanelLoad& panel);
  void begin_panels(const FoldPlan& plan);
  void read_panels(const FoldPlan& plan, const std::string& next);
  void read_panel_column(const FoldPlan& plan);
  void release_panel(const FoldPlan& plan, bool in_loop);
  void release_read_panel(const FoldPlan& plan);
  std::pair<std::string, int> column_bytes() const;
  bool counts_columns(const FoldPlan& plan) const;
  void wait_panel();
  std::string when_column(int column) const;
  int column_ = -1;  ///< of a step's trips that is read next, where it is known

  // emit_outer.cpp: products that scale dots, by the tensor core.
  bool is_outer(const ir::Value* value) const;
  std::string outer_index(const ir::Value* value);
  void produce_columns(const FoldPlan& fold);
  void begin_pairs(const FoldPlan& fold);
  void end_pairs(const FoldPlan& fold);
  std::string pair_text(const std::string& trip) const;
  void settle_pairs();
  void issue_outer(const FoldPlan& plan, int block, const std::string& parity);
  std::string outer_function(const DotPlan& dot, bool named) const;

  // emit_split.cpp: folds that a cluster shares, or teams.
  void parted_body();
  void share_sums(const FoldPlan& plan);
  void take_sums(const FoldPlan& plan);

  // emit_stream.cpp: folds that CTAs share through global memory.
  void share_setup();
  void share_loop_open();
  void stream_body();
  std::int64_t workspace_bytes(int ctas) const;
  std::string sums_of(const std::string& cta) const;
  void take_flags(const std::string& first);
  void continue_sums(const FoldPlan& plan);
  void hand_on_sums(const FoldPlan& plan);
  void add_sums(const FoldPlan& plan);

  // emit_reduce.cpp
  void reduce(const ir::Op& op);
  bool is_reduction(const ir::Op& op) const;
  void dot_by_reduction(const ir::Op& op);
  void reduce_terms(const ir::Op& op, const std::function<std::string()>& term);
  std::string combine(const ir::Op& op, const std::string& x, const std::string& y) const;
  void reduce_across_threads(const ir::Op& op, const std::vector<const Factor*>& digits);
  void exchange_sums(const ir::Op& op, int stride, int size);

  // emit_dot.cpp
  void dot(const ir::Op& op);
  void dot_by_fma(const ir::Op& op);
  void fill_scratch(const DotPlan& dot, const Operand& operand);
  void issue(const DotPlan& dot, const std::string& array, std::pair<int, int> blocks,
             std::pair<int, int> chunks, const std::string& accumulate);
  std::string operand_descriptor(const DotPlan& dot, const Operand& operand, bool m_side, int block,
                                 int chunk) const;
  std::string wgmma_name(const DotPlan& dot) const;
  std::string wgmma_function(const DotPlan& dot, bool named) const;

  // emit_mma.cpp: dots by mma.sync, and folds whose operands all threads copy ahead.
  void dot_by_mma(const DotPlan& dot);
  void multiply(const DotPlan& dot, const std::string& array, int chunk_begin, int chunk_end);
  std::string operand_address(const DotPlan& dot, const Operand& operand, int chunk) const;
  void fill(const DotPlan& dot, const Operand& operand);
  void fill_early(const ir::Op& op);
  void copy_tile(const CopyLoad& copy, const std::string& to);
  void copy_small(const SmallLoad& load);
  void copy_stage(const FoldPlan& plan, const std::string& trip, const std::string& stage);
  void copied_fold(const FoldPlan& plan);
  void copied_trip(const FoldPlan& plan);

  // emit_accumulators.cpp: sums and products in registers that PTX names.
  struct Accumulators {
    int first = 0, size = 0, count = 0;  ///< `acc{first}_0` on; each one's registers; how many
  };
  struct AccumulatorOperands {
    std::string templates, parameter;  ///< of a function of the prelude's
    std::string text, bindings;        ///< in its statement's list and as operands
    int next = 0;                      ///< the operand behind them
  };
  struct Promotion;
  Accumulators new_accumulators(int size, int count);
  std::string accumulator_declarations() const;
  static AccumulatorOperands accumulator_operands(int count, bool named);
  std::string accumulators_argument(const std::string& array, int at) const;
  void need_function(const std::string& text);
  void pin(const std::string& array);
  bool names_accumulators(const FoldPlan& plan);
  bool is_product(const FoldPlan& plan, const ir::Op& op) const;
  int carried_place(const FoldPlan& plan, const ir::Value* value) const;
  bool depends_on_sums(const FoldPlan& plan, const ir::Op& op) const;
  bool is_step(const FoldPlan& plan, const ir::Value* value);
  bool is_promotion(const FoldPlan& plan, const ir::Value* value);
  void begin_accumulators(const FoldPlan& plan);
  void clear_sums(const FoldPlan& plan);
  void read_sums(const FoldPlan& plan);
  int register_number(const ir::Value* value, const std::map<std::string, int>& digits);
  std::string accumulator_name(const Promotion& p, const std::string& array, int number) const;
  std::vector<int> block_accumulators(const FoldPlan& plan) const;
  std::string promoted(Promotion& p, const ir::Value* value, const std::string& to);
  void promote(const FoldPlan& plan);
  std::vector<const ir::Value*> compute_inputs(const FoldPlan& plan);
  void print_promotion(const Promotion& p);
  bool in_ptx_ = false;                                         ///< those of the current fold
  bool from_zero_ = false;                                      ///< its sums so far are zero
  std::unordered_map<std::string, Accumulators> accumulators_;  ///< by the array's name
  std::vector<int> accumulator_sizes_;
  std::map<std::string, std::size_t> promotions_;  ///< numbers of statements
  std::vector<std::string> functions_;             ///< that the kernel calls, printed before it

  // emit_in_place.cpp
  void in_place_loop(const FoldPlan& plan);
  void name_turn(const FoldPlan& plan);
  void await_last_trips(const std::string& empty_before);
  void hand_on_last_trips();

  // emit_fold.cpp
  void fold(const ir::Op& op);
  void declare_carried(const ir::Op& op);
  void begin_carried(const ir::Op& op);
  void end_carried(const ir::Op& op);
  void each_sum(const FoldPlan& plan, const std::string& function, const std::string& argument);
  void pipelined_fold(const FoldPlan& plan);
  void name_index(const ir::Op& fold, const std::string& trip);
  void declare_dots(const FoldPlan& plan, const std::string& suffix);
  void find_block_values(const FoldPlan& plan);
  void issue_block(const FoldPlan& plan, int block, const std::string& suffix);
  void commit_block(const FoldPlan& plan);
  void prepare_trip(const FoldPlan& plan);
  bool is_ready_made(const FoldPlan& plan, const ir::Op& op);
  const Factor* piece_digit(const ir::Value* v);
  void keep_ready(const ir::Value* v);
  void wait_stage(const FoldPlan& plan);
  void ask_stage();
  void finish_block(const FoldPlan& plan, int block, const std::string& suffix, int pending);
  void one_set_trip(const FoldPlan& plan, const std::string& parity, bool is_first = false);
  void one_set_loop(const FoldPlan& plan);
  void peeled_trip(const FoldPlan& plan);
  void two_sets_loop(const FoldPlan& plan);
  void two_sets_blocks_loop(const FoldPlan& plan);
  void begin_sums(const FoldPlan& plan);
  void no_trips(const FoldPlan& plan);
  void release_stage(const std::string& barrier);
  void add_bits(const std::string& name, int count);
  void leave_stage(const FoldPlan& plan, const std::string& stage);
  void advance(const std::string& place, const std::string& phase, int depth, int step = 1);
  void next_stage(const std::string& stage, const std::string& phase);
  bool depends_on_dots(const FoldPlan& plan, const ir::Value* value) const;
  bool depends_on_dots(const FoldPlan& plan, const ir::Op& op) const;

  const ir::Function& function_;
  const LowerRequest& request_;
  Plan plan_;
  Analysis& analysis_;
  Writer out_;
  const Family* family_ = nullptr;
  const FoldPlan* current_fold_ = nullptr;
  std::unordered_map<const ir::Value*, std::string> names_;
  std::unordered_map<const ir::Value*, std::vector<const ir::Op*>> users_;
  std::unordered_set<const ir::Value*> needed_;
  std::unordered_map<const ir::Value*, const ir::Op*> only_ends_;  ///< what `only_end` found
  std::unordered_set<const ir::Value*> element_values_;            ///< named for one element
  /// When set, an element is evaluated at these coordinates instead of a thread's registers.
  const std::map<ir::AxisId, std::string>* point_ = nullptr;
  std::unordered_map<const ir::Op*, std::string> in_place_;  ///< dot -> array that it adds into
  std::string stage_ = "stage";  ///< variable that holds the stage being read
  int block_ = -1;               ///< of 64 rows that is computed now, where it is one at a time
  std::string block_digit_;      ///< variable of the digit that counts these blocks
  Family block_family_;          ///< the family without that digit
  std::unordered_set<const ir::Value*> block_values_;
};

}  // namespace octile::cuda
