// The device headers in device/, in one text, as every emitted kernel starts with them.
#pragma once

#include <string>

namespace octile::cuda {

const std::string& prelude();

}  // namespace octile::cuda
