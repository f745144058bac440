"""Datasets of the Hugging Face Hub, photo by photo into a folder on this disk.

What the disk cannot hold is made smaller on the way. The folder holds the photos as
`split/class/number.suffix`, `plan.json` with the shards there are, and a part file for every shard
that is finished. A part is written after its photos, in one step, so a download that was cut goes
on at the first shard without one, and nothing is used in part.
"""

import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from foodvision.data.dataset_stream import (
    HubDataset,
    Plan,
    Stream,
    find_commit,
    open_stream,
    parse_dataset,
)
from foodvision.data.layout import LeftOut
from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.errors import DataError, PhotoError, first_line, printable
from foodvision.image import depth_of, format_of, load_image
from foodvision.system.progress import progress
from foodvision.system.storage import write_atomically

_JPEG_QUALITY = 90

_NOT_IN_NAMES = re.compile(r"[^\w &'()+,.-]")


class _Part(NamedTuple):
    """What a shard gave: photos, by path, label and bytes; rows without one, by name and reason."""

    photos: list[tuple[str, str, int]]
    left_out: list[tuple[str, str]]


def dataset_photos(source: str) -> Photos:
    """Return the photos of a dataset, from this disk if they were downloaded before.

    source: `hf://user/dataset`, with `@revision` if it is not the main branch, and with any of
        `?config=NAME&side=PIXELS&image=COLUMN&label=COLUMN`. In place of user/dataset also a folder
        of parquet files, as `hf://./folder`.

    Raises DataError for a dataset that cannot be used, HubError if the Hub does not give it.
    """
    dataset = parse_dataset(source)
    state = _state_of(Path(dataset.name)) if dataset.is_local else None
    try:
        photos = _finished(dataset, state) or _download(dataset, state)
    except OSError as error:
        # Errors of the network were translated where they came up; this is the disk.
        reason = error.strerror or first_line(error)
        raise DataError(
            f"{source} cannot be stored in {dataset.folder} ({reason}): free some space there, "
            "reduce the photos with ?side=320, or set FOODVISION_CACHE to another folder"
        ) from None
    if not photos.splits:
        raise DataError(
            f"{source} has no row with both a photo and a label: choose its columns with "
            f"?image=COLUMN&label=COLUMN. {photos.left_out_in_words()}"
        )
    return photos


def shrink(content: bytes, side: int) -> bytes:
    """Return a photo's file with a short side of `side` pixels, upright, sRGB, as JPEG.

    A photo that is no larger stays as it is. So does one of more than eight bits, whose white
    depends on the others, and a file that is no photo: the error comes when it is opened.
    """
    try:
        if depth_of(content).kind:
            return content
        image = load_image(content, side + 1)  # so that what is larger comes out larger
    except PhotoError:
        return content
    shortest = min(image.size)
    if shortest <= side:
        return content
    size = (round(side * image.width / shortest), round(side * image.height / shortest))
    file = io.BytesIO()
    small = image.resize(size, Image.Resampling.LANCZOS)
    small.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _state_of(folder: Path) -> str:
    """Return what stands for a commit where files can change under their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        status = path.stat()
        entry = f"{path.relative_to(folder)}/{status.st_size}/{status.st_mtime_ns}\n"
        digest.update(entry.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _download(dataset: HubDataset, state: str | None) -> Photos:
    # Imported here: what is on this disk needs no client of the Hub.
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    dataset.folder.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(f"{dataset.folder}.lock"):
        # While this process waited, another one may have finished the same download.
        if photos := _finished(dataset, state):
            return photos
        kept = _read_plan(dataset)
        # What was begun goes on at its own commit, or the photos would be a mixture.
        commit = state or find_commit(dataset, kept.commit if kept else dataset.revision)
        stream = open_stream(dataset, commit)
        if stream.plan != kept:
            shutil.rmtree(dataset.folder, ignore_errors=True)
            write_atomically(dataset.plan_file, json.dumps(asdict(stream.plan)).encode())
        _fill(dataset.folder, stream)
        photos = _finished(dataset, None)
    assert photos is not None  # every part is there
    return photos


def _finished(dataset: HubDataset, state: str | None) -> Photos | None:
    """Return the photos of a finished download, or None; state: of the files that it is from."""
    plan, folder = _read_plan(dataset), dataset.folder
    if plan is None or state not in (None, plan.commit):
        return None
    splits: dict[str, tuple[LabelledPhoto, ...]] = {}
    left_out = [LeftOut(folder / name, "beside the splits") for name in plan.beside]
    for split, shards in plan.shards.items():
        parts = [_read_part(folder, split, shard) for shard in range(shards)]
        whole = [part for part in parts if part is not None]
        if len(whole) < shards:
            return None
        splits[split] = tuple(
            LabelledPhoto(folder / path, label) for part in whole for path, label, _ in part.photos
        )
        left_out += (LeftOut(folder / name, why) for part in whole for name, why in part.left_out)
    # A split without labels, as contests publish their tests, is none.
    return Photos(folder, {split: of for split, of in splits.items() if of}, tuple(left_out))


def _read_plan(dataset: HubDataset) -> Plan | None:
    """Return the plan of a download, or None if there is none that can be read."""
    try:
        return Plan(**json.loads(dataset.plan_file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _fill(folder: Path, stream: Stream) -> None:
    """Keep every shard that is not there yet."""
    name, total = printable(stream.dataset.source), stream.count_rows()
    with progress(None, name, total=total, leave=True) as bar:
        for split, shards in stream.plan.shards.items():
            for shard in range(shards):
                if part := _read_part(folder, split, shard):
                    bar.update(len(part.photos) + len(part.left_out))
                    continue
                part = _keep(folder, stream, split, shard, bar.update)
                content = json.dumps(part._asdict()).encode()
                write_atomically(_part_file(folder, split, shard), content)


def _keep(
    folder: Path, stream: Stream, split: str, shard: int, tick: Callable[[], object]
) -> _Part:
    """Write the photos of a shard and return what it gave; the same rows get the same names."""
    side, part = stream.dataset.side, _Part([], [])
    for index, (label, content) in enumerate(stream.read_shard(split, shard)):
        number = f"{shard:05}-{index:06}"
        if label is None or content is None:
            reason = "without a label" if label is None else "without a photo of its own"
            part.left_out.append((f"{split}/{number}", reason))
        else:
            content = shrink(content, side) if side else content
            # Labels may hold what names of files may not.
            name = _NOT_IN_NAMES.sub("_", label)[:60].strip(" .") or "_"
            path = f"{split}/{name}/{number}.{format_of(content) or 'jpg'}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            part.photos.append((path, label, len(content)))
        tick()
    return part


def _read_part(folder: Path, split: str, shard: int) -> _Part | None:
    """Return what a shard gave, or None if it is not finished, or a photo is gone or cut."""
    try:
        part = _Part(**json.loads(_part_file(folder, split, shard).read_bytes()))
        is_whole = all((folder / path).stat().st_size == size for path, _, size in part.photos)
    except (OSError, ValueError, TypeError):
        return None
    return part if is_whole else None


def _part_file(folder: Path, split: str, shard: int) -> Path:
    return folder / "parts" / f"{split}-{shard:05}.json"
