#!/usr/bin/python3
"""Changing files from the command line: the question before, what is said after, and the way back."""

import os
import re
import signal
import tempfile
import unittest

from support.cli import Cli, read_terminal
from support.environment import PATIENCE_SECONDS, main
from support.sluiced import Sluiced
from support.trees import Tree

QUESTION = b"Go on? [y/N] "
CONTENT = b"x" * 5000


class CliApplyTestCase(unittest.TestCase):
    """Three equal files, in a tree whose file system tells who has a file open."""

    def setUp(self):
        self.tree = self.enterContext(Tree())
        self.root = os.fsdecode(self.tree.root)
        self.files = [self.tree.write(name, content=CONTENT) for name in (b"a", b"b", b"c")]
        for path in self.files:
            os.utime(path, (1e9, 1e9))
        server = self.enterContext(Sluiced(self.tree.root))
        home = self.enterContext(tempfile.TemporaryDirectory(prefix="sluice-home-"))
        self.cli = Cli(home, server.address)

    def run_command(self, *arguments, status=0):
        done = self.cli.run(*arguments)
        self.assertEqual(done.status, status, done.err)
        if "cannot tell who has it open" in done.err:
            self.skipTest("the file system of the temporary directory has no leases")
        return done

    def plans(self):
        """The name of a reconcile job over the tree."""
        self.run_command("dedupe", self.root)
        jobs = self.run_command("--json", "jobs", "list", "--kind=reconcile").messages
        return jobs[0]["name"]

    def inodes(self):
        return len({os.stat(path).st_ino for path in self.files})


class Consent(CliApplyTestCase):

    def answer(self, keys, *arguments):
        """The exit status of a command that is answered so, and all that its terminal showed."""
        process, terminal = self.cli.on_terminal(*arguments, answers=True)
        with terminal:
            seen = read_terminal(terminal, until=QUESTION)
            if isinstance(keys, bytes):
                terminal.write(keys)
            else:
                process.send_signal(keys)
            seen += read_terminal(terminal)
        return process.wait(PATIENCE_SECONDS), seen.decode()

    def test_a_yes_at_the_terminal_is_needed(self):
        plans = self.plans()
        for keys in (b"n\n", b"\n", b"\x04"):
            status, seen = self.answer(keys, "apply", plans)
            self.assertEqual(status, 1)
            self.assertIn("nothing was changed", seen)
            self.assertEqual(self.inodes(), 3)
        status, seen = self.answer(b"y\n", "apply", plans)
        self.assertEqual(status, 0)
        self.assertRegex(seen, "1 group, .* recoverable")
        if "cannot tell" not in seen:
            self.assertEqual(self.inodes(), 1)

    def test_an_interrupt_at_the_question_ends_with_130(self):
        status, seen = self.answer(signal.SIGINT, "apply", self.plans())
        self.assertEqual(status, 130)
        self.assertIn("interrupted", seen)
        self.assertEqual(self.inodes(), 3)

    def test_without_a_terminal_it_is_a_usage_error_before_anything_is_read(self):
        for command in (["dedupe", "--apply=hardlink", self.root], ["apply", "x"], ["undo", "x"]):
            self.assertIn("--yes", self.run_command(*command, status=2).err)
        self.assertEqual(self.run_command("--json", "jobs", "list").out, "")

    def test_what_the_server_refuses_is_not_asked_about(self):
        plans = self.plans()
        process, terminal = self.cli.on_terminal("apply", "--plan=plans/x", plans, answers=True)
        with terminal:
            self.assertNotIn(QUESTION, read_terminal(terminal))
        self.assertEqual(process.wait(PATIENCE_SECONDS), 2)


class Changing(CliApplyTestCase):

    def test_a_dry_run_says_what_the_real_one_does(self):
        plans = self.plans()
        dry = self.run_command("apply", "--dry-run", plans).out
        self.assertEqual(self.inodes(), 3)
        real = self.run_command("apply", "--yes", plans).out
        self.assertEqual(self.inodes(), 1)
        would = re.findall(r"^would hard link +(.*)$", dry, re.M)
        self.assertEqual(len(would), 2)
        self.assertEqual(would, re.findall(r"^hard link +(.*)$", real, re.M))

    def test_dedupe_applies_and_says_how_to_undo_it(self):
        out = self.run_command("dedupe", "--apply=hardlink", "--yes", self.root).out
        self.assertEqual(self.inodes(), 1)
        self.assertIn("changed       2 files\n", out)
        job, = re.findall(r"undo with: sluice undo (jobs/\S+)", out)
        self.assertIn(f"sluice undo {job}", self.run_command("jobs", "get", job).out)
        self.assertIn("undone        2 files\n", self.run_command("undo", "--yes", job).out)
        self.assertEqual(self.inodes(), 3)

    def test_what_was_removed_comes_back_or_is_gone_for_good(self):
        out = self.run_command("dedupe", "--apply=remove", "--yes", "--keep=path-order",
                               self.root).out
        job, = re.findall(r"undo with: sluice undo (jobs/\S+)", out)
        self.assertIn("given back when the undo window ends", out)
        self.assertFalse(os.path.exists(self.files[1]))
        self.assertIn("undone", self.run_command("jobs", "delete", job, status=1).err)
        self.run_command("undo", "--yes", "--max-changes=1", job)
        self.assertEqual(sum(map(os.path.exists, self.files)), 2)
        self.run_command("jobs", "delete", "--discard-undo", job)
        self.assertEqual(sum(map(os.path.exists, self.files)), 2)
        self.assertFalse(os.path.exists(self.tree.path(b".sluice")))

    def test_a_file_that_was_left_alone_is_said_with_the_reason(self):
        plans = self.plans()
        os.utime(self.files[2], (2e9, 2e9))
        done = self.run_command("apply", "--yes", plans)
        self.assertIn("/c: skipped: changed since it was recorded\n", done.err)
        self.assertEqual(self.inodes(), 2)

    def test_nothing_to_do_is_no_question_and_no_failure(self):
        for path in self.files[1:]:
            os.unlink(path)
        done = self.run_command("dedupe", "--apply=hardlink", "--yes", self.root)
        self.assertIn("nothing to do", done.err)


if __name__ == "__main__":
    main()
