"""The files of a run, written while it goes on.

A crash at any moment leaves each file as it was or as it should be. Reading them back is left to
`foodvision.runs.reading`, drawing to `foodvision.reports.pages`, the checkpoint to its own room.
"""

import csv
import io
import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from foodvision.evaluation.judge import Judgement
from foodvision.figures import Figures
from foodvision.runs.answers import JudgedPhoto
from foodvision.runs.system import describe_system, describe_versions
from foodvision.safety.escaping import to_cell
from foodvision.system.storage import write_atomically

State: TypeAlias = Literal["running", "finished", "stopped", "failed"]
"""Where a run stands; one whose process was killed is left as running."""

PHOTOS = "photos.csv"
"""The list of a run's photos, in its folder."""

EXCLUDED = "exclude.txt"
"""The copy of the list of photos that a run leaves out, in its folder."""

Row: TypeAlias = Mapping[str, Any]
"""An epoch: epoch, stage, train_loss, train_acc, val_loss, val_acc, learning_rate, seconds."""


class UsedPhoto(NamedTuple):
    """A row of `photos.csv`: a photo of a run by its path in the photos' folder, and its split.

    sha256: of the file's bytes, in hexadecimal, so that a copy elsewhere is known again.
    """

    photo: str
    split: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RunRecord:
    """What a run's folder says.

    data: where the photos came from, as it was given.
    started: date and time, ISO 8601 with the offset from UTC.
    command: what repeats the run, word by word.
    seconds: what it took until its state was written.
    settings: the fields of its TrainConfig.
    metrics: a row an epoch. judgement, answers: None and empty before the test photos were judged.
    """

    folder: Path
    data: str
    started: str
    command: tuple[str, ...]
    state: State
    seconds: float
    system: Mapping[str, Any]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    metrics: tuple[Row, ...] = ()
    judgement: Judgement | None = None
    answers: tuple[JudgedPhoto, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def figures(self) -> Figures | None:
        """What its test photos say, if they were judged."""
        return self.judgement.figures if self.judgement else None

    def last(self, name: str) -> float | None:
        """Return a number of the last epoch, if there is one."""
        value = self.metrics[-1].get(name) if self.metrics else None
        return value if isinstance(value, (int, float)) else None

    @property
    def command_line(self) -> str:
        """The command as it is typed."""
        return shlex.join(self.command)

    def to_dict(self) -> dict[str, Any]:
        """Return what a list of runs says of it, as JSON types."""
        figures = self.figures
        return {
            "name": self.name,
            "folder": str(self.folder),
            "state": self.state,
            "model": self.settings.get("model"),
            "data": self.data,
            "epochs": len(self.metrics),
            "val_acc": self.last("val_acc"),
            "n": figures.n if figures else None,
            "top1": figures.top1 if figures else None,
            "top1_interval": list(figures.top1_interval) if figures else None,
            "seconds": self.seconds,
            "started": self.started,
        }


def write_start(
    folder: Path,
    settings: Mapping[str, Any],
    data: str,
    command: Sequence[str],
    extra_system: Mapping[str, Any] | None = None,
) -> None:
    """Write `config.json` and `run.json` of a run that begins.

    settings: the fields of its TrainConfig. data: where the photos come from, as it was given.
    command: what repeats the run, word by word.
    extra_system: what this room cannot know, as {"accelerator": "NVIDIA A100"}.
    """
    # Who repeats a run does not want to write over it.
    repeated = {name: value for name, value in settings.items() if name != "output"}
    _write_json(folder / "config.json", repeated)
    content = {
        "data": data,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": list(command),
        "state": "running",
        "seconds": 0.0,
        "system": describe_system() | dict(extra_system or {}),
        "versions": describe_versions(),
    }
    _write_json(folder / "run.json", content)


def write_state(folder: Path, state: State, seconds: float) -> None:
    """Write into `run.json` where a run stands, and the seconds that it took so far."""
    raw = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    _write_json(folder / "run.json", {**raw, "state": state, "seconds": round(seconds, 3)})


def write_metrics(folder: Path, rows: Sequence[Row]) -> None:
    """Write `metrics.csv` and `metrics.json`: all rows so far, empty where no finite number is."""
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    finite = [{name: _finite(row.get(name)) for name in columns} for row in rows]
    _write_csv(folder / "metrics.csv", columns, (tuple(row.values()) for row in finite))
    _write_json(folder / "metrics.json", finite)


def write_answers(folder: Path, answers: Iterable[JudgedPhoto]) -> None:
    """Write `answers.csv`: what the model said of each test photo."""
    rows = [(*map(to_cell, answer[:3]), *answer[3:]) for answer in answers]
    _write_csv(folder / "answers.csv", JudgedPhoto._fields, rows)


def write_photos(folder: Path, photos: Iterable[UsedPhoto]) -> None:
    """Write `photos.csv`: the photos that a run learns from and is measured on."""
    rows = [(to_cell(photo.photo), *photo[1:]) for photo in photos]
    _write_csv(folder / PHOTOS, UsedPhoto._fields, rows)


def write_figures(folder: Path, judgement: Judgement) -> None:
    """Write `figures.json`: what the test photos say of the model."""
    _write_json(folder / "figures.json", judgement.to_dict())


def _finite(value: float | str | None) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"
    write_atomically(path, text.encode("utf-8", "surrogateescape"))


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    content = io.StringIO(newline="")
    csv.writer(content, lineterminator="\n").writerows([columns, *rows])
    write_atomically(path, content.getvalue().encode("utf-8", "surrogateescape"))
