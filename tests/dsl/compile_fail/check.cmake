# With CASE: SOURCE compiled with it must fail with one message, "octile: " and the words that the
# comment below the case's #if has; or, after "compiler: ", the words of the compiler's own message.
# Without: every twin compiles.
set(command ${COMPILER} -std=c++20 -fsyntax-only -fdiagnostics-color=never -I${INCLUDE} ${FLAGS})
if(NOT CASE)
  execute_process(COMMAND ${command} -DTWIN=1 ${SOURCE}
    RESULT_VARIABLE result ERROR_VARIABLE messages)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "the twins do not compile:\n${messages}")
  endif()
  return()
endif()

file(READ ${SOURCE} text)
string(REGEX MATCH "CASE == ${CASE}\n((// [^\n]+\n)+)" found "${text}")
string(REGEX REPLACE "\n?// " " " words "${CMAKE_MATCH_1}")
string(STRIP "${words}" words)
if(words STREQUAL "")
  message(FATAL_ERROR "case ${CASE} has no words")
endif()

execute_process(COMMAND ${command} -DCASE=${CASE} ${SOURCE}
  RESULT_VARIABLE result ERROR_VARIABLE messages)
if(result EQUAL 0)
  message(FATAL_ERROR "case ${CASE} compiles; expected: octile: ${words}")
endif()
string(REGEX MATCHALL " error: " errors "${messages}")
list(LENGTH errors count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "case ${CASE}: expected one error, got ${count}:\n${messages}")
endif()
set(expected "error: static assertion failed: octile: ${words}")
if(words MATCHES "^compiler: ")
  string(REPLACE "compiler: " "" expected "${words}")
endif()
string(FIND "${messages}" "${expected}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "case ${CASE}: expected \"${expected}\" in:\n${messages}")
endif()
