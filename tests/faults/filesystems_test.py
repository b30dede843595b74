#!/usr/bin/python3
"""Apply and undo on file systems of a test's own: the tests of tests/unit/stages/apply, a kill before
every system call among them, on ext4, xfs, btrfs and tmpfs; and, on ext4, more copies than an inode
takes links."""

import os
import pathlib
import re
import subprocess
import unittest

from harness import disks
from harness.options import LONG, main, report
from support.environment import BIN_DIR

# What the short form leaves out takes minutes on a disk.
SHORT = ("Apply.*:Undo*:*StalePlans*:*OppositePlans.*AnyTwoCalls*:*UnderSignals*:"
         "*BeforeAnyCall*/Hardlink:*BeforeAnyCall*/Remove:*BeforeAnyCall*/*Reflink")
COPIES_BEYOND_LINKS = "65001"
TMPFS_BYTES = 512 << 20
# Of the long form: a race, files touched between plan and change (for each action), and rounds of two
# jobs with opposite plans (in memory, and on disks, whose syncs take the time).
LONG_RACE = {"SLUICE_RACE_SWAPS": "100000", "SLUICE_RACE_SECONDS": "60"}
TRIALS, ROUNDS, ROUNDS_ON_DISK = "10000", "2000", "200"


class FileSystems(unittest.TestCase):

    def run_tests(self, directory, filter_text, **environment):
        done = subprocess.run(
            [pathlib.Path(BIN_DIR) / "apply_test", f"--gtest_filter={filter_text}"],
            env={**os.environ, "SLUICE_APPLY_DIR": str(directory), **environment},
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-10000:] + done.stderr[-5000:])
        return re.search(r"\[  PASSED  \] (\d+) tests?", done.stdout)[1]

    def run_all(self, directory, rounds=ROUNDS_ON_DISK):
        counts = {**LONG_RACE, "SLUICE_STALE_TRIALS": TRIALS, "SLUICE_OPPOSITE_ROUNDS": rounds}
        count = self.run_tests(directory, "*" if LONG else SHORT, **(counts if LONG else {}))
        report(f"{self.id().rpartition('.')[2]}: {count} tests passed")

    def test_ext4(self):
        with disks.Image("ext4") as mounted:
            self.run_all(mounted.path)
            if LONG:
                self.run_tests(mounted.path, "*KeepsOneMoreCopyWhereLinksRunOut",
                               SLUICE_APPLY_COPIES=COPIES_BEYOND_LINKS)

    def test_xfs(self):
        with disks.Image("xfs") as mounted:
            self.run_all(mounted.path)
            self.assert_reflinks(mounted.path)

    def test_btrfs(self):
        with disks.Image("btrfs") as mounted:
            self.run_all(mounted.path)
            self.assert_reflinks(mounted.path)

    def test_tmpfs(self):
        with disks.tmpfs(TMPFS_BYTES) as mounted:
            self.run_all(mounted, ROUNDS)

    def assert_reflinks(self, directory):
        """The tests were of reflinks, not of their being refused."""
        first, second = directory / "first", directory / "second"
        first.write_bytes(bytes(4096))
        done = subprocess.run(["cp", "--reflink=always", first, second], check=False,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    main()
