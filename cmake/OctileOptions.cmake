# Build options, compile flags and third-party packages shared by every folder.
option(OCTILE_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(OCTILE_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(OCTILE_BUILD_BENCH "Build the benchmarks (need cuBLASLt and CUPTI)" OFF)
option(OCTILE_ENABLE_CPU "Build the CPU back end (needs LLVM 16 to 19)" ON)
option(OCTILE_ENABLE_CUDA "Build the CUDA runtime (needs the CUDA headers, no driver)" ON)
set(OCTILE_SANITIZE "" CACHE STRING "Sanitizers for host code: address;undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_package(fmt REQUIRED)
find_package(Boost REQUIRED)
find_package(Threads REQUIRED)

if(PROJECT_IS_TOP_LEVEL)
  find_program(OCTILE_CCACHE ccache)
  if(OCTILE_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${OCTILE_CCACHE})
  endif()
  find_program(OCTILE_MOLD mold)
  if(OCTILE_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12.1)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

# <octile/dsl/axis.hpp> is dsl/axis.hpp: one link gives the build tree the install tree's paths.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include)
file(CREATE_LINK ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR}/include/octile SYMBOLIC)

add_library(octile_options INTERFACE)
target_include_directories(octile_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/include> $<INSTALL_INTERFACE:include>)
target_compile_features(octile_options INTERFACE cxx_std_20)

# Warnings and sanitizers for Octile's own files only, never for a consumer's.
add_library(octile_private INTERFACE)
target_compile_options(octile_private INTERFACE -Wall -Wextra)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of overlapping copies inside std::string that can't happen (bug 105651).
  target_compile_options(octile_private INTERFACE -Wno-restrict)
endif()
if(OCTILE_SANITIZE)
  list(JOIN OCTILE_SANITIZE "," octile_sanitize_list)
  add_compile_options(-fsanitize=${octile_sanitize_list} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${octile_sanitize_list})
endif()

# octile_add_library(name SOURCES ... DEPS ...): one static library per folder.
function(octile_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE octile_options ${ARG_DEPS})
    return()
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC octile_options ${ARG_DEPS} PRIVATE $<BUILD_INTERFACE:octile_private>)
  set_property(GLOBAL APPEND PROPERTY OCTILE_LIBRARIES ${name})
endfunction()
