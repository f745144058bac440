"""A folder of photos, or an archive of one that is unpacked safely for as long as it is used."""

import errno
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Literal, TypeAlias, cast

from foodvision.data.names import DEEPEST
from foodvision.errors import DataError, FoodVisionError, first_line, printable
from foodvision.system.temporary import TemporaryFolder

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_GZIP = b"\x1f\x8b"
_IS_ENCRYPTED, _IS_UTF8 = 0x1, 0x800  # bits by which a zip says so of a file, and of its name
_DRIVE = re.compile("[A-Za-z]:$")

_BLOCK = 1 << 20

# Of a tar, before each file; of a zip, the list of all files. Python keeps them in memory.
_MOST_HEADER, _MOST_LISTED = 1 << 20, 1 << 26

_LONGEST_PATH, _LONGEST_NAME = 1024, 255
_SHOWN = 100  # characters of a path in a message

# A file or folder takes a block of the disk at least, so that a million empty ones count too.
_ON_DISK = 4096

# The share of the disk, and at most how many bytes, that stay free for everything else.
_RESERVED_SHARE, _RESERVED_BYTES = 0.05, 10**9

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))

_Kind: TypeAlias = Literal["file", "folder", "other"]

# What the standard library raises for a damaged archive, depending on where the damage is.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    ArithmeticError,
    LookupError,
    MemoryError,
)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, so that a hostile or broken one fills neither disk nor memory.

    files: files and folders.
    file_bytes: the size of one file. Photos of 50 megapixels stay below it in every format.
    unpacked_bytes: the size of all files.
    ratio: the size of all files, by the archive's size. Photos hardly compress.
    small_bytes: what an archive may always unpack to, whatever the ratio.
    """

    files: int = 500_000
    file_bytes: int = 200 * 10**6
    unpacked_bytes: int = 100 * 10**9
    ratio: int = 20
    small_bytes: int = 50 * 10**6

    def bytes_for(self, archive: Path) -> int:
        """Return how many bytes an archive may unpack to."""
        allowed = max(self.small_bytes, self.ratio * archive.stat().st_size)
        return min(self.unpacked_bytes, allowed)


@dataclass(frozen=True)
class _Member:
    name: str
    kind: _Kind
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a path is, by its name, an archive that `open_source` unpacks."""
    return path.name.lower().endswith((".zip", *_TAR_SUFFIXES)) and os.path.isfile(path)  # noqa: PTH113 (pathlib's raises for a name that is too long)


@contextmanager
def open_source(source: str | os.PathLike[str], limits: Limits = Limits()) -> Iterator[Path]:
    """Give the folder that holds the photos: `source` itself, or where the archive was unpacked.

    source: a folder, a `.zip`, or a `.tar`, `.tar.gz` or `.tgz`. An archive is unpacked to a
        temporary folder that is removed on leaving.

    Raises DataError for what is none of these, for a damaged archive, for one that does not fit on
    the disk, and for one with a path outside the target, a link, a device, or more than `limits`
    allow.
    """
    path = Path(source)
    if path.is_dir():
        yield path
        return
    _check_kind(path)
    with ExitStack() as stack:
        with _told(path):
            folder = stack.enter_context(TemporaryFolder("archive"))
            _unpack(path, folder, limits)
        try:
            yield folder
        except FoodVisionError as error:
            # Who gave an archive knows its name, not where it was unpacked.
            raise type(error)(str(error).replace(printable(folder), str(path))) from None


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if not is_archive(path):
        raise DataError(f"{path} is no folder, .zip or .tar.gz of photos")


@contextmanager
def _told(archive: Path) -> Iterator[None]:
    """Have what goes wrong with an archive come as DataError."""
    try:
        yield
    except _DAMAGE as error:
        raise DataError(
            f"{archive} cannot be unpacked ({first_line(error)}): get it again"
        ) from None
    except OSError as error:
        reason = error.strerror or first_line(error)
        if error.errno in _NO_ROOM:
            raise _no_room(archive, reason) from None
        raise DataError(f"{archive} cannot be unpacked ({reason})") from None


def _no_room(archive: Path, reason: str) -> DataError:
    return DataError(
        f"{archive} does not fit in {tempfile.gettempdir()} ({reason}): make room there, or set "
        "TMPDIR to a folder on another disk"
    )


def _unpack(archive: Path, target: Path, limits: Limits) -> None:
    left = most = limits.bytes_for(archive)
    with _members(archive) as members:
        for number, member in enumerate(members):
            if number >= limits.files:
                raise DataError(
                    f"{archive} holds more than {limits.files:,} files: unpack it by hand"
                )
            left -= _ON_DISK
            if member.kind != "folder":
                left -= _copy(archive, member, target, limits.file_bytes, left)
            if left < 0:
                raise DataError(
                    f"{archive} unpacks to more than {most:,} bytes, which is too much for photos "
                    "in an archive of its size: do not trust it, or unpack it by hand"
                )


def _copy(archive: Path, member: _Member, target: Path, most: int, left: int) -> int:
    """Write a file and return its bytes: those that it has, not those that its header tells.

    most: bytes of a file. left: bytes after which the rest of it does not matter.
    """
    place = _safe_place(archive, target, member)
    room = _room(target)
    written = member.size if member.size > most else _write(member, place, min(most, left, room))
    if written > most:
        raise DataError(
            f"{archive} holds {_quoted(member.name)} of more than {most:,} bytes, which no photo "
            "has: leave it out, or unpack the archive by hand"
        )
    if written > room:
        raise _no_room(archive, "the last 5% or 1 GB of the disk stay free")
    return written


def _write(member: _Member, place: Path, limit: int) -> int:
    """Write a file up to a block after `limit`, and return the bytes written."""
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.open() as content, place.open("xb") as file:
        while written <= limit and (block := content.read(_BLOCK)):
            written += file.write(block)
    return written


def _room(target: Path) -> int:
    disk = shutil.disk_usage(target)
    return disk.free - min(int(_RESERVED_SHARE * disk.total), _RESERVED_BYTES)


def _members(archive: Path) -> AbstractContextManager[Iterator[_Member]]:
    return (_zip_members if archive.name.lower().endswith(".zip") else _tar_members)(archive)


class _ZipFile(io.FileIO):
    """A file of which no part is read at once that is too large for memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_LISTED:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(size) or b""


@contextmanager
def _zip_members(archive: Path) -> Iterator[Iterator[_Member]]:
    with _ZipFile(archive) as content, zipfile.ZipFile(content) as file:
        if not all(_is_plain(info) for info in file.infolist()):
            raise DataError(
                f"{archive} is encrypted, or not packed by the usual method (deflate): unpack it "
                "by hand"
            )
        yield (
            _Member(_zip_name(info), _zip_kind(info), info.file_size, partial(file.open, info))
            for info in file.infolist()
        )


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """Whether a file can be unpacked piece by piece; bzip2 makes 1 GB of 700 bytes at once."""
    is_usual = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return is_usual and not info.flag_bits & _IS_ENCRYPTED


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


class _Meter:
    """A stream of which `left` bytes may be read: a header may ask for gigabytes."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream, self.left = stream, _MOST_HEADER

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise tarfile.ReadError("one of its headers is too large")
        return self._stream.read(size)


@contextmanager
def _tar_members(archive: Path) -> Iterator[Iterator[_Member]]:
    with archive.open("rb") as packed, ExitStack() as stack:
        is_gzip = packed.read(len(_GZIP)) == _GZIP
        packed.seek(0)
        content = stack.enter_context(gzip.GzipFile(fileobj=packed)) if is_gzip else packed
        meter = _Meter(content)
        # Read as a stream: a header that sends the reader back would keep it there for ever.
        file = stack.enter_context(tarfile.open(fileobj=cast("Any", meter), mode="r|"))
        yield _read_tar(file, meter)


def _read_tar(file: tarfile.TarFile, meter: _Meter) -> Iterator[_Member]:
    while (info := file.next()) is not None:
        meter.left = info.size + _MOST_HEADER
        yield _Member(info.name, _tar_kind(info), info.size, partial(_open_in_tar, file, info))
        meter.left = _MOST_HEADER
        file.members.clear()  # type: ignore[attr-defined]  # or it would keep all of them
    # The checksum of a compressed file stands at its end, behind what tar reads.
    while meter.read(tarfile.BLOCKSIZE):
        pass


def _open_in_tar(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = file.extractfile(info)
    assert content is not None  # it is only None for what is no regular file
    return content


def _tar_kind(info: tarfile.TarInfo) -> _Kind:
    if info.isdir():
        return "folder"
    return "file" if info.isfile() else "other"


def _safe_place(archive: Path, target: Path, member: _Member) -> Path:
    shown = _quoted(member.name)
    if member.kind != "file":
        raise DataError(f"{archive} holds a link or device, {shown}: unpack it by hand")
    # Windows takes a backslash for a separator and a colon for a drive; elsewhere names have any.
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    is_outside = not parts or parts[0] == "/" or ".." in parts or "\0" in member.name
    has_drive = any(_DRIVE.match(part) if os.name != "nt" else ":" in part for part in parts)
    if is_outside or has_drive:
        raise DataError(f"{archive} holds a path outside of it, {shown}: do not trust it")
    longest = max(len(os.fsencode(part)) for part in parts)
    if len(parts) > DEEPEST or len(member.name) > _LONGEST_PATH or longest > _LONGEST_NAME:
        raise DataError(
            f"{archive} holds a path that is too long or deep, {shown}: pack the photos again with "
            "shorter names"
        )
    place = target.joinpath(*parts)
    if place.exists():
        raise DataError(f"{archive} holds {shown} twice: unpack it by hand")
    return place


def _quoted(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")
