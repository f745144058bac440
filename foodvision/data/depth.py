"""Photos of more than eight bits: which value is white in a set of them."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.decoding import Decoder
from foodvision.errors import DataError, PhotoError
from foodvision.image import Depth, may_be_deep

_FULL = 65535

# What cameras, scanners and microscopes store in 16 bits: values of 8, 10, 12, 14 or 16.
_WHITES = (255, 1023, 4095, 16383, _FULL)

_WAY_OUT = "Save them with 8 bits, scaled to 0 to 255"


def find_white(photos: Photos) -> Photos:
    """Return the photos with what is white in those of more than eight bits, and a note of it.

    It is the largest value of as many bits as all of them use together. Files that cannot be read
    are passed over.

    Raises DataError for colours of 16 bits that use fewer, as only their upper eight are read, and
    for whole numbers beside floating point values.
    """
    depths = list(_depths(photos.members))
    peaks: dict[str, float] = {}
    for kind, peak in depths:
        peaks[kind] = max(peak, peaks.get(kind, 0))
    counts = Counter(kind for kind, _ in depths)
    if "colour" in peaks and peaks["colour"] <= _WHITES[-2]:
        raise DataError(
            f"{photos.root}: {_counted(counts['colour'])} 16 bits per colour, but values only up "
            f"to about {peaks['colour']:,.0f} of {_FULL:,}, and would be read almost black. "
            f"{_WAY_OUT}"
        )
    if "integer" in peaks and "float" in peaks:
        raise DataError(
            f"{photos.root}: {_counted(counts['integer'])} 16 bits, but {counts['float']:,} "
            f"floating point values, which have another range. {_WAY_OUT}"
        )
    kind = "float" if "float" in peaks else "integer"
    if kind not in peaks or (white := _white(kind, peaks[kind])) is None:
        return photos
    values = "values" if kind == "integer" else "floating point values"
    note = (
        f"{_counted(counts[kind])} more than 8 bits, with {values} up to {peaks[kind]:,.6g}: "
        f"{white:,.0f} is used as white."
    )
    return replace(photos, white=white, notes=(*photos.notes, note))


def _depths(photos: Iterable[LabelledPhoto]) -> Iterable[Depth]:
    decoder = Decoder()

    def depth(photo: LabelledPhoto) -> Depth:
        if not may_be_deep(photo.path):
            return Depth("", 0)
        try:
            return decoder.depth(photo.path)
        except PhotoError:  # whoever opens it tells
            return Depth("", 0)

    with ThreadPoolExecutor() as threads:
        return [found for found in threads.map(depth, photos) if found.kind]


def _white(kind: str, peak: float) -> float | None:
    """Return the white of a set whose largest value is known; None for what needs none."""
    if kind == "float" and peak <= 1:
        return 1.0
    white = next((of for of in _WHITES if peak <= of), 2 ** int(peak).bit_length() - 1)
    return None if kind == "integer" and white == _FULL else float(white)


def _counted(count: int) -> str:
    return "1 photo has" if count == 1 else f"{count:,} photos have"
