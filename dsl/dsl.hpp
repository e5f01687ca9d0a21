// The language, whole.
#pragma once

#include "octile/dsl/axis.hpp"
#include "octile/dsl/control.hpp"
#include "octile/dsl/element.hpp"
#include "octile/dsl/expression.hpp"
#include "octile/dsl/kernel_definition.hpp"
#include "octile/dsl/operations.hpp"
#include "octile/dsl/parameter.hpp"
#include "octile/dsl/reduction.hpp"
#include "octile/dsl/refusals.hpp"
#include "octile/dsl/tensor.hpp"
