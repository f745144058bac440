"""Photos written into shards, as webdataset and `foodvision.data.shards` read them."""

import io
import random
import tarfile
from collections.abc import Sequence
from pathlib import Path

from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.errors import DataError
from foodvision.image import SUFFIXES, format_of, read_photo


def write_shards(
    photos: Photos, folder: Path | str, photos_a_shard: int = 1000, seed: int = 42
) -> list[Path]:
    """Write photos into shards, `SPLIT-00000.tar` and so on, and their classes into `classes.txt`.

    A shard holds photos of all classes, in an order by chance, byte for byte. Each is called
    `key.jpg` (or as it ends), and the number of its class lies in `key.cls`.

    Returns the shards.

    Raises DataError for a folder that holds something, PhotoError for what cannot be read.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: choose another folder for the shards")
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {label: number for number, label in enumerate(photos.classes)}
    lines = "".join(f"{label}\n" for label in numbers)
    (folder / "classes.txt").write_text(lines, encoding="utf-8")
    shards: list[Path] = []
    for split, members in photos.splits.items():
        chance = random.Random(f"{seed} {split}")  # noqa: S311 (nothing secret)
        mixed = chance.sample(members, len(members))
        name = "photos" if split == "all" else split
        for start in range(0, len(mixed), photos_a_shard):
            shard = folder / f"{name}-{start // photos_a_shard:05}.tar"
            _write(shard, mixed[start : start + photos_a_shard], photos, numbers)
            shards.append(shard)
    return shards


def _write(
    shard: Path, members: Sequence[LabelledPhoto], photos: Photos, numbers: dict[str, int]
) -> None:
    """Write a shard; what is cut off has another name, and is not read."""
    unfinished = shard.with_suffix(".unfinished")
    keys: set[str] = set()
    with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as file:
        for photo in members:
            content = read_photo(photo.path)
            key, ending = _key(photos.name_of(photo.path), content, keys)
            _add(file, key + ending, content)
            _add(file, f"{key}.cls", str(numbers[photo.label]).encode())
    unfinished.rename(shard)


def _key(name: str, content: bytes, taken: set[str]) -> tuple[str, str]:
    """Return a photo's key, another for each of a shard, and its ending.

    A key ends at its first dot.
    """
    parts = [part for part in Path(name).parts if part not in ("..", "/")]
    suffix = Path(name).suffix.lower()
    is_named = suffix in SUFFIXES
    stem = parts[-1][: -len(suffix)] if is_named else parts[-1]
    key = "/".join([*parts[:-1], stem.replace(".", "_")])
    number = 1
    while (unique := key if number == 1 else f"{key}_{number}") in taken:
        number += 1
    taken.add(unique)
    return unique, suffix if is_named else f".{format_of(content) or 'jpg'}"


def _add(file: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    file.addfile(info, io.BytesIO(content))
