#!/usr/bin/python3
"""One file system that is mounted at several places of a tree: what is reached by two paths is one
file and is never taken away for its own sake, and a mount that appears after the plan is no way out.

The oracle: the content is still to be read at every path (ACTION_REMOVE: at one at least)."""

import contextlib
import os
import tempfile
import unittest

from harness import disks
from harness.options import main, report
from harness.planner import Planner, skip_reason, write
from support.cli import Cli

ACTIONS = ("hardlink", "symlink", "remove")
CONTENT = b"the same content" * 1000


def snapshot(directory):
    """Of all that is below it: path, inode, times and content."""
    seen = {}
    for path in sorted(directory.rglob("*")):
        info = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        seen[path] = (info.st_ino, info.st_nlink, info.st_mtime_ns, info.st_ctime_ns, content)
    return seen


class BindMounts(unittest.TestCase):

    def setUp(self):
        self.disk = self.enterContext(disks.Image("ext4"))
        self.number = 0

    @contextlib.contextmanager
    def fresh(self, action):
        """A tree, and a server over it."""
        self.number += 1
        root = self.disk.path / str(self.number) / "root"
        root.mkdir(parents=True)
        with self.subTest(action=action), Planner(root) as planner:
            yield root, planner

    def two_copies(self, root):
        """The first is the source of truth: its path is the shorter one."""
        return write(root / "a" / "f", CONTENT), write(root / "bbbb" / "f", CONTENT)

    def reasons(self, run, root):
        """{path: why it was skipped, or None}"""
        return {os.path.relpath(outcome.path, root): skip_reason(outcome)
                for outcome in run.outcomes}

    def assert_reachable(self, action, *paths):
        contents = [path.read_bytes() for path in paths if action != "remove" or path.exists()]
        self.assertEqual(set(contents), {CONTENT})

    def test_one_file_by_two_paths_is_no_group(self):
        for action in ACTIONS:
            with self.fresh(action) as (root, planner):
                one, again = write(root / "real" / "f", CONTENT), root / "x" / "again"
                again.mkdir(parents=True)
                with disks.bound(root / "real", again), \
                        tempfile.TemporaryDirectory(prefix="sluice-home-") as home:
                    before = snapshot(root)
                    self.assertEqual(planner.plan(root).plans, [])
                    done = Cli(home, planner.server.address).run(
                        "dedupe", f"--apply={action}", "--yes", str(root))
                    self.assertEqual(done.status, 0, done.err)
                    self.assertIn("nothing to do", done.err)
                    self.assertEqual(snapshot(root), before)
                    self.assert_reachable(action, one, again / "f")

    def test_a_copy_that_became_another_path_of_its_source_stays(self):
        for action in ACTIONS:
            with self.fresh(action) as (root, planner):
                kept, copy = self.two_copies(root)
                planned = planner.plan(root)
                self.assertEqual(planned.plans[0].source_of_truth.path, str(kept))
                with disks.bound(kept.parent, copy.parent):
                    before = snapshot(root)
                    applied = planner.apply(planned, action)
                    self.assertEqual(self.reasons(applied, root), {"bbbb/f": "SAME_FILE"})
                    self.assertEqual(snapshot(root), before)
                self.assertEqual(copy.read_bytes(), CONTENT)

    def test_a_copy_with_two_paths_is_changed_once_and_lost_at_neither(self):
        for action in ACTIONS:
            with self.fresh(action) as (root, planner):
                other, real = write(root / "o" / "f", CONTENT), write(root / "real" / "f", CONTENT)
                again = root / "x" / "y" / "again"
                again.mkdir(parents=True)
                with disks.bound(real.parent, again):
                    applied = planner.apply(planner.plan(root), action)
                    self.assert_reachable(action, other, real, again / "f")
                    reasons = self.reasons(applied, root)
                    report(f"{action}, a copy of two paths: {reasons}")
                    self.assertLessEqual(list(reasons.values()).count(None), 1)
                self.assert_reachable(action, other, real)

    def test_files_on_two_mounts_of_one_file_system(self):
        for action in ACTIONS:
            with self.fresh(action) as (root, planner):
                kept, real = write(root / "a" / "f", CONTENT), write(root / "real" / "f", CONTENT)
                mounted = root / "m" / "n"
                mounted.mkdir(parents=True)
                with disks.bound(real.parent, mounted):
                    applied = planner.apply(planner.plan(kept.parent, mounted), action)
                    expected = {"hardlink": "OTHER_FILE_SYSTEM"}.get(action)
                    self.assertEqual(self.reasons(applied, root), {"m/n/f": expected})
                    self.assert_reachable(action, kept, mounted / "f")
                self.assertTrue(kept.is_file() and not kept.is_symlink())

    def test_a_mount_put_over_a_planned_directory_leads_nowhere(self):
        for covered, reason in (("bbbb", "CHANGED"), ("a", "SOURCE_UNAVAILABLE")):
            for action in ACTIONS:
                with self.fresh(action) as (root, planner):
                    kept, copy = self.two_copies(root)
                    outside = write(root.parent / "outside" / "f", CONTENT).parent
                    planned = planner.plan(root)
                    before = snapshot(root), snapshot(outside)
                    with disks.bound(outside, root / covered):
                        applied = planner.apply(planned, action)
                        self.assertEqual(self.reasons(applied, root), {"bbbb/f": reason})
                    self.assertEqual((snapshot(root), snapshot(outside)), before)
                    self.assert_reachable("", kept, copy)


if __name__ == "__main__":
    main()
