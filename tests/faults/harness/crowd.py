"""Many streams at once, honestly: processes of their own, each with many streams on a few
connections, which are read as fast as they come."""

import asyncio
import contextlib
import dataclasses
import itertools
import multiprocessing
import time

import grpc

from support.contract import event_pb2, job_service_pb2, job_service_pb2_grpc
from support.environment import PATIENCE_SECONDS

STREAMS_OF_A_CONNECTION = 250


@dataclasses.dataclass
class Seen:
    """What one stream got."""
    job: str
    events: int = 0
    longest_pause: float = 0.0  # Between two messages with news, from the request to the end.
    failure: str = ""


async def _read(stub, seen, first_message):
    request = job_service_pb2.WatchJobRequest(name=seen.job, start_sequence=1)
    last, ended = time.monotonic(), False
    try:
        async for response in stub.WatchJob(request):
            first_message.set()
            batch = response.batch
            for event in batch.events:
                if event.sequence != seen.events + 1:
                    raise AssertionError(f"event {event.sequence} came after {seen.events}")
                seen.events += 1
            ended = batch.end.reason == event_pb2.StreamEnd.REASON_JOB_ENDED
            if batch.events or ended:
                now = time.monotonic()
                seen.longest_pause, last = max(seen.longest_pause, now - last), now
        if not ended:
            raise AssertionError("it ended before its job")
    except (grpc.RpcError, AssertionError) as failure:
        seen.failure = str(failure)
    finally:
        first_message.set()


async def _read_all(address, names, pipe, hold):
    async with contextlib.AsyncExitStack() as stack:
        stubs = []
        for i in range(0, len(names), STREAMS_OF_A_CONNECTION):
            channel = await stack.enter_async_context(
                grpc.aio.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),)))
            stubs.append(job_service_pb2_grpc.JobServiceStub(channel))
        seen = [Seen(name) for name in names]
        open_now = [asyncio.Event() for _ in names]
        readers = [asyncio.ensure_future(_read(stubs[i // STREAMS_OF_A_CONNECTION], seen[i], event))
                   for i, event in enumerate(open_now)]
        await asyncio.gather(*(event.wait() for event in open_now))
        pipe.send(sum(1 for one in seen if not one.failure))
        if hold:
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
            for reader in readers:
                reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        pipe.send(seen)


def _process(address, names, pipe, hold):
    asyncio.run(_read_all(address, names, pipe, hold))


class Crowd:
    """One stream for each of the names (jobs may come more than once). With `hold` they stay open
    until let_go(); without, until their jobs end. A context manager."""

    def __init__(self, address, names, processes=4, hold=False):
        context = multiprocessing.get_context("spawn")
        self.hold, self.pipes, self.processes = hold, [], []
        for share in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_process, args=(address, names[share::processes], theirs, hold), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def _receive(self, seconds):
        for pipe in self.pipes:
            if not pipe.poll(seconds):
                raise AssertionError(f"streams said nothing for {seconds} s")
        return [pipe.recv() for pipe in self.pipes]

    def wait_until_open(self, seconds=PATIENCE_SECONDS):
        """How many streams have had their first message, once all have, or have failed."""
        return sum(self._receive(seconds))

    def let_go(self):
        for pipe in self.pipes:
            pipe.send("let go")
        return self.results()

    def results(self, seconds=300):
        """What each stream has seen."""
        return list(itertools.chain.from_iterable(self._receive(seconds)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process, pipe in zip(self.processes, self.pipes):
            process.kill()
            process.join()
            pipe.close()
