"""Whether a file can be written, looked at before the work for it begins."""

import os
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
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
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
