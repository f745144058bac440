"""A run's folder read back, whatever became of it since."""

import csv
import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from foodvision.errors import RunError
from foodvision.evaluation.judge import Judgement
from foodvision.figures import Beside, Figures
from foodvision.runs.answers import JudgedPhoto
from foodvision.runs.record import PHOTOS, RunRecord, UsedPhoto
from foodvision.safety.escaping import from_cell
from foodvision.safety.files import read_file, read_json
from foodvision.safety.schema import Rows, Settings, Started

_T = TypeVar("_T")

# About a million photos.
_MOST_ANSWERS = 100_000_000
# About ten million.
_MOST_PHOTOS = 1_500_000_000


def read_run(folder: Path) -> RunRecord:
    """Read a run's folder.

    Raises RunError if it is missing, no run, or if a file of it is spoiled.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} does not exist: foodvision runs lists your runs")
    path = folder / "run.json"
    if not path.is_file():
        raise RunError(f"{folder} is not a run: it has no run.json")
    judged = folder / "figures.json"
    figures = _read_if_there(judged, Figures)
    return RunRecord(
        folder=folder,
        **_read(path, Started),
        settings=_read(folder / "config.json", Settings),
        metrics=tuple(_read_if_there(folder / "metrics.json", Rows) or ()),
        judgement=Judgement(figures, **_read(judged, Beside)) if figures else None,
        answers=_read_answers(folder / "answers.csv"),
    )


def find_runs(folder: Path) -> list[Path]:
    """Return the folders of runs in a folder, sorted; the folder itself if it is a run.

    Raises RunError if there are none.
    """
    if (folder / "run.json").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/run.json"))
    if not found:
        raise RunError(f"{folder} contains no runs: start one with foodvision train PHOTOS")
    return found


def sort_runs(records: Sequence[RunRecord], by: Literal["time", "top1"]) -> list[RunRecord]:
    """Return the newest runs first, or those that are best on their test photos."""

    def key(record: RunRecord) -> tuple[float, float]:
        top1 = record.figures.top1 if by == "top1" and record.figures else -1.0
        return top1, datetime.fromisoformat(record.started).timestamp()

    return sorted(records, key=key, reverse=True)


def read_photos(folder: Path) -> tuple[UsedPhoto, ...]:
    """Return the photos that a run used; none of a run of version 0.5 and before.

    Raises RunError if the file is spoiled.
    """
    with _translate_errors(path := folder / PHOTOS):
        return tuple(
            UsedPhoto(from_cell(photo), split, int(size), sha256)
            for photo, split, size, sha256 in _rows(path, _MOST_PHOTOS)
        )


def _read_answers(path: Path) -> tuple[JudgedPhoto, ...]:
    with _translate_errors(path):
        return tuple(
            JudgedPhoto(
                from_cell(photo),
                from_cell(label),
                from_cell(answer),
                _share(confidence),
                _number(score),
            )
            for photo, label, answer, confidence, score in _rows(path, _MOST_ANSWERS)
        )


def _rows(path: Path, most: int) -> list[list[str]]:
    """Return the rows of a CSV file below its head; none if it is not there."""
    if not os.path.lexists(path):
        return []
    content = read_file(path, path.parent, most).decode(errors="surrogateescape")
    return list(csv.reader(io.StringIO(content, newline="")))[1:]


def _share(cell: str) -> float:
    if not 0 <= (share := float(cell)) <= 1:
        raise ValueError(f"{share} is not a confidence from 0 to 1")
    return share


def _number(cell: str) -> float:
    if not math.isfinite(number := float(cell)):
        raise ValueError(f"{number} is not finite")
    return number


def _read_if_there(path: Path, schema: type[_T]) -> _T | None:
    return _read(path, schema) if os.path.lexists(path) else None


def _read(path: Path, schema: type[_T]) -> _T:
    with _translate_errors(path):
        return read_json(path, schema)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, csv.Error) as error:
        raise RunError(
            f"{path}: {' '.join(str(error).split())}; restore it, or delete {path.parent}"
        ) from None
