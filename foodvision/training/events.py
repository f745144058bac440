"""What a training tells while it goes on; who listens draws it, or does not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from foodvision.data import Photos
from foodvision.evaluation.judge import Judgement
from foodvision.runs import Row


@dataclass(frozen=True)
class PhotosFound:
    """The photos of a source, split; what cannot be used is in `photos.left_out`."""

    source: str
    photos: Photos


@dataclass(frozen=True)
class ClassesKnown:
    """The head starts from what a model knows of so many of these classes."""

    model: str
    count: int


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of a stage."""

    row: Row


@dataclass(frozen=True)
class Trained:
    """All epochs are over: the last one, and the seconds that all took."""

    last: Row
    seconds: float


@dataclass(frozen=True)
class Finished:
    """The run is judged and written: its folder holds `checkpoint/` and `report.html`.

    notes: what the model cannot do for want of photos, a sentence each.
    """

    folder: Path
    judgement: Judgement
    notes: tuple[str, ...] = ()


Event: TypeAlias = PhotosFound | ClassesKnown | EpochEnded | Trained | Finished

Listener: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
