#!/usr/bin/python3
"""docs/pipelines.md shows code that was compiled and run, and leaves no combinator out.

A block that is fenced as ```cpp there is, byte for byte, what stands between the marks `// [Name]`
and `// [/Name]` in a file of this folder, without the indentation that its lines have in common.
"""

import difflib
import os
import pathlib
import re
import textwrap
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent
SOURCE_DIR = pathlib.Path(os.environ.get("SLUICE_SOURCE_DIR", FOLDER.parents[1]))
DOCUMENT = SOURCE_DIR / "docs" / "pipelines.md"
OPS = SOURCE_DIR / "pipeline" / "ops"

MARKED = re.compile(r"^ *// \[([\w-]+)\]\n(.*?)^ *// \[/\1\]$", re.M | re.S)
INTERNAL = re.compile(
    r"^namespace (?:sluice::)?internal \{.*?^\}  // namespace (?:sluice::)?internal$", re.M | re.S)
DECLARED = re.compile(r"^(?:inline )?(?:auto|AsyncGenerator<.*>) (\w+)\(", re.M)
# | [`Name`](../pipeline/ops/file.h), `AndName` | what | bound |
ROW = re.compile(r"^\| (\[`\w+`\]\(\.\./pipeline/ops/(\w+\.h)\)[^|]*) \|.*\|.*\|$", re.M)


def marked_regions():
    """{name: code}; a name that is used twice is an error."""
    regions = {}
    for file in sorted(FOLDER.glob("*.h")) + sorted(FOLDER.glob("*.cc")):
        for name, code in MARKED.findall(file.read_text()):
            if name in regions:
                raise AssertionError(f"two regions are named {name}")
            regions[name] = textwrap.dedent(code)
    return regions


def blocks():
    return re.findall(r"^```cpp\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)


def declared_in(header):
    """The functions that a header offers, by name."""
    return DECLARED.findall(INTERNAL.sub("", header.read_text()))


class Snippets(unittest.TestCase):

    def test_every_block_of_code_is_a_marked_region(self):
        regions = marked_regions()
        for block in blocks():
            if block not in regions.values():
                nearest = max(regions.items(), key=lambda region: difflib.SequenceMatcher(
                    None, region[1], block).ratio())
                difference = difflib.unified_diff(nearest[1].splitlines(), block.splitlines(),
                                                  nearest[0], DOCUMENT.name, lineterm="")
                self.fail("\n".join(difference))

    def test_every_marked_region_is_shown_once(self):
        shown = blocks()
        for name, code in marked_regions().items():
            self.assertEqual(shown.count(code), 1, name)

    def test_no_mark_is_left_open(self):
        for file in [*FOLDER.glob("*.h"), *FOLDER.glob("*.cc")]:
            marks = re.findall(r"^ *// \[/?[\w-]+\]$", file.read_text(), re.M)
            self.assertEqual(len(marks), 2 * len(MARKED.findall(file.read_text())), file.name)


class Catalogue(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.declared = {(header.name, name) for header in OPS.glob("*.h")
                        for name in declared_in(header)}

    def test_every_combinator_of_every_header_has_a_row_and_no_row_is_left_over(self):
        rows = {(header, name) for cell, header in ROW.findall(DOCUMENT.read_text())
                for name in re.findall(r"`(\w+)`", cell)}
        self.assertGreater(len(self.declared), 20)
        self.assertEqual(self.declared, rows)

    def test_every_combinator_has_an_example(self):
        code = "".join(blocks())
        for _, name in self.declared:
            self.assertRegex(code, rf"\b{name}\b")


if __name__ == "__main__":
    unittest.main(verbosity=2)
