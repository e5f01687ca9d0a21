// The exceptions that users of Octile see.
#pragma once

#include <stdexcept>
#include <string>

namespace octile {

/// Who has to act on an error.
enum class ErrorCode {
  user,      ///< an argument or a schedule is wrong; the message says what to write instead
  compile,   ///< the generated code was refused; the message has the log and the source's path
  device,    ///< no usable GPU, driver or NVRTC, or a call to them failed
  internal,  ///< a defect of Octile
};

/// Every error of the runtime. The message names what was wrong, what was expected, what was got
/// and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace octile
