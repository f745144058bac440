"""Photos by a list: a CSV file of paths and labels, and of splits if it has them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from foodvision.data.csv_paths import PhotoFinder
from foodvision.data.csv_table import (
    ROLES,
    Columns,
    Row,
    Table,
    choose_columns,
    is_one,
    not_used,
    read_table,
)
from foodvision.data.layout import LeftOut
from foodvision.data.names import a_few, parse_options, split_named
from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.errors import DataError

_SOURCE = re.compile(r"(?P<file>.*\.[ct]sv)(?:\?(?P<options>.*))?", re.DOTALL | re.IGNORECASE)

# What pandas, spreadsheets and databases write where there is nothing; nan is also a bread.
_NO_LABEL = ("", "NaN", "<NA>", "#N/A", "N/A", "NULL")


@dataclass(frozen=True)
class _Listed:
    line: int
    split: str
    photo: LabelledPhoto


def is_csv(source: str) -> bool:
    """Whether a source is a CSV file by its name, with or without options."""
    return _SOURCE.fullmatch(source) is not None


def parse_csv(source: str) -> tuple[Path, dict[str, str]]:
    """Return the file of `photos.csv?path=COLUMN&label=COLUMN&split=COLUMN`, and its columns.

    Raises DataError for an unknown option, and for one without a value.
    """
    match = _SOURCE.fullmatch(source)
    assert match is not None, source
    columns = parse_options(source, match["options"], ROLES)
    for option, column in columns.items():
        if not column:
            raise DataError(f"{source}: write the column as ?{option}=COLUMN")
    return Path(match["file"]), columns


def read_csv(file: Path, columns: Mapping[str, str] | None = None) -> Photos:
    """Read which photos there are, and what is on them, from a CSV file.

    Its first line names the columns: `path` (relative to the file's folder) and `label`, and maybe
    `split`, which is train, val (valid, validation) or test; `csv_table` has their other usual
    names. Instead of `label`, there may be a column for each class that holds 0 or 1. Other columns
    are not looked at. `csv_paths` says how paths may be written.

    columns: the columns' names for "path", "label" or "split", if they are not the usual ones.

    Raises DataError, naming the line, for a missing column, an unknown split, an empty label or one
    of several classes, a file that is not there, and a photo that is listed with two labels or in
    two splits.
    """
    splits: dict[str, list[LabelledPhoto]] = {}
    left_out: list[LeftOut] = []
    seen: dict[Path, _Listed] = {}
    table = read_table(file)
    chosen = choose_columns(table, columns or {})
    for row in _listed(table, chosen):
        first = seen.setdefault(row.photo.path, row)
        if first is row:
            splits.setdefault(row.split, []).append(row.photo)
        else:
            _check_same(file, first, row)
            left_out.append(LeftOut(row.photo.path, "listed twice"))
    if not splits:
        raise DataError(f"{file} lists no photos: below path,label, add one line per photo")
    notes = tuple(filter(None, (not_used(table, chosen),)))
    by_split = {name: tuple(of) for name, of in splits.items()}
    return Photos(file.parent, by_split, tuple(left_out), notes=notes)


def _listed(table: Table, columns: Columns) -> Iterator[_Listed]:
    finder = PhotoFinder(table.file.parent)
    labels = [_label(table, columns, row) for row in table.rows]
    if columns.label is not None:
        _check_single(table, labels)
    for row, label in zip(table.rows, labels, strict=True):
        place = table.place(row)
        path = finder.find(row.cells[columns.path], place)
        yield _Listed(row.line, _split(place, columns, row), LabelledPhoto(path, label))


def _label(table: Table, columns: Columns, row: Row) -> str:
    """Return a row's label, after a look at whether it is complete."""
    if not row.cells[columns.path]:
        raise DataError(f"{table.place(row)} has no path: fill it in, or remove the line")
    if columns.label is None:
        return _one_hot_label(table, columns.classes, row)
    if row.cells[columns.label] in _NO_LABEL:
        raise DataError(f"{table.place(row)} has no label: fill it in, or remove the line")
    return row.cells[columns.label]


def _one_hot_label(table: Table, classes: Iterable[int], row: Row) -> str:
    names = [table.columns[place] for place in classes if is_one(row.cells[place])]
    if len(names) != 1:
        found = f"a 1 under {a_few(names)}" if names else "no 1 under any class"
        raise DataError(
            f"{table.place(row)} has {found:.300}: give the photo one class, or choose the label "
            f"column with {table.file.name}?label=COLUMN"
        )
    return names[0]


def _check_single(table: Table, labels: list[str]) -> None:
    """Refuse cells of several labels, which would become classes of their own."""
    known = set(labels)
    usual = {mark for mark in ";," if 2 * sum(mark in label for label in known) > len(known)}
    for row, label in zip(table.rows, labels, strict=True):
        if _is_several(label, known, usual):
            raise DataError(
                f"{table.place(row)} has several labels in one cell ({label:.60}): keep one "
                "label per photo; if it is one name, write it without , ; | and brackets"
            )


def _is_several(label: str, known: set[str], usual: set[str]) -> bool:
    """Whether a label is a list.

    known: all labels of the table. usual: of comma and semicolon those that most labels hold.
    """
    if "|" in label or (label[:1] + label[-1:]) in ("[]", "{}"):
        return True
    return any(
        mark in label and (mark in usual or {part.strip() for part in label.split(mark)} <= known)
        for mark in ";,"
    )


def _split(place: str, columns: Columns, row: Row) -> str:
    if columns.split is None:
        return "all"
    name = row.cells[columns.split]
    split = split_named(name)
    if split is None:
        raise DataError(f"{place}: unknown split {name!r:.60}: write train, val or test")
    return split


def _check_same(file: Path, first: _Listed, second: _Listed) -> None:
    lines = f"{file}, lines {first.line} and {second.line}: {first.photo.path}"
    both = ""
    if first.photo.label != second.photo.label:
        both = f"has two labels, {first.photo.label:.60} and {second.photo.label:.60}"
    elif first.split != second.split:
        both = f"is in two splits, {first.split} and {second.split}"
    if both:
        raise DataError(f"{lines} {both}: keep one of the lines")
