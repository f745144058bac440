"""The processes of a run, where a launcher started several: who speaks for all of them.

A launcher (`accelerate launch`, `torchrun`) says in the environment how many there are and where
they meet. What they compute together is left to `accelerate`, in the rooms that own torch.
"""

import os
from datetime import timedelta


def is_first() -> bool:
    """Whether this is the process that prints and writes; alone, it is."""
    return os.environ.get("RANK", "0") == "0"


def reports_error() -> bool:
    """Whether no other process of the run has told yet why it ends; from then on, this one has.

    One that fails takes the others with it, which must not bury its words under their own.
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
