#include <fmt/format.h>

#include "octile/codegen/ir/walk.hpp"
#include "octile/codegen/passes/passes.hpp"

namespace octile::passes {

void bind_axes(ir::Function& function, const std::map<std::string, std::int64_t>& extents) {
  for (const auto& [name, extent] : extents) {
    const ir::AxisId id = function.find_axis(name);
    if (id < 0) {
      std::string known;
      for (const ir::Axis& axis : function.axes) known += (known.empty() ? "" : ", ") + axis.name;
      throw ir::Error(
          fmt::format("schedule binds axis {}, which program '{}' doesn't have; its "
                      "axes are: {}",
                      name, function.name, known));
    }
    ir::Axis& axis = function.axes[static_cast<std::size_t>(id)];
    if (extent < 1) {
      throw ir::Error(
          fmt::format("schedule binds axis {} to {}: expected 1 or more", name, extent));
    }
    if (axis.is_literal && axis.extent != extent) {
      throw ir::Error(
          fmt::format("schedule binds axis {} to {}, but the program fixes it at {}: "
                      "leave it out of the schedule",
                      name, extent, axis.extent));
    }
    axis.extent = extent;
  }
  ir::for_each_op(*function.body, [&](ir::Op& op) {
    if (op.kind == ir::OpKind::reduce && op.attr.group > 0) {
      const ir::Axis& axis = function.axes[static_cast<std::size_t>(op.attr.axis)];
      if (axis.is_bound() && axis.extent % op.attr.group != 0) {
        throw ir::Error(
            fmt::format("schedule binds axis {} to {}, but the program reduces runs of "
                        "{} along it: bind it to a multiple of {}",
                        axis.name, axis.extent, op.attr.group, op.attr.group));
      }
    }
    if (op.kind != ir::OpKind::axis_extent) return;
    const ir::Axis& axis = function.axes[static_cast<std::size_t>(op.attr.axis)];
    if (!axis.is_bound()) return;
    op.kind = ir::OpKind::constant;
    op.attr = {};
    op.attr.int_value = axis.extent;
  });
}

}  // namespace octile::passes
