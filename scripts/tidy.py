#!/usr/bin/env python3
"""Runs clang-tidy-19 over this project's translation units, in parallel.

    scripts/tidy.py BUILD_DIR [FILE...]

A unit that was clean is not read again until its preprocessed text, .clang-tidy or the tool changes: the stamps are in
$XDG_CACHE_HOME/sluice-tidy.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = tuple(f"{ROOT}/{folder}/" for folder in ("pipeline", "server", "client", "tests"))
SETTINGS = (".clang-tidy", "tests/.clang-tidy")
STAMPS = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sluice-tidy"
TIDY = "clang-tidy-19"


def output(*command, **options):
    return subprocess.run(command, capture_output=True, check=True, **options).stdout


def preprocessed(entry):
    """The unit's text with comments (NOLINT is one) and line markers, independent of where the checkout is."""
    command = shlex.split(entry["command"])
    if os.path.basename(command[0]) == "ccache":
        command = command[1:]
    command[command.index("-o") + 1] = "-"
    text = output(*command, "-E", "-C", "-Wno-unused-command-line-argument", cwd=entry["directory"])
    return text.replace(str(ROOT).encode(), b"")


def tidy(entry, settings, build):
    """Returns what clang-tidy has to say; nothing if the unit is clean."""
    try:
        stamp = STAMPS / hashlib.sha256(settings + preprocessed(entry)).hexdigest()
    except subprocess.CalledProcessError as error:
        return error.stderr.decode()
    if stamp.exists():
        return ""
    run = subprocess.run([TIDY, "--quiet", "-p", build, entry["file"]], capture_output=True, text=True)
    if run.returncode == 0:
        stamp.touch()
        return ""
    return run.stdout or run.stderr


def main():
    build, only = sys.argv[1], [str(pathlib.Path(name).resolve()) for name in sys.argv[2:]]
    entries = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    entries = [e for e in entries if e["file"].startswith(FOLDERS) and (not only or e["file"] in only)]
    settings = output(TIDY, "--version") + b"".join((ROOT / name).read_bytes() for name in SETTINGS)
    STAMPS.mkdir(parents=True, exist_ok=True)

    found = set()
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for report in pool.map(lambda entry: tidy(entry, settings, build), entries):
            failures += bool(report)
            if report and report not in found:
                found.add(report)
                print(report, flush=True)
    print(f"clang-tidy: {len(entries)} units, {failures} with findings", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
