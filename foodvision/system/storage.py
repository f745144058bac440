"""Files and folders that a crash leaves as the old one or the new one, whole."""

import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from foodvision.system.temporary import TemporaryFolder

# Files and folders that are written under another name first are begun for their owner alone.
_MASK = os.umask(0o022)
os.umask(_MASK)

# On Windows no file can be replaced while another program reads it.
_ATTEMPTS, _PAUSE = (50, 0.1) if os.name == "nt" else (1, 0.0)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step: written beside it, synced, renamed.

    Raises OSError if the disk does not take it; the old file is then as it was.
    """
    with replacing(path) as beside:
        write_durably(beside, content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty file to write to, which takes the place of another if all goes well.

    Raises OSError as `write_atomically` does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    try:
        # Inside, so that Ctrl-C right after the file was made leaves nothing behind.
        beside.touch(0o600, exist_ok=False)
        yield beside
        beside.chmod(0o666 & ~_MASK)
        _replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_folder(target: Path, files: Mapping[str, bytes], *, replaced: Collection[str]) -> None:
    """Write a folder so that a crash at any moment leaves the old one, or the new one, whole.

    files: contents by path inside of the folder. A folder cannot be replaced in one step: between
    the two renames the old one lies under its spare name, where `recover_folder` finds it.
    replaced: what of the old folder does not stay, by path inside of it, beside what is written.

    Raises OSError if the disk does not take it.
    """
    target = target.resolve()  # a link stays one
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(target)
    try:
        beside.mkdir(0o700)  # inside, as in `replacing`
        for name, content in files.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            write_durably(beside / name, content)
        if target.exists():
            _carry_over(target, beside, replaced)
        beside.chmod(0o777 & ~_MASK)
        spare = _spare(target)
        if target.exists():
            shutil.rmtree(spare, ignore_errors=True)
            target.rename(spare)
        beside.rename(target)
        sync_folder(target.parent)
        shutil.rmtree(spare, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _beside(path: Path) -> Path:
    """Return a path in the same folder, hidden, of a name that nobody has or guesses."""
    return path.with_name(f".{path.name}-{secrets.token_hex(8)}")


def recover_folder(folder: Path) -> None:
    """Bring back the old folder, where replacing it was cut off."""
    folder = folder.resolve()
    spare = _spare(folder)
    if spare.exists() and not folder.exists():
        spare.rename(folder)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def cache_folder() -> Path:
    """Return the user's folder for what can be computed or downloaded again.

    Where nobody knows the user's home, as in some containers, it is one of this process alone.
    """
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(os.environ.get("FOODVISION_CACHE") or Path(home) / "foodvision")
    try:
        return folder.expanduser()
    except RuntimeError:
        return _cache_of_process()


@cache
def _cache_of_process() -> Path:
    # Not one name for all processes: others could put into it what is then trusted.
    return TemporaryFolder("cache").path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder as durable as the files behind them."""
    if os.name == "posix":  # Windows cannot open a folder to sync it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(beside: Path, path: Path) -> None:
    """Rename over a file. Raises OSError that names it, and not what lies beside it."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            beside.replace(path)
            return
        except OSError as error:
            if not left or not isinstance(error, PermissionError):
                raise OSError(error.errno, error.strerror, str(path)) from error
        time.sleep(_PAUSE)


def _carry_over(old: Path, new: Path, replaced: Collection[str]) -> None:
    """Copy what lies in a folder, as it is: links, modes and empty folders belong to a .git."""

    def stays_behind(before: Path) -> bool:
        """Whether something is replaced, or its place in the new folder is taken."""
        place = before.relative_to(old)
        now = new / place
        merged = now.is_dir() and before.is_dir() and not before.is_symlink()
        return place.as_posix() in replaced or (now.exists() and not merged)

    shutil.copytree(
        old,
        new,
        symlinks=True,
        ignore=lambda folder, names: [name for name in names if stays_behind(Path(folder, name))],
        copy_function=_copy_durably,
        dirs_exist_ok=True,
    )


def _copy_durably(source: str, target: str) -> None:
    write_durably(Path(target), Path(source).read_bytes())
    shutil.copystat(source, target)


def _spare(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"
