"""What may be in the files of a checkpoint and a run: types, ranges, lengths.

Each type says in one phrase what a value must be. The figures in them are in `foodvision.figures`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    GetPydanticSchema,
    ValidationError,
    WrapValidator,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from foodvision.safety.files import is_plain

MOST_CLASSES = 25_000
"""ImageNet's largest list has 21,841."""

LONGEST_NAME = 255
"""The longest name of a folder, as which a class begins."""

_LONGEST_TEXT = 1000


def at_most(count: int) -> BeforeValidator:
    """Return a validator that refuses too long an object or list before its values are looked at.

    pydantic's own limit comes after them, and collects a fault of each: seconds and gigabytes.
    A list becomes the tuple that dataclasses hold.
    """

    def check(value: Any) -> Any:
        if isinstance(value, (dict, list)) and len(value) > count:
            raise PydanticCustomError("at_most", f"must have at most {count:,} entries")
        return tuple(value) if isinstance(value, list) else value

    return BeforeValidator(check)


FEW = at_most(1000)
"""Of rows and entries that no class multiplies."""

ROUNDING = 1e-6
"""A mean of float32 confidences can exceed 1 by so much."""


def must_be(phrase: str) -> WrapValidator:
    """Return a validator that says all faults of a value in one phrase."""

    def say(value: Any, check: Callable[[Any], Any]) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise PydanticCustomError("must_be", f"must be {phrase}") from None

    return WrapValidator(say)


def read_as(schema: Any) -> GetPydanticSchema:
    """Return what has a field checked by a TypedDict, for code that takes any dict."""
    return GetPydanticSchema(lambda _, handler: handler(schema))


def _plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError
    return text


Name: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_plain),
    must_be(f"a text of 1 to {LONGEST_NAME} characters, without control characters"),
]
Text: TypeAlias = Annotated[
    str,
    Field(max_length=_LONGEST_TEXT),
    AfterValidator(_plain),
    must_be(f"a text of at most {_LONGEST_TEXT} characters, without control characters"),
]
Repository: TypeAlias = Annotated[
    str,
    Field(pattern=r"\A([\w-][\w.-]*/[\w-][\w.-]*)?\z", max_length=LONGEST_NAME),
    must_be('a repository of the Hub, as user/name, or ""'),
]
Architecture: TypeAlias = Annotated[
    str,
    Field(pattern=r"\A[\w-][\w./-]*\z", max_length=LONGEST_NAME),
    must_be("the name of a network: letters, digits, and any of . _ / -"),
]
Sha256: TypeAlias = Annotated[
    str, Field(pattern=r"\A[0-9a-f]{64}\z"), must_be("a SHA-256 in hexadecimal")
]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False), must_be("a finite number")]
Positive: TypeAlias = Annotated[float, Field(ge=0, le=1e12), must_be("a number from 0 to 1e12")]
Proportion: TypeAlias = Annotated[
    float, Field(ge=-ROUNDING, le=1 + ROUNDING), must_be("a number from 0 to 1")
]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**12), must_be("a whole number from 0 to 1e12")]
AtLeastOne: TypeAlias = Annotated[
    int, Field(ge=1, le=10**12), must_be("a whole number from 1 to 1e12")
]
Versions: TypeAlias = Annotated[dict[Text, Text], FEW]


Scalar: TypeAlias = Annotated[
    str | int | float | bool | None, must_be("a text, a number, true, false or null")
]
Settings: TypeAlias = Annotated[dict[Text, Scalar], FEW]
"""A file of settings; what each may be says `foodvision.training.config.TrainConfig`."""


@with_config(ConfigDict(extra="allow"))
class Training(TypedDict, total=False):
    """`training` of a checkpoint: the settings that this package reads again, and the others."""

    exclude: str | None
    # Of a TinyVGG of 2048 units: 113 million weights.
    hidden_units: Annotated[int, Field(ge=1, le=2048), must_be("a whole number from 1 to 2048")]


@with_config(ConfigDict(extra="allow"))
class DataOrigin(TypedDict, total=False):
    """`data` of a checkpoint: the photos' source, fingerprint and number in each split.

    left_out: how many files were left out, by the reason.
    """

    source: str
    fingerprint: str
    train: Count
    val: Count
    test: Count
    left_out: Annotated[dict[Text, Count], FEW]


@with_config(ConfigDict(extra="allow"))
class Agreement(TypedDict, total=False):
    """`export` of a checkpoint: how closely graph and network agree, on how many photos."""

    largest_difference: Positive
    photos: Count


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        moment.timestamp()  # by which runs are sorted, and which not every date has
    except (ValueError, OverflowError):
        raise ValueError from None
    return moment.isoformat()


Moment: TypeAlias = Annotated[
    str,
    AfterValidator(_moment),
    must_be("a date and time, as 2026-11-30T10:00:00+01:00"),
]


class Started(TypedDict):
    """`run.json` of a run."""

    data: str
    started: Moment
    command: tuple[str, ...]
    state: Literal["running", "finished", "stopped", "failed"]
    seconds: Positive
    system: Annotated[dict[Text, Scalar], FEW]
    versions: Versions


class _Row(TypedDict, total=False):
    """An epoch."""

    epoch: Count
    stage: Text
    train_loss: Number | None
    train_acc: Proportion | None
    val_loss: Number | None
    val_acc: Proportion | None
    learning_rate: Number | None
    seconds: Positive | None


Rows: TypeAlias = Annotated[
    list[dict[str, float | int | str | None]], read_as(Annotated[list[_Row], FailFast()])
]
"""`metrics.json` of a run."""


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("unique", "must not contain a class twice")
    return names


ClassNames: TypeAlias = Annotated[
    tuple[Name, ...],
    Field(min_length=2, max_length=MOST_CLASSES),
    FailFast(),
    AfterValidator(_unique),
]
