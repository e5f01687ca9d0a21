# Builds and runs one consumer project; see CMakeLists.txt for the variables.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  message("${output}")
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "failed (${result}): ${command}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
set(arguments -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${COMPILER}
  -S ${ROOT}/tests/consumer/${KIND} -B ${WORK}/build)
if(KIND STREQUAL find_package)
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
  # The installed tree must stand alone: no path back to the sources or to the build.
  file(GLOB package_files ${WORK}/prefix/lib*/cmake/octile/*.cmake
    ${WORK}/prefix/lib/*/cmake/octile/*.cmake)
  if(NOT package_files)
    message(FATAL_ERROR "nothing was installed under ${WORK}/prefix")
  endif()
  foreach(file ${package_files})
    file(READ ${file} text)
    foreach(path ${BUILD} ${ROOT}/codegen ${ROOT}/runtime)
      string(FIND "${text}" "${path}" at)
      if(NOT at EQUAL -1)
        message(FATAL_ERROR "${file} names ${path}")
      endif()
    endforeach()
  endforeach()
  list(APPEND arguments -DCMAKE_PREFIX_PATH=${WORK}/prefix)
else()
  list(APPEND arguments -DOCTILE_SOURCE_DIR=${ROOT} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
    -DOCTILE_ENABLE_CPU=${ENABLE_CPU} -DOCTILE_ENABLE_CUDA=${ENABLE_CUDA}
    -DOCTILE_CUDA_ROOT=${CUDA_ROOT})
endif()
run(${CMAKE_COMMAND} ${arguments})
run(${CMAKE_COMMAND} --build ${WORK}/build --parallel 2)
run(${WORK}/build/consumer)
