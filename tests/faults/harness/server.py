"""sluiced as a process that dies and comes back: address and data outlive it."""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile

from support.environment import PATIENCE_SECONDS, SLUICED
from support.sluiced import Sluiced


class MortalServer(Sluiced):
    """Not running until start(). A context manager; what it leaves behind goes with it."""

    # pylint: disable-next=super-init-not-called
    def __init__(self, *allow_roots, data_dir=None, flags=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sluiced-"))
        self.data_dir = pathlib.Path(data_dir or self.dir / "data")
        self.data_dir.mkdir(exist_ok=True)
        self.address = f"unix:{self.dir}/sluiced.sock"
        self.stderr_path = self.dir / "stderr"
        self.arguments = [SLUICED, f"--listen={self.address}", f"--data_dir={self.data_dir}",
                          *(b"--allow_root=" + os.fsencode(root) for root in allow_roots), *flags]
        self.process = None

    def spawn(self, wrapper=()):
        """Starts it, under the command `wrapper`, and does not wait until it is ready."""
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                [*wrapper, *self.arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=stderr)

    def start(self, wrapper=()):
        self.spawn(wrapper)
        self.ready_line = self._read_ready_line()
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, if it has not died by itself; returns its exit status."""
        if self.running():
            self.process.kill()
        status = self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()
        return status

    def stop(self):
        try:
            return super().stop()
        finally:
            self.process.stdout.close()

    def close(self):
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.dir)

    @property
    def catalog(self):
        return self.data_dir / "catalog.sqlite"

    def integrity(self):
        """What SQLite says of the catalog: "ok", or what is wrong. REQUIRES: it is not running."""
        with contextlib.closing(sqlite3.connect(self.catalog)) as connection:
            return "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check"))
