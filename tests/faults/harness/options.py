"""The two options of every fault test: how long it takes, and where its dice come from."""

import argparse
import random
import sys
import unittest


def _parse():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--long", action="store_true", help="all of it, instead of a sample")
    parser.add_argument("--seed", type=int, help="of an earlier run, to repeat it")
    return parser.parse_known_args()


_OPTIONS, _REST = _parse()

LONG = _OPTIONS.long
SEED = _OPTIONS.seed if _OPTIONS.seed is not None else random.SystemRandom().randrange(1 << 32)


def dice(*names):
    """Random numbers that depend on the seed and on what they are for, and on nothing else."""
    return random.Random(repr((SEED, *names)))


def report(text):
    print(text, flush=True)


def main():
    sys.stdout.reconfigure(errors="backslashreplace")
    report(f"seed {SEED} (--seed={SEED} repeats it), {'long' if LONG else 'short'} form")
    unittest.main(argv=[sys.argv[0], *_REST], verbosity=2)
