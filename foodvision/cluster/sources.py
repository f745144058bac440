"""What is to be predicted, as datasets of Ray: files anywhere, and shards that hold many photos.

Every dataset has a row a photo, and some of these columns:

    name     how the photo is called in the answers
    file     bytes of its path, or of its address
    content  the bytes of the photo itself, from a shard
    fault    why there is no photo
"""

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import ray.data
from pyarrow import parquet
from pyarrow import types as kinds

from foodvision.cluster.remote import is_photo, is_remote, opened
from foodvision.errors import DataError, SettingsError, first_line
from foodvision.reports.rows import as_unicode

_TARS = (".tar", ".tar.gz", ".tgz")
_OTHER_ARCHIVES = (".zip", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")

# String columns that name a photo, or are where it lies.
_NAMES = (
    *("path", "file", "file_name", "filename", "image_path", "uri", "url"),
    *("name", "key", "__key__", "id", "image_id", "image", "photo"),
)

# Photos of a block: enough that Ray's share of the time is small, and that 16 blocks come to every
# processor, so that all end together.
_SMALLEST, _LARGEST, _ROUNDS = 32, 500, 16


class Found(NamedTuple):
    """A photo or a shard: how it is called, its path or address, and what is wrong with it."""

    name: str
    file: str
    fault: str | None = None


def datasets(found: Iterable[Found], processors: int) -> Iterator[Any]:
    """Yield a `ray.data.Dataset` for the files, and one for the shards of each kind and place.

    processors: of the actor that reads them; Ray reads in the same process only if they agree.

    Raises SettingsError for an archive that Ray cannot read, DataError for one without photos.
    """
    photos: list[Found] = []
    shards: dict[tuple[str, Callable[..., Any]], list[str]] = {}
    for each in found:
        ending = each.name.lower()
        if each.fault is None and ending.endswith(_OTHER_ARCHIVES):
            raise SettingsError(
                f"{each.name}: of archives, --ray only reads .tar: pack the photos as .tar, or "
                "unpack them"
            )
        if each.fault is None and ending.endswith((*_TARS, ".parquet")):
            read = _tar_photos if ending.endswith(_TARS) else _parquet_photos
            place = each.name.partition("://")[0] if is_remote(each.name) else ""
            shards.setdefault((place, read), []).append(each.name)
        else:
            photos.append(each)
    if photos:
        yield _file_photos(photos)
    for (_, read), names in shards.items():
        yield read(names, processors)


def _file_photos(photos: Sequence[Found]) -> Any:
    """Return photos by their paths: the actors read them, so that no bytes go through Ray."""
    table = pyarrow.table(
        {
            "name": [as_unicode(each.name) for each in photos],
            "file": pyarrow.array([os.fsencode(each.file) for each in photos], pyarrow.binary()),
            "fault": pyarrow.array([each.fault for each in photos], pyarrow.string()),
        }
    )
    processors = ray.cluster_resources().get("CPU", 1)
    size = int(min(_LARGEST, max(_SMALLEST, len(photos) // (_ROUNDS * processors))))
    return ray.data.from_arrow([table[at : at + size] for at in range(0, len(table), size)])


def _tar_photos(names: Sequence[str], processors: int) -> Any:
    """Return the photos of tar files, which may be webdataset's."""
    filesystem, paths = _opened_all(names)
    samples = ray.data.read_webdataset(
        list(paths),
        filesystem=filesystem,
        decoder=None,
        fileselect=is_photo,
        override_num_blocks=len(paths),
        num_cpus=processors,
    )
    return _mapped(samples, partial(_from_samples, names=paths), processors)


def _from_samples(samples: Any, names: Mapping[str, str]) -> Any:
    """Return the photos of webdataset's samples, which have a column for each ending.

    names: of the tar files, by path.
    """
    endings = [name for name in samples.column_names if not name.startswith("__")]
    photos = [
        (f"{names[sample['__url__']]}/{posixpath.normpath(sample['__key__'])}.{of}", sample[of])
        for sample in samples.to_pylist()
        for of in endings
        if sample[of] is not None
    ]
    return _contents([name for name, _ in photos], [content for _, content in photos])


def _parquet_photos(names: Sequence[str], processors: int) -> Any:
    """Return the photos of Parquet files: a column of bytes, of paths, or the Hub's images."""
    filesystem, paths = _opened_all(names)
    try:
        schema = parquet.read_schema(next(iter(paths)), filesystem=filesystem)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{names[0]} is not a Parquet file ({first_line(error)})") from None
    photo, name = _photo_column(schema, names[0]), _string_column(schema)
    is_named = name is not None
    table = ray.data.read_parquet(
        list(paths),
        filesystem=filesystem,
        columns=list(dict.fromkeys(filter(None, [photo, name]))),
        include_paths=not is_named,
        include_row_hash=not is_named,
        partitioning=None,
        override_num_blocks=len(paths),
        num_cpus=processors,
    )
    convert = partial(_from_table, photo=photo, name=name, names=paths, folder=Path.cwd())
    return _mapped(table, convert, processors)


def _from_table(
    table: Any, photo: str, name: str | None, names: Mapping[str, str], folder: Path
) -> Any:
    """Return the photos of a Parquet file's rows.

    photo, name: their columns; without a name, a photo is called FILE#HASH, which Ray makes of the
        file and the row.
    names: of the files, by path. folder: where relative paths begin.
    """
    photos = table[photo].to_pylist()
    called = (
        [str(value) for value in table[name].to_pylist()]
        if name
        else [
            f"{names.get(path, path)}#{number:016x}"
            for path, number in zip(
                table["path"].to_pylist(), table["row_hash"].to_pylist(), strict=True
            )
        ]
    )
    photos = [of.get("bytes") or of.get("path") if isinstance(of, dict) else of for of in photos]
    contents = [of if isinstance(of, bytes) else None for of in photos]
    places = [_absolute(of, folder) if isinstance(of, str) else None for of in photos]
    return _contents(called, contents, places)


def _contents(
    names: Sequence[str], contents: Sequence[bytes | None], places: Sequence[str | None] = ()
) -> Any:
    given = places or [None] * len(names)
    files = [None if of is None else os.fsencode(of) for of in given]
    rows = zip(names, files, contents, strict=True)
    faults = [None if file or photo else f"{name} contains no photo" for name, file, photo in rows]
    return pyarrow.table(
        {
            "name": pyarrow.array([as_unicode(name) for name in names], pyarrow.string()),
            "file": pyarrow.array(files, pyarrow.binary()),
            "content": pyarrow.array(contents, pyarrow.large_binary()),
            "fault": pyarrow.array(faults, pyarrow.string()),
        }
    )


def _absolute(place: str, folder: Path) -> str:
    return place if is_remote(place) else str(folder / place)


def _mapped(dataset: Any, convert: Callable[[Any], Any], processors: int) -> Any:
    return dataset.map_batches(
        convert, batch_size=None, batch_format="pyarrow", num_cpus=processors
    )


def _opened_all(names: Sequence[str]) -> tuple[Any, dict[str, str]]:
    """Return the file system of several files of one place, and their names by path in it."""
    places = [opened(name) for name in names]
    return places[0][0], {path: name for (_, path), name in zip(places, names, strict=True)}


def _photo_column(schema: Any, name: str) -> str:
    for field in schema:
        is_image = kinds.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        if is_image or kinds.is_binary(field.type) or kinds.is_large_binary(field.type):
            return str(field.name)
    if column := _string_column(schema):
        return column
    raise DataError(
        f"{name} has no column of photos: add a column of bytes, or one of paths with the name path"
    )


def _string_column(schema: Any) -> str | None:
    texts = {
        field.name
        for field in schema
        if kinds.is_string(field.type) or kinds.is_large_string(field.type)
    }
    return next((name for name in _NAMES if name in texts), None)
