#!/usr/bin/env python3
"""Runs clang-tidy-19 over this project's translation units, in parallel.

    scripts/tidy.py BUILD_DIR [FILE...]

A unit that was clean is not read again until its preprocessed text, .clang-tidy or the tool changes: the stamps are in
$XDG_CACHE_HOME/sluice-tidy.

Nearly all the time goes into the headers of gRPC, Abseil and GoogleTest, so units of one folder are read together, as one
that includes them all. A batch that is not clean, or whose units do not go together (their unnamed namespaces are one
then), is read unit by unit: only that is reported.
"""
import collections
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = tuple(f"{ROOT}/{folder}/" for folder in ("pipeline", "server", "client", "tests"))
SETTINGS = (".clang-tidy", "tests/.clang-tidy")
STAMPS = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sluice-tidy"
TIDY = "clang-tidy-19"
BATCH = 8


def output(*command, **options):
    return subprocess.run(command, capture_output=True, check=True, **options).stdout


class Unit:
    def __init__(self, entry):
        self.file = entry["file"]
        self.directory = entry["directory"]
        command = shlex.split(entry["command"])
        if os.path.basename(command[0]) == "ccache":
            command = command[1:]
        output_at = command.index("-o")
        # What it is compiled with, but for its own name and its object's.
        self.flags = [word for word in command[:output_at] + command[output_at + 2:] if word not in ("-c", self.file)]

    def preprocessed(self):
        """The unit's text with comments (NOLINT is one) and line markers, independent of where the checkout is."""
        text = output(*self.flags, self.file, "-E", "-C", "-Wno-unused-command-line-argument", cwd=self.directory)
        return text.replace(str(ROOT).encode(), b"")

    def stamp(self, settings):
        return STAMPS / hashlib.sha256(settings + self.preprocessed()).hexdigest()


def write_together(units, folder):
    """A unit that includes them all and is judged as they are."""
    for name in SETTINGS:
        copy = pathlib.Path(folder) / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    of_tests = units[0].file.startswith(f"{ROOT}/tests/")
    together = pathlib.Path(folder) / ("tests" if of_tests else ".") / "together.cc"
    together.write_text("".join(f'#include "{unit.file}"\n' for unit in units))
    return str(together)


def in_the_way(units, command):
    """Those of the units that do not compile with the ones before them."""
    run = subprocess.run([*command, "-fsyntax-only", "-ferror-limit=0"], cwd=units[0].directory, capture_output=True,
                         text=True)
    if run.returncode == 0:
        return []
    names = set(re.findall(r"^(/[^:\n]+):\d+:\d+: (?:fatal )?error: ", run.stderr, re.MULTILINE))
    return [unit for unit in units if unit.file in names] or units


def is_clean(together, flags, directory):
    run = subprocess.run(
        [TIDY, "--quiet", "--checks=-bugprone-suspicious-include",
         r"--header-filter=(^|/)(pipeline|server|client|tests)/.*\.(h|cc)$", together, "--", *flags],
        cwd=directory, capture_output=True)
    return run.returncode == 0


def tidy_each(units, build):
    for unit in units:
        run = subprocess.run([TIDY, "--quiet", "-p", build, unit.file], capture_output=True, text=True)
        if run.returncode != 0:
            yield unit, run.stdout or run.stderr


def tidy(units, build):
    """The units that are not clean, each with what clang-tidy has to say of it."""
    if len(units) < 2:
        return list(tidy_each(units, build))
    with tempfile.TemporaryDirectory() as folder:
        together = write_together(units, folder)
        flags = [*units[0].flags, "-Wno-shadow"]
        apart = in_the_way(units, [*flags, together])
        if not apart and is_clean(together, flags[1:], units[0].directory):
            return []
    if not apart or apart == units:
        return list(tidy_each(units, build))
    return tidy([unit for unit in units if unit not in apart], build) + tidy(apart, build)


def tidy_anew(units, settings, build):
    """The same of those that have changed since they were clean, or do not compile."""
    stamps = {}
    reports = []
    for unit in units:
        try:
            stamp = unit.stamp(settings)
            if not stamp.exists():
                stamps[unit] = stamp
        except subprocess.CalledProcessError as error:
            reports.append(error.stderr.decode())
    found = dict(tidy(list(stamps), build))
    for unit in stamps.keys() - found.keys():
        stamps[unit].touch()
    return reports + list(found.values())


def batches(units):
    together = collections.defaultdict(list)
    for unit in units:
        together[os.path.dirname(unit.file), *unit.flags].append(unit)
    for alike in together.values():
        alike = iter(alike)
        while batch := list(itertools.islice(alike, BATCH)):
            yield batch


def main():
    build, only = sys.argv[1], [str(pathlib.Path(name).resolve()) for name in sys.argv[2:]]
    entries = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    units = [Unit(e) for e in entries if e["file"].startswith(FOLDERS) and (not only or e["file"] in only)]
    settings = output(TIDY, "--version") + b"".join((ROOT / name).read_bytes() for name in SETTINGS)
    STAMPS.mkdir(parents=True, exist_ok=True)

    found = set()
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for reports in pool.map(lambda batch: tidy_anew(batch, settings, build), batches(units)):
            failures += len(reports)
            for report in reports:
                if report not in found:
                    found.add(report)
                    print(report, flush=True)
    print(f"clang-tidy: {len(units)} units, {failures} with findings", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
