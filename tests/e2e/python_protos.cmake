# Debian's python3-grpc-tools carries a protoc of 2018 that knows no proto3 `optional`; the system's protoc does.
# cmake -DPROTOC=... -DPLUGIN=... -DPROTO_DIR=... -DOUT=... -P python_protos.cmake
file(REMOVE_RECURSE "${OUT}")
file(MAKE_DIRECTORY "${OUT}")
file(GLOB_RECURSE protos "${PROTO_DIR}/*.proto")
execute_process(
  COMMAND "${PROTOC}" -I "${PROTO_DIR}" "--python_out=${OUT}" "--grpc_python_out=${OUT}"
    "--plugin=protoc-gen-grpc_python=${PLUGIN}" ${protos}
  COMMAND_ERROR_IS_FATAL ANY)
