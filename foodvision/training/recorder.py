"""The folder of a run: locked, written while the run goes on, and marked with how it ended."""

import re
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
from foodvision.errors import FoodVisionError, SettingsError, Stopped, first_line
from foodvision.figures import Figures
from foodvision.runs.reading import read_run
from foodvision.runs.record import Row, State, write_metrics, write_start, write_state
from foodvision.training.config import TrainConfig
from foodvision.training.events import EpochEnded, Listener, ignore
from foodvision.training.tracking import Tracker, check_tracker, open_tracker

# In the words of PyTorch: of CUDA and MPS, of the CPU; and of its DataLoader.
_IS_OUT_OF_MEMORY = re.compile("out of memory|DefaultCPUAllocator")
_HAS_LOST_A_WORKER = re.compile(r"DataLoader worker \(pid")


def agree_on_folder(config: TrainConfig, resume: bool, accelerator: Accelerator) -> Path:
    """Return the folder asked for, or a new one under runs/, the same in all processes.

    Nothing is written to it yet.

    Raises what `check_run_folder` does.
    """
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{Path(config.model).name}"
    folder = config.output or Path("runs") / name
    if accelerator.is_main_process:
        check_run_folder(folder, resume)
    agreed: Path = broadcast_object_list([folder])[0]
    return agreed


def check_run_folder(folder: Path, resume: bool) -> None:
    """Check that a run can start in a folder, or continue in it.

    Raises SettingsError if there is a run already, or none to continue; CheckpointError if the
    folder cannot be written.
    """
    check_target(folder / "checkpoint")
    exists = (folder / "run.json").exists()
    is_finished = not (folder / "state").exists() and (folder / "checkpoint").exists()
    if exists and not resume and is_finished:
        raise SettingsError(
            f"{folder} already contains a finished run: choose another folder with --output"
        )
    if exists and not resume:
        raise SettingsError(
            f"{folder} already contains a run: continue it with --resume {folder}, or choose "
            "another folder"
        )
    if resume and not exists:
        raise SettingsError(f"{folder} contains no run to resume: check the path")
    if resume and is_finished:
        raise SettingsError(f"{folder} is already finished: there is nothing to resume")


class Recorder:
    """Writes down a run while it goes on."""

    def __init__(
        self,
        folder: Path,
        tracker: Tracker | None,
        seconds: float = 0.0,
        tell: Listener = ignore,
    ) -> None:
        """Take the run folder, and the tracker and listener that get every epoch.

        seconds: what the run took before, if it is continued.
        """
        self._folder, self._tracker, self._tell = folder, tracker, tell
        self._finished: list[Row] = []
        self._started = time.perf_counter() - seconds
        self.rows: list[Row] = []

    @property
    def seconds(self) -> float:
        """Seconds that the run took so far, without interruptions."""
        return time.perf_counter() - self._started

    def __call__(self, rows: list[Row]) -> None:
        """Write the epochs so far: those of finished stages, then those of the current one."""
        self.rows = [*self._finished, *rows]
        write_metrics(self._folder, self.rows)
        write_state(self._folder, "running", self.seconds)
        if self._tracker:
            self._tracker.log(self.rows[-1], len(self.rows))
        self._tell(EpochEnded(self.rows[-1]))

    def finish(self, rows: list[Row]) -> None:
        """Add the epochs of a finished stage."""
        self._finished += rows
        self.rows = list(self._finished)

    def close(self, figures: Figures) -> None:
        """Write the epochs, and that the run is finished."""
        write_metrics(self._folder, self.rows)
        self.end("finished", figures.to_dict())

    def end(self, state: State, figures: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Write how the run ended."""
        write_state(self._folder, state, self.seconds)
        if self._tracker:
            self._tracker.finish(figures)


@contextmanager
def record_run(
    folder: Path,
    data: str | Path,
    config: TrainConfig,
    accelerator: Accelerator,
    tell: Listener = ignore,
    *,
    resume: bool,
) -> Iterator[Recorder]:
    """Lock a run's folder, yield its recorder, and write how the run ended.

    Raises SettingsError if another run writes to the folder, or wrote there meanwhile.
    """
    if not accelerator.is_main_process:
        with say_how_to_go_on(data, folder):
            yield Recorder(folder, None)
        return
    if config.track:
        check_tracker(config.track)  # before there is a run
    with locked(folder), say_how_to_go_on(data, folder):
        check_run_folder(folder, resume)  # another run may have started since the first check
        seconds = 0.0
        if resume:
            seconds = read_run(folder).seconds
            write_state(folder, "running", seconds)
        else:
            command = ["foodvision", "train", str(data), *_as_options(config)]
            write_start(
                folder, asdict(config), str(data), command, {"device": str(accelerator.device)}
            )
        settings, track = asdict(config), config.track
        tracker = open_tracker(track, folder, settings, resume=resume) if track else None
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
def say_how_to_go_on(data: str | Path, folder: Path) -> Iterator[None]:
    """Say what to do about a run that was stopped, or ran out of memory.

    Raises Stopped with the command that resumes the run, FoodVisionError for want of memory.
    """
    command = shlex.join(["foodvision", "train", str(data), "--resume", str(folder)])
    try:
        yield
    except (Stopped, KeyboardInterrupt) as error:
        # Stopped is raised after saving; of several processes, the first may still be writing.
        is_saved = isinstance(error, Stopped) or (folder / "state").exists()
        said = "the state is saved" if is_saved else "before the first step"
        raise Stopped(f"stopped, {said}: resume with {command}") from None
    except (MemoryError, RuntimeError) as error:
        said = first_line(error)
        if isinstance(error, MemoryError) or _IS_OUT_OF_MEMORY.search(said):
            raise FoodVisionError(
                f"not enough memory ({said}): start again with a smaller --batch-size or "
                "--image-size, or a smaller --model"
            ) from None
        if _HAS_LOST_A_WORKER.search(said):
            raise FoodVisionError(
                f"a process that reads photos was killed, often for want of memory ({said}): "
                f"close other programs, in Docker add --shm-size=1g, then resume with {command}"
            ) from None
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other runs; the lock of a killed run is gone.

    Raises SettingsError if another run holds the lock.
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
    """Return the options that differ from the defaults, as they are typed."""
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
