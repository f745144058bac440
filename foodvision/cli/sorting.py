"""Photos sorted into a folder per predicted label."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from foodvision.classifier import Prediction
from foodvision.cli.many_photos import FoundPhoto
from foodvision.errors import SettingsError, printable

NOT_KNOWN = "not known"

# Characters that end a path, are not allowed on another system, or hide a file.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 100  # bytes of a label's folder

_LONGEST_NAME = 255  # bytes, the limit of common file systems

# The name of a copy while it is written.
_PARTIAL = ".partial"

# File names whose last number is remembered.
_MOST_NAMES = 10_000


class Sorter:
    """Links photos into folders by label, or copies them where links are not possible.

    linked, copied: the number so far.
    """

    def __init__(self, folder: Path, classes: Iterable[str]) -> None:
        """Make the folder. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.linked = self.copied = 0
        self._folder_of = folder_names(classes)
        self._next: Counter[Path] = Counter()

    def sort(self, photo: FoundPhoto, answer: Prediction, *, again: bool = False) -> None:
        """Put a photo into its label's folder, with a number if its name is taken.

        again: the photo may have been sorted before; then nothing changes.

        Raises SettingsError if a label's folder is a link, OSError.
        """
        label = answer.label if answer.known else None
        place = self.folder / (self._folder_of[label] if label is not None else NOT_KNOWN)
        if place.is_symlink():
            raise SettingsError(f"{place} is a link and may lead outside the folder: remove it")
        place.mkdir(exist_ok=True)
        if again and _is_same(photo.path, place / photo.path.name):
            return
        if photo.is_packed or not self._link(photo.path, place):
            self._copy(photo.path, place)

    def in_words(self) -> str:
        """Return how many photos were linked and copied, in words."""
        done = [f"{self.linked:,} linked"] if self.linked else []
        done += [f"{self.copied:,} copied"] if self.copied else []
        return f"{self.folder}: {', '.join(done) or 'no photos'}"

    def _link(self, photo: Path, place: Path) -> bool:
        source = os.path.realpath(photo)  # a hard link to a symbolic link could lead nowhere
        while True:
            target = self._free(place, photo.name)
            try:
                os.link(source, target)
            except FileExistsError:
                continue
            except OSError:  # another disk, or links are not allowed
                return False
            self.linked += 1
            return True

    def _copy(self, photo: Path, place: Path) -> None:
        partial = place / _PARTIAL
        partial.unlink(missing_ok=True)  # it could be a link
        try:
            shutil.copyfile(photo, partial)
            with suppress(OSError):
                shutil.copystat(photo, partial)
            partial.rename(self._free(place, photo.name))
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        self.copied += 1

    def _free(self, place: Path, name: str) -> Path:
        """Return a free path."""
        wanted = place / name
        if not os.path.lexists(wanted):
            return wanted
        if len(self._next) > _MOST_NAMES:
            self._next.clear()
        number = max(2, self._next[wanted])
        while os.path.lexists(target := place / _numbered(wanted, number)):
            number += 1
        self._next[wanted] = number
        return target


def folder_names(classes: Iterable[str]) -> Mapping[str, str]:
    """Return a safe folder name for each class; no two classes share one.

    On every system they stay inside their folder, and they differ by more than case.
    """
    names: dict[str, str] = {}
    taken = {NOT_KNOWN}
    for label in classes:
        name = safe = _safe(label)
        number = 2
        while name.casefold() in taken:
            name, number = f"{safe} ({number})", number + 1
        taken.add(name.casefold())
        names[label] = name
    return names


def _safe(label: str) -> str:
    name = _UNSAFE.sub("_", printable(label)).encode(errors="replace")[:_LONGEST]
    text = name.decode(errors="ignore").strip(" .")
    return f"_{text}" if not text or _RESERVED.fullmatch(text) else text


def _numbered(wanted: Path, number: int) -> str:
    end = f" ({number}){wanted.suffix}"
    stem = os.fsencode(wanted.stem)[: _LONGEST_NAME - len(os.fsencode(end))]
    return os.fsdecode(stem) + end


def _is_same(one: Path, other: Path) -> bool:
    if not other.is_file() or other.is_symlink():
        return False
    return one.samefile(other) or one.read_bytes() == other.read_bytes()
