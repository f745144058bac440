"""Processors that this process may use; and the processes of a run, if a launcher started several.

A launcher (`accelerate launch`, `torchrun`) says in the environment how many there are and where
they meet. What they compute together is left to `accelerate`, in the rooms that own torch.
"""

import math
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath


def processors(root: Path = Path("/")) -> int:
    """Return how many processors this process may use: at least 1.

    A container may have a share of a machine: its processors are limited by affinity (cpuset), or
    by a quota of the control group (`docker run --cpus 2`), which `os.cpu_count` does not see.

    root: where /proc and /sys are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min([allowed or 1, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the processors that each control group above this process may use, where limited."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        inside = PurePosixPath(place.lstrip("/"))
        for group in (inside, *inside.parents):
            for mount in ("", "cpu", "cpu,cpuacct", "unified"):
                yield from _quota(root / "sys/fs/cgroup" / mount / group)


def _quota(group: Path) -> Iterator[float]:
    """Yield the quota of one group, as version 2 or 1 of control groups writes it."""
    lines = _lines(group / "cpu.max")
    numbers = lines[0].split() if lines else []
    if not numbers:
        files = (group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us")
        numbers = [word for file in files for word in _lines(file)]
    if len(numbers) == 2 and all(number.isdigit() for number in numbers) and int(numbers[1]):
        yield int(numbers[0]) / int(numbers[1])  # without a limit, "max" or -1 stands there


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def is_first() -> bool:
    """Whether this is the process that prints and writes; alone, it is."""
    return os.environ.get("RANK", "0") == "0"


def reports_error() -> bool:
    """Return True for the first process of a run that asks; it reports why the run ends.

    A process that fails ends the others too: their errors must not hide the one that matters.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return True
    from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

    try:
        meeting = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=timedelta(seconds=10),
        )
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return meeting.add(f"foodvision/told/{attempt}", 1) == 1
    except (KeyError, ValueError, DistError):
        return is_first()  # nobody can be asked: before the processes met, all fail alike
