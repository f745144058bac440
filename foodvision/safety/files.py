"""The one door for files that a stranger may have written: checkpoints, runs, settings.

A file is regular, lies inside its folder and is of bounded size; JSON fits a schema. What may be in
a checkpoint is in `foodvision.safety.schema`.
"""

import math
import os
import re
import stat
import unicodedata
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from foodvision.errors import printable

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

MOST_BYTES = 20_000_000
"""The largest JSON file or card: a checkpoint of 25,000 classes with all its figures has 17 MB."""

# Each takes about a hundred bytes of memory once it is parsed.
_MOST_VALUES = 600_000

_LARGEST = 2**64

# Control characters, lone surrogates, line and paragraph separators.
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")

# They reverse the text around them: a file called "photo<202e>gpj.exe" reads as one of ".jpg".
_REVERSING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_LONGEST_PLACE = 200

# How pydantic's sentences begin, and how they go on in ours.
_OUR_WORDS = (
    (re.compile(r"^Field required$"), "is missing"),
    (re.compile(r"^Extra inputs are not permitted$"), "is unknown: remove it"),
    (re.compile(r"^(Input|String|List|Tuple|Dictionary|Value|Number) should "), "must "),
    (re.compile(r"^Value error, "), ""),
    (re.compile(r" an object$| a valid dictionary$"), " an object"),
    (re.compile(r" a valid (array|list|tuple)$"), " a list"),
    (re.compile(r" a valid integer$"), " a whole number"),
    (re.compile(r" a valid (\w+)$"), r" a \1"),
)


class FileError(ValueError):
    """Why a file is refused, in one line that follows the file's name."""


def read_json(path: Path, schema: type[T], folder: Path | None = None) -> T:
    """Read a JSON file into the type that a schema names.

    schema: what pydantic takes: a dataclass, a TypedDict, `dict[str, int]`.
    folder: what the file must not leave by a link; its own folder if None.

    Raises FileError for a file that `read_file` or `parse_json` refuses.
    """
    return parse_json(read_file(path, folder or path.parent), schema)


def read_file(path: Path, folder: Path, most: int = MOST_BYTES) -> bytes:
    """Return the contents of a regular file of at most so many bytes.

    Raises FileError for another one, for a missing one, and as `check_file` does.
    """
    check_file(path, folder)
    try:
        if (size := path.stat().st_size) > most:
            raise FileError(f"has {size / 1e6:,.0f} MB, but the limit is {most / 1e6:,.0f} MB")
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot be read ({error.strerror})") from None


def read_text(path: Path, folder: Path) -> str:
    """Return the text of a file. Raises FileError as `read_file` does, and if it is not UTF-8."""
    try:
        return read_file(path, folder).decode()
    except UnicodeDecodeError as error:
        raise FileError(f"is not UTF-8 (byte {error.start:,})") from None


def check_file(path: Path, folder: Path) -> None:
    """Check that a path is a regular file inside a folder, links followed.

    The Hub's cache keeps the files of a snapshot in `blobs`, beside `snapshots`: links there stay.

    Raises FileError if it is missing, a device or pipe, or a link that leaves the folder.
    """
    try:
        target = Path(os.path.realpath(path, strict=True))
        is_regular = stat.S_ISREG(target.stat().st_mode)
    except OSError as error:
        raise FileError(f"cannot be read ({error.strerror})") from None
    check_inside(target, folder)
    if not is_regular:
        raise FileError("is not a regular file")


def check_inside(path: Path, folder: Path) -> None:
    """Check that a file or folder lies inside a folder, links followed.

    Raises FileError if it does not.
    """
    home = Path(os.path.realpath(folder))
    caches = [
        place.parent / "blobs" for place in (home, *home.parents) if place.name == "snapshots"
    ]
    target = Path(os.path.realpath(path))
    if not any(target.is_relative_to(allowed) for allowed in (home, *caches)):
        raise FileError("is a link that leaves the folder")


def parse_json(content: bytes, schema: type[T]) -> T:
    """Return JSON as the type that a schema names, types not converted.

    Raises FileError, naming the field, for what is not JSON (NaN is not) or does not fit, for
    numbers above 2**64, and for too many or too deeply nested values.
    """
    from pydantic import ValidationError
    from pydantic_core import from_json

    if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise FileError(f"has more than {_MOST_VALUES:,} values")
    try:
        # Refuses NaN, lone surrogates and more than 200 levels by itself.
        _check_numbers(from_json(content, allow_inf_nan=False))
        fitting: T = adapter(schema).validate_json(content, strict=True)  # type: ignore[arg-type]
        return fitting
    except ValidationError as error:
        raise FileError(_in_words(error)) from None
    except FileError:
        raise
    except ValueError as error:
        raise FileError(f"is not JSON ({error})") from None


@lru_cache
def adapter(schema: Hashable) -> "TypeAdapter[Any]":
    """Return what reads and writes a type as JSON; made once, as that takes milliseconds."""
    from pydantic import TypeAdapter

    return TypeAdapter(schema)


def _check_numbers(value: Any, place: tuple[object, ...] = ()) -> None:
    """Check that JSON, parsed, has no number that 64 bits do not hold.

    place: the keys that lead to the value.

    Raises FileError, naming the place.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_numbers(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_numbers(inner, (*place, index))
    elif (isinstance(value, int) and abs(value) > _LARGEST) or value in (math.inf, -math.inf):
        raise FileError(f"{_named(place)} must be a number of at most 64 bits")


def is_plain(text: str) -> bool:
    """Whether a text is one line of Unicode without control characters."""
    return not any(
        unicodedata.category(letter) in _UNPRINTABLE or letter in _REVERSING for letter in text
    )


def _in_words(error: "ValidationError") -> str:
    """Return the first of the faults: the field, and what it must be."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    said = fault["msg"]
    for pattern, ours in _OUR_WORDS:
        said = pattern.sub(ours, said)
    return f"{_named(fault['loc'])} {said}"


def _named(place: tuple[object, ...]) -> str:
    named = printable(".".join(map(str, place))) or "its content"
    return named if len(named) <= _LONGEST_PLACE else f"{named[:_LONGEST_PLACE]}..."
