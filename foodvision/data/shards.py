"""Photos in shards, files that hold thousands of them each: read where they lie, never unpacked.

A photo's path is its address in its shard (`foodvision.system.packed`), so whatever takes a photo's
path takes one of these.
"""

import glob
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from foodvision.data.layout import LeftOut
from foodvision.data.names import SPLITS, a_few, split_named, splits_in
from foodvision.data.photos import LabelledPhoto, Photos, name_first
from foodvision.data.shard_index import FOLDER, ShardIndex, looks_like_shard, read_index
from foodvision.errors import DataError, first_line
from foodvision.image import SUFFIXES
from foodvision.system.packed import Packed
from foodvision.system.progress import progress

_SUFFIX, _PARQUET = ".tar", ".parquet"
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")

# shard-{000..146}.tar, as webdataset counts.
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 100_000

_CLASSES, _INFO = "classes.txt", "dataset_info.json"


@dataclass(frozen=True)
class Shards:
    """Shards in order, and the folder that their names are relative to."""

    root: Path
    files: tuple[Path, ...]
    beside: tuple[Path, ...] = ()


def is_pattern(name: str) -> bool:
    """Whether a name stands for several files: shards/train-*.tar, shards/train-{00..12}.tar."""
    is_one = os.path.lexists(name) or "://" in name
    return not is_one and (glob.has_magic(name) or bool(_BRACES.search(name)))


def find_shards(name: str) -> Shards | None:
    """Return the shards that a source names, or None if it is something else.

    name: a pattern of files; a shard; a folder of shards, or of train/ and test/ with shards.

    Raises DataError for a pattern that no file fits or that fits other files, and for Parquet.
    """
    path = Path(name)
    if path.suffix.lower() == _PARQUET and path.is_file():
        raise _is_parquet(path)
    if is_pattern(name):
        files = _matching(name)
        return Shards(Path(os.path.commonpath([file.parent for file in files])), files)
    if path.suffix.lower() == _SUFFIX and path.is_file() and looks_like_shard(path):
        return Shards(path.parent, (path,))
    return _in_folder(path) if path.is_dir() else None


def shard_photos(shards: Shards) -> Photos:
    """Return the photos of shards, in order of class and name.

    Splits are told by the names of the shards, or of their folders. Labels that are numbers get
    their names from classes.txt or dataset_info.json beside the shards, where there is one.

    Raises DataError, naming the shard and the photo, for what cannot be read.
    """
    with ThreadPoolExecutor() as threads:
        found = threads.map(read_index, shards.files)
        indices = dict(
            zip(shards.files, progress(found, "shards", total=len(shards.files)), strict=True)
        )
    splits = _splits(shards)
    names = _class_names(shards)
    left_out = [LeftOut(path, "beside the shards") for path in shards.beside]
    photos: dict[str, list[LabelledPhoto]] = {}
    for file, index in indices.items():
        if splits[file] is None:
            left_out.append(LeftOut(file, "beside the splits"))
            continue
        photos.setdefault(splits[file] or "all", []).extend(_labelled(file, index, names))
        left_out += [LeftOut(file / name, reason) for name, reason in index.left_out]
    read = Photos(
        shards.root,
        {split: _in_order(photos[split]) for split in (*SPLITS, "all") if photos.get(split)},
        tuple(left_out),
        notes=(_how_read(indices, names),),
    )
    if not read.splits:
        raise DataError(
            f"{shards.root}: the shards contain no photos: name each photo key.jpg, with its "
            f"class in key.cls beside it. {read.left_out_in_words()}"
        )
    return read


def _matching(pattern: str) -> tuple[Path, ...]:
    names = _without_braces(pattern)
    files: list[Path] = []
    for name in names:
        # pathlib's takes no absolute pattern.
        some = glob.glob(name, recursive=True) if glob.has_magic(name) else [name]  # noqa: PTH207
        files += map(Path, sorted(some))
    if not files:
        raise DataError(f"{pattern}: no file matches this pattern")
    for file in files:
        if not file.is_file():
            raise DataError(f"{file} does not exist, but {pattern} includes it")
        if file.suffix.lower() == _PARQUET:
            raise _is_parquet(file)
        if file.suffix.lower() != _SUFFIX:
            raise DataError(
                f"{file} matches {pattern} but is not a shard: use the pattern only for plain "
                ".tar files"
            )
    return tuple(dict.fromkeys(files))


def _without_braces(pattern: str) -> list[str]:
    """Return the names that {000..146} stands for, the patterns in them left."""
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    rest = _without_braces(pattern[match.end() :])
    if (int(last) - int(first) + 1) * len(rest) > _MOST_SHARDS:
        raise DataError(f"{pattern} expands to over {_MOST_SHARDS:,} shards: use a smaller range")
    before, numbers = pattern[: match.start()], range(int(first), int(last) + 1)
    return [f"{before}{number:0{len(first)}}{after}" for number in numbers for after in rest]


def _in_folder(folder: Path) -> Shards | None:
    """Return the shards of a folder, unless it holds class folders."""
    children = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    folders = [path for path in children if path.is_dir()]
    of_splits = {path: _shards_in(path.iterdir()) for path in folders if split_named(path.name)}
    files = [*_shards_in(children), *(file for found in of_splits.values() for file in found)]
    others = [path for path in folders if not of_splits.get(path)]
    if not files and not any(map(_holds_photos, folders)):
        _check_no_others(children, folders)
    if not files or any(map(_holds_photos, others)):
        return None
    known = {*files, *folders, folder / _CLASSES, folder / _INFO}
    beside = (path for path in (*children, *others) if path not in known or path in others)
    return Shards(folder, tuple(files), tuple(dict.fromkeys(beside)))


def _check_no_others(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Refuse a folder of other shards. Raises DataError, saying what to do with them."""
    if any(file.suffix.lower() in SUFFIXES for file in files):
        return
    inside = [*files, *(path for folder in folders for path in sorted(folder.iterdir()))]
    others = (file for file in inside if file.name.lower().endswith((_PARQUET, *_COMPRESSED)))
    for file in filter(Path.is_file, others):
        if file.suffix.lower() == _PARQUET:
            raise _is_parquet(file)
        raise DataError(
            f"{file} is a compressed archive in a folder: use it alone as the source, which "
            "unpacks it, or write shards as plain .tar; photos are already compressed"
        )


def _is_parquet(file: Path) -> DataError:
    folder = file.parent.as_posix()
    source = folder if file.is_absolute() else f"./{folder}"
    return DataError(
        f"{file} is Parquet, which does not allow reading single photos: use hf://{source}, "
        "which copies them to the cache; add ?side=320 to reduce them"
    )


def _shards_in(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() == _SUFFIX and not path.name.startswith(".") and path.is_file()
    )


def _holds_photos(folder: Path) -> bool:
    """Whether a folder holds photos, or folders that do: then the tar beside it is left over."""
    return any(name.lower().endswith(SUFFIXES) for _, _, names in os.walk(folder) for name in names)


def _splits(shards: Shards) -> dict[Path, str | None]:
    """Return the split of each shard; None for one that has none where others have one."""
    splits: dict[Path, str | None] = {}
    for file in shards.files:
        named = splits_in(file.stem) or {split_named(file.parent.name)} - {None}
        if len(named) > 1:
            raise DataError(
                f"{file} names more than one split, {' and '.join(sorted(map(str, named)))}: "
                "rename it so that its name contains one split"
            )
        splits[file] = next(iter(named), None)
    if not any(splits.values()):
        return dict.fromkeys(shards.files, "all")
    return splits


@dataclass(frozen=True)
class _Names:
    """Names of classes by number, and the file that they are from."""

    names: Sequence[str]
    file: Path


def _class_names(shards: Shards) -> _Names | None:
    places = dict.fromkeys((shards.root, *(file.parent for file in shards.files)))
    above = dict.fromkeys(place.parent for place in places if split_named(place.name))
    for folder in (*places, *above):
        for name, read in ((_CLASSES, _of_lines), (_INFO, _of_info)):
            if (file := folder / name).is_file():
                try:
                    names = read(file.read_text("utf-8-sig"))
                except (OSError, ValueError, RecursionError) as error:
                    raise DataError(
                        f"{file} cannot be read ({first_line(error)}): write one class per line, "
                        "in UTF-8"
                    ) from None
                if names:
                    return _Names(names, file)
    return None


def _of_lines(text: str) -> list[str]:
    return [line.strip() for line in text.rstrip().splitlines()]


def _of_info(text: str) -> list[str]:
    """Return the names in what the library `datasets` writes beside its files."""
    features = json.loads(text).get("features")
    kinds = features.values() if isinstance(features, dict) else ()
    lists = [kind.get("names") for kind in kinds if isinstance(kind, dict)]
    return next(([str(name) for name in of] for of in lists if isinstance(of, list)), [])


def _labelled(file: Path, index: ShardIndex, names: _Names | None) -> Iterator[LabelledPhoto]:
    known: dict[str | int, str] = {}
    for sample in index.samples:
        if sample.label not in known:
            known[sample.label] = _label(file, sample.name, sample.label, names)
        address = Packed(file, sample.start, sample.size, sample.name).address
        yield LabelledPhoto(address, known[sample.label])


def _label(file: Path, name: str, label: str | int, names: _Names | None) -> str:
    if names is None or isinstance(label, str):
        return str(label)
    if label >= len(names.names) or not names.names[label]:
        raise DataError(
            f"{file}: {name} has the label {label}, but line {label + 1} of {names.file} is "
            "empty or missing: correct one of them"
        )
    return names.names[label]


def _in_order(photos: Iterable[LabelledPhoto]) -> tuple[LabelledPhoto, ...]:
    """Return photos by class and name, whatever shards they lie in: as a folder has them."""
    return tuple(sorted(photos, key=lambda photo: (photo.label, name_first(photo))))


def _how_read(indices: dict[Path, ShardIndex], names: _Names | None) -> str:
    count = f"{len(indices):,} shard{'s' * (len(indices) > 1)}"
    kinds = sorted({index.labels for index in indices.values() if index.samples})
    told = ["folders" if kind == FOLDER else f".{kind}" for kind in kinds]
    labels = [sample.label for index in indices.values() for sample in index.samples[:1]]
    if any(isinstance(label, int) for label in labels):
        told.append(names.file.name if names else f"no {_CLASSES} with names for their numbers")
    return f"Read from {count}, labels from {a_few(told)}."
