"""A folder of photos, or an archive of one that is unpacked safely for as long as it is used."""

import errno
import gzip
import lzma
import os
import re
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from foodvision.data.members import Member
from foodvision.data.names import DEEPEST, a_few, relative_name
from foodvision.data.tars import BZIP2, GZIP, XZ, ZSTD, is_tar, tar_members
from foodvision.data.zips import zip_members
from foodvision.errors import DataError, FoodVisionError, absent, first_line, renamed
from foodvision.image import SUFFIXES
from foodvision.system.temporary import TemporaryFolder

_SUFFIXES = (
    *(".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz"),
    *(".tar.zst", ".tzst", ".zst"),
)

# Kinds of archives that Python cannot unpack, by their names and by what they begin with.
_FOREIGN = (
    ("a RAR archive", (".rar",), b"Rar!\x1a\x07"),
    ("a 7-Zip archive", (".7z",), b"7z\xbc\xaf\x27\x1c"),
    ("an ALZip archive", (".alz",), b"ALZ\x01"),
    ("an ALZip archive", (".egg",), b"EGGA"),
)
_PART = re.compile(r"\.(z\d\d|(zip|tar|tgz|gz|7z|rar)\.\d{2,3}|part\d+\.rar)$", re.IGNORECASE)
_INSIDE = (*_SUFFIXES, *(suffix for _, suffixes, _ in _FOREIGN for suffix in suffixes))
_PAGE = (b"<!doctype html", b"<html")
_ZIP, _START = b"PK\x03\x04", 512

_DRIVE = re.compile("[A-Za-z]:$")

_BLOCK = 1 << 20

_LONGEST_PATH, _LONGEST_NAME = 1024, 255
_SHOWN = 100  # characters of a path in a message

# A file or folder takes a block of the disk at least, so that a million empty ones count too.
_ON_DISK = 4096

# The share of the disk, and at most how many bytes, that stay free for everything else.
_RESERVED_SHARE, _RESERVED_BYTES = 0.05, 10**9

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))

# What the standard library raises for a damaged archive, depending on where the damage is.
DAMAGE = (
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


def is_archive(path: Path) -> bool:
    """Whether a path is, by its name, an archive that `open_source` unpacks."""
    # pathlib's is_file raises for a name that is too long.
    return path.name.lower().endswith(_SUFFIXES) and os.path.isfile(path)  # noqa: PTH113


@contextmanager
def open_source(source: str | os.PathLike[str], limits: Limits = Limits()) -> Iterator[Path]:
    """Yield the folder that holds the photos: `source` itself, or where the archive was unpacked.

    source: a folder, a `.zip`, or a `.tar`, plain or compressed by gzip, bzip2, xz or zstd. An
        archive is unpacked to a temporary folder that is removed on leaving.

    Raises DataError for what is none of these, for a damaged archive, for one that does not fit on
    the disk, for one of archives, and for one with a path outside the target, a link, a device, or
    more than `limits` allow.
    """
    path = Path(source)
    if path.is_dir():
        yield path
        return
    with _translate_errors(path):
        _check_kind(path)
    with ExitStack() as stack:
        with _translate_errors(path):
            folder = stack.enter_context(TemporaryFolder("archive"))
            _unpack(path, folder, limits)
            _check_photos(path, folder)
        try:
            yield folder
        except FoodVisionError as error:
            # Who gave an archive knows its name, not where it was unpacked.
            raise type(error)(renamed(error, folder, str(path))) from None


def _check_kind(path: Path) -> None:
    name = path.name.lower()
    if not path.exists():
        raise DataError(absent(path, what="photos"))
    if not path.is_file():
        raise _no_archive(path)
    if _PART.search(name):
        raise DataError(
            f"{path} is one part of a split archive: unpack all parts together, and give the "
            "unpacked folder"
        )
    with path.open("rb") as file:
        start = file.read(_START)
    for kind, suffixes, magic in _FOREIGN:
        if name.endswith(suffixes) or start.startswith(magic):
            raise DataError(
                f"{path} is {kind}, which foodvision cannot unpack: unpack it and give the "
                "folder, or pack the photos as .zip"
            )
    if not name.endswith(_SUFFIXES):
        raise _no_archive(path)
    if start.lstrip().lower().startswith(_PAGE):
        raise DataError(f"{path} is a web page, not an archive: download it again in a browser")


def _no_archive(path: Path) -> DataError:
    return DataError(f"{path} is not a folder, .zip or .tar.gz of photos")


def _check_photos(archive: Path, folder: Path) -> None:
    """Refuse an archive of archives: which of them are meant, only its owner can say."""
    inside: list[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__MACOSX"]
        if any(name.lower().endswith(SUFFIXES) for name in names if not name.startswith(".")):
            return
        inside += [
            relative_name(Path(place, name), folder)
            for name in names
            if name.lower().endswith(_INSIDE) and not name.startswith(".")
        ]
    if inside:
        which = "that archive" if len(inside) == 1 else "one of them, or unpack them all too"
        raise DataError(
            f"{archive} contains only other archives ({a_few(sorted(inside))}): unpack it first, "
            f"and give {which}"
        )


@contextmanager
def _translate_errors(archive: Path) -> Iterator[None]:
    """Turn what is wrong with an archive into DataError."""
    try:
        yield
    except DAMAGE as error:
        raise DataError(
            f"{archive} cannot be unpacked ({first_line(error)}): download or copy it again"
        ) from None
    except OSError as error:
        reason = error.strerror or first_line(error)
        if error.errno in _NO_ROOM:
            raise _no_room(archive, reason) from None
        raise DataError(f"{archive} cannot be unpacked ({reason})") from None


def _no_room(archive: Path, reason: str) -> DataError:
    return DataError(
        f"{archive} does not fit in {tempfile.gettempdir()} ({reason}): free some space there, "
        "or set TMPDIR to a folder on another disk"
    )


def _unpack(archive: Path, target: Path, limits: Limits) -> None:
    left = most = limits.bytes_for(archive)
    with _members(archive) as members:
        for number, member in enumerate(members):
            if number >= limits.files:
                raise DataError(
                    f"{archive} contains more than {limits.files:,} files: unpack it yourself"
                )
            left -= _ON_DISK
            if member.kind != "folder":
                left -= _copy(archive, member, target, limits.file_bytes, left)
            if left < 0:
                raise DataError(
                    f"{archive} unpacks to more than {most:,} bytes, too much for photos in an "
                    "archive of its size: do not trust it, or unpack it yourself"
                )


def _copy(archive: Path, member: Member, target: Path, most: int, left: int) -> int:
    """Write a file and return its bytes: those that it has, not those that its header tells.

    most: bytes of a file. left: bytes after which the rest of it does not matter.
    """
    place = _safe_place(archive, target, member)
    room = _room(target)
    written = member.size if member.size > most else _write(member, place, min(most, left, room))
    if written > most:
        raise DataError(
            f"{archive} contains {_quoted(member.name)} with more than {most:,} bytes, too much "
            "for a photo: remove it, or unpack the archive yourself"
        )
    if written > room:
        raise _no_room(archive, "the last 5% or 1 GB of a disk is kept free")
    return written


def _write(member: Member, place: Path, limit: int) -> int:
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


def _members(archive: Path) -> AbstractContextManager[Iterator[Member]]:
    """Open an archive by what it begins with, or else by its name."""
    with archive.open("rb") as file:
        start = file.read(_START)
    is_tar_inside = is_tar(start) or start.startswith((GZIP, BZIP2, XZ, ZSTD))
    is_named_zip = archive.name.lower().endswith(".zip")
    if start.startswith(_ZIP) or (is_named_zip and not is_tar_inside):
        return zip_members(archive)
    return tar_members(archive)


def check_member(archive: Path, member: Member) -> tuple[str, ...]:
    """Return the parts of the path of a member that is a file.

    Raises DataError for a link or device, and for a path outside of the archive, too long or deep.
    """
    shown = _quoted(member.name)
    if member.kind != "file":
        raise DataError(f"{archive} contains a link or device, {shown}: unpack it yourself")
    # Windows takes a backslash for a separator and a colon for a drive; elsewhere names have any.
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    is_outside = not parts or parts[0] == "/" or ".." in parts or "\0" in member.name
    has_drive = any(_DRIVE.match(part) if os.name != "nt" else ":" in part for part in parts)
    if is_outside or has_drive:
        raise DataError(f"{archive} contains a path outside the archive, {shown}: do not trust it")
    longest = max(len(os.fsencode(part)) for part in parts)
    if len(parts) > DEEPEST or len(member.name) > _LONGEST_PATH or longest > _LONGEST_NAME:
        raise DataError(
            f"{archive} contains a path that is too long or too deep, {shown}: pack the photos "
            "again with shorter names"
        )
    return parts


def _safe_place(archive: Path, target: Path, member: Member) -> Path:
    place = target.joinpath(*check_member(archive, member))
    if place.exists():
        raise DataError(f"{archive} contains {_quoted(member.name)} twice: unpack it yourself")
    return place


def _quoted(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")
