"""ImageFolder datasets and DataLoaders over the photos of a split."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.image import load_image

# Starting a worker process takes longer than decoding this many photos.
_PHOTOS_PER_WORKER = 2_000


Item: TypeAlias = tuple[torch.Tensor, ...]
"""An image, or what a network made of it, and its class index."""


class PhotoDataset(ImageFolder):  # type: ignore[misc]
    """torchvision's ImageFolder over chosen photos, opened by the same door as everywhere.

    An item is (image, class index): what `transform` makes of an RGB Pillow image, and the place
    of the photo's class in `classes`.
    """

    def __init__(
        self,
        root: Path,
        photos: Sequence[LabelledPhoto],
        classes: Sequence[str],
        transform: v2.Transform,
        side: int = 0,
        white: float | None = None,
    ) -> None:
        """Take the photos in their order; `classes` decides the indices.

        side, white: as `load_image` takes them.
        """
        self._photos = photos
        self._classes = list(classes)
        loader = partial(load_image, side=side, white=white)
        super().__init__(str(root), transform=transform, loader=loader)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Return the classes given, not what lies in the folder."""
        return self._classes, {name: index for index, name in enumerate(self._classes)}

    def make_dataset(
        self, directory: str, class_to_idx: dict[str, int], *_: object, **__: object
    ) -> list[tuple[str, int]]:
        """Return the photos given as (path, class index)."""
        return [(str(photo.path), class_to_idx[photo.label]) for photo in self._photos]


def photo_dataset(
    photos: Photos, split: str, transform: v2.Transform, side: int = 0
) -> PhotoDataset:
    """Return the dataset of a split; side: a large JPEG is not decoded any smaller."""
    members, classes = photos.splits[split], photos.classes
    return PhotoDataset(photos.root, members, classes, transform, side, photos.white)


def create_dataloader(
    dataset: Dataset[Item], batch_size: int, *, shuffle: bool
) -> DataLoader[Item]:
    """Return a DataLoader with as many worker processes as pay for themselves: often none."""
    # Batch normalisation cannot learn from a single photo; another one is left over next time.
    last_is_single = shuffle and len(dataset) > batch_size and len(dataset) % batch_size == 1  # type: ignore[arg-type]
    workers = worker_count(len(dataset))  # type: ignore[arg-type]
    return DataLoader(
        dataset,
        batch_size,
        shuffle=shuffle,
        num_workers=workers,
        drop_last=last_is_single,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def worker_count(photos: int) -> int:
    """Return how many worker processes decoding so many photos is worth, on this machine."""
    return min(os.cpu_count() or 1, 8, photos // _PHOTOS_PER_WORKER)
