"""Photos as lists name them: by path, without the ending, or without the folder."""

import os
import unicodedata
from collections import defaultdict
from functools import cached_property
from pathlib import Path

from foodvision.data.names import relative_name
from foodvision.data.photos import photo_files
from foodvision.errors import DataError, absent


class PhotoFinder:
    """Finds the photos that a list names, in and below its folder.

    folder: paths are relative to it. It is walked through only if a path is not there as written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str, place: str) -> Path:
        r"""Return the file that a list means.

        A name that is no file as it is written may have backslashes, lack the ending, or lack
        folders at its beginning, if it is then the end of exactly one photo's path.

        name: `pizza/1.jpg`, `pizza\1.jpg`, `pizza/1`, `1.jpg` or `1`. place: what a message names.

        Raises DataError if there is no such photo, or if there are several.
        """
        for written in dict.fromkeys((name, name.replace("\\", "/"))):
            path = Path(os.path.normpath(self._folder / written))
            # pathlib's is_file raises an OSError for a name that is too long.
            if os.path.isfile(path):  # noqa: PTH113
                return path
        found = self._below(name.replace("\\", "/"))
        if not found:
            if "://" in name:
                raise DataError(f"{place}: {absent(name[:300])}")
            path = Path(os.path.normpath(self._folder / name))
            raise DataError(
                f"{place}: {path!s:.300} does not exist: paths are relative to the folder of the "
                "CSV"
            )
        if len(found) > 1:
            first, second = (relative_name(path, self._folder) for path in sorted(found)[:2])
            more = f" and {len(found) - 2} more" if len(found) > 2 else ""
            raise DataError(
                f"{place}: {name:.100} matches {first:.100} and {second:.100}{more}: write the "
                "whole path"
            )
        return found[0]

    def _below(self, name: str) -> list[Path]:
        parts = tuple(_plain(part) for part in name.split("/") if part not in ("", "."))
        if not parts or ".." in parts or name.startswith("/"):
            return []
        *folders, last = parts
        # Without folders, any place will do.
        return [
            path
            for above, path in self._photos[last]
            if not folders or above[-len(folders) :] == folders
        ]

    @cached_property
    def _photos(self) -> dict[str, list[tuple[list[str], Path]]]:
        """All photos by name, and by name without the ending, each with the folders above it."""
        photos: dict[str, list[tuple[list[str], Path]]] = defaultdict(list)
        for path in photo_files(self._folder):
            above = [_plain(part) for part in path.parent.relative_to(self._folder).parts]
            # Without an ending, both keys are the same.
            for key in {_plain(path.name), _plain(path.stem)}:
                photos[key].append((above, path))
        return photos


def _plain(name: str) -> str:
    """Return a name without what differs between systems: upper case, and accents apart."""
    return unicodedata.normalize("NFC", name).casefold()
