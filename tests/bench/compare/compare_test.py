#!/usr/bin/python3
"""What the comparison works out, apart from measuring."""

import hashlib
import json
import os
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "e2e")]

# pylint: disable=wrong-import-position
from compare import answers, bound, check, corpora, dedupe, hashing, report, second, targets  # noqa: E402
from compare.content import Content, Shape, content_of  # noqa: E402
from compare.growth import per_n_log_n  # noqa: E402
from compare.measure import run  # noqa: E402
from compare.results import Results, fastest, median  # noqa: E402
from compare.tools import Measured  # noqa: E402
from support.environment import main  # noqa: E402
from support.trees import Tree  # noqa: E402

A, B, C, D = (1, 1), (1, 2), (1, 3), (2, 1)


def peer(*walls, error=""):
    return {"kind": "peer", "error": error, "runs": [{"wall": wall} for wall in walls]}


class Answers(unittest.TestCase):

    def test_neither_the_order_nor_further_names_of_an_inode_make_another_answer(self):
        self.assertEqual(answers.answer([[A, B], [C, D]]), answers.answer([[D, C, D], [B, A]]))

    def test_a_group_less_or_divided_is_another_answer(self):
        whole = answers.answer([[A, B, C]])
        self.assertNotEqual(whole, answers.answer([[A, B]]))
        self.assertNotEqual(whole, answers.answer([[A, B], [C, D]]))

    def test_what_is_one_inode_or_no_file_is_no_group(self):
        self.assertEqual(answers.answer([[A, A], [B, None]]), answers.answer([]))

    def test_a_difference_says_what_is_missing_and_what_is_added(self):
        self.assertEqual(answers.difference([[A, B], [C, D]], [[A, B], [A, C], [B, D]]),
                         "1 of 2 groups are not in its answer, 2 of its own are")


class Readers(unittest.TestCase):

    def groups(self, reader, text):
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            return list(reader(file.name))

    def test_blocks_of_paths_are_groups_of_their_inodes(self):
        with Tree() as tree:
            paths = [tree.write(name) for name in (b"a", b"b", b"c", b"d")]
            text = b"\n%s\n%s\n\n%s\n%s\n%s" % (*paths, tree.write(b"empty", content=b""))
            first, last = self.groups(answers.blocks_of_paths, text)
            self.assertEqual(first, [answers.inode_of(path) for path in paths[:2]])
            self.assertEqual(last, [*map(answers.inode_of, paths[2:]), None])

    def test_the_lines_of_rdfind_belong_together_by_their_id(self):
        text = (b"# comment\nDUPTYPE_FIRST_OCCURRENCE 7 2 24 1 1 6 /a\n"
                b"DUPTYPE_WITHIN_SAME_TREE -7 2 24 1 2 6 /b\n"
                b"DUPTYPE_FIRST_OCCURRENCE 8 2 24 1 3 6 /c\n")
        self.assertEqual(self.groups(answers.rdfind, text), [[A, B], [C]])

    def test_czkawka_groups_within_sizes(self):
        with Tree() as tree:
            a, b = tree.write(b"a"), tree.write(b"b")
            text = json.dumps({"8": [[{"path": os.fsdecode(a)}, {"path": os.fsdecode(b)}]]})
            self.assertEqual(self.groups(answers.czkawka, text.encode()),
                             [[answers.inode_of(a), answers.inode_of(b)]])

    def test_sluice_says_more_of_a_file_than_its_path(self):
        with Tree() as tree:
            names = (b"a", b"b   c", b"d", b"e\n\xff\\", b"f", b"g")
            a, b, d, e, f, g = (tree.write(name) for name in names)
            escaped = e.replace(b"\\", b"\\\\").replace(b"\n", b"\\x0a").replace(b"\xff", b"\\xff")
            text = (b"3 copies of 8 bytes, 8 bytes recoverable\n  keep  %s   oldest: modified 2026\n"
                    b"        %s\n        %s   same file as %s   protected\n\n"
                    b"2 copies of 9 bytes, 9 bytes recoverable\n  keep  %s   most links: 2\n"
                    b"        %s   protected\n        %s   same file as %s\n\n"
                    b"Scan (scans/1)\n  files   5, 43 bytes\n\nIdentical files\n  groups   2\n"
                    % (b, a, d, a, escaped, f, g, f))
            self.assertEqual(self.groups(answers.sluice, text),
                             [[*map(answers.inode_of, (b, a, d))], [*map(answers.inode_of, (e, f, g))]])


class Trees(unittest.TestCase):

    def test_contents_are_the_same_everywhere_and_always(self):
        shape = Shape(100, 3_000, duplicates=0.3, near_duplicates=0.3)
        state = hashlib.sha256()
        for i in range(200):
            for chunk in content_of("test", i, shape).chunks():
                state.update(chunk)
        self.assertEqual(state.hexdigest()[:16], "dba5c8e28b05f16b")

    def test_a_near_duplicate_differs_from_its_origin_in_eight_bytes(self):
        shape = Shape(100, 100, duplicates=0, near_duplicates=0.9)
        first = b"".join(content_of("test", 0, shape).chunks())
        near = (b"".join(content_of("test", i, shape).chunks()) for i in range(1, 50))
        differing = [sum(x != y for x, y in zip(first, other)) for other in near]
        self.assertTrue(any(0 < count <= 8 for count in differing))
        self.assertNotIn(0, differing)

    def test_a_patch_reaches_over_no_end(self):
        content = Content("key", 20, (16, b"12345678"))
        self.assertEqual(sum(map(len, content.chunks())), 20)

    def test_a_backup_tree_has_two_inodes_for_each_of_its_files(self):
        with tempfile.TemporaryDirectory() as root:
            corpora.fill_backups(pathlib.Path(root), 400)
            names = [path for path in pathlib.Path(root).rglob("*") if path.is_file()]
            self.assertEqual(len(names), 400)
            self.assertEqual(len({path.stat().st_ino for path in names}), 40)

    def test_a_tree_is_made_once_for_each_version(self):
        made = []
        with tempfile.TemporaryDirectory() as parent:
            corpus = corpora.Corpus("c", "what", made.append)
            roots = [corpora.roots_of(corpus, pathlib.Path(parent)) for _ in range(2)]
            other = corpora.Corpus("c", "other", made.append)
            roots.append(corpora.roots_of(other, pathlib.Path(parent)))
        self.assertEqual(roots[0], roots[2])
        self.assertEqual(len(made), 2)


class Bound(unittest.TestCase):

    def test_all_pages_of_groups_and_one_of_what_shares_a_size_must_be_read(self):
        with Tree() as tree:
            twins = [tree.write(name, content=b"x" * 10_000) for name in (b"a", b"b")]
            tree.write(b"of the same size", content=b"y" * 10_000)
            tree.write(b"alone", content=b"y" * 50_000)
            groups = [[answers.inode_of(path) for path in twins]]
            self.assertEqual(bound.content_bytes([os.fsdecode(tree.root)], groups),
                             (2 * 3 + 1) * bound.PAGE_BYTES)


class Figures(unittest.TestCase):

    def test_the_fastest_peer_is_that_of_the_least_median_whose_answer_was_right(self):
        entries = {"a": peer(1, 9, 3), "b": peer(2, 2, 8), "wrong": peer(1, error="no"),
                   "find": {**peer(0.1), "kind": "baseline"}}
        self.assertEqual(fastest(entries), ("b", 2))
        self.assertIsNone(fastest({"wrong": peer(1, error="no")}))

    def test_runs_without_a_figure_do_not_count(self):
        self.assertEqual(median([{"x": 1}, {"x": None}, {}, {"x": 3}], "x"), 2)
        self.assertIsNone(median([{}], "x"))

    def test_results_are_kept_and_belong_to_the_programs_they_were_measured_of(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "below/results.json"
            Results(path).put("dedupe", "small, warm", {"build": "1"})
            kept = Results(path)
            self.assertTrue(kept.has("dedupe", "small, warm", "1"))
            self.assertFalse(kept.has("dedupe", "small, warm", "2"))

    def test_a_target_is_met_from_its_side(self):
        self.assertTrue(targets.Row("", "≤", 1, 0.9).met)
        self.assertFalse(targets.Row("", "≥", 1, 0.9).met)

    def test_time_of_n_log_n_is_the_same_for_every_step(self):
        self.assertAlmostEqual(per_n_log_n(1 << 10, 10 * 2.0), per_n_log_n(1 << 20, 20 * 2048.0))

    def test_openssl_says_its_rate_in_thousands(self):
        self.assertEqual(hashing.parse_speed("type  262144 bytes\nsha256   2184708.10k\n"),
                         2184708100)

    def test_numbers_show_three_digits_and_whole_ones_no_fraction(self):
        self.assertEqual([report.number(x) for x in (0.01234, 1.234, 12.34, 1234.5, 20.0)],
                         ["0.0123", "1.23", "12.3", "1,234", "20"])

    def test_processor_time_is_held_against_that_of_the_peer_that_was_fastest_by_the_wall(self):
        def entry(kind, wall, cpu):
            return {"kind": kind, "error": "", "runs": [{"wall": wall, "cpu": cpu}]}
        tools = {"Sluice": entry("sluice", 1, 3), "a": entry("peer", 2, 4), "b": entry("peer", 9, 1)}
        self.assertEqual(targets.ratio_to_peer({"tools": tools}, "cpu"), (0.75, "a"))


class Opens(unittest.TestCase):

    def test_files_of_the_tree_count_and_directories_and_own_files_do_not(self):
        trace = ['1 openat2(5, "a.dat", {flags=O_RDONLY|O_NOFOLLOW, mode=0}, 24) = 6',
                 '1 openat2(5, "below", {flags=O_RDONLY|O_DIRECTORY}, 24) = 6',
                 '1 openat(AT_FDCWD, "/data/catalog.db-wal", O_RDWR) = 6',
                 '1 <... openat2 resumed>) = 7',
                 '1 openat2(5, "b.dat", {flags=O_RDONLY} <unfinished ...>']
        self.assertEqual(second.opens_of_files(trace, "/data"), 2)


class FakeTool:
    answers = True

    def __init__(self, name, groups, wall=1.0, is_sluice=False, error=""):
        self.name, self.is_sluice = name, is_sluice
        self.measured = Measured({"wall": wall}, lambda: groups, error)
        self.runs = 0

    def measure(self, roots, places, seconds, before):
        before()
        self.runs += 1
        return self.measured


class Contest(unittest.TestCase):

    def entries(self, *tools, runs=3):
        sluice = FakeTool("Sluice", [[A, B]], is_sluice=True)
        return dedupe.Contest([sluice, *tools], [], None, 1).run(runs, lambda: None)

    def test_a_peer_with_another_answer_has_no_figure(self):
        entries = self.entries(FakeTool("right", [[B, A]]), FakeTool("wrong", [[A, C]]))
        self.assertEqual(entries["right"]["error"], "")
        self.assertIn("another answer: 1 of 1 groups", entries["wrong"]["error"])
        self.assertEqual(fastest(entries)[0], "right")

    def test_a_peer_that_failed_is_not_run_again(self):
        failing = FakeTool("failing", [[A, B]], error="exit status 1")
        self.assertEqual(self.entries(failing)["failing"]["error"], "exit status 1")
        self.assertEqual(failing.runs, 1)

    def test_a_hopeless_peer_is_run_once(self):
        quick, slow = FakeTool("quick", [[A, B]]), FakeTool("slow", [[A, B]], wall=5.5)
        self.entries(quick, slow)
        self.assertEqual((quick.runs, slow.runs), (3, 1))


class Check(unittest.TestCase):

    def test_only_a_loss_of_more_than_a_quarter_is_one(self):
        committed = {"small": {"wall": 1.0, "cpu": 1.0}}
        self.assertEqual(check.losses(committed, {"small": {"wall": 1.25, "cpu": 0.3}}), set())
        self.assertEqual(check.losses(committed, {"small": {"wall": 1.26, "cpu": 1.0}}),
                         {("small", "wall")})

    def test_what_was_never_committed_is_not_guarded_and_fails(self):
        self.assertEqual(check.losses({}, {"small": {"wall": 0.1}}), {("small", "wall")})


class Runs(unittest.TestCase):

    def test_a_run_tells_status_output_and_when_it_came(self):
        with tempfile.NamedTemporaryFile() as output:
            done = run(["sh", "-c", "echo first; echo wanted; echo oops >&2; exit 3"], output.name,
                       wanted=b"wanted")
            self.assertEqual(output.read(), b"first\nwanted\n")
        self.assertEqual((done.status, done.err), (3, "oops\n"))
        self.assertLessEqual(done.first_output, done.first_match)
        self.assertLess(done.first_match, done.wall)

    def test_memory_is_the_programs_and_not_that_of_this_interpreter(self):
        ballast = b"x" * (64 << 20)
        done = run(["true"], os.devnull)
        self.assertLess(done.peak_kib, len(ballast) >> 10)

    def test_a_run_that_takes_too_long_is_killed(self):
        done = run(["sleep", "60"], os.devnull, seconds=0.05)
        self.assertNotEqual(done.status, 0)
        self.assertLess(done.wall, 30)


if __name__ == "__main__":
    main()
