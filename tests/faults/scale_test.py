#!/usr/bin/python3
"""Many jobs, many streams, many watchers: all of them end, none starves, and what each costs."""

import contextlib
import statistics
import time
import unittest

import grpc

from harness.crowd import Crowd
from harness.memory import MemoryMeter, mib
from harness.options import LONG, main, report
from harness.server import MortalServer
from support.client import ENDED, Client, RpcFailure, reconcile_spec, scan_spec
from support.contract import job_pb2, job_service_pb2, scan_pb2
from support.environment import PATIENCE_SECONDS, wait_until
from support.trees import Tree

JOBS = 100
STREAMS_OF_A_JOB = 10
FILES_OF_A_JOB = 300 if LONG else 100
WATCHERS = 10_000 if LONG else 1_000
SMALL_JOBS = 20

# Nobody waits longer for news; on a machine that is busy with other things, too.
STARVED_SECONDS = 30
POLICIES = (scan_pb2.DIGEST_POLICY_NONE, scan_pb2.DIGEST_POLICY_ALL,
            scan_pb2.DIGEST_POLICY_CANDIDATES)


class ScaleTestCase(unittest.TestCase):

    def serve(self, *flags):
        self.tree = self.enterContext(Tree())
        self.server = self.enterContext(MortalServer(self.tree.root, flags=flags))
        self.server.start()
        self.client = self.enterContext(Client(self.server.address))

    def wait_for(self, name, *states):
        return wait_until(lambda: (job := self.client.job(name)).state in states and job,
                          f"{name} to be in one of the states {states}")

    def paced(self, spec):
        spec.pacing = job_pb2.PACING_PACED_BY_CONSUMER
        return self.client.start(spec).name


class JobsAndStreams(ScaleTestCase):

    def setUp(self):
        self.serve(f"--max_running_jobs={JOBS}", f"--max_streams={JOBS * STREAMS_OF_A_JOB}")
        for i in range(JOBS):
            self.tree.write_many(b"%d" % i, count=FILES_OF_A_JOB,
                                 content=lambda i: b"%d" % (i // 2))
        self.meter = self.enterContext(MemoryMeter(self.server))

    def start_jobs(self):
        """Of ten jobs two reconcile, the others scan, by all policies."""
        scan = self.client.start(scan_spec(self.tree.path(b"0"))).name
        self.wait_for(scan, *ENDED)
        scan = scan.replace("jobs/", "scans/")
        specs = [reconcile_spec(scan) if i % 5 == 4 else
                 scan_spec(self.tree.path(b"%d" % i), digest_policy=POLICIES[i % 3])
                 for i in range(JOBS)]
        return [self.paced(spec) for spec in specs]

    def test_at_once_all_end_and_none_starves(self):
        idle = self.meter.now()
        names = self.start_jobs()
        for name in names:
            self.wait_for(name, job_pb2.JOB_STATE_WAITING)
        waiting = self.meter.peak()
        began = time.monotonic()
        with Crowd(self.server.address, names * STREAMS_OF_A_JOB) as crowd:
            self.assertEqual(crowd.wait_until_open(), JOBS * STREAMS_OF_A_JOB)
            seen = crowd.results()
        seconds, peak = time.monotonic() - began, self.meter.peak()
        after = self.meter.now()
        self.assert_all_complete(seen)
        events = sum(one.events for one in seen)
        longest = max(one.longest_pause for one in seen)
        a_job, a_stream = (waiting - idle) / JOBS, (peak - waiting) / len(seen)
        report(f"""
{JOBS} jobs, {len(seen)} streams: {events} events in {seconds:.1f} s, {events / seconds:.0f} /s
longest time without news of any stream   {longest:.2f} s
resident, idle                            {mib(idle)}
resident, all jobs waiting                {mib(waiting)}  ({a_job:.0f} KiB a job)
resident at most, all streams read        {mib(peak)}  ({a_stream:.1f} KiB a stream)
resident, all ended                       {mib(after)}""")
        self.assertLess(longest, STARVED_SECONDS)

    def assert_all_complete(self, seen):
        self.assertEqual([one for one in seen if one.failure], [])
        lengths = {}
        for one in seen:
            lengths.setdefault(one.job, set()).add(one.events)
        for name, of_all in lengths.items():
            job = self.client.job(name)
            self.assertEqual(job.state, job_pb2.JOB_STATE_SUCCEEDED, job.error)
            self.assertEqual(of_all, {job.last_sequence})


class IdleWatchers(ScaleTestCase):

    def test_are_taken_up_to_the_limit_and_the_next_is_refused(self):
        self.serve(f"--max_streams={WATCHERS}")
        self.tree.write_many(b"d", count=10, content=lambda i: b"")
        name = self.paced(scan_spec(self.tree.root, window=1))
        request = job_service_pb2.PauseJobRequest(name=name)
        self.client.jobs.PauseJob(request, timeout=PATIENCE_SECONDS)
        self.wait_for(name, job_pb2.JOB_STATE_PAUSED)
        meter = self.enterContext(MemoryMeter(self.server))
        before, began = meter.now(), time.monotonic()
        with Crowd(self.server.address, [name] * WATCHERS, hold=True) as crowd:
            self.assertEqual(crowd.wait_until_open(300), WATCHERS)
            seconds, during = time.monotonic() - began, meter.now()
            self.assert_refused(name)
            crowd.let_go()
        wait_until(lambda: self.accepted(name), "room for a stream again")
        report(f"""
{WATCHERS} idle watchers, open after {seconds:.1f} s
resident before   {mib(before)}
resident during   {mib(during)}  ({(during - before) / WATCHERS:.1f} KiB a watcher)
resident after    {mib(meter.now())}""")

    def assert_refused(self, name):
        with self.assertRaises(grpc.RpcError) as caught:
            next(self.client.watch(name))
        refusal = RpcFailure(caught.exception)
        self.assertEqual(refusal.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("QuotaFailure", refusal.details)
        self.assertGreater(refusal.details["RetryInfo"].retry_delay.ToNanoseconds(), 0)

    def accepted(self, name):
        call = self.client.watch(name)
        with contextlib.suppress(grpc.RpcError):
            next(call)
            call.cancel()
            return True
        return False


class HugeScan(ScaleTestCase):

    def setUp(self):
        self.serve()
        self.huge = self.tree.path(b"huge")
        for i in range(16):  # As many as there can be reading threads, and more to come.
            self.tree.write(b"huge", b"%d" % i, content=b"", size=1 << 40)
        self.tree.write_many(b"small", count=200, content=lambda i: b"%d" % i)

    def latencies(self):
        """Seconds from the request to the last message of small jobs, one after the other."""
        seconds = []
        for i in range(SMALL_JOBS):
            began = time.monotonic()
            run = self.client.scan(self.tree.path(b"small"), digest_policy=POLICIES[i % 3])
            seconds.append(time.monotonic() - began)
            self.assertEqual(len(run.files), 200)
        return sorted(seconds)

    def test_does_not_hold_up_small_jobs(self):
        idle = self.latencies()
        huge = self.client.start(scan_spec(self.huge, digest_policy=scan_pb2.DIGEST_POLICY_ALL))
        start = self.server.cpu_seconds()  # Of all-hole files nothing is read.
        wait_until(lambda: self.server.cpu_seconds() > start + 0.5, "the huge scan to digest")
        busy = self.latencies()
        self.assertEqual(self.client.job(huge.name).state, job_pb2.JOB_STATE_RUNNING)
        self.client.cancel(huge.name)
        report(f"""
{SMALL_JOBS} small jobs, seconds each     median    worst
on an idle server             {statistics.median(idle):7.3f}  {idle[-1]:7.3f}
beside a huge scan            {statistics.median(busy):7.3f}  {busy[-1]:7.3f}""")
        self.assertLess(busy[-1], STARVED_SECONDS)


if __name__ == "__main__":
    main()
