#!/usr/bin/python3
"""The power goes as the server enters the n-th call that changes a file, while it applies plans or
undoes that. The tree is on one disk, the server's data on another. Each then either lacks all that
was not synced, or has that, too, as a kernel may write early and in any order. The oracle: the server
starts, the job ends as if nothing had happened, no path has lost its bytes, and what was applied can
be undone.

A disk is an image. What it holds at the moment of the cut is copied from beneath the mounted file
system, whose own writes reach it only by a sync, and is mounted in its place."""

import contextlib
import itertools
import os
import signal
import time
import unittest
import uuid

import grpc

from harness import disks, strace
from harness.contents import contents_of, keeps_anything
from harness.follower import EAGER, Follower
from harness.options import LONG, SEED, dice, main, report
from harness.planner import APPLIED, write
from harness.server import MortalServer
from support.client import ENDED, Client
from support.contract import apply_pb2, job_pb2, plan_pb2

# What changes files, and the step of n.
CALLS = ({"linkat": 1, "renameat2": 1, "unlinkat": 1, "fdatasync": 3, "fsync": 1, "pwrite64": 10}
         if LONG else
         {"linkat": 3, "renameat2": 3, "unlinkat": 4, "fdatasync": 6, "fsync": 5, "pwrite64": 60})
KINDS = ("ext4", "xfs", "btrfs") if LONG else ("ext4",)
# Whether what was not synced is on the disk of the tree, and on that of the data. (Both: kill -9.)
WRITTEN = ((False, False), (True, False), (False, True))
GROUPS, COPIES = 3, 3


class PowerCut(unittest.TestCase):

    def setUp(self):
        self.rng = dice("power cut")

    def test_while_copies_become_hard_links(self):
        self.cut_everywhere(plan_pb2.ACTION_HARDLINK)

    def test_while_copies_are_removed(self):
        self.cut_everywhere(plan_pb2.ACTION_REMOVE)

    def cut_everywhere(self, action):
        for kind in KINDS:
            with disks.Image(kind) as tree_disk, disks.Image(kind) as data_disk:
                self.disks = (tree_disk, data_disk)
                self.tree, self.data = tree_disk.path / "tree", data_disk.path / "data"
                self.make_tree()
                self.before = contents_of(self.tree)
                spec = self.plan(action)
                self.cut_at_each_call("apply", spec)
                self.return_to("apply")
                with self.server().start() as server:
                    spec = self.undo_of(self.finish(server, spec))
                    server.stop()
                self.cut_at_each_call("undo", spec)

    def make_tree(self):
        self.data.mkdir()
        for group, copy in itertools.product(range(GROUPS), range(COPIES)):
            write(self.tree / f"d{copy}" / f"g{group}", b"content of group %d" % group)

    def server(self):
        return MortalServer(self.tree, data_dir=self.data, flags=(strace.ONE_THREAD,))

    def plan(self, action):
        """The spec of an apply of the tree's plans."""
        with self.server().start() as server:
            with Client(server.address) as client:
                scan = client.scan(os.fsencode(self.tree)).job.scan
                plans = client.reconcile(scan, action=action).job.name
            server.stop()
        return job_pb2.JobSpec(apply=apply_pb2.ApplySpec(reconcile_job=plans, dry_run=False))

    @staticmethod
    def undo_of(job):
        return job_pb2.JobSpec(apply=apply_pb2.ApplySpec(undo_of=job, dry_run=False))

    def return_to(self, what):
        for disk in self.disks:
            disk.return_to(what)

    def cut_at_each_call(self, what, spec):
        """REQUIRES: no server runs."""
        for disk in self.disks:
            disk.keep(what)
        cuts = 0
        for (call, step), written in itertools.product(CALLS.items(), WRITTEN):
            for nth in itertools.count(1, step):
                cut = False  # Where a trial fails, which is told, the next call is not tried.
                with self.subTest(what=what, kind=self.disks[0].kind, call=call, nth=nth,
                                  written=written):
                    self.return_to(what)
                    cut = self.cut_at(call, nth, written, what, spec)
                if not cut:
                    break
                cuts += 1
        self.assertGreater(cuts, len(CALLS))
        report(f"seed {SEED}: {self.disks[0].kind}, {what}: power cut {cuts} times")

    def cut_at(self, call, nth, written, what, spec):
        """Whether the power was cut."""
        request_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        with self.server() as server:
            server.spawn(strace.killed_at(call, nth))
            run_or_die(server, spec, request_id)
            cut = server.stop() == -signal.SIGKILL
            for disk, arrived in zip(self.disks, written):
                disk.cut_power(arrived)
            server.start()
            job = self.finish(server, spec, request_id)
            if what == "apply":
                self.finish(server, self.undo_of(job))
            server.kill()
            self.assertEqual(server.integrity(), "ok")
        self.assertEqual(contents_of(self.tree), self.before)
        self.assertFalse(keeps_anything(self.tree))
        return cut

    def finish(self, server, spec, request_id=None):
        """The name of the job, which has done everything once."""
        with Client(server.address) as client:
            job = client.start(spec, request_id=request_id).name
        events = Follower(server.address, job).result()
        self.assertEqual(events[-1].state_change.state, job_pb2.JOB_STATE_SUCCEEDED, events[-1])
        outcomes = [event.outcome for event in events if event.HasField("outcome")]
        self.assertEqual(len({outcome.path for outcome in outcomes}), len(outcomes))
        self.assertEqual([str(outcome) for outcome in outcomes if outcome.result != APPLIED], [])
        self.assertEqual(len(outcomes), GROUPS * (COPIES - 1))
        return job


def run_or_die(server, spec, request_id):
    """Until the job has ended, or the server has died."""
    with Client(server.address, EAGER) as client:
        while server.running():
            with contextlib.suppress(grpc.RpcError):
                if client.start(spec, request_id=request_id).state in ENDED:
                    return
            time.sleep(0.005)


if __name__ == "__main__":
    main()
