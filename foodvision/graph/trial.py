"""A stranger's graph is loaded and run for the first time in a process with limits of its own.

What passes is remembered by its SHA-256 in the user's cache folder, and not tried again.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from math import ceil
from pathlib import Path
from time import process_time

import numpy as np
import onnxruntime

from foodvision.errors import CheckpointError
from foodvision.graph.check import examine, shown
from foodvision.graph.cost import GraphFault
from foodvision.graph.session import Session
from foodvision.system.storage import cache_folder, write_atomically

try:
    import resource
except ImportError:  # Windows has no such limits, only the clock's
    resource = None  # type: ignore[assignment]

# What a trial may take. EfficientNet-Lite0 (14 MB) takes 0.5 s of processor time and 150 MB, of
# which Python's start takes 0.3 s; EfficientNet-B7 at 600 pixels takes 8 s and 1.5 GB, ViT-L at 384
# (1.2 GB) 27 s and 4.7 GB. A graph that is remembered costs one look at the disk.
_CLOCK_SECONDS = 300
_SECONDS = 20
_MULTIPLICATIONS_A_SECOND = 5e9  # of a slow core
_BYTES, _BYTES_OF_GRAPH = 3_000_000_000, 6

# The smallest batch: `examine` has already inferred the shapes of the largest.
_PHOTOS = 2

# Isolated, as the folder in which a user works may hold a stranger's onnx.py.
_PROGRAM = "import sys; sys.path[:] = sys.argv[4:]; from foodvision.graph.trial import main; main()"

_TOO_SLOW = "takes too long to load and run: use another model"

_VERSION = 1
"""Of the checks: what passed older ones is tried again."""


_passed: set[str] = set()


def try_graph(graph: bytes, sha256: str, size: int, classes: int) -> None:
    """Check that a graph is one of a checkpoint, and that it answers within limits.

    sha256: the graph's, in hexadecimal; of large graphs it takes a second, and readers have it.
    size: pixels of a side of its squares. classes: how many the configuration names.

    Raises GraphFault, the end of a sentence about the graph's file, if it is not.
    """
    if _is_remembered(_key(sha256, size, classes)):
        return
    try:
        _try_in_child(graph, size, classes)
    except OSError:
        # A program that brings Python along has no interpreter to start: the bounds must do.
        examine(graph, size, classes)
    remember_graph(sha256, size, classes)


def remember_graph(sha256: str, size: int, classes: int) -> None:
    """Remember that a graph can be used; on disk too, if the disk takes it."""
    key = _key(sha256, size, classes)
    _passed.add(key)
    with suppress(OSError, RuntimeError):  # a user without a home has no cache either
        write_atomically(_mark(key), b"")


def main() -> None:
    """Try the graph on the standard input; the first arguments are its size, classes and bytes."""
    size, classes, length = map(int, sys.argv[1:4])
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_DATA", _BYTES + _BYTES_OF_GRAPH * length)
    _limit("RLIMIT_CPU", _SECONDS)
    try:
        _run(sys.stdin.buffer.read(), size, classes)
    except (GraphFault, CheckpointError) as fault:
        print(json.dumps(str(fault).strip()))
    except MemoryError:
        print(json.dumps("needs too much memory: use another model"))
    else:
        print(json.dumps(""))


def _try_in_child(graph: bytes, size: int, classes: int) -> None:
    if not sys.executable or getattr(sys, "frozen", False):
        raise FileNotFoundError("there is no interpreter")
    numbers = map(str, (size, classes, len(graph)))
    try:
        ended = subprocess.run(  # noqa: S603 (our own interpreter, our own program)
            [sys.executable, "-I", "-W", "ignore", "-c", _PROGRAM, *numbers, *sys.path],
            input=graph,
            capture_output=True,
            timeout=_CLOCK_SECONDS,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise GraphFault(_TOO_SLOW) from None
    if fault := _read_fault(ended):
        raise GraphFault(shown(fault))


def _read_fault(ended: "subprocess.CompletedProcess[bytes]") -> str:
    if ended.returncode == 0:
        return str(json.loads(ended.stdout))
    if resource and ended.returncode == -signal.SIGXCPU:
        return _TOO_SLOW
    last = (ended.stderr.decode(errors="replace").strip() or "no output").splitlines()[-1]
    return f"crashes the process that tests it ({ended.returncode}: {last}): use another model"


def _run(graph: bytes, size: int, classes: int) -> None:
    multiplications = examine(graph, size, classes)
    photos = (1 + _PHOTOS) * multiplications
    _limit("RLIMIT_CPU", ceil(process_time() + _SECONDS / 2 + photos / _MULTIPLICATIONS_A_SECOND))
    session = Session(graph, "", classes, threads=1)
    session.answer(np.zeros((1, size, size, 3), np.uint8))
    noise = np.random.default_rng(0).integers(256, size=(_PHOTOS, size, size, 3), dtype=np.uint8)
    session.answer(noise, maps=True)


def _limit(name: str, value: int) -> None:
    """Set a limit of this process, as far as the system has it and allows it."""
    if resource is None:
        return
    with suppress(AttributeError, ValueError, OSError):
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        is_free = hard == resource.RLIM_INFINITY
        resource.setrlimit(kind, (value if is_free else min(value, hard), hard))


def _is_remembered(key: str) -> bool:
    with suppress(OSError, RuntimeError):
        return key in _passed or _mark(key).exists()
    return False


def _key(sha256: str, size: int, classes: int) -> str:
    return f"{sha256}-{size}-{classes}-{_VERSION}-{onnxruntime.__version__}"


def _mark(key: str) -> Path:
    return cache_folder() / "graphs" / key
