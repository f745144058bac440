"""What a tar holds, plain or compressed, read as a stream in bounded memory."""

import bz2
import gzip
import importlib
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast

from foodvision.data.members import Kind, Member
from foodvision.errors import DataError, first_line

GZIP, BZIP2, XZ, ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
"""What a compressed file begins with."""

_USTAR_AT, _USTAR = 257, b"ustar"

# Before each file. Python keeps it in memory.
_MOST_HEADER = 1 << 20

# xz -9 takes 65 MiB, and zstd its default limit of 128 MiB. A file may ask for gigabytes.
_MOST_MEMORY = 1 << 27

_BLOCK = 1 << 16


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@contextmanager
def tar_members(archive: Path) -> Iterator[Iterator[Member]]:
    """Yield what a tar holds, file by file; each has to be read before the next.

    Raises DataError for a compression that takes too much memory or that Python lacks, and what
    the standard library raises for damage.
    """
    with archive.open("rb") as packed:
        meter = _Meter(_decompressed(archive, packed))
        # Read as a stream: a header that sends the reader back would keep it there for ever.
        with tarfile.open(fileobj=cast("Any", meter), mode="r|", tarinfo=_TarInfo) as file:
            yield _read(file, meter)


@contextmanager
def placed_members(archive: Path) -> Iterator[Iterator[tuple[Member, int]]]:
    """Yield what a plain tar holds, and where the bytes of each file begin; nothing is unpacked.

    Only headers are read, and what is opened before the next is asked for.

    Raises what the standard library raises for damage.
    """
    with archive.open("rb") as plain:
        meter = _SeekableMeter(plain)
        with tarfile.open(fileobj=cast("Any", meter), mode="r:", tarinfo=_TarInfo) as file:
            yield _place(file, meter, archive.stat().st_size)


def is_tar(start: bytes) -> bool:
    """Whether a file that starts with these 262 bytes or more is a plain tar."""
    return start[_USTAR_AT:].startswith(_USTAR)


def _decompressed(archive: Path, packed: BinaryIO) -> _Readable:
    """Return the tar inside, by what the file begins with, whatever its name says."""
    start = packed.read(_USTAR_AT + len(_USTAR))
    packed.seek(0)
    if is_tar(start):
        return packed
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=packed)
    if start.startswith(BZIP2):
        return _Stream(archive, packed, bz2.BZ2Decompressor)
    if start.startswith(XZ):
        return _Stream(archive, packed, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY))
    return _zstd(archive, packed) if start.startswith(ZSTD) else packed


class _Stream:
    """A compressed file of one or more streams; no more than asked for is ever in memory.

    lzma.open has no limit for the memory that a file asks for.
    """

    def __init__(
        self,
        archive: Path,
        packed: BinaryIO,
        start: Callable[[], _Decompressor],
        error: type[Exception] = lzma.LZMAError,
    ) -> None:
        self._archive, self._packed, self._start, self._error = archive, packed, start, error
        self._decompressor, self._rest = start(), b""

    def read(self, size: int) -> bytes:
        parts = []
        while size and (part := self._read_some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _read_some(self, most: int) -> bytes:
        while True:
            if self._decompressor.eof and not self._begin_next():
                return b""
            if self._decompressor.needs_input and not self._rest:
                self._rest = self._packed.read(_BLOCK)
                if not self._rest:
                    raise EOFError("it is truncated")
            data, self._rest = self._rest, b""
            try:
                part = self._decompressor.decompress(data, most)
            except (OSError, self._error) as error:  # bzip2 raises OSError
                raise _refusal(self._archive, error) from None
            if part:
                return part

    def _begin_next(self) -> bool:
        """Begin the next stream, which zeros may precede, and say whether there is one."""
        self._rest = self._decompressor.unused_data.lstrip(b"\0")
        while not self._rest:
            block = self._packed.read(_BLOCK)
            if not block:
                return False
            self._rest = block.lstrip(b"\0")
        self._decompressor = self._start()
        return True


class _ZstdStream:
    """A Zstandard file by the package zstandard, whose decompressors are streams by themselves."""

    def __init__(self, archive: Path, stream: _Readable, error: type[Exception]) -> None:
        self._archive, self._stream, self._error = archive, stream, error

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except self._error as error:
            raise _refusal(self._archive, error) from None


def _refusal(archive: Path, error: Exception) -> Exception:
    """Return what to raise for a decompressor's error: damage, or too much memory."""
    if "memory" not in str(error).lower():
        return tarfile.ReadError(first_line(error))
    return DataError(
        f"{archive} needs more than {_MOST_MEMORY >> 20} MiB of memory to unpack: pack the "
        "photos again as .tar.gz, or unpack it and give the unpacked folder"
    )


def _zstd(archive: Path, packed: BinaryIO) -> _Readable:
    """Return the tar inside of a Zstandard file, by Python 3.14 or the package zstandard."""
    if module := _imported("compression.zstd"):
        return _Stream(archive, packed, module.ZstdDecompressor, module.ZstdError)
    if module := _imported("zstandard"):
        decompressor = module.ZstdDecompressor(max_window_size=_MOST_MEMORY)
        stream = decompressor.stream_reader(packed, read_across_frames=True)
        return _ZstdStream(archive, stream, module.ZstdError)
    raise DataError(
        f"{archive} is compressed with Zstandard, which this Python cannot unpack: pack the "
        "photos again as .tar.gz, or unpack it and give the unpacked folder"
    )


def _imported(name: str) -> Any:
    """Return a module that may be missing, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class _Meter:
    """A stream of which `left` bytes may be read: a header may ask for gigabytes."""

    def __init__(self, stream: _Readable) -> None:
        self._stream, self.left = stream, _MOST_HEADER

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise tarfile.ReadError("one of its headers is too large")
        return self._stream.read(size)


class _SeekableMeter(_Meter):
    """A metered file that can seek."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.seek, self.tell = file.seek, file.tell


class _TarInfo(tarfile.TarInfo):
    """A header that raises if it is damaged; tarfile takes it for the end, and loses the rest."""

    @classmethod
    def fromtarfile(cls, file: tarfile.TarFile) -> "_TarInfo":
        try:
            return super().fromtarfile(file)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the zeros that stand at the end
                raise
            raise tarfile.ReadError(first_line(error)) from None


def _headers(file: tarfile.TarFile, meter: _Meter) -> Iterator[tarfile.TarInfo]:
    """Yield the header of each file, which may be read before the next is asked for."""
    while (info := file.next()) is not None:
        meter.left = info.size + _MOST_HEADER
        yield info
        meter.left = _MOST_HEADER
        file.members.clear()  # type: ignore[attr-defined]  # or it would keep all of them


def _read(file: tarfile.TarFile, meter: _Meter) -> Iterator[Member]:
    for info in _headers(file, meter):
        yield Member(info.name, _kind(info), info.size, partial(_open, file, info))
    # The checksum of a compressed file stands at its end, behind what tar reads.
    while meter.read(tarfile.BLOCKSIZE):
        pass


def _place(file: tarfile.TarFile, meter: _SeekableMeter, size: int) -> Iterator[tuple[Member, int]]:
    for info in _headers(file, meter):
        # Of a sparse file, not all bytes are there.
        kind = "other" if info.issparse() else _kind(info)
        # A negative size would send the reader back, for ever.
        if info.size < 0 or (kind == "file" and info.offset_data + info.size > size):
            raise tarfile.ReadError(f"{info.name} is truncated")
        yield Member(info.name, kind, info.size, partial(_open, file, info)), info.offset_data
    meter.seek(file.offset)
    if meter.read(_BLOCK).strip(b"\0"):
        raise tarfile.ReadError("there is data after its end; it may be several tars in one file")


def _open(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = file.extractfile(info)
    assert content is not None  # it is only None for what is no regular file
    return content


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isdir():
        return "folder"
    return "file" if info.isfile() else "other"
