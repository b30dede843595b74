"""The trees that are measured: made once below a folder, the same on every machine, used again.

    DIR/full/small/...      the trees
    DIR/full/small.json     which version of this file made it; without it the tree is made anew

Every file's content is a function of its number (content.py); directories are made in parallel.
"""

import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable

from compare.content import Content, Shape, content_of, numbers

VERSION = 1  # Of the generator: what it makes changes only together with this.

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
FILES_PER_DIRECTORY = 250
DIRECTORIES_PER_FOLDER = 50


@dataclasses.dataclass(frozen=True)
class Corpus:
    """`make` fills an empty directory. Where it is None the roots are there already."""
    name: str
    what: str
    make: Callable | None
    roots: tuple = ()
    peer_limit: int = 900  # Seconds after which a peer's run is given up.
    readable: bool = True  # Whether reading all of it is a way to warm it.


def write_file(path, content):
    with open(path, "xb", buffering=0) as file:
        for chunk in content.chunks():
            file.write(chunk)


def _fill_directory(first, root, corpus, shape, end):
    number = first // FILES_PER_DIRECTORY
    directory = root / f"{number // DIRECTORIES_PER_FOLDER:03d}" / f"{number:05d}"
    directory.mkdir(parents=True)
    for i in range(first, min(first + FILES_PER_DIRECTORY, end)):
        write_file(directory / f"{i:07d}.dat", content_of(corpus, i, shape))


def fill(root, corpus, shape, files, first=0):
    """Files `first` to `files` of a corpus, spread over directories."""
    work = functools.partial(_fill_directory, root=root, corpus=corpus, shape=shape, end=files)
    _in_parallel(work, range(first, files, FILES_PER_DIRECTORY))


def _in_parallel(work, items):
    with multiprocessing.Pool() as pool:
        for _ in pool.imap_unordered(work, items):
            pass


def _fill_flat(i, root, corpus, shape):
    write_file(root / f"{i:02d}.img", content_of(corpus, i, shape))


def fill_flat(root, corpus, shape, files):
    """Few and large: one directory."""
    _in_parallel(functools.partial(_fill_flat, root=root, corpus=corpus, shape=shape), range(files))


BACKUPS = 20
BACKUP_SHAPE = Shape(1, 4 * KIB, duplicates=0.1)


def _fill_backups(first, root, files):
    """The directory of files `first`... in every backup. Between the first backup and the last each
    file is written anew exactly once, in every fourth case with the content that it had."""
    directories = [root / f"2024-01-{day + 1:02d}" / f"{first // FILES_PER_DIRECTORY:05d}"
                   for day in range(BACKUPS)]
    for directory in directories:
        directory.mkdir(parents=True)
    for i in range(first, min(first + FILES_PER_DIRECTORY, files)):
        content, name = content_of("links", i, BACKUP_SHAPE), f"{i:06d}.dat"
        changes_on = 1 + i % (BACKUPS - 1)
        write_file(directories[0] / name, content)
        for day in range(1, BACKUPS):
            if day != changes_on:
                os.link(directories[day - 1] / name, directories[day] / name)
                continue
            same, _ = numbers(f"links/{i}/same")
            key = content.key if same < 0.25 else f"links/{i}/again"
            write_file(directories[day] / name, dataclasses.replace(content, key=key))


def fill_backups(root, names):
    files = names // BACKUPS
    _in_parallel(functools.partial(_fill_backups, root=root, files=files),
                 range(0, files, FILES_PER_DIRECTORY))


def fill_sparse(root, size, blocks):
    """Two pairs of files that are nearly all hole: one of equal files, one whose last block differs."""
    for pair, twins in enumerate((("a", "a"), ("a", "b"))):
        for twin, last in enumerate(twins):
            with open(root / f"{pair}{twin}.img", "xb", buffering=0) as file:
                for block in range(blocks):
                    where, _ = numbers(f"sparse/{pair}/{block}")
                    key = f"sparse/{pair}/{block}/{last if block == blocks - 1 else 'a'}"
                    file.seek(int(where * (size // (4 * KIB))) * 4 * KIB)
                    file.write(next(Content(key, 4 * KIB).chunks()))
                file.truncate(size)


NODE_MODULES = {
    "2023": ("next@14.0.0", "@mui/icons-material@5.14.0", "date-fns@3.0.0", "typescript@5.3.2"),
    "2024": ("next@14.2.0", "@mui/icons-material@5.16.0", "date-fns@3.6.0", "typescript@5.5.2"),
}


def install_node_modules(root):
    for year, packages in NODE_MODULES.items():
        prefix = root / year
        prefix.mkdir()
        with tempfile.TemporaryDirectory(prefix="npm-") as cache:
            subprocess.run(
                ["npm", "install", f"--prefix={prefix}", f"--cache={cache}", "--ignore-scripts",
                 "--legacy-peer-deps", "--no-audit", "--no-fund", "--silent", *packages],
                check=True, stdin=subprocess.DEVNULL)


MEDIUM = Shape(64 * KIB, 2 * MIB, skew=4, duplicates=0.3, near_duplicates=0.3)
LARGE_SHARES = {"duplicates": 0.3, "near_duplicates": 0.2}

FULL = [
    Corpus("small", "300,000 files of 0–16 KiB, 20 % duplicates",
           lambda root: fill(root, "small", Shape(0, 16 * KIB), 300_000)),
    Corpus("medium", "20,000 files of 64 KiB–2 MiB, 30 % duplicates, as many near duplicates",
           lambda root: fill(root, "medium", MEDIUM, 20_000)),
    Corpus("large", "40 files of 200–500 MB, 30 % duplicates, 20 % near duplicates",
           lambda root: fill_flat(
               root, "large", Shape(200_000_000, 500_000_000, skew=4, **LARGE_SHARES), 40)),
    Corpus("meta", "1,000,000 files of 1–128 bytes, 20 % duplicates",
           lambda root: fill(root, "meta", Shape(1, 128), 1_000_000)),
    Corpus("links", "20 dated backups, 1,000,000 names on 100,000 inodes",
           lambda root: fill_backups(root, 1_000_000)),
    Corpus("sparse", "two pairs of 8 GiB files with 16 written blocks",
           lambda root: fill_sparse(root, 8 * GIB, 16), readable=False),
    Corpus("usr", "/usr of this machine", None, ("/usr",)),
    Corpus("npm", "two node_modules: Next.js 14.0 and 14.2, MUI's icons 5.14 and 5.16, and more",
           install_node_modules),
]

SMALL = [
    Corpus("small", "12,000 files of 0–16 KiB, 20 % duplicates",
           lambda root: fill(root, "small", Shape(0, 16 * KIB), 12_000)),
    Corpus("medium", "120 files of 64 KiB–2 MiB, 30 % duplicates, as many near duplicates",
           lambda root: fill(root, "medium", MEDIUM, 120)),
    Corpus("large", "6 files of 8–12 MB",
           lambda root: fill_flat(
               root, "large", Shape(8_000_000, 12_000_000, **LARGE_SHARES), 6)),
    Corpus("meta", "15,000 files of 1–128 bytes, 20 % duplicates",
           lambda root: fill(root, "meta", Shape(1, 128), 15_000)),
    Corpus("links", "20 dated backups, 10,000 names on 1,000 inodes",
           lambda root: fill_backups(root, 10_000)),
    Corpus("sparse", "two pairs of 64 MiB files with 16 written blocks",
           lambda root: fill_sparse(root, 64 * MIB, 16), readable=False),
]

GROWTH_SHAPE = Shape(1, 4 * KIB)
GROWTH = {"small": (1_000, 3_000, 10_000),
          "full": (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000),
          "long": (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)}


def corpora(form):
    return {corpus.name: corpus for corpus in (SMALL if form == "small" else FULL)}


def _made_once(directory, version, make):
    """`directory`, filled by make(directory) unless its marker says that it was, in this version."""
    marker = directory.with_name(directory.name + ".json")
    wanted = {"version": VERSION, "made": version}
    if marker.exists() and json.loads(marker.read_text()) == wanted:
        return directory
    marker.unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    make(directory)
    marker.write_text(json.dumps(wanted))
    return directory


def roots_of(corpus, directory):
    """The directories to ask about, which are made where they are missing."""
    if corpus.make is None:
        return [pathlib.Path(root) for root in corpus.roots]
    return [_made_once(directory / corpus.name, corpus.what, corpus.make)]


def growth_roots(directory, counts):
    """{count: roots that hold so many files}: each count adds a directory to those before it."""
    roots, result, first = [], {}, 0
    for count in counts:
        fill_step = functools.partial(fill, corpus="growth", shape=GROWTH_SHAPE, files=count,
                                      first=first)
        roots.append(_made_once(directory / "growth" / f"{first}-{count}", f"{count}", fill_step))
        result[count] = list(roots)
        first = count
    return result


def remove_growth(directory):
    shutil.rmtree(directory / "growth", ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much there is below some roots."""
    files: int
    bytes: int


def extent(roots):
    """Of regular files with content, each inode once."""
    seen, total = set(), 0
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                info = os.lstat(os.path.join(directory, name))
                if info.st_size and (info.st_dev, info.st_ino) not in seen:
                    seen.add((info.st_dev, info.st_ino))
                    total += info.st_size
    return Extent(len(seen), total)


