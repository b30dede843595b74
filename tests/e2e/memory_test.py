#!/usr/bin/python3
"""Memory does not grow with the tree: the smaller proof, for every machine. The larger one, with a
million files, is tests/bench/million_files.py."""

import unittest

from support import load
from support.environment import main
from support.trees import Tree

NAMES = 200_000
LIMIT_KIB = 64 * 1024


class Memory(unittest.TestCase):

    def test_scanning_and_reconciling_two_hundred_thousand_files_takes_less_than_64_mib(self):
        with Tree() as tree:
            load.fill(tree, NAMES)
            steps = load.measure(tree)
        self.assertGreaterEqual(steps[0].events, NAMES)
        self.assertLess(max(step.peak_kib for step in steps), LIMIT_KIB)


if __name__ == "__main__":
    main()
