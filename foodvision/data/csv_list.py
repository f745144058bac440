"""Photos by a list: a CSV file of path and label, and of split if it says so."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from foodvision.data.layout import LeftOut
from foodvision.data.names import split_named
from foodvision.data.photos import LabelledPhoto, Photos
from foodvision.errors import DataError, first_line

_COLUMNS = ("path", "label")


@dataclass(frozen=True)
class _Row:
    line: int
    split: str
    photo: LabelledPhoto


def read_csv(file: Path) -> Photos:
    """Read which photos there are, and what is on them, from a CSV file.

    Its first line names the columns: `path` (relative to the file's folder) and `label`, and maybe
    `split`, which is train, val (valid, validation) or test. Other columns are not looked at.

    Raises DataError, naming the line, for a missing column, an unknown split, an empty label, a
    file that is not there, and a photo that is listed with two labels or in two splits.
    """
    splits: dict[str, list[LabelledPhoto]] = {}
    left_out: list[LeftOut] = []
    seen: dict[Path, _Row] = {}
    for row in _rows(file):
        first = seen.setdefault(row.photo.path, row)
        if first is row:
            splits.setdefault(row.split, []).append(row.photo)
        else:
            _check_same(file, first, row)
            left_out.append(LeftOut(row.photo.path, "listed twice"))
    if not splits:
        raise DataError(f"{file} lists no photos: below path,label each line should name one")
    return Photos(file.parent, {name: tuple(of) for name, of in splits.items()}, tuple(left_out))


def _rows(file: Path) -> Iterator[_Row]:
    try:
        # Excel writes a byte order mark, which utf-8-sig skips.
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, skipinitialspace=True, strict=True)
            columns = reader.fieldnames or []
            _check_columns(file, columns)
            for values in reader:
                yield _row(file, reader.line_num, values, has_splits="split" in columns)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text in UTF-8: save it again as CSV in UTF-8") from None
    except csv.Error as error:
        place = f"{file}, line {reader.reader.line_num}"
        raise DataError(f"{place} is no CSV ({first_line(error)}): check its quotes") from None


def _check_columns(file: Path, columns: Sequence[str]) -> None:
    if missing := [name for name in _COLUMNS if name not in columns]:
        there = f"it has {','.join(columns):.200}" if columns else "it is empty"
        raise DataError(
            f"{file}, line 1 names no column {missing[0]} ({there}): "
            "it should be path,label or path,label,split"
        )


def _row(file: Path, line: int, values: dict[str, str], *, has_splits: bool) -> _Row:
    # A line that is longer or shorter than the header holds None, as key or as value.
    if None in values or None in values.values():
        raise DataError(
            f"{file}, line {line} has not as many fields as the header: "
            "put what holds a comma between quotes"
        )
    name, label = values["path"].strip(), values["label"].strip()
    if not name or not label:
        missing = "label" if name else "path"
        raise DataError(f"{file}, line {line} has no {missing}: fill it in, or remove the line")
    path = Path(os.path.normpath(file.parent / name))
    # pathlib's is_file raises an OSError for a name that is too long.
    if not os.path.isfile(path):  # noqa: PTH113
        raise DataError(
            f"{file}, line {line}: there is no file {path!s:.300}: "
            "paths are relative to the folder of the CSV"
        )
    split = split_named(values["split"].strip()) if has_splits else "all"
    if split is None:
        raise DataError(
            f"{file}, line {line}: no split {values['split']!r:.60}: "
            "it should be train, val or test"
        )
    return _Row(line, split, LabelledPhoto(path, label))


def _check_same(file: Path, first: _Row, second: _Row) -> None:
    lines = f"{file}, lines {first.line} and {second.line}: {first.photo.path}"
    if first.photo.label != second.photo.label:
        raise DataError(
            f"{lines} is both {first.photo.label:.60} and {second.photo.label:.60}: "
            "keep one of the lines"
        )
    if first.split != second.split:
        raise DataError(
            f"{lines} is both in {first.split} and in {second.split}: keep one of the lines"
        )
