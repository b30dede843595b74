#!/usr/bin/python3
"""What goes wrong says so: every error of the contract through real gRPC, with its details, and
every way to start the server wrongly, in one line."""

import os
import pathlib
import socket
import sqlite3
import tempfile
import unittest
import uuid

import grpc
from google.protobuf import duration_pb2

from support.client import (ENDED, Client, RpcFailure, Run, path_of, reason_of, reconcile_spec,
                            scan_spec)
from support.contract import event_pb2, job_pb2, plan_pb2, scan_pb2
from support.environment import main, wait_until
from support.sluiced import Sluiced, refusal
from support.trees import Tree

UNKNOWN_ID = "0198c0de-0000-7000-8000-000000000000"
CODE = grpc.StatusCode


class RpcErrorTestCase(unittest.TestCase):

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.tree = cls.enterClassContext(Tree())
        cls.tree.write(b"file")
        cls.tree.write(b"copy")
        cls.server = cls.enterClassContext(Sluiced(cls.tree.root, flags=cls.flags))
        cls.client = cls.enterClassContext(Client(cls.server.address))

    def failure(self, call):
        """What call() fails with. Streams are read to their end."""
        with self.assertRaises(grpc.RpcError) as raised:
            answer = call()
            if isinstance(answer, grpc.RpcError):
                list(answer)
        failure = RpcFailure(raised.exception)
        self.assertEqual(failure.details["ErrorInfo"].domain, "sluice")
        self.assertRegex(failure.reason, r"^[A-Z][A-Z0-9_]+$")
        self.assertNotIn("\n", failure.message)
        return failure

    def run_failure(self, spec, **request):
        """Of RunJob; StartJob must say the same."""
        ran = self.failure(lambda: self.client.run(spec, **request))
        started = self.failure(lambda: self.client.start(spec, validate_only=True))
        self.assertEqual((ran.code, ran.message), (started.code, started.message))
        return ran

    def waiting_job(self):
        job = self.client.start(scan_spec(self.tree.root, window=1,
                                          pacing=job_pb2.PACING_PACED_BY_CONSUMER))
        self.addCleanup(self.client.cancel, job.name)
        return job


class InvalidArguments(RpcErrorTestCase):

    def assert_invalid(self, failure, *fields):
        self.assertEqual(failure.code, CODE.INVALID_ARGUMENT)
        self.assertEqual(failure.fields, list(fields))
        for violation in failure.details["BadRequest"].field_violations:
            self.assertTrue(violation.description)

    def test_scan_specs(self):
        root = os.fsdecode(self.tree.root)
        for spec, field in (
                (scan_spec(), "spec.scan.roots"),
                (scan_spec(*[root] * 1001), "spec.scan.roots"),
                (scan_spec("relative/path"), "spec.scan.roots[0]"),
                (scan_spec(""), "spec.scan.roots[0]"),
                (scan_spec(root + "\0"), "spec.scan.roots[0]"),
                (scan_spec(root, root + "/below"), "spec.scan.roots[1]"),
                (scan_spec(root, min_size=2, max_size=1), "spec.scan.min_size"),
                (scan_spec(root, max_depth=0), "spec.scan.max_depth"),
                (scan_spec(root, types=[99]), "spec.scan.types[0]"),
                (scan_spec(root, digest_policy=99), "spec.scan.digest_policy"),
                (scan_spec(root, digest_algorithm=99), "spec.scan.digest_algorithm"),
                (scan_spec(root, read_threads=65), "spec.scan.read_threads"),
                (scan_spec(root, modified_after={"seconds": 2}, modified_before={"seconds": 1}),
                 "spec.scan.modified_after")):
            with self.subTest(field=field):
                self.assert_invalid(self.run_failure(spec), field)

    def test_reconcile_specs(self):
        scan, rule = f"scans/{UNKNOWN_ID}", plan_pb2.KeepRule
        for spec, field in (
                (reconcile_spec(), "spec.reconcile.scans"),
                (reconcile_spec("nonsense"), "spec.reconcile.scans[0]"),
                (reconcile_spec(scan, scan), "spec.reconcile.scans[1]"),
                (reconcile_spec(scan, min_size=2, max_size=1), "spec.reconcile.min_size"),
                (reconcile_spec(scan, scope=99), "spec.reconcile.scope"),
                (reconcile_spec(scan, min_copies=1), "spec.reconcile.min_copies"),
                (reconcile_spec(scan, action=99), "spec.reconcile.action"),
                (reconcile_spec(scan, order=99), "spec.reconcile.order"),
                (reconcile_spec(scan, digest_algorithm=99), "spec.reconcile.digest_algorithm"),
                (reconcile_spec(scan, read_threads=65), "spec.reconcile.read_threads"),
                (reconcile_spec(scan, keep=[rule()]), "spec.reconcile.keep[0].criterion"),
                (reconcile_spec(scan, keep=[rule(criterion=rule.CRITERION_PATH_GLOB)]),
                 "spec.reconcile.keep[0].pattern"),
                (reconcile_spec(scan, keep=[rule(criterion=rule.CRITERION_OLDEST, pattern="x")]),
                 "spec.reconcile.keep[0].pattern")):
            with self.subTest(field=field):
                self.assert_invalid(self.run_failure(spec), field)

    def test_job_specs(self):
        def spec(**fields):
            fields.setdefault("scan", scan_pb2.ScanSpec(roots=[os.fsdecode(self.tree.root)]))
            return job_pb2.JobSpec(**fields)

        for wrong, field in (
                (job_pb2.JobSpec(), "spec"),
                (spec(window=65_537), "spec.window"),
                (spec(pacing=99), "spec.pacing"),
                (spec(labels={f"k{i}": "v" for i in range(65)}), "spec.labels"),
                (spec(labels={"k" * 64: "v"}), "spec.labels"),
                (spec(labels={"k": "v" * 256}), "spec.labels"),
                (spec(labels={"": "v"}), "spec.labels")):
            with self.subTest(field=field):
                failure = self.run_failure(wrong)
                self.assertEqual(failure.code, CODE.INVALID_ARGUMENT)
                self.assertEqual([f.partition("[")[0] for f in failure.fields], [field])

    def test_all_that_is_wrong_is_said_at_once(self):
        failure = self.run_failure(scan_spec("relative", read_threads=65))
        self.assert_invalid(failure, "spec.scan.roots[0]", "spec.scan.read_threads")

    def test_stream_options(self):
        job = self.client.scan(self.tree.root).job.name
        options, duration = event_pb2.StreamOptions, duration_pb2.Duration
        for wrong, field in (
                (options(max_batch_events=4097), "options.max_batch_events"),
                (options(max_batch_delay=duration(seconds=11)), "options.max_batch_delay"),
                (options(max_batch_delay=duration(seconds=-1)), "options.max_batch_delay"),
                (options(heartbeat_interval=duration(nanos=1)), "options.heartbeat_interval"),
                (options(heartbeat_interval=duration(seconds=16)), "options.heartbeat_interval")):
            with self.subTest(field=field):
                for call in (lambda: self.client.watch(job, options=wrong),
                             lambda: self.client.run(scan_spec(self.tree.root), options=wrong)):
                    self.assert_invalid(self.failure(call), field)

    def test_names_pages_and_requests(self):
        job = self.client.scan(self.tree.root).job
        client, spec = self.client, scan_spec(self.tree.root)
        for call, field in (
                (lambda: client.start(spec, request_id="no uuid"), "request_id"),
                (lambda: client.run(spec, request_id="no uuid"), "request_id"),
                (lambda: client.run(spec, on_disconnect=99), "on_disconnect"),
                (lambda: client.job(""), "name"),
                (lambda: client.cancel(""), "name"),
                (lambda: client.watch(""), "name"),
                (lambda: client.watch(job.name, start_sequence=2, from_now=True), "from_now"),
                (lambda: client.list_jobs(page_size=-1), "page_size"),
                (lambda: client.list_jobs(page_token="nonsense"), "page_token"),
                (lambda: client.list_jobs(filter="colour=blue"), "filter"),
                (lambda: client.list_jobs(filter="state=NO_STATE"), "filter"),
                (lambda: client.get_scan(""), "name"),
                (lambda: client.stream_files(""), "scan"),
                (lambda: client.stream_files(job.scan, digest="md5:00"), "digest"),
                (lambda: client.stream_files(job.scan, min_size=2, max_size=1), "min_size"),
                (lambda: client.stream_files(job.scan, max_batch_files=4097), "max_batch_files"),
                (lambda: client.stream_plans(""), "job"),
                (lambda: client.stream_plans(job.name, digest="md5:00"), "digest"),
                (lambda: client.stream_plans(job.name, max_batch_plans=4097), "max_batch_plans")):
            with self.subTest(field=field):
                self.assert_invalid(self.failure(call), field)


class Roots(RpcErrorTestCase):

    def test_a_root_outside_of_the_allowed_ones_is_denied_whether_it_exists_or_not(self):
        beside = os.fsdecode(self.tree.root)
        failures = [self.run_failure(scan_spec(root))
                    for root in ("/etc", "/nowhere", "/", beside + "-beside", beside + "/../x")]
        for failure in failures:
            self.assertEqual(failure.code, CODE.PERMISSION_DENIED)
        self.assertEqual(failures[0].message.replace("/etc", "/nowhere"), failures[1].message)

    def test_no_link_leads_out_of_the_allowed_roots(self):
        outside = self.enterContext(Tree())
        outside.write(b"below", b"secret")
        link = self.tree.symlink(outside.root, b"link")
        self.addCleanup(os.unlink, link)
        for root in (link, link + b"/below", self.tree.path(b"..", os.path.basename(outside.root))):
            failure = self.run_failure(scan_spec(root))
            self.assertIn(failure.code, (CODE.PERMISSION_DENIED, CODE.FAILED_PRECONDITION))
        self.assertNotIn(b"secret", b"".join(
            path_of(file) for file in self.client.scan(self.tree.root).files))

    def test_a_missing_root_is_not_found(self):
        failure = self.run_failure(scan_spec(self.tree.path(b"missing")))
        self.assertEqual(failure.code, CODE.NOT_FOUND)
        self.assertEqual(failure.details["ResourceInfo"].resource_name,
                         os.fsdecode(self.tree.path(b"missing")))

    def test_a_root_that_is_no_directory_is_a_failed_precondition(self):
        failure = self.run_failure(scan_spec(self.tree.path(b"file")))
        self.assertEqual(failure.code, CODE.FAILED_PRECONDITION)
        self.assertTrue(failure.details["PreconditionFailure"].violations)

    def test_a_server_without_allowed_roots_scans_nothing(self):
        with Sluiced() as server, Client(server.address) as client:
            failure = self.failure(lambda: client.run(scan_spec(self.tree.root)))
        self.assertEqual(failure.code, CODE.PERMISSION_DENIED)


class Resources(RpcErrorTestCase):

    def test_unknown_jobs_and_scans_are_not_found(self):
        job, scan = f"jobs/{UNKNOWN_ID}", f"scans/{UNKNOWN_ID}"
        client = self.client
        for call, name in (
                (lambda: client.job(job), job),
                (lambda: client.cancel(job), job),
                (lambda: client.watch(job), job),
                (lambda: client.stream_plans(job), job),
                (lambda: client.get_scan(scan), scan),
                (lambda: client.stream_files(scan), scan),
                (lambda: client.run(reconcile_spec(scan)), scan)):
            failure = self.failure(call)
            self.assertEqual(failure.code, CODE.NOT_FOUND)
            self.assertEqual(failure.details["ResourceInfo"].resource_name, name)

    def test_names_of_another_form_are_unknown_too(self):
        client = self.client
        for call in (lambda: client.job("scans/x"), lambda: client.watch("nonsense"),
                     lambda: client.cancel("jobs/"), lambda: client.get_scan("jobs/x"),
                     lambda: client.stream_files("\n"), lambda: client.stream_plans("jobs/../x")):
            failure = self.failure(call)
            self.assertEqual(failure.code, CODE.NOT_FOUND)
            self.assertIn("ResourceInfo", failure.details)

    def test_the_job_of_a_reconcile_is_no_scan(self):
        run = self.client.reconcile(self.client.scan(self.tree.root).job.scan)
        scan = run.job.name.replace("jobs/", "scans/")
        self.assertEqual(self.failure(lambda: self.client.get_scan(scan)).code, CODE.NOT_FOUND)

    def test_a_request_id_with_another_spec_already_exists(self):
        request_id = str(uuid.uuid4())
        self.client.start(scan_spec(self.tree.root), request_id=request_id)
        failure = self.failure(lambda: self.client.start(scan_spec(self.tree.root, max_depth=1),
                                                         request_id=request_id))
        self.assertEqual(failure.code, CODE.ALREADY_EXISTS)

    def test_a_scan_that_is_not_complete_cannot_be_reconciled(self):
        job = self.waiting_job()
        for state in ("running", "cancelled"):
            if state == "cancelled":
                self.client.cancel(job.name)
                wait_until(lambda: self.client.job(job.name).state in ENDED, "the end")
            failure = self.failure(lambda: self.client.run(reconcile_spec(job.scan)))
            self.assertEqual(failure.code, CODE.FAILED_PRECONDITION)
            violation, = failure.details["PreconditionFailure"].violations
            self.assertEqual(violation.subject, job.scan)

    def test_a_scan_has_no_plans(self):
        job = self.client.scan(self.tree.root).job.name
        failure = self.failure(lambda: self.client.stream_plans(job))
        self.assertEqual(failure.code, CODE.FAILED_PRECONDITION)
        self.assertIn("PreconditionFailure", failure.details)

    def test_a_sequence_beyond_the_end_is_out_of_range_and_never_a_silent_end(self):
        run = self.client.scan(self.tree.root)
        after = run.batches[-1].next_sequence
        self.assertEqual(Run(self.client.watch(run.job.name, start_sequence=after)).end, run.end)
        failure = self.failure(lambda: self.client.watch(run.job.name, start_sequence=after + 1))
        self.assertEqual((failure.code, failure.reason), (CODE.OUT_OF_RANGE, "EVENTS_EXPIRED"))
        self.assertEqual(failure.details["ErrorInfo"].metadata["oldest_sequence"], "1")

    def test_the_failure_of_an_item_is_an_event_and_not_an_error_of_the_call(self):
        scan = self.client.scan(self.tree.root)
        os.rename(self.tree.path(b"copy"), self.tree.path(b"moved"))
        self.addCleanup(os.rename, self.tree.path(b"moved"), self.tree.path(b"copy"))
        run = self.client.reconcile(scan.job.scan)
        self.assertEqual(run.end.state, job_pb2.JOB_STATE_SUCCEEDED)
        error, = run.errors
        self.assertEqual(reason_of(error), "ITEM_VANISHED")
        self.assertEqual(error.status.code, CODE.NOT_FOUND.value[0])


class Limits(RpcErrorTestCase):

    flags = ("--max_running_jobs=1", "--max_queued_jobs=1", "--max_streams=2")

    def assert_exhausted(self, failure):
        self.assertEqual(failure.code, CODE.RESOURCE_EXHAUSTED)
        self.assertTrue(failure.details["QuotaFailure"].violations)
        self.assertGreater(failure.details["RetryInfo"].retry_delay.ToMilliseconds(), 0)

    def test_too_many_jobs(self):
        running = self.waiting_job()
        queued = self.client.start(scan_spec(self.tree.root))
        self.assertEqual(queued.state, job_pb2.JOB_STATE_QUEUED)
        self.assert_exhausted(self.failure(lambda: self.client.start(scan_spec(self.tree.root))))
        self.client.cancel(running.name)
        wait_until(lambda: self.client.job(queued.name).state in ENDED, "the queued job's turn")
        self.client.scan(self.tree.root)

    def test_too_many_streams(self):
        self.addCleanup(os.unlink, self.tree.write(b"keeps it busy", content=b"", size=64 << 30))
        job = self.client.start(scan_spec(self.tree.root,
                                          digest_policy=scan_pb2.DIGEST_POLICY_ALL))
        self.addCleanup(self.client.cancel, job.name)
        calls = [self.client.watch(job.name) for _ in range(2)]
        for call in calls:
            next(call)
        self.assert_exhausted(self.failure(lambda: self.client.watch(job.name)))
        self.client.job(job.name)  # Unary calls still pass.
        for call in calls:
            call.cancel()


class Draining(unittest.TestCase):

    def test_streams_end_as_unavailable_and_the_server_exits_with_0(self):
        tree = self.enterContext(Tree())
        tree.write_many(count=5_000, content=lambda i: b"%d" % i)
        server = self.enterContext(Sluiced(tree.root))
        client = self.enterContext(Client(server.address))
        call = client.run(scan_spec(tree.root, window=1))
        batches = [next(call).batch]
        server.process.terminate()
        with self.assertRaises(grpc.RpcError) as raised:
            for response in call:
                batches.append(response.batch)
        failure = RpcFailure(raised.exception)
        self.assertEqual(failure.code, CODE.UNAVAILABLE)
        self.assertGreater(failure.details["RetryInfo"].retry_delay.ToMilliseconds(), 0)
        self.assertEqual(batches[-1].end.reason, event_pb2.StreamEnd.REASON_DRAINING)
        self.assertEqual(server.process.wait(30), 0)


class CommandLine(unittest.TestCase):
    """One line that says what is wrong; 2 for what was typed, 1 for what was met."""

    def setUp(self):
        self.dir = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="sluiced-")))
        self.data = self.dir / "data"
        self.data.mkdir()
        self.listen = f"--listen=unix:{self.dir}/s.sock"

    def assert_refused(self, status, *words, arguments, **popen):
        got, message = refusal(*arguments, **popen)
        self.assertEqual(got, status, message)
        self.assertEqual(message.count("\n"), 1, message)
        for word in words:
            self.assertIn(str(word), message)

    def test_wrong_flags(self):
        for arguments, word in (
                (["--no_such_flag"], "--no_such_flag"),
                (["--listen=nonsense"], "nonsense"),
                (["--listen=127.0.0.1:99999"], "99999"),
                ([self.listen, "--data_dir"], "--data_dir"),
                ([self.listen, f"--data_dir={self.data}", "stray"], "stray"),
                ([self.listen, f"--data_dir={self.data}", "--allow_root=relative"], "relative")):
            with self.subTest(arguments=arguments):
                self.assert_refused(2, word, arguments=arguments)

    def test_plaintext_on_other_than_loopback_wants_to_be_meant(self):
        arguments = ["--listen=0.0.0.0:0", f"--data_dir={self.data}"]
        self.assert_refused(2, "--insecure_plaintext", arguments=arguments)
        with Sluiced(listen="0.0.0.0:0", flags=("--insecure_plaintext",)):
            pass

    def test_a_root_that_is_missing_or_no_directory(self):
        file = self.dir / "file"
        file.touch()
        for root in (self.dir / "missing", file):
            self.assert_refused(1, root, arguments=[self.listen, f"--data_dir={self.data}",
                                                    f"--allow_root={root}"])

    def test_a_socket_or_port_in_use(self):
        with Sluiced() as server:
            self.assert_refused(1, server.address.partition(":")[2], arguments=[
                f"--listen={server.address}", f"--data_dir={self.data}"])
            with Client(server.address) as client:
                client.list_jobs()  # The first one still answers.
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.assert_refused(1, address, arguments=[
                f"--listen={address}", f"--data_dir={self.data}"])

    def test_a_socket_that_a_dead_server_left_behind_is_no_hindrance(self):
        path = self.dir / "s.sock"
        with Sluiced(listen=f"unix:{path}") as server:
            server.kill()
        self.assertTrue(path.exists())
        with Sluiced(listen=f"unix:{path}") as server, Client(server.address) as client:
            client.list_jobs()

    def test_a_file_in_the_place_of_the_socket_is_left_alone(self):
        path = self.dir / "s.sock"
        path.write_text("precious")
        self.assert_refused(1, path, arguments=[self.listen, f"--data_dir={self.data}"])
        self.assertEqual(path.read_text(), "precious")

    def test_a_data_directory_that_cannot_be_used(self):
        file = self.dir / "file"
        file.touch()
        for place in (file, file / "below", "/proc/sluice"):
            self.assert_refused(1, place, arguments=[self.listen, f"--data_dir={place}"])

    @unittest.skipIf(os.geteuid() != 0, "only root can become another user")
    def test_a_data_directory_of_somebody_else(self):
        with Sluiced(uid=65534) as server:
            self.assert_refused(
                1, self.data, program=server.dir / "sluiced", user=65534, group=65534,
                extra_groups=[], arguments=[f"--listen=unix:{server.dir}/other.sock",
                                            f"--data_dir={self.data}"])

    def test_a_catalog_that_another_server_has(self):
        with Sluiced(data_dir=self.data):
            self.assert_refused(1, self.data, arguments=[self.listen, f"--data_dir={self.data}"])

    def catalog_file(self):
        with Sluiced(data_dir=self.data) as server:
            server.stop()
        file, = [path for path in self.data.rglob("*")
                 if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]
        return file

    def test_a_damaged_catalog_is_refused_and_left_as_it_is(self):
        file = self.catalog_file()
        for damage in (b"this is no catalog, it only has its name" * 1000,
                       file.read_bytes()[:100] + b"\xa5" * (file.stat().st_size - 100)):
            file.write_bytes(damage)
            self.assert_refused(1, file.name, arguments=[self.listen, f"--data_dir={self.data}"])
            self.assertEqual(file.read_bytes(), damage)

    def test_a_catalog_of_a_newer_version_is_refused_and_left_as_it_is(self):
        file = self.catalog_file()
        with sqlite3.connect(file) as catalog:
            catalog.execute("PRAGMA user_version = 1000000")
        catalog.close()
        before = file.read_bytes()
        self.assert_refused(1, "newer", arguments=[self.listen, f"--data_dir={self.data}"])
        self.assertEqual(file.read_bytes(), before)


if __name__ == "__main__":
    main()
