# octile::octile in the build tree, the install rules, and the package that find_package(octile) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(octile INTERFACE)
target_link_libraries(octile INTERFACE octile_kernels)
add_library(octile::octile ALIAS octile)

set(octile_targets octile octile_options)
foreach(folder ir passes cuda cpu dsl runtime kernels)
  list(APPEND octile_targets octile_${folder})
  # octile::ir, as in the namespaces; the build tree offers the same names.
  add_library(octile::${folder} ALIAS octile_${folder})
  set_target_properties(octile_${folder} PROPERTIES EXPORT_NAME ${folder})
endforeach()
set_target_properties(octile_options PROPERTIES EXPORT_NAME options)

# A project that only uses Octile as a subdirectory installs nothing of it unless it asks.
option(OCTILE_INSTALL "Generate the install rules" ${PROJECT_IS_TOP_LEVEL})
if(NOT OCTILE_INSTALL)
  return()
endif()

set(octile_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/octile)
install(TARGETS ${octile_targets} EXPORT octileTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT octileTargets NAMESPACE octile:: DESTINATION ${octile_package_dir})

# Include path = folder path, as in the build tree.
install(FILES ${PROJECT_SOURCE_DIR}/octile.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/octile OPTIONAL)
install(DIRECTORY codegen dsl runtime kernels DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/octile
  FILES_MATCHING PATTERN "*.hpp")

# The static CPU back end needs the LLVM it was built with; codegen/cpu found it.
set(octile_llvm_version "")
if(OCTILE_ENABLE_CPU)
  get_directory_property(octile_llvm_version
    DIRECTORY ${PROJECT_SOURCE_DIR}/codegen/cpu DEFINITION LLVM_PACKAGE_VERSION)
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/octileConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/octileConfig.cmake INSTALL_DESTINATION ${octile_package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/octileConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/octileConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/octileConfigVersion.cmake DESTINATION ${octile_package_dir})
