#!/usr/bin/python3
"""`sluice dedupe --incremental`: goes on from an earlier run, and is right all the same."""

import os
import tempfile
import unittest

from support import oracle
from support.cli import Cli
from support.environment import main
from support.sluiced import Sluiced
from support.trees import Tree

NO_BASE = "no earlier run"
FILE_BYTES = 50_000


class Incremental(unittest.TestCase):

    def setUp(self):
        self.tree = self.enterContext(Tree())
        for name in (b"1", b"2", b"3"):
            self.tree.write(b"twins", name, content=b"x" * FILE_BYTES)
        self.tree.write(b"other", content=b"y" * FILE_BYTES)
        self.root = os.fsdecode(self.tree.root)
        server = self.enterContext(Sluiced(self.tree.root))
        home = self.enterContext(tempfile.TemporaryDirectory(prefix="sluice-home-"))
        self.cli = Cli(home, server.address)

    def dedupe(self, *arguments):
        done = self.cli.run("--json", "dedupe", *arguments)
        self.assertEqual(done.status, 0, done.err)
        return done

    def assert_right(self, done):
        groups = {frozenset(copy["file"]["path"].encode() for copy in message["plan"]["copies"])
                  for message in done.messages if "plan" in message}
        self.assertEqual(groups, set(oracle.groups(self.tree.root)))

    def test_without_an_earlier_run_it_says_so_and_reads_all(self):
        done = self.dedupe("--incremental", self.root)
        self.assertIn(NO_BASE, done.err)
        self.assert_right(done)

    def test_a_second_run_goes_on_from_the_first_and_finds_the_same(self):
        self.dedupe(self.root)
        done = self.dedupe("--incremental", self.root)
        self.assertEqual(done.err, "")
        self.assert_right(done)

    def test_files_that_have_changed_are_seen_again(self):
        self.dedupe(self.root)
        for name, byte in ((b"2", b"y"), (b"3", b"z")):
            # Of the same size, in the middle: nothing but the times tells.
            with open(self.tree.path(b"twins", name), "r+b") as file:
                file.seek(FILE_BYTES // 2)
                file.write(byte)
        self.tree.write(b"new", content=b"y" * FILE_BYTES)
        self.assert_right(self.dedupe("--incremental", self.root))

    def test_a_run_over_other_trees_is_no_base(self):
        self.dedupe(os.path.join(self.root, "twins"))
        self.assertIn(NO_BASE, self.dedupe("--incremental", self.root).err)

    def test_a_base_may_be_named(self):
        self.dedupe(self.root)
        base = self.cli.run("--json", "jobs", "list", "--kind=reconcile").messages[0]["name"]
        scan = self.cli.run("--json", "scans", "list").messages[0]["name"]
        again = self.cli.run("--json", "reconcile", f"--base={base}", scan)
        self.assertEqual(again.status, 0, again.err)
        self.assert_right(again)
        job = self.cli.run("--json", "jobs", "list", "--limit=1").messages[0]
        self.assertEqual(job["spec"]["reconcile"]["baseJob"], base)


if __name__ == "__main__":
    main()
