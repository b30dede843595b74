# Everything that Sluice's libraries link. Included by the project itself and, installed beside SluiceConfig.cmake, by
# projects that use it: what both need is named once.
if(NOT DEFINED SLUICE_WITH_GRPC)
  set(SLUICE_WITH_GRPC ON)
endif()

find_package(Threads REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET GLOBAL libsodium)

if(SLUICE_WITH_GRPC)
  find_package(gRPC CONFIG REQUIRED)
endif()
