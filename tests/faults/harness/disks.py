"""File systems of a test's own, for the data directory. They need root, and a kernel that lets it
mount: where it is refused the test is skipped by name, with the reason."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

IMAGE_BYTES = 64 << 20
REFUSED = re.compile(r"permission denied|not permitted|must be superuser|loop device", re.I)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    failure = f"{' '.join(map(str, command))}: {done.stderr.strip()}"
    if REFUSED.search(done.stderr):
        raise unittest.SkipTest(f"this test needs to mount file systems: {failure}")
    raise AssertionError(failure)


@contextlib.contextmanager
def tmpfs(size):
    """A directory of `size` bytes of room."""
    with tempfile.TemporaryDirectory(prefix="sluice-tmpfs-") as where:
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", where)
        try:
            yield pathlib.Path(where)
        finally:
            _run("umount", "--lazy", where)


@contextlib.contextmanager
def bound(source, target):
    """`source` a second time, at `target`: what was there is covered."""
    _run("mount", "--bind", source, target)
    try:
        yield
    finally:
        _run("umount", "--lazy", target)


def fill_up(directory):
    """Leaves no byte of room; returns the file that took it."""
    path = directory / "filler"
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


class Image:
    """A file system in a file, mounted at `path`. A context manager. It takes no space that is not
    written to, and is in memory where it can be: what its syncs cost is not what is tested."""

    SIZE = 1 << 30
    MAKE = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q"),
            "btrfs": ("mkfs.btrfs", "-q")}

    def __init__(self, kind):
        self.kind = kind
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"sluice-{kind}-", dir=memory))
        self.image, self.path = self.dir / "image", self.dir / "mounted"
        self.path.mkdir()
        self.image.touch()
        os.truncate(self.image, self.SIZE)
        _run(*self.MAKE[kind], self.image)

    def __enter__(self):
        # One loop device for all: the number of a device is part of what a scan records.
        self.loop = _run("losetup", "--find", "--show", self.image).strip()
        self._mount()
        return self

    def _mount(self):
        _run("mount", self.loop, self.path)

    def keep(self, name):
        """Keeps what the disk holds, all of it synced, for return_to(name)."""
        _run("umount", self.path)
        self._copy(self.image, self.dir / name)
        self._mount()

    def return_to(self, name):
        _run("umount", self.path)
        self._copy(self.dir / name, self.image)
        _run("blockdev", "--flushbufs", self.loop)  # What it remembers of the image.
        self._mount()

    def cut_power(self, written):
        """What was not synced is gone; or, if `written`, had just been written all the same.
        REQUIRES: no process uses the file system."""
        if written:
            _run("sync", "--file-system", self.path)
        self._copy(self.image, self.dir / "cut")  # Beneath the mounted file system.
        self.return_to("cut")

    @staticmethod
    def _copy(image, to):
        _run("cp", "--sparse=auto", image, to)

    def __exit__(self, *_):
        _run("umount", "--lazy", self.path)
        _run("losetup", "--detach", self.loop)
        self.path.rmdir()
        shutil.rmtree(self.dir)


class Ext4:
    """An ext4 that can turn read-only beneath a running program, as a real one does at an I/O
    error. (mount -o remount,ro is refused as long as a file is open for writing.)"""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sluice-ext4-"))
        self.image, self.path = self.dir / "image", self.dir / "mounted"
        self.path.mkdir()
        self.image.touch()
        os.truncate(self.image, IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", self.image)

    def mount(self):
        _run("mount", "-o", "loop", self.image, self.path)

    def make_read_only(self):
        """What was written is on the disk by then, as with any remount."""
        _run("sync", "--file-system", self.path)
        _run("mount", "-o", "remount,abort", self.path)

    def unmount(self):
        _run("umount", self.path)

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        _run("umount", "--lazy", self.path)
        self.image.unlink()
        self.path.rmdir()
        self.dir.rmdir()
