"""A client that does not give up: it follows a job through any number of deaths of the server."""

import threading
import time
import uuid

import grpc

from support.client import Client
from support.contract import event_pb2, job_service_pb2
from support.environment import PATIENCE_SECONDS

# Back at once: the restarts are what is tested, not the waiting.
EAGER = (("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 20),
         ("grpc.max_reconnect_backoff_ms", 100), ("grpc.use_local_subchannel_pool", 1))
# The same with the smallest HTTP/2 windows: it stops the server soon after it stops reading.
NARROW = (*EAGER, ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16384))
RETRY_SECONDS = 0.01


def _gone(error):
    """gRPC answers a call that comes while its server shuts down with CANCELLED."""
    return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def patiently(call, seconds=PATIENCE_SECONDS):
    """The result of call(), which is made again while there is no server."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if not _gone(error) or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)


def start_once(address, spec, rng):
    """Starts a job although the server may die meanwhile: the request is repeated, the job not."""
    request_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    with Client(address, EAGER) as client:
        return patiently(lambda: client.start(spec, request_id=request_id))


class Follower(threading.Thread):
    """Reads a job from its first event to its end, whatever happens to the server.

    Every message must go on where the one before it ended. `events` holds the bytes of each event,
    `end` the last message's; `failure` is what went wrong, raised by result(). With `hold_after` it
    stops reading after so many events, until release().
    """

    def __init__(self, address, name, hold_after=None, options=EAGER):
        super().__init__(name=f"follower of {name}", daemon=True)
        self.address, self.job, self.options = address, name, options
        self.hold_after, self.held, self.released = (
            hold_after, threading.Event(), threading.Event())
        self.events, self.end, self.failure = [], None, None
        self.connections = 0
        self.stopping = threading.Event()
        self.start()

    def run(self):
        try:
            with Client(self.address, self.options) as client:
                while self.end is None and not self.stopping.is_set():
                    try:
                        self._read(client)
                    except grpc.RpcError as error:
                        if not _gone(error):
                            raise
                        self.stopping.wait(RETRY_SECONDS)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def _read(self, client):
        call = client.watch(self.job, start_sequence=len(self.events) + 1)
        self.connections += 1
        for response in call:
            self._take(response.batch)
            if self.hold_after is not None and len(self.events) >= self.hold_after:
                self.held.set()
                self.released.wait()
            if self.stopping.is_set():
                call.cancel()
                return

    def _take(self, batch):
        for event in batch.events:
            if event.sequence != len(self.events) + 1:
                raise AssertionError(
                    f"{self.job}: event {event.sequence} came after {len(self.events)}")
            self.events.append(event.SerializeToString(deterministic=True))
        if batch.next_sequence != len(self.events) + 1:
            raise AssertionError(f"{self.job}: {batch.next_sequence} is said to come after "
                                 f"{len(self.events)} events")
        if batch.HasField("end") and batch.end.reason == event_pb2.StreamEnd.REASON_JOB_ENDED:
            self.end = batch.end

    def release(self):
        self.hold_after = None
        self.released.set()

    def result(self, seconds=PATIENCE_SECONDS):
        """The events, once the job has ended."""
        self.join(seconds)
        if self.failure is not None:
            raise self.failure
        if self.end is None:
            raise AssertionError(f"{self.job} has not ended after {seconds} s; "
                                 f"{len(self.events)} events came")
        return [event_pb2.JobEvent.FromString(event) for event in self.events]

    def stop(self):
        self.stopping.set()
        self.release()
        self.join(PATIENCE_SECONDS)


def watch_again(client, name):
    """The bytes of the events of a job that has ended, in one stream from the first."""
    return [event.SerializeToString(deterministic=True)
            for response in client.watch(name, start_sequence=1) for event in response.batch.events]


def resume(client, name):
    request = job_service_pb2.ResumeJobRequest(name=name)
    return client.jobs.ResumeJob(request, timeout=PATIENCE_SECONDS).job
