"""A CSV file as a table, and which of its columns hold paths, labels and splits."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foodvision.data.names import a_few, split_named
from foodvision.errors import DataError, absent, first_line, one_line
from foodvision.image import SUFFIXES

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}

# The usual names, the first of which wins; of the others there may be one only.
_PATHS = (
    *("path", "filename", "file_name", "image", "image_path", "file", "filepath", "file_path"),
    *("img", "img_path", "image_name", "photo"),
)
_LABELS = ("label", "class", "category", "target", "class_name")
_SPLITS = ("split", "subset", "set", "fold")

_ROLES = {"path": _PATHS, "label": _LABELS, "split": _SPLITS}

ROLES = tuple(_ROLES)
"""What a column may be chosen for."""

_ZERO_OR_ONE = {
    **dict.fromkeys(("0", "0.0", "false"), False),
    **dict.fromkeys(("1", "1.0", "true"), True),
}

# Beside the classes of a one-hot table; the index that pandas writes has no name.
_NUMBERING = ("", "id", "index")


@dataclass(frozen=True)
class Row:
    """A line of a table; for a cell with a line break, the last one.

    cells: as many as the table has columns, without spaces around them.
    """

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A CSV file: the names of its columns, as its first line has them, and its rows."""

    file: Path
    header_line: int
    separator: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def place(self, row: Row) -> str:
        """Return the file and line that a message names."""
        return f"{self.file}, line {row.line}"


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold what, by number.

    label: None for a one-hot table.
    classes: of a one-hot table, the columns that are its classes; else none.
    """

    path: int
    label: int | None
    split: int | None
    classes: tuple[int, ...] = ()


def read_table(file: Path) -> Table:
    """Read a CSV file with commas, semicolons or tabs; empty rows are passed over.

    Raises DataError for a file that cannot be read, one that is no UTF-8 or no CSV, and for a row
    with another number of cells than the first line.
    """
    try:
        # Excel writes a byte order mark, which utf-8-sig skips.
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(absent(file, what="photos")) from None
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror}): check the path and its permissions"
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{file} is not UTF-8 text: save it as CSV in UTF-8") from None
    # As a file does with newline="": a line ends where the csv module says so.
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    separator = _separator(lines)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        rows = [
            Row(reader.line_num, tuple(cell.strip() for cell in cells))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        place = f"{file}, line {reader.line_num}"
        raise DataError(
            f"{place} is not valid CSV ({first_line(error)}): check its quotes"
        ) from None
    if not rows:
        raise DataError(f"{file} is empty: its first line should be path,label or path,label,split")
    header, *rest = rows
    table = Table(file, header.line, separator, header.cells, tuple(rest))
    for row in rest:
        if len(row.cells) != len(header.cells):
            raise DataError(
                f"{table.place(row)} has a different number of fields from the first line: quote "
                f"values that contain {_SEPARATORS[separator]}"
            )
    return table


def choose_columns(table: Table, chosen: Mapping[str, str]) -> Columns:
    """Find the columns by what was chosen, else by their usual names.

    chosen: names of columns, for any of `ROLES`.

    Raises DataError for a column that is not there, for several that may be meant, and for a first
    line that names no columns.
    """
    _check_header(table, chosen)
    found = {role: _find(table, role, chosen.get(role)) for role in ROLES}
    path, label, split = (found[role] for role in ROLES)
    if path is None:
        raise _missing(table, "path")
    if split is None:
        split = _column_of_splits(table, (path, label))
    if label is not None:
        return Columns(path, label, split)
    classes = _one_hot(table, path, split)
    if len(classes) < 2 or not table.rows:
        raise _missing(table, "label")
    return Columns(path, None, split, classes)


def not_used(table: Table, columns: Columns) -> str:
    """Return a sentence that names the columns with a name that are not looked at, or none."""
    used = (columns.path, columns.label, columns.split, *columns.classes)
    names = [name for at, name in enumerate(table.columns) if at not in used and name]
    return f"Columns not used: {a_few([one_line(name, 60) for name in names])}." if names else ""


def is_one(cell: str) -> bool:
    """Whether a cell of a one-hot table says that its column is the photo's class."""
    return _ZERO_OR_ONE[cell.casefold()]


def _separator(lines: Sequence[str]) -> str:
    """Return what cuts the first line that is not empty into most cells; of equal ones, commas."""
    first = next((line for line in lines if line.strip()), "")
    return max(_SEPARATORS, key=lambda separator: len(_cells(first, separator)))


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []


def _plain(name: str) -> str:
    """Return a column's name as the usual ones are written: `Image Path` is image_path."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _find(table: Table, role: str, chosen: str | None) -> int | None:
    """Return the number of the column, or None if there is no usual name."""
    if chosen is not None:
        written = [at for at, name in enumerate(table.columns) if name == chosen]
        places = written or _places(table, [_plain(chosen)])
        if not places:
            raise DataError(
                f"{table.file} has no column {one_line(chosen, 60)!r}: its columns are "
                f"{_shown(table)}"
            )
    else:
        first, *others = _ROLES[role]
        places = _places(table, [first]) or _places(table, others)
        if role == "split":
            places = [place for place in places if _holds_splits(table, place)]
    if len(places) > 1:
        names = [one_line(table.columns[place], 60) for place in places]
        choice = f"choose one with {table.file.name}?{role}={names[0]}"
        raise DataError(
            f"{table.file} has {len(places)} columns that may be the {role} ({', '.join(names)}): "
            f"{choice if len(set(names)) == len(names) else 'rename all but one'}"
        )
    return places[0] if places else None


def _places(table: Table, names: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(table.columns) if _plain(name) in names]


def _shown(table: Table) -> str:
    return one_line(table.separator.join(table.columns))


def _missing(table: Table, role: str) -> DataError:
    return DataError(
        f"{table.file}, line {table.header_line} has no column {role} (it has "
        f"{_shown(table)}): name the columns path{table.separator}label, or choose one with "
        f"{table.file.name}?{role}=COLUMN"
    )


def _check_header(table: Table, chosen: Mapping[str, str]) -> None:
    """Refuse a first line that is a photo already: it would be taken for names of columns."""
    if any(name in table.columns for name in chosen.values()):
        return
    photos = [name.lower().endswith(SUFFIXES) for name in table.columns]
    if not any(photos):
        return
    if len(table.columns) == 1:
        raise DataError(
            f"{table.file} lists photos without labels: write each line as path,label, and add a "
            "first line path,label"
        )
    example = table.separator.join(_names_for(table.columns, photos.index(True)))
    raise DataError(
        f"{table.file}, line {table.header_line} is a photo ({_shown(table)}), not the column "
        f"names: add a first line {example}"
    )


def _names_for(cells: Sequence[str], photo: int) -> list[str]:
    """Return a header: for the photo, a split by its name, and the first other as the label."""
    names = [f"column{number}" for number in range(1, len(cells) + 1)]
    splits = [at for at, cell in enumerate(cells) if len(cells) > 2 and split_named(cell)]
    labels = [at for at in range(len(cells)) if at not in (photo, *splits[:1])]
    for role, places in (("path", [photo]), ("label", labels), ("split", splits)):
        for place in places[:1]:
            names[place] = role
    return names


def _holds_splits(table: Table, column: int) -> bool:
    """Whether a column is one of splits: fold may as well hold the numbers of cross-validation."""
    if _plain(table.columns[column]) == "split":
        return True
    return any(split_named(row.cells[column]) for row in table.rows)


def _column_of_splits(table: Table, others: Sequence[int | None]) -> int | None:
    """Return the only column that holds nothing but names of splits, whatever it is called."""
    places = [
        place
        for place in range(len(table.columns) if table.rows else 0)
        if place not in others and all(split_named(row.cells[place]) for row in table.rows)
    ]
    return places[0] if len(places) == 1 else None


def _one_hot(table: Table, path: int, split: int | None) -> tuple[int, ...]:
    """Return the columns of the classes, or none: a column of other values may be the label."""
    places = tuple(
        place
        for place, name in enumerate(table.columns)
        if place not in (path, split) and _plain(name) not in (*_NUMBERING, *_SPLITS)
    )
    cells = (row.cells[place] for row in table.rows for place in places)
    return places if all(cell.casefold() in _ZERO_OR_ONE for cell in cells) else ()
