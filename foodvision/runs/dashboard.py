"""The dashboards of tracked runs, shown on this machine."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from foodvision.errors import RunError
from foodvision.runs.record import RunRecord

Dashboard: TypeAlias = Literal["tensorboard", "trackio"]

PROJECT = "foodvision"
"""The project under which trackers file our runs."""


def choose_dashboard(records: Sequence[RunRecord]) -> Dashboard:
    """Return the dashboard of the first run that tensorboard or trackio tracked.

    Raises RunError if there is none.
    """
    for record in records:
        if (record.folder / "tensorboard").is_dir():
            return "tensorboard"
        if record.settings.get("track") == "trackio":
            return "trackio"
    raise RunError("no run was tracked: train with foodvision train PHOTOS --track trackio")


def show_dashboard(name: Dashboard, folder: Path) -> None:
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
