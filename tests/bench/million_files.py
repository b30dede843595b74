#!/usr/bin/python3
"""What a tree of a million files costs: time, rates, and the most memory that sluiced ever held.

    tests/bench/million_files.py [NAMES=1000000]

Makes the tree below $TMPDIR (half of the names are hard links; it takes about 3 GiB and some
minutes), scans it without and with digests, reconciles both scans, removes it. Uses the server in
$SLUICE_BIN_DIR, or else build/release/bin. Exit status 1 when sluiced held more than 64 MiB.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))

from support import load  # noqa: E402
from support.trees import Tree  # noqa: E402

LIMIT_KIB = 64 * 1024


def main():
    names = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with Tree() as tree:
        print(f"making {names} names ...", flush=True)
        load.fill(tree, names)
        steps = load.measure(tree, report=lambda step: print(step, flush=True))
    return max(step.peak_kib for step in steps) > LIMIT_KIB


if __name__ == "__main__":
    sys.exit(main())
