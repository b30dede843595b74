"""System calls that fail or kill, by strace.

strace counts the calls of each thread and each kind by itself. Servers under it therefore run their
jobs on one thread: then "the n-th call" is one place of the program.
"""

import contextlib
import functools
import pathlib
import re
import signal
import subprocess
import unittest

from support.environment import PATIENCE_SECONDS, find_tool, wait_until

ONE_THREAD = "--job_threads=1"


@functools.cache
def _strace():
    """The program; where the kernel does not let it trace, the test is skipped by name."""
    strace = find_tool("strace", "SLUICE_STRACE")
    tried = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, text=True,
                           check=False)
    if tried.returncode != 0:
        raise unittest.SkipTest(f"this test needs to trace processes: {tried.stderr.strip()}")
    return strace


def killed_at(call, nth):
    """A command under which a program dies as it enters its `nth` `call`. The program is the
    process that was started (-D), strace is one of its own."""
    return (_strace(), "-D", "-f", "-qqq", "-o", "/dev/null", f"--trace={call}",
            f"--inject={call}:signal=SIGKILL:when={nth}")


def interrupting(calls, log):
    """A command under which every second one of each of these calls of a program is interrupted;
    `calls` says from which on."""
    return (_strace(), "-f", "-qqq", "-o", log, f"--trace={','.join(calls)}",
            *(f"--inject={call}:error=EINTR:when={first}+2" for call, first in calls.items()))


@contextlib.contextmanager
def failing(server, calls, error, when, paths):
    """Within it, `calls` of the server on `paths` fail with `error`: `when` is "1" for once, "1+"
    for ever. Gives a function that says how many have failed."""
    log = server.dir / "strace"
    command = [_strace(), "-f", "-qq", "-p", str(server.pid), "-o", str(log)]
    for path in paths:
        command += ["-P", str(path)]
    command += [f"--trace={','.join(calls)}",
                *(f"--inject={call}:error={error}:when={when}" for call in calls)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: all(traced(task) for task in tasks(server.pid)), "strace")
            yield lambda: log.read_text().count("(INJECTED)")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)


def tasks(pid):
    return list(pathlib.Path(f"/proc/{pid}/task").iterdir())


def traced(task):
    with contextlib.suppress(FileNotFoundError):
        return re.search(r"^TracerPid:\t[1-9]", (task / "status").read_text(), re.MULTILINE)
    return True
