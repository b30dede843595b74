"""All groups of identical files: Sluice and its peers in turn, warm and cold."""

from compare import answers, bound, measure
from compare.peers import BASELINES, PEERS, present
from compare.tools import SLUICE_TOOLS

# A peer that takes this many times as long as the fastest is run once: more would tell nothing.
HOPELESS = 5
# One that takes this many times as long, and these seconds, is given up: it has no figure.
GIVEN_UP, GIVEN_UP_SECONDS = 20, 120


def kind_of(tool):
    if tool.is_sluice:
        return "sluice"
    return "peer" if tool.answers else "baseline"


class Contest:
    """Runs tools in turn on the same roots, and holds their answers against Sluice's first."""

    def __init__(self, tools, roots, places, seconds):
        self.roots, self.places, self.seconds = roots, places, seconds
        self.tools = list(tools)
        self.entries = {tool.name: {"kind": kind_of(tool), "error": "", "runs": []}
                        for tool in tools}
        self.expected = None
        self.expected_groups = None

    def run(self, runs, before):
        """`runs` rounds; each begins with another tool, so that none always follows the same."""
        for turn in range(runs):
            at = turn % len(self.tools)
            order = self.tools[at:] + self.tools[:at] if turn else self.tools
            for tool in order:
                self._run_one(tool, before)
            self._drop_hopeless()
        return self.entries

    def _run_one(self, tool, before):
        entry = self.entries[tool.name]
        if entry["error"]:
            return
        measured = tool.measure(self.roots, self.places, self._patience(), before)
        entry["error"] = measured.error or self._check(tool, measured)
        if measured.record:
            entry["runs"].append(measured.record)

    def _check(self, tool, measured):
        """What is wrong with its answer. The first is Sluice's, and what the others are held to."""
        if measured.groups is None:
            return ""
        groups = list(measured.groups())
        answer = answers.answer(groups)
        if self.expected is None:
            if not tool.is_sluice:
                return "there is no answer of Sluice to compare with"
            self.expected, self.expected_groups = answer, groups
        if answer != self.expected:
            return "another answer: " + answers.difference(self.expected_groups, groups)
        return ""

    def _patience(self):
        least = min(self._first_walls().values(), default=self.seconds)
        return min(self.seconds, max(GIVEN_UP_SECONDS, GIVEN_UP * least))

    def _first_walls(self):
        """How long the peers took whose answer is right, in their first run."""
        return {name: entry["runs"][0]["wall"] for name, entry in self.entries.items()
                if entry["kind"] == "peer" and entry["runs"] and not entry["error"]}

    def _drop_hopeless(self):
        walls = self._first_walls()
        least = min(walls.values(), default=0)
        self.tools = [tool for tool in self.tools
                      if walls.get(tool.name, 0) <= HOPELESS * least or kind_of(tool) != "peer"]


def tools(places, peers=PEERS, baselines=BASELINES):
    return [*SLUICE_TOOLS, *present(peers, places), *present(baselines, places)]


def measure_corpus(corpus, roots, cache, places, runs):
    """The entry of a corpus, warm or cold: every tool's runs, the answer, and what had to be read."""
    contest = Contest(tools(places), roots, places, corpus.peer_limit)
    if cache == "warm":
        if corpus.readable:
            measure.make_warm(roots)
        before = measure.settle_disk
    else:
        before = measure.make_cold
    entries = contest.run(runs, before)
    result = {"what": corpus.what, "tools": entries}
    if contest.expected:
        result["groups"], result["files"] = contest.expected.groups, contest.expected.files
    if cache == "cold" and contest.expected:
        result["content_bound"] = bound.content_bytes(roots, contest.expected_groups)
        result["metadata_bound"] = bound.metadata_bytes(roots, places)
    return result

