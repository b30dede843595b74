#!/usr/bin/python3
"""A stalled, a slow and a fast watcher of one job: what each of them got, and what it cost.

A free-running job leaves the slow ones behind, and costs memory to nobody for it; a paced one
keeps them together, within its window and what the transport takes unasked.
"""

import threading
import time
import unittest

from harness.follower import NARROW
from harness.memory import MemoryMeter, mib
from harness.options import LONG, main, report
from harness.server import MortalServer
from support.client import Client, scan_spec
from support.contract import job_pb2
from support.environment import PATIENCE_SECONDS, wait_until, wait_until_steady
from support.trees import Tree

FILES = 200_000 if LONG else 20_000
NAMES_OF_A_DIRECTORY = 1_000
WINDOW = 1024
STALLED_AFTER = 1  # Event: it reads no further.
SLOW_SECONDS = 0.1  # Between two messages.

# Of a client that does not read, its HTTP/2 window and one message that was read ahead; and the
# message that the server is writing. A message is cut at about 64 KiB.
TRANSPORT_BYTES = 3 * 64 * 1024
SMALLEST_EVENT_BYTES = 100
BOUND = STALLED_AFTER + WINDOW + TRANSPORT_BYTES // SMALLEST_EVENT_BYTES

# What the server may hold for three readers: messages, pages of the catalog, the ring; and what the
# catalog's caches take while 200,000 events are written.
MEMORY_KIB = 64 * 1024


class Watcher(threading.Thread):
    """Reads a job at its own speed, until it ends."""

    def __init__(self, address, name, pause=0.0, stall_after=None):
        super().__init__(daemon=True)
        self.address, self.job, self.pause, self.stall_after = address, name, pause, stall_after
        self.got, self.failure = 0, None
        self.go_on = threading.Event()
        self.start()

    def run(self):
        try:
            with Client(self.address, NARROW) as client:
                for response in client.watch(self.job):
                    self._take(response.batch.events)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def _take(self, events):
        for event in events:
            if event.sequence != self.got + 1:
                raise AssertionError(f"event {event.sequence} came after {self.got}")
            self.got += 1
        if self.stall_after is not None and self.got >= self.stall_after:
            self.go_on.wait()
        elif self.pause and not self.go_on.is_set():
            self.go_on.wait(self.pause)

    def hurry(self):
        """From now on as fast as it can."""
        self.stall_after = None
        self.go_on.set()

    def finish(self):
        self.hurry()
        self.join(PATIENCE_SECONDS)
        if self.failure is not None:
            raise self.failure
        if self.is_alive():
            raise AssertionError(f"{self.got} events came, and no end")


class Watchers(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.tree = cls.enterClassContext(Tree())
        for i in range(FILES // NAMES_OF_A_DIRECTORY):
            count = NAMES_OF_A_DIRECTORY // 2
            cls.tree.write_many(b"%03d" % i, count=count, content=lambda i: b"")
            cls.tree.link_many(b"%03d" % i, count=count)

    def setUp(self):
        self.server = self.enterContext(MortalServer(self.tree.root)).start()
        self.client = self.enterContext(Client(self.server.address))
        self.meter = self.enterContext(MemoryMeter(self.server))

    def watch(self, pacing):
        """The job's name and its watchers: stalled, slow, fast."""
        name = self.client.start(scan_spec(self.tree.root, pacing=pacing, window=WINDOW)).name
        watchers = [Watcher(self.server.address, name, **how)
                    for how in ({"stall_after": STALLED_AFTER}, {"pause": SLOW_SECONDS}, {})]
        for watcher in watchers:
            self.addCleanup(watcher.finish)
        self.began = time.monotonic()
        return name, watchers

    def show(self, name, watchers, what):
        got = "".join(f"{watcher.got:>9}" for watcher in watchers)
        report(f"{time.monotonic() - self.began:6.2f} s {self.client.job(name).last_sequence:>9}"
               f"{got}   {mib(self.meter.peak()):>10}   {what}")

    def head(self, pacing):
        report(f"\n{pacing}, {FILES} files\n    time       job  stalled     slow     fast     "
               "resident at most until then")

    def assert_all_complete(self, name, watchers):
        before = self.meter.now()
        for watcher in watchers:
            watcher.hurry()
        for watcher in watchers:
            watcher.finish()
        self.show(name, watchers, "all read")
        last = self.client.job(name).last_sequence
        self.assertEqual([watcher.got for watcher in watchers], [last] * 3)
        self.assertEqual(last, FILES + 1)
        self.assertLess(self.meter.now(), MEMORY_KIB, f"{before} KiB before the slow ones read")

    def test_of_a_free_running_job_go_each_at_their_own_speed(self):
        name, watchers = self.watch(job_pb2.PACING_FREE_RUNNING)
        stalled, slow, fast = watchers
        self.head("free running")
        for part in (4, 2, 1):
            wait_until(lambda part=part: fast.got >= FILES // part, "the fast watcher")
            self.show(name, watchers, f"the fast one has 1/{part}")
        wait_until(lambda: not fast.is_alive(), "the end of the fast watcher")
        self.assertLess(stalled.got, BOUND)
        self.assertLess(slow.got, FILES)
        self.assert_all_complete(name, watchers)

    def test_of_a_paced_job_are_never_further_apart_than_its_window(self):
        name, watchers = self.watch(job_pb2.PACING_PACED_BY_CONSUMER)
        stalled, slow, fast = watchers
        self.head(f"paced, window {WINDOW}")
        last = wait_until_steady(lambda: self.client.job(name).last_sequence, "the job")
        self.show(name, watchers, f"steady; the bound is {BOUND}")
        self.assertEqual(self.client.job(name).state, job_pb2.JOB_STATE_WAITING)
        self.assertLessEqual(last, BOUND)
        self.assertLessEqual(max(slow.got, fast.got), BOUND)
        self.assertGreater(min(slow.got, fast.got), stalled.got)
        stalled.hurry()
        wait_until(lambda: slow.got >= FILES // 10, "the slow watcher")
        self.show(name, watchers, "the stalled one goes on, the slow one is the slowest")
        self.assertLessEqual(fast.got - slow.got, BOUND)
        self.assert_all_complete(name, watchers)


if __name__ == "__main__":
    main()
