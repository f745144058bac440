"""What a zip holds, read without trusting its sizes."""

import io
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from foodvision.data.members import Kind, Member
from foodvision.data.zip_names import zip_names
from foodvision.errors import DataError

_IS_ENCRYPTED = 0x1
_DEFLATE64 = 9
_METHODS = {12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd"}

# The list of all files, which Python keeps in memory.
_MOST_LISTED = 1 << 26


class _ZipFile(io.FileIO):
    """A file of which no part is read at once that is too large for memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_LISTED:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(size) or b""


@contextmanager
def zip_members(archive: Path) -> Iterator[Iterator[Member]]:
    """Yield what a zip holds, file by file.

    Raises DataError for an encrypted zip and for another method than deflate, and what zipfile
    raises for damage.
    """
    with _ZipFile(archive) as content, zipfile.ZipFile(content) as file:
        entries = file.infolist()
        for info in entries:
            _check_plain(archive, info)
        yield (
            Member(name, _kind(info, name), info.file_size, partial(file.open, info))
            for info, name in zip(entries, zip_names(entries), strict=True)
        )


def _check_plain(archive: Path, info: zipfile.ZipInfo) -> None:
    """Take only what unpacks piece by piece; bzip2 makes 1 GB of 700 bytes at once."""
    if info.flag_bits & _IS_ENCRYPTED:
        raise DataError(
            f"{archive} is encrypted: unpack it with its password and give the unpacked folder"
        )
    if info.compress_type == _DEFLATE64:
        raise DataError(
            f"{archive} is compressed with Deflate64, which Windows uses for large files: unpack "
            "it and give the unpacked folder"
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise DataError(
            f"{archive} is compressed with {method} instead of deflate: unpack it and give the "
            "unpacked folder"
        )


def _kind(info: zipfile.ZipInfo, name: str) -> Kind:
    # Old versions of .NET end folders with a backslash.
    if name.endswith("/") or (name.endswith("\\") and not info.file_size):
        return "folder"
    # The Unix mode, where the archive was made on Unix; 0 where it was not.
    kind = stat.S_IFMT(info.external_attr >> 16)
    return "file" if kind in (0, stat.S_IFREG) else "other"
