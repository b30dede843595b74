#!/usr/bin/python3
"""What a job says it has given back is what the file system has got back, on ext4, xfs, btrfs and
tmpfs: the sum of `recovered_bytes` (and of `pending_bytes`, when they are given up) against the fall
of the used blocks that statvfs tells.

Files hold at least 4 KiB, which is a block of each of them: btrfs keeps smaller ones in its trees,
where they are no extents, and takes no room of their own. What may differ is metadata, a whole node
or inode chunk at a time: TOLERANCE. And two copies that share storage with each other and not with
their source are still open side by side when they go: it is not told of either (UNTOLD)."""

import os
import pathlib
import re
import subprocess
import unittest

from harness import disks
from harness.options import dice, main, report
from harness.planner import OLD, Planner, skip_reason, write

TMPFS_BYTES = 512 << 20
KIB, MIB = 1 << 10, 1 << 20
TOLERANCE = 256 * KIB
UNTOLD = MIB
# Bytes of content, and of the hole behind it.
SHAPES = [*[(4 * KIB, 0)] * 50, (4 * KIB + 1, 0), (100 * KIB, 0), (100 * KIB + 7, 0), (MIB, 0),
          (3 * MIB + 5, 0), (8 * MIB, 0), (64 * KIB, MIB), (128 * KIB, 4 * MIB)]


def used_bytes(directory):
    """All that was freed is counted only when it was committed; twice, as what btrfs frees in one
    transaction may be work for the next."""
    for _ in range(2):
        subprocess.run(["sync", "--file-system", directory], check=True)
        kind = subprocess.run(["stat", "-f", "-c", "%T", directory], check=True,
                              capture_output=True, text=True).stdout.strip()
        if kind == "btrfs":
            subprocess.run(["btrfs", "filesystem", "sync", directory], check=True,
                           capture_output=True)
    info = os.statvfs(directory)
    return (info.f_blocks - info.f_bfree) * info.f_frsize


def extents(path):
    """[(physical block, blocks)] of a file, as filefrag tells."""
    done = subprocess.run(["filefrag", "-v", path], capture_output=True, text=True, check=True)
    lines = re.findall(r"^ +\d+: +\d+\.\. +\d+: +(\d+)\.\. +\d+: +(\d+):.*$", done.stdout, re.M)
    return [(int(start), int(count)) for start, count in lines]


class Space(unittest.TestCase):

    def setUp(self):
        self.rng = dice(self.id())

    def copy(self, source, target, reflink=None):
        """Of the same times; `reflink`: bytes in front that get storage of their own again."""
        how = ["--sparse=always", "--reflink=never"] if reflink is None else ["--reflink=always"]
        subprocess.run(["cp", *how, source, target], check=True)
        if reflink:
            with open(target, "r+b") as file:
                head = file.read(reflink)
                file.seek(0)
                file.write(head)
        os.utime(target, (OLD, OLD))

    def make(self, root, reflinks):
        """Groups of three; one copy in five has a second name (and the source, which is the one of
        most links, a third)."""
        for number, (size, hole) in enumerate(SHAPES):
            source = write(root / "a" / str(number), self.rng.randbytes(size))
            os.truncate(source, size + hole)
            os.utime(source, (OLD, OLD))
            for name in ("bb", "cc"):
                target = root / name / str(number)
                target.parent.mkdir(exist_ok=True)
                self.copy(source, target)
            if number % 5 == 0:
                for file, name in ((source, "d"), (source, "e"), (target, "f")):
                    (root / name).mkdir(exist_ok=True)
                    os.link(file, root / name / str(number))
        if not reflinks:
            return
        for number, own in enumerate((0, 64 * KIB, 512 * KIB, MIB - 4 * KIB)):
            source = write(root / "a" / f"r{number}", self.rng.randbytes(MIB))
            self.copy(source, root / "bb" / f"r{number}", reflink=own)
            self.copy(source, root / "cc" / f"r{number}")
        source = write(root / "a" / "pair", self.rng.randbytes(MIB))
        self.copy(source, root / "bb" / "pair")
        self.copy(root / "bb" / "pair", root / "cc" / "pair", reflink=0)

    def run_in(self, directory, reflinks, action, undo_window=None):
        root = pathlib.Path(directory) / f"{action}{undo_window}"
        root.mkdir()
        self.make(root, reflinks)
        with Planner(root) as planner:
            planned = planner.plan(root)
            before = used_bytes(root)
            applied = planner.apply(planned, action, undo_window)
            freed = before - used_bytes(root)
            told = sum(outcome.recovered_bytes for outcome in applied.outcomes)
            # A reflink of the first copy has ended its sharing when the second is looked at.
            untold = UNTOLD if reflinks and action != "reflink" else 0
            self.check(action, told + (untold if told else 0), freed, applied)
            if action == "reflink":
                self.assert_shared(applied)
            pending = sum(outcome.pending_bytes for outcome in applied.outcomes)
            if pending:
                planner.discard(applied)
                self.check(f"{action}, when given up", told + pending + untold,
                           before - used_bytes(root), applied)

    def check(self, what, expected, freed, applied):
        # The source's own other names.
        self.assertLessEqual({skip_reason(outcome) for outcome in applied.outcomes},
                             {None, "SAME_FILE"})
        report(f"{self.id().rpartition('.')[2]}, {what}: {len(applied.outcomes)} files, "
               f"{expected} bytes expected, {freed} given back ({freed - expected:+})")
        self.assertLessEqual(abs(expected - freed), TOLERANCE)

    def assert_shared(self, applied):
        """Every copy lies where its source does, by filefrag."""
        for outcome in applied.outcomes:
            self.assertEqual(self.places(outcome.path), self.places(outcome.kept_path))

    def places(self, path):
        """Physical blocks, in the order of the file."""
        return [block for start, count in extents(path) for block in range(start, start + count)]

    def run_all(self, directory, reflinks):
        self.run_in(directory, reflinks, "hardlink")
        self.run_in(directory, reflinks, "remove")
        self.run_in(directory, reflinks, "remove", undo_window=0)
        if reflinks:
            self.run_in(directory, reflinks, "reflink")

    def test_ext4(self):
        with disks.Image("ext4") as mounted:
            self.run_all(mounted.path, reflinks=False)

    def test_xfs(self):
        with disks.Image("xfs") as mounted:
            self.run_all(mounted.path, reflinks=True)

    def test_btrfs(self):
        with disks.Image("btrfs") as mounted:
            self.run_all(mounted.path, reflinks=True)

    def test_tmpfs(self):
        with disks.tmpfs(TMPFS_BYTES) as mounted:
            self.run_all(mounted, reflinks=False)


if __name__ == "__main__":
    main()
