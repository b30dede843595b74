"""What has been measured so far: one JSON file, written after every step, so that a run can be
interrupted and gone on with."""

import hashlib
import json
import statistics

from support.environment import SLUICE, SLUICED


def build_id():
    """Of the programs under test: what was measured of other ones is measured again."""
    state = hashlib.sha256()
    for program in (SLUICED, SLUICE):
        state.update(program.read_bytes())
    return state.hexdigest()[:12]


class Results:
    """{step: {key: {"build": ..., "runs": ..., ...}}} and what is said of the machine."""

    def __init__(self, path):
        self.path = path
        self.all = json.loads(path.read_text()) if path.exists() else {}

    def of(self, step):
        return self.all.get(step, {})

    def has(self, step, key, build):
        return self.of(step).get(key, {}).get("build") == build

    def put(self, step, key, value):
        self.all.setdefault(step, {})[key] = value
        self._save()

    def put_machine(self, description):
        self.all["machine"] = description
        self._save()

    def _save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.all, indent=1, ensure_ascii=False) + "\n")
        new.replace(self.path)


def column(runs, name):
    """The values that the runs have of one figure."""
    return [run[name] for run in runs if run.get(name) is not None]


def median(runs, name):
    values = column(runs, name)
    return statistics.median(values) if values else None


def fastest(tools):
    """(tool, median wall time) of the fastest peer whose answer was right; None without any."""
    peers = {tool: median(entry["runs"], "wall") for tool, entry in tools.items()
             if entry["kind"] == "peer" and not entry["error"]}
    return min(peers.items(), key=lambda item: item[1]) if peers else None
