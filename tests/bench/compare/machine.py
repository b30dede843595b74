"""The machine that was measured on, in words, for the report."""

import datetime
import os
import pathlib
import platform
import re
import subprocess


def _shown(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _proc(path, pattern):
    found = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def _disk(directory):
    """How the device below a directory is called, and whether it says that it rotates."""
    device = _shown("findmnt", "-no", "SOURCE", "--target", str(directory))
    rotates = _shown("lsblk", "-dno", "ROTA", device)
    kind = {"0": "no rotation", "1": "says it rotates"}.get(rotates, "unknown kind")
    return f"{device} ({kind})"


def describe(directory, versions, caches):
    """`directory` is where the corpora are; `versions` those of the peers."""
    model = _proc("/proc/cpuinfo", r"^model name\s*: (.*)$")
    memory = int(_proc("/proc/meminfo", r"^MemTotal:\s+(\d+) kB"))
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": f"{len(os.sched_getaffinity(0))} cores of {model}",
        "memory": f"{memory / (1 << 20):.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "file system": _shown("findmnt", "-no", "FSTYPE", "--target", str(directory)),
        "disk": _disk(directory),
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "Sluice": _shown("git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always"),
        "peers": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "caches": caches,
    }
