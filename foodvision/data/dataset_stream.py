"""A dataset of the Hugging Face Hub by its name, and its rows as the `datasets` library reads them.

No program of a dataset is ever run. What the libraries raise becomes one line here.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from traceback import walk_tb
from typing import Any, TypeAlias

from foodvision.data.names import parse_options, split_named
from foodvision.errors import DataError, FoodVisionError, HubError, first_line, one_line
from foodvision.hub.client import is_repo_id, odd_answer
from foodvision.hub.session import SILENCE, bounded_total, guarded
from foodvision.system.storage import cache_folder

Answer: TypeAlias = tuple[str | None, bytes | None]
"""Label and file of a row, None for what it has not."""

_Rows: TypeAlias = Any  # the library's IterableDataset, which has no types

_SOURCE = re.compile(
    r"hf://(?:datasets/)?(?P<name>[^@?]+)(?:@(?P<revision>[^?]+))?(?:\?(?P<options>.*))?"
)
_OPTIONS = ("config", "side", "image", "label")
_SIDES = range(32, 641)

_GATED = "is gated: request access on its page, then run `hf auth login`"
_NOT_THERE = (
    "is not a public dataset on the Hub: check the name; if it is private, run `hf auth login`"
)
_NO_REVISION = "has no such revision on the Hub: check the part after @"
_COMMIT_GONE = "has changed on the Hub: remove {folder} to start again"
_NOTHING_IN_IT = (
    "contains nothing that the datasets library can read ({line}): choose a @revision or "
    "?config=NAME"
)
# The library runs no program: it raises RuntimeError for a dataset that is one.
_PROGRAM = "cannot be read ({line}): try its Parquet files, at @refs/convert/parquet"
_DAMAGED = "has a damaged file ({line}): choose another @revision"
_UNREADABLE = (
    "cannot be read ({words}): choose a configuration with ?config=NAME, or its Parquet files "
    "at @refs/convert/parquet"
)
_OF_FILES: Mapping[bool, tuple[type[FoodVisionError], str]] = {
    True: (DataError, "cannot be read ({line}): check its files"),
    False: (
        HubError,
        "could not be downloaded ({line}): run the command again later, and it will continue",
    ),
}

_LABEL_NAMES = ("label", "labels", "class", "category")
_LABEL_TYPES = ("string", "large_string", "int", "uint", "bool")


@dataclass(frozen=True)
class HubDataset:
    """A dataset by name, and what of it shall be kept.

    source: the name as it was given.
    name: user/dataset on the Hub, or the absolute path of a folder of parquet files.
    revision: a branch, tag or commit; the main branch if None.
    config: which of the dataset's configurations.
    side: the short side, in pixels, that larger photos are shrunk to; photos stay as they are if
        None.
    image, label: the columns, if they cannot be told by their types and names.
    """

    source: str
    name: str
    revision: str | None = None
    config: str | None = None
    side: int | None = None
    image: str | None = None
    label: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it lies in a folder of this disk."""
        return Path(self.name).is_absolute()

    @property
    def folder(self) -> Path:
        """Where its photos are kept: another folder for whatever makes other photos."""
        content = {name: value for name, value in asdict(self).items() if name != "source"}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        words = Path(self.name).name if self.is_local else self.name.replace("/", "-")
        return cache_folder() / "datasets" / f"{words}-{digest[:12]}"

    @property
    def plan_file(self) -> Path:
        """Where the plan of its download is kept."""
        return self.folder / "plan.json"


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


def parse_dataset(source: str) -> HubDataset:
    """Read a dataset's name and options.

    Raises DataError for a name of another form, an unknown option, and a side out of range.
    """
    match = _SOURCE.fullmatch(source)
    name = match["name"].rstrip("/") if match else ""
    is_path = name.startswith((".", "/", "~"))
    if match is None or not (is_path or is_repo_id(name)):
        raise DataError(f"{source} is not a dataset name: write hf://user/dataset")
    revision = match["revision"]
    if is_path:
        name = str(Path(name).expanduser().resolve())
        if not Path(name).is_dir():
            raise DataError(f"{source}: the folder does not exist")
        if revision:
            raise DataError(f"{source} is a folder and has no revisions: leave out @{revision}")
    options: dict[str, Any] = dict(parse_options(source, match["options"], _OPTIONS))
    if (side := options.get("side")) is not None:
        if not side.isdecimal() or int(side) not in _SIDES:
            raise DataError(
                f"{source}: side {side} is out of range: {_SIDES[0]} to {_SIDES[-1]} pixels"
            )
        options["side"] = int(side)
    return HubDataset(source, name, revision, **options)


@dataclass(frozen=True)
class Columns:
    """Where in a row the photo and its label stand; `names` of labels that are numbers."""

    image: str
    label: str
    names: list[str] | None

    def label_of(self, row: Mapping[str, Any]) -> str | None:
        """Return the class's name, or None if the row has none."""
        value = row[self.label]
        if value is None:
            return None
        if self.names is None:
            return str(value).strip() or None
        # Contests hide the labels of their test photos behind -1.
        return self.names[value] if 0 <= value < len(self.names) else None


@dataclass(frozen=True)
class Stream:
    """A dataset at one commit: its splits by our names, not yet read."""

    dataset: HubDataset
    plan: Plan
    columns: Columns
    splits: Mapping[str, _Rows]

    def count_rows(self) -> int | None:
        """Return how many rows the dataset says it has, or None."""
        infos = [(rows.info.splits or {}).get(str(rows.split)) for rows in self.splits.values()]
        return sum(info.num_examples for info in infos if info) if all(infos) else None

    def read_shard(self, split: str, shard: int) -> Iterator[Answer]:
        """Yield label and file of every row of a shard."""
        columns = self.columns
        # Not decoded: a photo is kept byte for byte as it was published. First of all, because of
        # a folder of files the library decodes before anything else that is asked of the rows.
        rows = self.splits[split].decode(False).shard(self.plan.shards[split], shard)
        rows = rows.select_columns([columns.image, columns.label])
        with _translate_errors(self.dataset):
            for row in rows:
                yield columns.label_of(row), _content(self.dataset, row[columns.image])


def find_commit(dataset: HubDataset, revision: str | None) -> str:
    """Return the commit of a branch, tag or commit on the Hub.

    Raises HubError for a dataset or revision that is not there, and if the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    from foodvision.hub.answers import RepoState

    with _translate_errors(dataset), bounded_total():
        found = HfApi().dataset_info(dataset.name, revision=revision, timeout=SILENCE)
        return RepoState.model_validate(found).sha


def open_stream(dataset: HubDataset, commit: str) -> Stream:
    """Open a dataset at a commit, reading no more of it than its columns.

    Raises DataError for splits or columns that cannot be told apart, HubError if the Hub does not
    give it.
    """
    splits, beside = _choose_splits(dataset, _load(dataset, commit))
    columns = _choose_columns(dataset, next(iter(splits.values())).features or {})
    shards = {split: int(rows.num_shards) for split, rows in splits.items()}
    return Stream(dataset, Plan(commit, shards, beside), columns, splits)


def _load(dataset: HubDataset, commit: str) -> Mapping[str, _Rows]:
    # What the readers of files log as an error they also raise.
    logging.getLogger("datasets.packaged_modules").setLevel(logging.CRITICAL)
    with _translate_errors(dataset):
        from datasets import load_dataset

        # By this name the library does not take a folder user/dataset that lies here by chance.
        name = dataset.name if dataset.is_local else f"hf://datasets/{dataset.name}"
        revision = None if dataset.is_local else commit
        found: Mapping[str, _Rows] = load_dataset(
            name, dataset.config, revision=revision, streaming=True
        )
        return found


def _choose_splits(
    dataset: HubDataset, found: Mapping[str, _Rows]
) -> tuple[dict[str, _Rows], list[str]]:
    """Return splits by our names, and the names of those that are not used."""
    splits: dict[str, _Rows] = {}
    for name, rows in found.items():
        split = split_named(name)
        if split in splits:
            raise DataError(
                f"{dataset.source} has two splits for {split}: choose a configuration with "
                "?config=NAME"
            )
        if split:
            splits[split] = rows
    if splits:
        return splits, [name for name in found if not split_named(name)]
    if len(found) == 1:
        return {"all": next(iter(found.values()))}, []
    raise DataError(
        f"{dataset.source} has the splits {', '.join(found)}, but no train, val or test: choose "
        "another configuration with ?config=NAME"
    )


def _choose_columns(dataset: HubDataset, features: Mapping[str, Any]) -> Columns:
    from datasets import ClassLabel, Image, Value

    def of_type(kind: type) -> list[str]:
        return [name for name, feature in features.items() if isinstance(feature, kind)]

    photos, classes = of_type(Image), of_type(ClassLabel)
    texts = [name for name in of_type(Value) if features[name].dtype.startswith(_LABEL_TYPES)]
    likely = classes or [name for name in texts if name in _LABEL_NAMES]
    there = ", ".join(features) or "none with a type"
    image = _choose(dataset, "image", dataset.image, photos, photos, there)
    label = _choose(dataset, "label", dataset.label, likely, classes + texts, there)
    return Columns(image, label, features[label].names if label in classes else None)


def _choose(
    dataset: HubDataset,
    kind: str,
    asked: str | None,
    likely: list[str],
    possible: list[str],
    there: str,
) -> str:
    """Return the column asked for, or else the likely one: the one of its name, if several are."""
    if asked in possible:
        return str(asked)
    if asked is not None:
        raise DataError(f"{dataset.source} has no {kind} column {asked}: its columns are {there}")
    if kind in likely or len(likely) == 1:
        return kind if kind in likely else likely[0]
    count = f"{len(likely)} {kind} columns" if likely else f"no {kind} column"
    raise DataError(
        f"{dataset.source} has {count}; its columns are {there}: choose one with ?{kind}=COLUMN"
    )


def _content(dataset: HubDataset, photo: Mapping[str, Any] | None) -> bytes | None:
    if photo is None or photo["bytes"] is not None:
        return bytes(photo["bytes"]) if photo else None
    if photo["path"] is None or not _is_own(dataset, photo["path"]):
        return None
    import fsspec

    with fsspec.open(photo["path"], "rb") as file:
        return bytes(file.read())


def _is_own(dataset: HubDataset, path: str) -> bool:
    """Whether a file is the dataset's own: a row may name any file, and no other is read."""
    if dataset.is_local:
        return Path(path).resolve().is_relative_to(dataset.name)
    # Behind :: stands another file.
    is_inside = "::" not in path and ".." not in path
    return is_inside and path.startswith(f"hf://datasets/{dataset.name}@")


@contextmanager
def _translate_errors(dataset: HubDataset) -> Iterator[None]:
    """Turn the errors of the libraries into ours, in one line."""
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]
    from pyarrow import ArrowException

    no_revision = _COMMIT_GONE if dataset.plan_file.exists() else _NO_REVISION
    # The first that fits: some of the later ones are parents of earlier ones.
    table: tuple[tuple[Any, type[FoodVisionError], str], ...] = (
        # That the dataset is there was asked before: it is its files that are not given.
        ((errors.GatedRepoError, DatasetNotFoundError), HubError, _GATED),
        (errors.RepositoryNotFoundError, HubError, _NOT_THERE),
        (errors.RevisionNotFoundError, HubError, no_revision),
        ((DatasetsError, EmptyDatasetError), DataError, _NOTHING_IN_IT),
        (RuntimeError, DataError, _PROGRAM),
        (ArrowException, DataError, _DAMAGED),
        (ValueError, DataError, _UNREADABLE),
        ((OSError, httpx.HTTPError), *_OF_FILES[dataset.is_local]),
    )
    try:
        with guarded():
            yield
    except FoodVisionError:
        raise
    except Exception as error:
        if odd := None if dataset.is_local else odd_answer(error):
            raise HubError(f"{dataset.source} {odd}") from None
        for kinds, ours, sentence in table:
            if isinstance(error, kinds):
                raise ours(f"{dataset.source} {_said(sentence, error, dataset)}") from None
        if not _is_of_libraries(error):
            raise
        raise DataError(f"{dataset.source} {_said(_UNREADABLE, error, dataset)}") from None


def _said(sentence: str, error: Exception, dataset: HubDataset) -> str:
    return sentence.format(
        folder=dataset.folder,
        line=one_line(first_line(error)),
        words=one_line(str(error).partition("\nExample")[0], 500),
    )


def _is_of_libraries(error: Exception) -> bool:
    """Whether a file of the dataset led a library to it, and no fault of ours."""
    modules = (frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__))
    return any(str(name).partition(".")[0] in ("datasets", "fsspec") for name in modules)
