"""Experiment tracking on this machine: trackio's database, or TensorBoard's event files.

Nothing here goes over a network or starts a server while a run trains. Every epoch is on the disk
when `log` returns, so that a run that is killed keeps its curves.
"""

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from foodvision.errors import RunError
from foodvision.runs.reading import read_run
from foodvision.runs.record import Row, RunRecord

TrackerName: TypeAlias = Literal["trackio", "tensorboard"]

PROJECT = "foodvision"
"""Under which trackio shows our runs."""


class Tracker(Protocol):
    """Where the figures of a run go besides its folder."""

    def log(self, row: Row, step: int) -> None:
        """Write an epoch's numbers."""

    def finish(self, figures: Mapping[str, Any]) -> None:
        """Write the test photos' figures, nothing for a run that has none, and close."""


def open_tracker(
    name: TrackerName, folder: Path, run_name: str, settings: Mapping[str, Any]
) -> Tracker:
    """Return the tracker of that name for a run whose folder `write_start` began.

    A run that is taken up again goes on where it was.

    Raises ModuleNotFoundError if the tracker is not installed.
    """
    plain = {name: _plain(value) for name, value in settings.items() if value is not None}
    if name == "tensorboard":
        return _TensorBoard(folder / "tensorboard", plain)
    # Two runs may have the same name; they do not begin in the same folder at the same second.
    started = read_run(folder).started
    return _Trackio(run_name, f"{folder.resolve()} {started}", plain)


def choose_dashboard(records: Sequence[RunRecord]) -> TrackerName:
    """Return the tracker of the first run that was tracked.

    Raises RunError if no run was tracked.
    """
    for record in records:
        if (record.folder / "tensorboard").is_dir():
            return "tensorboard"
        if record.settings.get("track") == "trackio":
            return "trackio"
    raise RunError("no run was tracked: foodvision train PHOTOS --track trackio does it")


def show_dashboard(name: TrackerName, folder: Path) -> None:
    """Show the runs of a folder in the browser until Ctrl-C; on this machine only.

    Raises ModuleNotFoundError if the tracker is not installed.
    """
    if name == "trackio":
        import trackio

        trackio.show(project=PROJECT, share=False, mcp_server=False)
    else:
        import tensorboard.main  # a process of its own: it takes over signals and logging

        program = [sys.executable, "-m", tensorboard.main.__name__]
        subprocess.run([*program, "--logdir", str(folder)], check=True)  # noqa: S603 (our own words)


class _Trackio:
    """Rows in trackio's own database: where TRACKIO_DIR says, or in its folder beside the Hub's.

    Not by `trackio.init`: that asks the Hub whose token lies on this machine, follows
    TRACKIO_SPACE_ID to a Space, and holds back rows for half a second.
    """

    def __init__(self, run_name: str, run_id: str, settings: Mapping[str, Any]) -> None:
        from trackio.sqlite_storage import SQLiteStorage

        self._write = partial(SQLiteStorage.bulk_log, PROJECT, run_name, run_id=run_id)
        created = datetime.now(timezone.utc).isoformat()
        # The fields that trackio's own runs have: its dashboard sorts and groups by them.
        self._config = {**settings, "_Username": None, "_Created": created, "_Group": None}
        self._step = 0

    def log(self, row: Row, step: int) -> None:
        self._step = step
        self._write([dict(_numbers(row))], [step], config=self._config)

    def finish(self, figures: Mapping[str, Any]) -> None:
        if measured := _test_figures(figures):
            self.log(measured, self._step)


class _TensorBoard:
    """Event files, written by TensorBoard's own writer: neither torch nor TensorFlow is needed."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))
        self._step = 0
        self._add(hparams_pb(settings, trial_id=str(folder)), 0)

    def log(self, row: Row, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._step = step
        values = [Summary.Value(tag=name, simple_value=value) for name, value in _numbers(row)]
        self._add(Summary(value=values), step)

    def finish(self, figures: Mapping[str, Any]) -> None:
        if measured := _test_figures(figures):
            self.log(measured, self._step)
        self._writer.close()

    def _add(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        now = datetime.now(timezone.utc).timestamp()
        self._writer.add_event(Event(wall_time=now, step=step, summary=summary))
        self._writer.flush()


def _plain(value: Any) -> bool | float | str:
    return value if isinstance(value, (bool, int, float)) else str(value)


def _numbers(row: Row) -> Iterator[tuple[str, float]]:
    """What of a row can be drawn: the numbers, without the epoch, which is the step."""
    for name, value in row.items():
        if name != "epoch" and isinstance(value, (int, float)) and math.isfinite(value):
            yield name, float(value)


def _test_figures(figures: Mapping[str, Any]) -> dict[str, float]:
    return {f"test_{name}": value for name, value in _numbers(figures)}
