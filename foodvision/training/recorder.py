"""The folder of a run: whose it is, what is written there while the run goes on, how it ended."""

import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from foodvision.checkpoint import check_target
from foodvision.errors import SettingsError, Stopped
from foodvision.evaluation import Figures
from foodvision.runs import Row, State, read_run, write_metrics, write_start, write_state
from foodvision.training.config import TrainConfig
from foodvision.training.events import EpochEnded, Listener, ignore
from foodvision.training.tracking import Tracker, check_tracker, open_tracker


def agree_on_folder(config: TrainConfig, resume: bool, accelerator: Accelerator) -> Path:
    """Return the first process's run folder, in all processes, before anything is written to it.

    Raises what `check_run_folder` does.
    """
    folder = run_folder(config)
    if accelerator.is_main_process:
        check_run_folder(folder, resume)
    agreed: Path = broadcast_object_list([folder])[0]
    return agreed


def run_folder(config: TrainConfig) -> Path:
    """Return the folder asked for, or a new name under runs/."""
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{Path(config.model).name}"
    return config.output or Path("runs") / name


def check_run_folder(folder: Path, resume: bool) -> None:
    """See that a run can start in a folder, or go on in it.

    Raises SettingsError if there is a run already, or none to go on with; CheckpointError if the
    folder cannot be written.
    """
    check_target(folder / "checkpoint")
    exists = (folder / "run.json").exists()
    if exists and not resume:
        raise SettingsError(
            f"{folder} already contains a run: continue it with --resume {folder}, or choose "
            "another folder"
        )
    if resume and not exists:
        raise SettingsError(f"{folder} contains no run to resume: check the path")
    if resume and not (folder / "state").exists() and (folder / "checkpoint").exists():
        raise SettingsError(f"{folder} is already finished: there is nothing to resume")


class Recorder:
    """What is written of a run while it goes on."""

    def __init__(
        self,
        folder: Path,
        tracker: Tracker | None,
        seconds: float = 0.0,
        tell: Listener = ignore,
    ) -> None:
        """Take the run folder, and the tracker and listener that are told of every epoch.

        seconds: that the run took before, if it goes on.
        """
        self._folder, self._tracker, self._tell = folder, tracker, tell
        self._finished: list[Row] = []
        self._started = time.perf_counter() - seconds
        self.rows: list[Row] = []

    @property
    def seconds(self) -> float:
        """What the run took so far, without the time that it lay still."""
        return time.perf_counter() - self._started

    def __call__(self, rows: list[Row]) -> None:
        """Write the epochs so far: a stage's under way, after those of the finished ones."""
        self.rows = [*self._finished, *rows]
        write_metrics(self._folder, self.rows)
        write_state(self._folder, "running", self.seconds)
        if self._tracker:
            self._tracker.log(self.rows[-1], len(self.rows))
        self._tell(EpochEnded(self.rows[-1]))

    def finish(self, rows: list[Row]) -> None:
        """Take a stage's epochs for finished."""
        self._finished += rows
        self.rows = list(self._finished)

    def close(self, figures: Figures) -> None:
        """Write what came out."""
        write_metrics(self._folder, self.rows)
        self.end("finished", figures.to_dict())

    def end(self, state: State, figures: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Write how the run ended."""
        write_state(self._folder, state, self.seconds)
        if self._tracker:
            self._tracker.finish(figures)


@contextmanager
def kept(
    folder: Path,
    data: str | Path,
    config: TrainConfig,
    accelerator: Accelerator,
    tell: Listener = ignore,
    *,
    resume: bool,
) -> Iterator[Recorder]:
    """Give the recorder of a run whose folder is this process's alone; say how the run ended.

    Raises SettingsError if another run writes to the folder, or wrote there meanwhile.
    """
    if not accelerator.is_main_process:
        with told_how_to_go_on(data, folder):
            yield Recorder(folder, None)
        return
    if config.track:
        check_tracker(config.track)  # better missed now than when there is a run
    with locked(folder), told_how_to_go_on(data, folder):
        check_run_folder(folder, resume)  # finding the photos took its time
        seconds = 0.0
        if resume:
            seconds = read_run(folder).seconds
            write_state(folder, "running", seconds)
        else:
            command = ["foodvision", "train", str(data), *_as_options(config)]
            write_start(
                folder, asdict(config), str(data), command, {"device": str(accelerator.device)}
            )
        tracker = None
        if config.track:
            tracker = open_tracker(config.track, folder, asdict(config), resume=resume)
        recorder = Recorder(folder, tracker, seconds, tell)
        try:
            yield recorder
        except (Stopped, KeyboardInterrupt):
            recorder.end("stopped")
            raise
        except BaseException:
            recorder.end("failed")
            raise
        shutil.rmtree(folder / "state", ignore_errors=True)


@contextmanager
def told_how_to_go_on(data: str | Path, folder: Path) -> Iterator[None]:
    """Say with which command a stopped run is resumed."""
    try:
        yield
    except (Stopped, KeyboardInterrupt) as error:
        command = shlex.join(["foodvision", "train", str(data), "--resume", str(folder)])
        # What ends by itself saves its place; of several processes the first may still write it.
        is_saved = isinstance(error, Stopped) or (folder / "state").exists()
        said = "the state is saved" if is_saved else "before the first step"
        raise Stopped(f"stopped, {said}: resume with {command}") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; a run that was killed keeps nobody out.

    Raises SettingsError if one is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise SettingsError(
            f"another run is writing to {folder}: choose another --output"
        ) from None


def _as_options(config: TrainConfig) -> list[str]:
    """The options that differ from the defaults, as they are typed."""
    default, options = TrainConfig(), []
    for field in fields(config):
        value, flag = getattr(config, field.name), field.name.replace("_", "-")
        if value == getattr(default, field.name) or field.name == "output":
            continue
        if isinstance(value, bool):
            options.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            options += [f"--{flag}", str(value)]
    return options
