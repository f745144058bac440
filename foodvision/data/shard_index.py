"""What a shard holds: photos, where their bytes lie in it, and their labels as they stand there."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from foodvision.data.archives import DAMAGE, Limits, check_member
from foodvision.data.members import Member
from foodvision.data.names import split_named
from foodvision.data.tars import BZIP2, GZIP, XZ, ZSTD, is_tar, placed_members
from foodvision.errors import DataError, first_line, printable
from foodvision.image import SUFFIXES
from foodvision.safety.schema import LONGEST_NAME
from foodvision.system.packed import LARGEST
from foodvision.system.storage import cache_folder, write_atomically

_LABEL_KINDS = ("cls", "json", "txt")
"""Endings of the files that hold a photo's label, the surest first."""

_FIELDS = ("label_name", "class_name", "label", "class", "cls", "category", "target")
_NUMBER = re.compile(r"-?\d{1,9}")

# Nobody writes a longer label; a longer .json holds something else.
_MOST_LABEL = 1 << 16

_VERSION = 2

# Files by which a tar is taken for a shard, or not.
_LOOKED_AT = 64

FOLDER = "folder"
"""How labels are told where no file holds them: by the folder that a photo lies in."""


class Sample(NamedTuple):
    """A photo of a shard: its name there, its first byte, its bytes, its label or the number."""

    name: str
    start: int
    size: int
    label: str | int


class ShardIndex(NamedTuple):
    """The photos of a shard; what of it is not used, by name and reason; where labels stand."""

    samples: tuple[Sample, ...]
    left_out: tuple[tuple[str, str], ...]
    labels: str


def read_index(shard: Path) -> ShardIndex:
    """Return what a webdataset shard holds; headers and labels are read, and no photo.

    It is kept in the user's cache folder, for as long as the shard is the same file.

    Raises DataError for a shard that is damaged, no plain tar, holds links or more files than an
    archive may, and for labels that are missing or none.
    """
    with suppress(OSError, ValueError, TypeError):
        return _kept(_place(shard))
    index = _Reader(shard).read()
    with suppress(OSError):  # the next run lists it again
        place = _place(shard)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps(index).encode())
    return index


def looks_like_shard(path: Path) -> bool:
    """Whether the first files of a tar are photos with their labels in files beside them.

    Other tars are archives of folders.
    """
    seen: set[tuple[str, str]] = set()
    with suppress(OSError, *DAMAGE):
        if not is_tar(_start(path)):
            return False
        with placed_members(path) as members:
            for _, (member, _) in zip(range(_LOOKED_AT), members, strict=False):
                key, ending = _key_of(member.name.removeprefix("./"))
                kind = "photo" if _is_photo(ending) else ending.lower()
                seen.add((key, kind))
    # Photos in class folders may have files of texts beside them, too.
    return any(
        (key, "photo") in seen and (kind == "cls" or (kind in _LABEL_KINDS and "/" not in key))
        for key, kind in seen
    )


@dataclass
class _Reader:
    """A walk through a shard."""

    shard: Path
    photos: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    labels: dict[str, dict[str, str | int]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def read(self) -> ShardIndex:
        try:
            self._check_kind()
            with placed_members(self.shard) as members:
                for number, (member, start) in enumerate(members):
                    if number >= Limits().files:
                        raise self._fault(
                            f"contains more than {Limits().files:,} files: use smaller shards"
                        )
                    if member.kind != "folder":
                        self._take(member, start)
        except OSError as error:
            raise self._fault(f"cannot be read ({error.strerror or first_line(error)})") from None
        except DAMAGE as error:
            raise self._fault(
                f"is damaged ({first_line(error)}): copy or download it again"
            ) from None
        kind = next((of for of in _LABEL_KINDS if self.labels.get(of)), FOLDER)
        samples = tuple(self._labelled(kind))
        return ShardIndex(samples, tuple(self.left_out), kind)

    def _check_kind(self) -> None:
        if self.shard.stat().st_size > LARGEST:
            raise self._fault("is too large: use smaller shards")
        if _start(self.shard).startswith((GZIP, BZIP2, XZ, ZSTD)):
            raise self._fault(
                "is compressed, so photos cannot be read from it without unpacking: write it as "
                "a plain .tar; photos are already compressed"
            )

    def _take(self, member: Member, start: int) -> None:
        name = "/".join(check_member(self.shard, member))
        if name in self.names:
            raise self._fault(f"contains {name!a} twice: write the shard again")
        self.names.add(name)
        key, ending = _key_of(name)
        if any(part.startswith(".") or part == "__MACOSX" for part in name.split("/")):
            self.left_out.append((name, "hidden or system files"))
        elif _is_photo(ending):
            if key in self.photos:
                self.left_out.append((name, "beside another photo of the same key"))
            else:
                self.photos[key] = (name, start, member.size)
        elif (kind := ending.lower()) in _LABEL_KINDS:
            label = self._label_in(member, kind)
            if label is not None:
                self.labels.setdefault(kind, {})[key] = label

    def _label_in(self, member: Member, kind: str) -> str | int | None:
        """Return the label that a file holds, or None; a text is cut to a little over the limit."""
        if member.size > _MOST_LABEL:
            return None
        with member.open() as file:
            content = file.read(_MOST_LABEL)
        try:
            text = content.decode("utf-8-sig").strip()
            value = _of_json(json.loads(text)) if kind == "json" else text
        except (ValueError, RecursionError) as error:
            if kind == "txt":
                return None  # some other text
            raise self._fault(
                f"contains {member.name!a}, which cannot be read ({first_line(error)}): write "
                "the class into it, as a name or number in UTF-8"
            ) from None
        return _as_label(value)

    def _labelled(self, kind: str) -> "list[Sample]":
        samples = []
        for key, (name, start, size) in self.photos.items():
            label = self._folder_of(name) if kind == FOLDER else self.labels[kind].get(key)
            # Contests hide the labels of their test photos behind -1.
            if label is None or (isinstance(label, int) and label < 0):
                self.left_out.append((name, "without a label"))
                continue
            if isinstance(label, str) and (len(label) > LONGEST_NAME or "\n" in label):
                raise self._fault(
                    f"contains {printable(key)}.{kind}, which is text but not a label: write the "
                    f"class into {printable(key)}.cls"
                )
            samples.append(Sample(name, start, size, label))
        return samples

    def _folder_of(self, name: str) -> str:
        *above, folder, _ = ("", *name.split("/"))
        if not folder:
            key, _ = _key_of(name)
            raise self._fault(
                f"contains {printable(name)} without a label: write its class into "
                f"{printable(key)}.cls beside it"
            )
        if any(map(split_named, above)) or split_named(folder):
            raise self._fault(
                f"contains split folders, such as {printable(name)}: use this file alone as the "
                "source, which unpacks it, or write the classes into .cls files"
            )
        return folder

    def _fault(self, words: str) -> DataError:
        return DataError(f"{self.shard} {words}")


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _key_of(name: str) -> tuple[str, str]:
    """Return what the files of a photo have in common, and the rest, as webdataset cuts names."""
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending


def _is_photo(ending: str) -> bool:
    return f".{ending.rpartition('.')[2]}".lower() in SUFFIXES


def _of_json(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return next((value[name] for name in _FIELDS if _as_label(value.get(name)) is not None), None)


def _as_label(value: Any) -> str | int | None:
    """Return a name, or the number that stands for one; None for what is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()[: LONGEST_NAME + 1]
    return int(text) if _NUMBER.fullmatch(text) else text


def _place(shard: Path) -> Path:
    status = shard.stat()
    key = f"{_VERSION} {os.path.realpath(shard)} {status.st_size} {status.st_mtime_ns}"
    name = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
    return cache_folder() / "shards" / f"{name}.json"


def _kept(place: Path) -> ShardIndex:
    samples, left_out, labels = json.loads(place.read_bytes())
    return ShardIndex(tuple(Sample(*of) for of in samples), tuple(map(tuple, left_out)), labels)
