#!/usr/bin/python3
"""Jobs that outlive the command that started them, as `sluice jobs` handles them."""

import os
import pathlib
import signal
import tempfile
import unittest

from support.cli import Cli, read_terminal
from support.client import Client
from support.contract import job_pb2
from support.environment import PATIENCE_SECONDS, main, wait_until
from support.sluiced import Sluiced
from support.trees import Tree

UNKNOWN = "jobs/0198c0de-0000-7000-8000-000000000000"
FILES = 2_000


class JobsTestCase(unittest.TestCase):
    """A server, a command, and a tree that takes a while to read."""

    flags = ()
    big_file_bytes = 1 << 40

    def setUp(self):
        self.tree = self.enterContext(Tree())
        self.tree.write(b"big", content=b"", size=self.big_file_bytes)
        self.home = self.enterContext(tempfile.TemporaryDirectory(prefix="sluice-home-"))
        self.listen = f"unix:{self.home}/sluiced.sock"
        self.server = self.start_server()
        self.cli = Cli(self.home, self.listen)
        self.client = self.enterContext(Client(self.listen))

    def start_server(self):
        return self.enterContext(Sluiced(self.tree.root, listen=self.listen, flags=self.flags,
                                         data_dir=pathlib.Path(self.home, "server")))

    def run_command(self, *arguments, status=0):
        done = self.cli.run(*arguments)
        self.assertEqual(done.status, status, done.err)
        return done

    def detach(self, *arguments):
        done = self.run_command("scan", "--digest=all", "--detach", *arguments,
                                os.fsdecode(self.tree.root))
        return done.out.strip()

    def await_state(self, name, state):
        wait_until(lambda: self.client.job(name).state == state, job_pb2.JobState.Name(state))


class Changing(JobsTestCase):

    def test_a_job_is_paused_and_resumed_until_it_is_cancelled(self):
        name = self.detach()
        for _ in range(3):
            self.await_state(name, job_pb2.JOB_STATE_RUNNING)
            self.assertIn("paus", self.run_command("jobs", "pause", name).out)
            self.await_state(name, job_pb2.JOB_STATE_PAUSED)
            self.assertIn("paused", self.run_command("jobs", "pause", name).out)
            self.assertIn(name, self.run_command("jobs", "list", "--state=paused").out)
            self.run_command("jobs", "resume", name)
        self.run_command("jobs", "cancel", name)
        self.assertIn("cancelled", self.run_command("jobs", "wait", name, status=1).out)
        self.assertIn("cannot be resumed", self.run_command("jobs", "resume", name, status=1).err)

    def test_only_a_job_that_has_ended_is_deleted(self):
        name = self.detach()
        self.run_command("jobs", "delete", name, status=1)
        self.run_command("scans", "delete", name.replace("jobs", "scans"), status=1)
        self.run_command("jobs", "cancel", name)
        self.run_command("jobs", "wait", name, status=1)
        self.assertEqual(self.run_command("jobs", "delete", name).out, f"{name} deleted\n")
        self.assertIn(name, self.run_command("jobs", "get", name, status=1).err)

    def test_what_is_missing_may_be_no_error(self):
        for command in (["jobs", "delete", UNKNOWN],
                        ["scans", "delete", UNKNOWN.replace("jobs", "scans")]):
            self.run_command(*command, status=1)
            self.assertEqual(self.run_command(*command, "--allow-missing").out, "")

    def test_a_wait_that_is_over_before_the_job_fails(self):
        name = self.detach()
        self.await_state(name, job_pb2.JOB_STATE_RUNNING)
        for timeout in ("0", "1s"):
            done = self.run_command("jobs", "wait", f"--timeout={timeout}", name, status=1)
            self.assertEqual(done.out, f"{name} running\n")

    def test_labels_find_jobs(self):
        name = self.detach("--label=team=backup", "--label=why=test", "--priority=7")
        self.assertIn(name, self.run_command("jobs", "list", "--label=team=backup").out)
        self.assertNotIn(name, self.run_command("jobs", "list", "--label=team=other").out)
        shown = self.run_command("jobs", "get", name).out
        self.assertIn("team=backup why=test", shown)
        self.assertRegex(shown, r"priority +7")

    def test_a_watch_says_that_its_job_is_paused_and_goes_on(self):
        name = self.detach()
        self.run_command("jobs", "pause", name)
        watch = self.cli.start("jobs", "watch", name, text=True)
        self.assertIn(f"resume with: sluice jobs resume {name}", watch.stderr.readline())
        self.run_command("jobs", "resume", name)
        self.run_command("jobs", "cancel", name)
        watch.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(watch.returncode, 1)


class Queueing(JobsTestCase):

    flags = ("--max_running_jobs=1",)

    def test_a_job_that_waits_for_its_turn_says_so(self):
        first, second = self.detach(), self.detach()
        row, = [row for row in self.run_command("jobs", "list").out.splitlines() if second in row]
        self.assertIn("other jobs to end", row)
        self.assertIn("queued, waits for other jobs to end",
                      self.run_command("jobs", "get", second).out)
        self.run_command("jobs", "cancel", first)
        self.await_state(second, job_pb2.JOB_STATE_RUNNING)


class Restarting(JobsTestCase):

    big_file_bytes = 1 << 30

    def setUp(self):
        super().setUp()
        self.tree.write_many(b"many", count=FILES, content=lambda i: b"%d" % i)

    def lines_across_restart(self, *arguments, end_server):
        """What a command prints whose server restarts after the first events were printed."""
        with open(f"{self.home}/out", "w+", encoding="utf-8") as out:
            process = self.cli.start(*arguments, stdout=out, text=True)
            wait_until(lambda: os.fstat(out.fileno()).st_size, "the first events")
            end_server()
            self.start_server()
            _, err = process.communicate(timeout=PATIENCE_SECONDS)
            self.assertEqual(process.returncode, 0, err)
            self.assertEqual(err,
                             "sluice: connection lost, trying again\nsluice: connected again\n")
            out.seek(0)  # The child's writes have moved it.
            return out.read().splitlines()

    def assert_whole(self, lines):
        sequences = [int(line.split('"sequence":"')[1].split('"')[0]) for line in lines]
        self.assertEqual(sequences, list(range(1, len(sequences) + 1)))
        self.assertEqual(sum('"file":' in line for line in lines), FILES + 1)

    def test_a_watch_survives_a_killed_server_without_loss_or_repetition(self):
        self.assert_whole(self.lines_across_restart("jobs", "watch", "--json", self.detach(),
                                                    end_server=self.server.kill))

    def test_so_does_the_command_that_started_the_job_when_the_server_drains(self):
        self.assert_whole(self.lines_across_restart("scan", "--digest=all", "--json",
                                                    os.fsdecode(self.tree.root),
                                                    end_server=self.server.stop))

    def test_a_wait_survives_it_too(self):
        name = self.detach()
        process, terminal = self.cli.on_terminal("jobs", "wait", name)
        with terminal:
            read_terminal(terminal, until=b"running")
            self.server.kill()
            self.start_server()
            seen = read_terminal(terminal).decode()
        self.assertEqual(process.wait(PATIENCE_SECONDS), 0, seen)
        self.assertIn("connected again", seen)
        self.assertIn(f"{name} succeeded", seen)


class Interrupting(JobsTestCase):

    def test_a_second_ctrl_c_ends_the_command_at_once(self):
        process = self.cli.start("scan", "--digest=all", os.fsdecode(self.tree.root))
        wait_until(lambda: self.client.list_jobs().jobs, "the job")
        self.server.process.send_signal(signal.SIGSTOP)  # It will not answer the cancelling.
        try:
            def ended():
                process.send_signal(signal.SIGINT)
                return process.poll() is not None
            wait_until(ended, "the end of the command", interval=0.1)
        finally:
            self.server.process.send_signal(signal.SIGCONT)
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGINT)


if __name__ == "__main__":
    main()
