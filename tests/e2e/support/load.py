"""A large tree, and what it costs a server to scan and to reconcile it."""

import dataclasses
import time

from support.client import Client, reconcile_spec, scan_spec
from support.contract import job_pb2, scan_pb2
from support.sluiced import Sluiced

NAMES_PER_DIRECTORY = 1_000


def _content(i):
    """Of ten files six are alone, two are a pair, one is empty, and one is as in all other tens."""
    kind = i % 10
    if kind == 0:
        return b""
    if kind == 1:
        return b"the same in every directory"
    return b"%d" % (i - 1 if kind == 3 else i)


def fill(tree, names):
    """Every second name is a hard link of the one before it: cheap to make, and as real."""
    for first in range(0, names, NAMES_PER_DIRECTORY):
        count = min(NAMES_PER_DIRECTORY, names - first) // 2
        name = b"%06d" % (first // NAMES_PER_DIRECTORY)
        tree.write_many(name, count=count, content=lambda i, base=first // 2: _content(base + i))
        tree.link_many(name, count=count)


@dataclasses.dataclass
class Step:
    name: str
    events: int
    seconds: float
    peak_kib: int

    def __str__(self):
        return (f"{self.name:<12} {self.events:>9} events  {self.seconds:6.1f} s  "
                f"{self.events / self.seconds:>9.0f} /s  peak {self.peak_kib / 1024:5.1f} MiB")


def _read(server, client, name, spec):
    began, events, scan = time.monotonic(), 0, ""
    for response in client.run(spec, timeout=3600):
        batch = response.batch
        events += len(batch.events)
        scan = scan or batch.job.scan
    if batch.end.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise AssertionError(f"{name}: {batch.end}")
    return scan, Step(name, events, time.monotonic() - began, server.memory_kib("VmHWM"))


def measure(tree, report=print):
    """Scans without digests, with all, and reconciles; the steps, in the order they were made."""
    steps = []
    with Sluiced(tree.root) as server, Client(server.address) as client:
        for name, policy in (("scan", scan_pb2.DIGEST_POLICY_NONE),
                             ("scan + all", scan_pb2.DIGEST_POLICY_ALL)):
            scan, step = _read(server, client, name, scan_spec(tree.root, digest_policy=policy))
            steps.append(step)
            report(step)
            _, step = _read(server, client, "reconcile", reconcile_spec(scan))
            steps.append(step)
            report(step)
    return steps
