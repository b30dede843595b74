# How tests and benchmarks are made. Labels come from the folder (tests/unit/async: `unit` and `async`), so that
# `ctest -L unit` and `ctest -L async` work without anyone writing them.
#
#   sluice_add_test(<name> SOURCES a_test.cc ... [DEPS target ...] [LABELS ...] [TIMEOUT seconds])
#   sluice_add_python_test(<name> SCRIPT a_test.py [ARGS ...] [LABELS ...] [TIMEOUT seconds])
#   sluice_add_benchmark(<name> SOURCES a_bench.cc ... [DEPS target ...])
find_package(GTest REQUIRED)
find_package(benchmark QUIET)
include(GoogleTest)
set(SLUICE_PYTHON /usr/bin/python3 CACHE FILEPATH "The Python that has grpcio")

set(SLUICE_TEST_ENVIRONMENT
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0"
  "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1"
  "SLUICE_BIN_DIR=${PROJECT_BINARY_DIR}/bin"
  "SLUICE_SOURCE_DIR=${PROJECT_SOURCE_DIR}")

function(_sluice_folder_labels out)
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/tests" OUTPUT_VARIABLE folder)
  string(REPLACE "/" ";" labels "${folder}")
  set(${out} ${labels} PARENT_SCOPE)
endfunction()

function(sluice_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;DEPS;LABELS")
  if(NOT arg_SOURCES)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  sluice_add_executable(${name} SOURCES ${arg_SOURCES} DEPS ${arg_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  _sluice_folder_labels(labels)
  list(APPEND labels ${arg_LABELS})
  gtest_discover_tests(${name}
    TEST_PREFIX "${name}/"
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60)
  # Not by PROPERTIES above, which takes lists apart before CMake 3.26: read by CTest when the tests are known.
  set(script "${CMAKE_CURRENT_BINARY_DIR}/${name}_properties.cmake")
  file(CONFIGURE OUTPUT "${script}" @ONLY CONTENT [=[
if(@name@_TESTS)
  set_tests_properties(${@name@_TESTS} PROPERTIES
    LABELS "@labels@" TIMEOUT @arg_TIMEOUT@ ENVIRONMENT "@SLUICE_TEST_ENVIRONMENT@")
endif()
]=])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${script}")
endfunction()

function(sluice_add_python_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SCRIPT;TIMEOUT" "ARGS;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  _sluice_folder_labels(labels)
  add_test(NAME ${name} COMMAND "${SLUICE_PYTHON}" "${CMAKE_CURRENT_SOURCE_DIR}/${arg_SCRIPT}" ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES
    LABELS "${labels};${arg_LABELS}"
    TIMEOUT ${arg_TIMEOUT}
    FIXTURES_REQUIRED python_protos
    ENVIRONMENT "${SLUICE_TEST_ENVIRONMENT};PYTHONPATH=${PROJECT_BINARY_DIR}/python;PYTHONDONTWRITEBYTECODE=1"
    ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${PROJECT_SOURCE_DIR}/build/tools/bin")
endfunction()

function(sluice_add_benchmark name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  if(NOT arg_SOURCES OR NOT benchmark_FOUND)
    return()
  endif()
  sluice_add_executable(${name} SOURCES ${arg_SOURCES} DEPS ${arg_DEPS} benchmark::benchmark benchmark::benchmark_main)
  # CTest only proves that it still runs; for numbers, run <build>/bin/<name> yourself.
  add_test(NAME ${name}/smoke COMMAND ${name} --benchmark_min_time=0.001)
  set_tests_properties(${name}/smoke PROPERTIES LABELS bench TIMEOUT 120 ENVIRONMENT "${SLUICE_TEST_ENVIRONMENT}")
endfunction()
