"""Predictions as rows of a table: the same columns in every file of answers."""

from itertools import chain
from typing import Any, TypeAlias

from foodvision.classifier import Prediction
from foodvision.errors import FoodVisionError

Row: TypeAlias = list[str | float | bool | None]
"""A row's values, in the order of `columns_of`."""


def columns_of(top: int) -> list[str]:
    """Return the columns' names.

    top: how many guesses a row has.
    """
    more = [(f"top{rank}", f"top{rank}_confidence") for rank in range(2, top + 1)]
    fixed = ["path", "label", "confidence", "certainty", "known", "known_score"]
    return [*fixed, *chain.from_iterable(more), "error"]


def row_of(name: str, answer: Prediction | FoodVisionError, top: int) -> Row:
    """Return the row of one photo: its name, and its prediction or what is wrong with it."""
    if isinstance(answer, FoodVisionError):
        return [name, *[None] * (5 + 2 * (top - 1)), str(answer)]
    guesses = [*answer.top[1:], *[(None, None)] * (top - len(answer.top))]
    said = (answer.label, answer.confidence, answer.certainty, answer.known, answer.known_score)
    return [name, *said, *chain.from_iterable(guesses), None]


def parquet_schema(top: int) -> Any:
    """Return the columns as a `pyarrow.Schema`."""
    import pyarrow

    kinds = {"known": pyarrow.bool_(), "known_score": pyarrow.float64()}
    return pyarrow.schema(
        (
            name,
            pyarrow.float64() if name.endswith("confidence") else kinds.get(name, pyarrow.string()),
        )
        for name in columns_of(top)
    )


def parquet_table(rows: list[Row], top: int) -> Any:
    """Return rows as a `pyarrow.Table`."""
    import pyarrow

    schema = parquet_schema(top)
    columns = [[as_unicode(value) for value in column] for column in zip(*rows, strict=True)]
    return pyarrow.table(columns, schema=schema) if rows else schema.empty_table()


def as_unicode(value: Any) -> Any:
    """Escape the bytes of a file name that are not Unicode: Parquet cannot hold them."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
