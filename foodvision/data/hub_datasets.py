"""Datasets of the Hugging Face Hub, photo by photo into a folder on this disk.

What the disk cannot hold is made smaller on the way.
"""

import hashlib
import io
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from foodvision.data.dataset_cache import (
    KeptPhoto,
    Part,
    photo_path,
    read_part,
    read_photos,
    read_plan,
    write_part,
    write_plan,
)
from foodvision.data.dataset_names import HubDataset, parse_dataset
from foodvision.data.dataset_stream import Answer, Stream, find_commit, open_stream
from foodvision.data.photos import Photos
from foodvision.errors import DataError, PhotoError, first_line, printable
from foodvision.image import depth_of, format_of, load_image
from foodvision.system.progress import progress

_JPEG_QUALITY = 90


def dataset_photos(source: str) -> Photos:
    """Give the photos of a dataset, from this disk if they were downloaded before.

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
        # What the network raises is told where it is raised; this is the disk.
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

    A photo that is no larger stays as it is, and so does one of more than eight bits, whose white
    depends on the others, and what is none: whoever opens it is told.
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
    """What stands for a commit where files can change under their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        status = path.stat()
        entry = f"{path.relative_to(folder)}/{status.st_size}/{status.st_mtime_ns}\n"
        digest.update(entry.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _finished(dataset: HubDataset, state: str | None) -> Photos | None:
    plan = read_plan(dataset.folder)
    if plan is None or state not in (None, plan.commit):
        return None
    return read_photos(dataset.folder)


def _download(dataset: HubDataset, state: str | None) -> Photos:
    # Imported here: what is on this disk needs no client of the Hub.
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    dataset.folder.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(f"{dataset.folder}.lock"):
        # While this process waited, another one may have finished the same download.
        if photos := _finished(dataset, state):
            return photos
        kept = read_plan(dataset.folder)
        # What was begun goes on at its own commit, or the photos would be a mixture.
        commit = state or find_commit(dataset, kept.commit if kept else dataset.revision)
        stream = open_stream(dataset, commit)
        if stream.plan != kept:
            shutil.rmtree(dataset.folder, ignore_errors=True)
            write_plan(dataset.folder, stream.plan)
        _fill(dataset.folder, stream)
        photos = read_photos(dataset.folder)
    assert photos is not None  # every part is there
    return photos


def _fill(folder: Path, stream: Stream) -> None:
    """Keep every shard that is not there yet."""
    side, total = stream.dataset.side, stream.count_rows()
    with progress(None, printable(stream.dataset.source), total=total, leave=True) as bar:
        for split, shards in stream.plan.shards.items():
            for shard in range(shards):
                if part := read_part(folder, split, shard):
                    bar.update(len(part.photos) + len(part.left_out))
                    continue
                answers = stream.read_shard(split, shard)
                names = folder, split, f"{shard:05}"
                write_part(folder, split, shard, _keep(answers, *names, side, bar.update))


def _keep(
    answers: Iterable[Answer],
    folder: Path,
    split: str,
    shard: str,
    side: int | None,
    tick: Callable[[], object],
) -> Part:
    """Write the photos of a shard; the same rows always get the same names."""
    photos: list[KeptPhoto] = []
    left_out: list[tuple[str, str]] = []
    for index, (label, content) in enumerate(answers):
        number = f"{shard}-{index:06}"
        if label is None or content is None:
            reason = "without a label" if label is None else "without a photo of its own"
            left_out.append((f"{split}/{number}", reason))
        else:
            content = shrink(content, side) if side else content
            path = photo_path(split, label, number, f".{format_of(content) or 'jpg'}")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            photos.append(KeptPhoto(path, label, len(content)))
        tick()
    return Part(tuple(photos), tuple(left_out))
