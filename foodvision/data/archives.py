"""A folder of photos, or an archive of one that is unpacked safely for as long as it is used."""

import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from foodvision.errors import DataError, FoodVisionError, first_line

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, so that a hostile or broken one cannot fill the disk."""

    files: int = 1_000_000
    unpacked_bytes: int = 100 * 10**9


@dataclass(frozen=True)
class _Member:
    name: str
    is_file: bool
    open: Callable[[], IO[bytes]]


@contextmanager
def open_source(source: str | os.PathLike[str], limits: Limits = Limits()) -> Iterator[Path]:
    """Give the folder that holds the photos: `source` itself, or where the archive was unpacked.

    source: a folder, a `.zip`, or a `.tar`, `.tar.gz` or `.tgz`. An archive is unpacked to a
        temporary folder that is removed on leaving.

    Raises DataError for what is none of these, for a damaged archive, and for one with a path
    outside the target, a link, a device, or more than `limits` allow.
    """
    path = Path(source)
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="foodvision-") as folder:
        _unpack(path, Path(folder), limits)
        try:
            yield Path(folder)
        except FoodVisionError as error:
            # Who gave an archive knows its name, not where it was unpacked.
            raise type(error)(str(error).replace(folder, str(path))) from None


def _unpack(archive: Path, target: Path, limits: Limits) -> None:
    left = limits.unpacked_bytes
    try:
        with _members(archive) as members:
            for number, member in enumerate(members):
                if number >= limits.files:
                    raise DataError(f"{archive} holds more than {limits.files:,} files")
                place = _safe_place(archive, target, member)
                if place is not None:
                    left -= _copy(member, place, left)
                    if left < 0:
                        raise DataError(
                            f"{archive} unpacks to more than {limits.unpacked_bytes:,} bytes"
                        )
    except FileNotFoundError:
        raise DataError(f"{archive}: no such file or folder") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(
            f"{archive} cannot be unpacked ({first_line(error)}): get it again"
        ) from None


def _members(archive: Path) -> AbstractContextManager[Iterator[_Member]]:
    name = archive.name.lower()
    if name.endswith(".zip"):
        return _zip_members(archive)
    if name.endswith(_TAR_SUFFIXES):
        return _tar_members(archive)
    if not archive.exists():
        raise FileNotFoundError
    raise DataError(f"{archive} is no folder, .zip or .tar.gz of photos")


@contextmanager
def _zip_members(archive: Path) -> Iterator[Iterator[_Member]]:
    with zipfile.ZipFile(archive) as file:
        yield (
            _Member(info.filename, _is_regular(info), partial(file.open, info))
            for info in file.infolist()
            if not info.is_dir()
        )


def _is_regular(info: zipfile.ZipInfo) -> bool:
    # The high 16 bits are the Unix mode where the archive was made on Unix; its kind is the top 4.
    kind = info.external_attr >> 28
    return kind in (0, 0o10)


@contextmanager
def _tar_members(archive: Path) -> Iterator[Iterator[_Member]]:
    with tarfile.open(archive) as file:

        def opened(info: tarfile.TarInfo) -> IO[bytes]:
            content = file.extractfile(info)
            assert content is not None  # it is only None for what is no regular file
            return content

        yield (
            _Member(info.name, info.isfile(), partial(opened, info))
            for info in file
            if not info.isdir()
        )


def _safe_place(archive: Path, target: Path, member: _Member) -> Path | None:
    if not member.is_file:
        raise DataError(f"{archive} holds a link or device, {member.name!r}: unpack it by hand")
    # Windows takes a backslash for a separator and a colon for a drive.
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in member.name:
        raise DataError(f"{archive} holds a path outside of it, {member.name!r}: do not trust it")
    return target.joinpath(*parts)


def _copy(member: _Member, place: Path, limit: int) -> int:
    """Write one file and return its bytes; stops soon after `limit`, whatever the header says."""
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.open() as content, place.open("wb") as file:
        while written <= limit and (block := content.read(1 << 20)):
            written += file.write(block)
    return written
