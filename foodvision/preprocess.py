"""From an upright RGB image to the uint8 square that every network of ours takes.

What follows the square (scaling, mean and standard deviation) is in the graph.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from foodvision.errors import SettingsError
from foodvision.reduced import ReducedImage

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

# Of 32 bits.
_MOST_WHITE = 2**32 - 1

# The middle square of a longer strip does not see its ends, and resizing them could take gigabytes.
_LONGEST_ASPECT = 8

# Left, top, right and bottom, in a photo's pixels.
_Part: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Preprocess:
    """How a photo becomes a square, and how the graph scales it.

    size: side of the square in pixels.
    resize: "short" brings the short side to `size / crop`, keeping the aspect, and the middle
        square is cut out; "squash" brings both sides to `size`, as the lecture does.
    crop: the part of the short side that stays, 0.1 to 1 (timm calls it crop_pct).
    interpolation: "bilinear", "bicubic" or "lanczos", all antialiased.
    mean, std: per channel, of pixels scaled to 0..1; applied in the graph.
    white: what is white in photos of more than eight bits, as `foodvision.image.load_image` takes
        it: 4095 for 12 bits; None for 65535, and where floating point values are refused.

    Raises SettingsError for values out of range.
    """

    size: int = 224
    resize: Literal["short", "squash"] = "short"
    crop: float = 0.875
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    white: float | None = None

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 2048:
            raise SettingsError(f"image size {self.size} is out of range: 8 to 2048 pixels")
        if self.resize not in ("short", "squash"):
            raise SettingsError(f"unknown resize rule {self.resize!r}: use short or squash")
        if not 0.1 <= self.crop <= 1:
            raise SettingsError(f"crop {self.crop} is out of range: 0.1 to 1")
        if self.interpolation not in _FILTERS:
            raise SettingsError(
                f"unknown interpolation {self.interpolation!r}: use {', '.join(_FILTERS)}"
            )
        if not all(-100 <= value <= 100 for value in self.mean):
            raise SettingsError(f"mean {self.mean} is out of range: -100 to 100")
        if not all(0.0001 <= value <= 100 for value in self.std):
            raise SettingsError(f"std {self.std} is out of range: 0.0001 to 100")
        if self.white is not None and not 0 < self.white <= _MOST_WHITE:
            raise SettingsError(f"white {self.white} is out of range: above 0 to {_MOST_WHITE}")

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Return the photo's square: (size, size, 3) uint8 from an image of mode RGB."""
        if isinstance(image, ReducedImage):
            return np.asarray(self._square_of_reduced(image))
        part, target = self._plan(*image.size)
        if part != (0, 0, *image.size):
            image = image.crop(part)
        if target != image.size:
            image = image.resize(target, _FILTERS[self.interpolation])
        left, top = self._corner(target)
        return np.asarray(image.crop((left, top, left + self.size, top + self.size)))

    @property
    def short_side(self) -> int:
        """What the short side of a photo is brought to, in pixels."""
        return self.size if self.resize == "squash" else math.floor(self.size / self.crop)

    def sized(self, size: int) -> "Preprocess":
        """Return the same with another side, in pixels: the same part of a photo is seen."""
        return replace(self, size=size)

    def _square_of_reduced(self, image: ReducedImage) -> Image.Image:
        """Return the square alone, in register; there is no resized whole to be equal to."""
        part, target = self._plan(*image.photo_size)
        edges = []
        for axis, corner in enumerate(self._corner(target)):
            scale = (part[axis + 2] - part[axis]) / target[axis] / image.by
            start = image.box[axis] + part[axis] / image.by + corner * scale
            edges.append((start, min(start + self.size * scale, image.size[axis])))
        (left, right), (top, bottom) = edges
        square = (self.size, self.size)
        return image.resize(square, _FILTERS[self.interpolation], (left, top, right, bottom))

    def _plan(self, width: int, height: int) -> tuple[_Part, tuple[int, int]]:
        """Return which part of a photo is resized, and to what size."""
        if self.resize == "squash":
            return (0, 0, width, height), (self.size, self.size)
        left, top, right, bottom = part = _without_ends(width, height)
        width, height = right - left, bottom - top
        short = self.short_side
        # Rounded as torchvision's Resize and CenterCrop do, so that the pixels are the same.
        if width <= height:
            return part, (short, int(short * height / width))
        return part, (int(short * width / height), short)

    def _corner(self, resized: tuple[int, int]) -> tuple[int, int]:
        """Return where the middle square begins, as torchvision rounds it."""
        left, top = (round((side - self.size) / 2) for side in resized)
        return left, top


def _without_ends(width: int, height: int) -> _Part:
    """Return the part of a very long strip around its middle; of others all."""
    longest = _LONGEST_ASPECT * min(width, height)
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return left, top, width - left, height - top
