# `cmake --install` and find_package(Sluice), which offers sluice::client and sluice::pipeline.
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Sluice")

set_target_properties(sluice_client PROPERTIES EXPORT_NAME client)
set_target_properties(sluice_pipeline PROPERTIES EXPORT_NAME pipeline)
install(TARGETS sluice_client sluice_pipeline sluice_proto sluice_proto_messages sluice_proto_archive
  EXPORT SluiceTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT SluiceTargets NAMESPACE sluice:: DESTINATION "${package_dir}")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/pipeline" "${PROJECT_SOURCE_DIR}/client"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/sluice" FILES_MATCHING PATTERN "*.h" PATTERN cli EXCLUDE)
install(DIRECTORY "${PROJECT_BINARY_DIR}/generated/proto/"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/sluice" FILES_MATCHING PATTERN "*.h")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/proto/"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/sluice/proto" FILES_MATCHING PATTERN "*.proto")

foreach(program sluiced sluice)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

configure_package_config_file(scripts/cmake/SluiceConfig.cmake.in "${PROJECT_BINARY_DIR}/SluiceConfig.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/SluiceConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/SluiceConfig.cmake"
  "${PROJECT_BINARY_DIR}/SluiceConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/scripts/cmake/SluiceDependencies.cmake"
  DESTINATION "${package_dir}")
