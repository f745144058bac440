"""What lies in a folder of photos: classes, splits, and what was left out."""

import hashlib
import os
import random
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foodvision.data.layout import LeftOut, check_depth, children_of, read_layout
from foodvision.data.names import (
    SPLITS,
    a_few,
    alike_in_words,
    file_named,
    garbled_in_words,
    is_text,
    relative_name,
)
from foodvision.decoding import Decoder
from foodvision.errors import DataError, PhotoError
from foodvision.image import DICOM_WAY_OUT, SUFFIXES, begins_like_photo, is_dicom, read_photo
from foodvision.safety.files import is_plain
from foodvision.safety.schema import LONGEST_NAME, MOST_CLASSES
from foodvision.system.packed import packed, size_of
from foodvision.system.progress import progress


@dataclass(frozen=True, order=True)
class LabelledPhoto:
    """A photo's file and the name of its class, each letter and its accent in one."""

    path: Path
    label: str

    def __post_init__(self) -> None:
        """Write the class as all do: a Mac, and what was listed on one, has accents apart."""
        object.__setattr__(self, "label", unicodedata.normalize("NFC", self.label))


@dataclass(frozen=True)
class Photos:
    """The photos of a source.

    root: the folder that their names are relative to.
    splits: photos by split: "train", "val", "test", or "all" where the source names none.
    left_out: what is not used.
    carved: the splits that the source does not name, a seeded part of another.
    notes: how it was read, where that is not plain; a sentence each.
    white: what is white in photos of more than eight bits, as `load_image` takes it.
    """

    root: Path
    splits: Mapping[str, tuple[LabelledPhoto, ...]]
    left_out: tuple[LeftOut, ...] = ()
    carved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    white: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted: the one place they come from."""
        return tuple(sorted({photo.label for photo in self.members}))

    @property
    def members(self) -> tuple[LabelledPhoto, ...]:
        """The photos of all splits."""
        return tuple(photo for photos in self.splits.values() for photo in photos)

    def counts(self, split: str) -> dict[str, int]:
        """Return the number of photos of every class in a split."""
        counts = dict.fromkeys(self.classes, 0)
        for photo in self.splits[split]:
            counts[photo.label] += 1
        return counts

    def fingerprint(self) -> str:
        """Return the SHA-256 of every photo's split, class, name and size, in hexadecimal."""
        digest = hashlib.sha256()
        for split, photos in sorted(self.splits.items()):
            for photo in sorted(photos, key=name_first):
                size = size_of(photo.path)
                entry = f"{split}/{photo.label}/{photo.path.name}/{size}\n"
                digest.update(entry.encode(errors="surrogateescape"))
        return digest.hexdigest()

    def name_of(self, path: Path) -> str:
        """Return a file's name as people write it: its path from the root."""
        return relative_name(path, self.root)

    def paths(self) -> dict[str, Path]:
        """Return the photos' paths by their names."""
        return {self.name_of(photo.path): photo.path for photo in self.members}

    def without(self, unwanted: Iterable[Path], reason: str) -> "Photos":
        """Return the photos without some, which are left out for a reason."""
        paths = dict.fromkeys(unwanted)
        splits = {
            split: tuple(photo for photo in photos if photo.path not in paths)
            for split, photos in self.splits.items()
        }
        left_out = tuple(LeftOut(path, reason) for path in paths)
        return replace(self, splits=splits, left_out=self.left_out + left_out)

    def in_words(self) -> str:
        """Say how many classes and photos there are, how they were read, and what was left out."""
        counted = f"{len(self.classes)} classes, {len(self.members):,} photos."
        return " ".join([counted, *self.notes, self.left_out_in_words()])

    def numbers(self) -> dict[str, Any]:
        """Return the number of photos by split, and under `left_out` of others by reason."""
        numbers: dict[str, Any] = {split: len(members) for split, members in self.splits.items()}
        return numbers | {"left_out": dict(Counter(item.reason for item in self.left_out))}

    def left_out_in_words(self) -> str:
        """Return a line that says what was left out, and why."""
        places: dict[str, list[str]] = {}
        for item in self.left_out:
            places.setdefault(item.reason, []).append(self.name_of(item.path))
        parts = [f"{len(names)} {reason} ({a_few(names)})" for reason, names in places.items()]
        return f"Left out: {', '.join(parts) or 'nothing'}."


def used_in_words(numbers: Mapping[str, Any]) -> str:
    """Say how many photos train, validate and test a model, and how many were left out, and why.

    numbers: as `Photos.numbers` returns them; what other programs wrote may lack some.
    """
    train, val, test = (numbers.get(split, 0) for split in SPLITS)
    counts = [f"{count:,} {reason}" for reason, count in numbers.get("left_out", {}).items()]
    return (
        f"Photos: {train:,} for training, {val:,} for validation, {test:,} for the test. "
        f"Left out: {', '.join(counts) or 'nothing'}."
    )


def find_photos(folder: Path) -> Photos:
    """Walk through a folder of splits and class folders, as `read_layout` understands them.

    Hidden files, `__MACOSX`, empty class folders and files that are no photos are left out.

    Raises DataError if there is no photo in a class folder, and as `read_layout` does.
    """
    layout = read_layout(folder)
    left_out = list(layout.left_out)
    splits = {
        split: tuple(_class_photos(classes, left_out)) for split, classes in layout.splits.items()
    }
    left_out = list(dict.fromkeys(left_out))
    if not any(splits.values()):
        raise DataError(
            f"{folder} contains no photos in class folders: arrange them as pizza/1.jpg, or as "
            f"train/pizza/1.jpg and test/pizza/2.jpg{_endings_in_words(left_out)}"
        )
    return Photos(folder, splits, tuple(left_out), notes=layout.notes)


def find_unlabelled(folder: Path) -> tuple[LabelledPhoto, ...]:
    """Return all photos in a folder, however deep; the folder that one lies in is its label.

    Raises DataError if there are none.
    """
    photos = tuple(LabelledPhoto(path, path.parent.name) for path in photo_files(folder))
    if not photos:
        raise DataError(
            f"{folder} contains no photos: their names should end in .jpg, .png or the like"
        )
    return photos


def split_photos(
    photos: Photos, *, val_share: float = 0.2, test_share: float = 0.2, seed: int = 42
) -> Photos:
    """Return train, val and test; what the folder does not name is carved out of train.

    Of every class the same share is taken, by seed, at least one photo.

    val_share, test_share: of the photos they are carved from, between 0 and 1.

    A class that only val or test has is left out; one that they lack is noted.

    Raises DataError for a folder without photos to learn from, for a split that has none of the
    classes, for fewer than two classes, and for a class too small to carve from.
    """
    splits = dict(photos.splits)
    if "all" in splits:
        splits["train"] = splits.pop("all")
    if not splits.get("train"):
        raise DataError(f"{photos.root} has no photos in train/: add training photos")
    _check_classes(splits["train"], photos.root)
    splits, left_out, notes = _agreed(splits, photos)
    carved = tuple(split for split in ("test", "val") if split not in splits)
    for split in carved:
        share = test_share if split == "test" else val_share
        splits["train"], splits[split] = carve(splits["train"], share, f"{seed} {split}")
    return replace(
        photos,
        splits={split: splits[split] for split in SPLITS},
        left_out=photos.left_out + left_out,
        carved=carved,
        notes=(
            *photos.notes,
            *garbled_in_words(photos.classes),
            *alike_in_words(photos.classes),
            *notes,
        ),
    )


def drop_unreadable(photos: Photos) -> Photos:
    """Return the photos without those that cannot be decoded; they are left out, by name.

    Raises PhotoError for one that is not there to learn from, as in test/: no figure leaves a photo
    out that somebody set aside for it.
    """
    # In order of path: a disk reads a shard from its beginning to its end.
    paths = sorted(photo.path for photo in photos.members)
    decoder = Decoder()
    with ThreadPoolExecutor() as threads:
        faults = threads.map(lambda path: _fault(path, decoder, photos.white), paths)
        bar = progress(faults, "photos", total=len(paths))
        spoiled = {path: fault for path, fault in zip(paths, bar, strict=True) if fault}
    kept = {
        photo.path
        for split, members in photos.splits.items()
        if split not in ("train", "val", "all")
        for photo in members
    }
    for path, fault in spoiled.items():
        if path in kept:
            raise PhotoError(f"{fault}. Test photos are never skipped: fix or remove it")
    return photos.without(spoiled, "unreadable")


def _fault(path: Path, decoder: Decoder, white: float | None) -> PhotoError | None:
    try:
        decoder.decode(path, white=white)
    except PhotoError as error:
        return error
    return None


def carve(
    photos: Iterable[LabelledPhoto], share: float, seed: str
) -> tuple[tuple[LabelledPhoto, ...], tuple[LabelledPhoto, ...]]:
    """Return what stays and what is taken: of every class the same share, at least one photo.

    share: of each class, between 0 and 1. seed: the same seed takes the same photos.

    Raises DataError for a class with a single photo.
    """
    by_class: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        by_class.setdefault(photo.label, []).append(photo)
    taken: set[LabelledPhoto] = set()
    for label, members in sorted(by_class.items()):
        if len(members) < 2:
            raise DataError(
                f"class {label} has too few photos: training, validation and test need one each "
                f"({members[0].path} is the only one left). Add photos until it has at least 3, "
                "better 20"
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        name = f"{seed} {label}".encode(errors="surrogateescape")
        chance = random.Random(name)  # noqa: S311 (nothing secret)
        in_order = sorted(members, key=name_first)
        taken.update(chance.sample(in_order, count))
    everything = [photo for members in by_class.values() for photo in members]
    return (
        tuple(photo for photo in everything if photo not in taken),
        tuple(photo for photo in everything if photo in taken),
    )


def name_first(photo: LabelledPhoto) -> tuple[Path, Path]:
    """Return what a photo in a shard is sorted by: its name there, whatever shard it lies in.

    Other photos are sorted by their whole paths: a CSV may list some above the current folder.
    """
    whole, inner = file_named("", photo.path), packed(photo.path)
    return (Path(inner.name) if inner else whole), whole


def _class_photos(
    classes: Iterable[tuple[str, Path]], left_out: list[LeftOut]
) -> Iterator[LabelledPhoto]:
    for label, folder in classes:
        photos = [LabelledPhoto(path, label) for path in photo_files(folder, left_out)]
        if not photos:
            left_out.append(LeftOut(folder, "empty class folder"))
        yield from photos


def _endings_in_words(left_out: Iterable[LeftOut]) -> str:
    """Say what there is instead of photos: "; there are 18 files that end in .dcm"."""
    files = [item.path for item in left_out if item.path.is_file()]
    if medical := sum(map(is_dicom, files)):
        return f". There are {medical:,} DICOM files: {DICOM_WAY_OUT}"
    endings = Counter(path.suffix.lower() for path in files if path.suffix)
    counted = [f"{count:,} files with the ending {name}" for name, count in endings.most_common(3)]
    return f". There are {' and '.join(counted)}" if counted else ""


def photo_files(
    folder: Path, left_out: list[LeftOut] | None = None, without: Path | None = None
) -> Iterator[Path]:
    """Walk through a folder and give the files that are photos by name or content, in order.

    left_out: takes what is passed over. without: a folder that is not walked through.

    Raises DataError for folders that lie too deep in each other.
    """
    # Where the folder is a link, what it leads to and what it lies in are both above the walk.
    # The parent of Path(".") is itself: only an absolute path has the folder that it lies in.
    parent = Path(os.path.abspath(folder)).parent.resolve()  # noqa: PTH100 (takes .. away, too)
    above = (*folder.resolve().parents, *parent.parents, parent)
    seen = {_identity(place) for place in above}
    if without is not None:
        seen.add(_identity(without))
    unnoticed: deque[LeftOut] = deque(maxlen=0)
    yield from _walk(folder, unnoticed if left_out is None else left_out, seen, depth=0)


def _walk(
    folder: Path, left_out: MutableSequence[LeftOut], seen: set[tuple[int, int]], depth: int
) -> Iterator[Path]:
    """Visit every folder once, however many links lead to it: else 40 folders make 2^40 walks."""
    check_depth(folder, depth)
    here = _identity(folder)
    if here in seen:
        left_out.append(LeftOut(folder, "a folder that a link leads back to"))
        return
    seen.add(here)
    for path in children_of(folder, left_out):
        if path.is_dir():
            yield from _walk(path, left_out, seen, depth + 1)
        elif path.suffix.lower() in SUFFIXES or begins_like_photo(path):
            yield path
        else:
            left_out.append(LeftOut(path, "not a photo"))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _check_classes(train: Iterable[LabelledPhoto], root: Path) -> None:
    expected = {photo.label for photo in train}
    for name in sorted(expected):
        if not is_text(name):
            raise DataError(f"{root}: the name of the class {name!a} is not UTF-8: rename it")
        if not is_plain(name) or len(name) > LONGEST_NAME:
            raise DataError(
                f"{root}: the name of the class {name[:LONGEST_NAME]!a} has control characters, "
                f"or more than {LONGEST_NAME} characters: rename it"
            )
    if len(expected) > MOST_CLASSES:
        raise DataError(f"{root} has {len(expected):,} classes, the limit is {MOST_CLASSES:,}")
    if len(expected) < 2:
        raise DataError(f"{root} has one class, {min(expected)}: at least two classes are required")


def _agreed(
    splits: Mapping[str, tuple[LabelledPhoto, ...]], photos: Photos
) -> tuple[dict[str, tuple[LabelledPhoto, ...]], tuple[LeftOut, ...], tuple[str, ...]]:
    """Return the splits with the classes of train alone, what that leaves out, and notes."""
    expected = {photo.label for photo in splits["train"]}
    agreed = dict(splits)
    left_out: list[LeftOut] = []
    notes = []
    for split in sorted(splits.keys() - {"train"}):
        kept = tuple(photo for photo in splits[split] if photo.label in expected)
        if not kept:
            raise DataError(
                f"{photos.root}: {split}/ has none of the classes of train/ "
                f"({a_few(sorted(expected))}): use the same folder names in both"
            )
        strange = (photo for photo in splits[split] if photo.label not in expected)
        left_out += [LeftOut(photo.path, "of a class that train/ lacks") for photo in strange]
        if missing := sorted(expected - {photo.label for photo in kept}):
            notes.append(f"{split}/ has no photos of {a_few(missing)}.")
        agreed[split] = kept
    return agreed, tuple(left_out), tuple(notes)


def digests(paths: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each photo's file, in hexadecimal.

    Raises PhotoError at the first photo that cannot be read.
    """
    with ThreadPoolExecutor() as threads:
        return list(threads.map(_sha256, paths))


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_photo(path)).hexdigest()
