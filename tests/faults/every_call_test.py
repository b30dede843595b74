#!/usr/bin/python3
"""The server dies as it enters the n-th call that changes a file: n = 1, 2 ... until none is left.

From the first start on an empty directory, over a scan and a reconcile, to the end of SIGTERM.
"""

import itertools
import signal
import unittest

from harness import strace
from harness.follower import EAGER, Follower, start_once, watch_again
from harness.forest import forest
from harness.killer import Reviver
from harness.options import LONG, dice, main, report
from harness.server import MortalServer
from harness.verdicts import assert_scanned, assert_succeeded, still_plans
from support.client import Client, reconcile_spec, scan_spec
from support.contract import job_pb2, scan_pb2

# What the server changes files with, and the step of n in the short form.
CALLS = {"pwrite64": 60, "fdatasync": 4, "fsync": 1, "ftruncate": 2, "unlink": 3, "rename": 1,
         "mkdir": 1, "write": 2}
PACED_WINDOW = 16  # Of small batches, so that there are many transactions.


class EveryCall(unittest.TestCase):

    def setUp(self):
        self.rng = dice("every call")
        self.tree, self.still = self.enterContext(
            forest(self.rng, small=60, large=16, large_bytes=64 << 10))
        self.plans = None

    def test_may_be_the_last_one(self):
        for call, step in CALLS.items():
            hits = 0
            for nth in itertools.count(1, 1 if LONG else step):
                if not self.dies_and_survives(call, nth):
                    break
                hits += 1
            report(f"{call}: killed at {hits} of the first {nth - 1} calls of a thread")

    def dies_and_survives(self, call, nth):
        """Whether the server was hit."""
        with self.subTest(call=call, nth=nth), \
                MortalServer(self.tree.root, flags=(strace.ONE_THREAD,)) as server:
            server.spawn(strace.killed_at(call, nth))
            with Reviver(server) as reviver:
                followers = self.run_jobs(server.address)
            hit = server.stop() == -signal.SIGKILL or reviver.deaths > 0
            server.start()
            with Client(server.address, EAGER) as client:
                for follower in followers:
                    self.assertEqual(watch_again(client, follower.job), follower.events)
            server.kill()
            self.assertEqual(server.integrity(), "ok")
            return hit
        return False  # It has failed, and that is told.

    def run_jobs(self, address):
        spec = scan_spec(self.tree.root, digest_policy=scan_pb2.DIGEST_POLICY_CANDIDATES,
                         window=PACED_WINDOW, pacing=job_pb2.PACING_PACED_BY_CONSUMER)
        scan = Follower(address, start_once(address, spec, self.rng).name)
        events = scan.result()
        assert_succeeded(self, events)
        assert_scanned(self, events, self.tree.root, self.still,
                       scan_pb2.DIGEST_POLICY_CANDIDATES)
        spec = reconcile_spec(scan.job.replace("jobs/", "scans/"))
        reconcile = Follower(address, start_once(address, spec, self.rng).name)
        events = reconcile.result()
        assert_succeeded(self, events)
        # The tree does not change: the plans of the first run are those of all.
        plans = still_plans(events, self.tree.root)
        self.plans = self.plans or plans
        self.assertEqual(plans, self.plans)
        return scan, reconcile


if __name__ == "__main__":
    main()
