#!/usr/bin/python3
"""What the README and the operating guide tell people to type works.

The convention: blocks that are fenced as ```sh are run by this test, all in one shell and in their
order, with its own address in place of 127.0.0.1:7878 and its own tree in place of /data. Other
blocks (```console, ```text) are not run.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

from google.protobuf import json_format

from support.contract import apply_pb2, job_service_pb2
from support.environment import SLUICE, SLUICED, SOURCE_DIR, find_tool, main
from support.sluiced import Sluiced
from support.trees import Tree

README = SOURCE_DIR / "README.md"
DOCUMENTS = [README, *sorted((SOURCE_DIR / "docs").glob("*.md"))]


def blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.M | re.S)


def json_documents(text):
    """The messages in grpcurl's output, which follow each other without a separator."""
    decoder, messages = json.JSONDecoder(), []
    while text := text.lstrip():
        message, end = decoder.raw_decode(text)
        messages.append(message)
        text = text[end:]
    return messages


def events(text):
    """Of RunJob."""
    responses = [json_format.ParseDict(message, job_service_pb2.RunJobResponse())
                 for message in json_documents(text)]
    return [event for response in responses for event in response.batch.events]


class Grpcurl(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.grpcurl = find_tool("grpcurl", "GRPCURL")
        cls.tree = cls.enterClassContext(Tree())
        # Equal in their times, too, so that one may take the other's place.
        for name in (b"original", b"copy"):
            os.utime(cls.tree.write(name, content=b"x" * 5000), (1e9, 1e9))
        # Enough that the job which the README cancels is still at work.
        cls.tree.write(b"large", content=b"", size=16 << 30)
        cls.server = cls.enterClassContext(Sluiced(cls.tree.root, listen="127.0.0.1:0"))
        cls.output = cls.run_blocks(blocks(README, "sh"))

    @classmethod
    def run_blocks(cls, scripts):
        """What each block prints. A failing command ends the session."""
        directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sluice-readme-"))
        script = "set -euo pipefail\n"
        for i, block in enumerate(scripts):
            block = block.replace("127.0.0.1:7878", cls.server.address)
            block = re.sub(r"/data\b", os.fsdecode(cls.tree.root), block)
            script += f"exec >block{i}\n{block}\n"
        path = f"{pathlib.Path(cls.grpcurl).parent}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", script], cwd=directory, timeout=300, check=False,
                              env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE)
        if done.returncode:
            raise AssertionError(f"exit {done.returncode}: {done.stderr.decode()}\n{script}")
        return {script: (pathlib.Path(directory) / f"block{i}").read_text()
                for i, script in enumerate(scripts)}

    def printed_by(self, *words):
        """The output of the block that holds the words."""
        found = [text for script, text in self.output.items() if all(w in script for w in words)]
        self.assertEqual(len(found), 1, words)
        return found[0]

    def test_list_and_describe_show_the_contract(self):
        text = self.printed_by("list", "describe")
        self.assertIn("sluice.v1.JobService", text)
        self.assertIn("sluice.v1.CatalogService", text)
        self.assertIn("rpc RunJob ( .sluice.v1.RunJobRequest )", text)

    def test_health_can_be_asked_by_name(self):
        self.assertIn('"status": "SERVING"', self.printed_by("grpc.health.v1.Health/Check"))

    def test_run_job_streams_a_scan(self):
        paths = {event.file.path for event in events(self.printed_by("RunJob", '"scan"'))
                 if event.HasField("file")}
        self.assertEqual({os.path.basename(path) for path in paths}, {"original", "copy", "large"})

    def test_run_job_streams_a_reconcile_of_that_very_scan(self):
        plan, = [event.plan for event in events(self.printed_by("RunJob", '"reconcile"'))
                 if event.HasField("plan")]
        self.assertEqual({os.path.basename(copy.file.path) for copy in plan.copies},
                         {"original", "copy"})
        self.assertGreaterEqual(plan.recoverable_bytes, 5000)

    def outcome(self, *words):
        """The only one of the apply job that the block ran."""
        outcome, = [event.outcome for event in events(self.printed_by("RunJob", *words))
                    if event.HasField("outcome")]
        if outcome.skip_reason == apply_pb2.ApplyOutcome.SKIP_REASON_LEASES_UNSUPPORTED:
            self.skipTest("the file system of the temporary directory has no leases")
        return outcome

    def test_an_apply_job_changes_nothing_until_it_is_told_to(self):
        outcome = self.outcome("reconcile.json", "reconcile_job")
        self.assertEqual(outcome.result, apply_pb2.ApplyOutcome.RESULT_WOULD_APPLY)

    def test_an_apply_job_makes_the_copy_a_name_of_the_original(self):
        outcome = self.outcome("reconcile_job", "dry_run")
        self.assertEqual(outcome.result, apply_pb2.ApplyOutcome.RESULT_APPLIED)
        self.assertGreaterEqual(outcome.recovered_bytes, 5000)

    def test_an_undo_makes_two_files_of_it_again(self):
        outcome = self.outcome("undo_of")
        self.assertEqual(outcome.result, apply_pb2.ApplyOutcome.RESULT_APPLIED)
        for name in (b"original", b"copy"):
            info = os.stat(self.tree.path(name))
            self.assertEqual((info.st_nlink, info.st_size, info.st_mtime), (1, 5000, 1e9))

    def test_fields_are_spelled_as_the_json_mapping_has_them(self):
        text = self.printed_by("RunJob", '"reconcile"')
        for field in ("nextSequence", "eventTime", "sourceOfTruth", "recoverableBytes"):
            self.assertIn(f'"{field}":', text)

    def test_a_started_job_is_waited_for_listed_and_deleted(self):
        _, waited, page, deleted = json_documents(self.printed_by("StartJob", "WaitJob"))
        self.assertEqual(waited["job"]["state"], "JOB_STATE_SUCCEEDED")
        self.assertEqual(page["events"][0]["sequence"], "2")
        self.assertTrue(page["end"])
        self.assertEqual(deleted["job"]["name"], waited["job"]["name"])


class Truth(unittest.TestCase):
    """Of what is told and cannot be run."""

    def help_of(self, *command):
        return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True,
                              timeout=60).stdout

    def test_every_flag_of_the_server_that_is_named_exists(self):
        known = set(re.findall(r"--(\w+)", self.help_of(SLUICED)))
        for document in DOCUMENTS:
            for line in re.findall(r"sluiced .*", document.read_text().replace("\\\n", " ")):
                for flag in re.findall(r"--(\w+)", line.partition("`")[0]):
                    self.assertIn(flag, known, f"{document.name}: {line}")

    def test_every_command_line_of_sluice_that_is_shown_is_understood(self):
        for document in DOCUMENTS:
            for block in blocks(document, "console"):
                for line in re.findall(r"^\$ (?:\S*/)?sluice (.*)$", block, re.M):
                    words = shlex.split(line.partition("#")[0].partition("|")[0])
                    command = [w for w in words if not w.startswith("-") and "/" not in w]
                    known = self.help_of(SLUICE) + self.help_of(SLUICE, *command)
                    for flag in (w.partition("=")[0] for w in words if w.startswith("-")):
                        self.assertIn(flag, known, f"{document.name}: {line}")

    def test_every_file_that_is_named_exists(self):
        for document in DOCUMENTS:
            # Without code, where a lambda looks like a link.
            text = re.sub(r"^```.*?^```$|`[^`\n]+`", "", document.read_text(), flags=re.M | re.S)
            for target in re.findall(r"\]\(([^)#:]+)\)", text):
                self.assertTrue((document.parent / target).exists(), f"{document.name}: {target}")


if __name__ == "__main__":
    main()
