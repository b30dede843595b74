"""What a stream to a C++ client costs: a scan that only enumerates, and a scan's records from the
catalog, each beside what does the same without a server."""

import json

from compare import measure
from compare.peers import BASELINES
from compare.tools import SluiceServer
from support.environment import BIN_DIR

STREAM_CLIENT = BIN_DIR / "stream_client"


def _client(server, *arguments):
    """One run of the client: its own figures, and the time that both processes took."""
    measure.settle_disk()
    cpu = measure.settled_cpu_seconds(server.pid)
    run = measure.run([STREAM_CLIENT, arguments[0], server.address, *arguments[1:]],
                      server.places.output)
    if run.status:
        raise RuntimeError(f"stream_client: {run.err}")
    figures = json.loads(server.places.output.read_text())
    server_cpu = measure.settled_cpu_seconds(server.pid) - cpu
    return figures, {"cpu": round(run.cpu + server_cpu, 4),
                     "peak_kib": server.memory_kib("VmHWM"), "client_peak_kib": run.peak_kib}


def _enumerate(server):
    figures, cost = _client(server, "scan", *server.roots)
    return figures["scan"], {"wall": figures["seconds"], "first_event": figures["first_event"],
                             "events": figures["events"], **cost}


def _read_back(server, scan):
    figures, cost = _client(server, "files", scan)
    rates = {name: figures[name]["records"] / figures[name]["seconds"]
             for name in ("catalog", "ready_made")}
    return {**rates, "records": figures["catalog"]["records"], **cost}


def measure_corpus(corpus, roots, places, runs):
    """Scan and `find` in turn, warm; then the records of each scan."""
    find = BASELINES[0]
    enumerations, finds, files = [], [], []
    for _ in range(runs):
        finds.append(find.measure(roots, places, 900, measure.settle_disk).record)
        with SluiceServer(roots, places) as server:
            scan, figures = _enumerate(server)
            enumerations.append(figures)
            files.append(_read_back(server, scan))
    return {"what": corpus.what, "runs": enumerations, "find": finds, "files": files}
