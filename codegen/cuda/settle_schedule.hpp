// What is left of a schedule once its tiles are chosen: who reads panels of scales, how far a ring
// reaches, in which order tiles come, how consumers take turns. Rules, from what was measured
// (bench/NOTES.md); the cost model doesn't know them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octile/codegen/cuda/analysis.hpp"
#include "octile/codegen/cuda/plan.hpp"
#include "octile/codegen/passes/passes.hpp"

namespace octile::cuda {

/// What a schedule is chosen for. Refers to its parts.
struct SchedulingProblem {
  const ir::Function& function;
  const std::vector<std::int64_t>& dims;
  const std::vector<TensorFacts>& tensors;
  const Target& target;

  /// Calls `use` with the function, its axes bound to the schedule's, and its plan, which points
  /// into it. Throws ir::Error where the schedule isn't legal.
  template <class Use>
  void with_plan(const Schedule& s, const Use& use) const {
    auto bound = ir::clone(function);
    passes::prepare(*bound, s.axes);
    Analysis analysis(*bound);
    use(*bound, make_plan(*bound, {s, tensors, dims, target}, analysis));
  }

  /// Whether `s` has a plan; if not, sets `reason` to what refuses it.
  bool legal(const Schedule& s, std::string& reason) const;
};

/// Sets knobs that `s`, whose axes all have extents, leaves to be chosen.
void settle_schedule(const SchedulingProblem& problem, Schedule& s);

}  // namespace octile::cuda
