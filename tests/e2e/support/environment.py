"""Where things are, and how to wait for them."""

import os
import pathlib
import shutil
import sys
import time
import unittest

SOURCE_DIR = pathlib.Path(os.environ.get("SLUICE_SOURCE_DIR", pathlib.Path(__file__).parents[3]))
BIN_DIR = pathlib.Path(os.environ.get("SLUICE_BIN_DIR", SOURCE_DIR / "build/release/bin"))
SLUICED = BIN_DIR / "sluiced"
SLUICE = BIN_DIR / "sluice"
IN_CI = os.environ.get("CI") == "true"

# A process that does not answer for this long has failed; nothing is ever measured against it.
PATIENCE_SECONDS = 60


def wait_until(condition, what, seconds=PATIENCE_SECONDS, interval=0.005):
    """The first true value of condition(), or a failure that says `what` did not come."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(interval)


def wait_until_steady(read, what, rest=1.0, seconds=PATIENCE_SECONDS):
    """The value of read() once it has stayed the same for `rest` seconds."""
    value, since = read(), time.monotonic()
    deadline = since + seconds
    while time.monotonic() - since < rest:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} was still changing after {seconds} s")
        time.sleep(0.02)
        if (now := read()) != value:
            value, since = now, time.monotonic()
    return value


def find_tool(name, variable):
    """A program from $variable, build/tools/bin or $PATH. Where it is missing the test is skipped
    by name; on a CI machine, where it must be there, it fails."""
    places = f"{SOURCE_DIR / 'build/tools/bin'}:{os.environ.get('PATH', '')}"
    found = os.environ.get(variable) or shutil.which(name, path=places)
    if found:
        return found
    if IN_CI:
        raise AssertionError(f"CI=true and there is no {name}: run scripts/setup --test")
    raise unittest.SkipTest(f"there is no {name} ($PATH, build/tools/bin, ${variable})")


def main():
    """unittest.main with the names of the tests, which are their claims."""
    sys.stdout.reconfigure(errors="backslashreplace")
    unittest.main(verbosity=2)
