"""The same question again, about a tree that has not changed, at the same server."""

import pathlib
import re
import signal
import subprocess
import tempfile

from compare import answers, measure
from compare.results import fastest
from compare.tools import SLUICE_TOOLS, SluiceServer
from support.environment import wait_until

INCREMENTAL = "--incremental"

OPENED = re.compile(r'\bopen(?:at2?)?\((?:AT_FDCWD|\d+), "(?P<path>[^"]*)"(?P<rest>.*)')


def opens_of_files(trace, data_dir):
    """How many files of the tree a trace of strace shows as opened: no directories, and none of the
    server's own."""
    count = 0
    for line in trace:
        found = OPENED.search(line)
        if not found or "O_DIRECTORY" in found["rest"] or "resumed>" in line:
            continue
        own = found["path"].startswith((str(data_dir), "/proc", "/sys", "/etc", "/dev"))
        count += not own
    return count


def _traced_dedupe(server, algorithm):
    """Asks once more, traced and therefore not timed: how many files were opened."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", trace.name,
             "-p", str(server.pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_until_traced(server.pid)
        try:
            server.dedupe(algorithm, INCREMENTAL, seconds=3600)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        return opens_of_files(trace, server.disk)


def _wait_until_traced(pid):
    def traced():
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return re.search(r"^TracerPid:\s+[1-9]", status, re.MULTILINE)
    wait_until(traced, "strace to attach")


def measure_corpus(corpus, roots, places, runs, dedupe_entry):
    """The entry of a corpus: the first run, and those that follow it. `dedupe_entry` is that of the
    uncached runs, whose fastest peer is the yardstick."""
    tool = SLUICE_TOOLS[0]
    if corpus.readable:
        measure.make_warm(roots)
    result = {"what": corpus.what, "error": "", "runs": []}
    with SluiceServer(roots, places) as server:
        measure.settle_disk()
        first = server.dedupe(tool.algorithm)
        if first.error:
            return {**result, "error": first.error}
        expected = answers.answer(first.groups())
        result["first"] = first.record
        for _ in range(runs):
            measure.settle_disk()
            again = server.dedupe(tool.algorithm, INCREMENTAL)
            if again.error or answers.answer(again.groups()) != expected:
                result["error"] = again.error or "another answer than in the first run"
                break
            result["runs"].append(again.record)
        result["opened"] = _traced_dedupe(server, tool.algorithm)
    if dedupe_entry and (peer := fastest(dedupe_entry["tools"])):
        result["peer"], result["peer_wall"] = peer
    return result
