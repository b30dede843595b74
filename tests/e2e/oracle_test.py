#!/usr/bin/python3
"""Sluice and an oracle (support/oracle.py) find the same groups of duplicates in the same trees,
whatever the trees are made of; and Sluice's records say what lstat and hashlib say."""

import os
import stat
import unittest

from support import oracle
from support.client import Client, path_of, reason_of
from support.contract import file_pb2, plan_pb2, scan_pb2
from support.environment import main
from support.sluiced import Sluiced
from support.trees import Tree

POLICIES = (scan_pb2.DIGEST_POLICY_NONE, scan_pb2.DIGEST_POLICY_CANDIDATES,
            scan_pb2.DIGEST_POLICY_ALL)
ALGORITHMS = {
    "sha256": file_pb2.DIGEST_ALGORITHM_SHA256,
    "blake2b-256": file_pb2.DIGEST_ALGORITHM_BLAKE2B_256,
    "xxh3-128": file_pb2.DIGEST_ALGORITHM_XXH3_128,
}
TYPES = {
    stat.S_IFREG: file_pb2.FILE_TYPE_REGULAR,
    stat.S_IFLNK: file_pb2.FILE_TYPE_SYMLINK,
    stat.S_IFIFO: file_pb2.FILE_TYPE_FIFO,
    stat.S_IFSOCK: file_pb2.FILE_TYPE_SOCKET,
    stat.S_IFCHR: file_pb2.FILE_TYPE_CHARACTER_DEVICE,
}
NOBODY = 65534


def nanoseconds(timestamp):
    return timestamp.seconds * 1_000_000_000 + timestamp.nanos


class OracleTestCase(unittest.TestCase):
    """A tree, and a server that may scan it."""

    uid = None

    def setUp(self):
        self.tree = self.enterContext(Tree())
        self.server = self.enterContext(Sluiced(self.tree.root, uid=self.uid))
        self.client = self.enterContext(Client(self.server.address))

    def assert_agreement(self, root=None, leave_out=frozenset(), failing=0, groups=None):
        """Scans by every policy and reconciles: each time the groups of the oracle come out."""
        root = root or self.tree.root
        expected = oracle.groups(root, leave_out=leave_out)
        if groups is not None:
            self.assertEqual(len(expected), groups, "the tree is not what the test means it to be")
        for policy in POLICIES:
            with self.subTest(policy=scan_pb2.DigestPolicy.Name(policy)):
                scan = self.client.scan(root, digest_policy=policy)
                plans = self.client.reconcile(scan.job.scan)
                self.assertEqual(plans.groups, set(expected))
                self.assertEqual(len({path_of(e) for e in scan.errors + plans.errors}), failing)
                self.assert_plans_are_honest(plans, expected)
        return expected

    def assert_plans_are_honest(self, run, expected):
        """The copy to keep, what the others give back, and how parts belong together."""
        parts = {}
        for plan in run.plans:
            parts.setdefault(plan.name, []).append(plan)
        for plans in parts.values():
            group = expected[frozenset(path_of(c.file) for plan in plans for c in plan.copies)]
            self.assertEqual([plan.part for plan in plans], list(range(1, len(plans) + 1)))
            self.assertEqual([plan.last_part for plan in plans][-2:], [False, True][-len(plans):])
            self.assertEqual({plan.total_copies for plan in plans}, {len(group.files)})
            self.assertEqual({path_of(plan.source_of_truth) for plan in plans},
                             {group.source_of_truth.path})
            recoverable = group.recoverable_bytes()
            self.assertEqual({plan.total_recoverable_bytes for plan in plans}, {recoverable})
            self.assertEqual(sum(plan.recoverable_bytes for plan in plans), recoverable)


class GeneratedTrees(OracleTestCase):

    def test_same_size_files_that_differ_in_one_byte_are_told_apart(self):
        base = bytes(range(256)) * 1024
        for name, position in ((b"first", 0), (b"middle", len(base) // 2), (b"last", -1)):
            changed = bytearray(base)
            changed[position] ^= 1
            self.tree.write(name, b"1", content=changed)
            self.tree.write(name, b"2", content=changed)
        self.tree.write(b"base", content=base)
        self.assert_agreement(groups=3)

    def test_hard_links_are_one_copy_and_give_back_only_what_no_other_name_keeps(self):
        kept = self.tree.write(b"kept", content=b"x" * 9000)
        self.tree.hard_link(kept, b"kept too")
        self.tree.hard_link(kept, b"and this")
        linked = self.tree.write(b"in", b"linked from outside", content=b"x" * 9000)
        self.tree.hard_link(linked, b"out", b"of the scan")
        gone = self.tree.write(b"in", b"gives back", content=b"x" * 9000)
        self.tree.hard_link(gone, b"in", b"with both names")
        alone = self.tree.write(b"alone", content=b"one inode only")
        self.tree.hard_link(alone, b"alone too")
        self.assert_agreement(groups=1)
        expected = self.assert_agreement(root=self.tree.path(b"in"), groups=1)
        self.assertGreaterEqual(next(iter(expected.values())).recoverable_bytes(), 9000)

    def test_names_of_one_inode_follow_each_other_and_name_the_first(self):
        first = self.tree.write(b"a")
        self.tree.write(b"m")
        self.tree.hard_link(first, b"z")
        run = self.client.reconcile(self.client.scan(self.tree.root).job.scan)
        copies = {path_of(copy.file): copy for copy in run.plans[0].copies}
        sharing = [path for path, copy in copies.items() if copy.shares_storage_with]
        self.assertEqual(len(sharing), 1)
        self.assertIn(copies[sharing[0]].shares_storage_with.encode(), copies)
        inodes = [copy.file.inode for copy in run.plans[0].copies]
        self.assertEqual(inodes.index(copies[first].file.inode) + 1,
                         len(inodes) - 1 - inodes[::-1].index(copies[first].file.inode))

    def test_symbolic_links_are_recorded_and_never_followed(self):
        target = self.tree.write(b"d", b"file")
        self.tree.write(b"d", b"copy")
        self.tree.symlink(target, b"absolute")
        self.tree.symlink(b"loop", b"loop")
        self.tree.symlink(b"..", b"d", b"up")
        self.tree.symlink(b"b", b"a")
        self.tree.symlink(b"a", b"b")
        self.tree.symlink(b"/etc/passwd", b"outside")
        self.assert_agreement(groups=1)

    def test_empty_files_are_left_out_unless_asked_for(self):
        for name in (b"1", b"2", b"3"):
            self.tree.write(b"empty", name, content=b"")
        self.assert_agreement(groups=0)
        scan = self.client.scan(self.tree.root)
        asked = self.client.reconcile(scan.job.scan, min_size=0)
        self.assertEqual([len(group) for group in asked.groups], [3])

    def test_names_are_any_bytes(self):
        for name in (b"\xff\xfe", b"new\nline", b"tab\t\x1b[31mred", b"back\\slash", b"\\x41",
                     "ünïcödé".encode(), b"\xed\xa0\x80", b" ", b"-rf", b"'\"$(id)`",
                     b"n" * 255, b"\xc3" * 255):
            self.tree.write(name, name)
            self.tree.write(b"again", name)
        self.assert_agreement(groups=1)

    def test_printable_forms_stand_for_exactly_one_path(self):
        for name in (b"\xff", b"\\xff", b"\\", b"a\x01\\", b"a\\x01\\\\"):
            self.tree.write(name)
        files = self.client.scan(self.tree.root).files
        self.assertEqual({path_of(file) for file in files},
                         {file.path for file in oracle.files(self.tree.root)})
        for file in files:
            needed = b"\xff" in path_of(file) or b"\x01" in path_of(file)
            self.assertEqual(bool(file.raw_path), needed)

    def test_paths_longer_than_the_kernel_takes(self):
        directories = [b"%03d" % i + b"n" * 252 for i in range(40)]
        for depth in (10, 20, 40):
            self.tree.write(*directories[:depth], b"file")
        self.assert_agreement(groups=1)

    def test_three_thousand_levels(self):
        levels = [b"d"] * 3000
        for depth in range(3000, 0, -500):
            self.tree.write(*levels[:depth], b"file", content=b"%d" % (depth % 1000))
        self.assert_agreement(groups=2)

    def test_a_hundred_thousand_files_in_one_directory(self):
        self.tree.write_many(b"wide", count=100_000, content=lambda i: b"%d" % (i % 40_000))
        self.assert_agreement(groups=40_000)

    def test_a_group_of_many_copies_comes_in_parts(self):
        self.tree.write_many(b"same", count=1_000, content=lambda _: b"same")
        self.assert_agreement(groups=1)
        run = self.client.reconcile(self.client.scan(self.tree.root).job.scan)
        self.assertGreater(len(run.plans), 1)

    def test_sparse_files_are_compared_by_their_content(self):
        size = 64 * 1024 * 1024
        self.tree.write(b"sparse", content=b"", size=size)
        self.tree.write(b"dense", content=bytes(size))
        self.tree.write(b"data", content=b"data", size=size)
        self.assert_agreement(groups=1)

    def test_fifos_sockets_and_devices_are_recorded_and_never_opened(self):
        self.tree.fifo(b"fifo")
        self.tree.socket(b"socket")
        if os.geteuid() == 0:
            os.mknod(self.tree.path(b"null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        self.tree.write(b"1")
        self.tree.write(b"2")
        self.assert_agreement(groups=1)


class UnreadableFiles(OracleTestCase):

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root can run the server as another user")
        self.uid = NOBODY
        super().setUp()

    def test_what_cannot_be_read_is_an_error_of_its_own_and_the_rest_is_found(self):
        self.tree.write(b"1")
        self.tree.write(b"2")
        locked = self.tree.write(b"locked")
        os.chmod(locked, 0)
        behind = self.tree.write(b"closed", b"file")
        os.chmod(self.tree.path(b"closed"), 0)
        self.assert_agreement(leave_out={locked, behind}, failing=2, groups=1)
        run = self.client.scan(self.tree.root, digest_policy=scan_pb2.DIGEST_POLICY_ALL)
        self.assertEqual({reason_of(error) for error in run.errors}, {"ITEM_PERMISSION_DENIED"})
        self.assertEqual({path_of(error) for error in run.errors},
                         {locked, self.tree.path(b"closed")})


class RealFiles(unittest.TestCase):

    ROOT = b"/usr/share"

    @classmethod
    def setUpClass(cls):
        cls.expected = oracle.groups(cls.ROOT)

    def test_usr_share_by_every_policy(self):
        for policy in POLICIES:
            with self.subTest(policy=scan_pb2.DigestPolicy.Name(policy)), \
                    Sluiced(self.ROOT) as server, Client(server.address) as client:
                scan = client.scan(self.ROOT, digest_policy=policy)
                self.assertEqual({path_of(file) for file in scan.files},
                                 {file.path for file in oracle.files(self.ROOT)})
                plans = client.reconcile(scan.job.scan)
                self.assertEqual(plans.groups, set(self.expected))
                self.assertEqual(
                    plans.end.summary.counters.recoverable_bytes,
                    sum(group.recoverable_bytes() for group in self.expected.values()))


class Records(OracleTestCase):

    def setUp(self):
        super().setUp()
        self.tree.write(b"empty", content=b"")
        self.tree.write(b"small", content=b"abc")
        self.tree.write(b"large", content=os.urandom(3_000_001))
        self.tree.write(b"sparse", content=b"x", size=5_000_000)
        self.tree.hard_link(self.tree.path(b"small"), b"linked")
        self.tree.symlink(b"small", b"symlink")
        self.tree.fifo(b"fifo")
        os.utime(self.tree.path(b"small"), ns=(1, 123_456_789_012_345_678))

    def test_digests_are_those_of_hashlib(self):
        for name, algorithm in ALGORITHMS.items():
            with self.subTest(algorithm=name):
                files = self.client.scan(self.tree.root, digest_algorithm=algorithm,
                                         digest_policy=scan_pb2.DIGEST_POLICY_ALL).files
                regular = [f for f in files if f.type == file_pb2.FILE_TYPE_REGULAR]
                self.assertEqual({path_of(f): f.digest for f in regular},
                                 {path_of(f): oracle.digest(path_of(f), name) for f in regular})
                self.assertEqual({f.digest for f in files if f not in regular}, {""})

    def test_groups_are_the_same_by_every_algorithm(self):
        self.tree.write(b"copy", content=b"abc")
        expected = oracle.groups(self.tree.root)
        for algorithm in ALGORITHMS.values():
            scan = self.client.scan(self.tree.root)
            run = self.client.reconcile(scan.job.scan, digest_algorithm=algorithm)
            self.assertEqual(run.groups, set(expected))

    def test_records_say_what_lstat_says(self):
        recorded = {path_of(file): file for file in self.client.scan(self.tree.root).files}
        for path, file in recorded.items():
            info = os.lstat(path)
            self.assertEqual(file.type, TYPES[stat.S_IFMT(info.st_mode)])
            self.assertEqual(
                (file.size, file.allocated_bytes, file.device, file.inode, file.link_count,
                 file.mode, file.uid, file.gid),
                (info.st_size, info.st_blocks * 512, info.st_dev, info.st_ino, info.st_nlink,
                 stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid))
            self.assertEqual(nanoseconds(file.modify_time), info.st_mtime_ns)
            self.assertEqual(nanoseconds(file.change_time), info.st_ctime_ns)
        self.assertEqual(len(recorded), 7)


class Reconciling(OracleTestCase):

    def test_files_that_vanished_or_changed_since_the_scan_are_errors_and_in_no_plan(self):
        for name in (b"1", b"2", b"vanished", b"changed"):
            self.tree.write(name)
        scan = self.client.scan(self.tree.root)
        os.unlink(self.tree.path(b"vanished"))
        self.tree.write(b"changed", content=b"another size")
        run = self.client.reconcile(scan.job.scan)
        self.assertEqual(run.groups, {frozenset({self.tree.path(b"1"), self.tree.path(b"2")})})
        self.assertEqual({path_of(error): reason_of(error) for error in run.errors},
                         {self.tree.path(b"vanished"): "ITEM_VANISHED",
                          self.tree.path(b"changed"): "ITEM_CHANGED"})

    def test_several_scans_are_compared_with_each_other_unless_asked_otherwise(self):
        for name in (b"a", b"b"):
            self.tree.write(name, b"file")
        self.tree.write(b"b", b"copy")
        scans = [self.client.scan(self.tree.path(name)).job.scan for name in (b"a", b"b")]
        self.assertEqual([len(group) for group in self.client.reconcile(*scans).groups], [3])
        within = self.client.reconcile(*scans, scope=scan_pb2.ReconcileSpec.SCOPE_WITHIN_SCAN)
        self.assertEqual([len(group) for group in within.groups], [2])

    def test_the_largest_gain_comes_first_when_asked_for(self):
        for size in (10_000, 70_000, 30_000, 50_000):
            for copy in range(2 if size > 60_000 else 5):
                self.tree.write(b"%d-%d" % (size, copy), content=b"x" * size)
        scan = self.client.scan(self.tree.root)
        run = self.client.reconcile(scan.job.scan,
                                    order=scan_pb2.ReconcileSpec.ORDER_LARGEST_FIRST)
        gains = [plan.total_recoverable_bytes for plan in run.plans]
        self.assertEqual(gains, sorted(gains, reverse=True))
        self.assertEqual(len(gains), 4)

    def test_the_keep_rules_choose_and_the_deciding_one_is_named(self):
        for name, mtime in ((b"older", 1000), (b"newer", 2000), (b"x.keep", 1500)):
            os.utime(self.tree.write(name), (mtime, mtime))
        scan = self.client.scan(self.tree.root)
        rule = plan_pb2.KeepRule
        for rules, kept in (
                ([rule(criterion=rule.CRITERION_OLDEST)], b"older"),
                ([rule(criterion=rule.CRITERION_NEWEST)], b"newer"),
                ([rule(criterion=rule.CRITERION_PATH_GLOB, pattern="*.keep")], b"x.keep"),
                ([rule(criterion=rule.CRITERION_PATH_ORDER)], b"newer")):
            plan, = self.client.reconcile(scan.job.scan, keep=rules).plans
            self.assertEqual(path_of(plan.source_of_truth), self.tree.path(kept))
            self.assertEqual(plan.deciding_rule, rules[0])
            self.assertTrue(plan.reason)

    def test_protected_files_are_never_counted_as_recoverable(self):
        kept = self.tree.write(b"a")
        os.utime(kept, (1000, 1000))
        self.tree.write(b"b", b"protected")
        scan = self.client.scan(self.tree.root)
        plan, = self.client.reconcile(scan.job.scan, protect=["protected"]).plans
        self.assertEqual(plan.recoverable_bytes, 0)
        self.assertEqual([path_of(copy.file) for copy in plan.copies if copy.protected],
                         [self.tree.path(b"b", b"protected")])


if __name__ == "__main__":
    main()
