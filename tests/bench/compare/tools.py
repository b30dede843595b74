"""What is measured: Sluice and its peers, each asked for the groups of identical files below roots,
and plain programs that do a part of that.

Every tool writes its answer to a file on tmpfs, or to a pipe that is drained into one.
"""

import dataclasses
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable

from compare import answers, measure

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "e2e"))

# pylint: disable=wrong-import-position
from support.environment import SLUICE  # noqa: E402
from support.sluiced import Sluiced  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Places:
    """`disk` is on the disk that is measured, `memory` on tmpfs; `programs` has the peers that are
    built from source."""
    disk: pathlib.Path
    memory: pathlib.Path
    programs: pathlib.Path

    @property
    def output(self):
        return self.memory / "output"

    @property
    def report(self):
        return self.memory / "report"


@dataclasses.dataclass(frozen=True)
class Measured:
    """One run of a tool; `groups` reads its answer, until the next run, and is None where it gives
    none."""
    record: dict
    groups: Callable | None
    error: str = ""


def _record(run, **more):
    record = {"wall": run.wall, "cpu": run.cpu, "peak_kib": run.peak_kib,
              "bytes_read": run.bytes_read, "first_output": run.first_output, **more}
    return {key: round(value, 4) if isinstance(value, float) else value
            for key, value in record.items()}


@dataclasses.dataclass(frozen=True)
class Peer:
    """A program of others. `arguments` come before the roots, each of which follows `root_option`;
    `{report}` in them is a file to write. `reader` is None for a plain program, which answers
    another question."""
    name: str
    program: str
    arguments: tuple
    reader: Callable | None = None
    root_option: str = ""

    is_sluice = False

    @property
    def answers(self):
        return self.reader is not None

    def executable(self, places):
        return shutil.which(self.program, path=f"{places.programs}/bin:{os.environ['PATH']}")

    def measure(self, roots, places, seconds, before):
        before()
        places.report.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=places.memory) as home:
            arguments = [argument.replace("{report}", str(places.report))
                         for argument in self.arguments]
            named = [word for root in roots for word in (self.root_option, str(root)) if word]
            run = measure.run([self.executable(places), *arguments, *named], places.output,
                              seconds=seconds, cwd=home, env={**os.environ, "HOME": home})
        error = ""
        if run.status:
            late = f"gave no answer within {seconds:.0f} s"
            error = late if run.wall >= seconds else f"exit status {run.status}: {run.err[-200:]}"
        record, written = _record(run), places.output
        if "{report}" in " ".join(self.arguments):  # What it prints is no result.
            record["first_output"], written = None, places.report
        return Measured(record, self.reader and (lambda: self.reader(written)), error)


@dataclasses.dataclass(frozen=True)
class SluiceDedupe:
    """`sluice dedupe` at a server of its own, which begins with an empty catalog."""
    name: str
    algorithm: str

    answers = True
    is_sluice = True

    def measure(self, roots, places, seconds, before):
        with SluiceServer(roots, places) as server:
            before()
            return server.dedupe(self.algorithm, seconds=seconds)


class SluiceServer(Sluiced):
    """A server for some roots whose data are on the disk, and go with it."""

    def __init__(self, roots, places):
        self.roots = [str(root) for root in roots]
        self.places = places
        self.disk = pathlib.Path(tempfile.mkdtemp(prefix="data-", dir=places.disk))
        super().__init__(*self.roots, data_dir=self.disk)

    def close(self):
        super().close()
        shutil.rmtree(self.disk)

    def command(self, *arguments, wanted=None, seconds=900):
        """Runs the command line at this server: a record of both, and what was wrong if anything."""
        cpu, read = measure.settled_cpu_seconds(self.pid), measure.process_bytes_read(self.pid)
        run = measure.run([SLUICE, f"--server={self.address}", *arguments, *self.roots],
                          self.places.output, wanted=wanted, seconds=seconds)
        if self.process.poll() is not None:
            return Measured({}, None, f"sluiced ended: {self.stderr()[-200:]}")
        server_cpu = measure.settled_cpu_seconds(self.pid) - cpu
        record = _record(
            run, cpu=run.cpu + server_cpu, server_cpu=server_cpu, client_cpu=run.cpu,
            peak_kib=self.memory_kib("VmHWM"), client_peak_kib=run.peak_kib,
            bytes_read=measure.process_bytes_read(self.pid) - read, first_plan=run.first_match)
        # 3: some files could not be read, which the peers pass over in silence.
        error = "" if run.status in (0, 3) else f"exit status {run.status}: {run.err[-200:]}"
        return Measured(record, lambda: answers.sluice(self.places.output), error)

    def dedupe(self, algorithm, *options, seconds=900):
        return self.command("dedupe", f"--algorithm={algorithm}", *options, wanted=b"  keep  ",
                            seconds=seconds)


SLUICE_TOOLS = (SluiceDedupe("Sluice", "xxh3-128"), SluiceDedupe("Sluice, SHA-256", "sha256"))
