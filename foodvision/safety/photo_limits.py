"""What a photo may cost to decode: read from its header, refused before the decoder starts.

A file of a few bytes can ask for gigabytes or minutes. The limits hold for every photo, wherever it
comes from: at most about 250 MB and 2 seconds of processor time.
"""

import re
import struct
from typing import Any

from PIL import Image

from foodvision.errors import PhotoError

MAX_BYTES = 200_000_000
"""The largest file that is read."""

# Longer sides make the decoders' tables of rows larger than the photo. JPEG has no longer ones.
_MAX_SIDE = 65_535

# What the pixels may take in memory while a photo is decoded and converted.
_MAX_MEMORY = 210_000_000

# Bytes a pixel that decoders need beside the image (measured with Pillow 12.3: resident memory
# over 12 and 24 megapixels).
_DECODER_BYTES = {"WEBP": 12, "TIFF": 3, "AVIF": 5, "GIF": 1}

# Bytes a pixel of an image that is not RGB: it lies beside the RGB one that it becomes.
_IMAGE_BYTES = {"RGB": 0, "L": 1, "P": 1, "1": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_RGB_BYTES = 4

_MAX_WEBP = _MAX_MEMORY // (_RGB_BYTES + _DECODER_BYTES["WEBP"])

# libheif holds the planes and the pixels; the image that is made of them is small.
_HEIC_BYTES = 4

# A progressive JPEG is decoded as a whole: two bytes a coefficient, and each scan passes over
# them (about 1 ns a coefficient, so at most some 1.5 s).
_COEFFICIENT_BYTES = 2
_MAX_COEFFICIENTS_READ = 1_500_000_000

_MAX_PIXEL_BY_PIXEL = 1_000_000

# What takes about a tenth of a second.
_QUICK_HEIC, _QUICK_MEMORY = 3_000_000, 50_000_000
_QUICK_COEFFICIENTS, _QUICK_BASELINE = 150_000_000, 100_000_000

# Bytes of each of the types of TIFF's and EXIF's entries.
_UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_UNIT_BYTES |= {13: 4, 16: 8, 17: 8, 18: 8}

_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
_FRAMES = {0xC0 + kind for kind in range(16)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = {0xC0, 0xC1, 0xC9}
_WITHOUT_LENGTH = {0x01, 0xD8, 0xD9}
_SCAN, _END = 0xDA, 0xD9


def check_header(content: bytes, name: str) -> None:
    """Refuse the bytes of a file that would cost too much when Pillow opens them.

    Raises PhotoError.
    """
    if not has_sane_entries(content):
        raise PhotoError(
            f"{name} is damaged (its entries overlap): copy or download it again", "cut_off"
        )
    if content[8:12] == b"WEBP" and (pixels := _webp_pixels(content)) > _MAX_WEBP:
        raise too_large(name, _MAX_WEBP // 1_000_000, f" for WebP, not {pixels // 10**6}")


def check_cost(image: Image.Image, name: str) -> None:
    """Refuse a photo that is opened, but not decoded, whose decoding would cost too much.

    Raises PhotoError, which says what the limit is.
    """
    if max(image.size) > _MAX_SIDE:
        side = f"{_MAX_SIDE:,}"
        raise PhotoError(
            f"{name} is too large, the limit is a side of {side} pixels: make it smaller first",
            "too_long",
            limit=side,
        )
    memory = _memory(image)
    if memory > _MAX_MEMORY:
        pixels = image.width * image.height
        limit = _MAX_MEMORY * pixels // memory // 1_000_000
        raise too_large(name, limit, f" for a {image.format or 'this'} of this kind")
    if image.format in ("JPEG", "MPO"):
        _check_scans(image, name)
    if _is_read_by_python(image) and image.width * image.height > _MAX_PIXEL_BY_PIXEL:
        raise PhotoError(
            f"{name} is too large, the limit is 1 megapixel for a PPM of this kind (text, or an "
            "odd depth): make it smaller first",
            "too_heavy",
        )


def may_take_long(image: Image.Image) -> bool:
    """Whether decoding a photo that is opened may take more than a tenth of a second."""
    if image.format == "HEIF":
        return image.width * image.height > _QUICK_HEIC
    if image.format in ("JPEG", "MPO"):
        coefficients, scans = _coefficients_and_scans(_content(image))
        if coefficients * max(scans, 2) > _QUICK_COEFFICIENTS:
            return scans > 1 or coefficients > _QUICK_BASELINE
    return _memory(image) > _QUICK_MEMORY


def _is_read_by_python(image: Any) -> bool:
    """Whether Pillow reads a PPM's numbers one by one: text, or no depth of 8 or 16 bits."""
    return bool(image.format == "PPM" and image.tile[0][0] != "raw")


def has_sane_entries(content: bytes) -> bool:
    """Whether the first directory of a TIFF file or of EXIF data names no bytes twice.

    Pillow copies the bytes that an entry names, for every entry: a thousand entries that all name
    the same megabyte take a gigabyte. Content that is no TIFF has no entries.
    """
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None:
        return True
    try:
        (magic,) = struct.unpack_from(f"{order}H", content, 2)
        offset, count, entry = ("Q", "Q", "HQ") if magic == 43 else ("L", "H", "HL")
        (start,) = struct.unpack_from(order + offset, content, 8 if magic == 43 else 4)
        (entries,) = struct.unpack_from(order + count, content, start)
        start += struct.calcsize(order + count)
        length = struct.calcsize(f"{order}H{entry}{offset}")
        named = 0
        for place in range(start, min(start + entries * length, len(content) - length), length):
            kind, number = struct.unpack_from(order + entry, content, place + 2)
            named += _UNIT_BYTES.get(kind, 0) * number
    except struct.error:
        return True  # cut off: Pillow tells
    return named <= len(content)


def _webp_pixels(content: bytes) -> int:
    """Return the pixels of a WebP, for which its decoder makes room when it is opened."""
    kind, of = content[12:16], content[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return (1 + int.from_bytes(of[4:7], "little")) * (1 + int.from_bytes(of[7:10], "little"))
    if kind == b"VP8L":
        bits = int.from_bytes(of[1:5], "little")
        return (1 + bits % 2**14) * (1 + (bits >> 14) % 2**14)
    return int(int.from_bytes(of[6:8], "little") % 2**14) * (
        int.from_bytes(of[8:], "little") % 2**14
    )


def _memory(image: Image.Image) -> int:
    """Return the bytes that an image takes while it is decoded and becomes RGB."""
    if image.format == "HEIF":
        return image.width * image.height * _HEIC_BYTES
    a_pixel = _RGB_BYTES + _IMAGE_BYTES.get(image.mode, 4)
    return image.width * image.height * (a_pixel + _DECODER_BYTES.get(image.format or "", 0))


def _content(image: Any) -> bytes:
    """Return the bytes of the file that an image was opened from, in memory."""
    return bytes(image.fp.getvalue())


def _check_scans(image: Image.Image, name: str) -> None:
    coefficients, scans = _coefficients_and_scans(_content(image))
    if scans < 2:
        return
    if coefficients * _COEFFICIENT_BYTES > _MAX_MEMORY:
        limit = _MAX_MEMORY // _COEFFICIENT_BYTES // 1_000_000
        raise PhotoError(
            f"{name} is too large, the limit is {limit} million coefficients for a progressive "
            "JPEG: make it smaller first",
            "too_heavy",
        )
    if coefficients * scans > _MAX_COEFFICIENTS_READ:
        raise PhotoError(
            f"{name} has {scans} scans, which take too long to decode: save it again as JPEG",
            "too_heavy",
        )


def _coefficients_and_scans(content: bytes) -> tuple[int, int]:
    """Return how many coefficients a JPEG has, and how many scans pass over them.

    One scan stands for a file that is decoded line by line, whatever follows.
    """
    coefficients = components = scans = place = 0
    while match := _MARKER.search(content, place):
        marker, place = match[1][0], match.end()
        if marker == _END:
            break
        if marker in _WITHOUT_LENGTH or place + 2 > len(content):
            continue
        if marker in _FRAMES:
            coefficients, components = _frame(content[place + 2 : place + 2 + 6 + 3 * 255])
            sequential = marker in _SEQUENTIAL
        elif marker == _SCAN:
            scans += 1
            if sequential and content[place + 2] == components:
                return coefficients, 1
        place += int.from_bytes(content[place : place + 2], "big")
    return coefficients, scans


def _frame(header: bytes) -> tuple[int, int]:
    """Return the coefficients and the components that a frame's header tells."""
    height, width, components = struct.unpack_from(">HHB", header, 1)
    sampling = [header[7 + 3 * number] for number in range(components)]
    across, down = (max((of >> shift) & 15 for of in sampling) or 1 for shift in (4, 0))
    share = sum((of >> 4) * (of & 15) for of in sampling) / (across * down)
    return int(width * height * share), components


def too_large(name: str, limit: int, kind: str = "") -> PhotoError:
    """Return what tells that a photo is over a limit in megapixels, and of which photos that is."""
    message = f"{name} is too large, the limit is {limit} megapixels{kind}: make it smaller first"
    return PhotoError(message, "too_large", limit=limit)
