"""Which folders are splits and which are classes, as people lay them out."""

import os
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path

from foodvision.data.names import DEEPEST, SPLITS, a_few, split_named, split_words_in
from foodvision.errors import DataError


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Layout:
    """What the folders under a root are.

    splits: by split ("train", "val", "test", or "all" where there are none), its class folders
        with the names of their classes.
    left_out: what is none of them.
    notes: how folders were read whose names are not plainly the splits', a sentence each.
    """

    splits: Mapping[str, Sequence[tuple[str, Path]]]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def read_layout(folder: Path) -> Layout:
    """Read the folders of photos, splits and classes in any of their usual orders.

    Splits above classes (train/pizza/), classes above splits (pizza/train/), or classes alone;
    inside of wrapping folders (data/food/train/, seg_train/seg_train/). A folder that is called
    like a split, holds photos itself, and stands beside others that do, is a class (bus/, car/,
    train/).

    Raises DataError where the names would be taken for something that they may not be.
    """
    return _Reader(folder).read()


class _Reader:
    """A walk over the first levels of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left_out: list[LeftOut] = []

    def read(self) -> Layout:
        root = self._unwrap(self._folder)
        children = self._children(root)
        folders = _folders(children)
        named = {path: split for path in folders if (split := split_named(path.name))}
        others = [path for path in folders if path not in named]
        with_classes = {path: split for path, split in named.items() if self._has_folders(path)}
        notes: list[str] = []
        splits: dict[str, list[tuple[str, Path]]]
        if with_classes:
            self._check_meant(root, with_classes, others)
            self._leave(children, with_classes, "beside the splits")
            places = self._places(with_classes)
            splits = {split: self._classes(place) for split, place in places.items()}
            notes += self._how_read(places)
        elif folders and not named and all(map(self._is_class_of_splits, folders)):
            splits = self._turned(folders)
            notes.append("The splits are inside the class folders.")
            self._leave(children, folders, "beside the class folders")
        else:
            # What is called like a split is a class among others; alone it is a split without any.
            classes = folders if others else []
            self._check_classes(root, [path.name for path in classes])
            self._check_splits_inside(root, classes)
            notes += self._same_inside(classes)
            self._leave(children, folders, "beside the class folders")
            if not others:
                self._leave(folders, [], "photos without class folders")
            splits = {"all": [(path.name, path) for path in classes]}
            if named and others:
                notes.append(
                    f"{a_few([path.name for path in named])} is read as a class, not as a split."
                )
        return Layout(splits, tuple(dict.fromkeys(self._left_out)), tuple(notes))

    def _unwrap(self, folder: Path, depth: int = 0) -> Path:
        """Go into folders that hold nothing but one folder of folders; return the last one."""
        check_depth(folder, depth)
        children = self._children(folder)
        folders = _folders(children)
        is_wrapper = len(folders) == 1 and not split_named(folders[0].name)
        if not is_wrapper or not self._has_folders(folders[0]):
            return folder
        if self._is_class_of_splits(folders[0]):
            return folder
        self._leave(children, folders, "beside the photos")
        return self._unwrap(folders[0], depth + 1)

    def _places(self, named: Mapping[Path, str]) -> dict[str, Path]:
        """Return where each split's class folders lie. Raises DataError for two of one split."""
        first: dict[str, Path] = {}
        for path, split in named.items():
            if split in first:
                raise DataError(
                    f"{path} and {first[split].name} are both the split {split}: keep one of them"
                )
            first[split] = path
        return {split: self._inside(first[split], split) for split in SPLITS if split in first}

    def _inside(self, place: Path, split: str) -> Path:
        """Go into a split's folder that wraps another one: seg_train/seg_train/, train/images/."""
        children = self._children(place)
        folders = _folders(children)
        if len(folders) != 1 or any(path.is_file() for path in children):
            return place
        (inner,) = folders
        is_split = split_named(inner.name) == split and self._has_folders(inner)
        wraps = len(_folders(self._children(inner))) > 1
        return self._inside(inner, split) if is_split or wraps else place

    def _classes(self, place: Path) -> list[tuple[str, Path]]:
        return [(path.name, path) for path in self._used(place, "beside the class folders")]

    def _turned(self, classes: Sequence[Path]) -> dict[str, list[tuple[str, Path]]]:
        splits: dict[str, list[tuple[str, Path]]] = {}
        for path in classes:
            for child in self._used(path, "beside the splits"):
                splits.setdefault(split_named(child.name) or "", []).append((path.name, child))
        return {split: splits[split] for split in SPLITS if split in splits}

    def _used(self, place: Path, reason: str) -> list[Path]:
        """Return the folders in a folder; the files beside them are left out."""
        children = self._children(place)
        folders = _folders(children)
        self._leave(children, folders, reason)
        return folders

    def _is_class_of_splits(self, folder: Path) -> bool:
        """Whether a folder is a class whose photos lie in splits: pizza/train/1.jpg."""
        folders = _folders(self._children(folder))
        names = [split_named(path.name) for path in folders]
        is_flat = not any(map(self._has_folders, folders))
        return bool(names) and all(names) and len(set(names)) == len(names) and is_flat

    def _check_meant(self, root: Path, splits: Mapping[Path, str], others: Sequence[Path]) -> None:
        """Raise DataError where a folder may be a split of classes or a class of folders."""
        filled = [path.name for path in others if any(path.iterdir())]
        if len(splits) == 1 and len(filled) > 1:
            (name,) = (path.name for path in splits)
            raise DataError(
                f"{root}: {name} contains folders, and so it may be a split or a class like "
                f"{a_few(filled)} beside it. If {name} is a split, move the others away; if it "
                "is a class, move its photos out of their folders"
            )

    def _check_classes(self, root: Path, names: Sequence[str]) -> None:
        if names and all(map(split_words_in, names)):
            raise DataError(
                f"{root} contains {a_few(names)}, which would become classes but look like "
                "splits. Rename splits to train, val and test; if they are classes, give them "
                "other names"
            )

    def _check_splits_inside(self, root: Path, classes: Iterable[Path]) -> None:
        """Raise DataError where some classes hold splits: their test photos would be trained on."""
        for path in classes:
            names, _ = _held(path)
            if sum(map(split_words_in, names)) > 1:
                raise DataError(
                    f"{root}: {path.name} contains {a_few(names)}, which look like splits, but "
                    "not all classes have them. Arrange all photos as train/pizza/1.jpg or as "
                    "pizza/train/1.jpg"
                )

    def _same_inside(self, classes: Sequence[Path]) -> Iterator[str]:
        """Say that all classes hold the same folders, which may be the ones that were meant."""
        first, *others = [_held(path) for path in classes] or [((), True)]
        if others and len(first[0]) > 1 and not first[1] and all(held == first for held in others):
            yield (
                f"All classes contain the same folders ({a_few(first[0])}), whose photos are "
                "combined; if these are the classes, rename the folders above them to train, "
                "val and test."
            )

    def _how_read(self, places: Mapping[str, Path]) -> Iterator[str]:
        read = {
            split: name
            for split, place in places.items()
            if (name := place.relative_to(self._folder).as_posix()) != split
        }
        if read:
            yield f"Splits: {', '.join(f'{split} is {name}/' for split, name in read.items())}."

    def _has_folders(self, folder: Path) -> bool:
        return any(path.is_dir() for path in self._children(folder))

    def _children(self, folder: Path) -> list[Path]:
        """Return files and folders in order of name; what systems leave behind is noted."""
        return list(children_of(folder, self._left_out))

    def _leave(self, paths: Iterable[Path], used: Iterable[Path], reason: str) -> None:
        kept = set(used)
        self._left_out += [LeftOut(path, reason) for path in paths if path not in kept]


def _folders(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.is_dir()]


def _held(folder: Path) -> tuple[Sequence[str], bool]:
    """Return the names of the folders in a folder, in order, and whether it holds files too."""
    with os.scandir(folder) as entries:  # tells files from folders without a look at each
        shown = [
            # An entry's own is_dir raises an OSError for a link to itself.
            (entry.name, Path(entry).is_dir() if entry.is_symlink() else entry.is_dir())
            for entry in entries
            if not entry.name.startswith(".")
        ]
    names = sorted(name for name, is_dir in shown if is_dir and name != "__MACOSX")
    return names, not all(is_dir for _, is_dir in shown)


def children_of(folder: Path, left_out: MutableSequence[LeftOut]) -> Iterator[Path]:
    """Yield files and folders in order of name; what systems leave behind goes to `left_out`."""
    # Names alone: of 100,000 files they take 8 MB, their paths 50.
    for name in sorted(os.listdir(folder), key=os.path.normcase):  # noqa: PTH208
        path = folder / name
        if name.startswith(".") or name == "__MACOSX":
            left_out.append(LeftOut(path, "hidden or system files"))
        else:
            yield path


def check_depth(folder: Path, depth: int) -> None:
    """Raise DataError for a folder that lies too deep to be walked through."""
    if depth > DEEPEST:
        raise DataError(f"{folder} is {depth} folders deep, which is too deep: move its photos up")
