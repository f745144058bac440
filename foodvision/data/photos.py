"""What lies in a folder of photos: classes, splits, and what was left out."""

import hashlib
import os
import random
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from foodvision.data.names import DEEPEST, a_few, file_named, is_text, relative_name, split_named
from foodvision.decoding import Decoder
from foodvision.errors import DataError, PhotoError
from foodvision.image import SUFFIXES
from foodvision.safety.files import is_plain
from foodvision.safety.schema import LONGEST_NAME, MOST_CLASSES
from foodvision.system.progress import progress

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, order=True)
class LabelledPhoto:
    """A photo's file and the name of its class, each letter and its accent in one."""

    path: Path
    label: str

    def __post_init__(self) -> None:
        """Write the class as all do: a Mac, and what was listed on one, has accents apart."""
        object.__setattr__(self, "label", unicodedata.normalize("NFC", self.label))


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Photos:
    """The photos of a source.

    root: the folder that their names are relative to.
    splits: photos by split: "train", "val", "test", or "all" where the source names none.
    left_out: what is not used.
    carved: the splits that the source does not name, a seeded part of another.
    """

    root: Path
    splits: Mapping[str, tuple[LabelledPhoto, ...]]
    left_out: tuple[LeftOut, ...] = ()
    carved: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted: the one place they come from."""
        return tuple(sorted({photo.label for photos in self.splits.values() for photo in photos}))

    def counts(self, split: str) -> dict[str, int]:
        """Return the number of photos of every class in a split."""
        counts = dict.fromkeys(self.classes, 0)
        for photo in self.splits[split]:
            counts[photo.label] += 1
        return counts

    def fingerprint(self) -> str:
        """SHA-256 over every photo's split, class, name and size, in hexadecimal."""
        digest = hashlib.sha256()
        for split, photos in sorted(self.splits.items()):
            for photo in sorted(photos, key=_whole_path):
                size = photo.path.stat().st_size
                entry = f"{split}/{photo.label}/{photo.path.name}/{size}\n"
                digest.update(entry.encode(errors="surrogateescape"))
        return digest.hexdigest()

    def name_of(self, path: Path) -> str:
        """A file as people name it: its path from the root."""
        return relative_name(path, self.root)

    def in_words(self) -> str:
        """Say how many classes and photos there are, and what was left out and why."""
        total = sum(len(photos) for photos in self.splits.values())
        return f"{len(self.classes)} classes, {total:,} photos. {self.left_out_in_words()}"

    def left_out_in_words(self) -> str:
        """One line: what was left out and why."""
        places: dict[str, list[str]] = {}
        for item in self.left_out:
            places.setdefault(item.reason, []).append(self.name_of(item.path))
        parts = [f"{len(names)} {reason} ({a_few(names)})" for reason, names in places.items()]
        return f"Left out: {', '.join(parts) or 'nothing'}."


def find_photos(folder: Path) -> Photos:
    """Walk through a folder with `train/`, `val/` and `test/` class folders, or class folders only.

    Hidden files, `__MACOSX`, empty class folders and files that are no photos by their name are
    left out. A folder that holds nothing but one folder of folders stands for that one.

    Raises DataError if there is no photo in a class folder, or if two folders name the same split.
    """
    left_out: list[LeftOut] = []
    root, children = _unwrap(folder, left_out)
    named = _named_splits(children)
    found = {split: named[split] for split in SPLITS if split in named} or {"all": root}
    if named:
        left_out += [LeftOut(path, "beside the splits") for path in children if not _split_of(path)]
    splits = {split: tuple(_class_photos(path, left_out)) for split, path in found.items()}
    if not any(splits.values()):
        raise DataError(
            f"{folder} holds no photos in class folders: it should look like pizza/1.jpg, "
            "or train/pizza/1.jpg and test/pizza/2.jpg"
        )
    # A folder without splits was gone through twice: for what it holds, and for its classes.
    return Photos(folder, splits, tuple(dict.fromkeys(left_out)))


def find_unlabelled(folder: Path) -> tuple[LabelledPhoto, ...]:
    """Return all photos in a folder, however deep; the folder that one lies in is its label.

    Raises DataError if there are none.
    """
    photos = tuple(LabelledPhoto(path, path.parent.name) for path in photo_files(folder))
    if not photos:
        raise DataError(f"{folder} holds no photos: its files should end in .jpg, .png or the like")
    return photos


def split_photos(
    photos: Photos, *, val_share: float = 0.2, test_share: float = 0.2, seed: int = 42
) -> Photos:
    """Return train, val and test; what the folder does not name is carved out of train.

    Of every class the same share is taken, by seed, at least one photo.

    val_share, test_share: of the photos they are carved from, between 0 and 1.

    Raises DataError for a folder without photos to learn from, for splits that do not agree on
    their classes, for fewer than two classes, and for a class too small to carve from.
    """
    splits = dict(photos.splits)
    if "all" in splits:
        splits["train"] = splits.pop("all")
    if not splits.get("train"):
        raise DataError(f"{photos.root} has no photos in train/ to learn from")
    _check_agreement(splits, photos.root)
    carved = tuple(split for split in ("test", "val") if split not in splits)
    for split in carved:
        share = test_share if split == "test" else val_share
        splits["train"], splits[split] = carve(splits["train"], share, f"{seed} {split}")
    return replace(photos, splits={split: splits[split] for split in SPLITS}, carved=carved)


def drop_unreadable(photos: Photos, splits: Sequence[str] = ("train", "val", "all")) -> Photos:
    """Return the photos without those that cannot be decoded; they are left out, by name.

    In the splits not named an unreadable photo is an error: no figure leaves one out that somebody
    set aside for it.

    Raises PhotoError.
    """
    everything = [(split, photo) for split, members in photos.splits.items() for photo in members]
    decoder = Decoder()
    with ThreadPoolExecutor() as threads:
        faults = threads.map(lambda pair: _fault(pair[1], decoder), everything)
        bar = progress(faults, "photos", total=len(everything))
        spoiled = {pair: fault for pair, fault in zip(everything, bar, strict=True) if fault}
    for (split, _), fault in spoiled.items():
        if split not in splits:
            raise PhotoError(
                f"{fault}. It is one to judge by, and none is skipped: mend it or take it away"
            )
    kept = {
        split: tuple(photo for photo in members if (split, photo) not in spoiled)
        for split, members in photos.splits.items()
    }
    left_out = tuple(LeftOut(photo.path, "unreadable") for _, photo in spoiled)
    return replace(photos, splits=kept, left_out=photos.left_out + left_out)


def _fault(photo: LabelledPhoto, decoder: Decoder) -> PhotoError | None:
    try:
        decoder.decode(photo.path)
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
                f"class {label} has too few photos to set some aside ({members[0].path} is the "
                "last one): it takes at least 3, better 20"
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        name = f"{seed} {label}".encode(errors="surrogateescape")
        chance = random.Random(name)  # noqa: S311 (nothing secret)
        in_order = sorted(members, key=_whole_path)
        taken.update(chance.sample(in_order, count))
    everything = [photo for members in by_class.values() for photo in members]
    return (
        tuple(photo for photo in everything if photo not in taken),
        tuple(photo for photo in everything if photo in taken),
    )


def _whole_path(photo: LabelledPhoto) -> Path:
    """What photos are sorted by: what a CSV lists may lie on both sides of where one stands."""
    return file_named("", photo.path)


def _unwrap(folder: Path, left_out: list[LeftOut], depth: int = 0) -> tuple[Path, list[Path]]:
    """Go into folders that hold one folder of folders; return the last one and what it holds."""
    _check_depth(folder, depth)
    children = list(_children(folder, left_out))
    folders = [path for path in children if path.is_dir()]
    is_wrapper = len(folders) == 1 and not _split_of(folders[0])
    if not is_wrapper or not any(path.is_dir() for path in _children(folders[0], [])):
        return folder, children
    left_out += [LeftOut(path, "beside the photos") for path in children if path.is_file()]
    return _unwrap(folders[0], left_out, depth + 1)


def _named_splits(folders: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in folders:
        split = _split_of(path)
        if split in named:
            raise DataError(f"{path} and {named[split].name} are both {split}: keep one of them")
        if split:
            named[split] = path
    return named


def _split_of(path: Path) -> str | None:
    return split_named(path.name) if path.is_dir() else None


def _children(folder: Path, left_out: MutableSequence[LeftOut]) -> Iterator[Path]:
    """Files and folders in order of name; what systems leave behind goes to `left_out`."""
    # Names alone: of 100,000 files they take 8 MB, their paths 50.
    for name in sorted(os.listdir(folder), key=os.path.normcase):  # noqa: PTH208
        path = folder / name
        if name.startswith(".") or name == "__MACOSX":
            left_out.append(LeftOut(path, "hidden or left by a system"))
        else:
            yield path


def _class_photos(split: Path, left_out: list[LeftOut]) -> Iterator[LabelledPhoto]:
    for folder in _children(split, left_out):
        if not folder.is_dir():
            left_out.append(LeftOut(folder, "beside the class folders"))
            continue
        photos = [LabelledPhoto(path, folder.name) for path in photo_files(folder, left_out, split)]
        if not photos:
            left_out.append(LeftOut(folder, "empty class folder"))
        yield from photos


def photo_files(
    folder: Path,
    left_out: list[LeftOut] | None = None,
    above: Path | None = None,
    without: Path | None = None,
) -> Iterator[Path]:
    """Walk through a folder and give the files that are photos by their names, in order.

    left_out: takes what is passed over. above: the folder that the walk came from, if any.
    without: a folder that is not walked through.

    Raises DataError for folders that lie too deep in each other.
    """
    start = folder.resolve()
    before = start.parents if above is None else (*start.parents, *_with_parents(above.resolve()))
    seen = {_identity(place) for place in before}
    if without is not None:
        seen.add(_identity(without))
    unnoticed: deque[LeftOut] = deque(maxlen=0)
    yield from _walk(folder, unnoticed if left_out is None else left_out, seen, depth=0)


def _walk(
    folder: Path, left_out: MutableSequence[LeftOut], seen: set[tuple[int, int]], depth: int
) -> Iterator[Path]:
    """Visit every folder once, however many links lead to it: else 40 folders make 2^40 walks."""
    _check_depth(folder, depth)
    here = _identity(folder)
    if here in seen:
        left_out.append(LeftOut(folder, "a folder that links lead to again"))
        return
    seen.add(here)
    for path in _children(folder, left_out):
        if path.is_dir():
            yield from _walk(path, left_out, seen, depth + 1)
        elif path.suffix.lower() in SUFFIXES:
            yield path
        else:
            left_out.append(LeftOut(path, "no photo by its name"))


def _with_parents(folder: Path) -> tuple[Path, ...]:
    return folder, *folder.parents


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _check_depth(folder: Path, depth: int) -> None:
    if depth > DEEPEST:
        raise DataError(f"{folder} lies {depth} folders deep: move its photos further up")


def _check_agreement(splits: Mapping[str, Iterable[LabelledPhoto]], root: Path) -> None:
    labels = {split: {photo.label for photo in photos} for split, photos in splits.items()}
    expected = labels["train"]
    for name in sorted(expected):
        if not is_text(name):
            raise DataError(f"{root}: the class {name!a} has a name that is no UTF-8: rename it")
        if not is_plain(name) or len(name) > LONGEST_NAME:
            raise DataError(
                f"{root}: the class {name[:LONGEST_NAME]!a} has control characters in its name, or "
                f"more than {LONGEST_NAME} letters: rename it"
            )
    if len(expected) > MOST_CLASSES:
        raise DataError(f"{root} has {len(expected):,} classes, the limit is {MOST_CLASSES:,}")
    if len(expected) < 2:
        raise DataError(f"{root} has one class, {min(expected)}: it takes at least two to choose")
    for split, found in labels.items():
        if missing := sorted(expected - found):
            raise DataError(
                f"{root}: {split}/ has no photos of {a_few(missing)}, which train/ has: "
                "the folders must hold the same classes"
            )
        if extra := sorted(found - expected):
            raise DataError(
                f"{root}: {split}/ has {a_few(extra)}, which train/ has not: "
                "the folders must hold the same classes"
            )
