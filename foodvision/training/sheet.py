"""Augmented versions of a few photos, for the report."""

from collections.abc import Sequence

import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.utils import make_grid

from foodvision.data.batches import seeded
from foodvision.data.photos import LabelledPhoto
from foodvision.data.transforms import Square
from foodvision.image import load_image
from foodvision.preprocess import Preprocess

_SIDE = 128
_VARIANTS = 5


def augmentation_sheet(
    photos: Sequence[LabelledPhoto], transform: v2.Transform, preprocess: Preprocess, seed: int
) -> Image.Image:
    """Return a sheet with a row per photo: first as served, then augmented."""
    tiles = []
    for row, photo in enumerate(photos):
        image = load_image(photo.path, white=preprocess.white)
        with seeded(seed, "sheet", row):
            variants = [transform(image) for _ in range(_VARIANTS)]
        tiles += [Square(preprocess)(image), *variants]
    small = [v2.functional.resize(tile, [_SIDE, _SIDE], antialias=True) for tile in tiles]
    grid = make_grid(torch.stack(small), nrow=_VARIANTS + 1, padding=4, pad_value=255)
    sheet: Image.Image = v2.functional.to_pil_image(grid)
    return sheet
