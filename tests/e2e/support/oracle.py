"""Which files are duplicates, found out in the plainest way: by hashing whole files with hashlib.

Nothing of Sluice is used. Two regular files are duplicates when their content is the same and not
empty; the names of one inode are one copy; a group is the set of all names of at least two inodes.
"""

import collections
import ctypes
import dataclasses
import hashlib
import os
import stat

from support.trees import open_path, walk

BLOCK_BYTES = 512  # Of st_blocks, whatever the file system.


@dataclasses.dataclass(frozen=True)
class File:
    path: bytes
    stat: os.stat_result

    @property
    def inode(self):
        return self.stat.st_dev, self.stat.st_ino

    @property
    def allocated(self):
        return self.stat.st_blocks * BLOCK_BYTES


class _Xxh3:
    """XXH3-128 by libxxhash, in the manner of hashlib."""

    class _Hash(ctypes.Structure):
        _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]

    def __init__(self):
        self.library = ctypes.CDLL("libxxhash.so.0")
        self.library.XXH3_128bits.restype = self._Hash
        self.library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self.content = b""

    def update(self, content):
        self.content += content

    def hexdigest(self):
        digest = self.library.XXH3_128bits(self.content, len(self.content))
        return f"{digest.high:016x}{digest.low:016x}"


ALGORITHMS = {
    "sha256": hashlib.sha256,
    "blake2b-256": lambda: hashlib.blake2b(digest_size=32),
    "xxh3-128": _Xxh3,
}


def digest(path, algorithm="sha256"):
    """"<algorithm>:<hex>" of the whole content."""
    state = ALGORITHMS[algorithm]()
    with open(open_path(path, os.O_RDONLY), "rb") as file:
        while chunk := file.read(1 << 20):
            state.update(chunk)
    return f"{algorithm}:{state.hexdigest()}"


def files(*roots):
    """All that is no directory."""
    for root in roots:
        for directory, name, info in walk(root):
            if not stat.S_ISDIR(info.st_mode):
                yield File(directory + b"/" + name, info)


class Group:
    """Files of the same content."""

    def __init__(self, members):
        self.files = members
        self.paths = frozenset(file.path for file in members)
        self.names_of = collections.Counter(file.inode for file in members)

    @property
    def source_of_truth(self):
        """By the default rules: most links, oldest, shortest path, path order."""
        return min(self.files, key=lambda file: (-file.stat.st_nlink, file.stat.st_mtime_ns,
                                                 len(file.path), file.path))

    def recoverable_bytes(self):
        """What hard links to the source of truth give back: the storage of the inodes whose names
        are all here."""
        kept = self.source_of_truth
        inodes = {file.inode: file for file in self.files}
        return sum(file.allocated for inode, file in inodes.items()
                   if inode != kept.inode and file.stat.st_dev == kept.stat.st_dev
                   and file.stat.st_nlink == self.names_of[inode])


def groups(*roots, leave_out=frozenset()):
    """{paths of a group: Group}."""
    by_size = collections.defaultdict(lambda: collections.defaultdict(list))
    for file in files(*roots):
        if stat.S_ISREG(file.stat.st_mode) and file.stat.st_size > 0 and file.path not in leave_out:
            by_size[file.stat.st_size][file.inode].append(file)
    found = []
    for inodes in by_size.values():
        by_digest = collections.defaultdict(list)
        for names in inodes.values() if len(inodes) > 1 else ():
            by_digest[digest(names[0].path)].append(names)
        found += [Group(sum(same, [])) for same in by_digest.values() if len(same) > 1]
    return {group.paths: group for group in found}
