"""What a tree holds, to be held against what it held before."""

import os
import pathlib

# What the server keeps of its own in a tree.
PRIVATE = b".sluice"


def contents_of(root):
    """Path (bytes) -> bytes of every file, but of what the server keeps."""
    contents = {}
    for directory, below, names in os.walk(os.fsencode(root)):
        if PRIVATE in below:
            below.remove(PRIVATE)
        for name in names:
            path = os.path.join(directory, name)
            contents[path] = pathlib.Path(os.fsdecode(path)).read_bytes()
    return contents


def keeps_anything(root):
    """Whether the server keeps anything in the tree."""
    return any(PRIVATE in below for _, below, _ in os.walk(os.fsencode(root)))
