"""Time and memory of `dedupe` against the number of files."""

import math

from compare import answers, measure
from compare.tools import SLUICE_TOOLS, SluiceServer


def measure_count(count, roots, places, runs):
    """The entry of one count: each run at a server of its own, warm."""
    result = {"files": count, "error": "", "runs": []}
    measure.make_warm(roots)
    for _ in range(runs):
        with SluiceServer(roots, places) as server:
            measure.settle_disk()
            measured = server.dedupe(SLUICE_TOOLS[0].algorithm, seconds=3600)
        if measured.error:
            return {**result, "error": measured.error}
        result["groups"] = answers.answer(measured.groups()).groups
        result["runs"].append(measured.record)
    return result


def per_n_log_n(files, seconds):
    """Nanoseconds that each of n log2 n steps would have taken."""
    return seconds * 1e9 / (files * math.log2(files))
