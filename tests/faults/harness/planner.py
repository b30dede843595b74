"""A server over one tree, and the jobs that plan and change what is in it."""

import os

from google.protobuf import duration_pb2

from support.client import Client, Run
from support.contract import apply_pb2, job_pb2, job_service_pb2, plan_pb2
from support.environment import PATIENCE_SECONDS
from support.sluiced import Sluiced

ACTIONS = {"hardlink": plan_pb2.ACTION_HARDLINK, "symlink": plan_pb2.ACTION_SYMLINK,
           "remove": plan_pb2.ACTION_REMOVE, "reflink": plan_pb2.ACTION_REFLINK}
APPLIED = apply_pb2.ApplyOutcome.RESULT_APPLIED
# Old enough that no file counts as just written.
OLD = 1_600_000_000


def skip_reason(outcome):
    """Its name without the prefix; None for what was changed."""
    if outcome.result == APPLIED:
        return None
    name = apply_pb2.ApplyOutcome.SkipReason.Name(outcome.skip_reason)
    return name.removeprefix("SKIP_REASON_")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))
    return path


class Planner:
    """A context manager."""

    def __init__(self, root):
        self.server = Sluiced(os.fsencode(root))
        self.client = Client(self.server.address)

    def plan(self, *roots, **reconcile):
        """A reconcile job over a scan of the roots: a Run."""
        return self.client.reconcile(self.client.scan(*roots).job.scan, **reconcile)

    def apply(self, planned, action, undo_window=None):
        applied, = self.apply_at_once([planned], action, undo_window)
        return applied

    def apply_at_once(self, plans, action, undo_window=None):
        """A job each, all started before the first is waited for."""
        window = None if undo_window is None else duration_pb2.Duration(seconds=undo_window)
        jobs = [self.client.start(job_pb2.JobSpec(apply=apply_pb2.ApplySpec(
            reconcile_job=planned.job.name, dry_run=False, action=ACTIONS[action],
            undo_window=window))) for planned in plans]
        return [Run(self.client.watch(job.name)) for job in jobs]

    def discard(self, applied):
        request = job_service_pb2.DeleteJobRequest(name=applied.job.name, discard_undo=True)
        self.client.jobs.DeleteJob(request, timeout=PATIENCE_SECONDS)

    def __enter__(self):
        self.server.__enter__()
        self.client.__enter__()
        return self

    def __exit__(self, *error):
        self.client.__exit__(*error)
        self.server.__exit__(*error)
