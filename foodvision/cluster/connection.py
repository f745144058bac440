"""The cluster: one that is started here, or one that runs already."""

import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import ray.data

from foodvision.errors import SettingsError, first_line
from foodvision.system.processes import processors

LOCAL = "local"
"""The address of a cluster of this machine alone, started for one command."""

# Elsewhere Ray stays on loopback by itself; on Linux it replaces 127.0.0.1 by another address.
_LOOPBACK = "127.0.0.2" if sys.platform == "linux" else None

_PATIENCE = 10  # seconds

_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextmanager
def connected(address: str, cpus: int = 1) -> Iterator[None]:
    """Connect to a Ray cluster until the block ends.

    address: `LOCAL`, or what `ray.init` takes: HOST:PORT of the head, or auto.
    cpus: processors of an actor or replica, which would wait for ever on a smaller machine.

    Raises SettingsError if no cluster answers there, or if this machine has too few processors.
    """
    if address == LOCAL and cpus > processors():
        raise SettingsError(
            f"--ray-cpus {cpus} exceeds the {processors()} processors of this machine: use fewer"
        )
    if address != LOCAL:
        _check_answering(address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else ray.init warns of it
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what is wrong comes as an exception
    try:
        with _undisturbed():
            if address == LOCAL:
                # Without the dashboard's web server.
                options = {"num_cpus": processors(), "_node_ip_address": _LOOPBACK}
                ray.init(address=LOCAL, include_dashboard=False, **options, **_QUIET)
            else:
                ray.init(address=address, **_QUIET)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise _no_cluster(address, error) from None
    _set_up()
    try:
        yield
    finally:
        ray.shutdown()


def _check_answering(address: str) -> None:
    """Raise SettingsError at once where nobody listens: Ray itself tries for ten minutes."""
    if given := re.fullmatch(r"(?:ray://)?(?P<host>[^:/]+):(?P<port>\d+)", address):
        try:
            socket.create_connection((given["host"], int(given["port"])), _PATIENCE).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"--ray {address}: no Ray cluster found there ({first_line(error)}). Start one with `ray "
        "start --head`, or use --ray local"
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Have nothing written to standard error, where Ray's C++ says which variables it read.

    Ray also has SIGTERM abort the process; the handler from before comes back.
    """
    kept, handler = os.dup(2), signal.getsignal(signal.SIGTERM)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _set_up() -> None:
    """Have Ray show progress bars in a terminal and no log but errors, and read within actors."""
    for name in ("ray", "ray.data", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = sys.stderr.isatty()
    # The newer reader lists files in a task of its own, which waits for ever for a processor if
    # actors hold all of them.
    context.use_datasource_v2 = False
