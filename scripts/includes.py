"""Holds every #include against the one direction of dependence: see docs/development.md.

    scripts/includes.py          lists what is wrong; fails if that is anything
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^#include [<"]([^>"]+)[>"]', re.MULTILINE)
SYSTEM = re.compile(r"^[a-z0-9_]+(\.h)?$|^sys/|^linux/|^netinet/|^arpa/")  # <vector>, <fcntl.h>

GRPC = ["grpc/", "grpcpp/", "google/protobuf/", "google/rpc/", "sluice/v1/"]
MESSAGES = ["google/protobuf/", "google/rpc/", "sluice/v1/"]

# The folder, and what may be included there beside the standard library and the system's headers.
# The first that fits counts.
MAY_INCLUDE = {
    "pipeline/async": ["absl/", "pipeline/async/"],
    "pipeline/ops": ["absl/", "pipeline/async/", "pipeline/ops/"],
    "pipeline/fs": ["absl/", "pipeline/async/", "pipeline/ops/", "pipeline/fs/", "openssl/"],
    "pipeline/stages": ["absl/", "pipeline/"],
    "server/catalog": ["absl/", "pipeline/", "server/catalog/", "SQLiteCpp/"],
    "server/jobs": ["absl/", "pipeline/", "server/catalog/", "server/jobs/", *MESSAGES],
    "server/rpc": ["absl/", "pipeline/", "server/catalog/", "server/jobs/", "server/rpc/", *GRPC],
    "server/ops": ["absl/", "pipeline/", "server/", "CLI/", "spdlog/", *GRPC],
    "client/cli": ["absl/", "pipeline/", "client/", "CLI/", "nlohmann/", "fmt/", *GRPC],
    "client": ["absl/", "pipeline/async/", "pipeline/ops/", "client/", *GRPC],
}
THIRD_PARTY_HEADERS = {  # Not to be told from the system's by their form.
    "pipeline/fs": {"sodium.h", "xxhash.h"},
    "pipeline/stages": {"sodium.h", "xxhash.h"},
    "server/catalog": {"sqlite3.h", "xxhash.h"},
}
KNOWN_THIRD_PARTY = set().union(*THIRD_PARTY_HEADERS.values())


def is_allowed(folder: str, header: str) -> bool:
    if header in KNOWN_THIRD_PARTY:
        return header in THIRD_PARTY_HEADERS.get(folder, set())
    return bool(SYSTEM.match(header)) or any(header.startswith(p) for p in MAY_INCLUDE[folder])


def main() -> int:
    wrong = 0
    files = [f for top in ("client", "pipeline", "server") for f in (ROOT / top).rglob("*.*")]
    for file in sorted(f for f in files if f.suffix in (".h", ".cc")):
        path = file.relative_to(ROOT).as_posix()
        folder = next(f for f in MAY_INCLUDE if path.startswith(f + "/"))
        for header in INCLUDE.findall(file.read_text(encoding="utf-8")):
            if not is_allowed(folder, header):
                print(f"{path}: must not include {header}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
