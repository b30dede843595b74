"""What must be true of a job that has ended, however often its server died."""

import collections

from support.client import path_of
from support.contract import job_pb2, plan_pb2, scan_pb2

from harness.forest import STILL


def files_of(events):
    return [event.file for event in events if event.HasField("file")]


def still_plans(events, root):
    """A multiset of the plans for the still part, without the names of their job and scans."""
    below = root + b"/" + STILL + b"/"
    plans = collections.Counter()
    for event in events:
        if not event.HasField("plan") or not path_of(event.plan.source_of_truth).startswith(below):
            continue
        plan = plan_pb2.ReconciliationPlan.FromString(event.plan.SerializeToString())
        plan.name = ""
        for copy in plan.copies:
            copy.scan = ""
        plans[plan.SerializeToString(deterministic=True)] += 1
    return plans


def assert_succeeded(test, events):
    last = events[-1].state_change
    test.assertEqual(last.state, job_pb2.JOB_STATE_SUCCEEDED, last)
    test.assertEqual(last.summary.counters.items,
                     sum(event.HasField("file") or event.HasField("plan") for event in events))


def assert_no_version_twice(test, files):
    versions = collections.Counter(
        (path_of(file), file.device, file.inode, file.size, file.modify_time.ToNanoseconds(),
         file.change_time.ToNanoseconds()) for file in files)
    test.assertEqual([version for version, count in versions.items() if count > 1], [])


def _expected_digests(still, policy):
    """{path: the digest that must be there, or None}. Candidates are those of a shared size."""
    sizes = collections.Counter(size for size, _ in still.values())
    must = {scan_pb2.DIGEST_POLICY_ALL: lambda size: True,
            scan_pb2.DIGEST_POLICY_CANDIDATES: lambda size: size > 0 and sizes[size] > 1,
            scan_pb2.DIGEST_POLICY_NONE: lambda size: False}[policy]
    return {path: digest if must(size) else None for path, (size, digest) in still.items()}


def assert_scanned(test, events, root, still, policy):
    """The still part is there once and as the oracle says; nothing is there twice."""
    files = files_of(events)
    assert_no_version_twice(test, files)
    below = root + b"/" + STILL + b"/"
    seen = [file for file in files if path_of(file).startswith(below)]
    test.assertEqual(collections.Counter(map(path_of, seen)), collections.Counter(still.keys()))
    expected = _expected_digests(still, policy)
    for file in seen:
        size, digest = still[path_of(file)]
        test.assertEqual(file.size, size)
        if expected[path_of(file)] is not None or file.digest:
            test.assertEqual(file.digest, digest, path_of(file))
