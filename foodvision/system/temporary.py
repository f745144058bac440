"""Private temporary folders that do not outlast their process, however it ends."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

# Only a folder that holds this file is ours to remove: others may have a foodvision-... too.
_LOCK = ".foodvision-lock"
_FILES = "files"

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class TemporaryFolder:
    """A folder for this process alone, removed by `remove`, by `with`, or when the process ends.

    A process that is killed leaves its folder behind. The next `TemporaryFolder` of the same user
    removes it: a folder in use is locked, and the system unlocks it when its process is gone. On
    Windows there is no such lock, and what is left behind stays.

    path: the folder, empty at first.
    """

    def __init__(self, purpose: str) -> None:
        """Create `foodvision-PURPOSE-...` in the system's temporary folder.

        purpose: a word for the folder's name, such as "archive".

        Raises OSError if the folder cannot be created.
        """
        _remove_leftovers(Path(tempfile.gettempdir()))
        self._outer, self._lock = _create(f"foodvision-{purpose}-")
        self._process = os.getpid()
        atexit.register(self.remove)
        self.path = self._outer / _FILES
        self.path.mkdir(mode=0o700)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder with all that is in it; a second call does nothing.

        A forked process does nothing either: the folder belongs to its parent.
        """
        if self._lock < 0 or os.getpid() != self._process:
            return
        _remove(self._outer)
        self._lock, lock = -1, self._lock
        os.close(lock)
        atexit.unregister(self.remove)


@contextmanager
def unwound_by_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP raise SystemExit, so that `with` and `finally` clean up.

    Signals that the process ignores or handles already stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may
        return
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def _create(prefix: str) -> tuple[Path, int]:
    """Return a new folder, and the descriptor of its lock, which is held."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        # Another process may look for leftovers before the lock is held, and remove the folder.
        with suppress(FileNotFoundError):
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            _is_locked(lock, wait=True)
            if (folder / _LOCK).exists():
                return folder, lock
            os.close(lock)


def _remove_leftovers(place: Path) -> None:
    """Remove the folders of processes that are gone; nothing else, and nobody else's."""
    if sys.platform == "win32":
        return
    for folder in place.glob("foodvision-*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
                continue
            with os.fdopen(os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)) as lock:
                if _is_locked(lock.fileno(), wait=False):
                    _remove(folder)


def _remove(folder: Path) -> None:
    # The lock goes last: without it, what a cut removal leaves would never be removed.
    shutil.rmtree(folder / _FILES, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_locked(descriptor: int, *, wait: bool) -> bool:
    """Lock a file, and say whether that worked; it does not where the system has no such locks."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
