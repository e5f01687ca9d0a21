# Compiles SOURCE with CASE. With WORDS it must fail with one message, which has them; without, pass.
execute_process(
  COMMAND ${COMPILER} -std=c++20 -fsyntax-only -fdiagnostics-color=never -I${INCLUDE} ${FLAGS}
          -DCASE=${CASE} ${SOURCE}
  RESULT_VARIABLE result ERROR_VARIABLE messages)
if(NOT WORDS)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "case ${CASE} does not compile:\n${messages}")
  endif()
  return()
endif()
if(result EQUAL 0)
  message(FATAL_ERROR "case ${CASE} compiles; expected: ${WORDS}")
endif()
string(FIND "${messages}" "octile: ${WORDS}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "case ${CASE}: expected \"octile: ${WORDS}\" in:\n${messages}")
endif()
string(REGEX MATCHALL " error: " errors "${messages}")
list(LENGTH errors count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "case ${CASE}: expected one error, got ${count}:\n${messages}")
endif()
