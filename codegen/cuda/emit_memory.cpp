// Loads into registers and stores from them: vectors along the contiguous dimension where alignment
// allows, bounds checked always.
#include <algorithm>
#include <numeric>

#include "octile/codegen/cuda/emitter.hpp"
#include "octile/codegen/cuda/operands.hpp"

namespace octile::cuda {

using ir::OpKind;

std::string Emitter::extent_text(const ir::Extent& extent) const {
  std::string base = extent.dim >= 0 ? function_.dims[static_cast<std::size_t>(extent.dim)] + "_dim"
                                     : fmt::format("{}ll", extent.constant);
  return extent.divisor == 1 ? base : fmt::format("ceil_div({}, {}ll)", base, extent.divisor);
}

std::string Emitter::dim_extent(const ir::Op& op, std::size_t dim) const {
  return extent_text(function_.params[static_cast<std::size_t>(op.attr.index)].shape[dim]);
}

std::string Emitter::param_name(const ir::Op& op) const {
  return function_.params[static_cast<std::size_t>(op.attr.index)].name;
}

std::vector<std::string> Emitter::index_texts(const ir::Op& op, std::size_t rank) {
  std::vector<std::string> texts;
  for (std::size_t d = 0; d < rank; ++d) texts.push_back(expr(op.operands[d]));
  return texts;
}

// One element as an expression, for threads that evaluate it at explicit coordinates.
std::string Emitter::element_load(const ir::Op& op) {
  std::size_t rank = function_.params[static_cast<std::size_t>(op.attr.index)].shape.size();
  std::string bounds, offset, name = param_name(op);
  for (std::size_t d = 0; d < rank; ++d) {
    std::string index = expr(op.operands[d]);
    bounds += fmt::format("{}in_bounds({}, {})", d ? " && " : "", index, dim_extent(op, d));
    offset += fmt::format("{}({}) * {}_s{}", d ? " + " : "", index, name, d);
  }
  std::string_view type = register_type(op.result()->type.element);
  std::string other =
      op.attr.has_other ? expr(op.operands.back()) : fmt::format("static_cast<{}>(0)", type);
  return fmt::format("({} ? {}_p[{}] : {})", bounds, name, offset, other);
}

// The register digit that walks along the contiguous dimension, and how much of it one access
// takes.
Emitter::VectorAccess Emitter::vector_access(const ir::Op& op, const Runs& runs) {
  const ir::Param& param = function_.params[static_cast<std::size_t>(op.attr.index)];
  const TensorFacts& facts = request_.tensors[static_cast<std::size_t>(op.attr.index)];
  VectorAccess v;
  if (facts.contiguous_dim < 0) return v;
  auto form = analysis_.affine(op.operand(facts.contiguous_dim));
  if (!form || form->axis < 0 || form->divisor != 1) return v;
  for (std::size_t d = 0; d < param.shape.size(); ++d) {
    if (static_cast<int>(d) != facts.contiguous_dim && op.operands[d]->type.has_axis(form->axis))
      return v;
  }
  auto digits = family_->registers({form->axis}, {});
  if (digits.empty() || digits[0]->place != 1 || runs.count(form->axis)) return v;
  auto all = family_->registers(index_axes(op, param.shape.size()), runs);
  if (all.empty() || all[0] != digits[0]) return v;
  std::int64_t base = analysis_.divisor_of(*form);
  int bytes = size_in_bytes(param.element), width = digits[0]->size;
  int usable = std::min(width * bytes & -(width * bytes), facts.alignment);
  bool aligned = (base == 0 || base % width == 0) && (width & (width - 1)) == 0 &&
                 usable >= std::min(16, width * bytes);
  if (!aligned || width * bytes < 2) return v;
  return {width, facts.contiguous_dim, digits[0], form->axis};
}

std::string Emitter::bounds_text(const ir::Op& op, std::size_t rank, int skip_dim) const {
  std::string text;
  for (std::size_t d = 0; d < rank; ++d) {
    if (static_cast<int>(d) == skip_dim) continue;
    text += fmt::format("{}in_bounds(i{}, {})", text.empty() ? "" : " && ", d, dim_extent(op, d));
  }
  return text;
}

// Condition that the coordinates along padded axes belong to the tile.
std::string Emitter::padding_text(const std::vector<ir::AxisId>& axes, ir::AxisId skip,
                                  const Runs& runs) const {
  std::string text;
  for (ir::AxisId axis : axes) {
    const AxisLayout& layout = family_->at(axis);
    if (axis == skip || !layout.is_padded()) continue;
    auto run = runs.find(axis);
    text +=
        fmt::format(" && {} < {}", family_->coordinate(axis, run == runs.end() ? 1 : run->second),
                    layout.extent);
  }
  return text;
}

// True where a tensor is reached several times in ways that may bring different threads to one
// element, so that their order matters. Not so for one store alone, nor where every access is at
// the same indices, once per program, and by the one thread that holds the element.
bool Emitter::meets_itself(const ir::Op& op) {
  const ir::Param& param = function_.params[static_cast<std::size_t>(op.attr.index)];
  if (param.access == ir::Access::in) return false;
  std::size_t rank = param.shape.size();
  int accesses = 0;
  bool same = true, in_loop = false, stored = false;
  ir::for_each_op(*function_.body, [&](const ir::Op& x) {
    if ((x.kind != OpKind::load && x.kind != OpKind::store) || x.attr.index != op.attr.index)
      return;
    ++accesses;
    stored |= x.kind == OpKind::store;
    in_loop |= x.parent != function_.body;
    same = same && std::equal(x.operands.begin(), x.operands.begin() + rank, op.operands.begin());
  });
  if (!stored || (accesses == 1 && !in_loop)) return false;
  std::string owner = family_->primary_condition(index_axes(op, rank), {});
  return !same || in_loop || !owner.empty();
}

// Lets every thread finish what it did to the tensor so far.
void Emitter::settle(const ir::Op& op) {
  if (meets_itself(op)) meet();
}

void Emitter::load(const ir::Op& op) {
  if (plan_.is_staged(&op)) return;
  settle(op);
  if (current_fold_ != nullptr) {
    for (const SmallLoad& s : current_fold_->small) {
      if (s.load == &op) return small_load(s);
    }
    for (const PanelLoad& p : current_fold_->panels) {
      if (p.load == &op) return panel_load(p);
    }
  }
  std::size_t rank = function_.params[static_cast<std::size_t>(op.attr.index)].shape.size();
  const ir::Value* v = op.result();
  Runs runs = analysis_.runs(v);
  VectorAccess access = vector_access(op, runs);
  std::string name = declare(v), param = param_name(op);
  std::string other = op.attr.has_other
                          ? expr(op.operands.back())
                          : fmt::format("static_cast<{}>(0)", register_type(v->type.element));
  if (load_whole(op, access, other)) return;
  int loops = open_loops(v->type.axes, runs, access.factor);
  out_.open("{{");
  std::string offset;
  auto indices = index_texts(op, rank);
  for (std::size_t d = 0; d < rank; ++d) {
    out_.line("const long long i{} = {};", d, indices[d]);
    offset += fmt::format("{}i{} * {}_s{}", d ? " + " : "", d, param, d);
  }
  std::string index =
      v->type.is_scalar() ? "" : fmt::format("[{}]", family_->register_index(v->type.axes, runs));
  if (access.width == 1) {
    out_.line("{}{} = {} ? {}_p[{}] : {};", name, index, bounds_text(op, rank, -1), param, offset,
              other);
  } else {
    std::string rows = bounds_text(op, rank, access.dim),
                end = dim_extent(op, static_cast<std::size_t>(access.dim));
    if (rows.empty()) rows = "true";
    out_.open("if ({0} && i{1} >= 0 && i{1} + {2} <= {3}) {{", rows, access.dim, access.width, end);
    out_.line("copy_bytes<{}>(&{}{}, {}_p + {});", access.width * size_in_bytes(v->type.element),
              name, index, param, offset);
    out_.close("} else {");
    out_.line("#pragma unroll");
    out_.line("  for (int e = 0; e < {}; ++e)", access.width);
    std::string at = family_->register_index(v->type.axes, runs);
    out_.line("    {}[{} + e] = {} && in_bounds(i{} + e, {}) ? {}_p[{} + e] : {};", name, at, rows,
              access.dim, end, param, offset, other);
    out_.line("}}");
  }
  out_.close();
  close_loops(loops);
}

// A tile along one axis, scales or a bias, for the tensor core's layouts, in which a thread has
// many pairs of columns: read from one address, and asked once whether it is inside its tensor as a
// whole. Where it isn't, each element is a comparison and a load, as what compiles is unrolled.
// Blocked layouts have few vectors, asked about one by one.
bool Emitter::load_whole(const ir::Op& op, const VectorAccess& access, const std::string& other) {
  const ir::Value* v = op.result();
  const auto index = static_cast<std::size_t>(op.attr.index);
  const std::size_t rank = function_.params[index].shape.size();
  if (!plan_.specialized || family_ != &plan_.family || v->type.axes.size() != 1) return false;
  const ir::AxisId axis = v->type.axes[0];
  if (analysis_.runs(v).count(axis) != 0) return false;
  int axis_dim = -1;
  for (std::size_t d = 0; d < rank; ++d) {
    const auto form = analysis_.affine(op.operands[d]);
    if (!form || !analysis_.is_pointwise(op.operands[d])) return false;
    if (form->axis < 0) continue;
    if (form->axis != axis || form->divisor != 1 || axis_dim >= 0) return false;
    axis_dim = static_cast<int>(d);
  }
  if (axis_dim < 0) return false;
  const std::string name = name_of(v), param = param_name(op);
  const std::string first = fmt::format("{}_first", name), thread = family_->thread_part_name(axis);
  const std::map<ir::AxisId, std::string> start{{axis, "0"}};
  std::string along, offset;        // its first index along the axis, and where that is
  std::vector<std::string> inside;  // what has to hold of the other dimensions
  point_ = &start;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::string index = fmt::format("{}{}", first, d), extent = dim_extent(op, d);
    out_.line("const long long {} = {};", index, expr(op.operands[d]));
    offset += fmt::format(" + {} * {}_s{}", index, param, d);
    if (static_cast<int>(d) == axis_dim)
      along = index;
    else
      inside.push_back(fmt::format("in_bounds({}, {})", index, extent));
  }
  point_ = nullptr;
  const std::string extent = dim_extent(op, static_cast<std::size_t>(axis_dim));
  const bool dense = axis_dim == request_.tensors[index].contiguous_dim;
  const std::string stride = dense ? "1" : fmt::format("{}_s{}", param, axis_dim);
  std::string place = "0";
  for (const Factor* f : family_->registers({axis}, {}))
    place += fmt::format(" + {} * {}", f->var, f->place);
  const std::string element =
      fmt::format("{}[{}]", name, family_->register_index(v->type.axes, {}));
  out_.line("const auto* const {} = {}_p{} + {} * {};", first, param, offset, thread, stride);
  const std::string others = fmt::format("{}", fmt::join(inside, " && "));
  out_.open("if ({0}{1}{2} >= 0 && {2} + {3} <= {4}) {{", others, inside.empty() ? "" : " && ",
            along, family_->at(axis).padded, extent);
  int loops = open_loops(v->type.axes, {}, access.factor);
  out_.line("copy_bytes<{}>(&{}, {} + ({}) * {});", access.width * size_in_bytes(v->type.element),
            element, first, place, stride);
  close_loops(loops);
  out_.close("} else {");
  // Places from `begin` to `end` of this thread's are inside.
  out_.line("const int begin = tile_place(-{} - {});", along, thread);
  out_.line("const int end = {}tile_place({} - {} - {}){};",
            inside.empty() ? "" : fmt::format("{} ? ", others), extent, along, thread,
            inside.empty() ? "" : " : 0");
  loops = open_loops(v->type.axes, {});
  out_.line("const int place = {};", place);
  out_.line("{} = load_inside({} + place * {}, place >= begin && place < end, {});", element, first,
            stride, other);
  close_loops(loops);
  out_.line("}}");
  return true;
}

// Position of this thread's element in a densely packed small tile.
std::string Emitter::small_index(const SmallLoad& small) {
  std::string index = "0";
  for (std::size_t i = 0; i < small.axes.size(); ++i) {
    std::string c = family_->coordinate(small.axes[i], small.runs[i]);
    if (small.counts[i] == 1)
      c = "0";
    else if (small.runs[i] > 1)
      c = fmt::format("{} / {}", c, small.runs[i]);
    index = index == "0" ? c : fmt::format("({}) * {} + {}", index, small.counts[i], c);
  }
  return index;
}

// Reads a small tile from the current stage of the ring.
void Emitter::small_load(const SmallLoad& small) {
  const ir::Value* v = small.load->result();
  Runs runs = analysis_.runs(v);
  std::string name = declare(v);
  int loops = open_loops(v->type.axes, runs);
  std::string at =
      v->type.is_scalar() ? "" : fmt::format("[{}]", family_->register_index(v->type.axes, runs));
  out_.line("{}{} = reinterpret_cast<const {}*>(ring + {} * {} + {})[{}];", name, at,
            register_type(v->type.element), stage_, plan_.stage_bytes, small.offset,
            small_index(small));
  close_loops(loops);
}

void Emitter::store(const ir::Op& op) {
  if (const TmaStore* t = plan_.find_store(&op)) return tma_store(*t);
  std::size_t rank = function_.params[static_cast<std::size_t>(op.attr.index)].shape.size();
  const ir::Value* value = op.operands[rank];
  const ir::Value* mask = op.attr.has_mask ? op.operands[rank + 1] : nullptr;
  std::vector<ir::AxisId> axes = index_axes(op, rank);
  std::vector<ir::Value*> sources(op.operands.begin(), op.operands.end());
  Runs runs = analysis_.runs(sources, axes);
  VectorAccess access = mask == nullptr ? vector_access(op, runs) : VectorAccess{};
  if (!family_->is_consistent(axes)) {
    throw ir::Error(
        fmt::format("kernel '{}': store to '{}' needs a tile whose axes two dots place on the same "
                    "side of the tensor core",
                    function_.name, param_name(op)));
  }
  out_.line("// store {}", param_name(op));
  settle(op);
  std::string primary = family_->primary_condition(axes, runs);
  if (plan_.cluster_position >= 0)
    primary += fmt::format("{}tile_valid", primary.empty() ? "" : " && ");
  out_.open("{}{{", primary.empty() ? "" : fmt::format("if ({}) ", primary));
  int loops = open_loops(axes, runs, access.factor);
  out_.open("{{");
  std::string offset, param = param_name(op);
  auto indices = index_texts(op, rank);
  for (std::size_t d = 0; d < rank; ++d) {
    out_.line("const long long i{} = {};", d, indices[d]);
    offset += fmt::format("{}i{} * {}_s{}", d ? " + " : "", d, param, d);
  }
  std::string condition = bounds_text(op, rank, access.width > 1 ? access.dim : -1);
  if (condition.empty()) condition = "true";
  condition += padding_text(axes, access.width > 1 ? access.axis : -1, runs);
  if (mask != nullptr) condition += " && " + expr(mask);
  out_.open("if ({}) {{", condition);
  if (access.width == 1) {
    begin_element(value);
    out_.line("{}_p[{}] = {};", param, offset, expr(value));
    end_element();
  } else {
    out_.line("{}* to = {}_p + {};", register_type(value->type.element), param, offset);
    store_vector(op, value, access);
  }
  out_.close();
  out_.close();
  close_loops(loops);
  out_.close();
}

// Puts `width` neighbours into `elements`; a narrowing cast at the end of the expression is done in
// pairs.
void Emitter::pack_elements(const ir::Value* value, const Factor& digit, int width) {
  ElementType element = value->type.element;
  bool narrowing = value->def != nullptr && value->def->kind == OpKind::cast &&
                   !names_.count(value) &&
                   value->def->operand(0)->type.element == ElementType::f32 && is_float(element) &&
                   size_in_bytes(element) < 4 && element != ElementType::ue8m0 && width % 2 == 0;
  out_.line("alignas({}) {} elements[{}];", std::min(16, width * size_in_bytes(element)),
            register_type(element), width);
  out_.line("#pragma unroll");
  if (narrowing) {
    // The pair is evaluated at two values of the digit's variable.
    out_.open("for (int pair = 0; pair < {}; pair += 2) {{", width);
    const ir::Value* source = value->def->operand(0);
    out_.open("auto element = [&](int {}) {{", digit.var);
    begin_element(source);
    out_.line("return {};", expr(source));
    end_element();
    out_.close("};");
    out_.line("const {} packed = pack_{}x2(element(pair), element(pair + 1));",
              size_in_bytes(element) == 2 ? "u32" : "unsigned short", info(element).name);
    out_.line("memcpy(&elements[pair], &packed, {});", 2 * size_in_bytes(element));
  } else {
    out_.open("for (int {0} = 0; {0} < {1}; ++{0}) {{", digit.var, width);
    begin_element(value);
    out_.line("elements[{}] = {};", digit.var, expr(value));
    end_element();
  }
  out_.close();
}

// `width` consecutive elements.
void Emitter::store_vector(const ir::Op& op, const ir::Value* value, const VectorAccess& access) {
  ElementType element = value->type.element;
  std::string end = dim_extent(op, static_cast<std::size_t>(access.dim));
  const AxisLayout& layout = family_->at(access.axis);
  std::string fits = fmt::format("i{} + {} <= {}", access.dim, access.width, end);
  if (layout.is_padded())
    fits += fmt::format(" && {} + {} <= {}", family_->coordinate(access.axis), access.width,
                        layout.extent);
  pack_elements(value, *access.factor, access.width);
  out_.open("if ({}) {{", fits);
  out_.line("copy_bytes<{}>(to, elements);", access.width * size_in_bytes(element));
  out_.close("} else {");
  out_.line("#pragma unroll");
  std::string inside =
      layout.is_padded()
          ? fmt::format(" && {} + e < {}", family_->coordinate(access.axis), layout.extent)
          : "";
  out_.line("  for (int e = 0; e < {}; ++e)", access.width);
  out_.line("    if (i{} + e < {}{}) to[e] = elements[e];", access.dim, end, inside);
  out_.line("}}");
}

}  // namespace octile::cuda
