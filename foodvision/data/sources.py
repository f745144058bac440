"""Photos by the name of their source: a folder, an archive, shards, a list, others' datasets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foodvision.data.archives import open_source
from foodvision.data.csv_list import is_csv, parse_csv, read_csv
from foodvision.data.food101 import food101_photos
from foodvision.data.hub_datasets import dataset_photos
from foodvision.data.photos import LabelledPhoto, Photos, find_photos, find_unlabelled
from foodvision.data.shards import find_shards, is_pattern, shard_photos
from foodvision.errors import DataError, absent


def check_source(source: str | os.PathLike[str]) -> None:
    """Check that a source is there, if it is a file or folder, before anything takes long.

    The options behind the name of a CSV file are checked too.

    Raises DataError.
    """
    name = os.fspath(source)
    if name.startswith("hf://") or name.partition(":")[0] == "food101":
        return
    if is_csv(name):
        name = os.fspath(parse_csv(name)[0])
    if is_pattern(name):
        find_shards(name)
    elif not os.path.exists(name):  # noqa: PTH110 (any text)
        raise DataError(absent(name, what="photos"))


@contextmanager
def open_photos(source: str | os.PathLike[str]) -> Iterator[Photos]:
    """Yield the photos of a source; they can be read until the context is left.

    source: a folder; a `.zip`, or a `.tar`, plain or compressed; a `.csv` or `.tsv` of path and
        label, with `?path=COLUMN&label=COLUMN&split=COLUMN` if its columns have other names;
        webdataset's shards, a folder of them or a pattern as `shards/train-*.tar`;
        `food101`, or `food101:ROOT` if it lies, or shall lie, elsewhere than in `data`;
        `hf://user/dataset`, which `foodvision.data.hub_datasets` tells more of.

    Raises DataError for a source that cannot be used, saying the way out, and HubError for a
    dataset that the Hub does not give.
    """
    name = os.fspath(source)
    kind, _, root = name.partition(":")
    if name.startswith("hf://"):
        yield dataset_photos(name)
    # A folder of this name is somebody's own.
    elif kind == "food101" and not Path(name).is_dir():
        yield food101_photos(Path(root or "data"))
    elif is_csv(name):
        yield read_csv(*parse_csv(name))
    elif shards := find_shards(name):
        yield shard_photos(shards)
    else:
        with open_source(source) as folder:
            yield find_photos(folder)


@contextmanager
def open_unlabelled(source: str | os.PathLike[str] | None) -> Iterator[tuple[LabelledPhoto, ...]]:
    """Yield the photos in a folder or archive, however deep they lie; none without a source.

    Raises DataError for a source that cannot be used, saying the way out.
    """
    if source is None:
        yield ()
        return
    with open_source(source) as folder:
        yield find_unlabelled(folder)
