#!/usr/bin/python3
"""The contract as a client in another language meets it: streams, sequences, jobs, catalog."""

import itertools
import os
import unittest
import uuid

import grpc
from google.protobuf import duration_pb2

from support.client import ENDED, Client, Run, path_of, reconcile_spec, scan_spec
from support.contract import event_pb2, file_pb2, job_pb2, job_service_pb2, scan_pb2
from support.environment import PATIENCE_SECONDS, main, wait_until
from support.sluiced import Sluiced
from support.trees import Tree

FILES = 700


class PythonClientTestCase(unittest.TestCase):
    """A server and a small tree for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.tree = cls.enterClassContext(Tree())
        cls.tree.write_many(b"d", count=FILES, content=lambda i: b"%d" % (i // 2))
        cls.tree.write(b"\xff raw\n", content=b"raw")
        cls.tree.write(b"raw", content=b"raw")
        cls.server = cls.enterClassContext(Sluiced(cls.tree.root))
        cls.client = cls.enterClassContext(Client(cls.server.address))

    def started(self, **spec):
        """A scan that nobody watches, so that it waits."""
        job = self.client.start(scan_spec(self.tree.root, window=1, **spec,
                                          pacing=job_pb2.PACING_PACED_BY_CONSUMER))
        self.addCleanup(self.client.cancel, job.name)
        return job

    def ended(self, name):
        return wait_until(lambda: (job := self.client.job(name)).state in ENDED and job,
                          f"the end of {name}")


class Streams(PythonClientTestCase):

    def assert_complete(self, run, state=job_pb2.JOB_STATE_SUCCEEDED):
        self.assertEqual(run.sequences, list(range(1, len(run.events) + 1)))
        self.assertEqual(run.batches[-1].next_sequence, len(run.events) + 1)
        self.assertEqual(run.end.reason, event_pb2.StreamEnd.REASON_JOB_ENDED)
        self.assertEqual(run.end.state, state)
        last = run.events[-1].state_change
        self.assertEqual((last.state, last.summary), (state, run.end.summary))

    def test_a_scan_streams_every_file_once_in_a_sequence_without_gaps(self):
        run = self.client.scan(self.tree.root)
        self.assert_complete(run)
        self.assertEqual(len({path_of(file) for file in run.files}), FILES + 2)
        self.assertEqual(len(run.files), FILES + 2)
        self.assertEqual(run.end.summary.counters.items, FILES + 2)

    def test_a_reconcile_streams_its_plans(self):
        run = self.client.reconcile(self.client.scan(self.tree.root).job.scan)
        self.assert_complete(run)
        self.assertEqual(len(run.groups), FILES // 2 + 1)
        self.assertEqual(run.end.summary.counters.groups, FILES // 2 + 1)
        self.assertEqual(run.end.summary.counters.recoverable_bytes,
                         sum(plan.recoverable_bytes for plan in run.plans))

    def test_the_first_message_names_the_job_and_every_message_says_where_to_go_on(self):
        run = self.client.scan(self.tree.root)
        self.assertRegex(run.job.name, r"^jobs/\S+$")
        self.assertEqual(run.job.scan.partition("/")[2], run.job.name.partition("/")[2])
        position = 1
        for batch in run.batches:
            position += len(batch.events)
            self.assertEqual(batch.next_sequence, position)
            self.assertLessEqual(len(batch.events), 256)

    def test_raw_paths_are_set_where_and_only_where_the_printable_form_differs(self):
        files = self.client.scan(self.tree.root).files
        raw, = [file for file in files if file.raw_path]
        self.assertEqual(raw.raw_path, self.tree.path(b"\xff raw\n"))
        self.assertEqual(raw.path.encode(), self.tree.path(rb"\xff raw\x0a"))

    def test_one_event_a_message_when_asked_for(self):
        options = event_pb2.StreamOptions(max_batch_events=1)
        run = Run(self.client.run(scan_spec(self.tree.root), options=options))
        self.assertEqual({len(batch.events) for batch in run.batches} - {0}, {1})
        self.assert_complete(run)

    def test_watching_from_any_sequence_gives_the_same_events(self):
        run = self.client.scan(self.tree.root)
        for start in (0, 1, 2, 300, len(run.events)):
            watched = Run(self.client.watch(run.job.name, start_sequence=start))
            self.assertEqual(watched.events, run.events[max(start, 1) - 1:])
            self.assertEqual(watched.end, run.end)

    def test_many_watchers_of_a_running_job_all_see_everything(self):
        job = self.started()
        watchers = [self.client.watch(job.name) for _ in range(4)]
        # Read in turns: a paced job goes on only as all its watchers do.
        messages = [[] for _ in watchers]
        for responses in itertools.zip_longest(*watchers):
            for seen, response in zip(messages, responses):
                seen += [response] if response else []
        runs = [Run(seen) for seen in messages]
        self.assert_complete(runs[0])
        for run in runs[1:]:
            self.assertEqual(run.events, runs[0].events)

    def test_a_job_without_news_sends_heartbeats(self):
        big = self.enterContext(Tree())
        big.write(b"big", content=b"", size=8 << 30)
        with Sluiced(big.root) as server, Client(server.address) as client:
            call = client.run(
                scan_spec(big.root, digest_policy=scan_pb2.DIGEST_POLICY_ALL),
                options=event_pb2.StreamOptions(
                    heartbeat_interval=duration_pb2.Duration(nanos=100_000_000)))
            quiet = [r.batch for r in itertools.islice(call, 8) if not r.batch.events]
            call.cancel()
        self.assertGreaterEqual(len(quiet), 4)
        self.assertEqual(quiet[-1].next_sequence, quiet[-2].next_sequence)

    def test_a_tcp_port_of_the_systems_choice_works_as_well_as_a_socket(self):
        with Sluiced(self.tree.root, listen="127.0.0.1:0") as server, \
                Client(server.address) as client:
            self.assertEqual(len(client.scan(self.tree.root).files), FILES + 2)

    def test_nobody_listening_is_unavailable(self):
        with Client(f"unix:{self.server.dir}/nobody.sock") as client, \
                self.assertRaises(grpc.RpcError) as raised:
            client.list_jobs()
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_health_says_serving(self):
        check = self.client.channel.unary_unary("/grpc.health.v1.Health/Check")
        for service in ("", "sluice.v1.JobService", "sluice.v1.CatalogService"):
            request = bytes((0x0a, len(service))) + service.encode()
            self.assertEqual(check(request, timeout=PATIENCE_SECONDS), b"\x08\x01", service)


class Jobs(PythonClientTestCase):

    def test_a_started_job_runs_to_its_end_on_its_own(self):
        job = self.ended(self.client.start(scan_spec(self.tree.root)).name)
        self.assertEqual(job.state, job_pb2.JOB_STATE_SUCCEEDED)
        self.assertEqual(job.spec.pacing, job_pb2.PACING_FREE_RUNNING)
        self.assertEqual(job.spec.window, 1024)
        self.assertEqual(job.counters.items, FILES + 2)
        self.assertGreater(job.last_sequence, job.counters.items)
        self.assertLessEqual(job.create_time.ToNanoseconds(), job.start_time.ToNanoseconds())
        self.assertLessEqual(job.start_time.ToNanoseconds(), job.end_time.ToNanoseconds())

    def test_a_paced_job_waits_until_somebody_watches(self):
        job = self.started()
        wait_until(lambda: self.client.job(job.name).state == job_pb2.JOB_STATE_WAITING,
                   "WAITING")
        self.assertLess(self.client.job(job.name).last_sequence, FILES)
        run = Run(self.client.watch(job.name))
        self.assertEqual(run.end.state, job_pb2.JOB_STATE_SUCCEEDED)
        self.assertEqual(len(run.files), FILES + 2)

    def test_cancelling_is_idempotent_and_changes_no_ended_job(self):
        job = self.started()
        self.client.cancel(job.name)
        cancelled = self.ended(job.name)
        self.assertEqual(cancelled.state, job_pb2.JOB_STATE_CANCELLED)
        self.assertEqual(self.client.cancel(job.name), cancelled)
        done = self.client.scan(self.tree.root).job.name
        self.assertEqual(self.client.cancel(done).state, job_pb2.JOB_STATE_SUCCEEDED)

    def test_a_cancelled_scan_is_incomplete_and_can_be_read(self):
        job = self.started()
        self.client.cancel(job.name)
        self.ended(job.name)
        scan = self.client.get_scan(job.scan)
        self.assertEqual(scan.state, scan_pb2.Scan.STATE_INCOMPLETE)
        run = Run(self.client.watch(job.name))
        self.assertEqual(run.end.state, job_pb2.JOB_STATE_CANCELLED)
        self.assertEqual(scan.file_count, len(run.files))

    def test_leaving_a_run_cancels_the_job_unless_told_to_continue(self):
        request = job_service_pb2.RunJobRequest
        for choice, state in ((request.ON_DISCONNECT_UNSPECIFIED, job_pb2.JOB_STATE_CANCELLED),
                              (request.ON_DISCONNECT_CONTINUE, job_pb2.JOB_STATE_SUCCEEDED)):
            call = self.client.run(scan_spec(self.tree.root, window=1), on_disconnect=choice)
            name = next(call).batch.job.name
            call.cancel()
            if state == job_pb2.JOB_STATE_SUCCEEDED:
                Run(self.client.watch(name))
            self.assertEqual(self.ended(name).state, state)

    def test_leaving_a_watch_never_cancels_the_job(self):
        job = self.started()
        call = self.client.watch(job.name)
        next(call)
        call.cancel()
        wait_until(lambda: self.client.job(job.name).state == job_pb2.JOB_STATE_WAITING, "WAITING")
        self.assertEqual(Run(self.client.watch(job.name)).end.state, job_pb2.JOB_STATE_SUCCEEDED)

    def test_a_request_id_starts_one_job_however_often_it_is_sent(self):
        request_id = str(uuid.uuid4())
        spec = scan_spec(self.tree.root)
        first = self.client.start(spec, request_id=request_id)
        self.assertEqual(self.client.start(spec, request_id=request_id).name, first.name)
        run = self.client.scan(self.tree.root)
        self.assertNotEqual(run.job.name, first.name)

    def test_validate_only_starts_nothing(self):
        before = self.client.list_jobs().jobs
        job = self.client.start(scan_spec(self.tree.root), validate_only=True)
        self.assertEqual(job.name, "")
        self.assertEqual(job.spec.window, 1024)
        self.assertEqual(self.client.list_jobs().jobs[0].name, before[0].name)

    def test_jobs_are_listed_newest_first_in_pages_by_filter(self):
        label = {"list": "this"}
        names = [Run(self.client.run(scan_spec(self.tree.root, labels=label))).job.name
                 for _ in range(5)]
        listed, token = [], ""
        query = "kind=scan AND state=SUCCEEDED AND labels.list=this"
        while True:
            page = self.client.list_jobs(page_size=2, page_token=token, filter=query)
            self.assertLessEqual(len(page.jobs), 2)
            listed += [job.name for job in page.jobs]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(listed, names[::-1])
        self.assertFalse(self.client.list_jobs(filter="kind=reconcile AND labels.list=this").jobs)

    def test_the_server_says_what_it_is_and_may(self):
        info = self.client.jobs.GetServerInfo(job_service_pb2.GetServerInfoRequest(),
                                              timeout=PATIENCE_SECONDS)
        self.assertRegex(info.version, r"^\d+\.\d+\.\d+")
        self.assertEqual(set(info.job_kinds), {"scan", "reconcile", "apply"})
        self.assertEqual(list(info.allowed_roots), [os.fsdecode(self.tree.root)])
        self.assertEqual(len(info.digest_algorithms), 3)
        self.assertGreater(info.max_running_jobs, 0)
        self.assertGreater(info.max_streams, 0)

    def test_too_many_item_errors_fail_the_job_and_not_the_call(self):
        scan = self.client.scan(self.tree.root)
        moved = self.tree.path(b"d")
        os.rename(moved, moved + b"-moved")
        try:
            spec = reconcile_spec(scan.job.scan)
            spec.max_item_errors = 10
            run = Run(self.client.run(spec))
        finally:
            os.rename(moved + b"-moved", moved)
        self.assertEqual(run.end.state, job_pb2.JOB_STATE_FAILED)
        error = self.client.job(run.job.name).error
        self.assertEqual(error.code, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])


class Filters(PythonClientTestCase):

    def scanned(self, **spec):
        return {path_of(file)[len(self.tree.root) + 1:]
                for file in self.client.scan(self.tree.root, **spec).files}

    def test_only_what_is_asked_for_is_recorded(self):
        raw = {b"raw", b"\xff raw\n"}
        first = b"d/000000"
        self.assertEqual(self.scanned(max_depth=1), raw)
        self.assertEqual(self.scanned(exclude=["d/"]), raw)
        self.assertEqual(self.scanned(include=["000000"]), {first})
        self.assertEqual(self.scanned(min_size=3, max_size=3, include=["*raw*", "000000"]), raw)
        self.assertEqual(self.scanned(types=[file_pb2.FILE_TYPE_DIRECTORY]), {b"d"})

    def test_what_is_left_out_is_counted_and_told_on_request(self):
        run = self.client.scan(self.tree.root, exclude=["d/"], report_skipped=True)
        skipped, = run.skipped
        self.assertEqual(path_of(skipped), self.tree.path(b"d"))
        self.assertEqual(skipped.reason, file_pb2.SkippedItem.REASON_GLOB)
        self.assertEqual(run.end.summary.counters.skipped, 1)

    def test_the_servers_own_data_is_left_out_of_every_scan(self):
        data = os.fsdecode(self.tree.make_directory(b"data"))
        with Sluiced(self.tree.root, data_dir=data) as server, Client(server.address) as client:
            run = client.scan(self.tree.root, report_skipped=True)
        self.assertFalse([f for f in run.files if b"/data/" in path_of(f)])
        self.assertEqual([s.reason for s in run.skipped], [file_pb2.SkippedItem.REASON_PROTECTED])


class Catalog(PythonClientTestCase):

    def files(self, scan, **query):
        return [file for response in self.client.stream_files(scan, **query)
                for file in response.files]

    def test_the_files_of_a_scan_are_those_it_streamed_in_order(self):
        run = self.client.scan(self.tree.root, digest_policy=scan_pb2.DIGEST_POLICY_ALL)
        self.assertEqual(self.files(run.job.scan), run.files)
        scan = self.client.get_scan(run.job.scan)
        self.assertEqual((scan.state, scan.file_count, scan.job),
                         (scan_pb2.Scan.STATE_COMPLETE, len(run.files), run.job.name))
        self.assertEqual(scan.total_bytes, sum(file.size for file in run.files))

    def test_files_are_filtered_by_prefix_glob_size_and_digest(self):
        run = self.client.scan(self.tree.root, digest_policy=scan_pb2.DIGEST_POLICY_ALL)
        some = run.files[5]
        prefix = os.fsdecode(self.tree.path(b"d", b"0001"))
        for query, condition in (
                ({"path_prefix": prefix}, lambda f: f.path.startswith(prefix)),
                ({"path_glob": "**/*5"}, lambda f: f.path.endswith("5")),
                ({"min_size": 2, "max_size": 2}, lambda f: f.size == 2),
                ({"digest": some.digest}, lambda f: f.digest == some.digest)):
            with self.subTest(query=query):
                expected = [file for file in run.files if condition(file)]
                self.assertTrue(expected)
                self.assertEqual(self.files(run.job.scan, **query), expected)

    def test_a_stream_of_files_goes_on_where_it_was_left(self):
        run = self.client.scan(self.tree.root)
        call = self.client.stream_files(run.job.scan, max_batch_files=7)
        head = next(call)
        call.cancel()
        self.assertEqual(len(head.files), 7)
        rest = self.files(run.job.scan, start_position=head.next_position)
        self.assertEqual(list(head.files) + rest, run.files)

    def test_the_plans_of_a_job_are_those_it_streamed_in_order(self):
        run = self.client.reconcile(self.client.scan(self.tree.root).job.scan)

        def plans(**query):
            return [plan for response in self.client.stream_plans(run.job.name, **query)
                    for plan in response.plans]

        self.assertEqual(plans(), run.plans)
        head = next(self.client.stream_plans(run.job.name, max_batch_plans=3))
        self.assertEqual(list(head.plans) + plans(start_position=head.next_position), run.plans)
        some = run.plans[5]
        self.assertEqual(plans(digest=some.digest), [some])
        self.assertEqual(plans(min_recoverable_bytes=1 << 40), [])


class Restarts(unittest.TestCase):

    def setUp(self):
        self.tree = self.enterContext(Tree())
        self.tree.write_many(count=5_000, content=lambda i: b"%d" % i)
        self.data = self.enterContext(Tree())

    def server(self):
        return Sluiced(self.tree.root, data_dir=os.fsdecode(self.data.root))

    def test_what_a_job_has_left_behind_is_there_after_a_restart(self):
        with self.server() as server, Client(server.address) as client:
            run = client.scan(self.tree.root)
            job = client.job(run.job.name)
            self.assertEqual(server.stop(), 0)
        with self.server() as server, Client(server.address) as client:
            self.assertEqual(client.job(job.name), job)
            self.assertEqual(Run(client.watch(job.name)).events, run.events)

    def test_what_a_client_has_seen_survives_a_kill(self):
        name, seen = "", []
        with self.server() as server, Client(server.address) as client:
            call = client.run(scan_spec(self.tree.root))
            while len(seen) < 1_000:
                batch = next(call).batch
                name = name or batch.job.name
                seen += batch.events
            server.kill()
        with self.server() as server, Client(server.address) as client:
            kept = []
            for response in client.watch(name):
                kept += response.batch.events
                if len(kept) >= len(seen):
                    break
            self.assertEqual(kept[:len(seen)], seen)


if __name__ == "__main__":
    main()
