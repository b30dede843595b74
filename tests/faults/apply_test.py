#!/usr/bin/python3
"""kill -9 in the middle of an apply, again and again: no byte is lost, nothing is done twice, nothing
is left behind; and what was done can be undone. And two jobs at once that contradict each other, and
calls that signals interrupt.

The oracle: every path holds the bytes it held before, all through; at the end each group is one inode.
A second job over the same plans, and the undo, are killed just as the first is."""

import collections
import os
import pathlib
import subprocess
import tempfile
import unittest

from harness import strace
from harness.contents import contents_of, keeps_anything
from harness.follower import Follower, start_once
from harness.killer import Killer
from harness.options import LONG, SEED, dice, main, report
from harness.planner import APPLIED, OLD, Planner, skip_reason, write
from harness.server import MortalServer
from support.client import Client
from support.contract import apply_pb2, job_pb2, plan_pb2
from support.environment import BIN_DIR
from support.trees import Tree

GROUPS, COPIES = (2500, 4) if LONG else (100, 4)
KILLS = 200 if LONG else 10
FOLLOW_SECONDS = 600


class Kills(unittest.TestCase):

    def setUp(self):
        self.rng = dice("apply")
        self.tree = self.enterContext(Tree())
        for group in range(GROUPS):
            for copy in range(COPIES):
                path = self.tree.write(b"%02d" % (group % 20), b"%d" % group, b"%d" % copy,
                                       content=b"content of group %d" % group)
                os.utime(path, (OLD, OLD))
        self.before = contents_of(self.tree.root)
        self.server = self.enterContext(MortalServer(self.tree.root))
        self.server.start()
        self.kills = 0

    def plan(self, action):
        with Client(self.server.address) as client:
            scan = client.scan(self.tree.root).job.scan
            return client.reconcile(scan, action=action).job.name

    def follow(self, spec, kills):
        """The outcomes of a job that is killed under its follower."""
        job = start_once(self.server.address, spec, self.rng)
        moments = [self.rng.uniform(0.005, 0.25) for _ in range(kills)]
        with Killer(self.server, moments) as killer:
            follower = Follower(self.server.address, job.name)
            events = follower.result(FOLLOW_SECONDS)
        self.kills += killer.kills
        self.assertEqual(follower.end.state, job_pb2.JOB_STATE_SUCCEEDED, follower.end)
        outcomes = [event.outcome for event in events if event.HasField("outcome")]
        paths = [outcome.path for outcome in outcomes]
        self.assertEqual(len(paths), len(set(paths)), "a path has two outcomes")
        self.assertEqual([str(outcome) for outcome in outcomes if outcome.result != APPLIED], [])
        return job.name, outcomes

    def check(self, links):
        self.assertEqual(contents_of(self.tree.root), self.before)
        for path in self.before:
            self.assertEqual(os.stat(path).st_nlink, links, path)
        self.assertFalse(keeps_anything(self.tree.root))

    def test_lose_nothing_and_are_undone(self):
        plan = self.plan(plan_pb2.ACTION_HARDLINK)
        applied = undone = 0
        while self.kills < KILLS:
            spec = job_pb2.JobSpec(apply=apply_pb2.ApplySpec(
                reconcile_job=plan, dry_run=False,
                metadata=apply_pb2.ApplySpec.METADATA_POLICY_IGNORE_TIMES))
            job, outcomes = self.follow(spec, KILLS // 4)
            self.assertEqual(len(outcomes), GROUPS * (COPIES - 1))
            self.check(links=COPIES)
            applied += len(outcomes)
            spec = job_pb2.JobSpec(apply=apply_pb2.ApplySpec(undo_of=job, dry_run=False))
            _, outcomes = self.follow(spec, KILLS // 4)
            self.check(links=1)
            undone += len(outcomes)
            plan = self.plan(plan_pb2.ACTION_HARDLINK)
        report(f"seed {SEED}: {self.kills} kills, {applied} files applied, {undone} undone")


class Opposites(unittest.TestCase):
    """Two jobs at once, over plans of which one keeps what the other changes: both end well, and
    every content is still to be read at both of its paths (ACTION_REMOVE: at one)."""

    PAIRS = 200
    ROUNDS = 50 if LONG else 3

    def setUp(self):
        self.tree = self.enterContext(Tree())
        self.root = pathlib.Path(os.fsdecode(self.tree.root))
        self.planner = self.enterContext(Planner(self.root))

    def test_lose_nothing(self):
        for action in ("hardlink", "symlink", "remove"):
            reasons = collections.Counter()
            for _ in range(self.ROUNDS):
                reasons.update(self.run_round(action))
            report(f"{action}: {dict(reasons)}")

    def run_round(self, action):
        for pair in range(self.PAIRS):
            for side in "ab":
                path = self.root / side / str(pair)
                path.unlink(missing_ok=True)
                write(path, b"content of pair %d" % pair)
        plans = [self.planner.plan(self.root, keep=[plan_pb2.KeepRule(
            criterion=plan_pb2.KeepRule.CRITERION_PATH_GLOB, pattern=f"**/{side}/*")])
            for side in "ab"]
        runs = self.planner.apply_at_once(plans, action, undo_window=0)
        for run in runs:
            self.assertEqual(run.end.state, job_pb2.JOB_STATE_SUCCEEDED, run.end)
            self.assertEqual(len(run.outcomes), self.PAIRS)
        for pair in range(self.PAIRS):
            paths = [self.root / side / str(pair) for side in "ab"]
            found = [path.read_bytes() for path in paths
                     if action != "remove" or path.is_file()]
            self.assertEqual(set(found), {b"content of pair %d" % pair})
        self.assertEqual({path.name for path in self.root.iterdir()}, {"a", "b"})
        return [skip_reason(outcome) for run in runs for outcome in run.outcomes]


class Interruptions(unittest.TestCase):
    """Of every second call of each kind that changing files takes, in the tests of apply and undo:
    they pass as if there were none."""

    # What the tests call themselves, and do not call again, is not among them; and the first calls
    # of pread64 are the loader's.
    CALLS = {"pread64": 31, **dict.fromkeys(
        ("openat2", "statx", "fstatfs", "ioctl", "flistxattr", "fgetxattr", "faccessat2", "flock",
         "fsync", "fdatasync", "mkdirat", "unlinkat", "linkat", "symlinkat", "readlinkat",
         "renameat2", "pwrite64", "ftruncate", "fchmod"), 1)}
    TESTS = "Apply.*:Undo.*:Actions/UndoOfEachAction*"

    def test_are_not_noticed(self):
        # What is interrupted, too, is the removal of the tests' own trees.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="sluice-", dir=memory) as trees, \
                tempfile.NamedTemporaryFile(prefix="sluice-strace-") as log:
            done = subprocess.run(
                [*strace.interrupting(self.CALLS, log.name), pathlib.Path(BIN_DIR) / "apply_test",
                 f"--gtest_filter={self.TESTS}"],
                env={**os.environ, "SLUICE_APPLY_DIR": trees},
                capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout[-10000:] + done.stderr[-5000:])
            interrupted = log.read().count(b"(INJECTED)")
        self.assertGreater(interrupted, 1000)
        report(f"{interrupted} calls interrupted")


if __name__ == "__main__":
    main()
