"""From an upright RGB image to the uint8 square that every network of ours takes.

What follows the square (scaling, mean and standard deviation) is in the graph.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from foodvision.errors import SettingsError

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

# Of 32 bits.
_MOST_WHITE = 2**32 - 1

# The middle square of a longer strip does not see its ends, and resizing them could take gigabytes.
_LONGEST_ASPECT = 8


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
        square = self._squash(image) if self.resize == "squash" else self._middle(image)
        return np.asarray(square)

    @property
    def short_side(self) -> int:
        """What the short side of a photo is brought to, in pixels."""
        return self.size if self.resize == "squash" else math.floor(self.size / self.crop)

    def sized(self, size: int) -> "Preprocess":
        """Return the same with another side, in pixels: the same part of a photo is seen."""
        return replace(self, size=size)

    def _squash(self, image: Image.Image) -> Image.Image:
        return image.resize((self.size, self.size), _FILTERS[self.interpolation])

    def _middle(self, image: Image.Image) -> Image.Image:
        image = _shorten(image)
        width, height = image.size
        short = self.short_side
        # Rounded as torchvision's Resize and CenterCrop do, so that the pixels are the same.
        if width <= height:
            target = (short, int(short * height / width))
        else:
            target = (int(short * width / height), short)
        if target != image.size:
            image = image.resize(target, _FILTERS[self.interpolation])
        left, top = (round((side - self.size) / 2) for side in target)
        return image.crop((left, top, left + self.size, top + self.size))


def _shorten(image: Image.Image) -> Image.Image:
    """Cut a very long strip to the part around its middle."""
    width, height = image.size
    longest = _LONGEST_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, width - left, height - top))
