#!/usr/bin/python3
"""scripts/quickstart on a machine where all is installed and built: the second start."""

import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from support.environment import BIN_DIR, SOURCE_DIR, main, wait_until
from support.trees import Tree

QUICKSTART = SOURCE_DIR / "scripts/quickstart"
RELEASE = SOURCE_DIR / "build/release"


def processes_of(session):
    """Ids of the processes in a session."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


@unittest.skipUnless(BIN_DIR.resolve() == (RELEASE / "bin").resolve(),
                     "quickstart runs build/release, and these are the tests of another build")
class Quickstart(unittest.TestCase):

    def setUp(self):
        self.tree = self.enterContext(Tree())
        for name in (b"original", b"copy of it", b"another"):
            self.tree.write(name, content=b"x" * 10_000)
        self.tree.write(b"alone", content=b"alone")
        self.tmp = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def start(self, *arguments):
        return subprocess.Popen(
            [QUICKSTART, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "TMPDIR": str(self.tmp)})

    def assert_nothing_is_left(self, process):
        wait_until(lambda: not processes_of(process.pid), "the end of all that was started")
        self.assertEqual(list(self.tmp.iterdir()), [])

    def test_prints_the_duplicates_and_leaves_nothing_running(self):
        began = time.monotonic()
        process = self.start(os.fsdecode(self.tree.root))
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, err)
        for name in ("original", "copy of it", "another"):
            self.assertIn(name, out)
        self.assertNotIn("alone", out)
        self.assertNotIn("installing", err)
        self.assertNotIn("building", err)
        self.assert_nothing_is_left(process)
        print(f"{time.monotonic() - began:.1f} s")

    def test_interrupted_it_leaves_nothing_running_either(self):
        self.tree.write(b"large", content=b"", size=16 << 30)
        self.tree.write(b"large too", content=b"", size=16 << 30)
        process = self.start(os.fsdecode(self.tree.root))
        for line in process.stderr:
            if "looking for duplicates" in line:
                break
        os.killpg(process.pid, 2)
        self.assertNotEqual(process.wait(60), 0)
        process.communicate()
        self.assert_nothing_is_left(process)

    def test_a_directory_that_is_missing_is_said_in_one_line(self):
        process = self.start("/no/such/directory")
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, err.count("\n")), (1, "", 1))
        self.assertIn("/no/such/directory", err)


if __name__ == "__main__":
    main()
