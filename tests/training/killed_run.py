"""A run that is killed again and again, and taken up each time; a program of its own.

    python killed_run.py DATA OUTPUT SETTINGS SEED

SETTINGS: the fields of a TrainConfig, as JSON. The first processes are killed by SIGKILL, in the
middle of a write to the disk or at any moment; the last one is left alone. Prints a line for each.
"""

import json
import os
import random
import signal
import stat
import sys
import threading
from pathlib import Path

from foodvision.training.config import TrainConfig
from foodvision.training.run import run_training


def main() -> None:
    data, output, settings, seed = sys.argv[1:]
    config = TrainConfig(**json.loads(settings), output=Path(output))
    chance = random.Random(seed)
    plans = [("in a write", chance.randint(8, 24)) for _ in range(3)]
    plans += [("after seconds", chance.uniform(0.2, 1.5)) for _ in range(2)]
    chance.shuffle(plans)
    for kind, when in [*plans, ("never", 0)]:
        child = os.fork()
        if child == 0:
            die_later(kind, when)
            run_training(data, config, resume=(Path(output) / "run.json").exists())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(kind, round(when, 2), "killed" if killed else f"status {status}", flush=True)
        if not killed:
            break


def die_later(kind: str, when: float) -> None:
    if kind == "after seconds":
        threading.Timer(when, die).start()
    if kind == "in a write":
        left, sync = iter(range(int(when), -1, -1)), os.fsync

        def sync_or_die(descriptor: int) -> None:
            if next(left) == 0:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    # Half of what was written, as where the power fails.
                    os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                die()
            sync(descriptor)

        os.fsync = sync_or_die


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


main()
