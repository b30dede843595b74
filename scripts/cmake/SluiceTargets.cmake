# How libraries and programs of this project are made.
#
#   sluice_add_library(<name> [SOURCES a.cc ...] [DEPS target ...] [PRIVATE_DEPS target ...])
#   sluice_add_executable(<name> [SOURCES main.cc ...] [DEPS target ...])
#
# A library that spans folders gets more sources from each with target_sources(<name> PRIVATE b.cc ...).

# Warnings are for this project's code only: never exported, never on generated code.
add_library(sluice_warnings INTERFACE)
# -Wextra of Clang dislikes {.stop = token}, which is what designated initialisers are for.
target_compile_options(sluice_warnings INTERFACE
  -Wall -Wextra -Wshadow -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wno-missing-designated-field-initializers>)

# $<LINK_LIBRARY:no_as_needed,lib>: keeps a library that only registers itself (gRPC's reflection plug-in).
set(CMAKE_LINK_LIBRARY_USING_no_as_needed
  "LINKER:--push-state,--no-as-needed" "<LINK_ITEM>" "LINKER:--pop-state")
set(CMAKE_LINK_LIBRARY_USING_no_as_needed_SUPPORTED TRUE)

# What every target of the project has in common.
function(_sluice_common target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_definitions(${target} PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:sluice_warnings>)
endfunction()

# An archive needs at least one source; a folder may be header-only.
function(_sluice_allow_no_sources target)
  get_target_property(sources ${target} SOURCES)
  if(NOT sources)
    file(WRITE "${PROJECT_BINARY_DIR}/generated/no_sources.cc" "")
    target_sources(${target} PRIVATE "${PROJECT_BINARY_DIR}/generated/no_sources.cc")
  endif()
endfunction()

function(sluice_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;PRIVATE_DEPS")
  add_library(${name} STATIC ${arg_SOURCES})
  _sluice_common(${name})
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/sluice>)
  target_link_libraries(${name} PUBLIC ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
  cmake_language(EVAL CODE
    "cmake_language(DEFER DIRECTORY \"${PROJECT_SOURCE_DIR}\" CALL _sluice_allow_no_sources ${name})")
endfunction()

function(sluice_add_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  if(NOT arg_SOURCES)
    message(STATUS "${name}: no sources yet")
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  _sluice_common(${name})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
endfunction()
