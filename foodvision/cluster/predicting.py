"""Predictions by Ray Data: read, predicted in actors, and written as Parquet, a part a block.

Ray Data shares out the blocks, holds back the readers where predictions lag behind, restarts actors
that died, and computes the blocks of a lost node again. A write that is repeated has the same name,
so that nothing is there twice. The parts are also what a run is resumed from: Ray's own checkpoints
hold a processor and a gigabyte for their filter, and need a unique column in the source.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import ray
import ray.data
from pyarrow import dataset as arrow
from pyarrow import parquet
from pyarrow.fs import FileSelector, FileType

from foodvision.checkpoint import Checkpoint
from foodvision.cluster.actor import Predictor, hashes_of
from foodvision.cluster.remote import opened
from foodvision.cluster.sources import Found, datasets
from foodvision.errors import DataError, FoodVisionError, SettingsError, first_line
from foodvision.reports.rows import columns_of

# What Ray calls a part: by dataset, run, task, and its own number.
_PART = re.compile(r"(\w+_)?[0-9a-f]{32}_\d+-\d+\.parquet")


@dataclass(frozen=True)
class ClusterRun:
    """How photos are predicted on a cluster.

    out: a folder, or its address, for the parts. top: guesses of a photo.
    processors: of an actor; each actor has the model in memory once.
    resume: whether `out` is continued.
    """

    out: str
    top: int
    processors: int = 1
    resume: bool = False


@dataclass(frozen=True)
class Outcome:
    """Photos in all parts, and how many of them could not be read."""

    photos: int
    unreadable: int


def predict_on_cluster(checkpoint: Checkpoint, found: Iterable[Found], run: ClusterRun) -> Outcome:
    """Predict photos on the cluster that this process is connected to.

    Raises SettingsError for a place that is taken, or was not written with this `top`; DataError
    for shards that cannot be read.
    """
    done = _predicted(run)
    filesystem, path = opened(run.out)
    given = {
        "checkpoint": ray.put(checkpoint),
        "done": ray.put(done),
        "top": run.top,
        "processors": run.processors,
    }
    actors = max(1, int(ray.cluster_resources().get("CPU", 1) // run.processors))
    # Reading the next block goes on beside the predictions of this one.
    pool = ray.data.ActorPoolStrategy(
        min_size=1,
        initial_size=actors,
        max_tasks_in_flight_per_actor=2,
        max_concurrent_calls_per_actor=2,
    )
    for dataset in datasets(found, run.processors):
        predicted = dataset.map_batches(
            Predictor,
            batch_size=None,
            batch_format="pyarrow",
            compute=pool,
            num_cpus=run.processors,
            fn_constructor_kwargs=given,
        )
        with _translate_ray_errors(run.out):
            # Writing takes hardly any time, and must not wait for a processor that actors hold.
            predicted.write_parquet(path, filesystem=filesystem, ray_remote_args={"num_cpus": 0})
    _, parts = _parts(run.out, is_new=False)
    if not parts:
        return Outcome(0, 0)
    table = arrow.dataset(parts, filesystem=filesystem)
    unreadable = table.count_rows(filter=arrow.field("error").is_valid())
    return Outcome(table.count_rows(), unreadable)


def _predicted(run: ClusterRun) -> np.ndarray:
    """Return the numbers of the photos that the parts hold, sorted; none of a new place.

    A part that was cut off is removed.
    """
    filesystem, parts = _parts(run.out, is_new=not run.resume)
    cut_off, done = [], [np.empty(0, np.uint64)]
    for part in parts:
        try:
            file = parquet.ParquetFile(part, filesystem=filesystem)
        except pyarrow.ArrowInvalid:
            cut_off.append(part)
            continue
        if file.schema_arrow.names != columns_of(run.top):
            raise SettingsError(
                f"{run.out} was not written by foodvision predict --ray with this --top: choose "
                "another folder"
            )
        for rows in file.iter_batches(columns=["path"]):
            done.append(hashes_of(rows["path"].to_pylist()))
    for part in cut_off:
        filesystem.delete_file(part)
    return np.sort(np.concatenate(done))


def _parts(out: str, *, is_new: bool) -> tuple[Any, list[str]]:
    """Return the file system of a place, and the parts in it."""
    filesystem, path = opened(out)
    if is_new and filesystem.get_file_info(path).type != FileType.NotFound:
        raise SettingsError(
            f"{out} already exists: choose another folder, or continue with --resume"
        )
    listed = filesystem.get_file_info(FileSelector(path, allow_not_found=True))
    return filesystem, [of.path for of in listed if of.is_file and _PART.fullmatch(of.base_name)]


@contextmanager
def _translate_ray_errors(out: str) -> Iterator[None]:
    """Turn what ends a run into an error of ours, in one line."""
    try:
        yield
    except (ray.exceptions.RayError, pyarrow.ArrowException, OSError, ValueError) as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, FoodVisionError):
            raise cause from None
        raise DataError(
            f"Ray stopped before all photos were predicted ({first_line(cause)}): fix the cause, "
            f"then continue {out} with --resume"
        ) from None
