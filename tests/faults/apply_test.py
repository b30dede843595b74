#!/usr/bin/python3
"""kill -9 in the middle of an apply, again and again: no byte is lost, nothing is done twice, nothing
is left behind; and what was done can be undone.

The oracle: every path holds the bytes it held before, all through; at the end each group is one inode.
A second job over the same plans, and the undo, are killed just as the first is."""

import os
import unittest

from harness.contents import contents_of, keeps_anything
from harness.follower import Follower, start_once
from harness.killer import Killer
from harness.options import LONG, SEED, dice, main, report
from harness.server import MortalServer
from support.client import Client, reconcile_spec, scan_spec
from support.contract import apply_pb2, job_pb2, plan_pb2
from support.trees import Tree

GROUPS, COPIES = (2500, 4) if LONG else (100, 4)
KILLS = 200 if LONG else 10
FOLLOW_SECONDS = 600
# Old enough that no file counts as just written.
OLD = 1_600_000_000

APPLIED = apply_pb2.ApplyOutcome.RESULT_APPLIED


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


if __name__ == "__main__":
    main()
