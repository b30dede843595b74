#!/usr/bin/python3
"""The sluice command as people and scripts use it: what it prints, and how it ends."""

import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from support import oracle
from support.cli import Cli, read_terminal
from support.client import Client
from support.contract import job_pb2
from support.environment import PATIENCE_SECONDS, main, wait_until
from support.sluiced import Sluiced
from support.trees import Tree

FILES = 3_000
UNKNOWN_ID = "0198c0de-0000-7000-8000-000000000000"


class CliTestCase(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.tree = cls.enterClassContext(Tree())
        cls.root = os.fsdecode(cls.tree.root)
        for name in (b"original", b"copy"):
            cls.tree.write(b"pair", name, content=b"x" * 5000)
        cls.tree.write_many(b"many", count=FILES, content=lambda i: b"%d" % i)
        cls.server = cls.enterClassContext(Sluiced(cls.tree.root))
        cls.home = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sluice-home-"))
        cls.cli = Cli(cls.home, cls.server.address)
        cls.client = cls.enterClassContext(Client(cls.server.address))

    def succeed(self, *arguments):
        done = self.cli.run(*arguments)
        self.assertEqual(done.status, 0, done.err)
        return done


class Commands(CliTestCase):

    def test_dedupe_reports_the_pair_and_what_it_gives_back(self):
        done = self.succeed("dedupe", self.root)
        for text in ("pair/original", "pair/copy", "2 copies of 4.9 KiB (5,000 bytes)", "keep"):
            self.assertIn(text, done.out)
        self.assertEqual(done.err, "")

    def test_dedupe_agrees_with_the_oracle(self):
        plans = [m["plan"] for m in self.succeed("dedupe", "--json", self.root).messages
                 if "plan" in m]
        groups = {frozenset(copy["file"]["path"].encode() for copy in plan["copies"])
                  for plan in plans}
        self.assertEqual(groups, set(oracle.groups(self.tree.root)))

    def test_scan_then_reconcile_is_the_same_in_two_steps(self):
        self.succeed("scan", self.root)
        scan = self.succeed("--json", "scans", "list", "--limit=1").messages[0]["name"]
        plan, = [m["plan"] for m in self.succeed("reconcile", "--json", scan).messages
                 if "plan" in m]
        self.assertEqual(plan["totalCopies"], "2")

    def test_json_is_one_event_a_line_without_a_gap(self):
        events = self.succeed("scan", "--json", "--digest=all", self.root).messages
        self.assertEqual([int(event["sequence"]) for event in events],
                         list(range(1, len(events) + 1)))
        files = {event["file"]["path"]: event["file"]["digest"] for event in events
                 if "file" in event}
        self.assertEqual(len(files), FILES + 2)
        original = self.tree.path(b"pair", b"original")
        self.assertEqual(files[os.fsdecode(original)], oracle.digest(original))
        self.assertEqual(events[-1]["stateChange"]["state"], "JOB_STATE_SUCCEEDED")

    def test_jobs_are_listed_shown_watched_and_cancelled(self):
        name = self.succeed("scan", "--detach", self.root).out.strip()
        self.assertEqual(self.succeed("jobs", "watch", name).err, "")
        self.assertIn(name, self.succeed("jobs", "list").out)
        self.assertIn("succeeded", self.succeed("jobs", "get", name).out)
        self.assertIn("succeeded", self.succeed("jobs", "cancel", name).out)
        job, = self.succeed("--json", "jobs", "get", name).messages
        self.assertEqual((job["name"], job["state"]), (name, "JOB_STATE_SUCCEEDED"))

    def test_stats_say_what_each_stage_has_cost(self):
        done = self.succeed("--stats", "dedupe", self.root)
        self.assertRegex(done.err, r"(?m)^enumerate +[0-9,]+ ")
        for text in ("cost of jobs/", "wait for catalog", "wait for reader"):
            self.assertEqual(done.err.count(text), 2, done.err)
        self.assertNotIn("cost of", done.out)

    def test_stats_are_a_line_of_json_among_others(self):
        *_, stats = self.succeed("--json", "--stats", "scan", self.root).messages
        job, stats = stats["job"], stats["stats"]
        walk, = [stage for stage in stats["counters"]["stages"] if stage["name"] == "enumerate"]
        self.assertGreaterEqual(int(walk["items"]), FILES + 2)
        self.assertRegex(stats["counters"]["catalogTime"], r"^[0-9.]+s$")
        shown = self.succeed("--stats", "jobs", "get", job)
        self.assertIn(f"cost of {job}\n", shown.err)

    def test_scans_are_listed_shown_and_their_files_printed(self):
        self.succeed("scan", self.root)
        scan = self.succeed("--json", "scans", "list").messages[0]["name"]
        self.assertIn(self.root, self.succeed("scans", "list").out)
        self.assertIn("complete", self.succeed("scans", "get", scan).out)
        self.assertEqual(len(self.succeed("scans", "files", scan).out.splitlines()), FILES + 2)
        files = self.succeed("--json", "scans", "files", "--glob=original", scan).messages
        self.assertEqual([file["path"] for file in files], [f"{self.root}/pair/original"])

    def test_relative_paths_are_those_of_the_current_directory(self):
        process = self.cli.start("dedupe", "--json", "pair", cwd=self.root, text=True)
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertIn(f"{self.root}/pair/original", out)

    def test_shells_get_a_completion_script_that_they_understand(self):
        script = self.succeed("completion", "bash").out
        checked = subprocess.run(["bash", "-n"], input=script, text=True, check=False,
                                 capture_output=True)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    def test_help_teaches_every_command(self):
        text = self.succeed("--help").out
        for command in ("scan", "reconcile", "dedupe", "apply", "undo", "jobs", "scans", "completion"):
            self.assertIn(command, text)
            self.assertIn("Usage:", self.succeed(command, "--help").out)


class ExitStatus(CliTestCase):

    def assert_fails(self, status, *arguments, word):
        done = self.cli.run(*arguments)
        self.assertEqual((done.status, done.out), (status, ""), done.err)
        self.assertIn(word, done.err)
        self.assertEqual(done.err.count("\n"), 1, done.err)

    def test_is_2_for_what_was_typed_wrongly(self):
        for arguments, word in ((["bogus"], "bogus"), (["scan"], "PATH"), ([], "sluice --help"),
                                (["scan", "--no-such-flag", "/"], "--no-such-flag"),
                                (["scan", "--digest=md5", "/"], "md5"),
                                (["jobs", "bogus"], "bogus")):
            with self.subTest(arguments=arguments):
                self.assert_fails(2, *arguments, word=word)

    def test_is_1_for_what_the_server_refuses(self):
        for arguments, word in ((["scan", "/etc"], "/etc"),
                                (["jobs", "get", f"jobs/{UNKNOWN_ID}"], UNKNOWN_ID),
                                (["reconcile", f"scans/{UNKNOWN_ID}"], UNKNOWN_ID)):
            with self.subTest(arguments=arguments):
                self.assert_fails(1, *arguments, word=word)

    def test_is_1_where_no_server_answers(self):
        nobody = Cli(self.home, f"unix:{self.home}/nobody.sock").run("jobs", "list")
        self.assertEqual(nobody.status, 1)
        self.assertIn("nobody.sock", nobody.err)

    def test_is_3_when_all_is_done_but_items_failed(self):
        tree = self.enterContext(Tree())
        for name in (b"1", b"2", b"3"):
            tree.write(name)
        with Sluiced(tree.root) as server:
            cli = Cli(self.home, server.address)
            cli.run("scan", os.fsdecode(tree.root))
            scan = cli.run("--json", "scans", "list").messages[0]["name"]
            os.unlink(tree.path(b"3"))
            done = cli.run("reconcile", scan)
        self.assertEqual(done.status, 3)
        self.assertIn("/3", done.err)
        self.assertIn("2 copies", done.out)

    def test_is_0_when_the_reader_of_the_output_has_seen_enough(self):
        process = self.cli.start("scan", "--list", self.root)
        self.assertTrue(process.stdout.readline())
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE_SECONDS), 0)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()


class Interrupting(unittest.TestCase):

    def setUp(self):
        self.tree = self.enterContext(Tree())
        self.tree.write(b"big", content=b"", size=16 << 30)
        self.server = self.enterContext(Sluiced(self.tree.root))
        self.client = self.enterContext(Client(self.server.address))
        self.home = self.enterContext(tempfile.TemporaryDirectory(prefix="sluice-home-"))
        self.cli = Cli(self.home, self.server.address)

    def the_job(self):
        jobs = self.client.list_jobs().jobs
        return jobs[0] if jobs else None

    def test_ctrl_c_cancels_the_job_and_ends_with_130(self):
        process = self.cli.start("scan", "--digest=all", os.fsdecode(self.tree.root))
        wait_until(self.the_job, "the job")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(process.returncode, 130, err)
        wait_until(lambda: self.the_job().state == job_pb2.JOB_STATE_CANCELLED, "CANCELLED")

    def test_ctrl_c_leaves_a_job_that_is_only_watched(self):
        process = self.cli.start("scan", "--digest=all", "--detach", os.fsdecode(self.tree.root))
        name = process.communicate(timeout=PATIENCE_SECONDS)[0].decode().strip()
        watch = self.cli.start("jobs", "watch", name)
        watched = self.client.watch(name)  # Beside it, to know when the watch has begun.
        next(watched)
        watched.cancel()
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=PATIENCE_SECONDS)
        self.assertIn(watch.returncode, (130, -signal.SIGINT))
        self.assertEqual(self.client.job(name).state, job_pb2.JOB_STATE_RUNNING)
        self.client.cancel(name)

    def test_a_terminal_has_one_progress_line_that_is_taken_away_in_the_end(self):
        process, terminal = self.cli.on_terminal("scan", "--digest=all",
                                                 os.fsdecode(self.tree.root))
        with terminal:
            seen = read_terminal(terminal, until=b"B/s")
            self.assertIn(b"digest", seen)
            self.assertIn(b"\r", seen)
            process.send_signal(signal.SIGINT)
            rest = read_terminal(terminal)
        self.assertEqual(process.wait(PATIENCE_SECONDS), 130)
        self.assertNotIn(b"B/s", rest.rpartition(b"\x1b[")[2])

    def test_a_pipe_gets_no_progress(self):
        process = self.cli.start("scan", "--digest=all", os.fsdecode(self.tree.root))
        job = wait_until(self.the_job, "the job")
        wait_until(lambda: self.server.cpu_seconds() > 1, "digesting")
        self.client.cancel(job.name)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(process.returncode, 1)
        self.assertNotIn(b"B/s", out + err)


class Embedded(unittest.TestCase):
    """Without a server, a command has one for itself."""

    def setUp(self):
        self.tree = self.enterContext(Tree())
        self.root = os.fsdecode(self.tree.root)
        for name in (b"original", b"copy"):
            self.tree.write(name, content=b"x" * 5000)
        self.home = self.enterContext(tempfile.TemporaryDirectory(prefix="sluice-home-"))
        self.cli = Cli(self.home)

    def servers(self):
        """Processes whose data lies in our home."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                command = (path.parent / "cmdline").read_bytes()
                if b"sluiced\0" in command and os.fsencode(self.home) in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def test_it_works_as_with_one_and_leaves_nothing_running(self):
        for flags in ([], ["--embedded"]):
            done = self.cli.run(*flags, "dedupe", self.root)
            self.assertEqual(done.status, 0, done.err)
            self.assertIn("2 copies", done.out)
        self.assertEqual(self.servers(), [])

    def test_what_it_records_is_there_for_the_next_command(self):
        self.cli.run("scan", self.root)
        scan, = self.cli.run("--json", "scans", "list").messages
        self.assertEqual(scan["fileCount"], "2")
        self.assertEqual(self.cli.run("reconcile", scan["name"]).status, 0)

    def test_it_ends_with_the_command_however_that_ends(self):
        self.tree.write(b"big", content=b"", size=16 << 30)
        for sent in (signal.SIGINT, signal.SIGKILL):
            process = self.cli.start("scan", "--digest=all", self.root)
            wait_until(self.servers, "the server")
            process.send_signal(sent)
            process.communicate(timeout=PATIENCE_SECONDS)
            wait_until(lambda: not self.servers(), "the end of the server")

    def test_ten_commands_in_a_row_all_end_well(self):
        for _ in range(10):
            done = self.cli.run("dedupe", self.root)
            self.assertEqual((done.status, done.err), (0, ""))
            self.assertIn("recoverable", done.out)


if __name__ == "__main__":
    main()
