"""The events of a training, for a listener to show."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from foodvision.data import Photos
from foodvision.evaluation.judge import Judgement
from foodvision.runs.record import Row


@dataclass(frozen=True)
class PhotosFound:
    """The photos of a source are found and split; `photos.left_out` has those not used."""

    source: str
    photos: Photos


@dataclass(frozen=True)
class ClassesKnown:
    """The head starts from a model's weights for these classes, sorted."""

    model: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of a stage is over."""

    row: Row


@dataclass(frozen=True)
class Trained:
    """All epochs are over: the last one."""

    last: Row


@dataclass(frozen=True)
class Finished:
    """The run is measured and written: its folder holds `checkpoint/` and `report.html`.

    photos: how many photos were used for what, and how many were left out, in a line.
    seconds: what the run took, from its start to its figures, without interruptions.
    notes: what the model cannot do because there are too few photos, a sentence each.
    """

    folder: Path
    judgement: Judgement
    photos: str
    seconds: float
    notes: tuple[str, ...] = ()


Event: TypeAlias = PhotosFound | ClassesKnown | EpochEnded | Trained | Finished

Listener: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
