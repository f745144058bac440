"""A run's folder read back, whatever became of it since."""

import csv
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from foodvision.errors import RunError
from foodvision.evaluation import Judgement
from foodvision.runs.answers import RunAnswer
from foodvision.runs.record import Row, RunRecord, State


def read_run(folder: Path) -> RunRecord:
    """Read a run's folder.

    Raises RunError if it is missing, no run, or if a file of it is spoiled.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder")
    path = folder / "run.json"
    if not path.is_file():
        raise RunError(f"{folder} is no run: it has no run.json")
    raw = _read_json(path)
    try:
        if raw["state"] not in get_args(State):
            raise ValueError(f"state {raw['state']} is none of {', '.join(get_args(State))}")
        started = datetime.fromisoformat(raw["started"])
        started.timestamp()  # by which runs are sorted, and which not every date has
        if not math.isfinite(seconds := float(raw["seconds"])):
            raise ValueError(f"seconds {seconds} is no time")
        return RunRecord(
            folder=folder,
            data=str(raw["data"]),
            started=started.isoformat(),
            command=tuple(map(str, raw["command"])),
            state=raw["state"],
            seconds=seconds,
            system=dict(raw["system"]),
            versions=dict(raw["versions"]),
            settings=_read_json(folder / "config.json"),
            metrics=_read_metrics(folder / "metrics.json"),
            judgement=_read_judgement(folder / "figures.json"),
            answers=_read_answers(folder / "answers.csv"),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _spoiled(path, error) from None


def find_runs(folder: Path) -> list[Path]:
    """Return the folders of runs in a folder, sorted; the folder itself if it is a run.

    Raises RunError if there are none.
    """
    if (folder / "run.json").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/run.json"))
    if not found:
        raise RunError(f"{folder} holds no runs: foodvision train PHOTOS makes one")
    return found


def sort_runs(records: Sequence[RunRecord], by: Literal["time", "top1"]) -> list[RunRecord]:
    """Return the newest runs first, or those that are best on their test photos."""

    def key(record: RunRecord) -> tuple[float, float]:
        top1 = record.figures.top1 if by == "top1" and record.figures else -1.0
        return top1, datetime.fromisoformat(record.started).timestamp()

    return sorted(records, key=key, reverse=True)


def _read_metrics(path: Path) -> tuple[Row, ...]:
    if not path.exists():
        return ()
    rows = _read_json(path, list)
    if not all(isinstance(row, dict) for row in rows):
        raise _spoiled(path, TypeError("a row is no object"))
    return tuple(rows)


def _read_judgement(path: Path) -> Judgement | None:
    if not path.exists():
        return None
    raw = _read_json(path)
    try:
        return Judgement.from_dict(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _spoiled(path, error) from None


def _read_answers(path: Path) -> tuple[RunAnswer, ...]:
    if not path.exists():
        return ()
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return tuple(
                RunAnswer(photo, label, answer, float(confidence), float(known_score))
                for photo, label, answer, confidence, known_score in list(csv.reader(file))[1:]
            )
    except (OSError, ValueError, csv.Error) as error:
        raise _spoiled(path, error) from None


def _read_json(path: Path, kind: type = dict) -> Any:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _spoiled(path, error) from None
    if not isinstance(raw, kind):
        raise _spoiled(path, TypeError(f"it holds no {kind.__name__}"))
    return raw


def _spoiled(path: Path, error: Exception) -> RunError:
    if isinstance(error, KeyError):
        reason = f"{error.args[0]} is missing"
    else:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return RunError(f"{path} cannot be read ({reason}): restore it, or delete {path.parent}")
