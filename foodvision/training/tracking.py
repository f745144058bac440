"""Experiment tracking: a run's figures, given to one of accelerate's trackers."""

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker

from foodvision.errors import SettingsError
from foodvision.runs import Row
from foodvision.runs.dashboard import PROJECT
from foodvision.training.config import TrackerName

LOCAL: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "mlflow": {"MLFLOW_DISABLE_TELEMETRY": "true"},
        "swanlab": {"SWANLAB_MODE": "offline"},
        "wandb": {
            "WANDB_MODE": "offline",
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_SILENT": "true",
        },
    }
)
"""Environment variables by which a tracker writes to this machine only; one that is set wins."""


class Tracker:
    """Where the figures of a run go besides its folder."""

    def __init__(self, tracker: GeneralTracker, close: Callable[[], None]) -> None:
        self._tracker, self._close = tracker, close
        self._step = 0

    def log(self, row: Row, step: int) -> None:
        """Write an epoch's numbers."""
        self._step = step
        self._tracker.log(dict(_numbers(row)), step=step)

    def finish(self, figures: Mapping[str, Any]) -> None:
        """Write the test photos' figures, nothing for a run that has none, and close."""
        measured = {f"test_{name}": value for name, value in _numbers(figures)}
        if measured:
            self._tracker.log(measured, step=self._step)
        with redirect_stdout(sys.stderr):
            self._close()


def check_tracker(name: TrackerName) -> None:
    """Raise SettingsError if a tracker is not installed."""
    if find_spec(name) is None:
        raise SettingsError(f"track {name}: the package is not installed; pip install {name}")


def open_tracker(
    name: TrackerName, folder: Path, settings: Mapping[str, Any], *, resume: bool = False
) -> Tracker:
    """Return the tracker of that name for the run in a folder, under the folder's name.

    It writes to this machine, unless environment variables of its own say otherwise.

    resume: go on with the run of that name, where the tracker can.
    """
    for variable, value in LOCAL.get(name, {}).items():
        os.environ.setdefault(variable, value)
    project, options = PROJECT, dict[str, Any]()
    match name:
        case "tensorboard":  # whose project is the folder below the run's
            project, options = name, {"logging_dir": folder}
        case "trackio":
            options = {"name": folder.name, "resume": "allow" if resume else "never"}
            options |= {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
        case "mlflow":
            options = {"run_name": folder.name}
        case "swanlab":
            options = {"experiment_name": folder.name, "logdir": str(folder / name)}
        case "wandb":
            options = {"name": folder.name, "dir": folder}
    tracker = LOGGER_TYPE_TO_CLASS[name](project, **options)
    with redirect_stdout(sys.stderr), _without_hub(name):
        tracker.start()
    tracker.store_init_configuration(
        {key: _plain(value) for key, value in settings.items() if value is not None}
    )
    # trackio's own: a run that is closed by itself is closed, and told, once more at exit.
    close = import_module(name).finish if name == "trackio" else tracker.finish
    return Tracker(tracker, close)


@contextmanager
def _without_hub(name: TrackerName) -> Iterator[None]:
    """Keep trackio from asking the Hub whose token lies here, unless it writes to the Hub."""
    from huggingface_hub import constants

    is_remote = "TRACKIO_SPACE_ID" in os.environ or "TRACKIO_SERVER_URL" in os.environ
    if name != "trackio" or is_remote:
        yield
        return
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _plain(value: Any) -> bool | float | str:
    return value if isinstance(value, (bool, int, float)) else str(value)


def _numbers(row: Row) -> Iterator[tuple[str, float]]:
    """What of a row can be drawn: the numbers, without the epoch, which is the step."""
    for name, value in row.items():
        if name != "epoch" and isinstance(value, (int, float)) and math.isfinite(value):
            yield name, float(value)
