"""Photos of a dataset as they are kept on this disk: which there shall be, and which there are.

A folder holds the photos as `split/class/number.suffix`, `plan.json` with the shards there are, and
a part file for every shard that is finished. A part is written after its photos, in one step, so a
download that was cut goes on at the first shard without one, and nothing is used in part.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from foodvision.data.layout import LeftOut
from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.system.storage import write_atomically

_NOT_IN_NAMES = re.compile(r"[^\w &'()+,.-]")


@dataclass(frozen=True)
class Plan:
    """What a finished download holds.

    commit: the state of the dataset that all of its photos are from.
    shards: by split, how many there are.
    beside: splits of the dataset that are not used.
    """

    commit: str
    shards: Mapping[str, int]
    beside: list[str]


@dataclass(frozen=True)
class KeptPhoto:
    """A photo on this disk: its path in the folder, its label, its bytes."""

    path: str
    label: str
    size: int


@dataclass(frozen=True)
class Part:
    """What a shard gave: photos, and rows without one, as (name, reason)."""

    photos: tuple[KeptPhoto, ...]
    left_out: tuple[tuple[str, str], ...]


def photo_path(split: str, label: str, number: str, suffix: str) -> str:
    """Return where a photo is kept, in its folder: labels may hold what names of files may not."""
    name = _NOT_IN_NAMES.sub("_", label)[:60].strip(" .")
    return f"{split}/{name or '_'}/{number}{suffix}"


def read_plan(folder: Path) -> Plan | None:
    """Return the plan, or None if there is none that can be read."""
    try:
        return Plan(**json.loads((folder / "plan.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan."""
    write_atomically(folder / "plan.json", json.dumps(asdict(plan)).encode())


def read_part(folder: Path, split: str, shard: int) -> Part | None:
    """Return what a shard gave, or None if it is not finished, or a photo is gone or cut."""
    try:
        content = json.loads(_part_file(folder, split, shard).read_bytes())
        photos = tuple(KeptPhoto(*photo) for photo in content["photos"])
        is_whole = all((folder / photo.path).stat().st_size == photo.size for photo in photos)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    left_out = tuple((name, reason) for name, reason in content["left_out"])
    return Part(photos, left_out) if is_whole else None


def write_part(folder: Path, split: str, shard: int, part: Part) -> None:
    """Write what a shard gave: from now on it is finished."""
    photos = [(photo.path, photo.label, photo.size) for photo in part.photos]
    content = {"photos": photos, "left_out": part.left_out}
    write_atomically(_part_file(folder, split, shard), json.dumps(content).encode())


def read_photos(folder: Path) -> Photos | None:
    """Return the photos of a finished download, or None if it is not finished."""
    plan = read_plan(folder)
    if plan is None:
        return None
    splits: dict[str, tuple[LabelledPhoto, ...]] = {}
    left_out = [LeftOut(folder / name, "beside the splits") for name in plan.beside]
    for split, shards in plan.shards.items():
        parts = [read_part(folder, split, shard) for shard in range(shards)]
        whole = [part for part in parts if part is not None]
        if len(whole) < shards:
            return None
        splits[split] = tuple(_labelled(folder, whole))
        left_out += (LeftOut(folder / name, why) for part in whole for name, why in part.left_out)
    # A split without labels, as contests publish their tests, is none.
    return Photos(folder, {split: of for split, of in splits.items() if of}, tuple(left_out))


def _labelled(folder: Path, parts: list[Part]) -> Iterator[LabelledPhoto]:
    for part in parts:
        for photo in part.photos:
            yield LabelledPhoto(folder / photo.path, photo.label)


def _part_file(folder: Path, split: str, shard: int) -> Path:
    return folder / "parts" / f"{split}-{shard:05}.json"
