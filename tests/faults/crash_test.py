#!/usr/bin/python3
"""kill -9 at random moments: what a client sees is one sequence, and what is left is a whole."""

import itertools
import time
import unittest

from google.protobuf import json_format

from harness.follower import EAGER, Follower, start_once, watch_again
from harness.forest import Unrest, forest
from harness.killer import Killer
from harness.options import LONG, SEED, dice, main, report
from harness.server import MortalServer
from harness.verdicts import assert_scanned, assert_succeeded, still_plans
from support.cli import Cli
from support.client import Client, reconcile_spec, scan_spec
from support.contract import event_pb2, job_pb2, scan_pb2
from support.environment import PATIENCE_SECONDS, wait_until

KILLS = 200 if LONG else 10
# A job may die as often as this, and is then left to end.
KILLS_OF_A_JOB = 5 if LONG else 3

PACED_WINDOW = 64
SCANS = list(itertools.product(
    (scan_pb2.DIGEST_POLICY_ALL, scan_pb2.DIGEST_POLICY_CANDIDATES, scan_pb2.DIGEST_POLICY_NONE),
    (job_pb2.PACING_FREE_RUNNING, job_pb2.PACING_PACED_BY_CONSUMER)))


class Crashes(unittest.TestCase):

    def setUp(self):
        self.rng = dice("crashes")
        self.tree, self.still = self.enterContext(forest(self.rng, small=3000, large=64))
        self.server = self.enterContext(MortalServer(self.tree.root))
        self.enterContext(Unrest(self.tree.root, dice("unrest")))
        self.durations = {}
        self.kills = self.jobs = self.seen = 0

    def test_leave_one_sequence_and_the_results_of_a_run_without_them(self):
        scan, _ = self.scan(*SCANS[0], kills=0)
        expected = still_plans(self.reconcile(scan, SCANS[0][0], kills=0), self.tree.root)
        self.assertGreater(len(expected), 0)
        for policy, pacing in itertools.cycle(SCANS):
            if self.kills >= KILLS:
                break
            scan, events = self.scan(policy, pacing, kills=KILLS_OF_A_JOB)
            assert_scanned(self, events, self.tree.root, self.still, policy)
            events = self.reconcile(scan, policy, kills=KILLS_OF_A_JOB)
            self.assertEqual(still_plans(events, self.tree.root), expected)
        report(f"seed {SEED}: {self.kills} kills, {self.jobs} jobs, {self.seen} events")

    def test_leave_no_trace_in_what_the_command_prints_of_a_job(self):
        spec = scan_spec(self.tree.root, digest_policy=scan_pb2.DIGEST_POLICY_ALL, read_threads=1,
                         pacing=job_pb2.PACING_PACED_BY_CONSUMER, window=PACED_WINDOW)
        output = self.server.dir / "events.json"
        self.server.start()
        job = start_once(self.server.address, spec, self.rng)
        command = Cli(self.server.dir, self.server.address)
        with open(output, "wb") as stdout, command.start(
                "--json", "jobs", "watch", job.name, stdout=stdout) as watching:
            # Not before: a server that cannot be reached at the very beginning is a wrong address.
            wait_until(lambda: output.stat().st_size > 0, "the first event")
            with Killer(self.server, [0.05, 0.2, 0.2]) as killer:
                _, errors = watching.communicate(timeout=PATIENCE_SECONDS)
        follower = Follower(self.server.address, job.name)
        events = follower.result()
        with_errors = any(event.HasField("error") for event in events)
        self.assertEqual(watching.returncode, 3 if with_errors else 0, errors)
        with open(output, "rb") as lines:
            printed = [json_format.Parse(line, event_pb2.JobEvent()) for line in lines]
        self.assertGreater(killer.kills, 0)
        report(f"{job.name}: {len(printed)} lines through {killer.kills} kills")
        self.assertEqual([event.SerializeToString(deterministic=True) for event in printed],
                         follower.events)

    def scan(self, policy, pacing, kills):
        """(the scan's name, its events)"""
        window = PACED_WINDOW if pacing == job_pb2.PACING_PACED_BY_CONSUMER else None
        spec = scan_spec(self.tree.root, digest_policy=policy, pacing=pacing, window=window,
                         read_threads=1)
        name, events = self.survive((policy, pacing), spec, kills)
        return name.replace("jobs/", "scans/"), events

    def reconcile(self, scan, policy, kills):
        """Its events. How much it has to read depends on the scan's policy."""
        spec = reconcile_spec(scan, read_threads=1)
        return self.survive(("reconcile", policy), spec, kills)[1]

    def survive(self, kind, spec, kills):
        """Runs a job to its end, through kills that are spread over the time it takes. The first
        of its kind is not killed, to learn that time."""
        if kind not in self.durations:
            if kills:
                self.survive(kind, spec, kills=0)
        typical = self.durations.get(kind, 0)
        moments = [self.rng.uniform(0, typical) for _ in range(min(kills, KILLS - self.kills))]
        with Killer(self.server, moments) as killer:
            began = time.monotonic()
            job = start_once(self.server.address, spec, self.rng)
            follower = Follower(self.server.address, job.name)
            events = follower.result()
            seconds = time.monotonic() - began
        if not killer.kills:
            self.durations.setdefault(kind, seconds)
        self.kills, self.jobs, self.seen = (
            self.kills + killer.kills, self.jobs + 1, self.seen + len(events))
        report(f"{job.name} {kind}: {len(events)} events in {seconds:.2f} s over "
               f"{follower.connections} connections and {killer.kills} kills")
        self.assert_whole(job.name, follower)
        assert_succeeded(self, events)
        return job.name, events

    def assert_whole(self, name, follower):
        """REQUIRES: the server runs. Leaves it dead."""
        with Client(self.server.address, EAGER) as client:
            self.assertEqual(watch_again(client, name), follower.events)
        self.server.kill()
        self.assertEqual(self.server.integrity(), "ok")


if __name__ == "__main__":
    main()
