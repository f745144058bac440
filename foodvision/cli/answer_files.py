"""Files of answers, a row a photo: CSV, which can be gone on with, and Parquet."""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from foodvision.cli.many_photos import Answer
from foodvision.errors import SettingsError
from foodvision.rows import Row, columns_of, parquet_schema, parquet_table, row_of
from foodvision.safety.escaping import from_cell, to_cell
from foodvision.system.storage import replacing

Write: TypeAlias = Callable[[str, Answer], None]
"""Adds the answer to a photo, by its name."""

# Of a group of rows, which are in memory together.
_ROWS = 2000

# No path, label and error are longer together.
_LONGEST_ROW = 1 << 20

_UTF8 = {"encoding": "utf-8", "errors": "surrogateescape"}  # names that are none stay as they are


@dataclass(frozen=True)
class Before:
    """What a CSV file holds already.

    names: hashes of the photos' names: of a million photos they take 60 MB, the names 200.
    failed: whether one of them could not be read.
    end: bytes of its whole rows; what follows was cut off.
    """

    names: frozenset[int] = frozenset()
    failed: bool = False
    end: int = 0

    def lacks(self, name: str) -> bool:
        """Whether a photo is not among them."""
        return hash(name) not in self.names


def read_before(path: Path, top: int) -> Before:
    """Read what an earlier call wrote before it was ended; nothing if it wrote no file.

    Raises SettingsError for a file that `predict --csv` with this `top` did not write.
    """
    if not path.exists():
        return Before()
    columns = columns_of(top)
    names: set[int] = set()
    failed, end, header = False, 0, None
    with path.open("rb") as file:
        for position, row in _whole_rows(path, file):
            end = position
            if header is None:
                header = row
                continue
            if header != columns or len(row) != len(columns):
                raise _other(path)
            names.add(hash(from_cell(row[0])))
            failed |= bool(row[-1])
        file.seek(end)
        is_header = header == columns or (header is None and _begins_header(file.read(), columns))
    if not is_header:
        raise _other(path)
    return Before(frozenset(names), failed, end)


@contextmanager
def csv_file(path: Path, top: int, before: Before) -> Iterator[Write]:
    """Write CSV row by row: what is written is in the file at once.

    before: what it holds already; what was cut off behind that is removed.
    """
    with path.open("r+b" if before.end else "wb") as whole:
        whole.truncate(before.end)
    with path.open("a", newline="", buffering=1, **_UTF8) as file:
        writer = csv.writer(file, lineterminator="\n")
        if not before.end:
            writer.writerow(columns_of(top))
        yield lambda name, answer: writer.writerow(map(_cell, row_of(name, answer, top)))


@contextmanager
def parquet_file(path: Path, top: int) -> Iterator[Write]:
    """Write Parquet, a group of rows at a time, beside; it takes its name when it is whole."""
    from pyarrow import parquet

    rows: list[Row] = []

    with replacing(path) as beside, parquet.ParquetWriter(beside, parquet_schema(top)) as writer:

        def flush() -> None:
            if rows:
                writer.write_table(parquet_table(rows, top))
            rows.clear()

        def write(name: str, answer: Answer) -> None:
            rows.append(row_of(name, answer, top))
            if len(rows) == _ROWS:
                flush()

        yield write
        flush()


def _cell(value: str | float | bool | None) -> str | float:
    if isinstance(value, str):
        return to_cell(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def _whole_rows(path: Path, file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Give each row that was not cut off, and the byte where it ends."""
    row, end = b"", 0
    for line in file:
        row += line
        if len(row) > _LONGEST_ROW:
            raise _other(path)
        # A line that ends between quotes goes on.
        if line.endswith(b"\n") and row.count(b'"') % 2 == 0:
            end += len(row)
            yield end, next(csv.reader([row.decode(**_UTF8)]), [])
            row = b""


def _begins_header(content: bytes, columns: Sequence[str]) -> bool:
    """Whether a file without a whole row is one that was cut off in its first."""
    return ",".join(columns).encode().startswith(content)


def _other(path: Path) -> SettingsError:
    return SettingsError(
        f"{path} was not written by foodvision predict --csv with this --top: choose another file"
    )


def check_free(path: Path) -> None:
    """Raise SettingsError for a file that is there already, or that cannot be written."""
    if os.path.lexists(path):
        raise SettingsError(f"{path} already exists: choose another file, or remove it")
    if not path.absolute().parent.is_dir():
        raise SettingsError(
            f"{path} cannot be written: the folder {path.absolute().parent} does not exist"
        )


def check_table(path: Path | None, *, resume: bool) -> None:
    """As `check_free`, but for a file that is gone on with."""
    if path and not (resume and path.is_file()):
        check_free(path)


def top_of(top: int, classes: Sequence[str]) -> int:
    """Return how many guesses a row has."""
    return min(top, len(classes))
