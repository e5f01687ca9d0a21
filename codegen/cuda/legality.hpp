// Legality of schedules: values in range before planning, and after it no knob that the plan has no
// use for. A schedule is refused by an exception, never bent.
#pragma once

#include <string>

#include "octile/codegen/cuda/plan.hpp"

namespace octile::cuda {

/// Why `schedule` holds a value that no program could have, with what could be; "" if none does.
std::string value_problem(const Schedule& schedule);

/// Why `schedule` has a knob that makes no sense where mma.sync multiplies; "" if it has none.
std::string wgmma_knob(const Schedule& schedule);

/// Why the lowering would ignore a knob that `plan.schedule` sets; "" if it honours all of them.
std::string ignored_knob(const Plan& plan);

}  // namespace octile::cuda
