"""Directory trees for tests: names are any bytes, paths have any length, depth has no limit.

Nothing here recurses, and no system call is given a path that is longer than it takes.
"""

import contextlib
import os
import socket
import stat
import tempfile

# Well below PATH_MAX, and above any single name.
PIECE_BYTES = 2000


def open_path(path, flags):
    """os.open for an absolute path (bytes) of any length; its last name is no symbolic link."""
    parts = path.strip(b"/").split(b"/")
    fd = os.open(b"/", os.O_PATH | os.O_DIRECTORY)
    while parts:
        piece = parts.pop(0)
        while parts and len(piece) + len(parts[0]) < PIECE_BYTES:
            piece += b"/" + parts.pop(0)
        last = not parts
        try:
            below = os.open(piece, (flags if last else os.O_PATH | os.O_DIRECTORY) | os.O_NOFOLLOW,
                            mode=0o644, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY):
    fd = open_path(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def walk(root):
    """Yields (directory, name, lstat) for all that is below `root`; a directory comes before its
    content."""
    pending = [root]
    while pending:
        directory = pending.pop()
        with opened(directory, os.O_RDONLY | os.O_DIRECTORY) as fd:
            for name in map(os.fsencode, os.listdir(fd)):
                info = os.lstat(name, dir_fd=fd)
                yield directory, name, info
                if stat.S_ISDIR(info.st_mode):
                    pending.append(directory + b"/" + name)


def remove_tree(root):
    directories = [root]
    for directory, name, info in walk(root):
        if stat.S_ISDIR(info.st_mode):
            directories.append(directory + b"/" + name)
    for directory in reversed(directories):
        with opened(directory, os.O_RDONLY | os.O_DIRECTORY) as fd:
            for name in map(os.fsencode, os.listdir(fd)):
                if stat.S_ISDIR(os.lstat(name, dir_fd=fd).st_mode):
                    os.rmdir(name, dir_fd=fd)
                else:
                    os.unlink(name, dir_fd=fd)
    os.rmdir(root)


class Tree:
    """A temporary directory. Paths given to its methods are relative; those returned absolute."""

    def __init__(self, mode=0o755):
        self.root = os.fsencode(tempfile.mkdtemp(prefix="sluice-tree-"))
        os.chmod(self.root, mode)

    def path(self, *names):
        return b"/".join((self.root, *names))

    @contextlib.contextmanager
    def _parent(self, names):
        *directories, name = names
        self.make_directory(*directories)
        with opened(self.path(*directories), os.O_RDONLY | os.O_DIRECTORY) as fd:
            yield fd, name

    def make_directory(self, *names):
        """With all that is missing above it."""
        with contextlib.suppress(FileNotFoundError), opened(self.path(*names), os.O_PATH):
            return self.path(*names)
        fd = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        for name in names:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=fd)
            below = os.open(name, os.O_PATH | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        os.close(fd)
        return self.path(*names)

    def write(self, *names, content=b"content\n", size=None):
        """A file; with `size`, one that is sparse behind its content."""
        with self._parent(names) as (directory, name):
            fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode=0o644, dir_fd=directory)
            with open(fd, "wb") as file:
                file.write(content)
                if size is not None:
                    file.truncate(size)
        return self.path(*names)

    def write_many(self, *directory, count, content):
        """`count` files 000000, 000001 ... in one directory, with content(i)."""
        with opened(self.make_directory(*directory), os.O_RDONLY | os.O_DIRECTORY) as fd:
            for i in range(count):
                file = os.open(b"%06d" % i, os.O_CREAT | os.O_WRONLY, mode=0o644, dir_fd=fd)
                os.write(file, content(i))
                os.close(file)

    def link_many(self, *directory, count):
        """A second name, 000000+, 000001+ ..., for each file of write_many."""
        with opened(self.path(*directory), os.O_RDONLY | os.O_DIRECTORY) as fd:
            for i in range(count):
                os.link(b"%06d" % i, b"%06d+" % i, src_dir_fd=fd, dst_dir_fd=fd)

    def hard_link(self, source, *names):
        """Another name for the file at the absolute path `source`."""
        above, _, old = source.rpartition(b"/")
        with opened(above, os.O_RDONLY | os.O_DIRECTORY) as old_directory, \
                self._parent(names) as (directory, name):
            os.link(old, name, src_dir_fd=old_directory, dst_dir_fd=directory)
        return self.path(*names)

    def symlink(self, target, *names):
        with self._parent(names) as (directory, name):
            os.symlink(target, name, dir_fd=directory)
        return self.path(*names)

    def fifo(self, *names):
        os.mkfifo(self.path(*names))
        return self.path(*names)

    def socket(self, *names):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(self.path(*names))
        return self.path(*names)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        remove_tree(self.root)
