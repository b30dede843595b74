"""What any program must read from disk that answers without believing names, sizes or dates alone.

- Every page of every file that stands in a group of the answer: a page that was not read may differ.
- One page of every other file that shares its size with another one: without any of its content it
  could be a copy of that.
- Names and sizes: what a cold `find -printf` reads.

Pages, as the kernel reads no less; holes are no pages.
"""

import itertools
import os
import stat

from compare import measure
from compare.peers import BASELINES

PAGE_BYTES = 4096
BLOCK_BYTES = 512  # Of st_blocks.


def _pages(info):
    whole = -(-info.st_size // PAGE_BYTES) * PAGE_BYTES
    return min(whole, info.st_blocks * BLOCK_BYTES)


def _inodes(roots):
    """{(device, inode): stat} of the regular files that have content."""
    found = {}
    pending = [str(root) for root in roots]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    pending.append(entry.path)
                elif stat.S_ISREG(info.st_mode) and info.st_size:
                    found[info.st_dev, info.st_ino] = info
    return found


def metadata_bytes(roots, places):
    """What names and sizes cost. The program itself is in memory when it is measured."""
    find = BASELINES[0]

    def before():
        measure.make_cold()
        find.measure([places.memory], places, seconds=60, before=lambda: None)
    return find.measure(roots, places, seconds=900, before=before).record["bytes_read"]


def content_bytes(roots, groups):
    """What contents cost, given the groups of the answer."""
    grouped = set(itertools.chain.from_iterable(groups))
    by_size = {}
    for inode, info in _inodes(roots).items():
        by_size.setdefault(info.st_size, []).append((inode, _pages(info)))
    total = 0
    for members in by_size.values():
        if len(members) > 1:
            total += sum(pages if inode in grouped else min(pages, PAGE_BYTES)
                         for inode, pages in members)
    return total
