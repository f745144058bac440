"""Photos that a person wants to be left out, by a list of their names."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from foodvision.data.names import a_few, file_named
from foodvision.data.photos import Photos
from foodvision.errors import DataError, first_line
from foodvision.system.packed import plain_path


def exclude(photos: Photos, file: Path) -> Photos:
    """Return the photos without those that a file lists.

    file: a text file with a photo a line, relative to the source's root (for a CSV, to its folder),
        where empty lines and those that begin with # are passed over; or JSON, an object
        whose `exclude` is the list, as `foodvision data --json` writes it.

    A line that names no photo is passed over, and noted: the photo may be deleted since.

    Raises DataError for a file that cannot be read, and for one none of whose lines names a photo.
    """
    known = {file_named("", Path(plain_path(photo.path))): photo.path for photo in photos.members}
    listed = [(place, name, _find(known, photos.root, name)) for place, name in _listed(file)]
    missing = [(place, name) for place, name, path in listed if path is None]
    if missing and len(missing) == len(listed):
        place, name = missing[0]
        names = list(photos.paths())
        near = difflib.get_close_matches(name, names, n=1) or names[:1]
        hint = f"did you mean {near[0]}?" if near else "there are none"
        others = ", nor any other that it lists" if missing[1:] else ""
        raise DataError(f"{file}, {place}: {photos.root} has no photo {name}{others}: {hint}")
    kept = photos.without([path for *_, path in listed if path is not None], "excluded")
    return replace(kept, notes=(*kept.notes, *_missing_in_words(file, missing, len(listed))))


def _missing_in_words(
    file: Path, missing: Sequence[tuple[str, str]], listed: int
) -> tuple[str, ...]:
    """Return a sentence for lines that name no photo; none where there are none."""
    if not missing:
        return ()
    one = len(missing) == 1
    names = a_few([name for _, name in missing])
    return (
        f"{file}: {len(missing):,} of {listed:,} lines {'names' if one else 'name'} no photo "
        f"({names}). {'It is' if one else 'They are'} skipped.",
    )


def _find(known: Mapping[Path, Path], root: Path, name: str) -> Path | None:
    as_it_is, stripped = (file_named(of, root) for of in (name, name.strip()))
    return known.get(as_it_is) or known.get(stripped)


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
