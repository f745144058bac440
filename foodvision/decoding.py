"""Photos decoded in processes of their own, with limits that the operating system holds.

`foodvision.safety.photo_limits` refuses what a header tells. What only shows while a decoder runs
(a decoder that loops, a parser that copies) ends here: the process that decodes is stopped, and the
program goes on. A photo takes at most 2 seconds of processor time (3 for HEIC, of which nothing
smaller can be decoded) and 300 MB.

Most photos take hundredths of a second. Those that may take longer go through one process by
themselves, so that nobody else waits for them.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO, Any

import numpy as np
from PIL import Image

from foodvision.errors import BusyError, PhotoError
from foodvision.image import Depth, depth_of, is_heavy, load_image, read_photo, size_in_file
from foodvision.preprocess import Preprocess
from foodvision.system.packed import plain_path

HAS_LIMITS = hasattr(signal, "setitimer") and sys.platform != "win32"
"""Whether this system can stop a process by its processor time."""


@dataclass(frozen=True)
class Limits:
    """What a process may take for one photo.

    seconds: of processor time.
    megabytes: of memory above what the process takes at rest.
    """

    seconds: float
    megabytes: int


QUICK, HEAVY = Limits(0.3, 110), Limits(1.7, 290)
"""For most photos; for those whose header says that they may take longer."""

# 48 megapixels of HEIC take 1.6 to 1.9 seconds on a machine that does nothing else.
_HEIC_SECONDS = 3.0

_PROCESSES = 2
_MOST_WAITING = 4

# The longest side of the picture that is kept of a photo beside what the network sees.
_LONGEST = 1280


@dataclass(frozen=True)
class Decoded:
    """A photo as the rest of the program needs it.

    square: (size, size, 3) uint8, what the network sees; size is 0 if it was not asked for.
    picture: the photo, its longest side at most 1280 pixels.
    size: width and height in pixels, as the file says.
    depth: of the file's values, if it was asked for.
    """

    square: np.ndarray
    picture: Image.Image
    size: tuple[int, int]
    depth: Depth | None = None


class Decoder:
    """Processes that decode photos, started when the first photo comes."""

    def __init__(
        self, most_waiting: int | None = None, *, processes: int = _PROCESSES, heavy: int = 1
    ) -> None:
        """Prepare them.

        most_waiting: how many heavy photos may wait before the next one is refused; any number if
            None.
        processes, heavy: for most photos, and for heavy ones.
        """
        self._quick_ones = [_Process(QUICK) for _ in range(processes)]
        heavy_ones = [_Process(HEAVY) for _ in range(heavy)]
        self._quick, self._heavy = _idle(self._quick_ones), _idle(heavy_ones)
        self._end = weakref.finalize(self, _end_all, [*self._quick_ones, *heavy_ones])
        self._places = BoundedSemaphore(most_waiting + 1) if most_waiting is not None else None

    def start(self) -> None:
        """Start the processes for most photos now: they get ready while something else is done."""
        if HAS_LIMITS:
            for process in self._quick_ones:
                process.start()

    def decode_square(self, path: str | os.PathLike[str], preprocess: Preprocess) -> np.ndarray:
        """Return what a network sees of a photo: (size, size, 3) uint8.

        The picture is not sent: of a large photo it is 20 times as much.

        Raises PhotoError as `decode` does.
        """
        return self._ask(path, preprocess, picture=False).square

    def decode(
        self,
        path: str | os.PathLike[str],
        preprocess: Preprocess | None = None,
        white: float | None = None,
    ) -> Decoded:
        """Decode a photo, and make what a network sees of it if `preprocess` is given.

        white: as `load_image` takes it, where there is no `preprocess`.

        Raises PhotoError as `load_image` does and for what takes too long or too much, BusyError
        where too many heavy photos wait.
        """
        return self._ask(path, preprocess, white=white)

    def depth(self, path: str | os.PathLike[str]) -> Depth:
        """Return how deep the values of a photo's file are.

        Raises PhotoError as `decode` does.
        """
        depth = self._ask(path, None, depth=True).depth
        assert depth is not None  # it was asked for
        return depth

    def _ask(
        self, path: str | os.PathLike[str], preprocess: Preprocess | None, **options: Any
    ) -> Decoded:
        asked = {"path": os.fspath(path), "preprocess": preprocess and asdict(preprocess)}
        asked |= options
        if not HAS_LIMITS:
            return _decode(asked)
        with _lent(self._quick) as process:
            answer = process.ask(asked)
        return answer or self._decode_heavy(asked)

    def _decode_heavy(self, asked: dict[str, Any]) -> Decoded:
        name = plain_path(asked["path"])
        if self._places and not self._places.acquire(blocking=False):
            raise BusyError(
                f"{name} must wait for other large photos: try again in a moment", "must_wait"
            )
        try:
            with _lent(self._heavy) as process:
                answer = process.ask(asked)
        finally:
            if self._places:
                self._places.release()
        if answer is None:
            raise PhotoError(
                f"{name} needs too much time or memory to decode: save it again in another program",
                "too_heavy",
            )
        return answer

    def close(self) -> None:
        """End the processes, also those that decode."""
        self._end()


def _idle(processes: "Sequence[_Process]") -> "queue.LifoQueue[_Process]":
    idle: queue.LifoQueue[_Process] = queue.LifoQueue()  # the last one is started already
    for process in processes:
        idle.put(process)
    return idle


def _end_all(processes: "Sequence[_Process]") -> None:
    for process in processes:
        process.end()


@contextmanager
def _lent(idle: "queue.LifoQueue[_Process]") -> "Iterator[_Process]":
    process = idle.get()
    try:
        yield process
    finally:
        idle.put(process)


class _Process:
    """A process that decodes one photo after the other; another takes its place when it ends."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, asked: dict[str, Any]) -> Decoded | None:
        """Return a decoded photo, or None where it takes more than the limits.

        Raises PhotoError.
        """
        process = self.start()
        assert process.stdin
        assert process.stdout
        try:
            _send(process.stdin, asked)
            return _receive(process.stdout)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.end()
            return None

    def start(self) -> "subprocess.Popen[bytes]":
        """Return the process, a new one if there is none."""
        if self._process is None or self._process.poll() is not None:
            limits = [str(self._limits.seconds), str(self._limits.megabytes)]
            self._process = subprocess.Popen(  # noqa: S603 (this module, run by this Python)
                [sys.executable, "-c", _COMMAND, *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # decoders write what they think of a file
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # their stacks count as memory
            )
        return self._process

    def end(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()


_COMMAND = f"""
import sys
sys.path[:] = {sys.path!r}
from foodvision.decoding import serve
serve(float(sys.argv[1]), int(sys.argv[2]))
"""


def serve(seconds: float, megabytes: int) -> None:
    """Decode what is asked for on standard input, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # which ends the process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no answer
    quick = megabytes < HEAVY.megabytes
    _warm_up()
    _limit_memory(megabytes)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        _answer(json.loads(line), answers, quick=quick)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(asked: dict[str, Any], answers: IO[bytes], *, quick: bool) -> None:
    try:
        content = read_photo(asked["path"])
        if quick and is_heavy(content, plain_path(asked["path"])):
            _send(answers, {"heavy": True})
            return
        if not quick and content[4:8] == b"ftyp":
            signal.setitimer(signal.ITIMER_PROF, _HEIC_SECONDS)
        del content
        _send_decoded(answers, _decode(asked))
    except MemoryError:
        _send(answers, {"heavy": True})
    except PhotoError as error:
        # Short of memory, decoders say that a photo is damaged: the other process knows better.
        told = {"error": str(error), "fault": error.fault, "values": error.values}
        _send(answers, {"heavy": True} if quick else told)


def _decode(asked: dict[str, Any]) -> Decoded:
    if asked.get("depth"):
        nothing = np.empty((0, 0, 3), np.uint8), Image.new("RGB", (1, 1))
        return Decoded(*nothing, (1, 1), depth_of(asked["path"]))
    preprocess = Preprocess(**asked["preprocess"]) if asked["preprocess"] else None
    white = preprocess.white if preprocess else asked.get("white")
    image = load_image(asked["path"], preprocess.short_side if preprocess else 0, white)
    square = preprocess(image) if preprocess else np.empty((0, 0, 3), np.uint8)
    if asked.get("picture", True):
        image.thumbnail((_LONGEST, _LONGEST))
        image.load()  # turned here, where a lack of memory is told
    else:
        image = Image.new("RGB", (1, 1))
    return Decoded(square, image, size_in_file(asked["path"]))


def _send_decoded(answers: IO[bytes], decoded: Decoded) -> None:
    sizes = {"picture": decoded.picture.size, "file": decoded.size, "depth": decoded.depth}
    _send(answers, {"square": len(decoded.square), **sizes})
    answers.write(decoded.square.tobytes())
    answers.write(decoded.picture.tobytes())
    answers.flush()


def _send(pipe: IO[bytes], header: dict[str, Any]) -> None:
    pipe.write(json.dumps(header).encode() + b"\n")
    pipe.flush()


def _receive(answers: IO[bytes]) -> Decoded | None:
    line = answers.readline()
    if not line:
        raise EOFError
    header = json.loads(line)
    if "error" in header:
        raise PhotoError(header["error"], header["fault"], **header["values"])
    if "heavy" in header:
        return None
    size, (width, height), (across, down) = header["square"], header["picture"], header["file"]
    square = np.frombuffer(_read(answers, size * size * 3), np.uint8).reshape(size, size, 3)
    picture = Image.frombytes("RGB", (width, height), _read(answers, width * height * 3))
    depth = Depth(*header["depth"]) if header["depth"] else None
    return Decoded(square, picture, (across, down), depth)


def _read(answers: IO[bytes], count: int) -> bytes:
    content = answers.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _warm_up() -> None:
    """Have what the first photo loads counted as the process at rest."""
    from PIL import ImageCms

    ImageCms.createProfile("sRGB")


def _limit_memory(megabytes: int) -> None:
    """Let this process take so much more than it has; on Linux, where that can be said."""
    status = Path("/proc/self/status")
    if not status.exists():
        return
    import resource

    taken = next(line for line in status.read_text().splitlines() if line.startswith("VmData"))
    limit = int(taken.split()[1]) * 1024 + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
