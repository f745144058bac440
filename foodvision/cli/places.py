"""Whether a file or folder can be written, looked at before the work for it begins."""

import os
from collections.abc import Iterable
from pathlib import Path

from foodvision.errors import SettingsError


def check_place(path: Path | None, name: str = "page.html") -> None:
    """Raise SettingsError for a folder, and for a file that cannot be written; None is no file.

    name: what a file in the folder could be called.
    """
    if path is None:
        return
    if path.is_dir():
        raise SettingsError(f"{path} is a folder: give a file, such as {path / name}")
    _check_writable(path, path.absolute().parents)


def check_folder(folder: Path | None, sources: Iterable[str]) -> None:
    """Raise SettingsError for a folder that cannot be written, or is a source; None is no folder.

    sources: files and folders that are read, by name.
    """
    if folder is None:
        return
    _check_writable(folder, (folder, *folder.absolute().parents))
    # Any text may be a name; pathlib raises for one that is too long.
    if any(os.path.isdir(name) and folder.exists() and folder.samefile(name) for name in sources):  # noqa: PTH112
        raise SettingsError(f"{folder} is the folder of the photos: choose another folder")


def _check_writable(path: Path, folders: Iterable[Path]) -> None:
    nearest = next(folder for folder in folders if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise SettingsError(f"{path} cannot be written: {nearest} is not a writable folder")


def check_table(path: Path | None, *, resume: bool) -> None:
    """Raise SettingsError for a file that is there already, unless it is continued."""
    if path is None or (resume and path.is_file()):
        return
    if os.path.lexists(path):
        raise SettingsError(f"{path} already exists: choose another file, or remove it")
    if not path.absolute().parent.is_dir():
        raise SettingsError(
            f"{path} cannot be written: the folder {path.absolute().parent} does not exist"
        )
