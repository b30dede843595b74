"""Sluice beside its peers: makes the trees, measures, writes the tables.

    scripts/compare                            all of it, in the full form (hours, about 20 GB)
    scripts/compare dedupe --corpus=small      one step, of one corpus
    scripts/compare --small                    all of it on small trees, in a few minutes
    scripts/compare --small --check            fails if Sluice has lost against tests/bench/compare/ratios.json
    scripts/compare --small --record           writes that file

Every figure goes to a file of results; a run that was interrupted goes on with what that lacks.
"""

import argparse
import contextlib
import pathlib
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parents[1]), str(pathlib.Path(__file__).parents[2] / "e2e")]

# pylint: disable=wrong-import-position
from compare import (check, corpora, dedupe, growth, hashing, machine, measure,  # noqa: E402
                     peers, report, second, streams)
from compare.results import Results, build_id  # noqa: E402
from compare.tools import Places  # noqa: E402
from support.environment import SOURCE_DIR  # noqa: E402

HERE = pathlib.Path(__file__).parent
STEPS = ("install", "corpora", "dedupe", "second", "streams", "sha256", "growth", "report")
STREAMED, HASHED = "meta", "large"


class Session:
    """What all steps need to know."""

    def __init__(self, arguments, memory):
        self.small = arguments.small
        self.form = "small" if arguments.small else "full"
        self.directory = arguments.dir / "corpora" / self.form
        disk = arguments.dir / "data"
        disk.mkdir(parents=True, exist_ok=True)
        self.places = Places(disk, pathlib.Path(memory), arguments.dir / "peers")
        self.results = Results(arguments.results or self.default_results(arguments.dir))
        self.runs, self.again, self.long = arguments.runs, arguments.again, arguments.long
        self.corpora = [corpus for name, corpus in corpora.corpora(self.form).items()
                        if name in (arguments.corpus or [name])]
        self.cache = arguments.cache
        self.build = build_id()

    def default_results(self, directory):
        return directory / "small.json" if self.small else SOURCE_DIR / "docs/benchmarks/compare.json"

    def roots(self, corpus):
        return corpora.roots_of(corpus, self.directory)

    def put(self, step, key, make):
        """Measures and keeps an entry, unless there is one of the same programs."""
        if not self.again and self.results.has(step, key, self.build):
            return
        print(f"{step}: {key} ...", flush=True)
        self.results.put(step, key, {"build": self.build, **make()})


def step_install(session):
    if not session.small:
        peers.install(session.places)


def step_corpora(session):
    for corpus in session.corpora:
        print(f"corpus {corpus.name}: {corpus.what}", flush=True)
        session.roots(corpus)


def step_dedupe(session):
    caches = ["warm", "cold"] if measure.can_drop_caches() else ["warm"]
    if "cold" not in caches:
        print("cold caches are not measured: only root may drop them", flush=True)
    for corpus in session.corpora:
        for cache in [cache for cache in caches if session.cache in (None, cache)]:
            session.put("dedupe", f"{corpus.name}, {cache}", lambda: dedupe.measure_corpus(
                corpus, session.roots(corpus), cache, session.places, session.runs))


def step_second(session):
    for corpus in session.corpora:
        uncached = session.results.of("dedupe").get(f"{corpus.name}, warm")
        session.put("second", corpus.name, lambda: second.measure_corpus(
            corpus, session.roots(corpus), session.places, session.runs, uncached))


def _on_corpus(session, step, name, measure_corpus):
    for corpus in session.corpora:
        if corpus.name == name:
            session.put(step, name, lambda: measure_corpus(
                corpus, session.roots(corpus), session.places, session.runs))


def step_streams(session):
    _on_corpus(session, "streams", STREAMED, streams.measure_corpus)


def step_sha256(session):
    _on_corpus(session, "sha256", HASHED, hashing.measure_corpus)


def step_growth(session):
    counts = corpora.GROWTH["long" if session.long else session.form]
    if all(session.results.has("growth", str(count), session.build) for count in counts) \
            and not session.again:
        return
    for count, roots in corpora.growth_roots(session.directory, counts).items():
        session.put("growth", str(count), lambda: growth.measure_count(
            count, roots, session.places, session.runs))
    corpora.remove_growth(session.directory)


def step_report(session):
    from compare import plots  # pylint: disable=import-outside-toplevel
    if session.small:
        print(report.markdown(session.results, {}))
        return
    docs = SOURCE_DIR / "docs"
    drawn = plots.plot_all(session.results, docs / "benchmarks")
    links = {name: path.relative_to(docs) for name, path in drawn.items()}
    report.write(docs / "benchmarks.md", report.markdown(session.results, links))


def run_steps(session, steps):
    if set(steps) - {"report", "install", "corpora"}:
        caches = "warm and cold" if measure.can_drop_caches() else "warm only: not root"
        session.results.put_machine(machine.describe(
            session.places.disk, peers.versions(), caches))
    for step in steps:
        globals()[f"step_{step}"](session)


def parse(words):
    parser = argparse.ArgumentParser(prog="scripts/compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", nargs="*", help=f"of {', '.join(STEPS)}; default: all")
    parser.add_argument("--small", action="store_true", help="the small form")
    parser.add_argument("--long", action="store_true", help="growth up to 10,000,000 files")
    parser.add_argument("--check", action="store_true", help="against the committed ratios")
    parser.add_argument("--record", action="store_true", help="write the ratios to commit")
    parser.add_argument("--corpus", action="append", help="only this one; repeatable")
    parser.add_argument("--cache", choices=("warm", "cold"), help="only this one; default: both")
    parser.add_argument("--runs", type=int, default=5, help="of each tool; default: 5")
    parser.add_argument("--again", action="store_true", help="measure also what there is a result of")
    parser.add_argument("--dir", type=pathlib.Path, default=SOURCE_DIR / "build/compare",
                        help="where trees, catalogs and peers are; default: build/compare")
    parser.add_argument("--results", type=pathlib.Path, help="default: docs/benchmarks/compare.json")
    arguments = parser.parse_args(words)
    unknown = set(arguments.step) - set(STEPS)
    if unknown:
        parser.error(f"no such step: {', '.join(sorted(unknown))}")
    if (arguments.check or arguments.record) and not arguments.small:
        parser.error("ratios are of the small form: --small")
    return arguments


def main(words):
    arguments = parse(words)
    shared = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="compare-", dir=shared) as memory:
        session = Session(arguments, memory)
        if arguments.check:
            return not check.check(session.directory, session.places, HERE / "ratios.json")
        if arguments.record:
            check.record(session.directory, session.places, HERE / "ratios.json")
            return 0
        run_steps(session, [step for step in STEPS if step in (arguments.step or STEPS)])
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
    sys.exit(130)
