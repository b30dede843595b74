# Every header compiles alone: one generated translation unit a header. Target `header_check`, part of `all` where
# SLUICE_CHECK_HEADERS is on (preset debug); everywhere else the test headers/self_contained builds it.
set(folders pipeline server/catalog server/jobs)
set(dependencies sluice_jobs)
if(SLUICE_WITH_GRPC)
  set(folders pipeline server client)
  set(dependencies sluice_server_ops sluice_client)
endif()
list(TRANSFORM folders REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/\\1/*.h" OUTPUT_VARIABLE patterns)
file(GLOB_RECURSE headers RELATIVE "${PROJECT_SOURCE_DIR}" CONFIGURE_DEPENDS ${patterns})

set(units)
foreach(header IN LISTS headers)
  set(unit "${PROJECT_BINARY_DIR}/generated/header_check/${header}.cc")
  file(CONFIGURE OUTPUT "${unit}" CONTENT "#include \"${header}\"  // IWYU pragma: keep\n#include \"${header}\"\n")
  list(APPEND units "${unit}")
endforeach()

if(units)
  add_library(header_check OBJECT ${units})
  _sluice_common(header_check)
  target_link_libraries(header_check PRIVATE ${dependencies})
  if(NOT SLUICE_CHECK_HEADERS)
    set_target_properties(header_check PROPERTIES EXCLUDE_FROM_ALL ON)
    add_test(NAME headers/self_contained
      COMMAND "${CMAKE_COMMAND}" --build "${PROJECT_BINARY_DIR}" --target header_check)
    set_tests_properties(headers/self_contained PROPERTIES LABELS headers RUN_SERIAL ON TIMEOUT 900)
  endif()
endif()
