"""A folder of photos, or an archive of one that is unpacked safely for as long as it is used."""

import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal, TypeAlias

from foodvision.errors import DataError, FoodVisionError, first_line

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_BLOCK = 1 << 20
_IS_UTF8 = 0x800  # the bit by which a zip says so of a name
_DRIVE = re.compile("[A-Za-z]:$")

_Kind: TypeAlias = Literal["file", "folder", "other"]

# What the standard library raises for a damaged archive, depending on where the damage is.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    RuntimeError,
    UnicodeError,
)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, so that a hostile or broken one cannot fill the disk."""

    files: int = 1_000_000
    unpacked_bytes: int = 100 * 10**9


@dataclass(frozen=True)
class _Member:
    name: str
    kind: _Kind
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
    try:
        with _members(archive) as members:
            _copy_all(archive, members, target, limits)
    except FileNotFoundError:
        raise DataError(f"{archive}: no such file or folder") from None
    except _DAMAGE as error:
        raise DataError(
            f"{archive} cannot be unpacked ({first_line(error)}): get it again"
        ) from None
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise DataError(f"{archive} cannot be unpacked ({reason})") from None


def _copy_all(archive: Path, members: Iterable[_Member], target: Path, limits: Limits) -> None:
    left = most = min(limits.unpacked_bytes, shutil.disk_usage(target).free)
    for number, member in enumerate(members):
        if number >= limits.files:
            raise DataError(f"{archive} holds more than {limits.files:,} files")
        if member.kind == "folder":
            continue
        left -= _copy(member, _safe_place(archive, target, member), left)
        if left < 0:
            raise DataError(
                f"{archive} unpacks to more than {most:,} bytes, which is too much for "
                f"{target.parent}: unpack it by hand, or name another place in TMPDIR"
            )


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
            _Member(_zip_name(info), _zip_kind(info), partial(file.open, info))
            for info in file.infolist()
        )


def _zip_name(info: zipfile.ZipInfo) -> str:
    """A member's name; a Mac writes UTF-8 and does not say so, and is then read as cp437."""
    if info.flag_bits & _IS_UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _zip_kind(info: zipfile.ZipInfo) -> _Kind:
    if info.is_dir():
        return "folder"
    # The Unix mode, where the archive was made on Unix; 0 where it was not.
    kind = stat.S_IFMT(info.external_attr >> 16)
    return "file" if kind in (0, stat.S_IFREG) else "other"


@contextmanager
def _tar_members(archive: Path) -> Iterator[Iterator[_Member]]:
    with tarfile.open(archive) as file:

        def opened(info: tarfile.TarInfo) -> IO[bytes]:
            content = file.extractfile(info)
            assert content is not None  # it is only None for what is no regular file
            return content

        yield (_Member(info.name, _tar_kind(info), partial(opened, info)) for info in file)
        # The checksum of a compressed file stands at its end, behind what tar reads.
        while file.fileobj is not None and file.fileobj.read(_BLOCK):
            pass


def _tar_kind(info: tarfile.TarInfo) -> _Kind:
    if info.isdir():
        return "folder"
    return "file" if info.isfile() else "other"


def _safe_place(archive: Path, target: Path, member: _Member) -> Path:
    if member.kind != "file":
        raise DataError(f"{archive} holds a link or device, {member.name!r}: unpack it by hand")
    # Windows takes a backslash for a separator and a colon for a drive; elsewhere names have any.
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    is_outside = not parts or parts[0] == "/" or ".." in parts or "\0" in member.name
    has_drive = any(_DRIVE.match(part) if os.name != "nt" else ":" in part for part in parts)
    if is_outside or has_drive:
        raise DataError(f"{archive} holds a path outside of it, {member.name!r}: do not trust it")
    place = target.joinpath(*parts)
    if place.exists():
        raise DataError(f"{archive} holds {member.name!r} twice: unpack it by hand")
    return place


def _copy(member: _Member, place: Path, limit: int) -> int:
    """Write one file and return its bytes; stops soon after `limit`, whatever the header says."""
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.open() as content, place.open("xb") as file:
        while written <= limit and (block := content.read(_BLOCK)):
            written += file.write(block)
    return written
