"""Training from Python: `foodvision.train("photos/", epochs=20)`."""

import os
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from foodvision.classifier import Classifier, load
from foodvision.errors import SettingsError
from foodvision.figures import Figures
from foodvision.runs.reading import read_run
from foodvision.runs.record import RunRecord
from foodvision.training.config import PRESETS, TrainConfig, check_whole_numbers
from foodvision.training.events import Listener, ignore


@dataclass(frozen=True)
class TrainingRun:
    """A finished training.

    folder: holds `checkpoint/`, `report.html` and all that was written down.
    """

    folder: Path

    @cached_property
    def record(self) -> RunRecord:
        """The run's files, read."""
        return read_run(self.folder)

    @property
    def figures(self) -> Figures:
        """The figures measured on the test photos, such as `figures.top1`."""
        assert self.record.figures is not None  # a finished run was judged
        return self.record.figures

    @property
    def history(self) -> dict[str, list[float]]:
        """The lecture's results: train_loss, train_acc, test_loss, test_acc, a value an epoch.

        Its test_... values are those of the validation photos: the test photos are answered once,
        at the end.
        """
        names = {
            "train_loss": "train_loss",
            "train_acc": "train_acc",
            "test_loss": "val_loss",
            "test_acc": "val_acc",
        }
        return {
            name: [float(row[ours]) for row in self.record.metrics] for name, ours in names.items()
        }

    @cached_property
    def classifier(self) -> Classifier:
        """The model, ready to answer."""
        return load(self.folder)


def train(
    data: str | os.PathLike[str],
    *,
    preset: Literal["quick", "balanced", "best"] | None = None,
    resume: str | os.PathLike[str] | None = None,
    listener: Listener = ignore,
    **settings: Any,
) -> TrainingRun:
    """Train on photos, as `foodvision train` does.

    data: a folder with `train/` and `test/` class folders (also `val/`), or with class folders
        only; a .zip, .tar.gz or .csv; `food101`; `hf://user/dataset`.
    preset: several settings at once; those given beside it win.
    resume: the folder of an interrupted run, to continue with its settings.
    listener: called with the events of `foodvision.training.events`.
    settings: the fields of `foodvision.training.config.TrainConfig`, as `epochs=20`; `output` is
        the folder of the run, a new one under `runs/` if not given.

    Ctrl-C, or the interrupt of a notebook, saves the state and raises errors.Stopped; `resume`
    continues from there. Progress bars show in a terminal and in a notebook.

    Raises FoodVisionError, in one line, for what you can fix.

    >>> run = foodvision.train("photos/", epochs=20)
    >>> run.figures.top1
    0.96
    >>> run.classifier.predict("photo.jpg").label
    'pizza'
    """
    from foodvision.training.run import run_training  # torch takes seconds to import

    if resume is not None:
        if preset or settings:
            raise SettingsError("resume keeps the run's settings: leave out all other settings")
        settings = {**read_run(Path(resume)).settings, "output": Path(resume)}
    if preset and preset not in PRESETS:
        raise SettingsError(f"unknown preset {preset}: use {', '.join(PRESETS)}")
    config = _config({**PRESETS.get(preset or "", {}), **settings})
    return TrainingRun(
        run_training(os.fspath(data), config, listener, resume=resume is not None).parent
    )


def _config(settings: dict[str, Any]) -> TrainConfig:
    """Return the settings given by name. Raises SettingsError for a wrong name or value."""
    known = [field.name for field in fields(TrainConfig)]
    if strange := sorted(settings.keys() - set(known)):
        near = get_close_matches(strange[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
        raise SettingsError(f"unknown setting {strange[0]}: {hint}")
    check_whole_numbers(settings)  # pydantic takes True and "1" for 1
    try:
        return TypeAdapter(TrainConfig).validate_python(settings)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name, value = fault["loc"][0], fault["input"]
        raise SettingsError(f"{name} {value!r:.60}: {fault['msg']}") from None
