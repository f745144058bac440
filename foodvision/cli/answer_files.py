"""Predictions as files with one row per photo: CSV, which can be continued, and Parquet."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from foodvision.cli.many_photos import Answer
from foodvision.errors import SettingsError
from foodvision.reports.rows import Row, columns_of, parquet_schema, parquet_table, row_of
from foodvision.safety.escaping import from_cell, to_cell
from foodvision.system.storage import replacing

Write: TypeAlias = Callable[[str, Answer], None]
"""Writes the answer for a photo, given its name."""

# Rows of a Parquet row group, which is held in memory.
_ROWS = 2000

# Bytes: no path, label and error together are longer.
_LONGEST_ROW = 1 << 20

_UTF8 = {
    "encoding": "utf-8",
    "errors": "surrogateescape",
}  # names that are not UTF-8 stay as they are


@dataclass(frozen=True)
class Written:
    """The rows that a CSV file holds already.

    names: hashes of the photos' names; those of a million photos take 60 MB, the names 200 MB.
    failed: whether one of the photos could not be read.
    end: bytes of the complete rows; what follows them is incomplete.
    """

    names: frozenset[int] = frozenset()
    failed: bool = False
    end: int = 0

    def lacks(self, name: str) -> bool:
        """Whether a photo is not among them."""
        return hash(name) not in self.names


def read_written(path: Path, top: int) -> Written:
    """Return the rows that an interrupted call wrote; none if there is no file.

    Raises SettingsError for a file that `predict --csv` with this `top` did not write.
    """
    if not path.exists():
        return Written()
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
                raise _foreign(path)
            names.add(hash(from_cell(row[0])))
            failed |= bool(row[-1])
        file.seek(end)
        is_header = header == columns or (header is None and _begins_header(file.read(), columns))
    if not is_header:
        raise _foreign(path)
    return Written(frozenset(names), failed, end)


@contextmanager
def csv_file(path: Path, top: int, before: Written) -> Iterator[Write]:
    """Write CSV row by row; each row is in the file at once.

    before: the rows that are in the file; an incomplete row behind them is removed.
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
    """Write Parquet in groups of rows; the file gets its name when it is complete."""
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
    """Yield each complete row, with the byte where it ends."""
    row, end = b"", 0
    for line in file:
        row += line
        if len(row) > _LONGEST_ROW:
            raise _foreign(path)
        # A line that ends between quotes goes on.
        if line.endswith(b"\n") and row.count(b'"') % 2 == 0:
            end += len(row)
            yield end, next(csv.reader([row.decode(**_UTF8)]), [])
            row = b""


def _begins_header(content: bytes, columns: Sequence[str]) -> bool:
    """Whether a file without a complete row was interrupted in its header."""
    return ",".join(columns).encode().startswith(content)


def _foreign(path: Path) -> SettingsError:
    return SettingsError(
        f"{path} was not written by foodvision predict --csv with this --top: choose another file"
    )
