"""The one door for photos: from whatever a person has to upright sRGB pixels.

Resizing and cropping are left to `foodvision.preprocess`.
"""

import io
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from foodvision.errors import PhotoError, absent, first_line
from foodvision.reduced import TURNS, ReducedImage
from foodvision.safety.photo_limits import (
    MAX_BYTES,
    check_cost,
    check_header,
    has_sane_entries,
    may_take_long,
    too_large,
)
from foodvision.system.packed import open_at_once, packed, plain_path

Photo: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | np.ndarray
"""What `load_image` takes: a path, bytes, an open file, a Pillow image, or an array."""

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif"),
    *(".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""File name endings of the formats below, in lower case."""

DICOM_WAY_OUT = "convert it to PNG first, for example with `dcm2img --write-png` of DCMTK"
"""What to do with the format of medical devices."""

MAX_PIXELS = 200_000_000
"""The largest JPEG that is opened: what the largest phone cameras make (16320 x 12240)."""

# Formats by name, so that a stranger's upload never reaches Pillow's rarer decoders. JPEG takes in
# MPO, which some phones write.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "PPM")

# How files of these formats begin; what stands four bytes in is WebP's, AVIF's and HEIC's.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*")
_PNM = re.compile(rb"P[4-6]\s+[\d#]")
_FURTHER_ON = ((8, b"WEBP"), (4, b"ftypavif"), (4, b"ftypheic"), (4, b"ftypheix"), (4, b"ftypmif1"))
_FORMATS_IN_WORDS = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"

# Most networks see a few hundred pixels. The JPEG decoder halves while it decodes, at a fraction of
# the time and memory, as long as the short side stays above this, or what a larger one sees.
_ENOUGH_PIXELS = 640

# A larger HEIC is made smaller while its pixels are copied, or the copy alone would take 200 MB.
_LARGE_HEIC = 16_000_000

# Modes of grey values of more than eight bits.
_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")

# TIFF's tags of how many bits a value has, and of what zero is: white, if that is 0.
_BITS, _ZERO_IS = 258, 262

# How a file of these formats begins, which alone can have more than eight bits.
_DEEP_BEGINNINGS = (b"\x89PNG", b"II*\0", b"MM\0*", b"P2", b"P3", b"P5", b"P6")

# A photo is converted in strips of so many pixels, so that no step holds it twice.
_STRIP = 1 << 20

_SRGB = ImageCms.createProfile("sRGB")
_WHITE = (255, 255, 255, 255)

# Pillow refuses what has more than twice its limit before decoding it. What it warns of (photos
# over the limit itself, spoiled EXIF) is either all right here or ends in an error of ours.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.filterwarnings("ignore", module=r"PIL\.")
pillow_heif.register_heif_opener()


class Depth(NamedTuple):
    """What a file has in more than eight bits.

    kind: "integer" and "float" are grey values; "colour" is 16 bits for each of three, of which
        Pillow reads the upper eight; "" for a photo of eight bits.
    peak: the largest value, 0 for eight bits.
    """

    kind: Literal["integer", "float", "colour", ""]
    peak: float


def load_image(source: Photo, side: int = 0, white: float | None = None) -> Image.Image:
    """Decode a photo to upright sRGB.

    Takes a path, the bytes of a file, an open file or BytesIO, a Pillow image or an array: (h, w),
    (h, w, 1), (h, w, 3) or (h, w, 4), uint8 or uint16. Reads JPEG, PNG, WebP, GIF (first frame),
    BMP, TIFF, AVIF and HEIC. EXIF orientation and embedded colour profiles are applied;
    transparency lies over white.
    A JPEG far larger than what is needed comes out at 1/2, 1/4 or 1/8 of its size, its short side
    never under 640 pixels, nor under `side`: a `ReducedImage`, whose `resize` is in register.

    white: what is white in photos of more than eight bits, as 4095 for 12 bits; 65535 if None, and
        floating point values, whose range no file states, are refused then.

    Returns an image of mode RGB.

    A HEIC of more than 16 megapixels comes out smaller in the same way.

    Raises PhotoError, naming the file, for what is missing, no photo, cut off, or over the limits
    of `foodvision.safety.photo_limits`.
    """
    name = _name(source)
    given: bytes | Image.Image | np.ndarray
    if isinstance(source, (str, os.PathLike)):
        given = read_photo(source)
    elif isinstance(source, (bytes, Image.Image, np.ndarray)):
        given = source
    else:
        given = _read_open(source, name)
    with _translate_decoder_errors(name):
        image = _decode(given, name, max(side, _ENOUGH_PIXELS), white)
    # Pillow writes comments and profiles into whatever is saved of it.
    image.info = {}
    return image


def read_photo(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a photo's file, or of a photo in a shard.

    Raises PhotoError, naming it, for what is missing, may not be read, is too large or no regular
    file: a device or a pipe might never end.
    """
    name = plain_path(path)
    try:
        if inner := packed(path):
            _check_size(inner.size, name)
            return inner.read()
        with open(path, "rb", opener=open_at_once) as file:
            of = os.fstat(file.fileno())
            if not stat.S_ISREG(of.st_mode):
                raise PhotoError(f"{name} is a device or a pipe: save the photo as a file first")
            _check_size(of.st_size, name)
            return file.read(of.st_size)
    except FileNotFoundError:
        raise PhotoError(absent(name)) from None
    except IsADirectoryError:
        raise PhotoError(f"{name} is a folder, not a photo") from None
    except PermissionError:
        raise PhotoError(f"{name} cannot be read: check its permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise PhotoError(f"{name} cannot be read ({first_line(error)})") from None


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        size, limit = size // 1_000_000, MAX_BYTES // 1_000_000
        raise PhotoError(
            f"{name} has {size} MB, but the limit is {limit}: make it smaller",
            "too_many_bytes",
            limit=limit,
        )


def _read_open(file: IO[bytes], name: str) -> bytes:
    """Return what an open file holds. Raises PhotoError for what is none, or too large."""
    if not hasattr(file, "read"):
        raise PhotoError(
            "a photo must be a path, bytes, an open file, a Pillow image or an array, not "
            f"{type(file).__name__}"
        )
    content = file.read(MAX_BYTES + 1)
    if not isinstance(content, bytes):
        raise PhotoError(
            f"{name} is open in text mode: open it in binary mode, as open(path, 'rb')"
        )
    if len(content) > MAX_BYTES:
        limit = MAX_BYTES // 1_000_000
        raise PhotoError(
            f"{name} has over {limit} MB: make it smaller", "too_many_bytes", limit=limit
        )
    return content


@contextmanager
def _translate_decoder_errors(name: str) -> Iterator[None]:
    """Turn into a PhotoError whatever a decoder raises, which depends on where its parsing ends."""
    try:
        yield
    except PhotoError:
        raise
    except UnidentifiedImageError:
        raise PhotoError(
            f"{name} is not a readable photo: use {_FORMATS_IN_WORDS}", "not_photo"
        ) from None
    except Image.DecompressionBombError:
        raise too_large(name, MAX_PIXELS // 1_000_000) from None
    except MemoryError:
        raise PhotoError(
            f"{name} needs too much memory: make it smaller first", "too_heavy"
        ) from None
    except Exception as error:
        raise PhotoError(
            f"{name} is truncated or damaged ({first_line(error)}): copy or download it again",
            "cut_off",
        ) from None


def _decode(
    source: bytes | Image.Image | np.ndarray, name: str, enough: int, white: float | None
) -> Image.Image:
    """Return a photo upright and in sRGB, its short side at least `enough` where it is that large.

    Raises PhotoError for what costs too much, and whatever the decoders raise.
    """
    if isinstance(source, bytes):
        if source[128:132] == b"DICM":
            raise PhotoError(f"{name} is a DICOM file: {DICOM_WAY_OUT}", "dicom")
        check_header(source, name)
    image = _open(source, white)
    is_large = image.width * image.height > _LARGE_HEIC
    if isinstance(source, bytes) and image.format == "HEIF" and is_large:
        check_cost(image, name)
        by = next((by for by in (8, 4, 2) if min(image.size) >= by * enough), 1)
        reduced = _to_srgb(_reduced_heic(source, by))
        return ReducedImage(reduced, image.size, by) if by > 1 else reduced
    photo_size = image.size
    drafted = image.draft(None, (enough, enough))
    by = round(photo_size[0] / drafted[1][2]) if drafted else 1
    if image.format:  # a file's, whose pixels are not in memory yet
        try:
            check_cost(image, name)
        except PhotoError:
            if enough == _ENOUGH_PIXELS or image.format not in ("JPEG", "MPO"):
                raise
            # A large network sees less detail of it.
            return _decode(source, name, _ENOUGH_PIXELS, white)
    if image.mode == "F" and white is None:
        raise PhotoError(
            f"{name} has floating point pixels of unknown range: save it with 8 or 16 bits",
            "no_range",
        )
    grey = partial(_grey, white=white, is_inverted=_tag(image, _ZERO_IS) == 0)
    image.load()
    orientation = _orientation(image)
    if by > 1:
        return ReducedImage(_to_srgb(image, grey), photo_size, by, orientation)
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    return _to_srgb(image, grey)


def format_of(content: bytes) -> str | None:
    """Return what format the bytes of a file begin in, as jpeg or png, or None if it is no photo's.

    Each of them is, with a dot before it, one of `SUFFIXES`.
    """
    try:
        check_header(content, "")
        return str(_identify(io.BytesIO(content)).format).lower()
    except Exception:  # decoders raise whatever their parsing runs into
        return None


def depth_of(photo: str | os.PathLike[str] | bytes) -> Depth:
    """Return how deep the values of a photo's file are, and the largest one.

    Raises PhotoError as `load_image` does, but for floating point values that are numbers.
    """
    content, name = photo if isinstance(photo, bytes) else read_photo(photo), _name(photo)
    with _translate_decoder_errors(name):
        check_header(content, name)
        image = _identify(io.BytesIO(content))
        is_deep = image.mode in _DEEP
        is_colour = image.mode in ("RGB", "RGBA", "LA") and _bits_in_file(image, content) == 16
        if not (is_deep or is_colour):
            return Depth("", 0)
        check_cost(image, name)
        values = np.asarray(image)
        if is_colour:
            return Depth("colour", 257 * int(values.max()))
        if image.mode != "F":
            return Depth("integer", int(values.max()))
        _check_numbers(values)
        return Depth("float", float(values.max()))


def may_be_deep(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins in a format that can have more than eight bits."""
    head = _head_of(path, 32)
    is_shallow_png = head.startswith(_DEEP_BEGINNINGS[0]) and head[24:25] != b"\x10"
    return head.startswith(_DEEP_BEGINNINGS) and not is_shallow_png


def is_dicom(path: Path) -> bool:
    """Whether a file is of the format of medical devices, by its content."""
    return _head_of(path, 132)[128:] == b"DICM"


def begins_like_photo(path: Path) -> bool:
    """Whether a file whose name does not tell begins like a photo."""
    head = _head_of(path, 32)
    is_further_on = any(head.startswith(of, at) for at, of in _FURTHER_ON)
    return head.startswith(_BEGINNINGS) or is_further_on or bool(_PNM.match(head))


def _head_of(path: str | os.PathLike[str], count: int) -> bytes:
    """Return the first bytes of a regular file; none of one that cannot be read."""
    try:
        if inner := packed(path):
            return inner.read(count)
        with open(path, "rb", opener=open_at_once) as file:
            return file.read(count) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except (OSError, ValueError):
        return b""


def size_in_file(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height in pixels of a photo that `load_image` takes, as its file says."""
    file = io.BytesIO(read_photo(path)) if packed(path) else path
    with Image.open(file, formats=_FORMATS) as image:
        return image.size


def is_heavy(content: bytes, name: str) -> bool:
    """Whether decoding the bytes of a file may take more than a tenth of a second.

    Raises PhotoError, with its name, for what is no photo.
    """
    check_header(content, name)
    with _translate_decoder_errors(name):
        image = _identify(io.BytesIO(content))
        image.draft(None, (_ENOUGH_PIXELS, _ENOUGH_PIXELS))
        return may_take_long(image)


def check_publishable(path: Path) -> None:
    """Check that a file does not tell where its photo was taken, before everybody can read it.

    Raises PhotoError if it does.
    """
    place = None
    with suppress(Exception):  # what does not decode is told where it is decoded
        content = read_photo(path)
        check_header(content, path.name)
        image = _identify(io.BytesIO(content))
        if image.format == "PNG":
            image.load()  # it may tell behind the pixels
        if b"GPSLatitude" in (image.info.get("xmp") or b""):
            place = "XMP"
        exif = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        if {ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude} & exif.keys():
            place = "EXIF"
    if place:
        raise PhotoError(
            f"{path} contains its location (GPS in its {place}) and would be published: save it "
            "without the location, or remove it"
        )


def _name(source: Photo) -> str:
    if isinstance(source, (str, os.PathLike)):
        return plain_path(source)
    if isinstance(source, bytes):
        return f"the photo of {len(source):,} bytes"
    file_name = getattr(source, "name", None)
    return file_name if isinstance(file_name, str) else "the photo"


def _tag(image: Image.Image, number: int) -> object:
    """Return a tag of a TIFF file; None for other formats."""
    return getattr(image, "tag_v2", {}).get(number)


def _bits_in_file(image: Image.Image, content: bytes) -> int:
    if image.format == "PNG":
        return content[24]
    if image.format == "PPM":
        # What is not plain bytes is scaled by the largest number of its header, which comes last.
        codec, *_, args = image.tile[0]  # type: ignore[attr-defined]  # an ImageFile's
        return 16 if codec != "raw" and isinstance(args, tuple) and args[-1] == 65535 else 8
    bits = _tag(image, _BITS)
    return max(bits) if isinstance(bits, tuple) and bits else 8


def _open(source: bytes | Image.Image | np.ndarray, white: float | None) -> Image.Image:
    if isinstance(source, bytes):
        return _identify(io.BytesIO(source))
    if isinstance(source, np.ndarray):
        return _from_array(source, white)
    return source.copy()


def _identify(file: io.BytesIO) -> Image.Image:
    image = Image.open(file, formats=_FORMATS)
    if not has_sane_entries((image.info.get("exif") or b"").removeprefix(b"Exif\0\0")):
        del image.info["exif"]
    if isinstance(xmp := image.info.get("xmp"), str):  # a TIFF's, at which Pillow's EXIF fails
        image.info["xmp"] = xmp.encode()
    return image


def _from_array(array: np.ndarray, white: float | None) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    is_colour = array.ndim == 3 and array.shape[2] in (3, 4)
    if not (array.ndim == 2 or is_colour) or 0 in array.shape:
        raise PhotoError(
            f"an array of shape {array.shape} is not a photo: use (h, w), (h, w, 1), (h, w, 3) "
            "or (h, w, 4)"
        )
    if array.dtype == np.uint16 or (white is not None and np.issubdtype(array.dtype, np.floating)):
        array = _eight_bits(array, white)
    if array.dtype != np.uint8:
        raise PhotoError(
            f"an array of {array.dtype} has no known range: use uint8 (0 to 255) or uint16"
        )
    return Image.fromarray(array)


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; 1 is upright."""
    # Every viewer shows a photo with spoiled EXIF as it lies; so do we.
    with suppress(Exception):
        orientation = image.getexif()[ExifTags.Base.Orientation]
        return orientation if orientation in TURNS else 1
    return 1


def _reduced_heic(content: bytes, by: int) -> Image.Image:
    """Return a large HEIC at 1/by of its size, as a JPEG of that size comes out.

    libheif has turned it upright.
    """
    photo = pillow_heif.open_heif(content, convert_hdr_to_8bit=True)
    width, height = photo.size
    rows = np.asarray(photo.data).reshape(height, -1)[:, : width * len(photo.mode)]
    reduced = Image.new(photo.mode, (-(-width // by), -(-height // by)))
    for top, bottom in _strips(width, height, by):
        strip = Image.frombytes(photo.mode, (width, bottom - top), rows[top:bottom].tobytes())
        reduced.paste(strip.reduce(by), (0, top // by))
    reduced.info["icc_profile"] = photo.info.get("icc_profile")
    return reduced


def _strips(width: int, height: int, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """Yield first and last row (exclusive) of strips, whose heights are a multiple."""
    rows = max(1, _STRIP // (width * multiple)) * multiple
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def _grey(
    image: Image.Image, white: float | None = None, *, is_inverted: bool = False
) -> Image.Image:
    """Return grey values of more than eight bits as mode L."""
    pixels = _eight_bits(np.asarray(image), white)
    # Pillow by itself turns round only eight bits where zero is white.
    return Image.fromarray(255 - pixels if is_inverted else pixels)


_Convert: TypeAlias = Callable[[Image.Image], Image.Image]


def _to_srgb(image: Image.Image, grey: _Convert = _grey) -> Image.Image:
    """Return an image in sRGB; grey: what makes mode L of values of more than eight bits."""

    def cut(top: int, bottom: int, right: int = image.width) -> Image.Image:
        part = image.crop((0, top, right, bottom))
        return grey(part) if image.mode in _DEEP else part

    convert = _conversion(image.info.get("icc_profile"), cut(0, 1, right=1))
    if image.mode == "RGB" and not image.has_transparency_data:
        converted = image
        if convert is _plain_rgb:
            return image
    else:
        converted = Image.new("RGB", image.size)
    for top, bottom in _strips(*image.size):
        converted.paste(convert(cut(top, bottom)), (0, top))
    return converted


def _conversion(profile: bytes | None, pixel: Image.Image) -> _Convert:
    """Return what makes RGB in sRGB of a strip of an image, of which one pixel is given."""
    if not profile:
        return _plain_rgb
    # A spoiled profile, or one for another kind of pixels: browsers take the colours as sRGB
    # then; so do we.
    with suppress(ImageCms.PyCMSError, OSError):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, _SRGB, _plain(pixel).mode, "RGB")
        return lambda strip: transform.apply(_plain(strip))
    return _plain_rgb


def _plain_rgb(image: Image.Image) -> Image.Image:
    return _plain(image).convert("RGB")


def _plain(image: Image.Image) -> Image.Image:
    """Return an image of mode L, RGB or CMYK, of eight bits and with nothing to see through."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _eight_bits(pixels: np.ndarray, white: float | None) -> np.ndarray:
    """Rescale values, (h, w[, c]) of 0 to white (65535 if None), to uint8; larger ones are white.

    Raises ValueError for values that are no numbers.
    """
    _check_numbers(pixels)
    shares = np.clip(pixels / np.float64(65535 if white is None else white), 0, 1)
    eight: np.ndarray = np.rint(255 * shares).astype(np.uint8)
    return eight


def _check_numbers(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError("values that are not numbers")
