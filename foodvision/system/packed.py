"""A file that lies within a larger one, as a photo in a shard: its address is a path.

`train-0.tar/@000000000600+11a9/pizza/1.jpg` says in hexadecimal where its bytes begin in
`train-0.tar`, and how many there are. So any process reads a photo without an index, and its path
goes wherever a path goes. People see `train-0.tar/pizza/1.jpg`.
"""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

_ADDRESS = re.compile(
    r"(?P<file>.+?\.tar)[/\\]@(?P<start>[0-9a-f]{12})\+(?P<size>[0-9a-f]+)[/\\](?P<name>.+)",
    re.DOTALL | re.IGNORECASE,
)

LARGEST = 16**12
"""Bytes that addresses reach."""


class Packed(NamedTuple):
    """A file within `file`: `size` bytes from byte `start` on, called `name` there."""

    file: Path
    start: int
    size: int
    name: str

    @property
    def address(self) -> Path:
        """The path that stands for it. Addresses sort as the files lie."""
        return self.file / f"@{self.start:012x}+{self.size:x}" / self.name

    def read(self, most: int | None = None) -> bytes:
        """Return its bytes, at most so many.

        Raises OSError, and ValueError if the larger file is a device, or ends too early.
        """
        with open(self.file, "rb", opener=open_at_once) as file:
            of = os.fstat(file.fileno())
            if not stat.S_ISREG(of.st_mode) or of.st_size < self.start + self.size:
                raise ValueError(f"{self.file} has changed since it was listed: start again")
            file.seek(self.start)
            return file.read(self.size if most is None else min(self.size, most))


def packed(path: str | os.PathLike[str]) -> Packed | None:
    """Return what an address stands for, or None for a path that is none."""
    match = _ADDRESS.fullmatch(os.fspath(path))
    if match is None:
        return None
    start, size = int(match["start"], 16), int(match["size"], 16)
    return Packed(Path(match["file"]), start, size, match["name"])


def plain_path(path: str | os.PathLike[str]) -> str:
    """Return a path as people see it: an address without its numbers."""
    inner = packed(path)
    return os.fspath(inner.file / inner.name if inner else path)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of what an address stands for."""
    inner = packed(path)
    return inner.size if inner else path.stat().st_size


def open_at_once(path: str, flags: int) -> int:
    """Open a file; opening a pipe that nobody writes into would wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
