"""What Sluice is meant to reach, beside what was measured. Ratios of medians of the same runs."""

import dataclasses

from compare.growth import per_n_log_n
from compare.results import column, fastest, median

MIB_KIB = 1024
SLUICE, SLUICE_SHA256 = "Sluice", "Sluice, SHA-256"


@dataclasses.dataclass(frozen=True)
class Row:
    """`met` compares `measured` with `target` in the direction of `sense`."""
    what: str
    sense: str
    target: float
    measured: float
    unit: str = ""
    remark: str = ""

    @property
    def met(self):
        if self.sense == "≤":
            return self.measured <= self.target
        return self.measured >= self.target


def rows(results):
    """All that there are figures for, in the order of the table of targets."""
    for step in (_dedupe, _first_plan, _second, _sparse, _bytes_read, _growth, _streams, _hashing):
        yield from step(results)


def ratio_to_peer(entry, figure, tool=SLUICE):
    """(ratio, peer): a tool's median beside that of the peer that took the least time by the wall;
    None without one."""
    peer = fastest(entry["tools"])
    ours = entry["tools"].get(tool)
    if not peer or not ours or ours["error"]:
        return None
    return median(ours["runs"], figure) / median(entry["tools"][peer[0]]["runs"], figure), peer[0]


def _dedupe(results):
    for figure, words, target in (("wall", "wall time", 0.8), ("cpu", "CPU time", 1.0)):
        for key, entry in results.of("dedupe").items():
            if found := ratio_to_peer(entry, figure):
                yield Row(f"`dedupe` of {key}: {words} against the fastest peer", "≤", target,
                          found[0], remark=found[1])


def _sluice_runs(results, key):
    entry = results.of("dedupe").get(key)
    ours = entry and entry["tools"].get(SLUICE)
    return ours["runs"] if ours and not ours["error"] else []


def _first_plan(results):
    for key in results.of("dedupe"):
        runs = [run for run in _sluice_runs(results, key) if run.get("first_plan") is not None]
        if runs:
            parts = [{"part": run["first_plan"] / run["wall"]} for run in runs]
            yield Row(f"first plan of {key}, as a part of the whole run", "≤", 0.25,
                      median(parts, "part"))


def _second(results):
    for name, entry in results.of("second").items():
        if entry["error"] or not entry.get("peer_wall") or not entry["runs"]:
            continue
        yield Row(f"second run on unchanged {name}: wall time against the fastest peer's uncached run",
                  "≤", 0.15, median(entry["runs"], "wall") / entry["peer_wall"],
                  remark=entry["peer"])
        yield Row(f"second run on unchanged {name}: files opened", "≤", 0, entry["opened"])


def _sparse(results):
    entry = results.of("dedupe").get("sparse, warm")
    for tool, words, target in ((SLUICE, "XXH3", 0.1), (SLUICE_SHA256, "SHA-256", 1.0)):
        if entry and (found := ratio_to_peer(entry, "wall", tool)):
            yield Row(f"sparse with {words}: wall time against the fastest peer", "≤", target,
                      found[0], remark=found[1])


def _bytes_read(results):
    for key, entry in results.of("dedupe").items():
        runs = _sluice_runs(results, key)
        if runs and "content_bound" in entry:
            least = entry["content_bound"] + entry["metadata_bound"]
            yield Row(f"bytes read from disk of {key}, against the bound", "≤", 1.05,
                      median(runs, "bytes_read") / least)


def _growth(results):
    counts = sorted((entry for entry in results.of("growth").values() if entry["runs"]),
                    key=lambda entry: entry["files"])
    if len(counts) < 2:
        return
    peaks = [max(column(entry["runs"], "peak_kib")) / MIB_KIB for entry in counts]
    span = f"{counts[0]['files']:,} to {counts[-1]['files']:,} files"
    yield Row(f"peak resident memory of sluiced, {span}", "≤", 64, max(peaks), " MiB")
    yield Row(f"peak resident memory of sluiced, {span}: spread", "≤", 16, max(peaks) - min(peaks),
              " MiB", "± 8 MiB")
    steps = [per_n_log_n(entry["files"], median(entry["runs"], "wall")) for entry in counts]
    yield Row(f"time divided by n log n, {span}: the last against the median", "≤", 1.1,
              steps[-1] / sorted(steps)[len(steps) // 2])


def _streams(results):
    for name, entry in results.of("streams").items():
        yield Row(f"enumerate {name} to a gRPC client: wall time against `find -printf`", "≤", 1.2,
                  median(entry["runs"], "wall") / median(entry["find"], "wall"))
        yield Row(f"first event of {name} after the call", "≤", 20,
                  median(entry["runs"], "first_event") * 1000, " ms")
        catalog, ready = median(entry["files"], "catalog"), median(entry["files"], "ready_made")
        yield Row(f"records of {name} from the catalog, a second", "≥", 1e6, catalog)
        yield Row(f"records of {name} from the catalog, against ready-made bytes", "≥", 0.5,
                  catalog / ready, remark=f"ready-made: {ready:,.0f} a second")


def _hashing(results):
    for name, entry in results.of("sha256").items():
        if entry["runs"]:
            yield Row(f"SHA-256 of {name}, warm, against `openssl speed`", "≥", 0.9,
                      median(entry["runs"], "bytes_per_second") /
                      sorted(entry["openssl"])[len(entry["openssl"]) // 2])
