"""One run of a program: how long, how much processor time, memory and disk, and when it spoke."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

# /usr/bin/time stands between: a process starts with the peak memory of the one that forked it,
# and this interpreter is larger than many a program that it measures.
TIME = "/usr/bin/time"
PIPE_BYTES = 1 << 20
SECTOR_BYTES = 512  # Of ru_inblock.
DROP_CACHES = pathlib.Path("/proc/sys/vm/drop_caches")


@dataclasses.dataclass(frozen=True)
class Run:
    """Times in seconds. `first_output` and `first_match` are counted from the start."""
    status: int
    wall: float
    cpu: float
    peak_kib: int
    bytes_read: int
    first_output: float | None
    first_match: float | None
    err: str


class _Drain:
    """Copies a pipe into a file, and notes when the first byte came, and when `wanted` did."""

    def __init__(self, pipe, path, wanted, start):
        self.first_output = self.first_match = None
        tail = b""
        with open(path, "wb", buffering=0) as file:
            while chunk := os.read(pipe, PIPE_BYTES):
                now = time.monotonic() - start
                if self.first_output is None:
                    self.first_output = now
                if wanted and self.first_match is None:
                    if wanted in tail + chunk:
                        self.first_match = now
                    tail = chunk[-len(wanted):]
                file.write(chunk)


def _kill_group(pid):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def run(command, output, wanted=None, seconds=900, **popen):
    """Runs a command to its end, its standard output copied to the file `output`.

    After `seconds` it is killed; the status then is that of a killed process. `wanted` are bytes of
    the output whose coming is noted.
    """
    with tempfile.NamedTemporaryFile("r") as peak, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        process = subprocess.Popen(
            [TIME, "-q", "-f", "%M", "-o", peak.name, *map(os.fsencode, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, start_new_session=True,
            **popen)
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        watchdog = threading.Timer(seconds, _kill_group, [process.pid])
        watchdog.start()
        try:
            drain = _Drain(process.stdout.fileno(), output, wanted, start)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - start
        except BaseException:  # Interrupted: the program is in a session of its own.
            _kill_group(process.pid)
            raise
        finally:
            watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        err.seek(0)
        return Run(process.returncode, wall, usage.ru_utime + usage.ru_stime,
                   int(peak.read() or 0), usage.ru_inblock * SECTOR_BYTES,
                   drain.first_output, drain.first_match, err.read()[-2000:])


def process_cpu_seconds(pid):
    """User and system time of another process, to the nanosecond: its CPU clock, as
    clock_getcpuclockid(3) names it."""
    scheduler_clock = 2
    return time.clock_gettime((~pid << 3) | scheduler_clock)


def settled_cpu_seconds(pid, rest=0.02, patience=5.0):
    """As process_cpu_seconds, once the process has come to rest."""
    deadline = time.monotonic() + patience
    before = process_cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(rest)
        now = process_cpu_seconds(pid)
        if now - before < rest / 20:
            return now
        before = now
    return before


def process_bytes_read(pid):
    """From disk."""
    fields = dict(line.split(": ") for line in pathlib.Path(f"/proc/{pid}/io").read_text().split("\n")
                  if line)
    return int(fields["read_bytes"])


def settle_disk():
    """What the run before wrote is not written during the next one."""
    os.sync()


def can_drop_caches():
    return os.access(DROP_CACHES, os.W_OK)


def make_cold():
    """Nothing of any file is in memory any more."""
    os.sync()
    DROP_CACHES.write_text("3")


def make_warm(roots):
    """All files are in memory, as far as they fit."""
    reader = "find \"$@\" -xdev -type f -print0 | xargs -0 -r cat >/dev/null"
    subprocess.run(["sh", "-c", reader, "sh", *map(str, roots)], check=False,
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
