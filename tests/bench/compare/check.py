"""The guard of CI: no ratio of the small form may be worse than the committed one by more than a
quarter. Ratios, as times depend on the machine; in each of three rounds, as a noisy minute proves
nothing."""

import json

from compare import dedupe, measure
from compare.corpora import corpora, roots_of
from compare.peers import PEERS
from compare.results import median
from compare.targets import SLUICE
from compare.tools import SLUICE_TOOLS

LOSS = 1.25
RUNS = 9
ROUNDS = 3
# Seconds that are added to both: of runs of 10 ms, as of six large files, a ratio tells only noise.
BASE = 0.05
YARDSTICK = "jdupes"  # Debian has it everywhere, and it is the fastest of those that Debian has.
FIGURES = ("wall", "cpu")


def ratios(entries):
    """{figure: Sluice's median beside the yardstick's, each with BASE}"""
    for name in (SLUICE, YARDSTICK):
        if entries[name]["error"]:
            raise SystemExit(f"compare: {name}: {entries[name]['error']}")
    return {figure: round((BASE + median(entries[SLUICE]["runs"], figure)) /
                          (BASE + median(entries[YARDSTICK]["runs"], figure)), 3)
            for figure in FIGURES}


def losses(committed, measured):
    """{(corpus, figure)} where Sluice has lost too much. What nobody has committed is a loss, too:
    a corpus that is not recorded is not guarded."""
    lost = set()
    for corpus, figures in measured.items():
        for figure, ratio in figures.items():
            if ratio > LOSS * committed.get(corpus, {}).get(figure, 0):
                lost.add((corpus, figure))
    return lost


def measure_ratios(directory, places, names):
    """{corpus: ratios} of the small form."""
    yardstick = [peer for peer in PEERS if peer.name == YARDSTICK]
    found = {}
    for name in names:
        corpus = corpora("small")[name]
        roots = roots_of(corpus, directory)
        measure.make_warm(roots)
        contest = dedupe.Contest([SLUICE_TOOLS[0], *yardstick], roots, places, corpus.peer_limit)
        found[name] = ratios(contest.run(RUNS, measure.settle_disk))
        print(f"{name:<8}" + "".join(f"  {figure} {ratio:.2f}" for figure, ratio
                                     in found[name].items()), flush=True)
    return found


def check(directory, places, path):
    """True when nothing is lost. What seems lost is measured again, and lost only if it always is."""
    committed = json.loads(path.read_text())
    names = list(corpora("small"))
    lost = None
    for _ in range(ROUNDS):
        measured = measure_ratios(directory, places, names)
        now = losses(committed, measured)
        lost = now if lost is None else lost & now
        if not lost:
            return True
        names = sorted({corpus for corpus, _ in lost})
        print("worse than committed:", " ".join(names), flush=True)
    for corpus, figure in sorted(lost):
        allowed = LOSS * committed.get(corpus, {}).get(figure, 0)
        print(f"{corpus}: {figure} is {measured[corpus][figure]:.2f} of {YARDSTICK}'s in the last of "
              f"{ROUNDS} rounds, at most {allowed:.2f} is allowed", flush=True)
    return False


def record(directory, places, path):
    measured = measure_ratios(directory, places, list(corpora("small")))
    path.write_text(json.dumps(measured, indent=1) + "\n")
