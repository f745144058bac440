"""Photos that a person wants to be left out, by a list of their names."""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path

from foodvision.data.names import file_named
from foodvision.data.photos import Photos
from foodvision.errors import DataError, first_line
from foodvision.system.packed import plain_path


def exclude(photos: Photos, file: Path) -> Photos:
    """Return the photos without those that a file lists.

    file: a text file with a photo a line, relative to the source's root (for a CSV, to its folder),
        where empty lines and those that begin with # are passed over; or JSON, an object
        whose `exclude` is the list, as `foodvision data --json` writes it.

    Raises DataError for a file that cannot be read, and for a line that names no photo.
    """
    known = {file_named("", Path(plain_path(photo.path))): photo.path for photo in photos.members}
    unwanted = [_find(known, photos, name, f"{file}, {place}") for place, name in _listed(file)]
    return photos.without(unwanted, "excluded")


def _find(known: dict[Path, Path], photos: Photos, name: str, place: str) -> Path:
    as_it_is, stripped = (file_named(of, photos.root) for of in (name, name.strip()))
    path = known.get(as_it_is) or known.get(stripped)
    if path is None:
        names = list(photos.paths())
        near = difflib.get_close_matches(name, names, n=1) or names[:1]
        hint = f"did you mean {near[0]}?" if near else "there are none"
        raise DataError(f"{place}: {photos.root} has no photo {name}: {hint}")
    return path


def _listed(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the places in the file, and the name of a photo at each."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror}): check the path and its permissions"
        ) from None
    if text.lstrip().startswith("{"):
        for number, name in enumerate(_from_json(file, text), start=1):
            yield f"entry {number} of exclude", name
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.startswith("#"):
            yield f"line {number}", line.removesuffix("\r")


def _from_json(file: Path, text: str) -> list[str]:
    try:
        names = json.loads(text).get("exclude")
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{file} is not valid JSON ({first_line(error)}): write it again with foodvision data "
            "--json"
        ) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f'{file} has no list of names under "exclude": write it again with foodvision data '
            "--json"
        )
    return names
