"""Experiment tracking: pass a run's figures to one of accelerate's trackers."""

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
from foodvision.runs.dashboard import PROJECT
from foodvision.runs.record import Row
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
"""Environment variables that keep a tracker on this machine; your own values win."""


class Tracker:
    """A tracker that gets the figures of a run."""

    def __init__(self, tracker: GeneralTracker, close: Callable[[], None]) -> None:
        self._tracker, self._close = tracker, close
        self._step = 0

    def log(self, row: Row, step: int) -> None:
        """Log an epoch's numbers."""
        self._step = step
        self._tracker.log(dict(_numbers(row)), step=step)

    def finish(self, figures: Mapping[str, Any]) -> None:
        """Log the figures of the test photos, if there are any, and close."""
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

    It writes to this machine, unless its own environment variables say otherwise.

    resume: continue the run of that name, where the tracker can.
    """
    for variable, value in LOCAL.get(name, {}).items():
        os.environ.setdefault(variable, value)
    project, options = PROJECT, dict[str, Any]()
    match name:
        case "tensorboard":  # its project is a folder in the run's
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
        {
            key: value if isinstance(value, (bool, int, float)) else str(value)
            for key, value in settings.items()
            if value is not None
        }
    )
    # trackio's own: otherwise it closes the run once more at exit, and says so.
    close = import_module(name).finish if name == "trackio" else tracker.finish
    return Tracker(tracker, close)


@contextmanager
def _without_hub(name: TrackerName) -> Iterator[None]:
    """Keep trackio from asking the Hub who you are, unless it writes there."""
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


def _numbers(row: Row) -> Iterator[tuple[str, float]]:
    """Yield the finite numbers of a row, without the epoch, which is the step."""
    for name, value in row.items():
        if name != "epoch" and isinstance(value, (int, float)) and math.isfinite(value):
            yield name, float(value)
