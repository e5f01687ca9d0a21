#include "octile/codegen/ir/verifier.hpp"
#include "octile/codegen/passes/passes.hpp"

namespace octile::passes {

void prepare(ir::Function& function, const std::map<std::string, std::int64_t>& extents) {
  ir::verify(function);
  bind_axes(function, extents);
  ir::verify(function, "bind_axes");
  simplify(function);
  ir::verify(function, "simplify");
  contract(function);
  ir::verify(function, "contract");
  simplify(function);
  ir::verify(function, "simplify");
}

}  // namespace octile::passes
