"""One scan of every photo: it is decoded once, for all checks."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageOps

from foodvision.classifier import Classifier
from foodvision.data import Photos
from foodvision.decoding import Decoder
from foodvision.errors import PhotoError, renamed
from foodvision.preprocess import Preprocess
from foodvision.system.packed import plain_path
from foodvision.system.progress import progress

_BATCH = 32

# All checks but the model's look at a copy of this side: the hash is as good as from the whole
# photo (the same pairs of 5,761 Food-101 photos lie near), and the photo is shrunk only once.
_COPY = 64
_SMALL = 16


@dataclass(frozen=True)
class Place:
    """Where a photo lies: its path relative to the folder (with /), its split and its class."""

    name: str
    split: str
    label: str


@dataclass(frozen=True)
class Unreadable:
    """A photo that cannot be decoded, and why, as `Decoder.decode` says it."""

    place: Place
    reason: str


@dataclass(frozen=True)
class ScannedPhoto:
    """What was seen of a photo.

    width, height: in pixels, as the file says.
    pixels: SHA-256 of the decoded picture (its longest side at most 1280 pixels) and its shape:
        equal for copies of a file, and for the same picture stored in another lossless way.
    hashes: perceptual hashes (64 bits) of the photo and of its mirror image.
    small: (16, 16, 3) uint8, the photo squashed.
    colour: how far the channels lie apart where there is most colour, 0 (grey) to 255.
    contrast: standard deviation of the grey values, 0 (a single colour) to 127.5.
    """

    place: Place
    width: int
    height: int
    pixels: bytes
    hashes: tuple[int, int]
    small: np.ndarray
    colour: float
    contrast: float


@dataclass(frozen=True)
class ScanResult:
    """What was seen of all photos.

    photos: of the n photos that can be read, in order of split, class and name.
    unreadable: the others.
    embeddings: (n, d) float32, what the model's head sees of them; None without a model.
    """

    photos: tuple[ScannedPhoto, ...]
    unreadable: tuple[Unreadable, ...]
    embeddings: np.ndarray | None


def scan_photos(photos: Photos, classifier: Classifier | None) -> ScanResult:
    """Open every photo once, and return what was seen of it; no unreadable photo raises."""
    scanned: list[ScannedPhoto] = []
    unreadable: list[Unreadable] = []
    embeddings = [np.empty((0, 1), np.float32)]
    for batch in _batches(photos, classifier):
        unreadable += [item for item in batch if isinstance(item, Unreadable)]
        seen = [item for item in batch if not isinstance(item, Unreadable)]
        scanned += [photo for photo, _ in seen]
        squares = [square for _, square in seen if square is not None]
        if classifier and squares:
            embeddings.append(classifier.run(np.stack(squares)).embedding)
    rows = np.concatenate(embeddings[1:] or embeddings) if classifier else None
    return ScanResult(tuple(scanned), tuple(unreadable), rows)


_Item = tuple[ScannedPhoto, np.ndarray | None] | Unreadable


def _batches(photos: Photos, classifier: Classifier | None) -> Iterator[list[_Item]]:
    places = [
        Place(photos.name_of(photo.path), split, photo.label)
        for split, members in photos.splits.items()
        for photo in members
    ]
    preprocess = None
    if classifier:
        own = classifier.config.preprocess
        preprocess = replace(own, white=photos.white or own.white)  # however deep the photos are
    look = partial(_look, photos.white, photos.paths(), preprocess, Decoder())
    with (
        ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool,
        progress(None, "inspect", total=len(places)) as bar,
    ):
        for start in range(0, len(places), _BATCH):
            batch = places[start : start + _BATCH]
            yield list(pool.map(look, batch))
            bar.update(len(batch))


def _look(
    white: float | None,
    paths: Mapping[str, Path],
    preprocess: Preprocess | None,
    decoder: Decoder,
    place: Place,
) -> _Item:
    path = paths[place.name]
    try:
        decoded = decoder.decode(path, preprocess, white)
    except PhotoError as error:
        # The folder may be temporary: whoever gave an archive knows the names inside only.
        return Unreadable(place, renamed(error, plain_path(path), place.name))
    image, (width, height) = decoded.picture, decoded.size
    copy = image.resize((_COPY, _COPY), Image.Resampling.BOX)
    look = ScannedPhoto(
        place=place,
        width=width,
        height=height,
        pixels=hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest(),
        hashes=(_hash(copy), _hash(ImageOps.mirror(copy))),
        small=np.asarray(copy.resize((_SMALL, _SMALL), Image.Resampling.BOX)),
        colour=_colour(np.asarray(copy)),
        contrast=float(np.std(np.asarray(copy.convert("L")))),
    )
    return look, decoded.square if preprocess else None


def _hash(image: Image.Image) -> int:
    bits = imagehash.phash(image).hash.ravel()
    return int(np.packbits(bits).view(">u8")[0])


def _colour(pixels: np.ndarray) -> float:
    spread = pixels.max(axis=2).astype(int) - pixels.min(axis=2)
    return float(np.percentile(spread, 99))
