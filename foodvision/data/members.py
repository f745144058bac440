"""What an archive holds, whatever its kind: files and folders that open one at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal, TypeAlias

Kind: TypeAlias = Literal["file", "folder", "other"]


@dataclass(frozen=True)
class Member:
    """A file, a folder, or another entry (a link or device) of an archive.

    size: bytes, as the archive's header claims.
    """

    name: str
    kind: Kind
    size: int
    open: Callable[[], IO[bytes]]
