"""Food-101 with its official splits, downloaded by torchvision where it is not yet there."""

import json
import tarfile
from pathlib import Path

from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.errors import DataError, first_line

_ARCHIVE = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"


def food101_photos(root: Path) -> Photos:
    """Return the 75,750 training and 25,250 test photos of Food-101.

    root: the folder that holds `food-101/`, or will: 5 GB are downloaded and unpacked there.

    Raises DataError if it cannot be downloaded, and if it is there in part only.
    """
    folder = root / "food-101"
    # The same that torchvision looks for. Who has the photos needs no torch to list them.
    if not all((folder / part).is_dir() for part in ("meta", "images")):
        _download(root)
    photos = Photos(folder, {split: _listed(folder, split) for split in ("train", "test")})
    _check_whole(photos)
    return photos


def _download(root: Path) -> None:
    from torchvision.datasets import Food101

    try:
        Food101(root, download=True)
    # torchvision raises RuntimeError for a file that is not the one it knows.
    except (OSError, RuntimeError, EOFError, tarfile.TarError) as error:
        raise DataError(
            f"could not download Food-101 to {root} ({first_line(error)}): put {_ARCHIVE} there "
            "yourself, or give its folder as food101:FOLDER"
        ) from None


def _listed(folder: Path, split: str) -> tuple[LabelledPhoto, ...]:
    """Read an official list: the photos of every class, as class/number."""
    file = folder / "meta" / f"{split}.json"
    try:
        members: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))
        return tuple(
            LabelledPhoto(folder.joinpath("images", *f"{name}.jpg".split("/")), label)
            for label, names in sorted(members.items())
            for name in names
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{file} cannot be read ({first_line(error)}): remove {folder} and run again"
        ) from None


def _check_whole(photos: Photos) -> None:
    """Check that all photos are there: torchvision looks only whether the folders are."""
    listed = photos.members
    if missing := [photo.path for photo in listed if not photo.path.is_file()]:
        raise DataError(
            f"{photos.root} lacks {len(missing):,} of its {len(listed):,} photos, the first "
            f"{photos.name_of(missing[0])}: remove {photos.root} and run again"
        )
