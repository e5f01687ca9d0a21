// Octile, whole: the language and the runtime.
#pragma once

#include "octile/dsl/dsl.hpp"
#include "octile/runtime/dump.hpp"
#include "octile/runtime/error.hpp"
#include "octile/runtime/kernel.hpp"
#include "octile/runtime/log.hpp"
#include "octile/runtime/stream.hpp"
#include "octile/runtime/tensor.hpp"
#include "octile/runtime/tensor_view.hpp"
