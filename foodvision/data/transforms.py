"""What training and evaluation see of a photo, side by side."""

import torch
from PIL import Image
from torchvision.transforms import v2

from foodvision.preprocess import Preprocess

# A crop shows at least so much of a photo's area: food is often only a part of it.
_SMALLEST_CROP = 0.35

# What stands in an erased part, and the side that a photo is made small to at least.
_GREY = 127
_SMALLEST_SIDE = 48


class Square(v2.Transform):  # type: ignore[misc]
    """`Preprocess` as a transform: an RGB Pillow image to (3, size, size) uint8."""

    def __init__(self, preprocess: Preprocess) -> None:
        """Take the checkpoint's own preprocessing."""
        super().__init__()
        self._preprocess = preprocess

    def forward(self, image: Image.Image) -> torch.Tensor:
        """Return the square."""
        return torch.from_numpy(self._preprocess(image).copy()).permute(2, 0, 1)


def eval_transform(preprocess: Preprocess) -> v2.Compose:
    """Return what evaluation and serving see: the checkpoint's square, normalised float32."""
    return v2.Compose([Square(preprocess), normalise(preprocess)])


def train_transform(preprocess: Preprocess, augment: str = "light") -> v2.Compose:
    """Return what training sees: the same square with chance in it, normalised float32."""
    return v2.Compose([augmentation(preprocess, augment), normalise(preprocess)])


def augmentation(
    preprocess: Preprocess,
    augment: str = "light",
    *,
    size: int | None = None,
    low_resolution: float = 0.0,
) -> v2.Compose:
    """Return a transform from an RGB Pillow image, or (3, h, w) uint8, to (3, size, size) uint8.

    augment: "none": the middle square; "light": random crops (or both sides brought to size, as
        the lecture does, where `preprocess` says so) and flips; "strong": also TrivialAugment
        (Mueller and Hutter, ICCV 2021) and random erasing (Zhong et al., AAAI 2020).
    size: the square's side; `preprocess.size` if not given.
    low_resolution: share of the photos that are made small first, 0 to 1.
    """
    steps: list[v2.Transform] = []
    if low_resolution:
        smaller = v2.RandomResize(_SMALLEST_SIDE, max(preprocess.size, _SMALLEST_SIDE + 1))
        steps.append(v2.RandomApply([smaller], p=low_resolution))
    steps += _geometry(preprocess, augment, size or preprocess.size)
    steps.append(v2.ToImage())
    if augment != "none":
        steps.append(v2.RandomHorizontalFlip())
    if augment == "strong":
        steps += [v2.TrivialAugmentWide(), v2.RandomErasing(p=0.25, value=_GREY)]
    return v2.Compose([*steps, v2.ToPureTensor()])


def normalise(preprocess: Preprocess) -> v2.Compose:
    """Return the step from uint8 to what a network takes, for one square or a batch of them."""
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocess.mean, preprocess.std),
        ]
    )


def _geometry(preprocess: Preprocess, augment: str, size: int) -> list[v2.Transform]:
    interpolation = v2.InterpolationMode(preprocess.interpolation)
    if preprocess.resize == "squash":
        return [v2.Resize((size, size), interpolation)]
    if augment == "none":
        return [v2.Resize(int(size / preprocess.crop), interpolation), v2.CenterCrop(size)]
    scale = (_SMALLEST_CROP, 1.0)
    return [v2.RandomResizedCrop(size, scale=scale, interpolation=interpolation)]
