"""What a program answered, in a form in which answers are compared.

The question is always: which regular files that are not empty hold the same bytes? The names of one
inode are one file. An answer is a set of groups of inodes, of at least two each, however a program
wrote it: whichever of the names it printed, in whatever order.
"""

import dataclasses
import hashlib
import json
import os
import re
import stat


@dataclasses.dataclass(frozen=True)
class Answer:
    groups: int
    files: int
    digest: str


def inode_of(path):
    """(device, inode) of a regular file with content; None for anything else."""
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return None
    return (info.st_dev, info.st_ino) if stat.S_ISREG(info.st_mode) and info.st_size else None


def canonical(groups):
    """The sorted groups, each a sorted tuple of inodes; what is no group of several is left out."""
    distinct = (tuple(sorted(set(group) - {None})) for group in groups)
    return sorted(group for group in distinct if len(group) > 1)


def answer(groups):
    state = hashlib.sha256()
    count = files = 0
    for group in canonical(groups):
        state.update(f"{group}\n".encode())
        count += 1
        files += len(group)
    return Answer(count, files, state.hexdigest())


def difference(expected, actual):
    """In words, how the groups of one answer differ from those of the other."""
    expected, actual = set(canonical(expected)), set(canonical(actual))
    missing, added = len(expected - actual), len(actual - expected)
    return f"{missing} of {len(expected)} groups are not in its answer, {added} of its own are"


# Each reads the groups, as lists of inodes, out of a file that a program wrote.

def blocks_of_paths(path):
    """A path a line, an empty line between groups: fdupes, and many that print as it does."""
    group = []
    with open(path, "rb") as lines:
        for line in lines:
            name = line.rstrip(b"\n")
            if name:
                group.append(inode_of(name))
            elif group:
                yield group
                group = []
    if group:
        yield group


RDFIND_LINE = re.compile(rb"DUPTYPE_\w+ (-?\d+) \d+ \d+ (\d+) (\d+) ")


def rdfind(path):
    """The first file of a group has an id, the others that id with a minus."""
    groups = {}
    with open(path, "rb") as lines:
        for line in lines:
            if found := RDFIND_LINE.match(line):
                identity, device, inode = map(int, found.groups())
                groups.setdefault(abs(identity), []).append((device, inode))
    yield from groups.values()


def czkawka(path):
    """{size: [[{"path": ...}, ...], ...]}"""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        by_size = json.load(file)
    for groups in by_size.values():
        for group in groups:
            yield [inode_of(os.fsencode(entry["path"])) for entry in group]


# The file that is kept, and why, or another copy, with what there is to say about it.
SLUICE_LINE = re.compile(rb"  (?:keep  (?P<kept>/.*)   .*"
                         rb"|      (?P<copy>/.*?)(?:   same file as /.*)?(?:   protected)?)\n")
SLUICE_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|\\)")


def _inode_of_printed(name):
    """The command line escapes names that cannot be printed."""
    def unescaped(found):
        return bytes([int(found[1], 16)]) if found[1] else b"\\"
    return inode_of(name) or inode_of(SLUICE_ESCAPE.sub(unescaped, name))


def sluice(path):
    """The text of `sluice dedupe`: an empty line ends a group."""
    group = []
    with open(path, "rb") as lines:
        for line in lines:
            if found := SLUICE_LINE.fullmatch(line):
                group.append(_inode_of_printed(found["kept"] or found["copy"]))
            elif group and line == b"\n":
                yield group
                group = []
