"""The peers: what they are called with, where they come from, and why some are not here.

The question is the same for all: files of at least one byte, hidden ones too, whatever .gitignore
says, symbolic links not followed, hard links counted once. Nothing is kept from run to run.
"""

import re
import subprocess

from compare import answers
from compare.tools import Peer

CRATES = {"fclones": "0.35.0", "yadf": "1.5.2", "czkawka_cli": "12.0.2"}
PACKAGES = {"rmlint": "rmlint", "jdupes": "jdupes", "rdfind": "rdfind", "fdupes": "fdupes"}

FCLONES = ("group", "--hidden", "--no-ignore", "--format=fdupes")

PEERS = (
    Peer("fclones", "fclones", FCLONES, answers.blocks_of_paths),
    # It reads disks that say they rotate, as virtual ones may, one file at a time.
    Peer("fclones, 4 readers", "fclones", (*FCLONES, "--threads=hdd:4,2", "--threads=unknown:4,2"),
         answers.blocks_of_paths),
    Peer("yadf", "yadf", ("--no-empty", "--format=fdupes"), answers.blocks_of_paths),
    Peer("czkawka", "czkawka_cli",
         ("dup", "--minimal-file-size=1", "--disable-cache", "--hash-type=XXH3",
          "--do-not-print-results", "--do-not-print-messages", "--ignore-error-code-on-found",
          "--compact-file-to-save={report}"),
         answers.czkawka, root_option="--directories"),
    Peer("rmlint", "rmlint",
         ("--types=df", "--hidden", "--no-hardlinked", "--no-with-color", "--output=fdupes"),
         answers.blocks_of_paths),
    Peer("jdupes", "jdupes", ("--recurse", "--quiet"), answers.blocks_of_paths),
    Peer("rdfind", "rdfind", ("-outputname", "{report}"), answers.rdfind),
    Peer("fdupes", "fdupes", ("--recurse", "--noempty", "--quiet"), answers.blocks_of_paths),
)

# Part of the work, by the plainest means: to see every file, and to read all that there is.
FIND = """exec find "$@" -printf '%p %s %T@ %i\\n'"""
HASH_ALL = """find "$@" -type f -size +0 -print0 | xargs -0 -r -P2 -n 128 {}"""
BASELINES = (
    Peer("find -printf", "sh", ("-c", FIND, "sh")),
    Peer("find, xargs -P2 sha256sum", "sh", ("-c", HASH_ALL.format("sha256sum"), "sh")),
    Peer("find, xargs -P2 xxh128sum", "sh", ("-c", HASH_ALL.format("xxh128sum"), "sh")),
)

NOT_COMPARABLE = {
    "duperemove": "0.11 answers another question: it groups extents of 128 KiB and more; files as a "
                  "whole only where fdupes has found them (--fdupes)",
}


def present(tools, places):
    return [tool for tool in tools if tool.executable(places)]


def debian_version(package):
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                           capture_output=True, text=True, check=False)
    return re.sub(r"^\d+:|-.*$", "", shown.stdout)


def versions():
    """{program: version}"""
    return {**CRATES, **{name: debian_version(package) for name, package in PACKAGES.items()}}


def install(places):
    """The peers that are built from source, into a folder of ours, at low priority. What cannot be
    had is left out and said: the registry may be out of reach."""
    for crate, version in CRATES.items():
        if (places.programs / "bin" / crate).exists():
            continue
        print(f"building {crate} {version} ...", flush=True)
        done = subprocess.run(
            ["nice", "-n", "19", "cargo", "install", "--locked", "--quiet", "-j1",
             f"--root={places.programs}", f"{crate}@{version}"],
            check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            print(f"there is no {crate}: cargo install failed", flush=True)
