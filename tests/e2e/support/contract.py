"""The Python stubs of proto/. CTest makes them; a test that is started by hand makes its own."""

import atexit
import importlib.util
import shutil
import subprocess
import sys
import tempfile

from support.environment import SOURCE_DIR


def _make_stubs():
    out = tempfile.mkdtemp(prefix="sluice-stubs-")
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    protos = SOURCE_DIR / "proto"
    plugin = shutil.which("grpc_python_plugin")
    subprocess.run(
        ["protoc", "-I", protos, f"--python_out={out}", f"--grpc_python_out={out}",
         f"--plugin=protoc-gen-grpc_python={plugin}", *sorted(protos.rglob("*.proto"))],
        check=True)
    sys.path.insert(0, out)


if importlib.util.find_spec("sluice") is None:
    _make_stubs()

# pylint: disable=wrong-import-position
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from sluice.v1 import (  # noqa: E402
    apply_pb2, catalog_service_pb2, catalog_service_pb2_grpc, event_pb2, file_pb2, job_pb2,
    job_service_pb2, job_service_pb2_grpc, plan_pb2, scan_pb2)

__all__ = [
    "apply_pb2", "catalog_service_pb2", "catalog_service_pb2_grpc", "error_details_pb2",
    "event_pb2", "file_pb2", "job_pb2", "job_service_pb2", "job_service_pb2_grpc", "plan_pb2", "scan_pb2",
    "status_pb2",
]
