"""Files in object stores and on the Hub: s3://, gs://, hf:// and what else pyarrow opens."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem

from foodvision.errors import DataError, first_line
from foodvision.image import SUFFIXES

_MAGIC = re.compile(r"[*?]")
_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def is_remote(name: str) -> bool:
    """Whether a name is an address, such as s3://bucket/photos."""
    return "://" in name


def opened(place: str) -> tuple[Any, str]:
    """Return the pyarrow file system of a path or an address, and the path in it.

    Raises DataError for an address that pyarrow does not know.
    """
    if not is_remote(place):
        return LocalFileSystem(), str(Path(place).absolute())
    scheme, _, rest = place.partition("://")
    first, _, inside = rest.partition("/")
    try:
        # The path itself is no part of the URI: it may hold spaces and percent signs.
        filesystem, base = FileSystem.from_uri(f"{scheme}://{first}{'' if first else '/'}")
    except (pyarrow.ArrowException, ImportError, OSError, ValueError) as error:
        raise DataError(f"{place} cannot be opened ({first_line(error)})") from None
    return filesystem, f"{base.rstrip('/')}/{inside}"


def remote_files(address: str) -> Iterator[str]:
    """Yield the addresses of the files at an address, sorted.

    address: of a file; of a folder, whose photos are given; or a pattern, as
        s3://bucket/shards/*.tar, where ** stands for any folders.

    Raises DataError for an address where there is nothing.
    """
    fixed, *magic = _MAGIC.split(address, maxsplit=1)
    folder = fixed.rpartition("/")[0] if magic else address.rstrip("/")
    filesystem, base = opened(folder)
    try:
        if not magic and filesystem.get_file_info(base).is_file:
            yield address
            return
        listed = filesystem.get_file_info(FileSelector(base, recursive=True))
    except OSError as error:
        raise DataError(f"{address} cannot be read ({first_line(error)})") from None
    start = len(base.rstrip("/"))
    names = sorted(folder + info.path[start:] for info in listed if info.is_file)
    is_wanted = _pattern(address).fullmatch if magic else is_photo
    wanted = [name for name in names if is_wanted(name)]
    if not wanted:
        raise DataError(f"{address} contains no photos or shards")
    yield from wanted


def is_photo(path: str) -> bool:
    """Whether a file is, by its name, a photo and not hidden."""
    is_hidden = any(part[:1] == "." and part != "." for part in path.split("/"))
    return path.lower().endswith(SUFFIXES) and not is_hidden and "__MACOSX/" not in path


def _pattern(address: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", address)
    return re.compile("".join(_WILD.get(part) or re.escape(part) for part in parts))
