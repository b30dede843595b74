"""SHA-256 of large warm files, beside what OpenSSL hashes in memory with as many processes."""

import os
import re
import subprocess

from compare import measure
from compare.corpora import extent
from compare.tools import SluiceServer

SPEED_SECONDS = 3
SPEED_BYTES = 256 << 10


def openssl_bytes_per_second():
    cores = len(os.sched_getaffinity(0))
    done = subprocess.run(
        ["openssl", "speed", "-multi", str(cores), "-seconds", str(SPEED_SECONDS),
         "-bytes", str(SPEED_BYTES), "-evp", "sha256"],
        check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return parse_speed(done.stdout)


def parse_speed(text):
    """The rate in the last line: "sha256    3451234.56k"; k is a thousand bytes a second."""
    return float(re.search(r"^(?:evp|sha256)\s+([\d.]+)k\s*$", text, re.MULTILINE)[1]) * 1000


def measure_corpus(corpus, roots, places, runs):
    total = extent(roots).bytes
    measure.make_warm(roots)
    result = {"what": corpus.what, "bytes": total, "error": "", "runs": [], "openssl": []}
    for _ in range(runs):
        result["openssl"].append(openssl_bytes_per_second())
        with SluiceServer(roots, places) as server:
            measure.settle_disk()
            measured = server.command("scan", "--digest=all", "--algorithm=sha256")
        if measured.error:
            return {**result, "error": measured.error}
        rate = total / measured.record["wall"]
        result["runs"].append({**measured.record, "bytes_per_second": rate})
    return result
