"""The one door for photos: from whatever a person has to upright sRGB pixels.

Resizing and cropping are left to `foodvision.preprocess`.
"""

import io
import os
import struct
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from foodvision.errors import PhotoError, first_line

Photo: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
"""What `load_image` takes: a path, a file's bytes, a Pillow image, or an array."""

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif"),
    *(".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"),
)
"""File name endings of the formats below, in lower case."""

MAX_PIXELS = 200_000_000
"""The largest JPEG that is opened: what the largest phone cameras make (16320 x 12240)."""

MAX_DECODED_PIXELS = 64_000_000
"""The largest photo of the other formats, which cannot be made smaller while they are decoded."""

# Formats by name, so that a stranger's upload never reaches Pillow's rarer decoders. JPEG takes in
# MPO, which some phones write.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_FORMATS_IN_WORDS = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"

# Most networks see a few hundred pixels. The JPEG decoder halves while it decodes, at a fraction of
# the time and memory, as long as the short side stays above this, or what a larger one sees.
_ENOUGH_PIXELS = 640

# With any of these Pillow tells of a cut or spoiled file, depending on the format.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
)

_SRGB = ImageCms.createProfile("sRGB")
_WHITE = (255, 255, 255, 255)

# Pillow refuses what has more than twice its limit before decoding it. What it warns of (photos
# over the limit itself, spoiled EXIF) is either all right here or ends in an error of ours.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.filterwarnings("ignore", module=r"PIL\.")
pillow_heif.register_heif_opener()


def load_image(source: Photo, side: int = 0) -> Image.Image:
    """Decode a photo to upright sRGB.

    Takes a path, the bytes of a file, a Pillow image or an array: (h, w), (h, w, 1), (h, w, 3) or
    (h, w, 4), uint8 or uint16. Reads JPEG, PNG, WebP, GIF (first frame), BMP, TIFF, AVIF and HEIC.
    EXIF orientation and embedded colour profiles are applied; transparency lies over white.
    A JPEG far larger than what is needed comes out at 1/2, 1/4 or 1/8 of its size, its short side
    never under 640 pixels, nor under `side`.

    Returns an image of mode RGB.

    Raises PhotoError, naming the file, for what is missing, no photo, cut off, or over the limits
    `MAX_PIXELS` (JPEG) and `MAX_DECODED_PIXELS` (the others).
    """
    name = _name(source)
    try:
        image = _open(source)
        enough = max(side, _ENOUGH_PIXELS)
        image.draft(None, (enough, enough))
        if image.width * image.height > MAX_DECODED_PIXELS:
            if enough > _ENOUGH_PIXELS:
                return load_image(source)  # of a very long one a large network sees less detail
            raise _too_large(name, f"{MAX_DECODED_PIXELS // 1_000_000} megapixels")
        if image.mode == "F":
            raise PhotoError(
                f"{name} has floating point pixels, of no stated range: save it with 8 or 16 bits"
            )
        image.load()
        image = _to_srgb(_upright(image))
        # Pillow writes comments and profiles into whatever is saved of it.
        image.info = {}
        return image
    except FileNotFoundError:
        raise PhotoError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise PhotoError(f"{name} is a folder, not a photo") from None
    except PermissionError:
        raise PhotoError(f"{name} may not be read: check its permissions") from None
    except UnidentifiedImageError:
        raise PhotoError(f"{name} is no photo: it should be {_FORMATS_IN_WORDS}") from None
    except Image.DecompressionBombError:
        jpeg, others = MAX_PIXELS // 1_000_000, MAX_DECODED_PIXELS // 1_000_000
        raise _too_large(name, f"{jpeg} megapixels for JPEG, {others} for others") from None
    except _DECODER_ERRORS as error:
        raise PhotoError(
            f"{name} is cut off or damaged ({first_line(error)}): copy or download it again"
        ) from None


def format_of(content: bytes) -> str | None:
    """Return what format the bytes of a file begin in, as jpeg or png, or None if it is no photo's.

    Each of them is, with a dot before it, one of `SUFFIXES`.
    """
    try:
        return str(_identify(io.BytesIO(content)).format).lower()
    except (*_DECODER_ERRORS, Image.DecompressionBombError):
        return None


def check_publishable(path: Path) -> None:
    """See that a file does not tell where its photo was taken, before everybody can read it.

    Raises PhotoError if it does.
    """
    place = None
    with suppress(*_DECODER_ERRORS):
        image = _identify(io.BytesIO(path.read_bytes()))
        if image.format == "PNG":
            image.load()  # it may tell behind the pixels
        if b"GPSLatitude" in (image.info.get("xmp") or b""):
            place = "XMP"
        exif = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        if {ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude} & exif.keys():
            place = "EXIF"
    if place:
        raise PhotoError(
            f"{path} tells where it was taken (GPS in its {place}) and would be published: save it "
            "anew without that, or take it away"
        )


def _name(source: Photo) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if isinstance(source, bytes):
        return f"the photo of {len(source):,} bytes"
    return "the photo"


def _open(source: Photo) -> Image.Image:
    if isinstance(source, (str, os.PathLike)):
        # Opened by hand, so that the file is closed whatever Pillow makes of it.
        return _identify(io.BytesIO(Path(source).read_bytes()))
    if isinstance(source, bytes):
        return _identify(io.BytesIO(source))
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return source.copy()
    raise PhotoError(
        f"a photo is a path, bytes, a Pillow image or an array, not {type(source).__name__}"
    )


def _identify(file: io.BytesIO) -> Image.Image:
    image = Image.open(file, formats=_FORMATS)
    if isinstance(xmp := image.info.get("xmp"), str):  # a TIFF's, at which Pillow's EXIF fails
        image.info["xmp"] = xmp.encode()
    return image


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    is_colour = array.ndim == 3 and array.shape[2] in (3, 4)
    if not (array.ndim == 2 or is_colour) or 0 in array.shape:
        raise PhotoError(
            f"an array of shape {array.shape} is no photo: "
            "it should be (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"
        )
    if array.dtype == np.uint16:
        array = _eight_bits(array)
    if array.dtype != np.uint8:
        raise PhotoError(
            f"an array of {array.dtype} has no stated range: give uint8 (0 to 255) or uint16"
        )
    return Image.fromarray(array)


def _upright(image: Image.Image) -> Image.Image:
    # Every viewer shows a photo with spoiled EXIF as it lies; so do we.
    with suppress(SyntaxError, ValueError, TypeError, KeyError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = _plain(image)
    if profile:
        # A spoiled profile, or one for another kind of pixels: browsers take the colours as sRGB
        # then; so do we.
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
            return converted or image.convert("RGB")
    return image.convert("RGB")


def _plain(image: Image.Image) -> Image.Image:
    """Return an image of mode L, RGB or CMYK, of eight bits and with nothing to see through."""
    if image.mode in ("I", "I;16", "I;16L", "I;16B", "I;16N"):
        return Image.fromarray(_eight_bits(np.asarray(image)))
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Rescale 16-bit values, (h, w[, c]) of 0 to 65535, to uint8."""
    scaled: np.ndarray = (np.clip(pixels, 0, 65535).astype(np.uint32) + 128) // 257
    return scaled.astype(np.uint8)


def _too_large(name: str, limit: str) -> PhotoError:
    return PhotoError(f"{name} is too large: the limit is {limit}, make it smaller first")
