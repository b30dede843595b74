#!/usr/bin/python3
"""A disk that is full, fails or turns read-only under the catalog: the job that cannot store is
PAUSED and says why, the server goes on answering, and nothing that was acknowledged is lost."""

import unittest

import grpc

from harness import disks, strace
from harness.follower import NARROW, Follower, resume, watch_again
from harness.options import LONG, main, report
from harness.server import MortalServer
from harness.verdicts import assert_succeeded, files_of
from support.client import ENDED, Client, RpcFailure, path_of, scan_spec
from support.contract import job_pb2, job_service_pb2
from support.environment import PATIENCE_SECONDS, wait_until
from support.trees import Tree

DIRECTORIES, FILES = 8, 1000
WINDOW = 256
HELD_AFTER = 500
TMPFS_BYTES = 32 << 20

FULL, BROKEN = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE
# The first call of a thread that fails.
NTH = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144) if LONG else (1,)


def setUpModule():
    tree = unittest.enterModuleContext(Tree())
    for i in range(DIRECTORIES):
        tree.write_many(b"%02d" % i, count=FILES // 2, content=lambda i: b"")
        tree.link_many(b"%02d" % i, count=FILES // 2)
    DiskTestCase.tree = tree


class DiskTestCase(unittest.TestCase):
    tree = None

    def serve(self, data_dir=None):
        """A server with a scan that is in its middle and waits for its follower."""
        self.server = self.enterContext(
            MortalServer(self.tree.root, data_dir=data_dir, flags=("--job_threads=2",)))
        self.server.start()
        self.client = self.enterContext(Client(self.server.address))
        self.job = self.client.start(scan_spec(
            self.tree.root, pacing=job_pb2.PACING_PACED_BY_CONSUMER, window=WINDOW)).name
        self.follower = Follower(self.server.address, self.job, HELD_AFTER, NARROW)
        self.addCleanup(self.follower.stop)
        self.assertTrue(self.follower.held.wait(PATIENCE_SECONDS))
        self.wait_for(job_pb2.JOB_STATE_WAITING)

    def wait_for(self, *states):
        return wait_until(lambda: (job := self.client.job(self.job)).state in states and job,
                          f"{self.job} to be {[job_pb2.JobState.Name(state) for state in states]}")

    def assert_paused_by(self, code):
        """The job is PAUSED for that reason, and the server answers."""
        job = self.wait_for(job_pb2.JOB_STATE_PAUSED)
        self.assertEqual(job.error.code, code.value[0], job.error)
        request = job_service_pb2.GetServerInfoRequest()
        self.client.jobs.GetServerInfo(request, timeout=PATIENCE_SECONDS)
        self.assertEqual(self.client.list_jobs().jobs[0].name, self.job)
        report(f"{self.job}: PAUSED at event {job.last_sequence}: {job.error.message}")

    def assert_not_resumed(self, code):
        with self.assertRaises(grpc.RpcError) as caught:
            resume(self.client, self.job)
        self.assertEqual(RpcFailure(caught.exception).code, code)
        self.assertEqual(self.client.job(self.job).state, job_pb2.JOB_STATE_PAUSED)

    def assert_ends_whole(self):
        events = self.follower.result()
        assert_succeeded(self, events)
        files = files_of(events)
        self.assertEqual((len(files), len(set(map(path_of, files)))), (DIRECTORIES * FILES,) * 2)
        self.assertEqual(watch_again(self.client, self.job), self.follower.events)
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.server.integrity(), "ok")


class FullDisk(DiskTestCase):

    def test_pauses_the_job_until_there_is_room_and_it_is_resumed(self):
        data_dir = self.enterContext(disks.tmpfs(TMPFS_BYTES))
        self.serve(data_dir)
        filler = disks.fill_up(data_dir)
        self.follower.release()
        self.assert_paused_by(FULL)
        self.assert_not_resumed(FULL)
        filler.unlink()
        resume(self.client, self.job)
        self.assert_ends_whole()

    def test_is_survived_by_kill_and_restart(self):
        data_dir = self.enterContext(disks.tmpfs(TMPFS_BYTES))
        self.serve(data_dir)
        filler = disks.fill_up(data_dir)
        self.follower.release()
        self.assert_paused_by(FULL)
        self.server.kill()
        filler.unlink()
        self.server.start()
        self.assert_ends_whole()


class ReadOnlyFileSystem(DiskTestCase):

    def test_pauses_the_job_which_goes_on_after_a_remount_and_a_restart(self):
        disk = self.enterContext(disks.Ext4())
        self.serve(disk.path / "data")
        disk.make_read_only()
        self.follower.release()
        self.assert_paused_by(BROKEN)
        self.assert_not_resumed(BROKEN)
        self.assertEqual(self.server.stop(), 0)
        disk.unmount()
        disk.mount()
        self.server.start()
        self.assert_ends_whole()


class FailingCalls(DiskTestCase):
    """Errors of single system calls on the catalog's files, in a server that goes on running."""

    def end_by_resuming(self):
        """Each thread's call fails once: as often as it is PAUSED again it is resumed again."""
        while self.wait_for(job_pb2.JOB_STATE_PAUSED, *ENDED).state == job_pb2.JOB_STATE_PAUSED:
            try:
                resume(self.client, self.job)
            except grpc.RpcError as error:
                self.assertIn(error.code(), (FULL, BROKEN))

    def fail(self, calls, error, when):
        self.serve()
        catalog = self.server.catalog
        return strace.failing(self.server, calls, error, when,
                              (catalog, catalog.with_name(catalog.name + "-wal")))

    def test_that_fail_once_are_made_good_by_resuming(self):
        for call in ("pwrite64", "fdatasync"):
            for nth in NTH:
                with self.subTest(call=call, nth=nth), self.fail([call], "EIO", nth) as failed:
                    self.follower.release()
                    self.end_by_resuming()
                    self.assert_ends_whole()
                    report(f"{call} number {nth} of a thread: {failed()} have failed")
                    self.assertTrue(failed() or nth > 1)

    def test_that_go_on_failing_keep_the_job_paused_until_they_stop(self):
        for call, error, code in (("pwrite64", "EIO", BROKEN), ("fdatasync", "EIO", BROKEN),
                                  ("pwrite64", "EROFS", BROKEN), ("pwrite64", "ENOSPC", FULL)):
            for nth in NTH:
                with self.subTest(call=call, error=error, nth=nth):
                    with self.fail([call], error, f"{nth}+") as failed:
                        self.follower.release()
                        job = self.wait_for(job_pb2.JOB_STATE_PAUSED, *ENDED)
                        if nth == 1 or job.state == job_pb2.JOB_STATE_PAUSED:
                            self.assertGreater(failed(), 0)
                            self.assert_paused_by(code)
                    self.end_by_resuming()
                    self.assert_ends_whole()


if __name__ == "__main__":
    main()
