"""sluiced as a process of its own."""

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile

from support.environment import PATIENCE_SECONDS, SLUICED

ADDRESS = re.compile(r"unix:\S+|(?:\d+(?:\.\d+){3}|\[[0-9a-f:]+\]|localhost):\d+")


class Sluiced:
    """A server that is ready when the constructor returns, and gone after `with`.

    It listens on a Unix socket in a directory of its own unless `listen` says otherwise, and keeps
    its data there unless `data_dir` does. With `uid` it runs as that user (which needs root).
    """

    def __init__(self, *allow_roots, listen=None, data_dir=None, flags=(), uid=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sluiced-"))
        self.data_dir = pathlib.Path(data_dir or self.dir / "data")
        self.data_dir.mkdir(exist_ok=True)
        program, identity = SLUICED, {}
        if uid is not None:
            program, identity = self._hand_over(uid)
        self.stderr_path = self.dir / "stderr"
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [program, f"--listen={listen or f'unix:{self.dir}/sluiced.sock'}",
                 f"--data_dir={self.data_dir}",
                 *(b"--allow_root=" + os.fsencode(root) for root in allow_roots), *flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, **identity)
        self.ready_line = self._read_ready_line()
        self.address = ADDRESS.search(self.ready_line).group()

    def _hand_over(self, uid):
        """The user may neither enter the build tree nor write what root has made."""
        program = shutil.copy(SLUICED, self.dir)
        for path in (self.dir, self.data_dir, program):
            os.chown(path, uid, uid)
            os.chmod(path, 0o755)
        return program, {"user": uid, "group": uid, "extra_groups": []}

    def _read_ready_line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)
        line = self.process.stdout.readline().decode() if ready else ""
        if not ADDRESS.search(line):
            self.kill()
            raise AssertionError(f"sluiced did not become ready: {line!r} {self.stderr()}")
        return line

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        return self.stderr_path.read_text(errors="backslashreplace")

    def memory_kib(self, field):
        """VmRSS (resident now) or VmHWM (at most so far)."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE).group(1))

    def bytes_read(self):
        """By all its read calls, from files and from sockets alike."""
        io = pathlib.Path(f"/proc/{self.pid}/io").read_text()
        return int(re.search(r"^rchar: (\d+)", io, re.MULTILINE).group(1))

    def cpu_seconds(self):
        """Of all its threads. A file that is all hole is digested without being read."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        user, system = map(int, fields[11:13])
        return (user + system) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Asks it to drain; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("sluiced did not end after SIGTERM") from None

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def refusal(*arguments, program=SLUICED, **popen):
    """Runs sluiced with arguments that it must refuse: its exit status and its standard error."""
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=PATIENCE_SECONDS, check=False, **popen)
    return done.returncode, done.stderr.decode(errors="backslashreplace")
