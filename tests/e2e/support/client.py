"""Sluice as a Python program uses it: generated stubs, plain gRPC."""

import os

import grpc

from support.contract import (catalog_service_pb2, catalog_service_pb2_grpc, error_details_pb2,
                              job_pb2, job_service_pb2, job_service_pb2_grpc, scan_pb2, status_pb2)
from support.environment import PATIENCE_SECONDS

ENDED = {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}


def path_of(record):
    """The bytes of the path of a FileRecord, ItemError or SkippedItem."""
    return record.raw_path or record.path.encode()


def reason_of(item_error):
    """The reason in the ErrorInfo of an ItemError."""
    info = error_details_pb2.ErrorInfo()
    for detail in item_error.status.details:
        if detail.Unpack(info):
            return info.reason
    return None


class RpcFailure:
    """What a failed call says: its code, its words, its details by the name of their message."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        self.details = {}
        packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if packed:
            for detail in status_pb2.Status.FromString(packed).details:
                name = detail.type_url.rpartition(".")[2]
                self.details[name] = getattr(error_details_pb2, name).FromString(detail.value)

    @property
    def reason(self):
        return self.details["ErrorInfo"].reason

    @property
    def fields(self):
        return [violation.field for violation in self.details["BadRequest"].field_violations]


class Run:
    """A stream of a job that has been read to its end."""

    def __init__(self, responses):
        self.batches = [response.batch for response in responses]
        self.events = [event for batch in self.batches for event in batch.events]
        self.job = self.batches[0].job
        self.end = self.batches[-1].end

    def _of_kind(self, kind):
        return [getattr(event, kind) for event in self.events if event.WhichOneof("event") == kind]

    @property
    def sequences(self):
        return [event.sequence for event in self.events]

    @property
    def files(self):
        return self._of_kind("file")

    @property
    def plans(self):
        return self._of_kind("plan")

    @property
    def outcomes(self):
        return self._of_kind("outcome")

    @property
    def errors(self):
        return self._of_kind("error")

    @property
    def skipped(self):
        return self._of_kind("skipped")

    @property
    def groups(self):
        """The sets of paths that the plans, put together from their parts, hold."""
        groups = {}
        for plan in self.plans:
            groups.setdefault(plan.name, set()).update(path_of(copy.file) for copy in plan.copies)
        return {frozenset(group) for group in groups.values()}


def scan_spec(*roots, labels=None, pacing=None, window=None, **scan):
    roots = [os.fsdecode(root) for root in roots]
    return job_pb2.JobSpec(scan=scan_pb2.ScanSpec(roots=roots, **scan), labels=labels,
                           pacing=pacing, window=window)


def reconcile_spec(*scans, **reconcile):
    return job_pb2.JobSpec(reconcile=scan_pb2.ReconcileSpec(scans=scans, **reconcile))


class Client:
    """A connection; a context manager."""

    def __init__(self, address, options=()):
        self.channel = grpc.insecure_channel(address, options)
        self.jobs = job_service_pb2_grpc.JobServiceStub(self.channel)
        self.catalog = catalog_service_pb2_grpc.CatalogServiceStub(self.channel)

    def run(self, spec, timeout=600, **request):
        """The call of RunJob: an iterator of RunJobResponse."""
        return self.jobs.RunJob(job_service_pb2.RunJobRequest(spec=spec, **request),
                                timeout=timeout)

    def scan(self, *roots, **scan):
        return Run(self.run(scan_spec(*roots, **scan)))

    def reconcile(self, *scans, **reconcile):
        return Run(self.run(reconcile_spec(*scans, **reconcile)))

    def start(self, spec, **request):
        request = job_service_pb2.StartJobRequest(spec=spec, **request)
        return self.jobs.StartJob(request, timeout=PATIENCE_SECONDS).job

    def watch(self, name, timeout=600, **request):
        return self.jobs.WatchJob(job_service_pb2.WatchJobRequest(name=name, **request),
                                  timeout=timeout)

    def job(self, name):
        request = job_service_pb2.GetJobRequest(name=name)
        return self.jobs.GetJob(request, timeout=PATIENCE_SECONDS).job

    def cancel(self, name):
        request = job_service_pb2.CancelJobRequest(name=name)
        return self.jobs.CancelJob(request, timeout=PATIENCE_SECONDS).job

    def list_jobs(self, **request):
        return self.jobs.ListJobs(job_service_pb2.ListJobsRequest(**request),
                                  timeout=PATIENCE_SECONDS)

    def get_scan(self, name):
        request = catalog_service_pb2.GetScanRequest(name=name)
        return self.catalog.GetScan(request, timeout=PATIENCE_SECONDS).scan

    def stream_files(self, scan, **request):
        return self.catalog.StreamFiles(
            catalog_service_pb2.StreamFilesRequest(scan=scan, **request), timeout=600)

    def stream_plans(self, job, **request):
        return self.catalog.StreamPlans(
            catalog_service_pb2.StreamPlansRequest(job=job, **request), timeout=600)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
