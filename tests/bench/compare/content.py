"""Which bytes a file of a corpus holds: a function of the corpus, the file's number, and no more.

A file is new, or a duplicate of an earlier one, or nearly one: the same but for eight bytes in the
middle or at the end, so that neither size nor beginning tells the two apart.
"""

import dataclasses
import hashlib

CHUNK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes lie between `least` and `most`: evenly with skew 1, the more of them small the higher
    the skew. The shares are of all files."""
    least: int
    most: int
    skew: int = 1
    duplicates: float = 0.2
    near_duplicates: float = 0.0


@dataclasses.dataclass(frozen=True)
class Content:
    key: str
    size: int
    patch: tuple = ()  # (offset, bytes), or nothing.

    def chunks(self):
        """The bytes, in pieces of at most CHUNK_BYTES."""
        for offset in range(0, self.size, CHUNK_BYTES):
            length = min(CHUNK_BYTES, self.size - offset)
            chunk = hashlib.shake_128(f"{self.key}/{offset}".encode()).digest(length)
            yield self._patched(chunk, offset)

    def _patched(self, chunk, offset):
        if not self.patch or not offset <= self.patch[0] < offset + len(chunk):
            return chunk
        at, new = self.patch[0] - offset, self.patch[1]
        return (chunk[:at] + new + chunk[at + len(new):])[:len(chunk)]


def numbers(key):
    """Two numbers below 1, of a key."""
    digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
    return tuple(int.from_bytes(half, "little") / 2**64 for half in (digest[:8], digest[8:]))


def origin_of(corpus, i, share):
    """The file that `i` is like, when a file is like an earlier one with a chance of `share`."""
    while i:
        kind, which = numbers(f"{corpus}/{i}/kind")
        if kind >= share:
            break
        i = int(which * i)
    return i


def content_of(corpus, i, shape):
    alike = shape.duplicates + shape.near_duplicates
    kind, where = numbers(f"{corpus}/{i}/kind")
    origin = origin_of(corpus, i, alike)
    span, _ = numbers(f"{corpus}/{origin}/size")
    size = shape.least + int(span**shape.skew * (shape.most - shape.least + 1))
    content = Content(f"{corpus}/{origin}", size)
    if not i or not shape.duplicates <= kind < alike or size < 16:
        return content
    offset = size // 2 if where < 0.5 else size - 8
    return dataclasses.replace(content, patch=(offset, i.to_bytes(8, "little")))
