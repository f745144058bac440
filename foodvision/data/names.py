"""Names of photos, classes and splits, as folders and people have them."""

import os
from collections.abc import Sequence
from pathlib import Path

DEEPEST = 64
"""How many folders photos may lie in, one in the other; no real ones lie that deep."""

_SPLIT_OF_NAME = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def relative_name(path: Path, root: Path) -> str:
    """Return a file's path from a folder, with slashes: the same wherever one stands.

    On another drive of Windows, the whole path.
    """
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def file_named(name: str, root: Path) -> Path:
    """Return the file that `relative_name` named, its whole path; links on the way stay."""
    return Path(os.path.normpath(root.absolute() / name))


def is_text(name: str) -> bool:
    """Whether a name is Unicode, so that JSON files and cards can hold it."""
    return name.encode(errors="ignore").decode() == name


def split_named(name: str) -> str | None:
    """Return train, val or test for any of their usual names, in any case, or None."""
    return _SPLIT_OF_NAME.get(name.lower())


def a_few(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
