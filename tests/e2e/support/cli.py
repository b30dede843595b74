"""The sluice command as a process."""

import dataclasses
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

from support.environment import PATIENCE_SECONDS, SLUICE


@dataclasses.dataclass
class Done:
    status: int
    out: str
    err: str

    @property
    def messages(self):
        """Of --json: one on each line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Cli:
    """The command with a home of its own, so that it meets no server but the one it is given."""

    def __init__(self, home, server=None):
        self.server = [f"--server={server}"] if server else []
        self.environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": f"{home}/data",
                            "XDG_RUNTIME_DIR": f"{home}/run", "TMPDIR": str(home)}
        for name in ("SLUICE_SERVER", "NO_COLOR"):
            self.environment.pop(name, None)

    def start(self, *arguments, **popen):
        popen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                 "env": self.environment, **popen}
        return subprocess.Popen([SLUICE, *self.server, *arguments], **popen)

    def run(self, *arguments, timeout=PATIENCE_SECONDS):
        process = self.start(*arguments, text=True, errors="backslashreplace")
        out, err = process.communicate(timeout=timeout)
        return Done(process.returncode, out, err)

    def on_terminal(self, *arguments, columns=80, answers=False):
        """Starts it with a terminal for both its outputs, and with `answers` for its input, too;
        gives the process and our end of it."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = self.start(*arguments, stdin=theirs if answers else subprocess.DEVNULL,
                             stdout=theirs, stderr=theirs, start_new_session=True,
                             env={**self.environment, "TERM": "xterm"})
        os.close(theirs)
        return process, open(ours, "r+b", buffering=0)


def read_terminal(terminal, until=None):
    """What appears, to the end or until it holds the bytes."""
    seen = b""
    try:
        while until is None or until not in seen:
            piece = terminal.read(4096)
            if not piece:
                break
            seen += piece
    except OSError:  # EIO: the other end is closed.
        pass
    return seen
