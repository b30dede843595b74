"""A tree of two parts: one that stays as it is, with what is known of it, and one that changes."""

import contextlib
import os
import threading

from support import oracle
from support.trees import Tree

STILL, WILD = b"still", b"wild"


def plant(tree, rng, small, large, large_bytes):
    """`small` files of a few bytes, of which every third has a twin, and `large` sparse ones that
    differ only in their middle, in pairs of the same content."""
    for i in range(small):
        content = b"%d" % (i // 3 * 3 if i % 3 == 2 else i)
        tree.write(STILL, b"%02d" % (i % 17), b"s%d\xff\n" % i, content=content)
    for i in range(large):
        size = large_bytes + i % 4
        path = tree.write(STILL, b"large", b"%d" % i, content=b"", size=size)
        with open(path, "r+b") as file:
            file.seek(size // 2)
            file.write(b"%08d" % (i // 8 * 4 + i % 4))
    first = tree.path(STILL, b"00", b"s0\xff\n")
    for i in range(3):
        tree.hard_link(first, STILL, b"linked", b"%d" % i)
    for i in range(rng.randrange(100, 200)):
        tree.write(WILD, b"%d" % (i % 5), b"w%d" % i, content=b"wild" * 100 + b"%d" % i)


def still_files(root):
    """{path: (size, digest)} by the plainest means."""
    return {file.path: (file.stat.st_size, oracle.digest(file.path))
            for file in oracle.files(root + b"/" + STILL)}


class Unrest(threading.Thread):
    """Adds, rewrites, removes and renames files and directories of the wild part until stopped.
    A context manager. The sizes of its files are none of the still part's."""

    def __init__(self, root, rng):
        super().__init__(name="unrest", daemon=True)
        self.wild, self.rng = root + b"/" + WILD, rng
        self.changes = 0
        self.stopping = threading.Event()

    def run(self):
        acts = [self._write] * 4 + [self._remove, self._rename, self._rename_directory]
        while not self.stopping.wait(0.001):
            with contextlib.suppress(OSError):  # Of two random names, some do not go together.
                self.rng.choice(acts)()
                self.changes += 1

    def _directory(self):
        return self.wild + b"/%d" % self.rng.randrange(7)

    def _file(self):
        return self._directory() + b"/w%d" % self.rng.randrange(300)

    def _write(self):
        path = self._file()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"wild" * 100 + b"%d" % self.rng.randrange(50))

    def _remove(self):
        os.unlink(self._file())

    def _rename(self):
        os.rename(self._file(), self._file())

    def _rename_directory(self):
        os.rename(self._directory(), self.wild + b"/%d" % self.rng.randrange(7))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


@contextlib.contextmanager
def forest(rng, small=1200, large=32, large_bytes=4 << 20):
    """A planted tree and what its still part holds."""
    with Tree() as tree:
        plant(tree, rng, small, large, large_bytes)
        yield tree, still_files(tree.root)
